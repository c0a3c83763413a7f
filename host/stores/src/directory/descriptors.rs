//! Files that are open only while there are descriptors to spare.
//!
//! A process may have so many files open (`ulimit -n`), and a part has three per tag. So files of parts
//! take at most a share of that: those that were not used for longest are closed, and opened again when
//! somebody wants their bytes. What was written to a file is brought to the medium before it is closed,
//! as a later sync through another descriptor might not report what went wrong in between.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::{Mutex, RwLock};

use super::file_system::{Access, FileMetadata, FileSystem, Fs, OpenFile};

/// Of all descriptors of the process the share that is for files of parts: one in so many.
const SHARE: u64 = 2;
/// At least so many are used, whatever the limit.
const LEAST: usize = 16;
/// And so many at most: more would save nothing.
const MOST: usize = 16 << 10;
/// How many of the open files are closed at once: one in so many, so that it need not be done for every one.
const CLOSED_AT_ONCE: usize = 8;

/// The budget of the process.
static PROCESS: LazyLock<Arc<Descriptors>> = LazyLock::new(|| Arc::new(Descriptors::new(None)));

/// Descriptors that files of parts may take.
pub(super) struct Descriptors {
    /// Instead of what the process may have.
    fixed: Option<usize>,
    /// How many are taken.
    taken: AtomicUsize,
    /// Grows with every use.
    clock: AtomicU64,
    open: Mutex<Vec<Weak<Slot>>>,
}

impl Descriptors {
    fn new(fixed: Option<usize>) -> Self {
        Self {
            fixed,
            taken: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    /// A budget of its own, so that tests need few files.
    #[cfg(test)]
    pub(super) fn fixed(count: usize) -> Arc<Self> {
        Arc::new(Self::new(Some(count)))
    }

    /// That of the process.
    pub(super) fn of_process() -> Arc<Self> {
        Arc::clone(&PROCESS)
    }

    /// Asked each time, as the limit may be raised while the process runs.
    fn limit(&self, fs: &dyn FileSystem) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        // Where it is not known, the least that is usual.
        let allowed = fs.open_files_max().unwrap_or(256);
        let share = usize::try_from(allowed / SHARE).unwrap_or(MOST);
        share.clamp(LEAST, MOST)
    }

    /// Closes all that are not in use just now, and returns how many were taken before.
    pub(super) fn close_idle(&self) -> usize {
        let taken = self.taken.load(Ordering::Relaxed);
        self.close_oldest(0);
        taken
    }

    /// Closes files that were not used lately, unless there is room.
    fn make_room(&self, fs: &dyn FileSystem) {
        let limit = self.limit(fs);
        if self.taken.load(Ordering::Relaxed) >= limit {
            self.close_oldest(limit);
        }
    }

    /// Closes files until an eighth of a limit is free, the least recently used first, and passes over those
    /// in use.
    fn close_oldest(&self, limit: usize) {
        let mut open = self.open.lock();
        let mut slots: Vec<Arc<Slot>> = open.iter().filter_map(Weak::upgrade).collect();
        slots.sort_by_key(|slot| slot.used.load(Ordering::Relaxed));
        let wanted = limit - limit / CLOSED_AT_ONCE;
        let mut kept = Vec::with_capacity(slots.len());
        for slot in slots {
            let is_enough = self.taken.load(Ordering::Relaxed) < wanted.max(1);
            if is_enough || !slot.close(self) {
                kept.push(Arc::downgrade(&slot));
            }
        }
        *open = kept;
    }

    /// Opens a file; when the process has no descriptor left, once more after closing what can be closed.
    fn open(
        &self,
        fs: &dyn FileSystem,
        open: impl Fn() -> io::Result<Box<dyn OpenFile>>,
    ) -> io::Result<Box<dyn OpenFile>> {
        self.make_room(fs);
        match open() {
            Err(cause) if fs.is_out_of_descriptors(&cause) => {
                self.close_oldest(0);
                open()
            }
            opened => opened,
        }
    }
}

/// The descriptor of a file, while it has one.
struct Slot {
    file: RwLock<Option<Box<dyn OpenFile>>>,
    /// When it was used last.
    used: AtomicU64,
    /// Something was written since the last sync.
    is_dirty: AtomicBool,
    /// What was written could not be brought to the medium before the file was to be closed.
    has_failed: AtomicBool,
}

impl Slot {
    /// Closes the file; false when it is in use or may not be closed.
    fn close(&self, budget: &Descriptors) -> bool {
        let Some(mut file) = self.file.try_write() else {
            return false;
        };
        let Some(open) = file.as_ref() else {
            return true;
        };
        if self.is_dirty.load(Ordering::Relaxed) {
            if open.sync().is_err() {
                self.has_failed.store(true, Ordering::Relaxed);
                return false;
            }
            self.is_dirty.store(false, Ordering::Relaxed);
        }
        *file = None;
        budget.taken.fetch_sub(1, Ordering::Relaxed);
        true
    }
}

/// A file that may be closed and opened again between two calls. It is known by its inode: whatever else
/// has its name by then is not taken for it.
pub(super) struct SharedFile {
    fs: Fs,
    path: PathBuf,
    access: Access,
    identity: (u64, u64),
    budget: Arc<Descriptors>,
    slot: Arc<Slot>,
}

impl SharedFile {
    /// Opens a file that is there.
    pub(super) fn open(
        fs: &Fs,
        budget: &Arc<Descriptors>,
        path: &Path,
        access: Access,
    ) -> io::Result<(Self, FileMetadata)> {
        Self::new(fs, budget, path, access, || fs.open(path, access))
    }

