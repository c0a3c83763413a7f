//! Counting without returning rows.

use super::block::{QueryBlock, selection};
use super::cursor::Cursor;
use super::explain::Explain;
use super::filter::BoundFilter;
use super::gaps::Gaps;
use super::plan::{Candidate, Plan};
use super::projection::Projection;
use super::share::{Stripes, likely_rows, shares_max, worth};
use super::sweep::Sweep;
use crate::error::Result;
use crate::host::Host;
use crate::part::PartList;
use crate::part::list::Rank;
use crate::part::reader::Frame;
use crate::types::{Counted, Offered, Projection as Wanted, QuerySpec, Share};
use std::sync::Arc;

/// Blocks counted in one call.
const BLOCKS_PER_CALL: usize = 64;
/// Fewest rows of a share that the filter must look at, some two milliseconds of work: a million rows on two
/// threads were no faster than on one.
const SHARE_ROWS: u64 = 1 << 20;
/// Rows looked at a time when duplicates must be told apart.
const BATCH_ROWS: u32 = 8_192;

/// The number of rows of a part list that a query would return; binds its filter for this one count.
pub(crate) fn count<H: Host>(
    host: &Arc<H>,
    live: &Arc<PartList<H>>,
    spec: QuerySpec,
) -> Result<Counted> {
    let filter = match spec.filter.as_deref() {
        Some(text) => Some(BoundFilter::parse(&**host, live, text)?),
        None => BoundFilter::of_live_rows(&**host, live)?,
    };
    run(host, live, spec, filter, None)
}

/// The number of rows a query would return, or those of one share. Runs whose keys are all wanted, in blocks
/// whose limits prove the filter, are counted from metadata alone.
pub(super) fn run<H: Host>(
    host: &Arc<H>,
    live: &Arc<PartList<H>>,
    spec: QuerySpec,
    filter: Option<Arc<BoundFilter<H>>>,
    share: Option<Share>,
) -> Result<Counted> {
    if must_see_rows(&spec) {
        return count_rows(host, live, spec, filter, share);
    }
    let mut count = Count::new(host, live, spec, filter, share)?;
    count.run(1)?;
    Ok(count.counted())
}

/// The same, unless it is worth being shared.
pub(super) fn offer<H: Host>(
    host: &Arc<H>,
    live: &Arc<PartList<H>>,
    spec: QuerySpec,
    filter: Option<Arc<BoundFilter<H>>>,
    shares: u32,
) -> Result<Offered<Counted>> {
    if must_see_rows(&spec) {
        return count_rows(host, live, spec, filter, None).map(Offered::Done);
    }
    let most = shares_max(&spec.manner(), shares);
    let mut count = Count::new(host, live, spec, filter, None)?;
    Ok(match count.run(most)? {
        1 => Offered::Done(count.counted()),
        shares => Offered::Shares(shares),
    })
}

/// Metadata cannot tell which rows are readable, nor which payloads are equal.
fn must_see_rows(spec: &QuerySpec) -> bool {
    spec.distinct_payload || spec.allow_partial
}

/// A count by metadata, and by the host where metadata does not decide.
struct Count<'a, H: Host> {
    host: &'a H,
    plan: Plan<H>,
    stripes: Stripes,
    total: u64,
    /// Blocks to be counted by the host, without and with the filter.
    waiting: [Vec<QueryBlock>; 2],
    waiting_rows: u64,
}

impl<'a, H: Host> Count<'a, H> {
    /// Nothing is counted yet.
    fn new(
        host: &'a Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        filter: Option<Arc<BoundFilter<H>>>,
        share: Option<Share>,
    ) -> Result<Self> {
        let count = Self {
            host: &**host,
            stripes: Stripes::of(&spec.manner(), share)?,
            plan: Plan::new(live, spec, filter),
            total: 0,
            waiting: [Vec::new(), Vec::new()],
            waiting_rows: 0,
        };
        Gaps::of(&count.plan)?;
        Ok(count)
    }

    fn limit(&self) -> u64 {
        self.plan.manner.limit.unwrap_or(u64::MAX)
    }

    /// What was counted, when it was not worth sharing.
    fn counted(&self) -> Counted {
        Counted {
            rows: self.total.min(self.limit()),
            partial: false,
        }
    }

