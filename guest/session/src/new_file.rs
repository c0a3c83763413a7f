//! Files under construction: compression, checksums, and the position of each page.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use sidx_columns::Column;
use sidx_engine::host::{Chunk, Codec, Extent, FileSummary, Medium};
use sidx_engine::{Error, Result};
use sidx_kernels::{ColumnStats, encode_plain};
use sidx_log::checksum;

use crate::codec::{self, COMPRESSED_BYTES_MIN, PAGE_BYTES_MAX};
use crate::disk::Space;
use crate::memory::{MemoryFile, Reservation};
use crate::place;
use crate::shared::Shared;
use crate::source::Body;
use crate::storage::Storage;

/// Most pages of one call: each answer takes ten times the room of the question.
const PAGES_MAX: usize = 1 << 20;
/// Pages are collected to this size before they are written, as most are smaller than a good write.
const BUFFER_BYTES: usize = 256 * 1024;
/// A section goes to its file in chunks of this part of what it has so far, so that few chunks make a long
/// section, and sections that grow at the same time take little memory.
const CHUNK_SHARE: u64 = 16;
/// Most bytes that a section collects for a chunk.
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// A file under construction, or a section of one; abandoned when dropped.
pub struct NewFile<S: Storage> {
    /// Sections hold their file.
    draft: Rc<RefCell<Draft<S>>>,
}

struct Draft<S: Storage> {
    path: String,
    sink: Sink<S>,
    /// Bytes so far, and their checksum.
    size: u64,
    checksum: u32,
    shared: Rc<Shared<S>>,
}

enum Sink<S: Storage> {
    Memory {
        bytes: Vec<u8>,
        reservation: Reservation,
    },
    Durable {
        file: Unfinished<S>,
        buffer: Vec<u8>,
        space: Rc<Space<S>>,
    },
    /// Of a file of the store.
    Section {
        file: Rc<RefCell<Draft<S>>>,
        buffer: Vec<u8>,
        chunks: Vec<Chunk>,
    },
}

/// A file of the store that has no name yet, and gets none when this is dropped.
struct Unfinished<S: Storage> {
    storage: Rc<S>,
    /// None once it is finished.
    handle: Option<u32>,
}

impl<S: Storage> Unfinished<S> {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        match self.handle {
            Some(handle) => place::append(self.storage.as_ref(), handle, bytes),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<()> {
        match self.handle.take() {
            Some(handle) => self.storage.finish(handle),
            None => Ok(()),
        }
    }
}

impl<S: Storage> Drop for Unfinished<S> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            self.storage.close(handle);
        }
    }
}

impl<S: Storage> NewFile<S> {
    /// Starts a file; `conflict` when the path exists. A durable one takes what it writes of
    /// `space`.
    pub(crate) fn create(
        shared: &Rc<Shared<S>>,
        path: &str,
        medium: Medium,
        space: impl FnOnce() -> Result<Rc<Space<S>>>,
    ) -> Result<Self> {
        let sink = match medium {
            Medium::Memory => {
                shared.memory_files.check_free(path)?;
                Sink::Memory {
                    bytes: Vec::new(),
                    reservation: shared.memory.reserve(),
                }
            }
            Medium::Durable => Sink::Durable {
                file: Unfinished {
                    storage: Rc::clone(shared.place.storage()),
                    handle: Some(shared.place.begin(path)?),
                },
                buffer: Vec::new(),
                space: space()?,
            },
        };
        Ok(Self::of(shared, path, sink))
    }

    fn of(shared: &Rc<Shared<S>>, path: &str, sink: Sink<S>) -> Self {
        let draft = Draft {
            path: path.to_owned(),
            sink,
            size: 0,
            checksum: 0,
            shared: Rc::clone(shared),
        };
        Self {
            draft: Rc::new(RefCell::new(draft)),
        }
    }

