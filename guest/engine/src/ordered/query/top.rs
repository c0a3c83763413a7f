//! The first rows of a query with one call: the runs that may hold them go to the host, which merges them
//! by key and gathers the columns of the rows it comes to.
//!
//! What the call leaves is a matter for the [heap](super::heap), which goes on behind its last row.

use super::bookmark::Bookmark;
use super::candidates::{Candidates, DueRun, FoundPlace, RUNS_MAX};
use super::explain::Explain;
use super::plan::{Plan, runs_of};
use super::progress::{BATCH_ROWS_MAX, largest_batch};
use super::projection::Projection;
use super::schedule::{self, Horizon};
use crate::error::{Error, Result};
use crate::host::{ABSENT, Host, TopEnd, TopFacts};
use crate::part::column::PAYLOAD;
use crate::part::frame::FrameEntry;
use crate::part::reader::OpenBlock;
use std::sync::Arc;

/// Most frames to look through for the runs of a query with a limit. Beyond, the heap opens only those
/// that are due.
const FRAMES_MAX: usize = 64;
/// Most rows to merge for a query without a limit.
const WHOLE_ROWS_MAX: u64 = 64 << 10;
/// A query that may use less memory than this is counted row by row, which the heap does.
const MEMORY_MIN: u64 = 1 << 20;

/// Runs to send at least where a query for the first rows of all series needs few of them.
const RUNS_AHEAD: usize = 4;

/// What one call brought; the host has the rows.
pub(crate) enum First {
    /// This is not the way to get them.
    Elsewhere,
    /// All rows. What was found need not be known before somebody asks what the query did.
    Whole,
    /// Not all of them; the last one, if there is one.
    Part(Option<Bookmark>),
}

