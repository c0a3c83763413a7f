//! The files of the log: names, headers, and how they follow each other.
//!
//! ```text
//! log/<first position, 16 hex digits>.log
//! header   "SIDXLOG1" | format version u32 | first position u64 | follows u64 | checksum u32
//! frames   one after the other
//! ```
//!
//! All little endian; `checksum` is the CRC32C of the header before it. `follows` is where the log
//! ended when the segment was made, which is its first position; or 2^64 - 1 when everything before
//! the segment was given up, whatever is still there of it. A segment is complete and on the medium
//! before one is made that follows it, and its header before its first frame: only the newest can
//! be torn.

use std::sync::Arc;

use crate::checksum;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{ReadFile, Storage};

/// Where segments are.
pub(crate) const DIRECTORY: &str = "log";
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: usize = 32;

/// No log gets this far; sums of a position and a size below it can't overflow.
pub(super) const MAX_POSITION: u64 = 1 << 62;

const MAGIC: &[u8; 8] = b"SIDXLOG1";
const VERSION: u32 = 1;
/// In the place of the position that a segment follows.
const NOTHING: u64 = u64::MAX;

/// A segment and the positions in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Position of its first frame.
    pub(super) first: u64,
    /// Where the log ended when it was made; none when everything before it is given up.
    pub(super) follows: Option<u64>,
    /// Position after its last frame.
    pub(super) end: u64,
}

impl Segment {
    /// Bytes in the file up to a position in it.
    pub(super) fn offset_of(&self, position: u64) -> u64 {
        position.saturating_sub(self.first) + HEADER_BYTES as u64
    }
}

/// Path of the segment that begins at a position.
pub(super) fn path(first: u64) -> String {
    format!("{DIRECTORY}/{first:016x}.log")
}

/// First positions of all segments, ascending. Other names are not the log's business.
pub(super) fn list(storage: &dyn Storage) -> Result<Vec<u64>> {
    let names = storage.list(DIRECTORY)?;
    let parse = |name: &String| {
        let first = u64::from_str_radix(name.strip_suffix(".log")?, 16).ok()?;
        (path(first).strip_prefix(DIRECTORY)?.strip_prefix('/')? == name).then_some(first)
    };
    let mut firsts: Vec<u64> = names.iter().filter_map(parse).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// The header of a segment.
pub(super) fn header(first: u64, follows: Option<u64>) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let (fields, checksum) = bytes.split_at_mut(HEADER_BYTES - 4);
    let values = MAGIC
        .iter()
        .copied()
        .chain(VERSION.to_le_bytes())
        .chain(first.to_le_bytes())
        .chain(follows.unwrap_or(NOTHING).to_le_bytes());
    for (byte, value) in fields.iter_mut().zip(values) {
        *byte = value;
    }
    checksum.copy_from_slice(&checksum::crc32c(fields).to_le_bytes());
    bytes
}

/// What the head of a file of the log is.
pub(super) enum Header {
    /// That of a segment. None: everything before it was given up.
    Good { follows: Option<u64> },
    /// Nothing, or the beginning of one: the making of the segment was interrupted, and no entry is in it.
    Unborn,
    /// Not that of a segment of this name and format.
    Bad(Error),
}

/// Opens a file of the log and looks at its header; the frames are not looked at.
pub(super) fn open(storage: &dyn Storage, first: u64) -> Result<(Arc<dyn ReadFile>, Header)> {
    let file = storage.open(&path(first))?;
    let size = file.size();
    let mut bytes = [0; HEADER_BYTES];
    if size < HEADER_BYTES as u64 {
        return Ok((file, Header::Unborn));
    }
    file.read_at(0, &mut bytes)?;
    if size == HEADER_BYTES as u64 && bytes == [0; HEADER_BYTES] {
        return Ok((file, Header::Unborn));
    }
    let header = match decode(&bytes, first) {
        Ok(follows) => Header::Good { follows },
        Err(error) => Header::Bad(error.at(place(storage, first))),
    };
    Ok((file, header))
}

/// The position at the end of a segment with so many bytes; none when no log gets that far.
pub(super) fn end_of(first: u64, size_bytes: u64) -> Option<u64> {
    let end = first.checked_add(size_bytes.saturating_sub(HEADER_BYTES as u64))?;
    (end <= MAX_POSITION).then_some(end)
}

/// A segment in messages.
pub(super) fn place(storage: &dyn Storage, first: u64) -> String {
    format!("{}/{}", storage.location(), path(first))
}

/// What a header says of its segment follows; the rest of it must be right.
fn decode(bytes: &[u8; HEADER_BYTES], first: u64) -> Result<Option<u64>> {
    let (fields, checksum) = bytes.split_at(HEADER_BYTES - 4);
    let (magic, fields_after) = fields.split_at(MAGIC.len());
    let whole = magic == MAGIC && checksum::crc32c(fields).to_le_bytes() == checksum;
    let (version, positions) = fields_after.split_at(4);
    let (found_first, follows) = positions.split_at(8);
    if !whole {
        return Err(Error::corrupt(
            "offset 0: the header of the log segment fails its check; restore the file from backup",
        ));
    }
    if version != VERSION.to_le_bytes() {
        return Err(Error::new(
            ErrorKind::UnsupportedVersion,
            format!("log format {version:?}, this program knows {VERSION}; use a newer one"),
        ));
    }
    if found_first != first.to_le_bytes() {
        return Err(Error::corrupt(format!(
            "offset 12: the segment does not begin at {first} as its name says; it was renamed"
        )));
    }
    let follows = follows
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    Ok((follows != NOTHING).then_some(follows))
}