    /// Starts a section of the file.
    pub(crate) fn section(&self) -> Result<Self> {
        let of = self.draft.borrow();
        if !matches!(of.sink, Sink::Durable { .. }) {
            let text = "only files of the store have sections";
            return Err(Error::invalid(text).at(&of.path));
        }
        let sink = Sink::Section {
            file: Rc::clone(&self.draft),
            buffer: Vec::new(),
            chunks: Vec::new(),
        };
        Ok(Self::of(&of.shared, &of.path, sink))
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
        if lengths.len() > PAGES_MAX {
            let given = lengths.len();
            let text = format!("{given} pages are given at once, the limit is {PAGES_MAX}");
            return Err(Error::invalid(text));
        }
        let mut draft = self.draft.borrow_mut();
        let mut extents = Vec::with_capacity(lengths.len());
        let mut rest = pages;
        for length in lengths {
            // The sum was compared above, so there is always enough left.
            let split = rest.split_at_checked(*length as usize);
            let (page, behind) = split.unwrap_or((rest, &[]));
            extents.push(draft.append(page, codec)?);
            rest = behind;
        }
        Ok(extents)
    }

    /// Appends one page.
    pub(crate) fn append_page(&self, page: &[u8], codec: Codec) -> Result<Extent> {
        self.draft.borrow_mut().append(page, codec)
    }

    /// Appends a column as one page in plain form, which only files in memory hold.
    pub(crate) fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats)> {
        self.draft.borrow_mut().append_plain(column)
    }

    /// Completes the file; a durable one is on the medium on return.
    pub(crate) fn finish(self) -> Result<FileSummary> {
        match Rc::try_unwrap(self.draft) {
            Ok(draft) => draft.into_inner().finish(),
            Err(draft) => {
                let text = "it has sections that are not finished";
                Err(Error::invalid(text).at(&draft.borrow().path))
            }
        }
    }
}

impl<S: Storage> Draft<S> {
    fn append(&mut self, page: &[u8], codec: Codec) -> Result<Extent> {
        let length = page.len();
        let raw_bytes = u32::try_from(length).ok().filter(|n| *n <= PAGE_BYTES_MAX);
        let raw_bytes = raw_bytes.ok_or_else(|| {
            let text = format!("a page of {length} bytes exceeds {PAGE_BYTES_MAX} bytes");
            Error::invalid(text).at(&self.path)
        })?;
        let worthwhile = codec == Codec::Zstd && length >= COMPRESSED_BYTES_MIN;
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
            let text = "pages in plain form are for files in memory";
            return Err(Error::invalid(text).at(&self.path));
        };
        let start = bytes.len();
        // At most what a page of the smallest form may take, which is what readers compare with.
        let written = encode_plain(column, bytes);
        let written = written.map_err(|cause| Error::invalid(cause.to_string()));
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
                    flush(file, buffer, space)?;
                    write(file, stored, space)?;
                } else {
                    buffer.extend_from_slice(stored);
                    if buffer.len() >= BUFFER_BYTES {
                        flush(file, buffer, space)?;
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
                    hand_over(&mut file.borrow_mut(), buffer, chunks)?;
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
                let source = self
                    .shared
                    .open_files
                    .source(&self.path, Body::Memory(file));
                self.shared.memory_files.insert(&self.path, source)?;
            }
            Sink::Durable {
                file,
                mut buffer,
                space,
            } => {
                flush(&file, &mut buffer, &space)?;
                file.finish()?;
            }
            Sink::Section {
                file,
                mut buffer,
                mut chunks,
            } => {
                hand_over(&mut file.borrow_mut(), &mut buffer, &mut chunks)?;
                summary.chunks = chunks;
            }
        }
        Ok(summary)
    }
}

/// Appends what a section has collected to its file.
fn hand_over<S: Storage>(
    file: &mut Draft<S>,
    buffer: &mut Vec<u8>,
    chunks: &mut Vec<Chunk>,
) -> Result<()> {
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

fn flush<S: Storage>(file: &Unfinished<S>, buffer: &mut Vec<u8>, space: &Space<S>) -> Result<()> {
    if !buffer.is_empty() {
        write(file, buffer, space)?;
        buffer.clear();
    }
    Ok(())
}

fn write<S: Storage>(file: &Unfinished<S>, bytes: &[u8], space: &Space<S>) -> Result<()> {
    space.take(bytes.len() as u64)?;
    file.append(bytes)
}
