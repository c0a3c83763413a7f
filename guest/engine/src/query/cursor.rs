//! The cursor: opens what is due, merges by position, gathers the rows it returns.

use super::after::{After, Left};
use super::distinct::Distinct;
use super::explain::Explain;
use super::intact::keep_readable;
use super::missing::Missing;
use super::open::{QueryBlock, select_rows};
use super::plan::{Candidate, Plan};
use super::position::Position;
use super::projection::{Projection, payload_source};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::live::Live;
use crate::part::reader::Frame;
use crate::types::{QuerySpec, Rows};
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
/// Most rows of one batch.
pub(crate) const BATCH_ROWS_MAX: usize = 64 << 10;

/// Most bytes of one column of a batch, unless it has one row.
const BATCH_COLUMN_BYTES_MAX: u64 = 256 << 20;

/// The rows of a query, a batch at a time, on the part list that it began with.
pub(crate) struct Cursor<H: Host> {
    host: Arc<H>,
    plan: Plan<H>,
    projection: Arc<Projection>,
    /// What may still contribute, by the first position it could.
    pending: BinaryHeap<Reverse<(Position, Pending)>>,
    /// Blocks with selected rows, by the position of the next.
    open: BinaryHeap<Reverse<(Position, usize)>>,
    blocks: Vec<Option<QueryBlock>>,
    free: Vec<usize>,
    /// Blocks whose rows are used up but may be needed to gather the current batch.
    used_up: Vec<usize>,
    distinct: Option<Distinct>,
    /// Most rows of a batch by the lengths of their values.
    rows_per_batch: usize,
    selected_bytes: usize,
    left: u64,
    finished: bool,
    /// The last row that was returned before this cursor began.
    after: Option<After>,
    /// What was done for it, until the cursor itself does something.
    before: Option<Explain>,
    missing: Missing,
    explain: Explain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Part(usize),
    Frame(usize, usize),
    Block(usize),
}

/// Rows of one batch before their columns are gathered.
#[derive(Default)]
struct Batch {
    keys: Vec<i64>,
    series: Vec<u64>,
    picked: Vec<(usize, u32)>,
}

impl<H: Host> Cursor<H> {
    /// Plans a query; opens nothing but the manifests that are open anyway.
    pub(crate) fn start(host: &Arc<H>, plan: Plan<H>, projection: Arc<Projection>) -> Result<Self> {
        host.check()?;
        let missing = Missing::of(&plan)?;
        let live = Arc::clone(&plan.live);
        let mut explain = Explain::of(&live);
        let mut pending = BinaryHeap::new();
        for (rank, part) in live.parts.iter().enumerate() {
            if plan.wants_part(rank, &mut explain) {
                let bound = plan.bound(part.manifest().min_key, part.manifest().max_key);
                pending.push(Reverse((bound, Pending::Part(rank))));
            }
        }
        let left = plan.spec.limit.unwrap_or(u64::MAX);
        Ok(Self {
            host: Arc::clone(host),
            projection,
            pending,
            open: BinaryHeap::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            used_up: Vec::new(),
            rows_per_batch: rows_per_batch(&plan.spec, &live),
            distinct: plan.spec.distinct_payload.then(Distinct::default),
            selected_bytes: 0,
            left,
            finished: left == 0,
            plan,
            after: None,
            before: None,
            missing,
            explain,
        })
    }

    /// The cursor for the rows behind those that were returned already, counted in `explain`.
    pub(crate) fn behind(mut self, after: Option<After>, mut explain: Explain) -> Self {
        self.after = after;
        self.left = self.left.saturating_sub(explain.rows.returned);
        self.finished = self.left == 0;
        self.explain.rows = explain.rows.clone();
        self.explain.calls = explain.calls.clone();
        explain.close();
        self.before = Some(explain);
        self
    }

    /// The first rows; none when nothing matches.
    pub(crate) fn first(&mut self, max_rows: u32) -> Result<Rows<H::Columns>> {
        let mut rows = self.next(max_rows)?.unwrap_or_default();
        rows.partial = self.missing.any();
        Ok(rows)
    }

    /// `cursor.next`
    ///
    /// # Errors
    /// Everything that reading may bring; afterwards the cursor is finished.
    pub(crate) fn next(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        if self.finished || max_rows == 0 {
            return Ok(None);
        }
        self.before = None;
        let rows = self.batch(max_rows);
        if !matches!(rows, Ok(Some(_))) {
            self.finished = true;
        }
        rows
    }

    /// Whether no row is left. May say no when the last row was just returned.
    pub(crate) fn is_complete(&self) -> bool {
        self.finished || self.left == 0 || (self.open.is_empty() && self.pending.is_empty())
    }

