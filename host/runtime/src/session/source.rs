//! Finished files open for reading, shared by all sessions of an index, and where pages lie in them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use sidx_engine::host::{Chunk, Extent};
use sidx_engine::{Error, Result};

use super::chunks::{Chunks, read_section};
use super::memory::MemoryFile;
use crate::page_cache::PageKey;
use crate::storage::ReadFile;

/// Files that nobody uses are closed when more than this many are open, or more than twice as many as are
/// in use.
const KEPT_OPEN: usize = 512;

/// A finished file.
pub(crate) struct SourceFile {
    /// Never given to a second file of the process.
    pub(crate) id: u64,
    /// For messages.
    pub(crate) path: String,
    pub(crate) body: Body,
}

/// Where the bytes are.
pub(crate) enum Body {
    Memory(MemoryFile),
    Stored(Arc<dyn ReadFile>),
    /// In another file of the store, which stays open with it.
    Section {
        of: Arc<SourceFile>,
        file: Arc<dyn ReadFile>,
        chunks: Chunks,
    },
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl SourceFile {
    fn new(path: &str, body: Body) -> Arc<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            id,
            path: path.to_owned(),
            body,
        })
    }

    /// A memory file.
    pub(crate) fn in_memory(path: &str, file: MemoryFile) -> Arc<Self> {
        Self::new(path, Body::Memory(file))
    }

    /// A file of the store.
    pub(crate) fn stored(path: &str, file: Arc<dyn ReadFile>) -> Arc<Self> {
        Self::new(path, Body::Stored(file))
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::Memory(file) => file.bytes.len() as u64,
            Body::Stored(file) => file.size(),
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

    /// The bytes of a range; `corrupt` when the file is shorter. The range is compared with the size
    /// before anything is allocated.
    pub(crate) fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let size = self.size();
        if offset
            .checked_add(u64::from(length))
            .is_none_or(|end| end > size)
        {
            return Err(Error::corrupt(format!(
                "{}: {length} bytes at offset {offset} are asked for, the file has {size} bytes",
                self.path
            )));
        }
        match &self.body {
            Body::Memory(file) => {
                // Both ends are at most the length, as compared above.
                let start = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(file.bytes.len());
                let end = start.saturating_add(length as usize).min(file.bytes.len());
                Ok(file.bytes.slice(start..end))
            }
            Body::Stored(file) => {
                let mut buffer = vec![0; length as usize];
                file.read_at(offset, &mut buffer)?;
                Ok(buffer.into())
            }
            Body::Section { file, chunks, .. } => {
                let mut buffer = vec![0; length as usize];
                read_section(chunks, file.as_ref(), offset, &mut buffer)?;
                Ok(buffer.into())
            }
        }
    }
}

/// Where a registered page lies.
#[derive(Clone)]
pub(crate) struct PagePlace {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) extent: Extent,
    /// The page of the dictionary that this one may refer to.
    pub(crate) dictionary: Option<Arc<PagePlace>>,
}

impl PagePlace {
    /// What the cache knows the page by.
    pub(crate) fn key(&self) -> PageKey {
        PageKey {
            file: self.file.id,
            offset: self.extent.offset,
        }
    }
}

/// The stored files that are open. One handle and one identity per file, so that instances share
/// cached pages.
#[derive(Default)]
pub(crate) struct OpenFiles {
    files: Mutex<KeptFiles>,
}

#[derive(Default)]
struct KeptFiles {
    by_path: HashMap<String, Arc<SourceFile>>,
    /// How many were in use when it was last looked for those that are not.
    in_use: usize,
}

impl KeptFiles {
    fn insert(&mut self, path: String, file: Arc<SourceFile>) {
        if self.by_path.len() >= KEPT_OPEN.max(2 * self.in_use) {
            self.by_path.retain(|_, file| Arc::strong_count(file) > 1);
            self.in_use = self.by_path.len();
        }
        self.by_path.insert(path, file);
    }
}

impl OpenFiles {
    /// Opens a file, or returns it when it is open already.
    pub(crate) fn open(
        &self,
        path: &str,
        open: impl FnOnce() -> crate::Result<Arc<dyn ReadFile>>,
    ) -> Result<Arc<SourceFile>> {
        if let Some(file) = self.files.lock().by_path.get(path) {
            return Ok(Arc::clone(file));
        }
        // Opened without the lock, as a store may be far away. Of two that open at once the first stays.
        let opened = SourceFile::stored(path, open()?);
        let mut files = self.files.lock();
        if let Some(file) = files.by_path.get(path) {
            return Ok(Arc::clone(file));
        }
        files.insert(path.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Opens a section of a file, or returns it when it is open already.
    pub(crate) fn open_section(
        &self,
        of: &Arc<SourceFile>,
        name: &str,
        chunks: &[Chunk],
    ) -> Result<Arc<SourceFile>> {
        let path = format!("{}/{name}", of.path);
        let at = |error: Error| error.at(&path);
        let Body::Stored(file) = &of.body else {
            return Err(at(Error::invalid("only files of the store have sections")));
        };
        let chunks = Chunks::new(chunks.to_vec(), of.size()).map_err(at)?;
        let is_same = |known: &Arc<SourceFile>| match &known.body {
            Body::Section {
                of: file,
                chunks: known,
                ..
            } => Arc::ptr_eq(file, of) && *known == chunks,
            _ => false,
        };
        let mut files = self.files.lock();
        if let Some(known) = files.by_path.get(&path).filter(|known| is_same(known)) {
            return Ok(Arc::clone(known));
        }
        let section = SourceFile::new(
            &path,
            Body::Section {
                of: Arc::clone(of),
                file: Arc::clone(file),
                chunks,
            },
        );
        files.insert(path, Arc::clone(&section));
        Ok(section)
    }

    /// Forgets a file with its sections, or all below a directory, and returns what was open.
    pub(crate) fn forget(&self, path: &str) -> Vec<Arc<SourceFile>> {
        let is_at = |name: &str| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.files
            .lock()
            .by_path
            .extract_if(|name, _| is_at(name))
            .map(|(_, file)| file)
            .collect()
    }
}
