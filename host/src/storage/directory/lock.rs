//! The lock of the writer: an advisory lock on a file, which the operating system releases with the
//! process, whatever becomes of it. The file stays; its content is the process id, for messages
//! only.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The lock, held.
pub(super) struct FileLock {
    file: File,
}

/// Takes the lock without waiting.
pub(super) fn take(path: &Path) -> Result<FileLock> {
    let options = || {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options
    };
    let mut file = options()
        .open(path)
        .map_err(|cause| Error::io("open lock", path, cause))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(held(path, &mut file)),
        Err(TryLockError::Error(cause)) => return Err(Error::io("lock", path, cause)),
    }
    // The index may have been removed between opening and locking; then this lock protects nothing.
    if !is_at(&file, path)? {
        let path = path.display();
        return Err(Error::conflict(format!(
            "{path} was replaced while it was locked; try again"
        )));
    }
    let text = format!("{}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(|cause| Error::io("write lock", path, cause))?;
    Ok(FileLock { file })
}

/// Whether a path still names an open file.
pub(super) fn is_at(file: &File, path: &Path) -> Result<bool> {
    let ours = file
        .metadata()
        .map_err(|cause| Error::io("look at", path, cause))?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(Error::io("look at", path, cause)),
    }
}

fn held(path: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    // Best effort: the holder may be just now writing it.
    let _ = file.take(32).read_to_string(&mut text);
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) if pid == std::process::id() => {
            format!("another writer of this process (pid {pid})")
        }
        Ok(pid) => format!("another process (pid {pid})"),
        Err(_) => "another process".to_owned(),
    };
    let path = path.display();
    Error::conflict(format!(
        "{holder} holds the lock at {path}; close it or open read-only"
    ))
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // So that no message ever names a process that is gone. Closing the file unlocks it.
        let _ = self.file.set_len(0);
    }
}
