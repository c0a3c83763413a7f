//! Files of medium `memory`: they live as long as the index is open and are seen by all its instances.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use sidx_engine::{Error, ErrorKind, Result};

use super::source::SourceFile;

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
    use bytes::Bytes;

    use super::*;
    use crate::session::memory::{MemoryBudget, MemoryFile};

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
}
