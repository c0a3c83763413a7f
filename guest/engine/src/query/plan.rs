//! What a query wants, in the terms of parts, frames, blocks and runs.

use super::explain::Explain;
use super::position::Position;
use crate::error::Result;
use crate::filter::Verdict;
use crate::host::Host;
use crate::live::Live;
use crate::loss::Region;
use crate::part::block::Block;
use crate::part::dictionary::Slices;
use crate::part::frame::FrameEntry;
use crate::part::readable::intersection;
use crate::part::reader::Frame;
use crate::predicate::{Places, Predicate};
use crate::recovery::is_damage;
use crate::types::QuerySpec;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

/// A query against one part list.
pub(crate) struct Plan<H: Host> {
    pub(crate) live: Arc<Live<H>>,
    pub(crate) spec: QuerySpec,
    /// Inclusive key bounds; nothing is wanted when `low > high`.
    pub(crate) low: i64,
    pub(crate) high: i64,
    /// Wanted series, ascending and distinct; `None` for all.
    series: Option<Vec<u64>>,
    pub(crate) predicate: Option<Predicate<H>>,
    /// Places of the filter's columns, per part of the list.
    places: Vec<Places>,
    /// What postings say of each part, looked up when the part is first read.
    slices: Vec<OnceLock<Option<Slices>>>,
}

/// A block with rows that a query may want.
pub(crate) struct Candidate {
    /// Index in the frame.
    pub(crate) block: usize,
    /// Pairs of first row and end row; one per run, since keys ascend only inside a run.
    pub(crate) spans: Vec<u32>,
    /// The first position that a wanted row could have.
    pub(crate) bound: Position,
    /// Limits prove that the filter holds for every row.
    pub(crate) all_match: bool,
}

impl<H: Host> Plan<H> {
    pub(crate) fn new(host: &Arc<H>, live: &Arc<Live<H>>, spec: QuerySpec) -> Result<Self> {
        let (low, high) = inclusive(spec.low, spec.high);
        let mut series = spec.series.clone();
        if let Some(series) = &mut series {
            series.sort_unstable();
            series.dedup();
        }
        let bind = |text: &String| Predicate::bind(&**host, text, &live.parts);
        let predicate = spec.filter.as_ref().map(bind).transpose()?;
        let places = live.parts.iter().map(|part| match &predicate {
            Some(predicate) => predicate.places(part),
            None => Places::new(),
        });
        let places: Vec<Places> = places.collect();
        Ok(Self {
            live: Arc::clone(live),
            low,
            high,
            series,
            predicate,
            slices: places.iter().map(|_| OnceLock::new()).collect(),
            places,
            spec,
        })
    }

    /// Whether part `rank` of the list may hold wanted rows; counts why not.
    pub(crate) fn wants_part(&self, rank: usize, explain: &mut Explain) -> bool {
        let Some(part) = self.live.parts.get(rank) else {
            return false;
        };
        let manifest = part.manifest();
        let key_range = self.overlaps(manifest.min_key, manifest.max_key)
            && self.series.as_ref().is_none_or(|series| !series.is_empty());
        let judged = || {
            self.predicate
                .as_ref()
                .map(|predicate| predicate.judge_part(part))
        };
        if !key_range {
            explain.parts.dropped_by_key_range += 1;
        } else if matches!(judged(), Some(Verdict::Nothing)) {
            explain.parts.dropped_by_tag_range += 1;
        } else {
            return true;
        }
        explain.blocks.dropped_unseen += u64::from(manifest.blocks);
        false
    }

    /// Whether a frame may hold wanted rows.
    pub(crate) fn wants_frame(&self, frame: &FrameEntry, explain: &mut Explain) -> bool {
        let wanted = self.overlaps(frame.min_key, frame.max_key)
            && self.series.as_ref().is_none_or(|series| {
                let from = series.partition_point(|id| *id < frame.first_series);
                series.get(from).is_some_and(|id| *id <= frame.last_series)
            });
        if !wanted {
            explain.blocks.dropped_unseen += u64::from(frame.blocks);
        }
        wanted
    }

    /// Whether rows of a lost region may be wanted.
    pub(crate) fn touches(&self, region: &Region) -> bool {
        self.overlaps(region.min_key, region.max_key)
            && self.series.as_ref().is_none_or(|series| {
                let from = series.partition_point(|id| *id < region.first_series);
                series.get(from).is_some_and(|id| *id <= region.last_series)
            })
    }

    /// The first position that a row with keys from `min_key` to `max_key` could have.
    pub(crate) fn bound(&self, min_key: i64, max_key: i64) -> Position {
        Position::first_of_key(self.first_key(min_key, max_key), self.spec.descending)
    }

    fn first_key(&self, min_key: i64, max_key: i64) -> i64 {
        if self.spec.descending {
            max_key.min(self.high)
        } else {
            min_key.max(self.low)
        }
    }

    fn overlaps(&self, min_key: i64, max_key: i64) -> bool {
        self.low <= self.high && min_key <= self.high && max_key >= self.low
    }

