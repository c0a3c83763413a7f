//! Queries in any order: blocks one after the other as they lie, and whole ranges of their rows wherever
//! every row is wanted. Nothing is compared, and nothing waits for its turn.

use super::block::{QueryBlock, SELECTED_ROW_BYTES, selection};
use super::explain::Explain;
use super::plan::Plan;
use super::progress::{Progress, keep_flagged};
use super::projection::Projection;
use super::ranges::{Range, sources_of, whole_ranges};
use super::share::{Stripes, likely_rows, shares_max, worth};
use crate::error::Result;
use crate::host::{Host, PageRanges, RowKeys, Selected};
use crate::part::frame::FrameNumber;
use crate::part::layout::BLOCK_ROWS;
use crate::part::list::Rank;
use crate::types::{RowContent, Rows, Share};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most blocks whose rows are selected in one call.
const GROUP_MAX: usize = 16;
/// Fewest rows of a share: below this, starting another thread costs more than it brings.
const SHARE_ROWS: u64 = 128 << 10;

/// What was not looked at yet, and what is queued.
pub(super) struct Sweep {
    stripes: Stripes,
    /// Parts and frames that were not looked at yet, in order.
    parts: VecDeque<Rank>,
    frames: VecDeque<(Rank, FrameNumber)>,
    /// Blocks that were not opened yet, with their stripes.
    pending: VecDeque<(QueryBlock, u32)>,
    /// Blocks to open at a time.
    group: usize,
    /// Blocks with rows in `queue` or in the current batch.
    blocks: Vec<Option<QueryBlock>>,
    queue: VecDeque<Wanted>,
}

/// What is still to be returned of a block.
struct Wanted {
    /// Its place in `blocks`.
    slot: usize,
    stripe: u32,
    rows: WantedRows,
}

enum WantedRows {
    Ranges(VecDeque<Range>),
    /// Rows with their keys, ascending.
    Selected(VecDeque<(u32, i64)>),
}

impl WantedRows {
    fn is_empty(&self) -> bool {
        match self {
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Selected(rows) => rows.is_empty(),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Ranges(_) => 0,
            Self::Selected(rows) => rows.len() * SELECTED_ROW_BYTES,
        }
    }
}

/// Rows of one batch before their columns are gathered: ranges, or single rows, never both.
#[derive(Default)]
struct Batch {
    stripe: u32,
    rows: usize,
    ranges: Vec<(usize, Range)>,
    keys: Vec<i64>,
    picked: Vec<(usize, u32)>,
}

impl Batch {
    /// Whether rows may follow those that are in it.
    fn takes(&self, wanted: &Wanted) -> bool {
        let alike = match wanted.rows {
            WantedRows::Ranges(_) => self.picked.is_empty(),
            WantedRows::Selected(_) => self.ranges.is_empty(),
        };
        self.rows == 0 || (alike && self.stripe == wanted.stripe)
    }

    /// Takes rows until there are `want`.
    fn take(&mut self, wanted: &mut Wanted, want: usize) {
        self.stripe = wanted.stripe;
        let room = want - self.rows;
        match &mut wanted.rows {
            WantedRows::Selected(rows) => {
                for (row, key) in rows.drain(..room.min(rows.len())) {
                    self.keys.push(key);
                    self.picked.push((wanted.slot, row));
                }
                self.rows = self.picked.len();
            }
            WantedRows::Ranges(ranges) => {
                while let Some((start, end)) = ranges.front_mut()
                    && self.rows < want
                {
                    let cut = (*end - *start).min((want - self.rows) as u32);
                    self.ranges.push((wanted.slot, (*start, *start + cut)));
                    self.rows += cut as usize;
                    *start += cut;
                    if start == end {
                        ranges.pop_front();
                    }
                }
            }
        }
    }
}

