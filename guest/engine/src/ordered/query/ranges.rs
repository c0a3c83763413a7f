//! Rows that are returned by whole ranges of blocks: nothing is said of a single row.

use super::block::QueryBlock;
use super::plan::Plan;
use super::projection::Projection;
use crate::error::Result;
use crate::host::{ABSENT, Host, PageRanges, SeriesRuns};
use crate::part::block::Run;
use crate::part::reader::OpenBlock;
use sidx_columns::{ColumnType, ValueType};
use std::collections::VecDeque;

/// First row and end row.
pub(crate) type Range = (u32, u32);

/// The wanted rows of a block as ranges; none when a filter or the key bounds must be asked row by row.
pub(crate) fn whole_ranges<H: Host>(plan: &Plan<H>, block: &QueryBlock) -> Option<VecDeque<Range>> {
    if plan.filter.is_some() && !block.all_match {
        return None;
    }
    let runs = &block.open_block()?.block.runs;
    let is_wanted = |run: &Run| run.first_key >= plan.low && run.last_key <= plan.high;
    let mut ranges: VecDeque<Range> = VecDeque::new();
    // Spans lie inside of runs, and both ascend.
    let mut near = 0;
    for span in block.spans.chunks_exact(2) {
        let [start, end] = span else { continue };
        near += runs.get(near..)?.partition_point(|run| run.end <= *start);
        if !is_wanted(runs.get(near)?) {
            return None;
        }
        match ranges.back_mut() {
            Some((_, last)) if *last == *start => *last = *end,
            _ => ranges.push_back((*start, *end)),
        }
    }
    Some(ranges)
}

/// What a batch is made of.
pub(crate) struct RangeSources {
    pub(crate) keys: PageRanges,
    pub(crate) series: SeriesRuns,
    /// The columns that are wanted.
    pub(crate) sources: Vec<PageRanges>,
    rows: u32,
    has_payload: bool,
}

impl RangeSources {
    /// None yet.
    pub(crate) fn new(projection: &Projection) -> Self {
        let scalar = |value| {
            PageRanges::new(ColumnType {
                value,
                array: false,
            })
        };
        let mut sources = Vec::new();
        if projection.payload {
            sources.push(scalar(ValueType::Bytes));
        }
        let tags = projection.columns.iter();
        sources.extend(tags.map(|column| PageRanges::new(column.kind)));
        Self {
            keys: scalar(ValueType::Int),
            series: SeriesRuns::default(),
            sources,
            rows: 0,
            has_payload: projection.payload,
        }
    }

    /// Adds a range of a block whose pages were looked up.
    pub(crate) fn push(&mut self, block: &QueryBlock, (start, end): Range) {
        let Some(open) = block.open_block() else {
            return;
        };
        self.push_series(open, start, end);
        self.keys.push(open.keys, start, end);
        let mut sources = self.sources.iter_mut();
        if self.has_payload
            && let Some(payloads) = sources.next()
        {
            push_payloads(payloads, open, start, end);
        }
        let pages = block.projected.as_deref().unwrap_or_default().iter();
        let pages = pages.copied().chain(std::iter::repeat(ABSENT));
        for (source, page) in sources.zip(pages) {
            source.push(page, start, end);
        }
    }

    fn push_series(&mut self, open: &OpenBlock, start: u32, end: u32) {
        let runs = &open.block.runs;
        let first = runs.partition_point(|run| run.end <= start);
        let within = runs.iter().skip(first).take_while(|run| run.start < end);
        for run in within {
            self.rows += run.end.min(end) - run.start.max(start);
            if self.series.series.last() == Some(&run.series) {
                self.series.ends.pop();
            } else {
                self.series.series.push(run.series);
            }
            self.series.ends.push(self.rows);
        }
    }
}

fn push_payloads(payloads: &mut PageRanges, open: &OpenBlock, start: u32, end: u32) {
    let pieces = &open.block.payloads;
    let first = pieces.partition_point(|piece| piece.end <= start);
    let within = (open.payloads..).zip(pieces).skip(first);
    for (page, piece) in within.take_while(|(_, piece)| piece.start < end) {
        let (from, to) = (piece.start.max(start), piece.end.min(end));
        payloads.push(page, from - piece.start, to - piece.start);
    }
}

/// Finds the pages of the columns of blocks, then builds the sources of their ranges.
pub(crate) fn sources_of<H: Host>(
    plan: &Plan<H>,
    projection: &Projection,
    blocks: &mut [Option<QueryBlock>],
    ranges: &[(usize, Range)],
) -> Result<RangeSources> {
    let mut sources = RangeSources::new(projection);
    for (slot, range) in ranges {
        if let Some(block) = blocks.get_mut(*slot).and_then(Option::as_mut) {
            projection.look_up(&plan.live, Some(block))?;
            sources.push(block, *range);
        }
    }
    Ok(sources)
}
