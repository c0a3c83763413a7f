//! Queries in any order: blocks one after the other as they lie, and whole ranges of their rows wherever
//! every row is wanted. Nothing is compared, and nothing waits for its turn.

use super::cursor::{BATCH_ROWS_MAX, keep_flagged, rows_per_batch};
use super::distinct::Distinct;
use super::explain::Explain;
use super::intact::keep_readable;
use super::missing::Missing;
use super::open::{QueryBlock, SELECTED_ROW_BYTES, selection};
use super::plan::Plan;
use super::projection::{Projection, payload_source};
use super::ranges::{Range, sources_of, whole_ranges};
use super::share::{Stripes, likely_rows, offered, worth};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, PageRanges, Selected};
use crate::part::layout::BLOCK_ROWS;
use crate::types::Rows;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most blocks whose rows are selected in one call.
const GROUP_MAX: usize = 16;
/// Fewest rows of a share: below this, starting another thread costs more than it brings.
const SHARE_ROWS: u64 = 128 << 10;

/// The rows of a query in the order in which they lie, a batch at a time, on the part list that it began
/// with.
pub(crate) struct Sweep<H: Host> {
    host: Arc<H>,
    plan: Plan<H>,
    projection: Arc<Projection>,
    stripes: Stripes,
    /// Parts and frames that were not looked at yet, in order.
    parts: VecDeque<usize>,
    frames: VecDeque<(usize, usize)>,
    /// Blocks that were not opened yet, with their stripes.
    pending: VecDeque<(QueryBlock, u32)>,
    /// Blocks to open at a time.
    group: usize,
    /// Blocks with rows in `queue` or in the current batch.
    blocks: Vec<Option<QueryBlock>>,
    queue: VecDeque<Wanted>,
    distinct: Option<Distinct>,
    rows_per_batch: usize,
    left: u64,
    finished: bool,
    missing: Missing,
    explain: Explain,
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

impl<H: Host> Sweep<H> {
    /// Plans a query; opens nothing but the manifests that are open anyway.
    pub(crate) fn start(host: &Arc<H>, plan: Plan<H>, projection: Arc<Projection>) -> Result<Self> {
        host.check()?;
        let stripes = Stripes::of(&plan.spec)?;
        let missing = Missing::of(&plan)?;
        let live = Arc::clone(&plan.live);
        let mut explain = Explain::of(&live);
        let ranks = 0..live.parts.len();
        let parts = ranks.filter(|rank| plan.wants_part(*rank, &mut explain));
        let parts = parts.collect();
        if !stripes.is_first() {
            explain.forget_plan();
        }
        let left = plan.spec.limit.unwrap_or(u64::MAX);
        Ok(Self {
            host: Arc::clone(host),
            projection,
            stripes,
            parts,
            frames: VecDeque::new(),
            pending: VecDeque::new(),
            group: if left == u64::MAX { GROUP_MAX } else { 1 },
            blocks: Vec::new(),
            queue: VecDeque::new(),
            distinct: plan.spec.distinct_payload.then(Distinct::default),
            rows_per_batch: rows_per_batch(&plan.spec, &live),
            left,
            finished: left == 0,
            plan,
            missing,
            explain,
        })
    }

    /// How many shares the query is worth, of those offered; when it is more than 1 this cursor is of no
    /// further use.
    pub(crate) fn shares(&mut self) -> Result<u32> {
        let most = offered(&self.plan.spec);
        let mut rows = 0;
        let mut seen = 0;
        while most > 1 && worth(rows, SHARE_ROWS, most) < most {
            if !self.expand()? {
                break;
            }
            let new = self.pending.iter().skip(seen);
            let new = new.map(|(block, _)| likely_rows(&self.plan, block));
            rows += new.sum::<u64>();
            seen = self.pending.len();
        }
        let shares = worth(rows, SHARE_ROWS, most);
        self.finished |= shares > 1;
        Ok(shares)
    }

    /// The first rows; none when nothing matches.
    pub(crate) fn first(&mut self, max_rows: u32) -> Result<Rows<H::Columns>> {
        let mut rows = self.next(max_rows)?.unwrap_or_default();
        rows.partial = self.missing.any();
        Ok(rows)
    }

    /// `cursor.next`
    pub(crate) fn next(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        if self.finished || max_rows == 0 {
            return Ok(None);
        }
        let rows = self.batch(max_rows);
        if !matches!(rows, Ok(Some(_))) {
            self.finished = true;
        }
        rows
    }

    /// Whether no row is left. May say no when the last row was just returned.
    pub(crate) fn is_complete(&self) -> bool {
        let unseen = !self.parts.is_empty() || !self.frames.is_empty();
        self.finished
            || self.left == 0
            || (!unseen && self.pending.is_empty() && self.queue.is_empty())
    }

    /// `cursor.missing`
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.told()
    }

    /// Whether anything is missing so far.
    pub(crate) fn is_partial(&self) -> bool {
        self.missing.any()
    }

