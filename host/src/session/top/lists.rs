//! The lists of a request, borrowed, and checked against each other.

use std::ops::Range;

use sidx_engine::host::{ABSENT, TopRequest};
use sidx_engine::{Error, Result};
use sidx_kernels::{ColumnType, Order, Program};

use super::Picked;

/// Most runs of a request, and most rows of an answer.
const MAX_RUNS: usize = 1 << 17;
const MAX_ROWS: u32 = 1 << 16;

/// A request whose lists are borrowed, so that they can be read where the component keeps them.
#[derive(Clone, Copy)]
pub(crate) struct TopLists<'a> {
    pub(crate) key_pages: &'a [u32],
    pub(crate) slots: u32,
    pub(crate) slot_pages: &'a [u32],
    pub(crate) tested: &'a [u8],
    pub(crate) run_blocks: &'a [u32],
    pub(crate) spans: &'a [u32],
    pub(crate) series: &'a [u64],
    pub(crate) ends: &'a [i64],
    pub(crate) whole: bool,
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) order: Order,
    pub(crate) limit: u32,
    pub(crate) horizon: Option<(i64, u64)>,
    pub(crate) kinds: &'a [u8],
    pub(crate) piece_counts: &'a [u32],
    pub(crate) piece_ends: &'a [u32],
    pub(crate) piece_pages: &'a [u32],
}

impl<'a> From<&'a TopRequest> for TopLists<'a> {
    fn from(request: &'a TopRequest) -> Self {
        Self {
            key_pages: &request.key_pages,
            slots: request.slots,
            slot_pages: &request.slot_pages,
            tested: &request.tested,
            run_blocks: &request.run_blocks,
            spans: &request.spans,
            series: &request.series,
            ends: &request.ends,
            whole: request.whole,
            low: request.low,
            high: request.high,
            order: request.order(),
            limit: request.limit,
            horizon: request.horizon,
            kinds: &request.kinds,
            piece_counts: &request.piece_counts,
            piece_ends: &request.piece_ends,
            piece_pages: &request.piece_pages,
        }
    }
}

/// The type with this code.
pub(super) fn column_type(code: u8) -> Result<ColumnType> {
    ColumnType::from_code(code)
        .ok_or_else(|| Error::invalid(format!("{code} is not the code of a column type")))
}

impl<'a> TopLists<'a> {
    /// Compares the lists with each other and with the filter.
    pub(super) fn check(&self, program: Option<&Program>) -> Result<()> {
        let (blocks, runs) = (self.key_pages.len() as u64, self.run_blocks.len() as u64);
        if runs > MAX_RUNS as u64 || self.limit > MAX_ROWS {
            let limit = self.limit;
            return Err(Error::invalid(format!(
                "{runs} runs and {limit} rows are asked for, {MAX_RUNS} and {MAX_ROWS} are the most"
            )));
        }
        let pieces: u64 = self.piece_counts.iter().map(|n| u64::from(*n)).sum();
        let or_none = |list: usize, needed: u64| if list == 0 { 0 } else { needed };
        let expected = [
            (
                "slot-pages",
                self.slot_pages.len(),
                blocks * u64::from(self.slots),
            ),
            (
                "tested",
                self.tested.len(),
                or_none(self.tested.len(), blocks),
            ),
            ("spans", self.spans.len(), runs * 2),
            ("series", self.series.len(), runs),
            ("ends", self.ends.len(), runs * 2),
            (
                "piece-counts",
                self.piece_counts.len(),
                self.kinds.len() as u64 * blocks,
            ),
            ("piece-ends", self.piece_ends.len(), pieces),
            ("piece-pages", self.piece_pages.len(), pieces),
        ];
        for (name, found, needed) in expected {
            if found as u64 != needed {
                let text = format!(
                    "{name} has {found} members, {blocks} blocks and {runs} runs need {needed}"
                );
                return Err(Error::invalid(text));
            }
        }
        if let Some(run) = self
            .run_blocks
            .iter()
            .find(|block| u64::from(**block) >= blocks)
        {
            return Err(Error::invalid(format!("block {run} of {blocks} has a run")));
        }
        let backwards = |span: &&[u32]| matches!(span, [start, end] if start > end);
        if let Some(span) = self.spans.chunks_exact(2).find(backwards) {
            return Err(Error::invalid(format!(
                "rows {span:?} of a run go backwards"
            )));
        }
        for kind in self.kinds {
            column_type(*kind)?;
        }
        let needed = program.map_or(0, Program::slots);
        if !self.tested.is_empty() && (program.is_none() || needed > self.slots) {
            let slots = self.slots;
            return Err(Error::invalid(format!(
                "rows are to be tested with a filter of {needed} slots, the request has {slots}"
            )));
        }
        Ok(())
    }

