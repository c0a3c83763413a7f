//! Checking the tags of a part: what metadata, limits and filters say of the values that are there.

use crate::error::{Error, Result};
use crate::host::{ABSENT, Host};
use crate::part::Part;
use crate::part::limits::union;
use crate::part::reader::{Frame, OpenTagPage};
use sidx_kernels::{Column, ColumnStats, Filter, ValueRange, Values, hash};

/// Sums up the columns of a part while its blocks are checked.
pub(super) struct TagCheck<'a, H: Host> {
    part: &'a Part<H>,
    /// Rows with a value, and limits, of each column so far.
    found: Vec<(u64, ValueRange)>,
}

impl<'a, H: Host> TagCheck<'a, H> {
    pub(super) fn new(part: &'a Part<H>) -> Self {
        let found = part.columns().iter().map(|_| (0, ValueRange::None));
        Self {
            part,
            found: found.collect(),
        }
    }

    /// Compares the values of a block, read with all columns, with its metadata.
    pub(super) fn block(
        &mut self,
        host: &H,
        frame: &Frame,
        (index, block): (usize, usize),
        columns: Option<&H::Columns>,
    ) -> Result<()> {
        let Some(columns) = columns else {
            return Ok(());
        };
        let entries = self.part.columns().iter().zip(&mut self.found);
        for ((entry, (present, limits)), place) in entries.zip(1u32..) {
            let name = &entry.column.name;
            let values = host.read_column(columns, place)?;
            let stats = ColumnStats::of(&values);
            let column = self.part.place_of(name, entry.column.kind);
            let page = match column {
                Some((tag, column)) => self.part.tag_frame(frame, index, tag)?.page(block, column),
                None => None,
            };
            check_page(host, page, &values, &stats)
                .map_err(|error| error.at(format_args!("tag {name:?}")))?;
            let longest = values.max_value_bytes() as u64;
            if longest > u64::from(self.part.manifest().longest_tag_bytes) {
                return Err(Error::corrupt(format!(
                    "tag {name:?} has a value of {longest} bytes, more than the manifest says"
                )));
            }
            *present += u64::from(stats.present);
            *limits = union(limits, &stats.range);
        }
        Ok(())
    }

    /// Compares the sums with the manifest.
    pub(super) fn finish(self) -> Result<()> {
        for (entry, (present, limits)) in self.part.columns().iter().zip(self.found) {
            if entry.present != present || entry.limits != limits {
                return Err(Error::corrupt(format!(
                    "tag {:?}: {present} rows have values within {limits:?}, the manifest says {} \
                     within {:?}",
                    entry.column.name, entry.present, entry.limits
                )));
            }
        }
        Ok(())
    }
}

/// Compares the values of one column of a block with what its page's record says.
fn check_page<H: Host>(
    host: &H,
    page: Option<&OpenTagPage>,
    values: &Column,
    stats: &ColumnStats,
) -> Result<()> {
    let Some(open) = page else {
        return match stats.present {
            0 => Ok(()),
            count => Err(Error::corrupt(format!("{count} values without a page"))),
        };
    };
    if (open.page.present, &open.page.limits) != (stats.present, &stats.range) {
        return Err(Error::corrupt(format!(
            "{} rows have values within {:?}, its metadata says {} within {:?}",
            stats.present, stats.range, open.page.present, open.page.limits
        )));
    }
    if open.filter == ABSENT {
        return Ok(());
    }
    let bytes = host.load_page(open.filter)?;
    let filter = Filter::open(&bytes).map_err(|cause| Error::corrupt(cause.to_string()))?;
    match hashes(values).all(|hash| filter.contains(hash)) {
        true => Ok(()),
        false => Err(Error::corrupt("its filter denies a value that is there")),
    }
}

/// Hashes of all values, or elements of arrays.
fn hashes(column: &Column) -> impl Iterator<Item = u64> {
    let slots = column.presence().filter(|_| !column.kind().array);
    let is_live = move |at: &usize| slots.is_none_or(|present| present.get(*at));
    let hash = |at: usize| match column.values() {
        Values::Int(values) => values.get(at).map(|value| hash::of_int(*value)),
        Values::Float(values) => values.get(at).map(|value| hash::of_float(*value)),
        Values::Bool(values) => values.get(at).map(|value| hash::of_bool(*value)),
        Values::Bytes(values) => values.get(at).map(hash::of_bytes),
    };
    (0..column.values().len()).filter(is_live).filter_map(hash)
}