/// The first rows of a query, at most `max_rows`.
pub(crate) fn first_rows<H: Host>(
    host: &H,
    plan: &Plan<H>,
    projection: &Projection,
    max_rows: u32,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> Result<First> {
    let manner = &plan.manner;
    let most = (max_rows as usize).min(BATCH_ROWS_MAX);
    let most = largest_batch(manner, &plan.live, most);
    let want = match manner.limit {
        Some(limit) => usize::try_from(limit).map_or(most, |limit| most.min(limit)),
        None => most,
    };
    let is_plain = !manner.distinct_payload && !manner.allow_partial;
    if want == 0 || !is_plain || manner.memory_bytes < MEMORY_MIN {
        return Ok(First::Elsewhere);
    }
    if schedule::is_ordered(plan, want) {
        return ordered_rows(host, plan, projection, want, candidates, explain);
    }
    candidates.clear();
    if !add_all(host, plan, candidates, explain)? {
        return Ok(First::Elsewhere);
    }
    let horizon = Horizon::None;
    match ask(host, plan, projection, want, horizon, candidates)? {
        Some(end) => first(host, plan, (end, want), horizon, candidates, explain),
        None => Ok(First::Elsewhere),
    }
}

/// The first rows of all series, from the runs that come due first. With fewer runs than rows the answer may
/// turn out too short; then as many as there are rows are sent.
fn ordered_rows<H: Host>(
    host: &H,
    plan: &Plan<H>,
    projection: &Projection,
    want: usize,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> Result<First> {
    let direction = usize::from(plan.manner.descending);
    let ahead = candidates.ahead.get(direction).copied().unwrap_or(0);
    for runs in [ahead.clamp(RUNS_AHEAD.min(want), want), want] {
        candidates.clear();
        let mut tried = explain.clone();
        let horizon = schedule::add_first(plan, runs, candidates, &mut tried)?;
        let Some(end) = ask(host, plan, projection, want, horizon, candidates)? else {
            return Ok(First::Elsewhere);
        };
        let is_full = matches!(end, TopEnd::Full | TopEnd::FullOfFew);
        let is_short = !is_full && horizon != Horizon::None;
        if let Some(ahead) = candidates.ahead.get_mut(direction) {
            *ahead = match end {
                _ if is_short => want,
                TopEnd::FullOfFew => runs / 2,
                _ => runs,
            };
        }
        if is_short && runs < want {
            explain.calls.top += 1;
            continue;
        }
        *explain = tried;
        return first(host, plan, (end, want), horizon, candidates, explain);
    }
    Ok(First::Elsewhere)
}

/// Calls the host, unless there is nothing to ask for.
fn ask<H: Host>(
    host: &H,
    plan: &Plan<H>,
    projection: &Projection,
    want: usize,
    horizon: Horizon,
    candidates: &mut Candidates,
) -> Result<Option<TopEnd>> {
    if candidates.runs.is_empty() && horizon == Horizon::None {
        return Ok(None);
    }
    write_request(plan, projection, want as u32, horizon, candidates)?;
    let filter = plan.predicate().map(|predicate| predicate.compiled());
    let filter = filter.filter(|_| !candidates.request.tested.is_empty());
    host.top(filter, &candidates.request.request()).map(Some)
}

/// What a call for so many rows brought.
fn first<H: Host>(
    host: &H,
    plan: &Plan<H>,
    (end, want): (TopEnd, usize),
    horizon: Horizon,
    candidates: &Candidates,
    explain: &mut Explain,
) -> Result<First> {
    explain.calls.top += 1;
    let is_whole = match end {
        TopEnd::Exhausted => horizon == Horizon::None,
        TopEnd::Full | TopEnd::FullOfFew => plan.manner.limit == Some(want as u64),
        TopEnd::Short => false,
    };
    if is_whole {
        return Ok(First::Whole);
    }
    let facts = host.top_facts();
    explain.add_found(&facts);
    let after = match facts.rows {
        0 => None,
        _ => Some(last_row(&facts, candidates)?),
    };
    Ok(First::Part(after))
}

/// Where the last row lies.
fn last_row(facts: &TopFacts, candidates: &Candidates) -> Result<Bookmark> {
    let (key, series, block, row) = facts.last;
    let block = candidates.blocks.get(block as usize);
    let found = block.and_then(|block| {
        let found = candidates.frames.get(block.frame)?;
        let open = found.frame.block(block.block)?;
        Some((found.rank, open.block.first_row))
    });
    let (rank, first_row) = found
        .ok_or_else(|| Error::corrupt("the host returned a row of a block it does not know"))?;
    Ok(Bookmark {
        key,
        series,
        rank,
        first_row,
        row,
    })
}

/// Adds every run that may hold wanted rows. False when there are too many.
fn add_all<H: Host>(
    host: &H,
    plan: &Plan<H>,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> Result<bool> {
    let mut frames_left = match plan.manner.limit {
        Some(_) => FRAMES_MAX,
        None => usize::MAX,
    };
    let mut whole_rows = 0;
    for (rank, part) in plan.live.ranked() {
        if !plan.wants_part(rank, explain) {
            continue;
        }
        explain.parts.read += 1;
        let frames = part.frames()?;
        let mut wanted_blocks = 0;
        let mut each = |entry: &FrameEntry| {
            wanted_blocks += u64::from(entry.blocks);
            if !plan.wants_rows(host, rank, entry, explain)? {
                return Ok(true);
            }
            let Some(left) = frames_left.checked_sub(1) else {
                return Ok(false);
            };
            frames_left = left;
            let at = candidates.add_frame(part.frame(entry.number)?, rank);
            whole_rows += match plan.filter {
                Some(_) => add_tested(host, plan, at, candidates, explain)?,
                None => add_plain(plan, at, candidates, explain),
            };
            Ok(candidates.runs.len() <= RUNS_MAX
                && (plan.manner.limit.is_some() || whole_rows <= WHOLE_ROWS_MAX))
        };
        if !plan.for_each_frame(frames, &mut each)? {
            return Ok(false);
        }
        let blocks = u64::from(part.summary().blocks);
        explain.blocks.dropped_unseen += blocks.saturating_sub(wanted_blocks);
    }
    Ok(true)
}

/// Adds the runs of a frame by what metadata says of series and keys. Returns in how many rows these are
/// all that is wanted.
fn add_plain<H: Host>(
    plan: &Plan<H>,
    at: FoundPlace,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> u64 {
    let Some(found) = candidates.frames.get(at) else {
        return 0;
    };
    let frame = Arc::clone(&found.frame);
    let mut whole_rows = 0;
    let seen = plan.for_each_block(&frame, |open| {
        let before = candidates.runs.len();
        candidates.add_block(at, open, false);
        let mut is_wanted = false;
        plan.for_each_run(&open.block, |run| {
            is_wanted = true;
            if plan.overlaps(run.first_key, run.last_key) {
                candidates.add_run(schedule::of_run(plan, run), run);
                let inside = run.first_key >= plan.low && run.last_key <= plan.high;
                whole_rows += u64::from(run.end - run.start) * u64::from(inside);
            }
        });
        if candidates.runs.len() == before {
            candidates.blocks.pop();
            match is_wanted {
                true => explain.blocks.dropped_by_key_range += 1,
                false => explain.blocks.dropped_by_series += 1,
            }
        }
    });
    explain.blocks.dropped_by_series += frame.blocks.len().saturating_sub(seen) as u64;
    whole_rows
}

/// The same for a query with a filter, by what metadata says of it as well.
fn add_tested<H: Host>(
    host: &H,
    plan: &Plan<H>,
    at: FoundPlace,
    candidates: &mut Candidates,
    explain: &mut Explain,
) -> Result<u64> {
    let Some(found) = candidates.frames.get(at) else {
        return Ok(0);
    };
    let (rank, frame) = (found.rank, Arc::clone(&found.frame));
    let mut sieve = std::mem::take(&mut candidates.sieve);
    let add = |open: &OpenBlock, spans: &[u32], all_match: bool| {
        candidates.add_block(at, open, !all_match);
        let mut last = None;
        for (run, span) in runs_of(open, spans).zip(spans.chunks_exact(2)) {
            let [start, end] = span else { continue };
            let inside = run.first_key >= plan.low && run.last_key <= plan.high;
            if plan.manner.limit.is_none() && inside {
                candidates.add_piece(schedule::of_run(plan, run), run, *start, *end);
            } else if last != Some(run.start) {
                last = Some(run.start);
                candidates.add_run(schedule::of_run(plan, run), run);
            }
        }
    };
    let sifted = plan.sift(host, (rank, &frame), &mut sieve, explain, add);
    candidates.sieve = sieve;
    sifted.map(|()| 0)
}

fn write_request<H: Host>(
    plan: &Plan<H>,
    projection: &Projection,
    limit: u32,
    horizon: Horizon,
    candidates: &mut Candidates,
) -> Result<()> {
    let manner = &plan.manner;
    candidates.put_blocks_in_order();
    let request = &mut candidates.request;
    request.low = plan.low;
    request.high = plan.high;
    request.descending = manner.descending;
    request.limit = limit;
    request.horizon = horizon.position(manner.descending);
    if manner.limit.is_some() {
        let key = |run: &DueRun| (run.due, run.block);
        candidates.runs.sort_unstable_by_key(key);
    } else {
        request.whole = true;
        let flip = if manner.descending { u64::MAX } else { 0 };
        let key = |run: &DueRun| (run.due.1 ^ flip, run.block, run.start);
        candidates.runs.sort_unstable_by_key(key);
    }
    let flip = if manner.descending { u64::MAX } else { 0 };
    for run in &candidates.runs {
        request.runs.extend([run.block, run.start, run.end]);
        let series = (run.due.1 ^ flip).cast_signed();
        request.ends.extend([run.first_key, run.last_key, series]);
    }
    write_blocks(plan, candidates)?;
    write_columns(plan, projection, candidates)
}

/// The key pages of the blocks, and the pages of the filter's slots.
fn write_blocks<H: Host>(plan: &Plan<H>, candidates: &mut Candidates) -> Result<()> {
    let request = &mut candidates.request;
    let is_tested = candidates.blocks.iter().any(|block| block.tested);
    request.slots = match plan.predicate() {
        Some(predicate) if is_tested => predicate.slots(),
        _ => 0,
    };
    for block in &candidates.blocks {
        let found = candidates.frames.get(block.frame);
        let open = found.and_then(|found| found.frame.block(block.block));
        let (Some(found), Some(open)) = (found, open) else {
            return Err(Error::corrupt("a block left its frame"));
        };
        request.pages.push(open.keys);
        if !is_tested {
            continue;
        }
        request.tested.push(u8::from(block.tested));
        let pages = &mut request.pages;
        plan.append_slot_pages(found.rank, &found.frame, block.block, pages)?;
    }
    Ok(())
}

/// Where the values of the columns lie.
fn write_columns<H: Host>(
    plan: &Plan<H>,
    projection: &Projection,
    candidates: &mut Candidates,
) -> Result<()> {
    let Candidates {
        blocks,
        frames,
        request,
        ..
    } = candidates;
    let each = || {
        let blocks = blocks.iter();
        blocks.filter_map(|block| {
            let found = frames.get(block.frame)?;
            Some((found, block.block))
        })
    };
    if projection.payload() {
        request.kinds.push(PAYLOAD.code());
        for (found, block) in each() {
            let Some(open) = found.frame.block(block) else {
                continue;
            };
            request.piece_counts.push(open.block.payloads.len() as u32);
            for (piece, page) in open.block.payloads.iter().zip(open.payloads..) {
                request.pieces.extend([piece.end, page]);
            }
        }
    }
    for (at, column) in projection.columns().iter().enumerate() {
        request.kinds.push(column.kind.code());
        for (found, block) in each() {
            let part = plan.live.get(found.rank);
            let place = projection.place(found.rank, at);
            let page = match part {
                Some(part) => part.page_of(&found.frame, block, place)?,
                None => ABSENT,
            };
            request.piece_counts.push(1);
            request.pieces.extend([u32::MAX, page]);
        }
    }
    Ok(())
}