    /// The blocks of a frame that may hold wanted rows.
    pub(crate) fn candidates(
        &self,
        host: &H,
        rank: usize,
        frame: &Frame,
        frame_index: usize,
        explain: &mut Explain,
    ) -> Result<Vec<Candidate>> {
        let slices = self.slices(host, rank)?;
        let numbers = || frame.blocks.iter().map(|open| open.number);
        let all = numbers().next().unwrap_or(0)..numbers().next_back().map_or(0, |last| last + 1);
        if slices.is_some_and(|slices| !slices.touch(all)) {
            explain.blocks.dropped_by_filter += frame.blocks.len() as u64;
            return Ok(Vec::new());
        }
        let mut candidates = Vec::new();
        for (index, open) in frame.blocks.iter().enumerate() {
            let rows = slices.map(|slices| slices.spans(open.number));
            if rows.as_ref().is_some_and(Vec::is_empty) {
                explain.blocks.dropped_by_filter += 1;
                continue;
            }
            let Some(mut candidate) = self.candidate(index, &open.block, explain) else {
                continue;
            };
            if let Some(rows) = rows {
                candidate.spans = intersection(&candidate.spans, &rows);
            }
            match candidate.spans.is_empty() {
                true => explain.blocks.dropped_by_filter += 1,
                false => candidates.push(candidate),
            }
        }
        let (Some(predicate), Some(part), Some(places)) = (
            &self.predicate,
            self.live.parts.get(rank),
            self.places.get(rank),
        ) else {
            return Ok(candidates);
        };
        let slots = predicate.slot_frames(part, places, frame, frame_index)?;
        let blocks: Vec<usize> = candidates.iter().map(|candidate| candidate.block).collect();
        let judged = predicate.judge_blocks(host, &slots, frame, &blocks)?;
        let mut kept = Vec::with_capacity(candidates.len());
        for (mut candidate, found) in candidates.into_iter().zip(judged) {
            match found.verdict {
                Verdict::Nothing if found.by_filter => explain.blocks.dropped_by_filter += 1,
                Verdict::Nothing => explain.blocks.dropped_by_tag_range += 1,
                verdict => {
                    candidate.all_match = matches!(verdict, Verdict::Everything);
                    kept.push(candidate);
                }
            }
        }
        Ok(kept)
    }

    /// The slices of part `rank` outside of which nothing can be wanted; none when that is not known. Damaged
    /// postings spare nothing, and cost nothing else: the rows are read from other pages.
    fn slices(&self, host: &H, rank: usize) -> Result<Option<&Slices>> {
        let (Some(predicate), Some(part), Some(places), Some(slot)) = (
            &self.predicate,
            self.live.parts.get(rank),
            self.places.get(rank),
            self.slices.get(rank),
        ) else {
            return Ok(None);
        };
        if slot.get().is_none() {
            let found = match predicate.slices(host, part, places) {
                Err(error) if is_damage(error.kind()) => None,
                found => found?,
            };
            let _ = slot.set(found);
        }
        Ok(slot.get().and_then(Option::as_ref))
    }

    /// The runs of a block that are wanted by series and key.
    fn candidate(&self, index: usize, block: &Block, explain: &mut Explain) -> Option<Candidate> {
        if !self.overlaps(block.min_key, block.max_key) {
            explain.blocks.dropped_by_key_range += 1;
            return None;
        }
        let mut spans = Vec::new();
        let mut bound: Option<Position> = None;
        let mut any_series = false;
        self.for_each_run(block, |run| {
            any_series = true;
            if self.overlaps(run.first_key, run.last_key) {
                spans.extend([run.start, run.end]);
                let key = self.first_key(run.first_key, run.last_key);
                let first = Position::first_of_series(key, run.series, self.spec.descending);
                bound = Some(bound.map_or(first, |bound| bound.min(first)));
            }
        });
        match bound {
            Some(bound) => Some(Candidate {
                block: index,
                spans,
                bound,
                all_match: false,
            }),
            None => {
                if any_series {
                    explain.blocks.dropped_by_key_range += 1;
                } else {
                    explain.blocks.dropped_by_series += 1;
                }
                None
            }
        }
    }

    /// Visits the runs of the wanted series, ascending.
    fn for_each_run(&self, block: &Block, mut visit: impl FnMut(&crate::part::Run)) {
        let Some(wanted) = &self.series else {
            block.runs.iter().for_each(visit);
            return;
        };
        let from = wanted.partition_point(|id| *id < block.first_series());
        let mut runs = block.runs.as_slice();
        for id in wanted
            .iter()
            .skip(from)
            .take_while(|id| **id <= block.last_series())
        {
            let skip = runs.partition_point(|run| run.series < *id);
            runs = runs.get(skip..).unwrap_or_default();
            if let Some(run) = runs.first()
                && run.series == *id
            {
                visit(run);
            }
        }
    }

    /// Appends the pages of the filter's slots for a block.
    pub(crate) fn append_slot_pages(
        &self,
        rank: usize,
        frame: &Frame,
        frame_index: usize,
        block: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let (Some(predicate), Some(part), Some(places)) = (
            &self.predicate,
            self.live.parts.get(rank),
            self.places.get(rank),
        ) else {
            return Ok(());
        };
        let slots = predicate.slot_frames(part, places, frame, frame_index)?;
        slots.append_pages(block, out);
        Ok(())
    }
}

/// Key bounds as an inclusive pair; `low > high` when no key fits.
fn inclusive(low: Bound<i64>, high: Bound<i64>) -> (i64, i64) {
    const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
    let low = match low {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_add(1),
    };
    let high = match high {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_sub(1),
    };
    low.zip(high).unwrap_or(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_over_the_whole_range() {
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(inclusive(Unbounded, Unbounded), (i64::MIN, i64::MAX));
        assert_eq!(inclusive(Included(3), Excluded(3)), (3, 2));
        assert_eq!(inclusive(Excluded(3), Included(4)), (4, 4));
        assert_eq!(
            inclusive(Included(i64::MIN), Included(i64::MAX)),
            (i64::MIN, i64::MAX)
        );
        let (low, high) = inclusive(Excluded(i64::MAX), Unbounded);
        assert!(low > high);
        let (low, high) = inclusive(Unbounded, Excluded(i64::MIN));
        assert!(low > high);
    }
}