impl Sweep {
    /// Plans a query, or one share of it; opens nothing but the manifests that are open anyway.
    pub(super) fn start<H: Host>(
        host: &Arc<H>,
        plan: Plan<H>,
        projection: Arc<Projection>,
        share: Option<Share>,
    ) -> Result<(Progress<H>, Self)> {
        let stripes = Stripes::of(&plan.manner, share)?;
        let mut query = Progress::new(host, plan, projection)?;
        let (plan, explain) = (&query.plan, &mut query.explain);
        let ranks = plan.live.ranked().map(|(rank, _)| rank);
        let parts = ranks.filter(|rank| plan.wants_part(*rank, explain));
        let parts = parts.collect();
        if !stripes.is_first() {
            explain.forget_plan();
        }
        let sweep = Self {
            stripes,
            parts,
            frames: VecDeque::new(),
            pending: VecDeque::new(),
            group: if query.left == u64::MAX { GROUP_MAX } else { 1 },
            blocks: Vec::new(),
            queue: VecDeque::new(),
        };
        Ok((query, sweep))
    }

    /// How many shares the query is worth, of those offered; when it is more than 1 this sweep is of no
    /// further use.
    pub(super) fn shares<H: Host>(&mut self, query: &mut Progress<H>, offered: u32) -> Result<u32> {
        let most = shares_max(&query.plan.manner, offered);
        let mut rows = 0;
        let mut seen = 0;
        while most > 1 && worth(rows, SHARE_ROWS, most) < most {
            if !self.expand(query)? {
                break;
            }
            let new = self.pending.iter().skip(seen);
            let new = new.map(|(block, _)| likely_rows(&query.plan, block));
            rows += new.sum::<u64>();
            seen = self.pending.len();
        }
        Ok(worth(rows, SHARE_ROWS, most))
    }

    /// Whether everything was looked at and returned.
    pub(super) fn is_exhausted(&self) -> bool {
        let unseen = !self.parts.is_empty() || !self.frames.is_empty();
        !unseen && self.pending.is_empty() && self.queue.is_empty()
    }

    /// Counts what it has not come to so far.
    pub(super) fn count_left<H: Host>(&self, query: &Progress<H>, explain: &mut Explain) {
        explain.blocks.not_due += self.pending.len() as u64;
        if self.stripes.is_first() {
            explain.parts.not_due += self.parts.len() as u64;
            for rank in &self.parts {
                explain.blocks.not_due += query.blocks_of_part(*rank);
            }
            for (rank, number) in &self.frames {
                explain.blocks.not_due += query.blocks_of_frame(*rank, *number);
            }
        }
    }