    /// Makes a file, for reading and writing.
    pub(super) fn create_new(
        fs: &Fs,
        budget: &Arc<Descriptors>,
        path: &Path,
    ) -> io::Result<(Self, FileMetadata)> {
        Self::new(fs, budget, path, Access::Write, || fs.create_new(path))
    }

    fn new(
        fs: &Fs,
        budget: &Arc<Descriptors>,
        path: &Path,
        access: Access,
        open: impl Fn() -> io::Result<Box<dyn OpenFile>>,
    ) -> io::Result<(Self, FileMetadata)> {
        let file = budget.open(fs.as_ref(), open)?;
        let metadata = file.metadata()?;
        let slot = Arc::new(Slot {
            file: RwLock::new(Some(file)),
            used: AtomicU64::new(budget.clock.fetch_add(1, Ordering::Relaxed)),
            is_dirty: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let shared = Self {
            fs: Arc::clone(fs),
            path: path.to_owned(),
            access,
            identity: metadata.identity,
            budget: Arc::clone(budget),
            slot,
        };
        shared.budget.taken.fetch_add(1, Ordering::Relaxed);
        shared.note_open();
        Ok((shared, metadata))
    }

    fn note_open(&self) {
        let mut open = self.budget.open.lock();
        if open.len() >= 2 * MOST {
            open.retain(|slot| slot.strong_count() > 0);
        }
        open.push(Arc::downgrade(&self.slot));
    }

    /// Calls with the file, open.
    fn with<T>(&self, call: impl FnOnce(&dyn OpenFile) -> io::Result<T>) -> io::Result<T> {
        let now = self.budget.clock.fetch_add(1, Ordering::Relaxed);
        self.slot.used.store(now, Ordering::Relaxed);
        let mut call = Some(call);
        loop {
            if let Some(file) = self.slot.file.read().as_deref()
                && let Some(call) = call.take()
            {
                return call(file);
            }
            self.reopen()?;
        }
    }

    fn reopen(&self) -> io::Result<()> {
        let open = || self.fs.open(&self.path, self.access);
        let opened = self.budget.open(self.fs.as_ref(), open)?;
        if opened.metadata()?.identity != self.identity {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "another file has its name by now",
            ));
        }
        let mut file = self.slot.file.write();
        // Another thread may have been faster.
        if file.is_none() {
            *file = Some(opened);
            self.budget.taken.fetch_add(1, Ordering::Relaxed);
            drop(file);
            self.note_open();
        }
        Ok(())
    }

    pub(super) fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|file| file.read_up_to(buffer, offset))
    }

    pub(super) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|file| {
            self.slot.is_dirty.store(true, Ordering::Relaxed);
            file.write_all_at(bytes, offset)
        })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.with(|file| file.sync())?;
        if self.slot.has_failed.load(Ordering::Relaxed) {
            return Err(io::Error::other("an earlier sync failed"));
        }
        self.slot.is_dirty.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn metadata(&self) -> io::Result<FileMetadata> {
        self.with(|file| file.metadata())
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        if self.slot.file.write().take().is_some() {
            self.budget.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::local;

    fn held(budget: &Descriptors) -> usize {
        budget.taken.load(Ordering::Relaxed)
    }

    #[test]
    fn files_beyond_the_budget_are_closed_and_opened_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let budget = Descriptors::fixed(4);
        let mut files = Vec::new();
        for i in 0..40u8 {
            let path = directory.path().join(i.to_string());
            let (file, _) = SharedFile::create_new(&local(), &budget, &path).expect("made");
            file.write_all_at(&[i; 3], 0).expect("written");
            files.push(file);
            assert!(held(&budget) <= 4, "{} files are open", held(&budget));
        }
        for (i, file) in (0u8..).zip(&files) {
            file.write_all_at(&[i + 1; 3], 3).expect("written");
            file.sync().expect("synced");
            let mut bytes = [0; 8];
            assert_eq!(file.read_up_to(&mut bytes, 0).expect("read"), 6);
            assert_eq!(bytes[..6], [i, i, i, i + 1, i + 1, i + 1]);
            assert!(held(&budget) <= 4, "{} files are open", held(&budget));
        }
        drop(files);
        assert_eq!(held(&budget), 0);
    }

    #[test]
    fn another_file_of_the_same_name_is_not_taken_for_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let budget = Descriptors::fixed(1);
        let path = directory.path().join("a");
        let (file, _) = SharedFile::create_new(&local(), &budget, &path).expect("made");
        let other = directory.path().join("b");
        let (_other, _) = SharedFile::create_new(&local(), &budget, &other).expect("made");
        std::fs::rename(&other, &path).expect("replaced");
        let error = file.read_up_to(&mut [0; 1], 0).expect_err("gone");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
