//! Retention: which parts a rule drops whole, which it leaves alone, and which must be rewritten.
//!
//! Manifests decide about most parts: their key range, and the limits of their tags. Of the others the rows
//! to drop are counted, which reads the pages that the rule needs and nothing else. A part that loses all of
//! its rows leaves the list; one that loses none stays as it is; the rest are rewritten, each by a job of its
//! own, so that the room which is needed is that of one part.

use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::filter::Verdict;
use crate::host::{Host, Medium};
use crate::merge::space::space_bytes;
use crate::ordered::labels;
use crate::ordered::predicate::Predicate;
use crate::ordered::query;
use crate::part::Part;
use crate::part::PartList;
use crate::part::loss::Quarantined;
use crate::part::name::PartName;
use crate::types::{Job, Projection, QuerySpec, Retention, RetentionStep};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use std::sync::Arc;

/// Bytes that the output of a rewriting may take beside its share of the input: a few pages per file.
const MARGIN_BYTES: u64 = 64 << 10;

/// A rule bound to the columns of a part list.
struct Rule<H: Host> {
    below: Option<i64>,
    predicate: Option<Predicate<H>>,
}

impl<H: Host> Rule<H> {
    fn bind(host: &H, live: &PartList<H>, rule: &Retention) -> Result<Self> {
        let bind = |text: &String| Predicate::parse(host, text, &live.parts);
        Ok(Self {
            below: rule.drop_below,
            predicate: rule.drop_where.as_ref().map(bind).transpose()?,
        })
    }

    /// The rows of a part that go, when its manifest tells.
    fn foresee(&self, part: &Part<H>) -> Option<u64> {
        let summary = part.summary();
        if self.below.is_some_and(|below| summary.max_key < below) {
            return Some(summary.rows);
        }
        let judged = self.predicate.as_ref().map(|it| it.judge_part(part));
        match judged.unwrap_or(Verdict::Nothing) {
            Verdict::Everything => Some(summary.rows),
            Verdict::Nothing if self.below.is_none_or(|below| summary.min_key >= below) => Some(0),
            _ => None,
        }
    }
}

/// What a rule means for every part of the list; see `index.judge-retention`.
pub(crate) fn judge<H: Host>(
    host: &Arc<H>,
    live: &Arc<PartList<H>>,
    rule: &Retention,
) -> Result<Vec<RetentionStep>> {
    let bound = Rule::bind(&**host, live, rule)?;
    let mut dropped = Vec::with_capacity(live.parts.len());
    for part in &live.parts {
        host.check()?;
        dropped.push(match bound.foresee(part) {
            Some(rows) => Ok(rows),
            None => match count(host, live, part, rule) {
                Err(error) if !is_local(error.kind()) => return Err(error),
                counted => counted,
            },
        });
    }
    let joined = joined(live, &dropped)?;
    let mut steps = Vec::with_capacity(dropped.len());
    let mut at = 0;
    while at < live.parts.len() {
        let end = joined.get(&at).copied().unwrap_or(at + 1);
        steps.push(step(live, at..end, &dropped));
        at = end;
    }
    steps.extend(live.unreadable.iter().filter_map(unreadable));
    Ok(steps)
}

/// A part that could not be opened: what it holds is not known, and nothing can be done with it.
fn unreadable(lost: &Quarantined) -> Option<RetentionStep> {
    Some(RetentionStep {
        parts: vec![PartName::parse(&lost.part)?.number],
        in_memory: false,
        rows: 0,
        size_bytes: 0,
        dropped_rows: Err(Error::corrupt(lost.reason.clone())),
    })
}

/// Whether a failure is that of one part, and no reason to give up the others.
fn is_local(kind: ErrorKind) -> bool {
    kind.is_damage() || kind == ErrorKind::Io
}

