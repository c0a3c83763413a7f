//! Shared dictionaries of a part: one per column whose values repeat, for all pages of the column, with lists
//! of where each entry occurs.

use super::block::BlockNumber;
use super::extent::{ExtentRecord, ExtentText, append_page};
use super::layout::BLOCK_ROWS;
use crate::error::Result;
use crate::host::{Extent, FinishedDictionary, Host};
use crate::wire::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};
use sidx_kernels::postings::{SLICE_ROWS, pages_per_segment};
use std::ops::Range;

/// Slices that a block has.
const BLOCK_SLICES: u32 = BLOCK_ROWS as u32 / SLICE_ROWS;

/// The first slice of a block.
#[inline]
pub(super) fn first_slice(block: BlockNumber) -> u32 {
    block.0.saturating_mul(BLOCK_SLICES)
}

/// The slice that has row `row` of a block.
#[inline]
pub(crate) fn slice_of(block: BlockNumber, row: u32) -> u32 {
    first_slice(block).saturating_add(row / SLICE_ROWS)
}

/// What the manifest says of the dictionary of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DictionaryEntry {
    /// Number of entries.
    pub(crate) entries: u32,
    /// The dictionary, in `<tag>.td`.
    pub(crate) page: ExtentText,
    /// The page in `<tag>.tm` that lists the pages of postings in `<tag>.tf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) postings: Option<ExtentText>,
}

impl DictionaryEntry {
    /// Writes the list of postings of a finished dictionary.
    pub(crate) fn write<H: Host>(
        host: &H,
        meta: &H::NewFile,
        finished: &FinishedDictionary,
    ) -> Result<Self> {
        let postings = match finished.postings.is_empty() {
            true => None,
            false => Some(append_page(host, meta, &write_list(&finished.postings))?.into()),
        };
        Ok(Self {
            entries: finished.entries,
            page: finished.extent.into(),
            postings,
        })
    }
}

fn write_list(extents: &[Extent]) -> Vec<u8> {
    let records = extents.iter().copied().map(ExtentRecord::from);
    wire::write(&Sequence(records))
}

/// Reads the list of the pages of postings of a dictionary with `entries` entries.
pub(crate) fn read_list(bytes: &[u8], entries: u32) -> Result<Vec<Extent>> {
    let mut reader = Reader::new(bytes, "list of postings");
    let records: Vec<ExtentRecord> = reader.read()?;
    reader.finish()?;
    let count = records.len();
    let segment = pages_per_segment(entries as usize).max(1);
    if count == 0 || !count.is_multiple_of(segment) {
        return Err(reader.fault(&format!("{count} pages for {entries} entries")));
    }
    Ok(records.into_iter().map(Extent::from).collect())
}

/// The rows of a block in which a filter may hold, as slices of the part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slices(Vec<u32>);

impl Slices {
    /// From numbers of slices, ascending and distinct.
    pub(crate) fn new(slices: Vec<u32>) -> Self {
        Self(slices)
    }

    /// Those of a block.
    fn of_block(&self, block: BlockNumber) -> &[u32] {
        let first = first_slice(block);
        let from = self.0.partition_point(|slice| *slice < first);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.partition_point(|slice| slice - first < BLOCK_SLICES);
        rest.get(..count).unwrap_or_default()
    }

    /// Whether any lies in blocks of the part.
    pub(crate) fn touch(&self, blocks: Range<BlockNumber>) -> bool {
        let first = first_slice(blocks.start);
        let end = first_slice(blocks.end);
        let from = self.0.partition_point(|slice| *slice < first);
        self.0.get(from).is_some_and(|slice| *slice < end)
    }

    /// Appends the rows of a block, as pairs of first and end row, neighbours joined.
    pub(crate) fn append_spans(&self, block: BlockNumber, spans: &mut Vec<u32>) {
        append_spans(self.of_block(block), spans);
    }

    /// Visits the blocks of a range that have any, ascending, with their rows as
    /// [`append_spans`](Self::append_spans) has them, for which there is room.
    pub(crate) fn for_each_block(
        &self,
        blocks: Range<BlockNumber>,
        spans: &mut Vec<u32>,
        mut visit: impl FnMut(BlockNumber, &[u32]),
    ) {
        let first = first_slice(blocks.start);
        let end = first_slice(blocks.end);
        let from = self.0.partition_point(|slice| *slice < first);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.partition_point(|slice| *slice < end);
        let inside = rest.get(..count).unwrap_or_default();
        for slices in inside.chunk_by(|a, b| a / BLOCK_SLICES == b / BLOCK_SLICES) {
            spans.clear();
            append_spans(slices, spans);
            let number = slices.first().map_or(0, |slice| slice / BLOCK_SLICES);
            visit(BlockNumber(number), spans);
        }
    }
}

/// Appends the rows of slices of one block, as pairs of first and end row, neighbours joined.
fn append_spans(slices: &[u32], spans: &mut Vec<u32>) {
    for slice in slices {
        let start = slice % BLOCK_SLICES * SLICE_ROWS;
        if spans.last() == Some(&start) {
            spans.pop();
        } else {
            spans.push(start);
        }
        spans.push(start + SLICE_ROWS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_found_by_block() {
        let slices = Slices::new(vec![0, 1, 7, 9, 40]);
        let spans = |block| {
            let mut spans = Vec::new();
            slices.append_spans(BlockNumber(block), &mut spans);
            spans
        };
        assert_eq!(spans(0), [0, 2_048, 7_168, 8_192]);
        assert_eq!(spans(1), [1_024, 2_048]);
        assert!(spans(2).is_empty() && spans(u32::MAX).is_empty());
        assert_eq!(spans(5), [0, 1_024]);
        let mut found = Vec::new();
        let blocks = |start, end| BlockNumber(start)..BlockNumber(end);
        slices.for_each_block(blocks(1, 6), &mut vec![7], |block, spans| {
            found.push((block.0, spans.to_vec()))
        });
        assert_eq!(found, [(1, spans(1)), (5, spans(5))]);
        let touch = |start, end| slices.touch(blocks(start, end));
        assert!(touch(0, 1) && touch(2, 6) && touch(5, 9));
        assert!(!touch(2, 5) && !touch(6, 9));
    }

    #[test]
    fn lists_return_and_have_whole_segments() {
        let extent = Extent {
            offset: 16,
            stored_bytes: 5,
            raw_bytes: 5,
            checksum: 9,
            codec: 0,
        };
        let bytes = write_list(&[extent; 4]);
        for entries in [1, 16_384, 16_385, 30_000] {
            assert_eq!(read_list(&bytes, entries).unwrap(), [extent; 4]);
        }
        assert!(read_list(&bytes, 40_000).is_err());
        assert!(read_list(&write_list(&[]), 1).is_err());
        for cut in 0..bytes.len() {
            assert!(read_list(&bytes[..cut], 1).is_err());
        }
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = read_list(&damaged, 1);
        }
    }
}
