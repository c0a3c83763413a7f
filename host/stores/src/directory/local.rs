//! The file system of the operating system.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::file_system::{Access, FileKind, FileMetadata, FileSystem, OpenFile};
use crate::MediumSpace;

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        Ok(Box::new(options.open(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        let mut options = File::options();
        options
            .read(true)
            .write(access != Access::Read)
            .create(access == Access::WriteOrCreate);
        Ok(Box::new(options.open(path)?))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) => entries.push((entry.file_name(), kind_of(kind))),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        fs::metadata(path).map(|metadata| convert(&metadata))
    }

    fn link_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        fs::symlink_metadata(path).map(|metadata| convert(&metadata))
    }

    fn space(&self, path: &Path) -> io::Result<Option<MediumSpace>> {
        let found = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let space = MediumSpace {
            total_bytes: bytes(found.f_blocks),
            free_bytes: bytes(found.f_bavail),
            free_files: (found.f_files > 0).then_some(found.f_favail),
        };
        // Some that are made of other media answer with nothing.
        Ok((space.total_bytes > 0).then_some(space))
    }

    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

impl OpenFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        // Without the times of the file, but with its size.
        self.sync_data()
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        self.metadata().map(|metadata| convert(&metadata))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }

    fn lock(&self) -> io::Result<()> {
        self.lock()
    }
}

fn kind_of(kind: fs::FileType) -> FileKind {
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else {
        FileKind::Other
    }
}

fn convert(metadata: &fs::Metadata) -> FileMetadata {
    FileMetadata {
        kind: kind_of(metadata.file_type()),
        size: metadata.len(),
        identity: (metadata.dev(), metadata.ino()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}