/// The rows of a part that a rule drops.
fn count<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    part: &Arc<Part<H>>,
    rule: &Retention,
) -> Result<u64> {
    // What is lost elsewhere has nothing to do with this part.
    let alone = Arc::new(PartList {
        parts: vec![Arc::clone(part)],
        quarantined: Vec::new(),
        unreadable: Vec::new(),
        ..live.clone()
    });
    let rows = |low, high, filter: Option<&String>| -> Result<u64> {
        let spec = QuerySpec {
            series: None,
            low,
            high,
            filter: filter.cloned(),
            descending: false,
            any_order: true,
            limit: None,
            distinct_payload: false,
            projection: Projection::Only(Vec::new()),
            payload: false,
            memory_bytes: u64::MAX,
            allow_partial: false,
        };
        Ok(query::count(host, &alone, spec)?.rows)
    };
    let mut dropped = 0;
    let mut low = Bound::Unbounded;
    if let Some(below) = rule.drop_below {
        dropped = rows(Bound::Unbounded, Bound::Excluded(below), None)?;
        low = Bound::Included(below);
    }
    if let Some(filter) = &rule.drop_where {
        dropped += rows(low, Bound::Unbounded, Some(filter))?;
    }
    Ok(dropped)
}

fn step<H: Host>(
    live: &PartList<H>,
    range: Range<usize>,
    dropped: &[Result<u64>],
) -> RetentionStep {
    let parts = || live.parts.get(range.clone()).unwrap_or_default().iter();
    let counts = dropped.get(range.clone()).unwrap_or_default().iter();
    RetentionStep {
        parts: parts().map(|part| part.number()).collect(),
        in_memory: parts().any(|part| part.medium() == Medium::Memory),
        rows: parts().map(|part| part.summary().rows).sum(),
        size_bytes: parts().map(|part| part.summary().size_bytes).sum(),
        dropped_rows: counts.cloned().sum(),
    }
}

// ---- what must stay together ----

/// First and end index of neighbours that go through the rule as one: the parts in memory, which one flush
/// takes, and parts of which one would lose the label of a series that another has rows of.
fn joined<H: Host>(live: &PartList<H>, dropped: &[Result<u64>]) -> Result<BTreeMap<usize, usize>> {
    let mut ranges = label_ranges(live, dropped)?;
    let in_memory = |part: &Arc<Part<H>>| part.medium() == Medium::Memory;
    if let (Some(first), Some(last)) = (
        live.parts.iter().position(in_memory),
        live.parts.iter().rposition(in_memory),
    ) {
        ranges.push(first..last + 1);
    }
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    Ok(joined.into_iter().map(|it| (it.start, it.end)).collect())
}

/// From parts that lose rows to parts with rows of a series whose label only the former know.
fn label_ranges<H: Host>(live: &PartList<H>, dropped: &[Result<u64>]) -> Result<Vec<Range<usize>>> {
    let parts = || live.parts.iter().zip(dropped).enumerate();
    let loses = |rows: &Result<u64>| *rows != Ok(0);
    let has_labels = |part: &Part<H>| labels::has_any(part);
    if !parts().any(|(_, (part, rows))| loses(rows) && has_labels(part)) {
        return Ok(Vec::new());
    }
    // Parts that stay and have series without a label of their own.
    let mut bare = Vec::new();
    for (at, (part, rows)) in parts() {
        let stays = *rows != Ok(part.summary().rows);
        if stays && known_labels(part)? < part.summary().series {
            bare.push(at);
        }
    }
    if bare.is_empty() {
        return Ok(Vec::new());
    }
    let mut needed: BTreeMap<u64, Range<usize>> = BTreeMap::new();
    for (at, (part, _)) in parts().filter(|(_, (part, rows))| loses(rows) && has_labels(part)) {
        if known_labels(part)? > 0 {
            let series = labels::of(part)?.keys();
            needed.extend(series.map(|series| (*series, at..at + 1)));
        }
    }
    for (_, (part, _)) in parts().filter(|(_, (_, rows))| !loses(rows)) {
        if known_labels(part)? > 0 {
            for series in labels::of(part)?.keys() {
                needed.remove(series);
            }
        }
    }
    let mut holders = BTreeSet::new();
    for at in bare {
        let Some(part) = live.parts.get(at) else {
            continue;
        };
        // Of a part that cannot be read nobody knows what it holds.
        let _ = note_holder(part, at, &mut needed, &mut holders).or_damage()?;
    }
    let held = needed
        .into_iter()
        .filter(|(series, _)| holders.contains(series));
    Ok(held.map(|(_, range)| range).collect())
}

