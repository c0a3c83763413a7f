//! An open file of `wasi:filesystem`.

use std::io;

use sidx_stores::{FileKind, FileMetadata, OpenFile};
use wasip2::filesystem::types::{Descriptor, DescriptorStat, DescriptorType, MetadataHashValue};

use crate::code::error;

/// Most bytes that one call moves: the runtime keeps as many of its own memory for it.
const CALL_BYTES_MAX: usize = 4 << 20;

/// A file, open.
pub(crate) struct WasiFile(pub(crate) Descriptor);

impl OpenFile for WasiFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buffer.len().min(CALL_BYTES_MAX);
        let (bytes, _) = self.0.read(length as u64, offset).map_err(error)?;
        match buffer.get_mut(..bytes.len()) {
            Some(front) if bytes.len() <= length => front.copy_from_slice(&bytes),
            _ => return Err(io::Error::other("more bytes came than were asked for")),
        }
        Ok(bytes.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let bytes = bytes.get(..CALL_BYTES_MAX).unwrap_or(bytes);
        let count = self.0.write(bytes, offset).map_err(error)?;
        let count = usize::try_from(count).ok();
        count
            .filter(|count| *count <= bytes.len())
            .ok_or_else(|| io::Error::other("more bytes were written than there are"))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size).map_err(error)
    }

    fn sync(&self) -> io::Result<()> {
        // Without the times of the file, but with its size.
        self.0.sync_data().map_err(error)
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        let stat = self.0.stat().map_err(error)?;
        let hash = self.0.metadata_hash().map_err(error)?;
        Ok(metadata(&stat, hash))
    }

    fn try_lock(&self) -> io::Result<bool> {
        Err(no_locks())
    }

    fn lock(&self) -> io::Result<()> {
        Err(no_locks())
    }
}

fn no_locks() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "files have no locks in WASI")
}

/// What is told of a file. Its number is the hash that WASI gives in place of one.
pub(crate) fn metadata(stat: &DescriptorStat, hash: MetadataHashValue) -> FileMetadata {
    let modified = stat.data_modification_timestamp.map(|time| {
        let seconds = i64::try_from(time.seconds).unwrap_or(i64::MAX);
        (seconds, i64::from(time.nanoseconds))
    });
    FileMetadata {
        kind: kind(stat.type_),
        size: stat.size,
        identity: (hash.upper, hash.lower),
        modified: modified.unwrap_or_default(),
    }
}

pub(crate) fn kind(found: DescriptorType) -> FileKind {
    match found {
        DescriptorType::RegularFile => FileKind::File,
        DescriptorType::Directory => FileKind::Directory,
        _ => FileKind::Other,
    }
}
