//! The folder in which stores are made, and what the file system knows of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sidx_command::{Code, Failure};

/// Bytes of one block in the count of a file's blocks, whatever the file system's own block size.
const BLOCK_BYTES: u64 = 512;
/// How many names are tried for the folder.
const NAMES_MAX: u32 = 1_000;

/// A folder of our own, removed when this is dropped.
pub(super) struct Stores {
    root: PathBuf,
    keep: bool,
}

impl Stores {
    /// Makes the folder in `parent`, or in the folder for temporary files.
    pub(super) fn new(parent: Option<&Path>, keep: bool) -> Result<Stores, Failure> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        // Absolute, so that the store takes the path for nothing but a path.
        let made = std::path::absolute(&parent).and_then(|parent| {
            fs::create_dir_all(&parent)?;
            unique(&parent)
        });
        let root = made.map_err(|error| unusable(&parent, &error))?;
        Ok(Stores { root, keep })
    }

    /// Where the folder is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A place for a store where nothing is.
    pub(super) fn vacant(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.root.join(name);
        remove(&path)?;
        Ok(path)
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        if !self.keep {
            // Nobody is left to tell; what remains is in a folder for the purpose.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

fn unique(parent: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    for number in 0..NAMES_MAX {
        let path = parent.join(format!("sidx-bench-{process}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes a store, if there is one.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

/// Bytes of all blocks that a store takes, folders included.
pub(super) fn allocated_bytes(path: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    walk(path, &mut |_, metadata| {
        bytes += metadata.blocks() * BLOCK_BYTES;
        Ok(())
    })
    .map_err(|error| unusable(path, &error))?;
    Ok(bytes)
}

/// Drops the files of a store from the page cache of the operating system, where that can be asked for.
pub(super) fn forget(path: &Path) -> Result<(), Failure> {
    walk(path, &mut |path, metadata| {
        if metadata.is_file() {
            forget_file(path)?;
        }
        Ok(())
    })
    .map_err(|error| unusable(path, &error))
}

#[cfg(target_os = "linux")]
fn forget_file(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    // Pages that are not on the medium yet would stay.
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn forget_file(path: &Path) -> io::Result<()> {
    File::open(path).map(drop)
}

/// Calls `each` for a folder and everything below it.
fn walk(
    path: &Path,
    each: &mut impl FnMut(&Path, &fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    each(path, &metadata)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), each)?;
        }
    }
    Ok(())
}

/// The failure of a path that cannot be used.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => Code::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::Resource,
        _ => Code::Other,
    };
    Failure::new(
        code,
        format!("{}: {error}", path.display()),
        "name a folder with --dir that can be written to",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_leave_nothing_behind_unless_asked() {
        let parent = tempfile::tempdir().unwrap();
        for keep in [false, true] {
            let stores = Stores::new(Some(parent.path()), keep).unwrap();
            let store = stores.vacant("a").unwrap();
            fs::create_dir(&store).unwrap();
            fs::write(store.join("file"), [7; 10_000]).unwrap();
            forget(&store).unwrap();
            assert!(allocated_bytes(&store).unwrap() >= 10_000);
            let root = stores.root().to_owned();
            drop(stores);
            assert_eq!(root.exists(), keep);
        }
    }
}
