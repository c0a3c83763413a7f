//! A store that is far away: it serves several reads at the same time, and tells which there were.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{AppendFile, Lock, MemoryStorage, NewFile, ReadFile, Storage};

/// How long a read waits for those that should be at work beside it before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reads of a store.
#[derive(Default)]
pub(super) struct Reads {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    begun: usize,
    running: usize,
    most_running: usize,
    /// No read ends before so many were at work at the same time.
    awaited: usize,
    /// Reads that begin at these offsets fail.
    broken: BTreeSet<u64>,
}

impl Reads {
    /// Has no read end before so many were at work at the same time.
    pub(super) fn await_together(&self, reads: usize) {
        self.state.lock().awaited = reads;
    }

    /// Has reads fail that begin at one of these offsets, and no others.
    pub(super) fn set_broken(&self, offsets: impl IntoIterator<Item = u64>) {
        self.state.lock().broken = offsets.into_iter().collect();
    }

    /// How many began since the last call, and how many were at work at the same time at most.
    pub(super) fn take(&self) -> (usize, usize) {
        let mut state = self.state.lock();
        let most_running = std::mem::take(&mut state.most_running);
        (std::mem::take(&mut state.begun), most_running)
    }

    fn read(&self, offset: u64, read: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        state.begun += 1;
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        self.changed.notify_all();
        while state.most_running < state.awaited {
            if self.changed.wait_for(&mut state, PATIENCE).timed_out() {
                break;
            }
        }
        let is_broken = state.broken.contains(&offset);
        drop(state);
        let text = format!("no answer for offset {offset}");
        let done = match is_broken {
            true => Err(Error::new(ErrorKind::Io, text)),
            false => read(),
        };
        self.state.lock().running -= 1;
        done
    }
}

/// A place in memory that serves so many reads at the same time.
pub(super) struct FarStorage {
    pub(super) storage: MemoryStorage,
    pub(super) reads_at_once: usize,
    pub(super) reads: Arc<Reads>,
}

struct FarFile {
    file: Arc<dyn ReadFile>,
    reads: Arc<Reads>,
}

impl ReadFile for FarFile {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = || self.file.read_at(offset, buffer);
        self.reads.read(offset, read)
    }
}

impl Storage for FarStorage {
    fn reads_at_once(&self) -> usize {
        self.reads_at_once
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(FarFile {
            file: self.storage.open(path)?,
            reads: Arc::clone(&self.reads),
        }))
    }

    fn location(&self) -> String {
        self.storage.location()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        self.storage.create(path)
    }

    fn has_locks(&self) -> bool {
        self.storage.has_locks()
    }

    fn takes_folders(&self) -> bool {
        self.storage.takes_folders()
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.storage.list(path)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.storage.remove(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.storage.rename(from, to)
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.storage.sync(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.storage.get(name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.storage.put_if_absent(name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        self.storage.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.storage.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.storage.remove_object(name)
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        self.storage.append_file(path)
    }

    fn lock(&self) -> Result<Lock> {
        self.storage.lock()
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        self.storage.pin(epoch)
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        self.storage.pinned_epochs()
    }

    fn size_bytes(&self) -> Result<u64> {
        self.storage.size_bytes()
    }
}