/// How many labels can be read of a part.
fn known_labels<H: Host>(part: &Part<H>) -> Result<u64> {
    // Those that are lost already: nothing that others know is held together for their sake.
    let labels = labels::of(part).or_damage()?;
    Ok(labels.map_or(u64::MAX, |labels| labels.len() as u64))
}

/// Widens the ranges of the needed series of which a part has rows, and no label.
fn note_holder<H: Host>(
    part: &Part<H>,
    at: usize,
    needed: &mut BTreeMap<u64, Range<usize>>,
    holders: &mut BTreeSet<u64>,
) -> Result<()> {
    let labels = labels::of(part).ok();
    for entry in part.frames()? {
        if needed
            .range(entry.first_series..=entry.last_series)
            .next()
            .is_none()
        {
            continue;
        }
        let frame = part.frame(entry.number)?;
        for run in frame.blocks.iter().flat_map(|open| &open.block.runs) {
            if labels.is_some_and(|labels| labels.contains_key(&run.series)) {
                continue;
            }
            if let Some(range) = needed.get_mut(&run.series) {
                *range = range.start.min(at)..range.end.max(at + 1);
                holders.insert(run.series);
            }
        }
    }
    Ok(())
}

// ---- jobs ----

/// A job that was thought out.
pub(crate) struct Plan {
    inputs: Vec<u64>,
    rows: u64,
    dropped_rows: Option<u64>,
    space_bytes: u64,
    flush: bool,
}

impl Plan {
    pub(crate) fn job(self, id: u64, output: u64, rule: Retention) -> Job {
        Job {
            id,
            inputs: self.inputs,
            output,
            rule,
            dropped_rows: self.dropped_rows,
            rows: self.rows,
            space_bytes: self.space_bytes,
            flush: self.flush,
        }
    }
}

/// Plans the next job: the parts of all steps leave the list when they lose all of their rows, else the one
/// step is rewritten. None when there is nothing to do any more.
pub(crate) fn plan<H: Host>(
    host: &H,
    live: &PartList<H>,
    rule: &Retention,
    steps: &[RetentionStep],
    is_busy: impl Fn(u64) -> bool,
) -> Result<Option<Plan>> {
    let bound = Rule::bind(host, live, rule)?;
    if let [step] = steps
        && step.in_memory
    {
        return flush(live, step, is_busy);
    }
    let mut inputs = BTreeSet::new();
    let (mut rows, mut dropped) = (0u64, 0u64);
    for step in steps {
        check_step(live, &bound, step)?;
        if step.in_memory {
            return Err(refused("parts in memory are flushed by a job of their own"));
        }
        inputs.extend(step.parts.iter().copied());
        rows = rows.saturating_add(step.rows);
        dropped = dropped.saturating_add(step.dropped_rows.clone()?);
    }
    let numbers = || live.parts.iter().map(|part| part.number());
    let ordered: Vec<u64> = numbers().filter(|part| inputs.contains(part)).collect();
    if ordered.len() != steps.iter().map(|step| step.parts.len()).sum::<usize>() {
        return Err(refused("a part is named twice, or is not live"));
    }
    if ordered.iter().any(|part| is_busy(*part)) {
        return Err(refused("a part belongs to another job"));
    }
    if dropped == 0 {
        return Ok(None);
    }
    let space_bytes = match steps {
        _ if dropped == rows => 0,
        [step] => rewritten_bytes(step.size_bytes, rows, dropped),
        _ => return Err(refused("parts that keep rows are rewritten one at a time")),
    };
    Ok(Some(Plan {
        inputs: ordered,
        rows,
        dropped_rows: Some(dropped),
        space_bytes,
        flush: false,
    }))
}

fn refused(why: &str) -> Error {
    Error::invalid(format!("a retention cannot be planned so: {why}"))
}

/// Whether a step is about the parts that there are. Another instance made it, so what manifests tell is
/// compared.
fn check_step<H: Host>(live: &PartList<H>, rule: &Rule<H>, step: &RetentionStep) -> Result<()> {
    let mut rows = 0u64;
    let mut foreseen = Some(0u64);
    for number in &step.parts {
        let part = live
            .part(*number)
            .ok_or_else(|| refused(&format!("part {number} is not live")))?;
        rows = rows.saturating_add(part.summary().rows);
        foreseen = foreseen
            .zip(rule.foresee(part))
            .map(|(sum, rows)| sum.saturating_add(rows));
    }
    let dropped = step.dropped_rows.clone()?;
    if rows != step.rows || dropped > rows {
        return Err(refused(&format!(
            "{dropped} of {} rows are said to be dropped of parts that have {rows}",
            step.rows
        )));
    }
    match foreseen {
        Some(foreseen) if foreseen != dropped => Err(refused(&format!(
            "{dropped} rows are said to be dropped, the metadata says {foreseen}"
        ))),
        _ => Ok(()),
    }
}

