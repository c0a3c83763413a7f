//! Pins of readers: an empty file per pin in `readers`, named `<epoch, 16 hex digits>.<unique>`, under
//! an advisory lock for as long as its reader reads. The operating system releases the lock with the
//! process, so that a file without one is what a dead reader left, and may go.
//!
//! A name is only ever removed by who holds the lock of the file that it names. Between the making of
//! a file and its locking it looks like one of a dead reader; a reader whose file was removed, or is
//! just being looked at, makes another one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::file_system::{Access, FileSystem, Fs, OpenFile};
use super::{disk, is_full, lock};
use crate::Held;
use crate::error::{Error, Result};
use crate::paths::READERS_NAME;

/// A writer looks at a file for a moment and once per change of the part list, so a few attempts are
/// plenty.
const ATTEMPTS: usize = 100;

/// A pin, held.
pub(super) struct FilePin {
    fs: Fs,
    path: PathBuf,
    /// Locked.
    _file: Box<dyn OpenFile>,
}

impl Held for FilePin {}

impl Drop for FilePin {
    fn drop(&mut self) {
        // What can't be removed is unlocked all the same, and goes when a writer looks.
        let _ = self.fs.remove_file(&self.path);
    }
}

/// Pins an epoch; none where nothing can be written. A pin protects a reader from a writer; that there is no
/// room for one must not keep anybody from reading.
pub(super) fn take(fs: &Fs, root: &Path, epoch: u64) -> Result<Option<FilePin>> {
    if !fs.has_locks() {
        return Ok(None);
    }
    let directory = root.join(READERS_NAME);
    match fs.create_directory(&directory) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) if is_impossible(&cause, &directory) => return Ok(None),
        Err(cause) => return Err(Error::io("make directory", &directory, cause)),
    }
    for _ in 0..ATTEMPTS {
        let path = directory.join(new_name(fs.as_ref(), epoch));
        let file = match fs.create_new(&path) {
            Ok(file) => file,
            // Left by a process that had our process id: the next number will do.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(cause) if is_impossible(&cause, &directory) => return Ok(None),
            Err(cause) => return Err(Error::io("create", &path, cause)),
        };
        match file.try_lock() {
            Ok(true) if lock::is_at(fs.as_ref(), file.as_ref(), &path)? => {
                let fs = Arc::clone(fs);
                return Ok(Some(FilePin {
                    fs,
                    path,
                    _file: file,
                }));
            }
            // Removed by a writer before it was locked, or about to be.
            Ok(_) => {}
            Err(cause) => {
                let _ = fs.remove_file(&path);
                if is_impossible(&cause, &directory) {
                    return Ok(None);
                }
                return Err(Error::io("lock", &path, cause));
            }
        }
    }
    Err(Error::conflict(format!(
        "{}: a new file was removed {ATTEMPTS} times before it was locked; try again",
        directory.display()
    )))
}

/// The pinned epochs, ascending and each once. Files of dead readers are removed on the way.
pub(super) fn held(fs: &dyn FileSystem, root: &Path) -> Result<Vec<u64>> {
    let directory = root.join(READERS_NAME);
    let mut epochs = BTreeSet::new();
    for entry in disk::entries(fs, &directory)? {
        let Some(epoch) = epoch_of(&entry.name) else {
            continue;
        };
        if is_held(fs, &directory.join(entry.name))? {
            epochs.insert(epoch);
        }
    }
    Ok(epochs.into_iter().collect())
}

/// Whether the reader of a pin is alive; if not, the file is removed. Where nobody can tell it is taken to
/// be.
fn is_held(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    if !fs.has_locks() {
        return Ok(true);
    }
    // Some network file systems lock only what is open for writing; another user's file may not be.
    let opened = match fs.open(path, Access::Write) {
        Err(cause) if is_forbidden(&cause) => fs.open(path, Access::Read),
        opened => opened,
    };
    let file = match opened {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) if is_forbidden(&cause) => return Ok(true),
        Err(cause) => return Err(Error::io("open", path, cause)),
    };
    match file.try_lock() {
        Ok(true) => {}
        Ok(false) => return Ok(true),
        Err(cause) => return Err(Error::io("lock", path, cause)),
    }
    if lock::is_at(fs, file.as_ref(), path)? {
        match fs.remove_file(path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound && !is_forbidden(&cause) => {
                return Err(Error::io("remove", path, cause));
            }
            _ => {}
        }
    }
    Ok(false)
}

/// A name that no other pin of this or another process has.
fn new_name(fs: &dyn FileSystem, epoch: u64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{epoch:016x}.{}-{number}", fs.process())
}

fn epoch_of(name: &str) -> Option<u64> {
    let (epoch, _) = name.split_once('.')?;
    (epoch.len() == 16)
        .then(|| u64::from_str_radix(epoch, 16).ok())
        .flatten()
}

/// Whether an error says that no pin can be made here now. Who may not write, or cannot, chose that; that a
/// medium is full is worth a word.
fn is_impossible(cause: &io::Error, directory: &Path) -> bool {
    if is_full(cause) {
        let place = directory.display();
        tracing::warn!(
            %place,
            %cause,
            "there is no room to say that somebody reads here; a writer may remove what is read"
        );
        return true;
    }
    is_forbidden(cause)
}

/// Whether an error says that this medium or process can't do that, whatever is tried.
fn is_forbidden(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::Unsupported
    )
}