    pub(super) fn key_page(&self, block: u32) -> u32 {
        self.key_pages
            .get(block as usize)
            .copied()
            .unwrap_or(ABSENT)
    }

    pub(super) fn slot_pages(&self, block: u32) -> &'a [u32] {
        let (at, slots) = (block as usize, self.slots as usize);
        let pages = self.slot_pages.get(at * slots..(at + 1) * slots);
        pages.unwrap_or_default()
    }

    pub(super) fn is_tested(&self, block: u32) -> bool {
        self.tested
            .get(block as usize)
            .is_some_and(|tested| *tested != 0)
    }

    pub(super) fn block_of(&self, run: u32) -> u32 {
        self.run_blocks.get(run as usize).copied().unwrap_or(ABSENT)
    }

    pub(super) fn series_of(&self, run: u32) -> u64 {
        self.series.get(run as usize).copied().unwrap_or(0)
    }

    pub(super) fn span(&self, run: u32) -> Range<usize> {
        let at = run as usize * 2;
        match self.spans.get(at..at + 2) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// The first and last key of a run.
    pub(super) fn ends(&self, run: u32) -> (i64, i64) {
        let at = run as usize * 2;
        match self.ends.get(at..at + 2) {
            Some([first, last]) => (*first, *last),
            _ => (i64::MAX, i64::MIN),
        }
    }

    /// The first key in the wanted order that a run could contribute.
    pub(super) fn bound(&self, run: u32) -> i64 {
        let (first, last) = self.ends(run);
        match self.order {
            Order::Ascending => first.max(self.low),
            Order::Descending => last.min(self.high),
        }
    }

    /// The runs by block, and where those of each block begin among them.
    pub(super) fn runs_by_block(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0u32; self.key_pages.len() + 1];
        for block in self.run_blocks {
            if let Some(count) = starts.get_mut(*block as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut runs: Vec<u32> = (0u32..).take(self.run_blocks.len()).collect();
        runs.sort_by_key(|run| self.block_of(*run));
        (starts, runs)
    }

    /// The pages of the columns.
    pub(super) fn pieces(&self) -> Pieces<'a> {
        Pieces {
            ends: self.piece_ends,
            pages: self.piece_pages,
        }
    }
}

/// Pages of columns that were not taken yet.
pub(super) struct Pieces<'a> {
    ends: &'a [u32],
    pages: &'a [u32],
}

/// The pages of one column: for each block where they begin, and up to which row each goes.
pub(super) struct Places<'a> {
    starts: Vec<usize>,
    ends: &'a [u32],
    pages: &'a [u32],
}

impl<'a> Pieces<'a> {
    /// The pages of the next column, which has so many for each block.
    pub(super) fn take(&mut self, counts: &[u32]) -> Places<'a> {
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut total = 0usize;
        starts.push(0);
        for count in counts {
            total = total.saturating_add(*count as usize);
            starts.push(total);
        }
        let split = |list: &'a [u32]| list.split_at_checked(total).unwrap_or((list, &[]));
        let ((ends, other_ends), (pages, other_pages)) = (split(self.ends), split(self.pages));
        (self.ends, self.pages) = (other_ends, other_pages);
        Places {
            starts,
            ends,
            pages,
        }
    }
}

impl Places<'_> {
    /// The page of each row, and the row's number in it.
    pub(super) fn of(&self, picked: &[Picked]) -> Result<(Vec<u32>, Vec<u32>)> {
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

    fn find(&self, picked: &Picked) -> Result<(Range<u32>, u32)> {
        let at = picked.block as usize;
        let range = match self.starts.get(at..at + 2) {
            Some([start, end]) => *start..*end,
            _ => 0..0,
        };
        let first = range.start;
        let ends = self.ends.get(range).unwrap_or_default();
        let piece = ends.iter().position(|end| picked.row < *end);
        let piece = piece.ok_or_else(|| {
            let Picked { block, row } = picked;
            Error::invalid(format!("no page of block {block} holds row {row}"))
        })?;
        let start = match piece.checked_sub(1) {
            Some(before) => ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = ends.get(piece).copied().unwrap_or(0);
        let page = self.pages.get(first + piece).copied().unwrap_or(ABSENT);
        Ok((start..end, page))
    }
}
