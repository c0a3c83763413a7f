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
use crate::types::{Manner, QuerySpec, Region};
use std::sync::Arc;

/// A query against one part list.
pub(crate) struct Plan<H: Host> {
    pub(crate) live: Arc<PartList<H>>,
    pub(crate) manner: Manner,
    /// Inclusive key bounds; nothing is wanted when `low > high`.
    pub(crate) low: i64,
    pub(crate) high: i64,
    series: WantedSeries,
    pub(crate) filter: Option<Arc<BoundFilter<H>>>,
}

/// The series that a query wants.
#[derive(Clone, Debug)]
pub(super) enum WantedSeries {
    All,
    /// As most queries want it: without memory of its own.
    One([u64; 1]),
    /// Ascending and distinct; shared by the runs of a query that was prepared.
    Several(Arc<[u64]>),
}

impl WantedSeries {
    /// Those of a query; none for all.
    pub(super) fn of(series: Option<Vec<u64>>) -> Self {
        let Some(mut series) = series else {
            return Self::All;
        };
        series.sort_unstable();
        series.dedup();
        match series.as_slice() {
            [one] => Self::One([*one]),
            _ => Self::Several(series.into()),
        }
    }

    /// Ascending and distinct; none for all.
    fn ids(&self) -> Option<&[u64]> {
        match self {
            Self::All => None,
            Self::One(one) => Some(one),
            Self::Several(several) => Some(several),
        }
    }
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

/// Blocks of a frame that may hold wanted rows, and room for those of the next.
#[derive(Default)]
pub(super) struct Sieve {
    /// Each with where its spans end; they begin where those before it do.
    found: Vec<(BlockPlace, usize)>,
    spans: Vec<u32>,
    /// Rows of a block that a filter leaves, pairs of first and end row.
    rows: Vec<u32>,
}

impl Sieve {
    fn clear(&mut self) {
        self.found.clear();
        self.spans.clear();
    }

    /// Adds a block whose spans were appended.
    fn add(&mut self, block: BlockPlace) {
        self.found.push((block, self.spans.len()));
    }

    fn blocks(&self) -> impl Iterator<Item = BlockPlace> {
        self.found.iter().map(|(block, _)| *block)
    }

    fn for_each(&self, frame: &Frame, mut visit: impl FnMut(&OpenBlock, &[u32])) {
        let mut from = 0;
        for (block, end) in &self.found {
            if let Some(open) = frame.block(*block) {
                visit(open, self.spans.get(from..*end).unwrap_or_default());
            }
            from = *end;
        }
    }
}

/// The runs in which spans begin.
pub(super) fn runs_of<'b>(open: &'b OpenBlock, spans: &'b [u32]) -> impl Iterator<Item = &'b Run> {
    let runs = &open.block.runs;
    let starts = spans.iter().step_by(2);
    starts.filter_map(|start| runs.get(runs.partition_point(|run| run.end <= *start)))
}

impl<H: Host> Plan<H> {
    pub(crate) fn new(
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        filter: Option<Arc<BoundFilter<H>>>,
    ) -> Self {
        let (keys, manner) = (spec.inclusive_keys(), spec.manner());
        Self::of(live, manner, keys, WantedSeries::of(spec.series), filter)
    }

    /// The same of what a query consists of; nothing is wanted when the first key is above the last.
    pub(super) fn of(
        live: &Arc<PartList<H>>,
        manner: Manner,
        (low, high): (i64, i64),
        series: WantedSeries,
        filter: Option<Arc<BoundFilter<H>>>,
    ) -> Self {
        Self {
            live: Arc::clone(live),
            manner,
            low,
            high,
            series,
            filter,
        }
    }

    /// The wanted series, ascending and distinct; none for all.
    pub(crate) fn series(&self) -> Option<&[u64]> {
        self.series.ids()
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
        let summary = part.summary();
        let key_range = self.overlaps(summary.min_key, summary.max_key)
            && self.series().is_none_or(|series| !series.is_empty());
        let excludes = |filter: &Arc<BoundFilter<H>>| filter.excludes_part(rank);
        if !key_range {
            explain.parts.dropped_by_key_range += 1;
        } else if self.filter.as_ref().is_some_and(excludes) {
            explain.parts.dropped_by_tag_range += 1;
        } else {
            return true;
        }
        explain.blocks.dropped_unseen += u64::from(summary.blocks);
        false
    }

