//! `meta.bin`: the index of the frames of `primary.bin`, and with them of every `<tag>.tm`.
//!
//! A frame holds the records of consecutive blocks. Frame i of `primary.bin` and frame i of each tag's
//! metadata are about the same blocks.

use super::block::{BlockNumber, Ordinal};
use super::extent::ExtentRecord;
use crate::error::Result;
use crate::host::Extent;
use crate::wire::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};
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

/// What is stored of a frame.
#[derive(Serialize, Deserialize)]
struct FrameRecord {
    blocks: u32,
    rows: u64,
    min_key: i64,
    max_key: i64,
    first_series: u64,
    last_series: u64,
    extent: ExtentRecord,
}

/// The bytes of the one page of `meta.bin`.
pub(crate) fn write_frames(frames: &[FrameEntry]) -> Vec<u8> {
    let records = frames.iter().map(|frame| FrameRecord {
        blocks: frame.blocks,
        rows: frame.rows,
        min_key: frame.min_key,
        max_key: frame.max_key,
        first_series: frame.first_series,
        last_series: frame.last_series,
        extent: frame.extent.into(),
    });
    wire::write(&Sequence(records))
}

/// Reads what [`write_frames`] wrote.
pub(crate) fn read_frames(bytes: &[u8]) -> Result<Vec<FrameEntry>> {
    let mut reader = Reader::new(bytes, "meta.bin");
    let records: Vec<FrameRecord> = reader.read()?;
    reader.finish()?;
    let mut frames: Vec<FrameEntry> = Vec::with_capacity(records.len());
    let (mut first_block, mut first_row, mut series) = (0u32, 0u64, 0u64);
    for (number, record) in (0u32..).zip(records) {
        let is_ordered = series <= record.first_series && record.first_series <= record.last_series;
        if record.blocks == 0 || !is_ordered {
            return Err(reader.fault(&format!("frame {number} is empty or out of order")));
        }
        frames.push(FrameEntry {
            number: FrameNumber(number),
            first_block: BlockNumber(first_block),
            blocks: record.blocks,
            first_row: Ordinal(first_row),
            rows: record.rows,
            min_key: record.min_key,
            max_key: record.max_key,
            first_series: record.first_series,
            last_series: record.last_series,
            extent: record.extent.into(),
        });
        let sums = first_block
            .checked_add(record.blocks)
            .zip(first_row.checked_add(record.rows));
        (first_block, first_row) =
            sums.ok_or_else(|| reader.fault("more rows than 64 bits hold"))?;
        series = record.last_series;
    }
    Ok(frames)
}

/// The last page of a tag's metadata: the extent of each frame, none where no block of the frame has
/// the tag.
pub(crate) fn write_directory(extents: &[Option<Extent>]) -> Vec<u8> {
    let records = extents.iter().map(|extent| extent.map(ExtentRecord::from));
    wire::write(&Sequence(records))
}

/// Reads what [`write_directory`] wrote; there must be one entry per frame.
pub(crate) fn read_directory(bytes: &[u8], frames: usize) -> Result<Vec<Option<Extent>>> {
    let mut reader = Reader::new(bytes, "tag metadata directory");
    let count: usize = reader.read()?;
    if count != frames {
        return Err(reader.fault(&format!("{count} frames, the part has {frames}")));
    }
    let mut extents = Vec::with_capacity(count);
    for _ in 0..count {
        let record: Option<ExtentRecord> = reader.read()?;
        extents.push(record.map(Extent::from));
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
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = read_frames(&damaged);
        }
        assert!(read_frames(&[&bytes[..], &[0]].concat()).is_err());
        let extents = [Some(extent), None];
        let bytes = write_directory(&extents);
        assert_eq!(read_directory(&bytes, 2).unwrap(), extents);
        assert!(read_directory(&bytes, 3).is_err());
        for cut in 0..bytes.len() {
            assert!(read_directory(&bytes[..cut], 2).is_err());
        }
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = read_directory(&damaged, 2);
        }
    }
}
