//! `meta.bin`: the index of the frames of `primary.bin`, and with them of every `<tag>.tm`.
//!
//! A frame holds the records of consecutive blocks. Frame i of `primary.bin` and frame i of each tag's
//! metadata are about the same blocks.

use super::block::{BlockNumber, Ordinal};
use crate::error::Result;
use crate::host::Extent;
use crate::wire::{Reader, put, put_extent, put_signed};
use std::fmt;
use std::ops::Range;

/// Number of a frame in its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameNumber(pub(super) u32);

impl FrameNumber {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its place in lists that have a member for each frame.
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for FrameNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One frame, as `meta.bin` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrameEntry {
    pub(crate) number: FrameNumber,
    pub(crate) first_block: BlockNumber,
    pub(crate) blocks: u32,
    pub(crate) first_row: Ordinal,
    pub(crate) rows: u64,
    pub(crate) min_key: i64,
    pub(crate) max_key: i64,
    pub(crate) first_series: u64,
    pub(crate) last_series: u64,
    pub(crate) extent: Extent,
}

impl FrameEntry {
    /// The numbers of its blocks.
    pub(crate) fn block_numbers(&self) -> Range<BlockNumber> {
        self.first_block..self.first_block.plus(self.blocks)
    }
}

/// The bytes of the one page of `meta.bin`.
pub(crate) fn write_frames(frames: &[FrameEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    put(frames.len() as u64, &mut out);
    for frame in frames {
        put(u64::from(frame.blocks), &mut out);
        put(frame.rows, &mut out);
        put_signed(frame.min_key, &mut out);
        put_signed(frame.max_key, &mut out);
        put(frame.first_series, &mut out);
        put(frame.last_series, &mut out);
        put_extent(&frame.extent, &mut out);
    }
    out
}

/// Reads what [`write_frames`] wrote.
pub(crate) fn read_frames(bytes: &[u8]) -> Result<Vec<FrameEntry>> {
    let mut reader = Reader::new(bytes, "meta.bin");
    let count = reader.count(14)?;
    let mut frames: Vec<FrameEntry> = Vec::with_capacity(count);
    let (mut first_block, mut first_row, mut series) = (0u32, 0u64, 0u64);
    for number in (0u32..).take(count) {
        let blocks = reader.small()?;
        let frame = FrameEntry {
            number: FrameNumber(number),
            first_block: BlockNumber(first_block),
            blocks,
            first_row: Ordinal(first_row),
            rows: reader.number()?,
            min_key: reader.signed()?,
            max_key: reader.signed()?,
            first_series: reader.number()?,
            last_series: reader.number()?,
            extent: reader.extent()?,
        };
        if blocks == 0 || frame.first_series < series || frame.last_series < frame.first_series {
            return Err(reader.fault("frames are empty or out of order"));
        }
        let sums = first_block
            .checked_add(blocks)
            .zip(first_row.checked_add(frame.rows));
        (first_block, first_row) =
            sums.ok_or_else(|| reader.fault("more rows than 64 bits hold"))?;
        series = frame.last_series;
        frames.push(frame);
    }
    reader.finish()?;
    Ok(frames)
}

/// The last page of a tag's metadata: the extent of each frame, none where no block of the frame has
/// the tag.
pub(crate) fn write_directory(extents: &[Option<Extent>]) -> Vec<u8> {
    let mut out = Vec::new();
    put(extents.len() as u64, &mut out);
    for extent in extents {
        match extent {
            Some(extent) => {
                out.push(1);
                put_extent(extent, &mut out);
            }
            None => out.push(0),
        }
    }
    out
}

/// Reads what [`write_directory`] wrote; there must be one entry per frame.
pub(crate) fn read_directory(bytes: &[u8], frames: usize) -> Result<Vec<Option<Extent>>> {
    let mut reader = Reader::new(bytes, "tag metadata directory");
    let count = reader.count(1)?;
    if count != frames {
        return Err(reader.fault(&format!("{count} frames, the part has {frames}")));
    }
    let mut extents = Vec::with_capacity(count);
    for _ in 0..count {
        extents.push(match reader.byte()? {
            0 => None,
            1 => Some(reader.extent()?),
            other => return Err(reader.fault(&format!("unknown frame flag {other}"))),
        });
    }
    reader.finish()?;
    Ok(extents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_return() {
        let extent = Extent {
            offset: 16,
            stored_bytes: 2,
            raw_bytes: 3,
            checksum: 4,
            codec: 1,
        };
        let frame = |number: u32, first_row, series| FrameEntry {
            number: FrameNumber(number),
            first_block: BlockNumber(number * 2),
            blocks: 2,
            first_row: Ordinal(first_row),
            rows: 10,
            min_key: i64::MIN,
            max_key: i64::MAX,
            first_series: series,
            last_series: series + 1,
            extent,
        };
        let frames = [frame(0, 0, 0), frame(1, 10, 1), frame(2, 20, u64::MAX - 1)];
        let bytes = write_frames(&frames);
        assert_eq!(read_frames(&bytes).unwrap(), frames);
        for cut in 0..bytes.len() {
            assert!(read_frames(&bytes[..cut]).is_err());
        }
        let extents = [Some(extent), None];
        let bytes = write_directory(&extents);
        assert_eq!(read_directory(&bytes, 2).unwrap(), extents);
        assert!(read_directory(&bytes, 3).is_err());
    }
}
