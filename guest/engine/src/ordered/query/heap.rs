//! Queries in key order: opens what is due, merges by position, gathers the rows it returns.

use super::block::{QueryBlock, select_rows};
use super::bookmark::{Bookmark, Left};
use super::explain::Explain;
use super::plan::Candidate;
use super::position::Position;
use super::progress::{Progress, keep_flagged};
use crate::error::Result;
use crate::host::{Host, RowKeys};
use crate::part::frame::FrameNumber;
use crate::part::list::Rank;
use crate::part::reader::Frame;
use crate::types::Rows;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Selected rows that all open blocks of a query without limit may hold together.
const SELECTED_ROWS_MAX: usize = 256 << 10;
/// Fewest rows to select of a block at a time: below this, opening costs more than it brings.
const CAP_MIN: usize = 64;
/// Most rows to select of a block at a time.
const CAP_MAX: usize = 8_192;
/// Most blocks to open in one call.
const OPEN_MAX: usize = 64;
/// What waits, what is open, and what is due next.
pub(super) struct Heap {
    /// What may still contribute, by the first position it could.
    pending: BinaryHeap<Reverse<(Position, Pending)>>,
    /// Blocks with selected rows, by the position of the next.
    open: BinaryHeap<Reverse<(Position, usize)>>,
    blocks: Vec<Option<QueryBlock>>,
    free: Vec<usize>,
    /// Blocks whose rows are used up but may be needed to gather the current batch.
    used_up: Vec<usize>,
    selected_bytes: usize,
    /// The last row that was returned before.
    after: Option<Bookmark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Part(Rank),
    Frame(Rank, FrameNumber),
    Block(usize),
}

/// Rows of one batch before their columns are gathered.
#[derive(Default)]
struct Batch {
    keys: Vec<i64>,
    series: Vec<u64>,
    picked: Vec<(usize, u32)>,
}

impl Heap {
    /// Plans a query, behind the row that was returned last, if any was.
    pub(super) fn start<H: Host>(query: &mut Progress<H>, after: Option<Bookmark>) -> Self {
        let live = Arc::clone(&query.plan.live);
        let mut pending = BinaryHeap::new();
        for (rank, part) in live.ranked() {
            if query.plan.wants_part(rank, &mut query.explain) {
                let summary = part.summary();
                let bound = query.plan.bound(summary.min_key, summary.max_key);
                pending.push(Reverse((bound, Pending::Part(rank))));
            }
        }
        Self {
            pending,
            open: BinaryHeap::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            used_up: Vec::new(),
            selected_bytes: 0,
            after,
        }
    }

    /// Whether nothing waits and nothing is open.
    pub(super) fn is_exhausted(&self) -> bool {
        self.open.is_empty() && self.pending.is_empty()
    }

    /// Counts what was not due so far.
    pub(super) fn count_left<H: Host>(&self, query: &Progress<H>, explain: &mut Explain) {
        for Reverse((_, pending)) in &self.pending {
            match pending {
                Pending::Part(rank) => {
                    explain.parts.not_due += 1;
                    explain.blocks.not_due += query.blocks_of_part(*rank);
                }
                Pending::Frame(rank, number) => {
                    explain.blocks.not_due += query.blocks_of_frame(*rank, *number);
                }
                Pending::Block(index) => {
                    let block = self.blocks.get(*index).and_then(Option::as_ref);
                    let resumed =
                        block.is_some_and(|block| block.memory_bytes() > 0 || block.is_resumed());
                    explain.blocks.not_due += u64::from(!resumed);
                }
            }
        }
    }