    /// `cursor.explain`
    pub(crate) fn explain(&self) -> String {
        let mut explain = self.explain.clone();
        explain.blocks.not_due += self.pending.len() as u64;
        if self.stripes.is_first() {
            explain.parts.not_due += self.parts.len() as u64;
            for rank in &self.parts {
                let part = self.plan.live.parts.get(*rank);
                explain.blocks.not_due += part.map_or(0, |part| u64::from(part.manifest().blocks));
            }
            for (rank, index) in &self.frames {
                let part = self.plan.live.parts.get(*rank);
                let frames = part.and_then(|part| part.frames().ok());
                let entry = frames.and_then(|frames| frames.get(*index));
                explain.blocks.not_due += entry.map_or(0, |entry| u64::from(entry.blocks));
            }
        }
        explain.json()
    }

    fn batch(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        let most = (max_rows as usize)
            .min(BATCH_ROWS_MAX)
            .min(self.rows_per_batch);
        let want = most.min(usize::try_from(self.left).unwrap_or(most));
        loop {
            let mut batch = self.collect(want)?;
            if batch.rows == 0 {
                return Ok(None);
            }
            self.drop_duplicates(&mut batch)?;
            if batch.rows == 0 {
                continue;
            }
            self.left = self.left.saturating_sub(batch.rows as u64);
            self.explain.rows.returned += batch.rows as u64;
            return self.gather(batch).map(Some);
        }
    }

