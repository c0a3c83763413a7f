//! Objects of the directory backend: plain files in the directory of the index.
//!
//! The version of an object is made of its content, its inode and its time. Every write makes a new
//! inode beside the old one, so that the version changes even when the content does not. Swaps and
//! removals happen one at a time under a lock of their own; creation needs none, because a link
//! fails when its name is taken. While a swap compares and replaces, the name is never free.

use std::io;
use std::path::Path;

use super::descriptors::Descriptors;
use super::disk::{self, TempFile, sync_directory};
use super::file_system::{Access, FileKind, FileMetadata, FileSystem, Fs, OpenFile};
use super::files::link_error;
use super::is_full;
use crate::error::{Error, Result};
use crate::paths::{
    LOCK_NAME, MAX_OBJECT_BYTES, check_object_name, check_object_prefix, check_object_size,
};

/// Serialises swaps and removals of all processes.
const SWAP_LOCK_NAME: &str = "~swap.lock";
/// A writer that opens the index clears temporary files away, ours too if it comes at the wrong moment.
/// That happens once per writer, so a few attempts are plenty.
const ATTEMPTS: usize = 20;

pub(super) fn get(
    fs: &dyn FileSystem,
    root: &Path,
    name: &str,
) -> Result<Option<(Vec<u8>, String)>> {
    check_object_name(name)?;
    let path = root.join(name);
    let file = match fs.open(&path, Access::Read) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::io("open", &path, cause)),
    };
    let metadata = file
        .metadata()
        .map_err(|cause| Error::io("look at", &path, cause))?;
    if metadata.kind != FileKind::File {
        return Ok(None);
    }
    if metadata.size > MAX_OBJECT_BYTES as u64 {
        return Err(Error::corrupt(format!(
            "{} has {} bytes, but an object has at most {MAX_OBJECT_BYTES}",
            path.display(),
            metadata.size
        )));
    }
    let mut bytes = vec![0; usize::try_from(metadata.size).unwrap_or(0)];
    let count = file
        .read_up_to(&mut bytes, 0)
        .map_err(|cause| Error::io("read", &path, cause))?;
    bytes.truncate(count);
    let version = version_of(&bytes, &metadata);
    Ok(Some((bytes, version)))
}

pub(super) fn put_if_absent(fs: &Fs, root: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    check_object_name(name)?;
    check_object_size(name, bytes)?;
    let path = root.join(name);
    // Spares the losers of a race their writes; the link decides.
    if super::exists(fs.as_ref(), &path)? {
        return Err(Error::conflict(format!("{} exists", path.display())));
    }
    publish(
        fs,
        root,
        bytes,
        |file| file.link(&path),
        |cause| link_error(&path, cause),
    )
}

pub(super) fn compare_and_swap(
    fs: &Fs,
    root: &Path,
    name: &str,
    version: &str,
    bytes: &[u8],
) -> Result<String> {
    check_object_name(name)?;
    check_object_size(name, bytes)?;
    let path = root.join(name);
    // Without locks two swaps at the same moment may both succeed.
    let _swapping = match fs.has_locks() {
        true => Some(lock_swaps(root, open_swap_lock(fs.as_ref(), root))?),
        false => None,
    };
    let problem = match get(fs.as_ref(), root, name)? {
        Some((_, present)) if present == version => None,
        Some(_) => Some("was changed by another writer; read it again"),
        None => Some("is gone"),
    };
    if let Some(problem) = problem {
        return Err(Error::conflict(format!("{} {problem}", path.display())));
    }
    publish(
        fs,
        root,
        bytes,
        |file| file.replace(&path),
        |cause| Error::io("replace", &path, cause),
    )
}

pub(super) fn list(fs: &dyn FileSystem, root: &Path, prefix: &str) -> Result<Vec<String>> {
    check_object_prefix(prefix)?;
    let wanted = |entry: &disk::Entry| {
        !entry.is_directory
            && entry.name.starts_with(prefix)
            && entry.name != LOCK_NAME
            && check_object_name(&entry.name).is_ok()
    };
    let entries = disk::entries(fs, root)?.into_iter().filter(wanted);
    let mut names: Vec<String> = entries.map(|entry| entry.name).collect();
    names.sort_unstable();
    Ok(names)
}

