//! What a query wants, in the terms of parts, frames, blocks and runs.
//!
//! A plan drops what cannot hold wanted rows in steps, each of which costs more and lets less through: a part
//! by its manifest, a frame by its entry in `meta.bin`, a block and its runs by the block's record, and by
//! the limits and membership pages of the columns that the filter names. Postings go before all of these
//! where a column has them: they name the slices of the part in which its values occur. No step reads a page
//! of rows.
//!
//! What is left of a frame are [candidates](Candidate), blocks with spans of rows. There is a span for each
//! run, as keys ascend inside a run only: by its two ends the keys of a run are known well enough to say
//! whether any of its rows may be wanted, and which position the first of them has at best.

use super::explain::Explain;
use super::filter::{BoundFilter, Passing};
use super::position::Position;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::ordered::predicate::Predicate;
use crate::part::PartList;
use crate::part::block::{Block, BlockPlace};
use crate::part::dictionary::Slices;
use crate::part::frame::FrameEntry;
use crate::part::list::Rank;
use crate::part::readable::intersection;
use crate::part::reader::{Frame, OpenBlock};
use crate::part::{Part, Run};
use crate::types::QuerySpec;
use crate::types::Region;
use std::sync::Arc;

/// A query against one part list.
pub(crate) struct Plan<H: Host> {
    pub(crate) live: Arc<PartList<H>>,
    /// Without the series, which are below.
    pub(crate) spec: QuerySpec,
    /// Inclusive key bounds; nothing is wanted when `low > high`.
    pub(crate) low: i64,
    pub(crate) high: i64,
    /// Wanted series, ascending and distinct; `None` for all.
    series: Option<Vec<u64>>,
    pub(crate) filter: Option<Arc<BoundFilter<H>>>,
}

/// A block with rows that a query may want.
pub(crate) struct Candidate {
    /// Where it is in the frame.
    pub(crate) block: BlockPlace,
    /// Pairs of first row and end row; one per run, since keys ascend only inside a run.
    pub(crate) spans: Vec<u32>,
    /// The first position that a wanted row could have.
    pub(crate) bound: Position,
    /// Limits prove that the filter holds for every row.
    pub(crate) all_match: bool,
}

impl<H: Host> Plan<H> {
    pub(crate) fn new(
        live: &Arc<PartList<H>>,
        mut spec: QuerySpec,
        filter: Option<Arc<BoundFilter<H>>>,
    ) -> Self {
        let (low, high) = spec.inclusive_keys();
        let mut series = spec.series.take();
        if let Some(series) = &mut series {
            series.sort_unstable();
            series.dedup();
        }
        Self {
            live: Arc::clone(live),
            low,
            high,
            series,
            filter,
            spec,
        }
    }

    /// The wanted series, ascending and distinct; none for all.
    pub(crate) fn series(&self) -> Option<&[u64]> {
        self.series.as_deref()
    }

    /// What tests rows, if anything does.
    pub(crate) fn predicate(&self) -> Option<&Predicate<H>> {
        self.filter.as_ref().map(|filter| &filter.predicate)
    }

