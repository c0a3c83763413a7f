//! Files under construction: compression, checksums, and the position of each page.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sidx_columns::Column;
use sidx_engine::host::{Chunk, Codec, Extent, FileSummary, Medium};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{ColumnStats, encode_plain};
use sidx_session::codec::{self, COMPRESSED_BYTES_MIN, PAGE_BYTES_MAX};

use super::disk::Space;
use super::memory::{MemoryFile, Reservation};
use super::shared::Shared;
use super::source::SourceFile;
use sidx_log::checksum;

use crate::storage;

/// Most pages of one call: each answer takes ten times the room of the question.
const MAX_PAGES: usize = 1 << 20;
/// Pages are collected to this size before they are written, as most are smaller than a good write.
const BUFFER_BYTES: usize = 256 * 1024;

/// A section goes to its file in chunks of this part of what it has so far, so that few chunks make a long
/// section, and sections that grow at the same time take little memory.
const CHUNK_SHARE: u64 = 16;
/// Most bytes that a section collects for a chunk.
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// A file under construction, or a section of one; abandoned when dropped.
#[allow(unreachable_pub)] // bindgen re-exports it.
pub struct NewFile {
    // An instance uses its files one call at a time, so the lock is never waited for. Sections hold their
    // file.
    draft: Arc<Mutex<Draft>>,
}

struct Draft {
    path: String,
    sink: Sink,
    /// Bytes so far, and their checksum.
    size: u64,
    checksum: u32,
    shared: Arc<Shared>,
}

enum Sink {
    Memory {
        bytes: Vec<u8>,
        reservation: Reservation,
    },
    Durable {
        file: Box<dyn storage::NewFile>,
        buffer: Vec<u8>,
        space: Arc<Space>,
    },
    /// Of a file of the store.
    Section {
        file: Arc<Mutex<Draft>>,
        buffer: Vec<u8>,
        chunks: Vec<Chunk>,
    },
}

impl NewFile {
    /// Starts a file; `conflict` when the path exists. A durable one takes what it writes of
    /// `space`.
    pub(crate) fn create(
        shared: &Arc<Shared>,
        path: &str,
        medium: Medium,
        space: impl FnOnce() -> Result<Arc<Space>>,
    ) -> Result<Self> {
        let sink = match medium {
            Medium::Memory => {
                if shared.memory_files.contains(path) {
                    let text = format!("a memory file {path} exists already");
                    return Err(Error::new(ErrorKind::Conflict, text));
                }
                Sink::Memory {
                    bytes: Vec::new(),
                    reservation: shared.memory.reserve(),
                }
            }
            Medium::Durable => Sink::Durable {
                file: shared.storage.create(path)?,
                buffer: Vec::new(),
                space: space()?,
            },
        };
        let draft = Draft {
            path: path.to_owned(),
            sink,
            size: 0,
            checksum: 0,
            shared: Arc::clone(shared),
        };
        Ok(Self {
            draft: Arc::new(Mutex::new(draft)),
        })
    }

    /// Starts a section of the file.
    pub(crate) fn section(&self) -> Result<Self> {
        let of = self.draft.lock();
        if !matches!(of.sink, Sink::Durable { .. }) {
            let text = "only files of the store have sections";
            return Err(Error::invalid(text).at(&of.path));
        }
        let draft = Draft {
            path: of.path.clone(),
            sink: Sink::Section {
                file: Arc::clone(&self.draft),
                buffer: Vec::new(),
                chunks: Vec::new(),
            },
            size: 0,
            checksum: 0,
            shared: Arc::clone(&of.shared),
        };
        Ok(Self {
            draft: Arc::new(Mutex::new(draft)),
        })
    }

    /// Appends the pages that lie one after the other in `pages`.
    pub(crate) fn append(
        &self,
        pages: &[u8],
        lengths: &[u32],
        codec: Codec,
    ) -> Result<Vec<Extent>> {
        let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        if total != pages.len() as u64 {
            let given = pages.len();
            let text = format!("the lengths add up to {total} bytes, {given} bytes are given");
            return Err(Error::invalid(text));
        }
        if lengths.len() > MAX_PAGES {
            let given = lengths.len();
            let text = format!("{given} pages are given at once, the limit is {MAX_PAGES}");
            return Err(Error::invalid(text));
        }
        let mut draft = self.draft.lock();
        let mut extents = Vec::with_capacity(lengths.len());
        let mut rest = pages;
        for length in lengths {
            // The sum was compared above, so there is always enough left.
            let (page, behind) = rest
                .split_at_checked(*length as usize)
                .unwrap_or((rest, &[]));
            extents.push(draft.append(page, codec)?);
            rest = behind;
        }
        Ok(extents)
    }

    /// Appends one page.
    pub(crate) fn append_page(&self, page: &[u8], codec: Codec) -> Result<Extent> {
        self.draft.lock().append(page, codec)
    }

    /// Appends a column as one page in plain form, which only files in memory hold.
    pub(crate) fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats)> {
        self.draft.lock().append_plain(column)
    }

    /// Completes the file; a durable one is on the medium on return.
    pub(crate) fn finish(self) -> Result<FileSummary> {
        match Arc::try_unwrap(self.draft) {
            Ok(draft) => draft.into_inner().finish(),
            Err(draft) => {
                let text = "it has sections that are not finished";
                Err(Error::invalid(text).at(&draft.lock().path))
            }
        }
    }
}

