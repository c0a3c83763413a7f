//! A storage in memory whose growing files fail on demand, and that knows what a power loss may
//! take.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{AppendFile, Lock, MemoryStorage, NewFile, ReadFile, Storage};

/// A call on a growing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Append,
    Sync,
    Truncate,
}

#[derive(Default)]
struct Plan {
    /// Calls that fail from now on, and how.
    failing: Vec<Call>,
    kind: Option<ErrorKind>,
    /// Whether nothing fails any more once a file was removed.
    until_removal: bool,
    /// Bytes of each file that a power loss can't take.
    synced: BTreeMap<String, u64>,
}

/// See the module.
pub(super) struct Faulty {
    inner: MemoryStorage,
    plan: Arc<Mutex<Plan>>,
}

impl Faulty {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::new("x"),
            plan: Arc::default(),
        })
    }

    pub(super) fn fail(&self, calls: &[Call]) {
        self.fail_as(ErrorKind::Io, calls);
    }

    /// Lets calls fail with an error of a kind.
    pub(super) fn fail_as(&self, kind: ErrorKind, calls: &[Call]) {
        let mut plan = self.plan.lock();
        plan.failing = calls.to_vec();
        plan.kind = Some(kind);
    }

    /// Lets nothing fail any more once a file was removed.
    pub(super) fn pass_after_removal(&self) {
        self.plan.lock().until_removal = true;
    }

    /// Bytes of a file that were synced.
    pub(super) fn synced(&self, path: &str) -> u64 {
        self.plan.lock().synced.get(path).copied().unwrap_or(0)
    }
}

struct FaultyFile {
    inner: Box<dyn AppendFile>,
    path: String,
    plan: Arc<Mutex<Plan>>,
}

impl FaultyFile {
    fn check(&self, call: Call) -> Result<()> {
        let plan = self.plan.lock();
        if plan.failing.contains(&call) {
            return Err(Error::new(
                plan.kind.unwrap_or(ErrorKind::Io),
                format!("{}: {call:?} failed", self.path),
            ));
        }
        Ok(())
    }
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.check(Call::Append).inspect_err(|_| {
            // A part of it arrives.
            let _ = self.inner.append(&bytes[..bytes.len() / 2]);
        })?;
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.check(Call::Sync)?;
        self.plan
            .lock()
            .synced
            .insert(self.path.clone(), self.inner.size());
        self.inner.sync()
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.check(Call::Truncate)?;
        self.inner.truncate(size)
    }
}

impl Storage for Faulty {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let inner = self.inner.append_file(path)?;
        Ok(Box::new(FaultyFile {
            inner,
            path: path.to_owned(),
            plan: Arc::clone(&self.plan),
        }))
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        self.inner.create(path)
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        self.inner.open(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.inner.list(path)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let mut plan = self.plan.lock();
        if std::mem::take(&mut plan.until_removal) {
            plan.failing.clear();
        }
        self.inner.remove(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.inner.sync(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.inner.get(name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.inner.put_if_absent(name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        self.inner.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.inner.remove_object(name)
    }

    fn lock(&self) -> Result<Lock> {
        self.inner.lock()
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        self.inner.pin(epoch)
    }

    fn oldest_pin(&self) -> Result<Option<u64>> {
        self.inner.oldest_pin()
    }

    fn size_bytes(&self) -> Result<u64> {
        self.inner.size_bytes()
    }
}