    /// Whether a frame may hold wanted rows.
    pub(crate) fn wants_frame(&self, frame: &FrameEntry, explain: &mut Explain) -> bool {
        let wanted = self.overlaps(frame.min_key, frame.max_key)
            && self.series().is_none_or(|series| {
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
            && self.series().is_none_or(|series| {
                let from = series.partition_point(|id| *id < region.first_series);
                series.get(from).is_some_and(|id| *id <= region.last_series)
            })
    }

    /// The first position that a row with keys from `min_key` to `max_key` could have.
    pub(crate) fn bound(&self, min_key: i64, max_key: i64) -> Position {
        Position::first_of_key(self.first_key(min_key, max_key), self.manner.descending)
    }

    /// The first key in the wanted order that a row with keys from `min_key` to `max_key` could have.
    pub(crate) fn first_key(&self, min_key: i64, max_key: i64) -> i64 {
        if self.manner.descending {
            max_key.min(self.high)
        } else {
            min_key.max(self.low)
        }
    }

    /// The first position that a wanted row of a run could have, or the one that is known if that is earlier.
    fn earlier(&self, known: Option<Position>, run: &Run) -> Position {
        let key = self.first_key(run.first_key, run.last_key);
        let first = Position::first_of_series(key, run.series, self.manner.descending);
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
        let (mut sieve, mut candidates) = (Sieve::default(), Vec::new());
        let keep = |open: &OpenBlock, spans: &[u32], all_match| {
            let runs = runs_of(open, spans);
            let bound = runs.fold(None, |bound, run| Some(self.earlier(bound, run)));
            candidates.extend(bound.map(|bound| Candidate {
                block: open.place,
                spans: spans.to_vec(),
                bound,
                all_match,
            }));
        };
        self.sift(host, (rank, frame), &mut sieve, explain, keep)?;
        Ok(candidates)
    }

    /// Visits the blocks of a frame that may hold wanted rows, with spans as in a [`Candidate`], and whether
    /// the filter is known to hold for all of these rows.
    pub(super) fn sift(
        &self,
        host: &H,
        (rank, frame): (Rank, &Frame),
        sieve: &mut Sieve,
        explain: &mut Explain,
        mut visit: impl FnMut(&OpenBlock, &[u32], bool),
    ) -> Result<()> {
        sieve.clear();
        let Some((filter, part)) = self.filtered_part(rank) else {
            self.add_spanned(None, frame, sieve, explain);
            sieve.for_each(frame, |open, spans| visit(open, spans, false));
            return Ok(());
        };
        let slices = filter.slices(host, rank, part)?;
        match (slices, self.series()) {
            (None, None) => self.add_overlapping(frame, sieve, explain),
            (Some(slices), None) => self.add_sliced(slices, frame, sieve, explain),
            (slices, Some(_)) => self.add_spanned(slices, frame, sieve, explain),
        }
        let judged = filter.judged(host, rank, part, frame, sieve.blocks())?;
        sieve.for_each(frame, |open, spans| {
            let passing = match judged {
                Some(judged) => judged.passes(open.place, explain),
                None => Some(Passing::Some),
            };
            let Some(passing) = passing else { return };
            let all_match = passing == Passing::All;
            if !spans.is_empty() {
                visit(open, spans, all_match);
            } else if let Some(runs) = self.wanted_runs(open, explain) {
                visit(open, &runs, all_match);
            }
        });
        Ok(())
    }

    /// Adds the blocks of a frame with wanted keys, without spans: where nothing but the filter leaves blocks
    /// out they are judged before their runs, of which each has many, are looked at.
    fn add_overlapping(&self, frame: &Frame, sieve: &mut Sieve, explain: &mut Explain) {
        for open in &frame.blocks {
            match self.overlaps(open.block.min_key, open.block.max_key) {
                true => sieve.add(open.place),
                false => explain.blocks.dropped_by_key_range += 1,
            }
        }
    }

    /// Adds the blocks of a frame with rows of wanted series and keys, in slices where they are known.
    fn add_spanned(
        &self,
        slices: Option<&Slices>,
        frame: &Frame,
        sieve: &mut Sieve,
        explain: &mut Explain,
    ) {
        let seen = self.for_each_block(frame, |open| {
            if let Some(slices) = slices {
                sieve.rows.clear();
                slices.append_spans(open.number, &mut sieve.rows);
                if sieve.rows.is_empty() {
                    explain.blocks.dropped_by_filter += 1;
                    return;
                }
            }
            let from = sieve.spans.len();
            if !self.append_wanted_runs(open, &mut sieve.spans, explain) {
                return;
            }
            if slices.is_some() {
                let spans = sieve.spans.get(from..).unwrap_or_default();
                let inside = intersection(spans, &sieve.rows);
                sieve.spans.truncate(from);
                sieve.spans.extend(inside);
            }
            match sieve.spans.len() == from {
                true => explain.blocks.dropped_by_filter += 1,
                false => sieve.add(open.place),
            }
        });
        explain.blocks.dropped_by_series += frame.blocks.len().saturating_sub(seen) as u64;
    }

    /// The same for a query of all series, begun at the slices: a block that has none costs nothing, not even
    /// a look at its runs. Among many blocks few have any, where a value is rare.
    fn add_sliced(&self, slices: &Slices, frame: &Frame, sieve: &mut Sieve, explain: &mut Explain) {
        let mut dropped = frame.blocks.len() as u64;
        let mut rows = std::mem::take(&mut sieve.rows);
        slices.for_each_block(frame.block_numbers(), &mut rows, |number, rows| {
            let Some(open) = frame.numbered(number) else {
                return;
            };
            let from = sieve.spans.len();
            self.append_sliced_runs(open, rows, &mut sieve.spans);
            if sieve.spans.len() > from {
                sieve.add(open.place);
                dropped -= 1;
            } else if !self.overlaps(open.block.min_key, open.block.max_key) {
                explain.blocks.dropped_by_key_range += 1;
                dropped -= 1;
            }
        });
        sieve.rows = rows;
        explain.blocks.dropped_by_filter += dropped;
    }

    /// Appends the runs of a block that are wanted by key, as far as they lie in `rows`, pairs of first and
    /// end row.
    fn append_sliced_runs(&self, open: &OpenBlock, rows: &[u32], spans: &mut Vec<u32>) {
        for pair in rows.chunks_exact(2) {
            let [start, end] = pair else { continue };
            let runs = &open.block.runs;
            let from = runs.partition_point(|run| run.end <= *start);
            let runs = runs.get(from..).unwrap_or_default();
            for run in runs.iter().take_while(|run| run.start < *end) {
                if self.overlaps(run.first_key, run.last_key) {
                    spans.extend([run.start.max(*start), run.end.min(*end)]);
                }
            }
        }
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
        let Some(wanted) = self.series() else {
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
        let Some(wanted) = self.series() else {
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

    /// The runs of a block that are wanted by series and key, pairs of first and end row; none, counted,
    /// where there are none.
    fn wanted_runs(&self, open: &OpenBlock, explain: &mut Explain) -> Option<Vec<u32>> {
        let mut spans = Vec::new();
        self.append_wanted_runs(open, &mut spans, explain)
            .then_some(spans)
    }

    /// Appends the same; false, counted, where there are none.
    fn append_wanted_runs(
        &self,
        open: &OpenBlock,
        spans: &mut Vec<u32>,
        explain: &mut Explain,
    ) -> bool {
        let block = &open.block;
        if !self.overlaps(block.min_key, block.max_key) {
            explain.blocks.dropped_by_key_range += 1;
            return false;
        }
        let from = spans.len();
        let mut any_series = false;
        self.for_each_run(block, |run| {
            any_series = true;
            if self.overlaps(run.first_key, run.last_key) {
                spans.extend([run.start, run.end]);
            }
        });
        match any_series {
            _ if spans.len() > from => return true,
            true => explain.blocks.dropped_by_key_range += 1,
            false => explain.blocks.dropped_by_series += 1,
        }
        false
    }

    /// Visits the runs of the wanted series, ascending.
    pub(crate) fn for_each_run(&self, block: &Block, mut visit: impl FnMut(&Run)) {
        let Some(wanted) = self.series() else {
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
        let allowed = self.manner.memory_bytes;
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
