//! The lists of a request, borrowed, and checked against each other.

use std::ops::Range;

use sidx_columns::ColumnType;
use sidx_engine::host::{ABSENT, TopRequest};
use sidx_engine::{Error, Result};
use sidx_kernels::{Order, Program};

use super::Picked;

/// Numbers that describe a run, in each of two lists.
const RUN: usize = 3;

/// Most runs of a request, and most rows of an answer.
const MAX_RUNS: usize = 1 << 17;
const MAX_ROWS: u32 = 1 << 16;

/// A request whose lists are borrowed, so that they can be read where the component keeps them.
#[derive(Clone, Copy)]
pub(crate) struct TopLists<'a> {
    pub(crate) pages: &'a [u32],
    pub(crate) slots: u32,
    pub(crate) tested: &'a [u8],
    pub(crate) runs: &'a [u32],
    pub(crate) ends: &'a [i64],
    pub(crate) whole: bool,
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) order: Order,
    pub(crate) limit: u32,
    pub(crate) horizon: Option<(i64, u64)>,
    pub(crate) kinds: &'a [u8],
    pub(crate) piece_counts: &'a [u32],
    pub(crate) pieces: &'a [u32],
}

impl<'a> From<&'a TopRequest> for TopLists<'a> {
    fn from(request: &'a TopRequest) -> Self {
        Self {
            pages: &request.pages,
            slots: request.slots,
            tested: &request.tested,
            runs: &request.runs,
            ends: &request.ends,
            whole: request.whole,
            low: request.low,
            high: request.high,
            order: request.order(),
            limit: request.limit,
            horizon: request.horizon,
            kinds: &request.kinds,
            piece_counts: &request.piece_counts,
            pieces: &request.pieces,
        }
    }
}

/// The type with this code.
pub(super) fn column_type(code: u8) -> Result<ColumnType> {
    ColumnType::from_code(code)
        .ok_or_else(|| Error::invalid(format!("{code} is not the code of a column type")))
}

impl<'a> TopLists<'a> {
    /// Pages of a block, that of its keys included.
    fn pages_per_block(&self) -> usize {
        (self.slots as usize).saturating_add(1)
    }

    pub(super) fn block_count(&self) -> usize {
        self.pages.len() / self.pages_per_block()
    }

    pub(super) fn run_count(&self) -> usize {
        self.runs.len() / RUN
    }

    /// Compares the lists with each other and with the filter.
    pub(super) fn check(&self, program: Option<&Program>) -> Result<()> {
        let (blocks, runs) = (self.block_count() as u64, self.run_count() as u64);
        if runs > MAX_RUNS as u64 || self.limit > MAX_ROWS {
            let limit = self.limit;
            return Err(Error::invalid(format!(
                "{runs} runs and {limit} rows are asked for, {MAX_RUNS} and {MAX_ROWS} are the most"
            )));
        }
        let pieces: u64 = self.piece_counts.iter().map(|n| u64::from(*n)).sum();
        let tests = if self.tested.is_empty() { 0 } else { blocks };
        let pages = blocks * self.pages_per_block() as u64;
        let counts = self.kinds.len() as u64 * blocks;
        let expected = [
            ("pages", self.pages.len(), pages),
            ("tested", self.tested.len(), tests),
            ("runs", self.runs.len(), runs * RUN as u64),
            ("ends", self.ends.len(), runs * RUN as u64),
            ("piece-counts", self.piece_counts.len(), counts),
            ("pieces", self.pieces.len(), pieces * 2),
        ];
        for (name, found, needed) in expected {
            if found as u64 != needed {
                let text = format!(
                    "{name} has {found} members, {blocks} blocks and {runs} runs need {needed}"
                );
                return Err(Error::invalid(text));
            }
        }
        for run in self.runs.chunks_exact(RUN) {
            let [block, start, end] = run else { continue };
            if u64::from(*block) >= blocks {
                return Err(Error::invalid(format!(
                    "block {block} of {blocks} has a run"
                )));
            }
            if start > end {
                let text = format!("rows [{start}, {end}] of a run go backwards");
                return Err(Error::invalid(text));
            }
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
        let at = (block as usize).saturating_mul(self.pages_per_block());
        self.pages.get(at).copied().unwrap_or(ABSENT)
    }

    pub(super) fn slot_pages(&self, block: u32) -> &'a [u32] {
        let count = self.pages_per_block();
        let at = (block as usize).saturating_mul(count);
        let pages = self
            .pages
            .get(at.saturating_add(1)..at.saturating_add(count));
        pages.unwrap_or_default()
    }

    pub(super) fn is_tested(&self, block: u32) -> bool {
        self.tested
            .get(block as usize)
            .is_some_and(|tested| *tested != 0)
    }

    fn run(&self, run: u32) -> Option<&'a [u32; RUN]> {
        self.runs.get(run as usize * RUN..)?.first_chunk()
    }

    fn ends_of(&self, run: u32) -> Option<&'a [i64; RUN]> {
        self.ends.get(run as usize * RUN..)?.first_chunk()
    }

    pub(super) fn block_of(&self, run: u32) -> u32 {
        self.run(run).map_or(ABSENT, |[block, ..]| *block)
    }

    pub(super) fn series_of(&self, run: u32) -> u64 {
        self.ends_of(run)
            .map_or(0, |[.., series]| series.cast_unsigned())
    }

    pub(super) fn span(&self, run: u32) -> Range<usize> {
        match self.run(run) {
            Some([_, start, end]) => *start as usize..*end as usize,
            None => 0..0,
        }
    }

    /// The first and last key of a run.
    pub(super) fn ends(&self, run: u32) -> (i64, i64) {
        match self.ends_of(run) {
            Some([first, last, _]) => (*first, *last),
            None => (i64::MAX, i64::MIN),
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
        let mut starts = vec![0u32; self.block_count() + 1];
        let all = 0u32..self.run_count() as u32;
        for run in all.clone() {
            if let Some(count) = starts.get_mut(self.block_of(run) as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut runs: Vec<u32> = all.collect();
        if !runs.is_sorted_by_key(|run| self.block_of(*run)) {
            runs.sort_by_key(|run| self.block_of(*run));
        }
        (starts, runs)
    }

    /// How many pages a column has for each of so many blocks.
    pub(super) fn piece_counts_of(&self, column: usize, blocks: usize) -> &'a [u32] {
        let counts = self
            .piece_counts
            .get(column * blocks..(column + 1) * blocks);
        counts.unwrap_or_default()
    }

    /// The pages of the columns.
    pub(super) fn pieces(&self) -> Pieces<'a> {
        Pieces(self.pieces)
    }
}

/// Pages of columns that were not taken yet, each with the row after its last.
pub(super) struct Pieces<'a>(&'a [u32]);

/// The pages of one column: for each block where they begin, and up to which row each goes.
pub(super) struct Places<'a> {
    starts: Vec<usize>,
    /// Pairs of the row after the last, and the page.
    pieces: &'a [[u32; 2]],
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

    /// The rows of the page that holds a row, and the page.
    pub(super) fn find(&self, picked: &Picked) -> Result<(Range<u32>, u32)> {
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
        Err(Error::invalid(format!(
            "no page of block {block} holds row {row}"
        )))
    }
}
