//! How far a query has come: what it wants, what its limit leaves, what could not be read, and what was done.
//! All that is the same whichever way it goes through the parts.

use super::block::QueryBlock;
use super::duplicates::Duplicates;
use super::explain::Explain;
use super::gaps::{Gaps, keep_readable};
use super::plan::{Candidate, Plan};
use super::projection::Projection;
use crate::error::Result;
use crate::host::{Host, RowKeys};
use crate::part::PartList;
use crate::part::frame::FrameNumber;
use crate::part::list::Rank;
use crate::part::reader::Frame;
use crate::types::{Manner, RowContent};
use std::sync::Arc;

/// Most rows of one batch.
pub(super) const BATCH_ROWS_MAX: usize = 64 << 10;

/// Most bytes of one column of a batch, unless it has one row.
const BATCH_COLUMN_BYTES_MAX: u64 = 256 << 20;

/// A query on its way.
pub(super) struct Progress<H: Host> {
    pub(super) host: Arc<H>,
    pub(super) plan: Plan<H>,
    pub(super) projection: Arc<Projection>,
    /// The payloads that were returned, when each is wanted once.
    pub(super) duplicates: Option<Duplicates>,
    /// Rows that are still wanted.
    pub(super) left: u64,
    pub(super) gaps: Gaps,
    pub(super) explain: Explain,
    /// Most rows of a batch by the lengths of their values.
    rows_per_batch: usize,
}

impl<H: Host> Progress<H> {
    /// A query of which nothing was done; opens nothing but the manifests that are open anyway.
    pub(super) fn new(host: &Arc<H>, plan: Plan<H>, projection: Arc<Projection>) -> Result<Self> {
        host.check()?;
        Ok(Self {
            host: Arc::clone(host),
            projection,
            duplicates: plan.manner.distinct_payload.then(Duplicates::default),
            left: plan.manner.limit.unwrap_or(u64::MAX),
            gaps: Gaps::of(&plan)?,
            explain: Explain::of(&plan.live),
            rows_per_batch: largest_batch(&plan.manner, &plan.live, BATCH_ROWS_MAX),
            plan,
        })
    }

    /// How many rows the next batch has at most, when the caller takes `max_rows`.
    pub(super) fn batch_rows(&self, max_rows: u32) -> usize {
        let most = (max_rows as usize).min(self.rows_per_batch);
        most.min(usize::try_from(self.left).unwrap_or(most))
    }

    /// Counts rows that are returned.
    pub(super) fn return_rows(&mut self, rows: usize) {
        self.left = self.left.saturating_sub(rows as u64);
        self.explain.rows.returned += rows as u64;
    }

    /// The blocks of a frame that may hold wanted rows, counted in `explain`; none when the frame cannot be
    /// read and the caller takes a partial result.
    pub(super) fn candidates(
        &mut self,
        rank: Rank,
        number: FrameNumber,
        explain: &mut Explain,
    ) -> Result<Option<(Arc<Frame>, Vec<Candidate>)>> {
        let Some(part) = self.plan.live.get(rank) else {
            return Ok(None);
        };
        let plan = &self.plan;
        let candidates = part.frame(number).and_then(|frame| {
            let candidates = plan.candidates(&*self.host, rank, &frame, explain)?;
            Ok((frame, candidates))
        });
        self.gaps.tolerate(candidates)
    }

    /// Takes the rows that cannot be read whole out of a block, when the caller takes a partial result.
    pub(super) fn keep_readable(&mut self, block: &mut QueryBlock) -> Result<()> {
        if !self.gaps.allowed() {
            return Ok(());
        }
        keep_readable(
            &*self.host,
            &self.plan,
            &self.projection,
            &mut self.gaps,
            block,
        )
    }

    /// Which of some rows, given as (block of the query, row in the block), are the first of their payload;
    /// none when that does not matter.
    pub(super) fn first_of(
        &mut self,
        blocks: &mut [Option<QueryBlock>],
        picked: &[(usize, u32)],
    ) -> Result<Option<Vec<bool>>> {
        let explain = &mut self.explain;
        match &mut self.duplicates {
            Some(duplicates) => duplicates
                .first_of(&*self.host, blocks, picked, explain)
                .map(Some),
            None => Ok(None),
        }
    }

    /// Gathers the columns of rows, given as (block of the query, row in the block), with their keys and
    /// series; when no columns are wanted, that is all.
    pub(super) fn gather(
        &mut self,
        blocks: &mut [Option<QueryBlock>],
        picked: &[(usize, u32)],
        keys: RowKeys,
    ) -> Result<RowContent<H::Columns>> {
        if self.projection.is_empty() {
            return Ok(RowContent::Listed(keys));
        }
        self.explain.calls.gather += 1;
        let (host, live) = (&*self.host, &self.plan.live);
        let columns = self.projection.gather(host, live, blocks, picked, keys)?;
        Ok(RowContent::Held(columns))
    }

    /// Refuses to go on when selected rows, and the payloads that were returned, take more than the query
    /// may.
    pub(super) fn check_memory(&self, selected_bytes: usize) -> Result<()> {
        let duplicates = self.duplicates.as_ref();
        let seen_bytes = duplicates.map_or(0, Duplicates::memory_bytes);
        self.plan.check_memory(selected_bytes + seen_bytes)
    }

    /// Blocks of a part that was not opened.
    pub(super) fn blocks_of_part(&self, rank: Rank) -> u64 {
        let part = self.plan.live.get(rank);
        part.map_or(0, |part| u64::from(part.summary().blocks))
    }

    /// Blocks of a frame that was not opened, of a part that was.
    pub(super) fn blocks_of_frame(&self, rank: Rank, number: FrameNumber) -> u64 {
        let part = self.plan.live.get(rank);
        let entry = part.and_then(|part| part.frame_entry(number).ok()?);
        entry.map_or(0, |entry| u64::from(entry.blocks))
    }
}

/// How many of so many rows the host can gather at a time, all with the longest values that there are.
pub(super) fn largest_batch<H: Host>(manner: &Manner, live: &PartList<H>, rows: usize) -> usize {
    let summaries = live.parts.iter().map(|part| part.summary());
    let longest = summaries.map(|part| {
        let payload = if manner.payload || manner.distinct_payload {
            part.longest.payload_bytes
        } else {
            0
        };
        payload.max(part.longest.tag_bytes)
    });
    let longest = u64::from(longest.max().unwrap_or(0).max(1));
    if longest.saturating_mul(rows as u64) <= BATCH_COLUMN_BYTES_MAX {
        // Nearly always so, and a division would cost more than all that is before it.
        return rows;
    }
    usize::try_from(BATCH_COLUMN_BYTES_MAX / longest)
        .unwrap_or(usize::MAX)
        .clamp(1, rows.max(1))
}

/// Keeps the members before `start`, and those after it whose flag is set.
pub(super) fn keep_flagged<T>(list: &mut Vec<T>, start: usize, flags: &[bool]) {
    let mut flags = std::iter::repeat_n(&true, start).chain(flags);
    list.retain(|_| flags.next().copied().unwrap_or(false));
}
