//! What is dead of the parts of a list.

use super::PartDead;
use super::chunk::ChunkFile;
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::name::DeadName;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What is dead of the parts of a list, by their numbers.
pub(crate) struct Deaths<H: Host> {
    parts: BTreeMap<u64, Arc<PartDead<H>>>,
    /// How many of its files are in memory, and their bytes, from when that is first asked.
    memory: OnceLock<(u64, u64)>,
}

impl<H: Host> Clone for Deaths<H> {
    fn clone(&self) -> Self {
        Self {
            parts: self.parts.clone(),
            memory: self.memory.clone(),
        }
    }
}

impl<H: Host> Default for Deaths<H> {
    fn default() -> Self {
        Self {
            parts: BTreeMap::new(),
            memory: OnceLock::new(),
        }
    }
}

impl<H: Host> Deaths<H> {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What is dead of a part; none where nothing is.
    pub(crate) fn of(&self, part: u64) -> Option<&PartDead<H>> {
        self.parts.get(&part).map(|dead| &**dead)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &PartDead<H>)> + Clone {
        self.parts.iter().map(|(part, dead)| (*part, &**dead))
    }

    /// Says what is dead of a part.
    pub(crate) fn set(&mut self, part: u64, dead: PartDead<H>) {
        self.memory = OnceLock::new();
        match dead.is_empty() {
            true => drop(self.parts.remove(&part)),
            false => drop(self.parts.insert(part, Arc::new(dead))),
        }
    }

    /// Forgets what is dead of other parts than these.
    pub(crate) fn keep(&mut self, parts: &[Arc<Part<H>>]) {
        self.memory = OnceLock::new();
        self.parts
            .retain(|number, _| parts.iter().any(|part| part.number() == *number));
    }

    /// Forgets a part.
    pub(crate) fn remove(&mut self, part: u64) {
        self.memory = OnceLock::new();
        self.parts.remove(&part);
    }

    fn sum(&self, parts: &[u64], rows: impl Fn(&PartDead<H>) -> u64) -> u64 {
        let dead = parts.iter().filter_map(|part| self.of(*part));
        dead.map(rows).fold(0, u64::saturating_add)
    }

    /// The rows that are dead in the snapshot of some parts, which merges may leave out.
    pub(crate) fn stored_rows(&self, parts: &[u64]) -> u64 {
        self.sum(parts, |dead| dead.stored.rows())
    }

    /// The rows that are dead now of some parts.
    pub(crate) fn rows_of(&self, parts: &[u64]) -> u64 {
        self.sum(parts, PartDead::rows)
    }

    /// The rows that are dead now.
    pub(crate) fn rows(&self) -> u64 {
        let rows = self.parts.values().map(|dead| dead.rows());
        rows.fold(0, u64::saturating_add)
    }

    /// All files, each once.
    pub(crate) fn files(&self) -> BTreeMap<DeadName, ChunkFile> {
        let chunks = self.parts.values().flat_map(|dead| dead.chunks());
        chunks.map(|chunk| (chunk.file.name, chunk.file)).collect()
    }

    /// The files that others do not have.
    pub(crate) fn files_beside(&self, others: &Self) -> Vec<ChunkFile> {
        let mut found = BTreeMap::new();
        for (part, dead) in &self.parts {
            let other = others.parts.get(part);
            // Most are the same.
            if other.is_some_and(|other| Arc::ptr_eq(other, dead)) {
                continue;
            }
            let files = dead.chunks().map(|chunk| (chunk.file.name, chunk.file));
            found.extend(files);
            for chunk in other.iter().flat_map(|other| other.chunks()) {
                found.remove(&chunk.file.name);
            }
        }
        found.into_values().collect()
    }

    /// How many files in memory there are, and what they take.
    pub(crate) fn in_memory(&self) -> (u64, u64) {
        *self.memory.get_or_init(|| {
            let files = self.files().into_values();
            let memory = files.filter(|file| file.medium == Medium::Memory);
            memory.fold((0, 0), |(files, bytes), file| {
                (files + 1, bytes + file.size_bytes)
            })
        })
    }
}