/// A flush that writes only what stays: of all parts that are in memory now, since those of the step may have
/// been folded and younger ones be there.
fn flush<H: Host>(
    live: &PartList<H>,
    step: &RetentionStep,
    is_busy: impl Fn(u64) -> bool,
) -> Result<Option<Plan>> {
    let is_wanted = |part: &&Arc<Part<H>>| {
        part.medium() == Medium::Memory || step.parts.contains(&part.number())
    };
    let kept = live.parts.iter().rev().take_while(is_wanted).count();
    let parts = live
        .parts
        .get(live.parts.len() - kept..)
        .unwrap_or_default();
    let earlier = live
        .parts
        .get(..live.parts.len() - kept)
        .unwrap_or_default();
    if parts.iter().any(|part| is_busy(part.number())) {
        return Err(refused("rows in memory are being flushed"));
    }
    // Parts that must stay together would be torn apart.
    if earlier
        .iter()
        .any(|part| step.parts.contains(&part.number()))
    {
        return Err(refused("the parts are no neighbours of those in memory"));
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let known = |part: &Arc<Part<H>>| step.parts.contains(&part.number());
    let bytes = |judged: bool| {
        let parts = parts.iter().filter(|part| known(part) == judged);
        parts.fold(0u64, |sum, part| {
            sum.saturating_add(part.summary().size_bytes)
        })
    };
    // Without a count everything may stay.
    let dropped = step.dropped_rows.as_ref().map_or(0, |rows| *rows);
    let kept_bytes = share_bytes(bytes(true), step.rows, dropped).saturating_add(bytes(false));
    Ok(Some(Plan {
        inputs: parts.iter().map(|part| part.number()).collect(),
        rows: parts.iter().map(|part| part.summary().rows).sum(),
        dropped_rows: None,
        space_bytes: match kept_bytes {
            0 => 0,
            bytes => space_bytes(bytes),
        },
        flush: true,
    }))
}

/// The share of `size_bytes` that belongs to the rows that stay, rounded up.
fn share_bytes(size_bytes: u64, rows: u64, dropped: u64) -> u64 {
    let kept = u128::from(rows.saturating_sub(dropped));
    let share = (u128::from(size_bytes) * kept).div_ceil(u128::from(rows.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Bytes that a part may take which keeps some of the rows of another. Rows differ in size, so a quarter is
/// added to their share; but a part of fewer rows is never much larger than one of more.
fn rewritten_bytes(size_bytes: u64, rows: u64, dropped: u64) -> u64 {
    let share = share_bytes(size_bytes, rows, dropped);
    let likely = share.saturating_add(share / 4);
    let most = size_bytes.saturating_add(size_bytes / 16);
    likely.min(most).saturating_add(MARGIN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_a_rewriting_follows_the_rows_that_stay() {
        const MIB: u64 = 1 << 20;
        assert_eq!(rewritten_bytes(100 * MIB, 1_000, 1_000), MARGIN_BYTES);
        assert_eq!(
            rewritten_bytes(100 * MIB, 1_000, 900),
            12 * MIB + MIB / 2 + MARGIN_BYTES
        );
        let most = 100 * MIB + 100 * MIB / 16 + MARGIN_BYTES;
        assert_eq!(rewritten_bytes(100 * MIB, 1_000, 1), most);
        assert_eq!(rewritten_bytes(100 * MIB, 1_000, 0), most);
        // Nothing wraps, and nothing is divided by nothing.
        assert_eq!(rewritten_bytes(u64::MAX, u64::MAX, 0), u64::MAX);
        assert_eq!(rewritten_bytes(MIB, 0, 0), MARGIN_BYTES);
        assert_eq!(share_bytes(10, 3, 2), 4);
    }
}
