//! Where the newest segment that grows ends after a crash: what is a torn write, and what is damage.
//!
//! A write that a crash interrupted may have left anything from nothing to all of its bytes, in no
//! order, and with a power loss so may every write since the last sync. None of that was
//! acknowledged as durable, so it is cut. A frame that is wrong for any other reason is damage, and
//! is reported, because cutting there would drop entries that were acknowledged:
//!
//! 1. Nothing valid comes after it: torn.
//! 2. A later frame says that the bad one was on the medium when it was written: damage.
//! 3. Otherwise both were written since the last sync. Sectors that never reached the medium read
//!    as zeroes: if the bad stretch has such a sector it is torn, else damage.
//!
//! All frames of one write count, or none: a frame says when others of its write follow, and without the
//! last of them the others are torn too. So nobody counts what a writer takes back of a write that found no
//! room.

use crate::error::{Error, Result};
use crate::frame::{self, HEAD_BYTES, Head};
use crate::segment::Segment;
use crate::segments::Reader;

/// The unit in which a medium loses writes, in bytes. Larger units are multiples of it.
const SECTOR_BYTES: u64 = 512;
/// How much is read at once in the search for a frame.
const WINDOW_BYTES: u64 = 1 << 20;

/// Finds the position after the last whole write; what the file has behind it is torn. [`Error::Damaged`],
/// with the offset, when there is damage. Frames before `needed_from` are not looked at.
pub(crate) fn find_end<R: Reader>(
    file: &R,
    segment: &Segment,
    needed_from: u64,
) -> Result<u64, R::Error> {
    let size = file.size();
    let mut offset = segment.offset_of(needed_from).min(size);
    let mut whole = offset;
    while offset < size {
        match frame::verify(file, offset, size, segment.position_at(offset))? {
            Some(head) => {
                offset += head.frame_bytes();
                if !head.has_next {
                    whole = offset;
                }
            }
            None => {
                check_torn(file, segment, offset)?;
                break;
            }
        }
    }
    Ok(segment.position_at(whole))
}

/// Fails with [`Error::Damaged`] unless the bad frame at `offset` can be the trace of an interrupted write.
fn check_torn<R: Reader>(file: &R, segment: &Segment, offset: u64) -> Result<(), R::Error> {
    let Some(later) = find_later(file, segment, offset)? else {
        return Ok(());
    };
    let was_durable = later.durable > segment.position_at(offset);
    if !was_durable && has_lost_sector(file, offset, later.first_offset)? {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "offset {offset}: the entry at position {} of the log fails its check, but a good one \
         follows at offset {}; restore the file from backup, or remove it to give up what it holds",
        segment.position_at(offset),
        later.first_offset
    )))
}

/// The good frames behind a bad one.
pub(crate) struct Later {
    pub(crate) first_offset: u64,
    /// The greatest of what they say.
    durable: u64,
}

/// Looks at every offset behind a bad frame for good ones.
pub(crate) fn find_later<R: Reader>(
    file: &R,
    segment: &Segment,
    bad: u64,
) -> Result<Option<Later>, R::Error> {
    let size = file.size();
    let mut found: Option<Later> = None;
    let mut window = Vec::new();
    let mut next = bad + 1;
    while next + HEAD_BYTES as u64 <= size {
        let start = next;
        // Windows overlap by a head less one byte, so that each offset sees a whole one.
        let bytes = (WINDOW_BYTES + HEAD_BYTES as u64 - 1).min(size - start);
        window.resize(usize::try_from(bytes).unwrap_or(0), 0);
        file.read_at(start, &mut window)?;
        for (offset, bytes) in (start..).zip(window.windows(HEAD_BYTES)) {
            if offset < next {
                continue;
            }
            next = offset + 1;
            let Some(head) = Head::decode(bytes, segment.position_at(offset)) else {
                continue;
            };
            if frame::payload_is_right(file, offset, size, &head)? {
                let later = found.get_or_insert(Later {
                    first_offset: offset,
                    durable: 0,
                });
                later.durable = later.durable.max(head.durable);
                next = offset + head.frame_bytes();
            }
        }
    }
    Ok(found)
}

/// Whether some sector has only zeroes from `from`, or from its beginning, up to its end, which is
/// at most `to`.
fn has_lost_sector<R: Reader>(file: &R, from: u64, to: u64) -> Result<bool, R::Error> {
    let mut sector = [0; SECTOR_BYTES as usize];
    let mut start = from;
    loop {
        let end = (start / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if end > to {
            return Ok(false);
        }
        let bytes = usize::try_from(end - start).unwrap_or(0);
        if let Some(part) = sector.get_mut(..bytes) {
            file.read_at(start, part)?;
            if part.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
        }
        start = end;
    }
}
