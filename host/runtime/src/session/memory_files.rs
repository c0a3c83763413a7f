//! Files of medium `memory`: they live as long as the index is open and are seen by all its instances.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::OpenPage;

use super::source::SourceFile;

/// Bytes taken from the memory budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

/// Memory that files of medium `memory` may take together.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: AtomicU64,
    allowed: u64,
}

impl MemoryBudget {
    pub(crate) fn new(allowed: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            allowed,
        })
    }

    /// Bytes taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// An empty reservation.
    pub(crate) fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Reservation {
    /// Takes more bytes; `resource-exhausted` when the budget does not have them.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.allowed {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            let text = format!(
                "{bytes} more bytes of memory files do not fit: {before} of {} bytes are in use; \
                 flush the index or raise its memory limit",
                self.budget.allowed
            );
            return Err(Error::new(ErrorKind::ResourceExhausted, text));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The content of one file. Pages that were opened stay with it, because a page shares the file's
/// allocation: in the page cache it would keep the whole file alive after its removal.
pub(crate) struct MemoryFile {
    pub(crate) bytes: Bytes,
    pub(crate) opened: Mutex<HashMap<u64, Arc<OpenPage>>>,
    _reservation: Reservation,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Bytes, reservation: Reservation) -> Self {
        Self {
            bytes,
            opened: Mutex::default(),
            _reservation: reservation,
        }
    }
}

/// All memory files of an open index by path.
#[derive(Default)]
pub(crate) struct MemoryFiles {
    files: RwLock<BTreeMap<String, Arc<SourceFile>>>,
}

impl MemoryFiles {
    pub(crate) fn get(&self, path: &str) -> Option<Arc<SourceFile>> {
        self.files.read().get(path).cloned()
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.files.read().contains_key(path)
    }

    /// Names a file; `conflict` when the name is taken.
    pub(crate) fn insert(&self, path: &str, file: Arc<SourceFile>) -> Result<()> {
        let mut files = self.files.write();
        if files.contains_key(path) {
            let text = format!("a memory file {path} exists already");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        files.insert(path.to_owned(), file);
        Ok(())
    }

    /// Names directly below a directory, sorted.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let files = self.files.read();
        let names: BTreeSet<&str> = below(&files, path)
            .filter_map(|(name, _)| name.get(path.len() + 1..))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Removes a file, or all files below a directory.
    pub(crate) fn remove(&self, path: &str) {
        let mut files = self.files.write();
        files.remove(path);
        let names: Vec<String> = below(&files, path).map(|(name, _)| name.clone()).collect();
        for name in names {
            files.remove(&name);
        }
    }
}

/// The files below a directory. Names that start like it but go on otherwise, such as `a.b` beside
/// `a/b`, may lie between them in the order.
fn below<'a>(
    files: &'a BTreeMap<String, Arc<SourceFile>>,
    path: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Arc<SourceFile>)> {
    files
        .range::<str, _>((Bound::Included(path), Bound::Unbounded))
        .take_while(move |(name, _)| name.starts_with(path))
        .filter(move |(name, _)| name.as_bytes().get(path.len()) == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> MemoryFiles {
        let files = MemoryFiles::default();
        let budget = MemoryBudget::new(1 << 20);
        for path in paths {
            let file = MemoryFile::new(Bytes::from_static(b"x"), budget.reserve());
            files
                .insert(path, SourceFile::in_memory(path, file))
                .unwrap();
        }
        files
    }

    #[test]
    fn a_directory_lists_what_is_directly_below_it() {
        let files = files(&[
            "mem/a/keys",
            "mem/a/data",
            "mem/a.b/keys",
            "mem/c",
            "memo/x",
        ]);
        assert_eq!(files.list("mem"), ["a", "a.b", "c"]);
        assert_eq!(files.list("mem/a"), ["data", "keys"]);
        assert!(files.list("none").is_empty());
    }

    #[test]
    fn removal_takes_a_file_or_all_below_a_directory_and_nothing_else() {
        let files = files(&["mem/a/keys", "mem/a/data", "mem/a.b/keys", "mem/c"]);
        files.remove("mem/a");
        files.remove("mem/c");
        files.remove("mem/none");
        assert_eq!(files.list("mem"), ["a.b"]);
    }

    #[test]
    fn a_reservation_is_bounded_and_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reserve();
        first.grow(80).unwrap();
        let mut second = budget.reserve();
        assert_eq!(
            second.grow(21).unwrap_err().kind(),
            ErrorKind::ResourceExhausted
        );
        second.grow(20).unwrap();
        drop(first);
        assert_eq!(budget.used(), 20);
    }
}
