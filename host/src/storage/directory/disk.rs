//! What the directory backend needs from the file system beyond the standard library: temporary
//! files, durable directories, listings that bear changes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::parent_of;
use crate::error::{Error, Result};

/// In front of every name that is not for the eyes of a caller.
const HIDDEN: char = '~';
/// After every name that may go when no writer is at work.
const LEFTOVER: &str = ".tmp";

/// A file without a lasting name; removed when dropped.
pub(super) struct TempFile {
    file: File,
    path: PathBuf,
}

impl TempFile {
    /// Makes an empty one in `directory`, which exists.
    pub(super) fn create(directory: &Path) -> Result<Self> {
        loop {
            let path = temporary_path(directory);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path }),
                // Left by a process that had our process id: the next number will do.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::io("create", &path, cause)),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|cause| Error::io("write", &self.path, cause))
    }

    /// Brings bytes and size to the medium.
    pub(super) fn sync(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|cause| Error::io("sync", &self.path, cause))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the content a second, lasting name, unless that is taken.
    pub(super) fn link(&self, target: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, target)
    }

    /// Puts the file in the place of `target`.
    pub(super) fn replace(&self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Gone already after a rename; else what can't be removed goes with the next lock.
        let _ = fs::remove_file(&self.path);
    }
}

/// A new hidden name in a directory, different in every call of every process.
pub(super) fn temporary_path(directory: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("{HIDDEN}{}-{number}{LEFTOVER}", std::process::id()))
}

fn is_leftover(name: &str) -> bool {
    name.starts_with(HIDDEN) && name.ends_with(LEFTOVER)
}

/// Makes the names in a directory survive a power loss.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|cause| Error::io("sync directory", path, cause))
}

/// Makes a directory and all above it that are missing, each with a durable name.
pub(super) fn make_directories(path: &Path) -> Result<()> {
    // The parent of a plain relative name is the empty path, which stands for the current
    // directory.
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    make_directories(parent)?;
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(cause) => return Err(Error::io("make directory", path, cause)),
    }
    sync_directory(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
}

/// A name in a directory.
pub(super) struct Entry {
    pub(super) name: String,
    /// False for a link to a directory.
    pub(super) is_directory: bool,
}

/// What is in a directory, in no order; nothing when it does not exist. Names that are not UTF-8,
/// which can't be ours, are left out.
pub(super) fn entries(path: &Path) -> Result<Vec<Entry>> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::io("list", path, cause)),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|cause| Error::io("list", path, cause))?;
        let is_directory = match entry.file_type() {
            Ok(kind) => kind.is_dir(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(Error::io("list", path, cause)),
        };
        if let Ok(name) = entry.file_name().into_string() {
            entries.push(Entry { name, is_directory });
        }
    }
    Ok(entries)
}

/// Removes what is left of files and directories under construction, `deep` also below
/// sub-directories.
pub(super) fn remove_leftovers(directory: &Path, deep: bool) -> Result<()> {
    for entry in entries(directory)? {
        let path = directory.join(&entry.name);
        let removed = match (is_leftover(&entry.name), entry.is_directory) {
            (true, true) => fs::remove_dir_all(&path),
            (true, false) => fs::remove_file(&path),
            (false, true) if deep => {
                remove_leftovers(&path, deep)?;
                Ok(())
            }
            (false, _) => Ok(()),
        };
        match removed {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &path, cause));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of all files in a directory and below. What vanishes meanwhile does not count.
pub(super) fn size_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in entries(directory)? {
        let path = directory.join(&entry.name);
        if entry.is_directory {
            bytes += size_bytes(&path)?;
            continue;
        }
        match fs::symlink_metadata(&path) {
            Ok(metadata) => bytes += metadata.len(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::io("look at", &path, cause)),
        }
    }
    Ok(bytes)
}
