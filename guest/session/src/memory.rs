//! Files of medium `memory`, and the memory that they may take together.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::OpenPage;

/// Memory that files of medium `memory` may take together.
pub(crate) struct MemoryBudget {
    used: Cell<u64>,
    allowed: u64,
}

/// Bytes taken from the budget, given back on drop.
pub(crate) struct Reservation {
    budget: Rc<MemoryBudget>,
    bytes: u64,
}

impl MemoryBudget {
    pub(crate) fn new(allowed: u64) -> Rc<Self> {
        Rc::new(Self {
            used: Cell::new(0),
            allowed,
        })
    }

    /// Bytes taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Bytes that may be taken.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// An empty reservation.
    pub(crate) fn reserve(self: &Rc<Self>) -> Reservation {
        Reservation {
            budget: Rc::clone(self),
            bytes: 0,
        }
    }
}

impl Reservation {
    /// Takes more bytes; `resource-exhausted` when the budget does not have them.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        let before = self.budget.used.get();
        let after = before.saturating_add(bytes);
        if after > self.budget.allowed {
            let text = format!(
                "{bytes} more bytes of memory files do not fit: {before} of {} bytes are in use; \
                 flush the index or raise its memory limit",
                self.budget.allowed
            );
            return Err(Error::new(ErrorKind::ResourceExhausted, text));
        }
        self.budget.used.set(after);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let used = self.budget.used.get();
        self.budget.used.set(used.saturating_sub(self.bytes));
    }
}

/// The content of one file. Pages that were opened stay with it, because a page shares the file's
/// allocation: in the page cache it would keep the whole file alive after its removal.
pub(crate) struct MemoryFile {
    pub(crate) bytes: Bytes,
    /// By the offset of the page.
    pub(crate) opened: RefCell<BTreeMap<u64, Arc<OpenPage>>>,
    _reservation: Reservation,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Bytes, reservation: Reservation) -> Self {
        Self {
            bytes,
            opened: RefCell::default(),
            _reservation: reservation,
        }
    }
}

/// All memory files of an index by path, whatever stands for one.
pub(crate) struct MemoryFiles<F> {
    files: RefCell<BTreeMap<String, Rc<F>>>,
}

impl<F> Default for MemoryFiles<F> {
    fn default() -> Self {
        Self {
            files: RefCell::default(),
        }
    }
}

impl<F> MemoryFiles<F> {
    pub(crate) fn get(&self, path: &str) -> Option<Rc<F>> {
        self.files.borrow().get(path).cloned()
    }

    /// `conflict` when a name is taken.
    pub(crate) fn check_free(&self, path: &str) -> Result<()> {
        if self.files.borrow().contains_key(path) {
            let text = format!("a memory file {path} exists already");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Ok(())
    }

    /// Names a file; `conflict` when the name is taken.
    pub(crate) fn insert(&self, path: &str, file: Rc<F>) -> Result<()> {
        self.check_free(path)?;
        self.files.borrow_mut().insert(path.to_owned(), file);
        Ok(())
    }

    /// Names directly below a directory, sorted.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let files = self.files.borrow();
        let names: BTreeSet<&str> = below(&files, path)
            .filter_map(|name| name.get(path.len() + 1..))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Removes a file, or all files below a directory.
    pub(crate) fn remove(&self, path: &str) {
        let mut files = self.files.borrow_mut();
        files.remove(path);
        let names: Vec<String> = below(&files, path).cloned().collect();
        for name in names {
            files.remove(&name);
        }
    }
}

/// The files below a directory. Names that start like it but go on otherwise, such as `a.b` beside
/// `a/b`, may lie between them in the order.
fn below<'a, F>(
    files: &'a BTreeMap<String, Rc<F>>,
    path: &'a str,
) -> impl Iterator<Item = &'a String> {
    files
        .range::<str, _>((Bound::Included(path), Bound::Unbounded))
        .map(|(name, _)| name)
        .take_while(move |name| name.starts_with(path))
        .filter(move |name| name.as_bytes().get(path.len()) == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_bounded_and_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reserve();
        first.grow(80).unwrap();
        let mut second = budget.reserve();
        let refused = second.grow(21).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted);
        second.grow(20).unwrap();
        drop(first);
        assert_eq!(budget.used(), 20);
    }

    #[test]
    fn a_directory_lists_and_removes_what_is_below_it_and_nothing_else() {
        let files = MemoryFiles::default();
        for path in [
            "mem/a/keys",
            "mem/a/data",
            "mem/a.b/keys",
            "mem/c",
            "memo/x",
        ] {
            files.insert(path, Rc::new(())).unwrap();
        }
        assert_eq!(files.list("mem"), ["a", "a.b", "c"]);
        assert_eq!(files.list("mem/a"), ["data", "keys"]);
        files.remove("mem/a");
        files.remove("mem/c");
        files.remove("mem/none");
        assert_eq!(files.list("mem"), ["a.b"]);
        assert!(files.insert("memo/x", Rc::new(())).is_err());
    }
}