    /// Counts, unless it is worth more than the one share that is returned otherwise, of at most `most`.
    fn run(&mut self, most: u32) -> Result<u32> {
        let limit = self.limit();
        let live = Arc::clone(&self.plan.live);
        let mut explain = Explain::default();
        for (rank, part) in live.ranked() {
            if !self.plan.wants_part(rank, &mut explain) {
                continue;
            }
            for entry in part.frames()? {
                if !self.plan.wants_frame(entry, &mut explain) {
                    continue;
                }
                let frame = part.frame(entry.number)?;
                let plan = &self.plan;
                for candidate in plan.candidates(self.host, rank, &frame, &mut explain)? {
                    self.take(rank, &frame, candidate);
                }
                // What is worth sharing is not counted before it is known whether it is.
                if most == 1 {
                    self.count_waiting(BLOCKS_PER_CALL)?;
                } else if worth(self.waiting_rows, SHARE_ROWS, most) == most {
                    return Ok(most);
                }
                if self.total >= limit {
                    return Ok(1);
                }
            }
        }
        let shares = worth(self.waiting_rows, SHARE_ROWS, most);
        if shares == 1 {
            self.count_waiting(1)?;
        }
        Ok(shares)
    }

    /// Counts a block from metadata, or puts it with those that wait for the host.
    fn take(&mut self, rank: Rank, frame: &Arc<Frame>, mut candidate: Candidate) {
        let filtered = self.plan.filter.is_some() && !candidate.all_match;
        if !filtered {
            let counted = count_whole_runs(&self.plan, frame, &mut candidate);
            self.total += if self.stripes.is_first() { counted } else { 0 };
        }
        if candidate.spans.is_empty() {
            return;
        }
        let block = QueryBlock::new(rank, Arc::clone(frame), candidate, None);
        let rows = block.wanted_rows();
        if self.stripes.place(rows).is_some() {
            self.waiting_rows += likely_rows(&self.plan, &block);
            let [plain, tested] = &mut self.waiting;
            if filtered { tested } else { plain }.push(block);
        }
    }

    /// Counts the blocks that wait, a call's worth at a time, as long as there are at least `least`.
    fn count_waiting(&mut self, least: usize) -> Result<()> {
        for (group, filtered) in self.waiting.iter_mut().zip([false, true]) {
            while group.len() >= least {
                let rest = group.split_off(group.len().min(BLOCKS_PER_CALL));
                self.total += count_blocks(self.host, &self.plan, group, filtered)?;
                *group = rest;
            }
        }
        Ok(())
    }
}

/// Counts the runs of a block whose keys all lie in the bounds, and takes them out of its spans.
fn count_whole_runs<H: Host>(plan: &Plan<H>, frame: &Frame, candidate: &mut Candidate) -> u64 {
    let Some(open) = frame.block(candidate.block) else {
        return 0;
    };
    let runs = &open.block.runs;
    let mut counted = 0;
    let mut left = Vec::new();
    for span in candidate.spans.chunks_exact(2) {
        let [start, end] = span else { continue };
        let run = runs.get(runs.partition_point(|run| run.end <= *start));
        match run {
            Some(run) if run.first_key >= plan.low && run.last_key <= plan.high => {
                counted += u64::from(run.end - run.start);
            }
            _ => left.extend([*start, *end]),
        }
    }
    candidate.spans = left;
    counted
}

fn count_blocks<H: Host>(
    host: &H,
    plan: &Plan<H>,
    blocks: &mut Vec<QueryBlock>,
    filtered: bool,
) -> Result<u64> {
    if blocks.is_empty() {
        return Ok(0);
    }
    let group: Vec<&QueryBlock> = blocks.iter().collect();
    let selection = selection(plan, &group, filtered, 0)?;
    let filter = plan.predicate().filter(|_| filtered);
    let counts = host.count(
        filter.map(|predicate| predicate.compiled()),
        &selection.request(),
    )?;
    blocks.clear();
    Ok(counts.into_iter().fold(0, u64::saturating_add))
}

/// Counts row by row.
fn count_rows<H: Host>(
    host: &Arc<H>,
    live: &Arc<PartList<H>>,
    mut spec: QuerySpec,
    filter: Option<Arc<BoundFilter<H>>>,
    share: Option<Share>,
) -> Result<Counted> {
    // A partial result lacks the rows whose wanted columns cannot be read.
    if !spec.allow_partial {
        spec.projection = Wanted::Only(Vec::new());
        spec.payload = false;
    }
    // In which order rows are counted does not matter.
    let projection = Arc::new(Projection::new(&spec, live));
    let plan = Plan::new(live, spec, filter);
    let (query, sweep) = Sweep::start(host, plan, projection, share)?;
    let mut cursor = Cursor::in_any_order(query, sweep);
    while cursor.next(BATCH_ROWS)?.is_some() {}
    Ok(Counted {
        rows: cursor.returned(),
        partial: cursor.is_partial(),
    })
}
