//! Runs in the order in which they come due, no more of them than a query with a limit can need.
//!
//! A run is a sorted list of which the first key is known without reading it. Where no filter and no bound
//! hides that first row, it is a row of the result's order. So the N runs whose first rows come first already
//! hold N rows, and no row of another run can be among the first N: it comes behind the first row of its own
//! run, and that comes behind all of those. Only age tells rows of equal key and series apart, which first
//! keys do not say: runs that tie with the N-th are taken too.
//!
//! These runs are found with one heap. A part stands in it with the least key of its manifest, a frame with
//! that of its entry, a run with its first key. What comes out is replaced by its next sibling and its first
//! child, neither of which comes earlier, so nothing is opened that does not lie before the last run that is
//! taken. The [`Horizon`] is the first position that the heap still held when it was left: the answer is
//! whole up to it.
//!
//! For descending order all keys and series are inverted bit by bit: then the last is the least, and
//! everything above holds as it stands.

use super::candidates::{Candidates, FoundPlace, RUNS_MAX};
use super::explain::Explain;
use super::plan::Plan;
use crate::error::Result;
use crate::host::Host;
use crate::part::Run;
use crate::part::list::Rank;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

/// The first position, by key and series, that what was not added could contribute; inverted for
/// descending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Horizon {
    /// All was added.
    None,
    At(i64, u64),
}

impl Horizon {
    /// The key and series.
    pub(super) fn position(self, descending: bool) -> Option<(i64, u64)> {
        match self {
            Horizon::None => None,
            Horizon::At(key, series) if descending => Some((!key, !series)),
            Horizon::At(key, series) => Some((key, series)),
        }
    }
}

/// What comes due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Part(Rank),
    /// A part and the place of a frame in its order.
    Frame(Rank, usize),
    /// A frame that was added and the place of a run in its order.
    Run(FoundPlace, usize),
}

/// When a run comes due: its first wanted key and its series, inverted for descending order.
pub(super) fn of_run<H: Host>(plan: &Plan<H>, run: &Run) -> (i64, u64) {
    at(
        plan,
        plan.first_key(run.first_key, run.last_key),
        run.series,
    )
}

/// When a row comes due.
pub(super) fn at<H: Host>(plan: &Plan<H>, key: i64, series: u64) -> (i64, u64) {
    match plan.manner.descending {
        true => (!key, !series),
        false => (key, series),
    }
}

/// Whether the first row of every run is a row of the result, and few of them will do: the query wants few
/// rows, of all series, without a filter, and its bounds cut nothing off at the end where it begins.
pub(super) fn is_ordered<H: Host>(plan: &Plan<H>, want: usize) -> bool {
    let is_bounded = plan.manner.limit.is_some_and(|limit| limit <= want as u64);
    let is_open = |min_key: i64, max_key: i64| match plan.manner.descending {
        true => max_key <= plan.high,
        false => min_key >= plan.low,
    };
    let mut summaries = plan.live.parts.iter().map(|part| part.summary());
    is_bounded
        && want <= RUNS_MAX / 16
        && plan.series().is_none()
        && plan.filter.is_none()
        && plan.low <= plan.high
        && summaries.all(|part| is_open(part.min_key, part.max_key))
}

/// Adds the runs that come due first: `want` of them, and those that tie with the last.
pub(super) fn add_first<H: Host>(
    plan: &Plan<H>,
    want: usize,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> Result<Horizon> {
    let descending = plan.manner.descending;
    let mut waiting: BinaryHeap<Reverse<((i64, u64), Due)>> = BinaryHeap::new();
    for (rank, part) in plan.live.ranked() {
        if plan.wants_part(rank, explain) {
            let summary = part.summary();
            let first = match descending {
                true => !summary.max_key,
                false => summary.min_key,
            };
            waiting.push(Reverse(((first, 0), Due::Part(rank))));
        }
    }
    let mut last = None;
    while let Some(Reverse((due, what))) = waiting.peek().copied() {
        if candidates.runs.len() >= want && last != Some(due) {
            return Ok(Horizon::At(due.0, due.1));
        }
        let (again, inner) = match what {
            Due::Part(rank) => {
                explain.parts.read += 1;
                (frame_at(plan, rank, 0)?, None)
            }
            Due::Frame(rank, at) => {
                let inner = open_frame(plan, rank, at, candidates)?;
                (frame_at(plan, rank, at + 1)?, inner)
            }
            Due::Run(frame, at) => {
                if add_at(plan, frame, at, candidates) {
                    last = Some(due);
                }
                (run_at(plan, frame, at + 1, candidates), None)
            }
        };
        if let Some(mut first) = waiting.peek_mut() {
            match again {
                Some(again) => *first = Reverse(again),
                None => drop(PeekMut::pop(first)),
            }
        }
        if let Some(inner) = inner {
            waiting.push(Reverse(inner));
        }
    }
    Ok(Horizon::None)
}

type Entry = ((i64, u64), Due);

/// The frame of a part at a place of its order, if there is one.
fn frame_at<H: Host>(plan: &Plan<H>, rank: Rank, at: usize) -> Result<Option<Entry>> {
    let descending = plan.manner.descending;
    let Some(part) = plan.live.get(rank) else {
        return Ok(None);
    };
    let Some(number) = part.frame_order(descending)?.get(at) else {
        return Ok(None);
    };
    let entry = part.frame_entry(*number)?;
    Ok(entry.map(|entry| {
        let due = match descending {
            true => (!entry.max_key, !entry.last_series),
            false => (entry.min_key, entry.first_series),
        };
        (due, Due::Frame(rank, at))
    }))
}

/// Adds a frame and returns its first run.
fn open_frame<H: Host>(
    plan: &Plan<H>,
    rank: Rank,
    at: usize,
    candidates: &mut Candidates,
) -> Result<Option<Entry>> {
    let Some(part) = plan.live.get(rank) else {
        return Ok(None);
    };
    let order = part.frame_order(plan.manner.descending)?;
    let Some(number) = order.get(at) else {
        return Ok(None);
    };
    let frame = candidates.add_frame(part.frame(*number)?, rank);
    Ok(run_at(plan, frame, 0, candidates))
}

/// The run of a frame at a place of its order, if there is one.
fn run_at<H: Host>(
    plan: &Plan<H>,
    frame: FoundPlace,
    at: usize,
    candidates: &Candidates,
) -> Option<Entry> {
    let found = &candidates.frames.get(frame)?.frame;
    let order = found.run_order(plan.manner.descending);
    let place = order.get(at)?;
    let open = found.block(place.block)?;
    let run = open.block.runs.get(place.run as usize)?;
    Some((of_run(plan, run), Due::Run(frame, at)))
}

/// Adds the run of a frame at a place of its order, unless its keys are not wanted.
fn add_at<H: Host>(
    plan: &Plan<H>,
    frame: FoundPlace,
    at: usize,
    candidates: &mut Candidates,
) -> bool {
    let Some(found) = candidates.frames.get(frame) else {
        return false;
    };
    let shared = Arc::clone(&found.frame);
    let order = shared.run_order(plan.manner.descending);
    let Some(place) = order.get(at) else {
        return false;
    };
    let Some(open) = shared.block(place.block) else {
        return false;
    };
    match open.block.runs.get(place.run as usize) {
        Some(run) if plan.overlaps(run.first_key, run.last_key) => {
            candidates.add_block(frame, open, false);
            candidates.add_run(of_run(plan, run), run);
            true
        }
        _ => false,
    }
}
