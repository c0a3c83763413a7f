//! What is only in memory, and how much room in the store its flush will take.

use crate::host::{Form, Host, Medium};
use crate::merge::space::{column_bytes, column_files, output_bytes};
use crate::part::Part;
use crate::part::PartList;
use crate::types::FlushNeed;
use sidx_columns::ColumnType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes that flushes take however little they write: files, directory, snapshot and a new segment of
/// the log, in blocks of the medium. One flush may be under way while the rows of the next gather.
const FLUSH_BYTES: u64 = 128 << 10;
/// Files that a flush makes beside those of columns: five of the part, its folder, its manifest and what that
/// is made from, the snapshot likewise, segments of the log; and again for a flush that is under way.
const FLUSH_FILES: u64 = 32;
/// Bytes that a file with dead rows takes in the store beside its own, and in the snapshot.
const DEAD_BYTES: u64 = 4 << 10;
/// Bytes that a snapshot takes for each part, and for each region in which rows were lost.
const LISTED_BYTES: u64 = 128;
const REGION_BYTES: u64 = 256;

/// The columns of the parts in memory.
#[derive(Debug, Default)]
pub(crate) struct Unflushed {
    /// Types by name.
    columns: BTreeMap<String, Vec<ColumnType>>,
    count: u64,
}

impl Unflushed {
    /// Those of a part list.
    pub(crate) fn of<H: Host>(parts: &[Arc<Part<H>>]) -> Self {
        let mut unflushed = Self::default();
        for part in parts.iter().filter(|part| part.medium() == Medium::Memory) {
            unflushed.add(part);
        }
        unflushed
    }

    /// Takes a part in memory in.
    pub(crate) fn add<H: Host>(&mut self, part: &Part<H>) {
        for entry in part.columns() {
            let (name, kind) = (&entry.column.name, entry.column.kind);
            if self.knows(name, kind) {
                continue;
            }
            self.count += 1;
            match self.columns.get_mut(name) {
                Some(kinds) => kinds.push(kind),
                None => drop(self.columns.insert(name.clone(), vec![kind])),
            }
        }
    }

    fn knows(&self, name: &str, kind: ColumnType) -> bool {
        self.columns
            .get(name)
            .is_some_and(|kinds| kinds.contains(&kind))
    }

    /// How many of the columns of a batch are in no part in memory yet.
    pub(crate) fn new_columns(&self, names: &[String], kinds: &[ColumnType]) -> u64 {
        let columns = names.iter().zip(kinds);
        columns
            .filter(|(name, kind)| !self.knows(name, **kind))
            .count() as u64
    }

    /// What a flush of everything in memory to a part of a form will take, at most. Also without rows in
    /// memory it is more than nothing: the next batch will need it.
    pub(crate) fn flush_need<H: Host>(&self, live: &PartList<H>, form: Form) -> FlushNeed {
        let lost = live.quarantined.iter().map(|lost| {
            let regions = lost.lost.len() as u64 * REGION_BYTES;
            regions + (lost.part.len() + lost.reason.len()) as u64
        });
        let snapshot = lost.sum::<u64>() + live.parts.len() as u64 * LISTED_BYTES;
        let (dead_files, _) = live.deaths.in_memory();
        let bytes = output_bytes(live.memory_bytes())
            .saturating_add(dead_files * DEAD_BYTES)
            .saturating_add(column_bytes(self.count, form))
            .saturating_add(FLUSH_BYTES)
            .saturating_add(snapshot);
        FlushNeed {
            bytes,
            files: column_files(self.count, form)
                .saturating_add(FLUSH_FILES)
                .saturating_add(dead_files),
        }
    }
}