    /// `cursor.missing`
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.told()
    }

    /// `cursor.explain`
    pub(crate) fn explain(&self) -> String {
        if let Some(before) = &self.before {
            return before.json();
        }
        let mut explain = self.explain.clone();
        for Reverse((_, pending)) in &self.pending {
            match pending {
                Pending::Part(rank) => {
                    explain.parts.not_due += 1;
                    let part = self.plan.live.parts.get(*rank);
                    explain.blocks.not_due +=
                        part.map_or(0, |part| u64::from(part.manifest().blocks));
                }
                Pending::Frame(rank, index) => {
                    let part = self.plan.live.parts.get(*rank);
                    let frames = part.and_then(|part| part.frames().ok());
                    let entry = frames.and_then(|frames| frames.get(*index));
                    explain.blocks.not_due += entry.map_or(0, |entry| u64::from(entry.blocks));
                }
                Pending::Block(index) => {
                    let block = self.blocks.get(*index).and_then(Option::as_ref);
                    let resumed =
                        block.is_some_and(|block| block.memory_bytes() > 0 || block.is_resumed());
                    explain.blocks.not_due += u64::from(!resumed);
                }
            }
        }
        explain.json()
    }

    fn batch(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        let most = (max_rows as usize)
            .min(BATCH_ROWS_MAX)
            .min(self.rows_per_batch);
        let want = most.min(usize::try_from(self.left).unwrap_or(most));
        let mut batch = Batch::default();
        loop {
            let before = batch.keys.len();
            self.pick(&mut batch, want)?;
            if batch.keys.len() == before {
                break;
            }
            self.drop_duplicates(&mut batch, before)?;
            if batch.keys.len() >= want {
                break;
            }
        }
        if batch.keys.is_empty() {
            return Ok(None);
        }
        self.left = self.left.saturating_sub(batch.keys.len() as u64);
        self.explain.rows.returned += batch.keys.len() as u64;
        let columns = match self.projection.is_empty() {
            true => None,
            false => {
                self.explain.calls.gather += 1;
                let blocks = &mut self.blocks;
                let live = &self.plan.live;
                Some(
                    self.projection
                        .gather(&*self.host, live, blocks, &batch.picked)?,
                )
            }
        };
        self.release();
        let Batch { keys, series, .. } = batch;
        Ok(Some(Rows {
            keys,
            series,
            columns,
            names: self.projection.names(),
            partial: self.missing.any(),
            ..Rows::default()
        }))
    }

    /// Adds rows in result order until there are `want`, or none is left.
    fn pick(&mut self, batch: &mut Batch, want: usize) -> Result<()> {
        let descending = self.plan.spec.descending;
        while batch.keys.len() < want {
            self.open_due(want - batch.keys.len())?;
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
    fn open_due(&mut self, want: usize) -> Result<()> {
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
                Pending::Part(rank) => self.expand_part(rank)?,
                Pending::Frame(rank, frame) => self.expand_frame(rank, frame)?,
                Pending::Block(index) => {
                    let mut batch = vec![index];
                    self.join_same_key(&bound, &mut batch);
                    self.open_blocks(&batch, want)?;
                }
            }
        }
    }

    /// Without a limit every pending block will be needed, so those that are due at the same key are
    /// opened together. With one, a block is opened only when nothing else can come first.
    fn join_same_key(&mut self, bound: &Position, batch: &mut Vec<usize>) {
        if self.plan.spec.limit.is_some() {
            return;
        }
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

    fn expand_part(&mut self, rank: usize) -> Result<()> {
        let Some(part) = self.plan.live.parts.get(rank) else {
            return Ok(());
        };
        self.explain.parts.read += 1;
        let Some(frames) = self.missing.tolerate(part.frames())? else {
            return Ok(());
        };
        for (index, frame) in frames.iter().enumerate() {
            if self.plan.wants_frame(frame, &mut self.explain) {
                let bound = self.plan.bound(frame.min_key, frame.max_key);
                self.pending
                    .push(Reverse((bound, Pending::Frame(rank, index))));
            }
        }
        Ok(())
    }

    fn expand_frame(&mut self, rank: usize, index: usize) -> Result<()> {
        let Some(part) = self.plan.live.parts.get(rank) else {
            return Ok(());
        };
        let (plan, explain) = (&self.plan, &mut self.explain);
        let candidates = part.frame(index).and_then(|frame| {
            let candidates = plan.candidates(&*self.host, rank, &frame, index, explain)?;
            Ok((frame, candidates))
        });
        let Some((frame, candidates)) = self.missing.tolerate(candidates)? else {
            return Ok(());
        };
        for candidate in candidates {
            let Some((candidate, resume)) = self.behind_after(rank, &frame, candidate) else {
                continue;
            };
            let bound = candidate.bound;
            let frame = Arc::clone(&frame);
            let block = Some(QueryBlock::new(rank, frame, index, candidate, resume));
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
    fn behind_after(
        &mut self,
        rank: usize,
        frame: &Frame,
        candidate: Candidate,
    ) -> Option<(Candidate, Option<(i64, u32)>)> {
        let (Some(after), Some(open)) = (&self.after, frame.blocks.get(candidate.block)) else {
            return Some((candidate, None));
        };
        match after.left(&self.plan, rank, open, candidate) {
            Left::Whole(candidate) => Some((candidate, None)),
            Left::Rest(candidate, resume) => {
                self.explain.blocks.opened += u64::from(resume.is_some());
                Some((candidate, resume))
            }
            Left::Nothing => {
                self.explain.blocks.opened += 1;
                None
            }
        }
    }

    fn open_blocks(&mut self, indexes: &[usize], want: usize) -> Result<()> {
        let cap = self.cap(want);
        let mut taken: Vec<(usize, QueryBlock)> = Vec::with_capacity(indexes.len());
        for index in indexes {
            if let Some(mut block) = self.blocks.get_mut(*index).and_then(Option::take) {
                self.selected_bytes = self.selected_bytes.saturating_sub(block.memory_bytes());
                if self.missing.allowed() {
                    let (plan, projection) = (&self.plan, &self.projection);
                    keep_readable(&*self.host, plan, projection, &mut self.missing, &mut block)?;
                }
                taken.push((*index, block));
            }
        }
        let mut blocks: Vec<&mut QueryBlock> = taken
            .iter_mut()
            .map(|(_, block)| block)
            .filter(|block| !block.spans.is_empty())
            .collect();
        select_rows(&*self.host, &self.plan, &mut blocks, cap, &mut self.explain)?;
        let descending = self.plan.spec.descending;
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
        self.check_memory()
    }

    /// How many rows to select of a block: no more than can be returned, and so few that all blocks
    /// that are open at a time stay within a fixed number of rows.
    fn cap(&self, want: usize) -> u32 {
        let blocks = self.open.len() + self.pending.len() + 1;
        let share = (SELECTED_ROWS_MAX / blocks).clamp(CAP_MIN, CAP_MAX);
        let exact = self.plan.spec.limit.is_some() && self.distinct.is_none();
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        // A block that turns out to hold more of the result is resumed.
        let cap = if exact {
            share.min(left).min(want.max(CAP_MIN))
        } else {
            share
        };
        cap as u32
    }

    fn check_memory(&self) -> Result<()> {
        let distinct = self.distinct.as_ref().map_or(0, Distinct::memory_bytes);
        let used = (self.selected_bytes + distinct) as u64;
        let allowed = self.plan.spec.memory_bytes;
        if used <= allowed {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "the query needs {used} bytes of memory, its limit is {allowed}; narrow it or raise the limit"
            ),
        ))
    }

    /// Removes rows after `start` whose payload came before.
    fn drop_duplicates(&mut self, batch: &mut Batch, start: usize) -> Result<()> {
        let Some(distinct) = &mut self.distinct else {
            return Ok(());
        };
        let picked = batch.picked.get(start..).unwrap_or_default();
        let source = payload_source(&mut self.blocks, picked);
        let columns = self.host.gather(&[source.source()])?;
        self.explain.calls.gather += 1;
        let payloads = self.host.read_column(&columns, 0)?;
        let first = distinct.first_rows(&payloads)?;
        keep_flagged(&mut batch.keys, start, &first);
        keep_flagged(&mut batch.series, start, &first);
        keep_flagged(&mut batch.picked, start, &first);
        self.explain.rows.duplicates += first.iter().filter(|first| !**first).count() as u64;
        self.check_memory()
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

/// How many rows of the longest values the host can gather at a time.
pub(crate) fn rows_per_batch<H: Host>(spec: &QuerySpec, live: &Live<H>) -> usize {
    let manifests = live.parts.iter().map(|part| part.manifest());
    let longest = manifests.map(|part| {
        let payload = if spec.payload || spec.distinct_payload {
            part.longest_payload_bytes
        } else {
            0
        };
        payload.max(part.longest_tag_bytes)
    });
    let longest = u64::from(longest.max().unwrap_or(0).max(1));
    usize::try_from(BATCH_COLUMN_BYTES_MAX / longest)
        .unwrap_or(usize::MAX)
        .max(1)
}

/// Keeps the members before `start`, and those after it whose flag is set.
pub(super) fn keep_flagged<T>(list: &mut Vec<T>, start: usize, flags: &[bool]) {
    let mut flags = std::iter::repeat_n(&true, start).chain(flags);
    list.retain(|_| flags.next().copied().unwrap_or(false));
}
