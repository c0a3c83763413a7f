//! The files of the directory backend.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::descriptors::{Descriptors, SharedFile};
use super::disk::TempFile;
use super::file_system::{Access, FileKind, Fs, OpenFile};
use crate::error::{Error, ErrorKind, Result};
use crate::{AppendFile, NewFile, ReadFile, cannot_grow, too_short};

pub(super) struct DirectoryNewFile {
    temporary: TempFile,
    target: PathBuf,
    failed: bool,
}

impl DirectoryNewFile {
    pub(super) fn new(temporary: TempFile, target: PathBuf) -> Self {
        Self {
            temporary,
            target,
            failed: false,
        }
    }
}

impl NewFile for DirectoryNewFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let result = self.temporary.write(bytes);
        self.failed |= result.is_err();
        result.map_err(|error| error.at(self.target.display()))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let target = self.target.as_path();
        if self.failed {
            let name = target.display();
            let problem = format!("{name} cannot be finished: an append failed; write it again");
            return Err(Error::new(ErrorKind::Io, problem));
        }
        self.temporary.sync()?;
        self.temporary
            .link(target)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::NotFound => Error::conflict(format!(
                    "{} was cleared away before it was finished, by another writer that opened the index; \
                     do it again, or open the index again",
                    target.display()
                )),
                _ => link_error(target, cause),
            })
    }
}

/// What went wrong when a file got its name.
pub(super) fn link_error(target: &Path, cause: io::Error) -> Error {
    let name = target.display();
    match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::conflict(format!("{name} exists")),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied => Error::new(
            ErrorKind::Io,
            format!("cannot link {name}: {cause}; the store needs a file system with hard links"),
        )
        .with_source(cause),
        _ => Error::io("link", target, cause),
    }
}

pub(super) struct DirectoryReadFile {
    file: SharedFile,
    size: u64,
    path: PathBuf,
}

impl DirectoryReadFile {
    pub(super) fn open(fs: &Fs, descriptors: &Arc<Descriptors>, path: &Path) -> Result<Self> {
        let not_found = || Error::not_found(format!("there is no file {}", path.display()));
        let opened = SharedFile::open(fs, descriptors, path, Access::Read);
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            Err(cause) if super::is_absent(&cause) => return Err(not_found()),
            Err(cause) => return Err(Error::io("open", path, cause)),
        };
        if metadata.kind != FileKind::File {
            return Err(not_found());
        }
        Ok(Self {
            file,
            size: metadata.size,
            path: path.to_owned(),
        })
    }
}

impl ReadFile for DirectoryReadFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let length = buffer.len();
        let too_short = |size| too_short(&self.path.to_string_lossy(), offset, length, size);
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(too_short(self.size));
        }
        match self.file.read_up_to(buffer, offset) {
            Ok(count) if count == length => Ok(()),
            Ok(count) => Err(too_short(offset + count as u64)),
            Err(cause) => Err(Error::io("read", &self.path, cause)),
        }
    }
}

/// Bytes that are written again at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// Writes at a position that it keeps, not at the end that the file has: after a failed write the
/// next one covers what the failed one left.
pub(super) struct DirectoryAppendFile {
    file: Box<dyn OpenFile>,
    size: u64,
    path: PathBuf,
}

impl DirectoryAppendFile {
    pub(super) fn new(file: Box<dyn OpenFile>, path: PathBuf) -> Result<Self> {
        let metadata = file
            .metadata()
            .map_err(|cause| Error::io("look at", &path, cause))?;
        Ok(Self {
            file,
            size: metadata.size,
            path,
        })
    }
}

impl AppendFile for DirectoryAppendFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, self.size)
            .map_err(|cause| Error::io("append to", &self.path, cause))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file
            .sync()
            .map_err(|cause| Error::io("sync", &self.path, cause))
    }

    fn resync(&mut self, size: u64) -> Result<()> {
        let mut buffer = Vec::new();
        let mut offset = 0;
        while offset < size {
            // At most the size of a chunk.
            buffer.resize((size - offset).min(CHUNK_BYTES) as usize, 0);
            let read = self.file.read_up_to(&mut buffer, offset);
            let count = read.map_err(|cause| Error::io("read", &self.path, cause))?;
            let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty());
            let name = self.path.to_string_lossy();
            let bytes = bytes.ok_or_else(|| too_short(&name, offset, buffer.len(), offset))?;
            self.file
                .write_all_at(bytes, offset)
                .map_err(|cause| Error::io("write", &self.path, cause))?;
            offset += count as u64;
        }
        self.sync()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        if size > self.size {
            return Err(cannot_grow(&self.path.to_string_lossy(), self.size, size));
        }
        self.file
            .set_size(size)
            .map_err(|cause| Error::io("truncate", &self.path, cause))?;
        self.size = size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::local;

    #[test]
    fn a_file_that_lost_an_append_cannot_be_finished() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let target = directory.path().join("a");
        let temporary =
            TempFile::create(&local(), &Descriptors::fixed(1), directory.path()).expect("new");
        let mut file = Box::new(DirectoryNewFile::new(temporary, target));
        file.append(b"bytes").expect("writable");
        file.failed = true;
        let error = file.finish().expect_err("failed before");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(directory.path().read_dir().expect("readable").count(), 0);
    }
}