    /// Whether a part may hold wanted rows; counts why not.
    pub(crate) fn wants_part(&self, rank: Rank, explain: &mut Explain) -> bool {
        let Some(part) = self.live.get(rank) else {
            return false;
        };
        let manifest = part.manifest();
        let key_range = self.overlaps(manifest.min_key, manifest.max_key)
            && self.series.as_ref().is_none_or(|series| !series.is_empty());
        let excludes = |filter: &Arc<BoundFilter<H>>| filter.excludes_part(rank);
        if !key_range {
            explain.parts.dropped_by_key_range += 1;
        } else if self.filter.as_ref().is_some_and(excludes) {
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

    /// The first key in the wanted order that a row with keys from `min_key` to `max_key` could have.
    pub(crate) fn first_key(&self, min_key: i64, max_key: i64) -> i64 {
        if self.spec.descending {
            max_key.min(self.high)
        } else {
            min_key.max(self.low)
        }
    }

    /// The first position that a wanted row of a run could have, or the one that is known if that is earlier.
    fn earlier(&self, known: Option<Position>, run: &Run) -> Position {
        let key = self.first_key(run.first_key, run.last_key);
        let first = Position::first_of_series(key, run.series, self.spec.descending);
        known.map_or(first, |known| known.min(first))
    }

    pub(crate) fn overlaps(&self, min_key: i64, max_key: i64) -> bool {
        self.low <= self.high && min_key <= self.high && max_key >= self.low
    }

    /// The blocks of a frame that may hold wanted rows.
    pub(crate) fn candidates(
        &self,
        host: &H,
        rank: Rank,
        frame: &Frame,
        explain: &mut Explain,
    ) -> Result<Vec<Candidate>> {
        let Some((filter, part)) = self.filtered_part(rank) else {
            return Ok(self.spanned(None, frame, explain));
        };
        let slices = filter.slices(host, rank, part)?;
        let mut candidates = match (slices, &self.series) {
            (None, None) => return self.judged_first(host, (filter, part), (rank, frame), explain),
            (Some(slices), None) => self.sliced(slices, frame, explain),
            (slices, Some(_)) => self.spanned(slices, frame, explain),
        };
        let blocks = candidates.iter().map(|candidate| candidate.block);
        let Some(judged) = filter.judged(host, rank, part, frame, blocks)? else {
            return Ok(candidates);
        };
        candidates.retain_mut(|candidate| {
            let passing = judged.passes(candidate.block, explain);
            candidate.all_match = passing == Some(Passing::All);
            passing.is_some()
        });
        Ok(candidates)
    }

    /// The same for a query of all series, where nothing but the filter leaves blocks out: they are judged
    /// before their runs, of which each has many, are looked at.
    fn judged_first(
        &self,
        host: &H,
        (filter, part): (&BoundFilter<H>, &Part<H>),
        (rank, frame): (Rank, &Frame),
        explain: &mut Explain,
    ) -> Result<Vec<Candidate>> {
        let overlaps = |open: &&OpenBlock| self.overlaps(open.block.min_key, open.block.max_key);
        let blocks = || frame.blocks.iter().filter(overlaps);
        let places = blocks().map(|open| open.place);
        let judged = filter.judged(host, rank, part, frame, places)?;
        let mut candidates = Vec::new();
        let mut seen = 0;
        for open in blocks() {
            seen += 1;
            let passing = match judged {
                Some(judged) => judged.passes(open.place, explain),
                None => Some(Passing::Some),
            };
            if let Some(passing) = passing
                && let Some(mut candidate) = self.candidate(open, explain)
            {
                candidate.all_match = passing == Passing::All;
                candidates.push(candidate);
            }
        }
        explain.blocks.dropped_by_key_range += frame.blocks.len().saturating_sub(seen) as u64;
        Ok(candidates)
    }

    /// The blocks of a frame with rows of wanted series and keys, in slices where they are known.
    fn spanned(
        &self,
        slices: Option<&Slices>,
        frame: &Frame,
        explain: &mut Explain,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let seen = self.for_each_block(frame, |open| {
            let rows = slices.map(|slices| slices.spans(open.number));
            if rows.as_ref().is_some_and(Vec::is_empty) {
                explain.blocks.dropped_by_filter += 1;
                return;
            }
            let Some(mut candidate) = self.candidate(open, explain) else {
                return;
            };
            if let Some(rows) = rows {
                candidate.spans = intersection(&candidate.spans, &rows);
            }
            match candidate.spans.is_empty() {
                true => explain.blocks.dropped_by_filter += 1,
                false => candidates.push(candidate),
            }
        });
        explain.blocks.dropped_by_series += frame.blocks.len().saturating_sub(seen) as u64;
        candidates
    }

    /// The same for a query of all series, begun at the slices: a block that has none costs nothing, not even
    /// a look at its runs. Among many blocks few have any, where a value is rare.
    fn sliced(&self, slices: &Slices, frame: &Frame, explain: &mut Explain) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut dropped = frame.blocks.len() as u64;
        slices.for_each_block(frame.block_numbers(), |number, rows| {
            let Some(open) = frame.numbered(number) else {
                return;
            };
            if let Some(candidate) = self.sliced_block(open, rows) {
                candidates.push(candidate);
                dropped -= 1;
            } else if !self.overlaps(open.block.min_key, open.block.max_key) {
                explain.blocks.dropped_by_key_range += 1;
                dropped -= 1;
            }
        });
        explain.blocks.dropped_by_filter += dropped;
        candidates
    }

    /// The runs of a block that are wanted by key, as far as they lie in `rows`, pairs of first and end row.
    fn sliced_block(&self, open: &OpenBlock, rows: &[u32]) -> Option<Candidate> {
        let mut spans = Vec::new();
        let mut bound: Option<Position> = None;
        for pair in rows.chunks_exact(2) {
            let [start, end] = pair else { continue };
            let runs = &open.block.runs;
            let from = runs.partition_point(|run| run.end <= *start);
            let runs = runs.get(from..).unwrap_or_default();
            for run in runs.iter().take_while(|run| run.start < *end) {
                if self.overlaps(run.first_key, run.last_key) {
                    spans.extend([run.start.max(*start), run.end.min(*end)]);
                    bound = Some(self.earlier(bound, run));
                }
            }
        }
        Some(Candidate {
            block: open.place,
            spans,
            bound: bound?,
            all_match: false,
        })
    }

    /// Whether the filter may hold in a frame of a part, as postings have it; counts why not.
    pub(crate) fn wants_rows(
        &self,
        host: &H,
        rank: Rank,
        frame: &FrameEntry,
        explain: &mut Explain,
    ) -> Result<bool> {
        let slices = match self.filtered_part(rank) {
            Some((filter, part)) => filter.slices(host, rank, part)?,
            None => None,
        };
        let wanted = slices.is_none_or(|slices| slices.touch(frame.block_numbers()));
        if !wanted {
            explain.blocks.dropped_by_filter += u64::from(frame.blocks);
        }
        Ok(wanted)
    }

    fn filtered_part(&self, rank: Rank) -> Option<(&BoundFilter<H>, &Part<H>)> {
        let filter = self.filter.as_ref()?;
        Some((&**filter, &**self.live.get(rank)?))
    }

    /// Visits the frames that may hold wanted rows, ascending, until told to stop; false when
    /// it was.
    pub(crate) fn for_each_frame(
        &self,
        frames: &[FrameEntry],
        visit: &mut impl FnMut(&FrameEntry) -> Result<bool>,
    ) -> Result<bool> {
        let Some(wanted) = &self.series else {
            for frame in frames {
                if self.overlaps(frame.min_key, frame.max_key) && !visit(frame)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        };
        let mut next = 0;
        for id in wanted {
            let left = frames.get(next..).unwrap_or_default();
            next += left.partition_point(|frame| frame.last_series < *id);
            while let Some(frame) = frames.get(next)
                && frame.first_series <= *id
            {
                if self.overlaps(frame.min_key, frame.max_key) && !visit(frame)? {
                    return Ok(false);
                }
                next += 1;
            }
        }
        Ok(true)
    }

    /// Visits the blocks of a frame in which a wanted series could be, ascending, and counts them.
    pub(crate) fn for_each_block<'f>(
        &self,
        frame: &'f Frame,
        mut visit: impl FnMut(&'f OpenBlock),
    ) -> usize {
        let Some(wanted) = &self.series else {
            frame.blocks.iter().for_each(visit);
            return frame.blocks.len();
        };
        let (mut next, mut seen) = (0, 0);
        for id in wanted {
            let left = frame.blocks.get(next..).unwrap_or_default();
            next += left.partition_point(|open| open.block.last_series() < *id);
            while let Some(open) = frame.blocks.get(next)
                && open.block.first_series() <= *id
            {
                visit(open);
                seen += 1;
                // A block that goes on with later series is looked at once.
                next += 1;
            }
        }
        seen
    }

    /// The runs of a block that are wanted by series and key.
    fn candidate(&self, open: &OpenBlock, explain: &mut Explain) -> Option<Candidate> {
        let block = &open.block;
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
                bound = Some(self.earlier(bound, run));
            }
        });
        match bound {
            Some(bound) => Some(Candidate {
                block: open.place,
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
    pub(crate) fn for_each_run(&self, block: &Block, mut visit: impl FnMut(&Run)) {
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

    /// Refuses to go on with more memory than the query may use.
    pub(crate) fn check_memory(&self, used_bytes: usize) -> Result<()> {
        let allowed = self.spec.memory_bytes;
        if used_bytes as u64 <= allowed {
            return Ok(());
        }
        let text = format!(
            "the query needs {used_bytes} bytes of memory, its limit is {allowed}; narrow it or raise the limit"
        );
        Err(Error::new(ErrorKind::LimitExceeded, text))
    }

    /// Appends the pages of the filter's slots for a block.
    pub(crate) fn append_slot_pages(
        &self,
        rank: Rank,
        frame: &Frame,
        block: BlockPlace,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        match self.filtered_part(rank) {
            Some((filter, part)) => filter.append_slot_pages(rank, part, frame, block, out),
            None => Ok(()),
        }
    }
}
