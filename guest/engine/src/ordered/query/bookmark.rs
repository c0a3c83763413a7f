//! Going on behind rows that were returned already.
//!
//! The first rows of a query came from the host, which merged them in the order of key, series, age of the
//! part and row. All that is known of them afterwards is where the last one lies. Every other row was
//! returned exactly if it comes before that one, and of most blocks their runs tell: all their keys come
//! later, or all earlier. In a block with rows of the very key of the last row, series and age decide for
//! each run as a whole, except for the run of the last row itself, in which its row number does.

use super::plan::{Candidate, Plan};
use super::position::Position;
use crate::host::Host;
use crate::part::block::Ordinal;
use crate::part::list::Rank;
use crate::part::reader::OpenBlock;

/// The last row that was returned, and where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bookmark {
    pub(crate) key: i64,
    pub(crate) series: u64,
    pub(crate) rank: Rank,
    /// The first row of its block.
    pub(crate) first_row: Ordinal,
    /// Row in the block.
    pub(crate) row: u32,
}

/// What is left of a block.
pub(crate) enum Left {
    /// All of it: it was not opened yet.
    Whole(Candidate),
    /// What comes strictly after this key and row, if these are given.
    Rest(Candidate, Option<(i64, u32)>),
    Nothing,
}

impl Bookmark {
    fn position(&self, descending: bool) -> Position {
        let ordinal = self.first_row.plus(u64::from(self.row));
        Position::new(self.key, self.series, self.rank, ordinal, descending)
    }

    /// What is left of a candidate.
    pub(crate) fn left<H: Host>(
        &self,
        plan: &Plan<H>,
        rank: Rank,
        open: &OpenBlock,
        mut candidate: Candidate,
    ) -> Left {
        let descending = plan.manner.descending;
        if candidate.bound > self.position(descending) {
            return Left::Whole(candidate);
        }
        let runs = &open.block.runs;
        let place = |series: u64| (series, rank, open.block.first_row);
        let here = (self.series, self.rank, self.first_row);
        // Rows with the last key: those of runs that come before its own were returned.
        let is_returned = |series: u64| match descending {
            true => place(series) > here,
            false => place(series) < here,
        };
        let mut spans = Vec::with_capacity(candidate.spans.len());
        for span in candidate.spans.chunks_exact(2) {
            let [start, end] = span else { continue };
            let run = runs.get(runs.partition_point(|run| run.end <= *start));
            let is_left = run.is_some_and(|run| {
                let (beyond, at) = match descending {
                    true => (run.first_key < self.key, run.first_key == self.key),
                    false => (run.last_key > self.key, run.last_key == self.key),
                };
                beyond || (at && !is_returned(run.series))
            });
            if is_left {
                spans.extend([*start, *end]);
            }
        }
        if spans.is_empty() {
            return Left::Nothing;
        }
        candidate.spans = spans;
        candidate.bound = Position::first_of_key(self.key, descending);
        let own = runs.iter().any(|run| place(run.series) == here);
        if own {
            return Left::Rest(candidate, Some((self.key, self.row)));
        }
        let resume = match descending {
            // Runs ascend by series: those that were returned are the last of the block.
            true => {
                let first = runs.iter().find(|run| is_returned(run.series));
                Some((self.key, first.map_or(open.block.rows, |run| run.start)))
            }
            false => {
                let last = runs.iter().rev().find(|run| is_returned(run.series));
                match last {
                    Some(run) => Some((self.key, run.end.saturating_sub(1))),
                    // None was: its rows of the key are wanted, those of smaller keys were returned. No block
                    // has so many rows as this number, and the one above it would mean the block's start. No
                    // key is smaller than the least, so then the block begins at its start.
                    None => self.key.checked_sub(1).map(|key| (key, u32::MAX - 1)),
                }
            }
        };
        Left::Rest(candidate, resume)
    }
}