pub(super) fn remove(fs: &dyn FileSystem, root: &Path, name: &str) -> Result<()> {
    check_object_name(name)?;
    let path = root.join(name);
    // A removal makes room, so it must not need any. Where the file of the lock was never made and there is
    // no room for it, no swap is going on either.
    let _swapping = match fs.has_locks().then(|| open_swap_lock(fs, root)) {
        None => None,
        Some(Err(cause)) if is_full(&cause) => None,
        Some(opened) => Some(lock_swaps(root, opened)?),
    };
    match fs.remove_file(&path) {
        Ok(()) => sync_directory(fs, root),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::io("remove", &path, cause)),
    }
}

/// Writes a temporary file, brings it to the medium, gives it its name with `name` and makes that
/// durable. Returns the version.
fn publish(
    fs: &Fs,
    root: &Path,
    bytes: &[u8],
    name: impl Fn(&TempFile) -> io::Result<()>,
    explain: impl Fn(io::Error) -> Error,
) -> Result<String> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut file = TempFile::create(fs, &Descriptors::of_process(), root)?;
        file.write(bytes)?;
        file.sync()?;
        let metadata = file.metadata()?;
        match name(&file) {
            Ok(()) => {
                drop(file);
                // The name is there, and nobody knows whether it stays.
                sync_directory(fs.as_ref(), root).map_err(Error::in_doubt)?;
                return Ok(version_of(bytes, &metadata));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
            Err(cause) => return Err(explain(cause)),
        }
    }
}

fn version_of(bytes: &[u8], metadata: &FileMetadata) -> String {
    let content = xxhash_rust::xxh3::xxh3_128(bytes);
    let ((_, inode), (seconds, nanos)) = (metadata.identity, metadata.modified);
    format!("{content:032x}-{inode:x}-{seconds:x}.{nanos:x}")
}

fn open_swap_lock(fs: &dyn FileSystem, root: &Path) -> io::Result<Box<dyn OpenFile>> {
    fs.open(&root.join(SWAP_LOCK_NAME), Access::WriteOrCreate)
}

/// Waits for the others; they hold it for one small write.
fn lock_swaps(root: &Path, opened: io::Result<Box<dyn OpenFile>>) -> Result<Box<dyn OpenFile>> {
    let path = root.join(SWAP_LOCK_NAME);
    let file = opened.map_err(|cause| Error::io("open lock", &path, cause))?;
    file.lock()
        .map_err(|cause| Error::io("lock", &path, cause))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::local;
    use std::cell::Cell;

    /// Publishes while another writer clears temporary files before the first `clearings` links.
    fn publish_against(root: &Path, clearings: usize) -> (Result<String>, usize) {
        let path = root.join("a");
        let attempts = Cell::new(0);
        let name = |file: &TempFile| {
            attempts.set(attempts.get() + 1);
            if attempts.get() <= clearings {
                let found = disk::leftovers(local().as_ref(), root).expect("listed");
                disk::remove_leftovers(local().as_ref(), root, &found).expect("cleared");
            }
            file.link(&path)
        };
        let result = publish(&local(), root, b"bytes", name, |cause| {
            link_error(&path, cause)
        });
        (result, attempts.get())
    }

    #[test]
    fn a_put_bears_writers_that_clear_its_temporary_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (result, attempts) = publish_against(directory.path(), 2);
        let (bytes, version) = get(local().as_ref(), directory.path(), "a")
            .expect("readable")
            .expect("there");
        assert_eq!(
            (bytes, version, attempts),
            (b"bytes".to_vec(), result.expect("put"), 3)
        );
        assert_eq!(directory.path().read_dir().expect("readable").count(), 1);
    }

    #[test]
    fn a_put_whose_file_always_vanishes_gives_up() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (result, attempts) = publish_against(directory.path(), usize::MAX);
        assert!(result.is_err());
        assert_eq!(attempts, ATTEMPTS);
    }
}
