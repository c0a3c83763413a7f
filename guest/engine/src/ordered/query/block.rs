//! Blocks that a query has come to: which of their rows are selected, and up to where.

use super::explain::Explain;
use super::plan::Plan;
use super::position::Position;
use crate::error::{Error, Result};
use crate::host::{ABSENT, Host, Selected, SelectedRows, Selection};
use crate::part::block::BlockPlace;
use crate::part::list::Rank;
use crate::part::reader::{Frame, OpenBlock};
use std::sync::Arc;

/// Bytes of one selected row: its number and its key.
pub(crate) const SELECTED_ROW_BYTES: usize = 12;

/// A block that a query has planned to open or has opened.
pub(crate) struct QueryBlock {
    /// Of the part; decides between equal keys of one series.
    pub(crate) rank: Rank,
    pub(crate) frame: Arc<Frame>,
    /// Where it is in the frame.
    pub(crate) block: BlockPlace,
    pub(crate) spans: Vec<u32>,
    pub(crate) all_match: bool,
    /// Selected rows in result order, and the next of them.
    rows: Vec<u32>,
    keys: Vec<i64>,
    at: usize,
    /// The block has more rows than were selected.
    more: bool,
    resume: Option<(i64, u32)>,
    near_run: usize,
    /// Pages of the projection, looked up when the first row is returned.
    pub(crate) projected: Option<Vec<u32>>,
    pub(crate) near_payload: usize,
    /// What cannot be read was taken out of the spans; only for partial results.
    pub(crate) is_checked: bool,
}

impl QueryBlock {
    pub(crate) fn new(
        rank: Rank,
        frame: Arc<Frame>,
        candidate: super::plan::Candidate,
        resume: Option<(i64, u32)>,
    ) -> Self {
        Self {
            rank,
            frame,
            block: candidate.block,
            spans: candidate.spans,
            all_match: candidate.all_match,
            rows: Vec::new(),
            keys: Vec::new(),
            at: 0,
            more: false,
            resume,
            near_run: 0,
            projected: None,
            near_payload: 0,
            is_checked: false,
        }
    }

    pub(crate) fn open_block(&self) -> Option<&OpenBlock> {
        self.frame.block(self.block)
    }

    /// Rows of the block, wanted or not.
    pub(crate) fn block_rows(&self) -> u32 {
        self.open_block().map_or(0, |open| open.block.rows)
    }

    /// Rows of the wanted runs.
    pub(crate) fn wanted_rows(&self) -> u64 {
        let spans = self.spans.chunks_exact(2).map(|span| match span {
            [start, end] => u64::from(end.saturating_sub(*start)),
            _ => 0,
        });
        spans.sum()
    }

    /// The next row: its key and number in the block.
    pub(crate) fn head(&self) -> Option<(i64, u32)> {
        Some((*self.keys.get(self.at)?, *self.rows.get(self.at)?))
    }

    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    /// The position of the next row, and its series.
    pub(crate) fn position(&mut self, descending: bool) -> Option<(Position, u64)> {
        let (key, row) = self.head()?;
        self.position_of(key, row, descending)
    }

    fn position_of(&mut self, key: i64, row: u32, descending: bool) -> Option<(Position, u64)> {
        let open = self.frame.block(self.block)?;
        let series = open.block.series_of(row, &mut self.near_run);
        let ordinal = open.block.ordinal(row);
        Some((
            Position::new(key, series, self.rank, ordinal, descending),
            series,
        ))
    }

    /// When the selected rows are used up and the block has more: the position behind them, at which it
    /// comes due again.
    pub(crate) fn resume_position(&mut self, descending: bool) -> Option<Position> {
        let (key, row) = if self.more { self.resume? } else { return None };
        self.position_of(key, row, descending)
            .map(|(position, _)| position)
    }

    /// Whether some of its rows were returned before.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.rows.len() * SELECTED_ROW_BYTES
    }

    /// Gives up the memory of selected rows that were all used.
    pub(crate) fn forget_selected(&mut self) {
        (self.rows, self.keys, self.at) = (Vec::new(), Vec::new(), 0);
    }

    fn take_selected(&mut self, found: &SelectedRows<'_>) {
        if let (Some(key), Some(row)) = (found.keys.last(), found.rows.last()) {
            self.resume = Some((*key, *row));
        }
        self.more = found.more && !found.rows.is_empty();
        self.rows = found.rows.to_vec();
        self.keys = found.keys.to_vec();
        self.at = 0;
    }
}

/// Selects the next rows of blocks, at most `cap` of each, in at most two calls: one for blocks that need
/// the filter, one for those that don't.
pub(crate) fn select_rows<H: Host>(
    host: &H,
    plan: &Plan<H>,
    blocks: &mut [&mut QueryBlock],
    cap: u32,
    explain: &mut Explain,
) -> Result<()> {
    for filtered in [false, true] {
        let mut group: Vec<&mut QueryBlock> = blocks
            .iter_mut()
            .map(|block| &mut **block)
            .filter(|block| (plan.filter.is_some() && !block.all_match) == filtered)
            .collect();
        if group.is_empty() {
            continue;
        }
        let selection = selection(plan, &group, filtered, cap)?;
        let filter = plan.predicate().filter(|_| filtered);
        let selected = host.select(
            filter.map(|predicate| predicate.compiled()),
            &selection.request(),
        )?;
        explain.calls.select += 1;
        distribute(&selected, &mut group, explain)?;
    }
    Ok(())
}

/// The request for a group of blocks.
pub(crate) fn selection<H: Host, B: std::ops::Deref<Target = QueryBlock>>(
    plan: &Plan<H>,
    blocks: &[B],
    filtered: bool,
    cap: u32,
) -> Result<Selection> {
    let slots = plan
        .predicate()
        .filter(|_| filtered)
        .map_or(0, |predicate| predicate.slots());
    let mut selection = Selection {
        slots,
        low: plan.low,
        high: plan.high,
        descending: plan.manner.descending,
        cap,
        ..Selection::default()
    };
    for block in blocks {
        let open = block
            .open_block()
            .ok_or_else(|| Error::corrupt("a block left its frame"))?;
        selection.key_pages.push(open.keys);
        selection.span_counts.push(block.spans.len() as u32 / 2);
        selection.spans.extend_from_slice(&block.spans);
        let (key, row) = block.resume.unwrap_or((0, ABSENT));
        selection.resume_keys.push(key);
        selection.resume_rows.push(row);
        if filtered {
            let pages = &mut selection.slot_pages;
            plan.append_slot_pages(block.rank, &block.frame, block.block, pages)?;
        }
    }
    Ok(selection)
}

fn distribute(
    selected: &Selected,
    group: &mut [&mut QueryBlock],
    explain: &mut Explain,
) -> Result<()> {
    let block_rows: Vec<u32> = group.iter().map(|block| block.block_rows()).collect();
    for (block, found) in group.iter_mut().zip(selected.per_block(block_rows)) {
        let found = found?;
        match block.resume.is_some() {
            true => explain.blocks.reopened += 1,
            false => {
                explain.blocks.opened += 1;
                explain.blocks.without_match += u64::from(found.rows.is_empty());
                explain.rows.considered += block.wanted_rows();
            }
        }
        explain.rows.selected += found.rows.len() as u64;
        block.take_selected(&found);
    }
    Ok(())
}