    /// The next rows, at most `want`; none when none is left.
    pub(super) fn batch<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        want: usize,
    ) -> Result<Option<Rows<H::Columns>>> {
        let mut batch = Batch::default();
        loop {
            let before = batch.keys.len();
            self.pick(query, &mut batch, want)?;
            if batch.keys.len() == before {
                break;
            }
            self.drop_duplicates(query, &mut batch, before)?;
            if batch.keys.len() >= want {
                break;
            }
        }
        if batch.keys.is_empty() {
            return Ok(None);
        }
        query.return_rows(batch.keys.len());
        let Batch {
            keys,
            series,
            picked,
        } = batch;
        let keys = RowKeys { keys, series };
        let content = query.gather(&mut self.blocks, &picked, keys)?;
        self.release();
        Ok(Some(Rows {
            content,
            names: Some(query.projection.names()),
            ..Rows::default()
        }))
    }

    /// Adds rows in result order until there are `want`, or none is left.
    fn pick<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        batch: &mut Batch,
        want: usize,
    ) -> Result<()> {
        let descending = query.plan.manner.descending;
        while batch.keys.len() < want {
            self.open_due(query, want - batch.keys.len())?;
            let Some(Reverse((_, index))) = self.open.pop() else {
                break;
            };
            let next_open = self.open.peek().map(|Reverse((position, _))| *position);
            let next_pending = self.pending.peek().map(|Reverse((position, _))| *position);
            let bound = [next_open, next_pending].into_iter().flatten().min();
            let Some(block) = self.blocks.get_mut(index).and_then(Option::as_mut) else {
                break;
            };
            // The head comes before everything else; those that follow it may too.
            let mut next = block.position(descending);
            while let (Some((_, series)), Some((key, row))) = (next, block.head()) {
                batch.keys.push(key);
                batch.series.push(series);
                batch.picked.push((index, row));
                block.advance();
                next = block.position(descending);
                let over = |(position, _)| bound.is_some_and(|bound| position >= bound);
                if batch.keys.len() >= want || next.is_none_or(over) {
                    break;
                }
            }
            if let Some((position, _)) = next {
                self.open.push(Reverse((position, index)));
            } else if let Some(resume) = block.resume_position(descending) {
                self.pending.push(Reverse((resume, Pending::Block(index))));
            } else {
                self.selected_bytes = self.selected_bytes.saturating_sub(block.memory_bytes());
                block.forget_selected();
                self.used_up.push(index);
            }
        }
        Ok(())
    }

    /// Opens everything that could come before the next row of the open blocks.
    fn open_due<H: Host>(&mut self, query: &mut Progress<H>, want: usize) -> Result<()> {
        loop {
            let next_open = self.open.peek().map(|Reverse((position, _))| *position);
            let due = |position: &Position| next_open.is_none_or(|open| *position < open);
            let Some(Reverse((bound, pending))) = self.pending.peek().copied() else {
                return Ok(());
            };
            if !due(&bound) {
                return Ok(());
            }
            self.pending.pop();
            match pending {
                Pending::Part(rank) => self.expand_part(query, rank)?,
                Pending::Frame(rank, number) => self.expand_frame(query, rank, number)?,
                Pending::Block(index) => {
                    let mut batch = vec![index];
                    if query.plan.manner.limit.is_none() {
                        self.join_same_key(&bound, &mut batch);
                    }
                    self.open_blocks(query, &batch, want)?;
                }
            }
        }
    }

    /// Without a limit every pending block will be needed, so those that are due at the same key are
    /// opened together. With one, a block is opened only when nothing else can come first.
    fn join_same_key(&mut self, bound: &Position, batch: &mut Vec<usize>) {
        while batch.len() < OPEN_MAX {
            match self.pending.peek() {
                Some(Reverse((other, Pending::Block(index)))) if other.same_key(bound) => {
                    batch.push(*index);
                    self.pending.pop();
                }
                _ => break,
            }
        }
    }

    fn expand_part<H: Host>(&mut self, query: &mut Progress<H>, rank: Rank) -> Result<()> {
        let Some(part) = query.plan.live.get(rank) else {
            return Ok(());
        };
        query.explain.parts.read += 1;
        let Some(frames) = query.gaps.tolerate(part.frames())? else {
            return Ok(());
        };
        for frame in frames {
            if query.plan.wants_frame(frame, &mut query.explain) {
                let bound = query.plan.bound(frame.min_key, frame.max_key);
                let pending = Pending::Frame(rank, frame.number);
                self.pending.push(Reverse((bound, pending)));
            }
        }
        Ok(())
    }

    fn expand_frame<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        rank: Rank,
        number: FrameNumber,
    ) -> Result<()> {
        let mut dropped = Explain::default();
        let candidates = query.candidates(rank, number, &mut dropped);
        query.explain.add(&dropped);
        let Some((frame, candidates)) = candidates? else {
            return Ok(());
        };
        for candidate in candidates {
            let Some((candidate, resume)) = self.behind_after(query, rank, &frame, candidate)
            else {
                continue;
            };
            let bound = candidate.bound;
            let frame = Arc::clone(&frame);
            let block = Some(QueryBlock::new(rank, frame, candidate, resume));
            let slot = match self.free.pop() {
                Some(slot) => slot,
                None => {
                    self.blocks.push(None);
                    self.blocks.len() - 1
                }
            };
            if let Some(place) = self.blocks.get_mut(slot) {
                *place = block;
            }
            self.pending.push(Reverse((bound, Pending::Block(slot))));
        }
        Ok(())
    }

    /// What is left of a block behind the rows that were returned before; blocks that these came from have
    /// been opened.
    fn behind_after<H: Host>(
        &self,
        query: &mut Progress<H>,
        rank: Rank,
        frame: &Frame,
        candidate: Candidate,
    ) -> Option<(Candidate, Option<(i64, u32)>)> {
        let (Some(after), Some(open)) = (&self.after, frame.block(candidate.block)) else {
            return Some((candidate, None));
        };
        match after.left(&query.plan, rank, open, candidate) {
            Left::Whole(candidate) => Some((candidate, None)),
            Left::Rest(candidate, resume) => {
                query.explain.blocks.opened += u64::from(resume.is_some());
                Some((candidate, resume))
            }
            Left::Nothing => {
                query.explain.blocks.opened += 1;
                None
            }
        }
    }

    fn open_blocks<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        indexes: &[usize],
        want: usize,
    ) -> Result<()> {
        let cap = self.cap(query, want);
        let mut taken: Vec<(usize, QueryBlock)> = Vec::with_capacity(indexes.len());
        for index in indexes {
            if let Some(mut block) = self.blocks.get_mut(*index).and_then(Option::take) {
                self.selected_bytes = self.selected_bytes.saturating_sub(block.memory_bytes());
                query.keep_readable(&mut block)?;
                taken.push((*index, block));
            }
        }
        let mut blocks: Vec<&mut QueryBlock> = taken
            .iter_mut()
            .map(|(_, block)| block)
            .filter(|block| !block.spans.is_empty())
            .collect();
        select_rows(
            &*query.host,
            &query.plan,
            &mut blocks,
            cap,
            &mut query.explain,
        )?;
        let descending = query.plan.manner.descending;
        for (index, mut block) in taken {
            self.selected_bytes += block.memory_bytes();
            match block.position(descending) {
                Some((position, _)) => self.open.push(Reverse((position, index))),
                None => self.used_up.push(index),
            }
            if let Some(place) = self.blocks.get_mut(index) {
                *place = Some(block);
            }
        }
        query.check_memory(self.selected_bytes)
    }

    /// How many rows to select of a block: no more than can be returned, and so few that all blocks
    /// that are open at a time stay within a fixed number of rows.
    fn cap<H: Host>(&self, query: &Progress<H>, want: usize) -> u32 {
        let blocks = self.open.len() + self.pending.len() + 1;
        let share = (SELECTED_ROWS_MAX / blocks).clamp(CAP_MIN, CAP_MAX);
        let exact = query.plan.manner.limit.is_some() && query.duplicates.is_none();
        let left = usize::try_from(query.left).unwrap_or(usize::MAX);
        // A block that turns out to hold more of the result is resumed.
        let cap = if exact {
            share.min(left).min(want.max(CAP_MIN))
        } else {
            share
        };
        cap as u32
    }

    /// Removes rows after `start` whose payload came before.
    fn drop_duplicates<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        batch: &mut Batch,
        start: usize,
    ) -> Result<()> {
        let picked = batch.picked.get(start..).unwrap_or_default();
        let Some(first) = query.first_of(&mut self.blocks, picked)? else {
            return Ok(());
        };
        keep_flagged(&mut batch.keys, start, &first);
        keep_flagged(&mut batch.series, start, &first);
        keep_flagged(&mut batch.picked, start, &first);
        query.check_memory(self.selected_bytes)
    }

    /// Frees blocks that no returned row needs any more.
    fn release(&mut self) {
        for index in self.used_up.drain(..) {
            if let Some(place) = self.blocks.get_mut(index) {
                let freed = place.take().map_or(0, |block| block.memory_bytes());
                self.selected_bytes = self.selected_bytes.saturating_sub(freed);
                self.free.push(index);
            }
        }
    }
}
