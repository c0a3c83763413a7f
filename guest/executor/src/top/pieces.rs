//! Which page of a column holds a row of a block.

use std::ops::Range;

use super::Picked;
use crate::ABSENT;
use crate::error::Error;

/// Pages of columns that were not taken yet, each with the row after its last.
pub(super) struct Pieces<'a>(pub(super) &'a [u32]);

/// The pages of one column: for each block where they begin, and up to which row each goes.
pub(super) struct Places<'a> {
    starts: Vec<usize>,
    /// Pairs of the row after the last, and the page.
    pieces: &'a [[u32; 2]],
}

impl<'a> Pieces<'a> {
    /// The pages of the next column, which has so many for each block.
    #[inline]
    pub(super) fn take(&mut self, counts: &[u32]) -> Places<'a> {
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut total = 0usize;
        starts.push(0);
        for count in counts {
            total = total.saturating_add(*count as usize);
            starts.push(total);
        }
        let all = self.0.split_at_checked(total.saturating_mul(2));
        let (pieces, others) = all.unwrap_or((self.0, &[]));
        self.0 = others;
        Places {
            starts,
            pieces: pieces.as_chunks().0,
        }
    }
}

impl Places<'_> {
    /// The page of each row, and the row's number in it.
    #[inline]
    pub(super) fn of(&self, picked: &[Picked]) -> Result<(Vec<u32>, Vec<u32>), Error> {
        let mut pages = Vec::with_capacity(picked.len());
        let mut rows = Vec::with_capacity(picked.len());
        // Rows that follow each other are often of one page.
        let (mut block, mut within, mut page) = (ABSENT, 0..0, ABSENT);
        for one in picked {
            if one.block != block || !within.contains(&one.row) {
                block = one.block;
                (within, page) = self.find(one)?;
            }
            pages.push(page);
            rows.push(one.row - within.start);
        }
        Ok((pages, rows))
    }

    /// The rows of the page that holds a row, and the page.
    #[inline]
    pub(super) fn find(&self, picked: &Picked) -> Result<(Range<u32>, u32), Error> {
        let at = picked.block as usize;
        let range = match self.starts.get(at..at + 2) {
            Some([start, end]) => *start..*end,
            _ => 0..0,
        };
        let pieces = self.pieces.get(range).unwrap_or_default();
        let mut start = 0;
        for [end, page] in pieces {
            if picked.row < *end {
                return Ok((start..*end, *page));
            }
            start = *end;
        }
        let Picked { block, row } = picked;
        Err(Error::request(format!(
            "no page of block {block} holds row {row}"
        )))
    }
}
