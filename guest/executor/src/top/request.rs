//! A request for the first rows of runs, borrowed, and checked in itself.

use std::ops::Range;

use sidx_columns::ColumnType;
use sidx_kernels::{Order, Program};

use crate::ABSENT;
use crate::error::Error;

/// Numbers that describe a run, in each of two lists.
const RUN: usize = 3;

/// Most runs of a request, and most rows of an answer.
const MAX_RUNS: usize = 1 << 17;
const MAX_ROWS: u32 = 1 << 16;

/// Runs of several blocks whose rows are wanted in order of key; see `scan.top-request`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The pages of each block: that of its keys, then `slots` others, [`ABSENT`] where the block lacks the
    /// column. Of equal keys and series those of earlier blocks come first.
    pub pages: &'a [u32],
    /// Pages of the filter per block.
    pub slots: u32,
    /// 1 for each block whose rows must pass the filter; none when no block's must.
    pub tested: &'a [u8],
    /// Block, first row and end row of each run.
    pub runs: &'a [u32],
    /// First key, last key and the bits of the series of each run.
    pub ends: &'a [i64],
    /// All rows are wanted, not the first few.
    pub whole: bool,
    /// Least key.
    pub low: i64,
    /// Greatest key.
    pub high: i64,
    /// Wanted order.
    pub order: Order,
    /// Most rows.
    pub limit: u32,
    /// Rows from this key and series on are not wanted.
    pub horizon: Option<(i64, u64)>,
    /// The type of each output column.
    pub kinds: &'a [u8],
    /// Per column and block: pages that hold the block's values.
    pub piece_counts: &'a [u32],
    /// The row after the last of each page, and the page, [`ABSENT`] where its rows have no value.
    pub pieces: &'a [u32],
}

/// The type with this code.
pub(super) fn column_type(code: u8) -> Result<ColumnType, Error> {
    ColumnType::from_code(code)
        .ok_or_else(|| Error::request(format!("{code} is not the code of a column type")))
}

impl<'a> Request<'a> {
    /// Pages of a block, that of its keys included.
    #[inline]
    fn pages_per_block(&self) -> usize {
        (self.slots as usize).saturating_add(1)
    }

    #[inline]
    pub(super) fn block_count(&self) -> usize {
        self.pages.len() / self.pages_per_block()
    }

    #[inline]
    pub(super) fn run_count(&self) -> usize {
        self.runs.len() / RUN
    }

    /// Compares the lists with each other and with the filter.
    pub(super) fn check(&self, program: Option<&Program>) -> Result<(), Error> {
        let (blocks, runs) = (self.block_count() as u64, self.run_count() as u64);
        if runs > MAX_RUNS as u64 || self.limit > MAX_ROWS {
            let limit = self.limit;
            return Err(Error::request(format!(
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
                return Err(Error::request(text));
            }
        }
        for run in self.runs.chunks_exact(RUN) {
            let [block, start, end] = run else { continue };
            if u64::from(*block) >= blocks {
                return Err(Error::request(format!(
                    "block {block} of {blocks} has a run"
                )));
            }
            if start > end {
                let text = format!("rows [{start}, {end}] of a run go backwards");
                return Err(Error::request(text));
            }
        }
        for kind in self.kinds {
            column_type(*kind)?;
        }
        let needed = program.map_or(0, Program::slots);
        if !self.tested.is_empty() && (program.is_none() || needed > self.slots) {
            let slots = self.slots;
            return Err(Error::request(format!(
                "rows are to be tested with a filter of {needed} slots, the request has {slots}"
            )));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn key_page(&self, block: u32) -> u32 {
        let at = (block as usize).saturating_mul(self.pages_per_block());
        self.pages.get(at).copied().unwrap_or(ABSENT)
    }

    #[inline]
    pub(super) fn slot_pages(&self, block: u32) -> &'a [u32] {
        let count = self.pages_per_block();
        let at = (block as usize).saturating_mul(count);
        let pages = self
            .pages
            .get(at.saturating_add(1)..at.saturating_add(count));
        pages.unwrap_or_default()
    }

    #[inline]
    pub(super) fn is_tested(&self, block: u32) -> bool {
        self.tested
            .get(block as usize)
            .is_some_and(|tested| *tested != 0)
    }

    #[inline]
    fn run(&self, run: u32) -> Option<&'a [u32; RUN]> {
        self.runs.get(run as usize * RUN..)?.first_chunk()
    }

    #[inline]
    fn ends_of(&self, run: u32) -> Option<&'a [i64; RUN]> {
        self.ends.get(run as usize * RUN..)?.first_chunk()
    }

    #[inline]
    pub(super) fn block_of(&self, run: u32) -> u32 {
        self.run(run).map_or(ABSENT, |[block, ..]| *block)
    }

    #[inline]
    pub(super) fn series_of(&self, run: u32) -> u64 {
        self.ends_of(run)
            .map_or(0, |[.., series]| series.cast_unsigned())
    }

    #[inline]
    pub(super) fn span(&self, run: u32) -> Range<usize> {
        match self.run(run) {
            Some([_, start, end]) => *start as usize..*end as usize,
            None => 0..0,
        }
    }

    /// The first and last key of a run.
    #[inline]
    pub(super) fn ends(&self, run: u32) -> (i64, i64) {
        match self.ends_of(run) {
            Some([first, last, _]) => (*first, *last),
            None => (i64::MAX, i64::MIN),
        }
    }

    /// The first key in the wanted order that a run could contribute.
    #[inline]
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
    #[inline]
    pub(super) fn piece_counts_of(&self, column: usize, blocks: usize) -> &'a [u32] {
        let counts = self
            .piece_counts
            .get(column * blocks..(column + 1) * blocks);
        counts.unwrap_or_default()
    }
}
