//! A store whose files do not grow, around one whose files do: its logs lie in an object for each commit,
//! as in a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidx_host::storage::log::LogForm;
use sidx_host::storage::{AppendFile, Lock, MediumSpace, NewFile, ReadFile, Storage, Store};
use sidx_host::{Error, Result};

/// See the module.
pub struct UngrowingStore(pub Arc<dyn Store>);

impl Store for UngrowingStore {
    fn location(&self) -> String {
        self.0.location()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        self.0.index_names()
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        self.0.places_below(name)
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        let storage = self.0.open_index(name, create)?;
        Ok(Arc::new(Ungrowing(storage)))
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        self.0.remove_index(name)
    }
}

struct Ungrowing(Arc<dyn Storage>);

impl Storage for Ungrowing {
    fn log_form(&self) -> LogForm {
        LogForm::Whole
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        Err(Error::invalid(format!("{path}: no file grows here")))
    }

    fn location(&self) -> String {
        self.0.location()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        self.0.create(path)
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        self.0.open(path)
    }

    fn has_locks(&self) -> bool {
        self.0.has_locks()
    }

    fn takes_folders(&self) -> bool {
        self.0.takes_folders()
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.0.list(path)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.0.remove(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.0.rename(from, to)
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.0.sync(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.0.get(name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.0.put_if_absent(name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        self.0.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.0.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.0.remove_object(name)
    }

    fn lock(&self) -> Result<Lock> {
        self.0.lock()
    }

    fn unfinished(&self) -> Result<Vec<String>> {
        self.0.unfinished()
    }

    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        self.0.clear_unfinished(unfinished)
    }

    fn nonce(&self) -> Result<u128> {
        self.0.nonce()
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        self.0.pin(epoch)
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        self.0.pinned_epochs()
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.0.local_path(path)
    }

    fn link(&self, path: &str, from: &Path) -> Result<bool> {
        self.0.link(path, from)
    }

    fn size_bytes(&self) -> Result<u64> {
        self.0.size_bytes()
    }

    fn space(&self) -> Result<Option<MediumSpace>> {
        self.0.space()
    }
}
