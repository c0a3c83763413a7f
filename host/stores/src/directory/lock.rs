//! The lock of the writer: an advisory lock on a file, which the operating system releases with the
//! process, whatever becomes of it. The file stays; its content is the process id, for messages
//! only, where there is room for it.

use std::io;
use std::path::Path;

use super::file_system::{Access, FileSystem, OpenFile};
use crate::Held;
use crate::error::{Error, Result};

/// The lock, held.
pub(super) struct FileLock {
    file: Box<dyn OpenFile>,
}

/// Takes the lock without waiting.
pub(super) fn take(fs: &dyn FileSystem, path: &Path) -> Result<FileLock> {
    let file = fs
        .open(path, Access::WriteOrCreate)
        .map_err(|cause| Error::io("open lock", path, cause))?;
    match file.try_lock() {
        Ok(true) => {}
        Ok(false) => return Err(held(fs, path, file.as_ref())),
        Err(cause) => return Err(Error::io("lock", path, cause)),
    }
    // The index may have been removed between opening and locking; then this lock protects nothing.
    if !is_at(fs, file.as_ref(), path)? {
        let path = path.display();
        return Err(Error::conflict(format!(
            "{path} was replaced while it was locked; try again"
        )));
    }
    // For people only: on a full medium there is a lock without a name.
    let text = format!("{}\n", fs.process());
    let written = file
        .set_size(0)
        .and_then(|()| file.write_all_at(text.as_bytes(), 0));
    if let Err(cause) = written {
        let path = path.display();
        tracing::debug!(%path, %cause, "the lock does not say who holds it");
    }
    Ok(FileLock { file })
}

/// Whether a path still names an open file.
pub(super) fn is_at(fs: &dyn FileSystem, file: &dyn OpenFile, path: &Path) -> Result<bool> {
    let ours = file
        .metadata()
        .map_err(|cause| Error::io("look at", path, cause))?;
    match fs.metadata(path) {
        Ok(found) => Ok(found.identity == ours.identity),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(Error::io("look at", path, cause)),
    }
}

fn held(fs: &dyn FileSystem, path: &Path, file: &dyn OpenFile) -> Error {
    let mut text = [0; 32];
    // Best effort: the holder may be just now writing it.
    let count = file.read_up_to(&mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(text.get(..count).unwrap_or_default());
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) if pid == fs.process() => {
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

impl Held for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        // So that no message ever names a process that is gone. Closing the file unlocks it.
        let _ = self.file.set_size(0);
    }
}