    /// The next rows, at most `want`; none when none is left.
    pub(super) fn batch<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        want: usize,
    ) -> Result<Option<Rows<H::Columns>>> {
        loop {
            let mut batch = self.collect(query, want)?;
            if batch.rows == 0 {
                return Ok(None);
            }
            self.drop_duplicates(query, &mut batch)?;
            if batch.rows == 0 {
                continue;
            }
            query.return_rows(batch.rows);
            return self.gather(query, batch).map(Some);
        }
    }

    /// The next rows, at most `want`; fewer where ranges follow single rows, or the next stripe begins.
    fn collect<H: Host>(&mut self, query: &mut Progress<H>, want: usize) -> Result<Batch> {
        self.forget_used();
        let mut batch = Batch::default();
        while batch.rows < want {
            let Some(wanted) = self.queue.front_mut() else {
                if !self.refill(query)? {
                    break;
                }
                continue;
            };
            if !batch.takes(wanted) {
                break;
            }
            batch.take(wanted, want);
            if wanted.rows.is_empty() {
                self.queue.pop_front();
            }
        }
        Ok(batch)
    }

    /// Frees the blocks in front of the first that still has rows.
    fn forget_used(&mut self) {
        let used = self
            .queue
            .front()
            .map_or(self.blocks.len(), |first| first.slot);
        self.blocks.drain(..used.min(self.blocks.len()));
        for wanted in &mut self.queue {
            wanted.slot -= used;
        }
    }

    /// Opens the next blocks; false when there are none.
    fn refill<H: Host>(&mut self, query: &mut Progress<H>) -> Result<bool> {
        while self.pending.is_empty() {
            if !self.expand(query)? {
                return Ok(false);
            }
        }
        let most = query.plan.manner.memory_bytes / (BLOCK_ROWS * SELECTED_ROW_BYTES) as u64;
        let group = self
            .group
            .min(usize::try_from(most).unwrap_or(GROUP_MAX))
            .max(1);
        // A limit may be reached soon, or not.
        self.group = (self.group * 2).min(GROUP_MAX);
        let mut opened = Vec::with_capacity(group);
        for (mut block, stripe) in self.pending.drain(..group.min(self.pending.len())) {
            query.keep_readable(&mut block)?;
            if block.spans.is_empty() {
                // Its pages may be those that cannot be read: nobody may ask for them any more.
                query.explain.blocks.opened += 1;
                query.explain.blocks.without_match += 1;
                continue;
            }
            opened.push((block, stripe));
        }
        self.open(query, opened)?;
        self.check_memory(query)?;
        Ok(true)
    }

    /// Looks at the next frame or part; false when there is none.
    fn expand<H: Host>(&mut self, query: &mut Progress<H>) -> Result<bool> {
        if let Some((rank, number)) = self.frames.pop_front() {
            self.expand_frame(query, rank, number)?;
            return Ok(true);
        }
        let Some(rank) = self.parts.pop_front() else {
            return Ok(false);
        };
        let Some(part) = query.plan.live.get(rank) else {
            return Ok(true);
        };
        let mut unseen = Explain::default();
        unseen.parts.read += 1;
        if let Some(frames) = query.gaps.tolerate(part.frames())? {
            for frame in frames {
                if query.plan.wants_frame(frame, &mut unseen) {
                    self.frames.push_back((rank, frame.number));
                }
            }
        }
        self.tell_once(query, &unseen);
        Ok(true)
    }

    fn expand_frame<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        rank: Rank,
        number: FrameNumber,
    ) -> Result<()> {
        let mut dropped = Explain::default();
        let found = query.candidates(rank, number, &mut dropped)?;
        self.tell_once(query, &dropped);
        if let Some((frame, candidates)) = found {
            for candidate in candidates {
                let block = QueryBlock::new(rank, Arc::clone(&frame), candidate, None);
                if let Some(stripe) = self.stripes.place(block.wanted_rows()) {
                    self.pending.push_back((block, stripe));
                }
            }
        }
        Ok(())
    }

    /// Counts what every share finds alike.
    fn tell_once<H: Host>(&self, query: &mut Progress<H>, found: &Explain) {
        if self.stripes.is_first() {
            query.explain.add(found);
        }
    }

    /// Puts the wanted rows of blocks into the queue: ranges as they are, others after a call for those that
    /// need the filter, and one for those that need the key bounds only.
    fn open<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        opened: Vec<(QueryBlock, u32)>,
    ) -> Result<()> {
        let mut wanted: Vec<Option<WantedRows>> = Vec::with_capacity(opened.len());
        let is_single = query.duplicates.is_some();
        for (block, _) in &opened {
            query.explain.blocks.opened += 1;
            query.explain.rows.considered += block.wanted_rows();
            let ranges = whole_ranges(&query.plan, block).filter(|_| !is_single);
            if ranges.is_some() {
                query.explain.rows.selected += block.wanted_rows();
            }
            wanted.push(ranges.map(WantedRows::Ranges));
        }
        for filtered in [false, true] {
            let is_asked = |at: usize, block: &QueryBlock| {
                matches!(wanted.get(at), Some(None))
                    && (query.plan.filter.is_some() && !block.all_match) == filtered
            };
            let asked = opened.iter().enumerate();
            let asked: Vec<(usize, &QueryBlock)> = asked
                .map(|(at, (block, _))| (at, block))
                .filter(|(at, block)| is_asked(*at, block))
                .collect();
            if asked.is_empty() {
                continue;
            }
            let group: Vec<&QueryBlock> = asked.iter().map(|(_, block)| *block).collect();
            let selection = selection(&query.plan, &group, filtered, BLOCK_ROWS as u32)?;
            let filter = query.plan.predicate().filter(|_| filtered);
            let filter = filter.map(|predicate| predicate.compiled());
            let selected = query.host.select(filter, &selection.request())?;
            query.explain.calls.select += 1;
            query.explain.rows.selected += selected.rows.len() as u64;
            for ((at, _), rows) in asked.iter().zip(in_stored_order(&selected, &group)?) {
                if let Some(place) = wanted.get_mut(*at) {
                    *place = Some(WantedRows::Selected(rows));
                }
            }
        }
        for ((block, stripe), rows) in opened.into_iter().zip(wanted) {
            match rows.filter(|rows| !rows.is_empty()) {
                Some(rows) => {
                    let slot = self.blocks.len();
                    self.blocks.push(Some(block));
                    self.queue.push_back(Wanted { slot, stripe, rows });
                }
                None => query.explain.blocks.without_match += 1,
            }
        }
        Ok(())
    }

    /// Builds the columns of a batch.
    fn gather<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        batch: Batch,
    ) -> Result<Rows<H::Columns>> {
        let names = Some(query.projection.names());
        let stripe = batch.stripe;
        if !batch.ranges.is_empty() {
            query.explain.calls.gather += 1;
            let (projection, blocks) = (&query.projection, &mut self.blocks);
            let found = sources_of(&query.plan, projection, blocks, &batch.ranges)?;
            let (keys, sources) = (found.keys.ranges(), PageRanges::all(&found.sources));
            let columns = query.host.gather_ranges(keys, found.series, &sources)?;
            return Ok(Rows {
                content: RowContent::Held(columns),
                names,
                stripe,
            });
        }
        let mut series = Vec::with_capacity(batch.picked.len());
        let mut near = 0;
        for (slot, row) in &batch.picked {
            let block = self.blocks.get(*slot).and_then(Option::as_ref);
            let open = block.and_then(QueryBlock::open_block);
            series.push(open.map_or(u64::MAX, |open| open.block.series_of(*row, &mut near)));
        }
        let keys = RowKeys {
            keys: batch.keys,
            series,
        };
        Ok(Rows {
            content: query.gather(&mut self.blocks, &batch.picked, keys)?,
            names,
            stripe,
        })
    }

    /// Removes rows whose payload came before.
    fn drop_duplicates<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        batch: &mut Batch,
    ) -> Result<()> {
        let Some(first) = query.first_of(&mut self.blocks, &batch.picked)? else {
            return Ok(());
        };
        keep_flagged(&mut batch.keys, 0, &first);
        keep_flagged(&mut batch.picked, 0, &first);
        batch.rows = batch.picked.len();
        self.check_memory(query)
    }

    fn check_memory<H: Host>(&self, query: &Progress<H>) -> Result<()> {
        let selected = self.queue.iter().map(|wanted| wanted.rows.memory_bytes());
        query.check_memory(selected.sum())
    }
}

/// The selected rows of each block with their keys, ascending by row: the host orders them by key.
fn in_stored_order(
    selected: &Selected,
    group: &[&QueryBlock],
) -> Result<Vec<VecDeque<(u32, i64)>>> {
    let found = selected.per_block(group.iter().map(|block| block.block_rows()));
    let in_order = found.map(|found| {
        let found = found?;
        let pairs = found.rows.iter().copied().zip(found.keys.iter().copied());
        let mut pairs: Vec<(u32, i64)> = pairs.collect();
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        Ok(pairs.into())
    });
    in_order.collect()
}
