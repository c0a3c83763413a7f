//! What the directory backend needs beyond single calls of the file system: temporary files, durable
//! directories, whole trees, listings that bear changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::descriptors::{Descriptors, SharedFile};
use super::file_system::{FileKind, FileMetadata, FileSystem, Fs};
use super::{is_directory, parent_of};
use crate::error::{Error, Result};
use crate::paths::is_incarnation;

/// In front of every name that is not for the eyes of a caller.
const HIDDEN: char = '~';
/// After every name that may go when no writer is at work.
const LEFTOVER: &str = ".tmp";

/// A file without a lasting name; removed when dropped.
pub(super) struct TempFile {
    fs: Fs,
    file: SharedFile,
    size: u64,
    path: PathBuf,
}

impl TempFile {
    /// Makes an empty one in `directory`, which exists.
    pub(super) fn create(
        fs: &Fs,
        descriptors: &Arc<Descriptors>,
        directory: &Path,
    ) -> Result<Self> {
        loop {
            let path = temporary_path(fs.as_ref(), directory);
            match SharedFile::create_new(fs, descriptors, &path) {
                Ok((file, _)) => {
                    return Ok(Self {
                        fs: Arc::clone(fs),
                        file,
                        size: 0,
                        path,
                    });
                }
                // Left by a process that had our process id: the next number will do.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::io("create", &path, cause)),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, self.size)
            .map_err(|cause| Error::io("write", &self.path, cause))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Brings bytes and size to the medium.
    pub(super) fn sync(&self) -> Result<()> {
        self.file
            .sync()
            .map_err(|cause| Error::io("sync", &self.path, cause))
    }

    pub(super) fn metadata(&self) -> Result<FileMetadata> {
        self.file
            .metadata()
            .map_err(|cause| Error::io("look at", &self.path, cause))
    }

    /// Gives the content a second, lasting name, unless that is taken.
    pub(super) fn link(&self, target: &Path) -> io::Result<()> {
        self.fs.link(&self.path, target)
    }

    /// Puts the file in the place of `target`.
    pub(super) fn replace(&self, target: &Path) -> io::Result<()> {
        self.fs.rename(&self.path, target)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Gone already after a rename; else what can't be removed goes when unfinished files are cleared
        // away.
        let _ = self.fs.remove_file(&self.path);
    }
}

/// A new hidden name in a directory, different in every call of every process.
pub(super) fn temporary_path(fs: &dyn FileSystem, directory: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("{HIDDEN}{}-{number}{LEFTOVER}", fs.process()))
}

/// Whether a name is one that [`temporary_path`] makes. A store may be a folder in which others keep their
/// own temporary files.
fn is_leftover(name: &str) -> bool {
    let numbers = name
        .strip_prefix(HIDDEN)
        .and_then(|name| name.strip_suffix(LEFTOVER))
        .and_then(|numbers| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Makes the names in a directory survive a power loss.
pub(super) fn sync_directory(fs: &dyn FileSystem, path: &Path) -> Result<()> {
    fs.sync_directory(path)
        .map_err(|cause| Error::io("sync directory", path, cause))
}

/// Makes a directory and all above it that are missing, each with a durable name.
pub(super) fn make_directories(fs: &dyn FileSystem, path: &Path) -> Result<()> {
    // The parent of a plain relative name is the empty path, which stands for the current
    // directory.
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    match fs.metadata(path) {
        Ok(metadata) if metadata.kind == FileKind::Directory => {
            // Who made it may have died before its name was durable. In a parent that can't be read
            // it was made by somebody else.
            return match fs.sync_directory(parent_or_here(path)) {
                Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                result => result.map_err(|cause| Error::io("sync directory", path, cause)),
            };
        }
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && path.parent().is_some() => {}
        // Not to be taken for a missing directory, which for the uppermost would never end.
        Err(cause) => return Err(Error::io("look at", path, cause)),
    }
    make_directories(fs, parent_of(path))?;
    match fs.create_directory(path) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && is_directory(fs, path)? => {}
        Err(cause) => return Err(Error::io("make directory", path, cause)),
    }
    sync_directory(fs, parent_or_here(path))
}

/// The directory that holds `path`, never the empty path.
fn parent_or_here(path: &Path) -> &Path {
    let parent = parent_of(path);
    if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    }
}

/// Removes a directory with all below it, the deepest first. What vanishes meanwhile is gone as well.
pub(super) fn remove_tree(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let entries = match fs.list(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for (name, kind) in entries {
        let below = path.join(name);
        if kind == FileKind::Directory {
            remove_tree(fs, &below)?;
        } else {
            bear_absence(fs.remove_file(&below))?;
        }
    }
    bear_absence(fs.remove_directory(path))
}

fn bear_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A name in a directory.
pub(super) struct Entry {
    pub(super) name: String,
    /// False for a link to a directory.
    pub(super) is_directory: bool,
}

/// What is in a directory, in no order; nothing when it does not exist. Names that are not UTF-8,
/// which can't be ours, are left out.
pub(super) fn entries(fs: &dyn FileSystem, path: &Path) -> Result<Vec<Entry>> {
    let listing = match fs.list(path) {
        Ok(listing) => listing,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::io("list", path, cause)),
    };
    let entry = |(name, kind): (std::ffi::OsString, FileKind)| {
        Some(Entry {
            name: name.into_string().ok()?,
            is_directory: kind == FileKind::Directory,
        })
    };
    Ok(listing.into_iter().filter_map(entry).collect())
}

/// Removes the directories that were moved out of sight to be removed.
pub(super) fn remove_hidden_directories(fs: &dyn FileSystem, directory: &Path) -> Result<()> {
    for entry in entries(fs, directory)? {
        if entry.is_directory && is_leftover(&entry.name) {
            let path = directory.join(&entry.name);
            remove_tree(fs, &path).map_err(|cause| Error::io("remove", &path, cause))?;
        }
    }
    Ok(())
}

/// What is under construction in a place, and what is left of that, also below sub-directories, but for other
/// places: paths below it.
pub(super) fn leftovers(fs: &dyn FileSystem, place: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in entries(fs, &place.join(&directory))? {
            let is_place = directory.is_empty() && is_incarnation(&entry.name);
            let path = match directory.is_empty() {
                true => entry.name.clone(),
                false => format!("{directory}/{}", entry.name),
            };
            if is_leftover(&entry.name) {
                found.push(path);
            } else if entry.is_directory && !is_place {
                directories.push(path);
            }
        }
    }
    Ok(found)
}

/// Removes leftovers of a place, of those that were found as far as they are still there.
pub(super) fn remove_leftovers(fs: &dyn FileSystem, place: &Path, found: &[String]) -> Result<()> {
    for each in found {
        let path = place.join(each);
        let is_one = path
            .file_name()
            .is_some_and(|name| is_leftover(&name.to_string_lossy()));
        let removed = match fs.link_metadata(&path) {
            _ if !is_one => Ok(()),
            Ok(metadata) if metadata.kind == FileKind::Directory => remove_tree(fs, &path),
            Ok(_) => bear_absence(fs.remove_file(&path)),
            Err(cause) => bear_absence(Err(cause)),
        };
        removed.map_err(|cause| Error::io("remove", &path, cause))?;
    }
    Ok(())
}

/// Seconds without a change after which nobody is taken to be making a file any more.
const ABANDONED_AFTER_SECONDS: i64 = 24 * 60 * 60;

/// Removes leftovers of a place that did not change for a day by the clock of the medium: for file systems
/// on which nobody can tell whether whoever made them is alive. What cannot be told or removed stays.
pub(super) fn remove_abandoned(fs: &Fs, place: &Path) -> Result<()> {
    let mut found = leftovers(fs.as_ref(), place)?;
    let Some(now) = (!found.is_empty())
        .then(|| seconds_now(fs, place).ok())
        .flatten()
    else {
        return Ok(());
    };
    found.retain(|path| {
        let metadata = fs.link_metadata(&place.join(path));
        let changed = metadata.map(|metadata| metadata.modified.0);
        changed.is_ok_and(|changed| now.saturating_sub(changed) >= ABANDONED_AFTER_SECONDS)
    });
    for path in &found {
        let _ = remove_leftovers(fs.as_ref(), place, std::slice::from_ref(path));
    }
    Ok(())
}

/// The time by the clock that the files of a medium get theirs from: that of a file which is made for it.
pub(super) fn seconds_now(fs: &Fs, directory: &Path) -> Result<i64> {
    let file = TempFile::create(fs, &Descriptors::of_process(), directory)?;
    Ok(file.metadata()?.modified.0)
}

/// Bytes of all files in a directory and below. What vanishes meanwhile does not count.
pub(super) fn size_bytes(fs: &dyn FileSystem, directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in entries(fs, directory)? {
        let path = directory.join(&entry.name);
        if entry.is_directory {
            bytes += size_bytes(fs, &path)?;
            continue;
        }
        match fs.link_metadata(&path) {
            Ok(metadata) => bytes += metadata.size,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::io("look at", &path, cause)),
        }
    }
    Ok(bytes)
}