impl Draft {
    fn append(&mut self, page: &[u8], codec: Codec) -> Result<Extent> {
        let raw_bytes = u32::try_from(page.len())
            .ok()
            .filter(|n| *n <= PAGE_BYTES_MAX)
            .ok_or_else(|| {
                let length = page.len();
                let text = format!("a page of {length} bytes exceeds {PAGE_BYTES_MAX} bytes");
                Error::invalid(text).at(&self.path)
            })?;
        let worthwhile = codec == Codec::Zstd && page.len() >= COMPRESSED_BYTES_MIN;
        let extent = match &self.sink {
            // Memory files are read far more often than they are large: never compressed.
            Sink::Durable { .. } | Sink::Section { .. } if worthwhile => {
                codec::compressed(page, |stored| match stored {
                    Some(stored) => self.store(stored, 1),
                    None => self.store(page, 0),
                })?
            }
            _ => self.store(page, 0)?,
        };
        Ok(Extent {
            raw_bytes,
            ..extent
        })
    }

    fn append_plain(&mut self, column: &Column) -> Result<(Extent, ColumnStats)> {
        let Sink::Memory { bytes, reservation } = &mut self.sink else {
            return Err(
                Error::invalid("pages in plain form are for files in memory").at(&self.path),
            );
        };
        let start = bytes.len();
        // At most what a page of the smallest form may take, which is what readers compare with.
        let written =
            encode_plain(column, bytes).map_err(|cause| Error::invalid(cause.to_string()));
        let page = bytes.get(start..).unwrap_or_default();
        let added = page.len() as u64;
        let fitting = written.and_then(|stats| {
            if added > u64::from(PAGE_BYTES_MAX) {
                let text = format!("a page of {added} bytes exceeds {PAGE_BYTES_MAX} bytes");
                return Err(Error::invalid(text));
            }
            reservation.grow(added)?;
            Ok(stats)
        });
        let stats = match fitting {
            Ok(stats) => stats,
            Err(error) => {
                bytes.truncate(start);
                return Err(error.at(&self.path));
            }
        };
        let extent = Extent {
            offset: self.size,
            stored_bytes: added as u32,
            raw_bytes: added as u32,
            checksum: checksum::crc32c(page),
            codec: 0,
        };
        self.size += added;
        self.checksum = checksum::crc32c_append(self.checksum, page);
        Ok((extent, stats))
    }

    /// Takes the stored bytes of a page into the file.
    fn store(&mut self, stored: &[u8], codec: u32) -> Result<Extent> {
        Ok(Extent {
            offset: self.put(stored)?,
            // At most the raw bytes, which were compared with the limit.
            stored_bytes: stored.len() as u32,
            raw_bytes: 0,
            checksum: checksum::crc32c(stored),
            codec,
        })
    }

    /// Takes bytes into the file; returns where they lie.
    fn put(&mut self, stored: &[u8]) -> Result<u64> {
        let added = stored.len() as u64;
        match &mut self.sink {
            Sink::Memory { bytes, reservation } => {
                reservation.grow(added)?;
                bytes.extend_from_slice(stored);
            }
            Sink::Durable {
                file,
                buffer,
                space,
            } => {
                if stored.len() >= BUFFER_BYTES {
                    flush(file.as_mut(), buffer, space)?;
                    write(file.as_mut(), stored, space)?;
                } else {
                    buffer.extend_from_slice(stored);
                    if buffer.len() >= BUFFER_BYTES {
                        flush(file.as_mut(), buffer, space)?;
                    }
                }
            }
            Sink::Section {
                file,
                buffer,
                chunks,
            } => {
                buffer.extend_from_slice(stored);
                let wanted = (self.size / CHUNK_SHARE).clamp(BUFFER_BYTES as u64, CHUNK_BYTES_MAX);
                if buffer.len() as u64 >= wanted {
                    hand_over(&mut file.lock(), buffer, chunks)?;
                }
            }
        }
        let offset = self.size;
        self.size += added;
        self.checksum = checksum::crc32c_append(self.checksum, stored);
        Ok(offset)
    }

    fn finish(self) -> Result<FileSummary> {
        let mut summary = FileSummary {
            size_bytes: self.size,
            checksum: self.checksum,
            chunks: Vec::new(),
        };
        match self.sink {
            Sink::Memory {
                mut bytes,
                reservation,
            } => {
                // Only the length is reserved, not what the buffer grew to.
                bytes.shrink_to_fit();
                let file = MemoryFile::new(Bytes::from(bytes), reservation);
                let source = SourceFile::in_memory(&self.path, file);
                self.shared.memory_files.insert(&self.path, source)?;
            }
            Sink::Durable {
                mut file,
                mut buffer,
                space,
            } => {
                flush(file.as_mut(), &mut buffer, &space)?;
                file.finish()?;
            }
            Sink::Section {
                file,
                mut buffer,
                mut chunks,
            } => {
                hand_over(&mut file.lock(), &mut buffer, &mut chunks)?;
                summary.chunks = chunks;
            }
        }
        Ok(summary)
    }
}

/// Appends what a section has collected to its file.
fn hand_over(file: &mut Draft, buffer: &mut Vec<u8>, chunks: &mut Vec<Chunk>) -> Result<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    let offset = file.put(buffer)?;
    let size_bytes = buffer.len() as u64;
    buffer.clear();
    match chunks.last_mut() {
        Some(last) if last.offset + last.size_bytes == offset => last.size_bytes += size_bytes,
        _ => chunks.push(Chunk { offset, size_bytes }),
    }
    Ok(())
}

fn flush(file: &mut dyn storage::NewFile, buffer: &mut Vec<u8>, space: &Space) -> Result<()> {
    if !buffer.is_empty() {
        write(file, buffer, space)?;
        buffer.clear();
    }
    Ok(())
}

fn write(file: &mut dyn storage::NewFile, bytes: &[u8], space: &Space) -> Result<()> {
    space.take(bytes.len() as u64)?;
    Ok(file.append(bytes)?)
}
