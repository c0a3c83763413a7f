//! A store that tells a test of every read and write before it happens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidx_host::Result;
use sidx_host::storage::log::LogForm;
use sidx_host::storage::{
    AppendFile, Lock, MediumSpace, MemoryStore, NewFile, ReadFile, Storage, Store,
};

/// What is about to be done to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Bytes of a file or an object are read.
    Read,
    /// Bytes are added to a file, or an object is written.
    Write,
}

/// Called before each access; what it returns as an error is what becomes of the access.
pub type Watch = Arc<dyn Fn(Access, &str) -> Result<()> + Send + Sync>;

/// A store in memory under watch.
pub struct WatchedStore {
    inner: Arc<dyn Store>,
    watch: Watch,
}

impl WatchedStore {
    /// An empty store in memory, as the library takes it.
    pub fn memory(watch: Watch) -> sidx_host::Store {
        Self::around(Arc::new(MemoryStore::new()), watch)
    }

    /// The same around another store.
    pub fn around(inner: Arc<dyn Store>, watch: Watch) -> sidx_host::Store {
        sidx_host::Store::with_backend(Arc::new(Self { inner, watch }))
    }
}

impl Store for WatchedStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        self.inner.index_names()
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        self.inner.places_below(name)
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(Watched {
            inner: self.inner.open_index(name, create)?,
            watch: Arc::clone(&self.watch),
        }))
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        self.inner.remove_index(name)
    }
}

struct Watched {
    inner: Arc<dyn Storage>,
    watch: Watch,
}

impl Storage for Watched {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        Ok(Box::new(WatchedFile {
            inner: self.inner.create(path)?,
            path: path.to_owned(),
            watch: Arc::clone(&self.watch),
        }))
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(WatchedFile {
            inner: self.inner.open(path)?,
            path: path.to_owned(),
            watch: Arc::clone(&self.watch),
        }))
    }

    fn has_locks(&self) -> bool {
        self.inner.has_locks()
    }

    fn takes_folders(&self) -> bool {
        self.inner.takes_folders()
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.inner.list(path)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.inner.remove(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.inner.sync(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        (self.watch)(Access::Read, name)?;
        self.inner.get(name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        (self.watch)(Access::Write, name)?;
        self.inner.put_if_absent(name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        (self.watch)(Access::Write, name)?;
        self.inner.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.inner.remove_object(name)
    }

    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        Ok(Box::new(WatchedFile {
            inner: self.inner.append_file(path)?,
            path: path.to_owned(),
            watch: Arc::clone(&self.watch),
        }))
    }

    fn lock(&self) -> Result<Lock> {
        self.inner.lock()
    }

    fn unfinished(&self) -> Result<Vec<String>> {
        self.inner.unfinished()
    }

    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        self.inner.clear_unfinished(unfinished)
    }

    fn nonce(&self) -> Result<u128> {
        self.inner.nonce()
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        self.inner.pin(epoch)
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        self.inner.pinned_epochs()
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.inner.local_path(path)
    }

    fn link(&self, path: &str, from: &Path) -> Result<bool> {
        (self.watch)(Access::Write, path)?;
        self.inner.link(path, from)
    }

    fn size_bytes(&self) -> Result<u64> {
        self.inner.size_bytes()
    }

    fn space(&self) -> Result<Option<MediumSpace>> {
        self.inner.space()
    }
}

struct WatchedFile<F> {
    inner: F,
    path: String,
    watch: Watch,
}

impl NewFile for WatchedFile<Box<dyn NewFile>> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        (self.watch)(Access::Write, &self.path)?;
        self.inner.append(bytes)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish()
    }
}

impl ReadFile for WatchedFile<Arc<dyn ReadFile>> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        (self.watch)(Access::Read, &self.path)?;
        self.inner.read_at(offset, buffer)
    }
}

impl AppendFile for WatchedFile<Box<dyn AppendFile>> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        (self.watch)(Access::Write, &self.path)?;
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.inner.sync()
    }

    fn resync(&mut self, size: u64) -> Result<()> {
        self.inner.resync(size)
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.inner.truncate(size)
    }
}
