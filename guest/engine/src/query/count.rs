//! Counting without returning rows.

use super::cursor::Cursor;
use super::explain::Explain;
use super::missing::Missing;
use super::open::{QueryBlock, selection};
use super::plan::{BoundFilter, Candidate, Plan};
use super::projection::Projection;
use crate::error::Result;
use crate::host::Host;
use crate::live::Live;
use crate::part::reader::Frame;
use crate::types::{Counted, Projection as Wanted, QuerySpec};
use std::sync::Arc;

/// Blocks counted in one call.
const BLOCKS_PER_CALL: usize = 64;
/// Rows looked at a time when duplicates must be told apart.
const BATCH_ROWS: u32 = 8_192;

/// The number of rows a query would return. Runs whose keys are all wanted, in blocks whose limits
/// prove the filter, are counted from metadata alone.
pub(crate) fn count<H: Host>(
    host: &Arc<H>,
    live: &Arc<Live<H>>,
    spec: QuerySpec,
) -> Result<Counted> {
    // Metadata cannot tell which rows are readable, nor which payloads are equal.
    if spec.distinct_payload || spec.allow_partial {
        return count_rows(host, live, spec);
    }
    let rows = count_by_metadata(host, live, spec)?;
    Ok(Counted {
        rows,
        partial: false,
    })
}

fn count_by_metadata<H: Host>(host: &Arc<H>, live: &Arc<Live<H>>, spec: QuerySpec) -> Result<u64> {
    let limit = spec.limit.unwrap_or(u64::MAX);
    let filter = bound_filter(&**host, live, &spec)?;
    let plan = Plan::new(live, spec, filter);
    Missing::of(&plan)?;
    let mut explain = Explain::default();
    let mut total = 0u64;
    let mut waiting: [Vec<QueryBlock>; 2] = [Vec::new(), Vec::new()];
    for (rank, part) in live.parts.iter().enumerate() {
        if !plan.wants_part(rank, &mut explain) {
            continue;
        }
        for (index, entry) in part.frames()?.iter().enumerate() {
            if !plan.wants_frame(entry, &mut explain) {
                continue;
            }
            let frame = part.frame(index)?;
            for mut candidate in plan.candidates(&**host, rank, &frame, index, &mut explain)? {
                let filtered = plan.filter.is_some() && !candidate.all_match;
                if !filtered {
                    total += count_whole_runs(&plan, &frame, &mut candidate);
                }
                if candidate.spans.is_empty() {
                    continue;
                }
                let [plain, tested] = &mut waiting;
                let group = if filtered { tested } else { plain };
                let frame = Arc::clone(&frame);
                group.push(QueryBlock::new(rank, frame, index, candidate, None));
                if group.len() >= BLOCKS_PER_CALL {
                    total += count_blocks(&**host, &plan, group, filtered)?;
                }
            }
            if total >= limit {
                return Ok(limit);
            }
        }
    }
    for (group, filtered) in waiting.iter_mut().zip([false, true]) {
        total += count_blocks(&**host, &plan, group, filtered)?;
    }
    Ok(total.min(limit))
}

/// Counts the runs of a block whose keys all lie in the bounds, and takes them out of its spans.
fn count_whole_runs<H: Host>(plan: &Plan<H>, frame: &Frame, candidate: &mut Candidate) -> u64 {
    let Some(open) = frame.blocks.get(candidate.block) else {
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
    let counts = host.count(filter.map(|predicate| predicate.compiled()), &selection)?;
    blocks.clear();
    Ok(counts.into_iter().fold(0, u64::saturating_add))
}

fn bound_filter<H: Host>(
    host: &H,
    live: &Live<H>,
    spec: &QuerySpec,
) -> Result<Option<Arc<BoundFilter<H>>>> {
    let text = spec.filter.as_deref();
    text.map(|text| BoundFilter::bind(host, live, text))
        .transpose()
}

/// Counts row by row.
fn count_rows<H: Host>(host: &Arc<H>, live: &Arc<Live<H>>, mut spec: QuerySpec) -> Result<Counted> {
    // A partial result lacks the rows whose wanted columns cannot be read.
    if !spec.allow_partial {
        spec.projection = Wanted::Only(Vec::new());
        spec.payload = false;
    }
    let projection = Arc::new(Projection::new(&spec, live));
    let filter = bound_filter(&**host, live, &spec)?;
    let mut cursor = Cursor::start(host, Plan::new(live, spec, filter), projection)?;
    let mut total = 0;
    while let Some(rows) = cursor.next(BATCH_ROWS)? {
        total += rows.keys.len() as u64;
    }
    Ok(Counted {
        rows: total,
        partial: cursor.is_partial(),
    })
}
