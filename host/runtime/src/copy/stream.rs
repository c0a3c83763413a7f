//! The bytes of one file of a copy, as they come from the files of the index.

use std::collections::BTreeMap;
use std::sync::Arc;

use sidx_engine::{CopiedFile, CopiedPart, CopiedPiece};
use sidx_log::checksum;

use crate::error::{Error, ErrorKind, Result};
use crate::lenders::Lenders;
use crate::storage::ReadFile;

/// Bytes read at a time; between two the copy may be stopped.
const CHUNK_BYTES: u64 = 1 << 20;
/// The same where a read takes long, whatever its size.
const FAR_CHUNK_BYTES: u64 = 4 << 20;

/// How much to read at a time.
pub(super) fn chunk_bytes(from: &Lenders) -> u64 {
    match from.reads_at_once() {
        0 | 1 => CHUNK_BYTES,
        _ => FAR_CHUNK_BYTES,
    }
}

/// Reads what files of a part are made of.
pub(super) struct Stream<'a> {
    from: &'a Lenders,
    part: &'a CopiedPart,
    is_strict: bool,
    buffer: &'a mut Vec<u8>,
    /// CRC32C and length of what came of each section.
    sums: BTreeMap<usize, (u32, u64)>,
    /// The file that was not found.
    pub(super) gone: Option<String>,
    /// Files that end before they should, where that is no error.
    pub(super) short: Vec<String>,
}

/// Pieces that lie one behind the other in one file.
struct Run<'p> {
    source: usize,
    offset: u64,
    size_bytes: u64,
    pieces: &'p [CopiedPiece],
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        from: &'a Lenders,
        part: &'a CopiedPart,
        is_strict: bool,
        buffer: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            from,
            part,
            is_strict,
            buffer,
            sums: BTreeMap::new(),
            gone: None,
            short: Vec::new(),
        }
    }

    /// Hands all bytes of a file to `put`, and asks `check` now and then whether to go on. `corrupt` when
    /// they are not what was written; where that does not matter zeroes stand for those that are not there.
    pub(super) fn run(
        &mut self,
        file: &CopiedFile,
        is_missing: &dyn Fn(&str) -> bool,
        check: &dyn Fn() -> Result<()>,
        put: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut open: Option<(usize, Option<Arc<dyn ReadFile>>)> = None;
        for run in runs(&file.pieces) {
            let source = match open.take().filter(|(source, _)| *source == run.source) {
                Some((_, source)) => source,
                None => self.open(run.source, is_missing)?,
            };
            self.read(&run, source.as_deref(), check, put)?;
            open = Some((run.source, source));
        }
        if self.is_strict {
            self.compare()?;
        }
        check()?;
        match file.end.is_empty() {
            true => Ok(()),
            false => put(&file.end),
        }
    }

    fn path(&self, source: usize) -> &str {
        self.part.sources.get(source).map_or("", String::as_str)
    }

    /// A file of the index; none where it is known to be missing.
    fn open(
        &mut self,
        source: usize,
        is_missing: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Arc<dyn ReadFile>>> {
        let path = self.path(source).to_owned();
        if !self.is_strict && is_missing(&path) {
            return Ok(None);
        }
        let opened = self.from.open(&path);
        if opened
            .as_ref()
            .is_err_and(|it| it.kind() == ErrorKind::NotFound)
        {
            self.gone = Some(path);
        }
        opened.map(Some)
    }

    fn read(
        &mut self,
        run: &Run<'_>,
        source: Option<&dyn ReadFile>,
        check: &dyn Fn() -> Result<()>,
        put: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let size = source.map_or(0, ReadFile::size);
        let end = run.offset.saturating_add(run.size_bytes);
        let is_short = size < end;
        if is_short && self.is_strict {
            return Err(Error::corrupt(format!(
                "{}: {size} bytes, the manifest says {end}",
                self.path(run.source)
            )));
        }
        if is_short && source.is_some() {
            let path = self.path(run.source).to_owned();
            self.short.push(path);
        }
        let mut pieces = run.pieces.iter();
        let mut piece: Option<(usize, u64)> = None;
        let mut offset = run.offset;
        while offset < end {
            check()?;
            let length = chunk_bytes(self.from).min(end - offset);
            self.buffer.clear();
            // At most the size of a chunk.
            self.buffer.resize(length as usize, 0);
            let there = size.saturating_sub(offset).min(length) as usize;
            if let (Some(source), Some(there)) = (source, self.buffer.get_mut(..there)) {
                source.read_at(offset, there)?;
            }
            if self.is_strict {
                sum(&mut self.sums, self.buffer, &mut pieces, &mut piece);
            }
            put(self.buffer)?;
            offset += length;
        }
        Ok(())
    }

    /// Compares what came with what was written.
    fn compare(&self) -> Result<()> {
        for (section, (checksum, size_bytes)) in &self.sums {
            let Some(section) = self.part.sections.get(*section) else {
                continue;
            };
            if *size_bytes != section.size_bytes || *checksum != section.checksum {
                return Err(Error::corrupt(format!(
                    "{}: its CRC32C is {checksum:08x}, the manifest says {:08x}",
                    section.name, section.checksum
                )));
            }
        }
        Ok(())
    }
}

/// Adds bytes to the sums of the sections that they are of. `piece` is the section of the piece that has been
/// begun, and what is left of it.
fn sum<'p>(
    sums: &mut BTreeMap<usize, (u32, u64)>,
    mut bytes: &[u8],
    pieces: &mut impl Iterator<Item = &'p CopiedPiece>,
    piece: &mut Option<(usize, u64)>,
) {
    while !bytes.is_empty() {
        let begun = piece.take().filter(|(_, left)| *left > 0);
        let next = || pieces.next().map(|next| (next.section, next.size_bytes));
        let Some((section, left)) = begun.or_else(next) else {
            return;
        };
        let length = left.min(bytes.len() as u64);
        let (own, rest) = bytes
            .split_at_checked(length as usize)
            .unwrap_or((bytes, &[]));
        let (checksum, size) = sums.entry(section).or_default();
        *checksum = checksum::crc32c_append(*checksum, own);
        *size += length;
        *piece = Some((section, left - length));
        bytes = rest;
    }
}

/// Pieces in as few reads as they can be had in.
fn runs(pieces: &[CopiedPiece]) -> impl Iterator<Item = Run<'_>> {
    let lies_behind = |one: &CopiedPiece, two: &CopiedPiece| {
        one.source == two.source && one.offset.checked_add(one.size_bytes) == Some(two.offset)
    };
    pieces.chunk_by(lies_behind).filter_map(|pieces| {
        let first = pieces.first()?;
        Some(Run {
            source: first.source,
            offset: first.offset,
            size_bytes: pieces.iter().map(|piece| piece.size_bytes).sum(),
            pieces,
        })
    })
}
