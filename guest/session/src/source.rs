//! Finished files open for reading, and where pages lie in them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use sidx_engine::host::{Chunk, Extent};
use sidx_engine::{Error, Result};

use crate::chunks::Chunks;
use crate::memory::MemoryFile;
use crate::place::{OpenFile, Range};
use crate::storage::Storage;

/// Files that nobody uses are closed when more than this many are open, or more than twice as many as are
/// in use.
const KEPT_OPEN: usize = 128;

/// A finished file.
pub(crate) struct SourceFile<S: Storage> {
    /// Never given to a second file of the session.
    pub(crate) id: u64,
    /// For messages.
    pub(crate) path: String,
    pub(crate) body: Body<S>,
}

/// Where the bytes are.
pub(crate) enum Body<S: Storage> {
    Memory(MemoryFile),
    Stored(Rc<OpenFile<S>>),
    /// In another file of the store, which stays open with it.
    Section {
        of: Rc<SourceFile<S>>,
        file: Rc<OpenFile<S>>,
        chunks: Chunks,
    },
}

impl<S: Storage> SourceFile<S> {
    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::Memory(file) => file.bytes.len() as u64,
            Body::Stored(file) => file.size_bytes(),
            Body::Section { chunks, .. } => chunks.size_bytes(),
        }
    }

    /// Chunks that it remembers.
    pub(crate) fn chunks(&self) -> usize {
        match &self.body {
            Body::Section { chunks, .. } => chunks.count(),
            _ => 0,
        }
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.body, Body::Memory(_))
    }

    /// `corrupt` when the file ends before a range does.
    pub(crate) fn check_range(&self, offset: u64, length: u32) -> Result<()> {
        let size = self.size();
        let end = offset.checked_add(u64::from(length));
        if end.is_some_and(|end| end <= size) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{}: {length} bytes at offset {offset} are asked for, the file has {size} bytes",
            self.path
        )))
    }

    /// The bytes of a range, which is compared with the size before anything is allocated.
    pub(crate) fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        self.check_range(offset, length)?;
        match &self.body {
            Body::Memory(file) => {
                // Both ends are at most the length, as compared above.
                let all = file.bytes.len();
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(all);
                let end = start.saturating_add(length as usize).min(all);
                Ok(file.bytes.slice(start..end))
            }
            Body::Stored(file) => Ok(file.read(offset, length as usize)?.into()),
            Body::Section { file, chunks, .. } => {
                let mut bytes = Vec::with_capacity(length as usize);
                for (at, length) in chunks.pieces(offset, u64::from(length)) {
                    bytes.append(&mut file.read(at, length as usize)?);
                }
                Ok(bytes.into())
            }
        }
    }

    /// The ranges of its file that hold a range of it, which is inside; none of a file in memory.
    pub(crate) fn ranges(&self, offset: u64, length: u32) -> Vec<Range> {
        match &self.body {
            Body::Memory(_) => Vec::new(),
            Body::Stored(file) => {
                let file = file.handle();
                vec![Range {
                    file,
                    offset,
                    length,
                }]
            }
            Body::Section { file, chunks, .. } => {
                let file = file.handle();
                let pieces = chunks.pieces(offset, u64::from(length));
                // Each is no longer than the whole.
                let range = |(offset, length)| Range {
                    file,
                    offset,
                    length: length as u32,
                };
                pieces.map(range).collect()
            }
        }
    }
}

/// Where a registered page lies.
pub(crate) struct PagePlace<S: Storage> {
    pub(crate) file: Rc<SourceFile<S>>,
    pub(crate) extent: Extent,
    /// The page of the dictionary that this one may refer to.
    pub(crate) dictionary: Option<Rc<PagePlace<S>>>,
}

impl<S: Storage> Clone for PagePlace<S> {
    fn clone(&self) -> Self {
        Self {
            file: Rc::clone(&self.file),
            extent: self.extent,
            dictionary: self.dictionary.clone(),
        }
    }
}

impl<S: Storage> PagePlace<S> {
    /// What the cache knows the page by: the file, and the offset in it.
    pub(crate) fn key(&self) -> (u64, u64) {
        (self.file.id, self.extent.offset)
    }

    /// What is in front of a message about it.
    pub(crate) fn at(&self, error: Error) -> Error {
        let (path, offset) = (&self.file.path, self.extent.offset);
        error.at(format_args!("{path} offset {offset}"))
    }
}

/// The stored files that are open. One identity per file, so that its pages are cached once.
pub(crate) struct OpenFiles<S: Storage> {
    by_path: RefCell<BTreeMap<String, Rc<SourceFile<S>>>>,
    /// How many were in use when it was last looked for those that are not.
    in_use: Cell<usize>,
    last_id: Cell<u64>,
}

impl<S: Storage> Default for OpenFiles<S> {
    fn default() -> Self {
        Self {
            by_path: RefCell::default(),
            in_use: Cell::new(0),
            last_id: Cell::new(0),
        }
    }
}

impl<S: Storage> OpenFiles<S> {
    /// A file with an identity of its own.
    pub(crate) fn source(&self, path: &str, body: Body<S>) -> Rc<SourceFile<S>> {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        Rc::new(SourceFile {
            id,
            path: path.to_owned(),
            body,
        })
    }

    fn insert(&self, path: &str, body: Body<S>) -> Rc<SourceFile<S>> {
        let file = self.source(path, body);
        let mut files = self.by_path.borrow_mut();
        if files.len() >= KEPT_OPEN.max(2 * self.in_use.get()) {
            files.retain(|_, file| Rc::strong_count(file) > 1);
            self.in_use.set(files.len());
        }
        files.insert(path.to_owned(), Rc::clone(&file));
        file
    }

    /// Opens a file, or returns it when it is open already.
    pub(crate) fn open(
        &self,
        path: &str,
        open: impl FnOnce() -> Result<OpenFile<S>>,
    ) -> Result<Rc<SourceFile<S>>> {
        if let Some(file) = self.by_path.borrow().get(path) {
            return Ok(Rc::clone(file));
        }
        let body = Body::Stored(Rc::new(open()?));
        Ok(self.insert(path, body))
    }

    /// Opens a section of a file, or returns it when it is open already.
    pub(crate) fn open_section(
        &self,
        of: &Rc<SourceFile<S>>,
        name: &str,
        chunks: &[Chunk],
    ) -> Result<Rc<SourceFile<S>>> {
        let path = format!("{}/{name}", of.path);
        let at = |error: Error| error.at(&path);
        let Body::Stored(file) = &of.body else {
            return Err(at(Error::invalid("only files of the store have sections")));
        };
        let chunks = Chunks::new(chunks.to_vec(), of.size()).map_err(at)?;
        let known = self.by_path.borrow().get(&path).cloned();
        if let Some(known) = known
            && let Body::Section {
                of: file,
                chunks: others,
                ..
            } = &known.body
            && Rc::ptr_eq(file, of)
            && *others == chunks
        {
            return Ok(known);
        }
        let body = Body::Section {
            of: Rc::clone(of),
            file: Rc::clone(file),
            chunks,
        };
        Ok(self.insert(&path, body))
    }

    /// Forgets a file with its sections, or all below a directory, and returns the identities of what was
    /// open.
    pub(crate) fn forget(&self, path: &str) -> Vec<u64> {
        let is_at = |name: &str| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut files = self.by_path.borrow_mut();
        let gone = files.extract_if(.., |name, _| is_at(name));
        gone.map(|(_, file)| file.id).collect()
    }
}