    /// The next rows, at most `want`; fewer where ranges follow single rows, or the next stripe begins.
    fn collect(&mut self, want: usize) -> Result<Batch> {
        self.forget_used();
        let mut batch = Batch::default();
        while batch.rows < want {
            let Some(wanted) = self.queue.front_mut() else {
                if !self.refill()? {
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
    fn refill(&mut self) -> Result<bool> {
        while self.pending.is_empty() {
            if !self.expand()? {
                return Ok(false);
            }
        }
        let most = self.plan.spec.memory_bytes / (BLOCK_ROWS * SELECTED_ROW_BYTES) as u64;
        let group = self
            .group
            .min(usize::try_from(most).unwrap_or(GROUP_MAX))
            .max(1);
        // A limit may be reached soon, or not.
        self.group = (self.group * 2).min(GROUP_MAX);
        let mut opened = Vec::with_capacity(group);
        for (mut block, stripe) in self.pending.drain(..group.min(self.pending.len())) {
            if self.missing.allowed() {
                let (plan, projection) = (&self.plan, &self.projection);
                keep_readable(&*self.host, plan, projection, &mut self.missing, &mut block)?;
            }
            opened.push((block, stripe));
        }
        self.open(opened)?;
        self.check_memory()?;
        Ok(true)
    }

    /// Looks at the next frame or part; false when there is none.
    fn expand(&mut self) -> Result<bool> {
        if let Some((rank, index)) = self.frames.pop_front() {
            self.expand_frame(rank, index)?;
            return Ok(true);
        }
        let Some(rank) = self.parts.pop_front() else {
            return Ok(false);
        };
        let Some(part) = self.plan.live.parts.get(rank) else {
            return Ok(true);
        };
        let mut unseen = Explain::default();
        unseen.parts.read += 1;
        if let Some(frames) = self.missing.tolerate(part.frames())? {
            for (index, frame) in frames.iter().enumerate() {
                if self.plan.wants_frame(frame, &mut unseen) {
                    self.frames.push_back((rank, index));
                }
            }
        }
        self.tell_once(&unseen);
        Ok(true)
    }

    fn expand_frame(&mut self, rank: usize, index: usize) -> Result<()> {
        let Some(part) = self.plan.live.parts.get(rank) else {
            return Ok(());
        };
        let mut dropped = Explain::default();
        let candidates = part.frame(index).and_then(|frame| {
            let plan = &self.plan;
            let candidates = plan.candidates(&*self.host, rank, &frame, index, &mut dropped)?;
            Ok((frame, candidates))
        });
        let found = self.missing.tolerate(candidates)?;
        self.tell_once(&dropped);
        if let Some((frame, candidates)) = found {
            for candidate in candidates {
                let block = QueryBlock::new(rank, Arc::clone(&frame), index, candidate, None);
                if let Some(stripe) = self.stripes.place(block.wanted_rows()) {
                    self.pending.push_back((block, stripe));
                }
            }
        }
        Ok(())
    }

    /// Counts what every share finds alike.
    fn tell_once(&mut self, found: &Explain) {
        if self.stripes.is_first() {
            self.explain.add(found);
        }
    }

    /// Puts the wanted rows of blocks into the queue: ranges as they are, others after a call for those that
    /// need the filter, and one for those that need the key bounds only.
    fn open(&mut self, opened: Vec<(QueryBlock, u32)>) -> Result<()> {
        let mut wanted: Vec<Option<WantedRows>> = Vec::with_capacity(opened.len());
        let is_single = self.distinct.is_some();
        for (block, _) in &opened {
            self.explain.blocks.opened += 1;
            self.explain.rows.considered += block.wanted_rows();
            let ranges = whole_ranges(&self.plan, block).filter(|_| !is_single);
            if ranges.is_some() {
                self.explain.rows.selected += block.wanted_rows();
            }
            wanted.push(ranges.map(WantedRows::Ranges));
        }
        for filtered in [false, true] {
            let is_asked = |at: usize, block: &QueryBlock| {
                matches!(wanted.get(at), Some(None))
                    && (self.plan.filter.is_some() && !block.all_match) == filtered
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
            let selection = selection(&self.plan, &group, filtered, BLOCK_ROWS as u32)?;
            let filter = self.plan.predicate().filter(|_| filtered);
            let filter = filter.map(|predicate| predicate.compiled());
            let selected = self.host.select(filter, &selection.request())?;
            self.explain.calls.select += 1;
            self.explain.rows.selected += selected.rows.len() as u64;
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
                None => self.explain.blocks.without_match += 1,
            }
        }
        Ok(())
    }

    /// Builds the columns of a batch.
    fn gather(&mut self, batch: Batch) -> Result<Rows<H::Columns>> {
        let names = self.projection.names();
        let partial = self.missing.any();
        let stripe = batch.stripe;
        self.explain.calls.gather += 1;
        if !batch.ranges.is_empty() {
            let (projection, blocks) = (&self.projection, &mut self.blocks);
            let found = sources_of(&self.plan, projection, blocks, &batch.ranges)?;
            return Ok(Rows {
                keys: Vec::new(),
                series: found.series,
                series_ends: found.series_ends,
                columns: Some(self.host.gather_ranges(&PageRanges::all(&found.sources))?),
                names,
                stripe,
                partial,
            });
        }
        let mut series = Vec::with_capacity(batch.picked.len());
        let mut near = 0;
        for (slot, row) in &batch.picked {
            let block = self.blocks.get(*slot).and_then(Option::as_ref);
            let open = block.and_then(QueryBlock::open_block);
            series.push(open.map_or(u64::MAX, |open| open.block.series_of(*row, &mut near)));
        }
        let columns = match self.projection.is_empty() {
            true => None,
            false => {
                let (live, blocks) = (&self.plan.live, &mut self.blocks);
                let gathered = self
                    .projection
                    .gather(&*self.host, live, blocks, &batch.picked)?;
                Some(gathered)
            }
        };
        Ok(Rows {
            keys: batch.keys,
            series,
            series_ends: Vec::new(),
            columns,
            names,
            stripe,
            partial,
        })
    }

    /// Removes rows whose payload came before.
    fn drop_duplicates(&mut self, batch: &mut Batch) -> Result<()> {
        let Some(distinct) = &mut self.distinct else {
            return Ok(());
        };
        let source = payload_source(&mut self.blocks, &batch.picked);
        let columns = self.host.gather(&[source.source()])?;
        self.explain.calls.gather += 1;
        let payloads = self.host.read_column(&columns, 0)?;
        let first = distinct.first_rows(&payloads)?;
        keep_flagged(&mut batch.keys, 0, &first);
        keep_flagged(&mut batch.picked, 0, &first);
        batch.rows = batch.picked.len();
        self.explain.rows.duplicates += first.iter().filter(|first| !**first).count() as u64;
        self.check_memory()
    }

    fn check_memory(&self) -> Result<()> {
        let distinct = self.distinct.as_ref().map_or(0, Distinct::memory_bytes);
        let selected = self.queue.iter().map(|wanted| wanted.rows.memory_bytes());
        let used = (distinct + selected.sum::<usize>()) as u64;
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
}

/// The selected rows of each block with their keys, ascending by row: the host orders them by key.
fn in_stored_order(
    selected: &Selected,
    group: &[&QueryBlock],
) -> Result<Vec<VecDeque<(u32, i64)>>> {
    let short = || Error::corrupt("the host returned fewer rows than it counted");
    let mut rows = selected.rows.as_slice();
    let mut keys = selected.keys.as_slice();
    let mut lists = Vec::with_capacity(group.len());
    for (at, block) in group.iter().enumerate() {
        let count = *selected.counts.get(at).ok_or_else(short)? as usize;
        let (these, rest) = rows.split_at_checked(count).ok_or_else(short)?;
        let (these_keys, rest_keys) = keys.split_at_checked(count).ok_or_else(short)?;
        (rows, keys) = (rest, rest_keys);
        let limit = block.open_block().map_or(0, |open| open.block.rows);
        if these.iter().any(|row| *row >= limit) {
            return Err(Error::corrupt("the host returned a row outside the block"));
        }
        let pairs = these.iter().copied().zip(these_keys.iter().copied());
        let mut pairs: Vec<(u32, i64)> = pairs.collect();
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        lists.push(pairs.into());
    }
    Ok(lists)
}
