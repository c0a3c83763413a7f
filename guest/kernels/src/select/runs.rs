//! The candidates of a selection in sorted runs, read a few at a time.

use std::ops::Range;

use crate::select::{Candidates, Order, push_marked};

/// Rows of several ranges in the order asked for, with their keys.
///
/// Of a run that is a whole range of rows only the next few keys are decoded, as most runs of many
/// contribute a few rows. Rows that a filter marked are looked up all at once.
pub(crate) struct Runs<'a> {
    candidates: &'a Candidates<'a>,
    order: Order,
    pub(crate) runs: Vec<Run>,
    keys: Vec<i64>,
    /// Marked rows, in step with the keys; empty without a filter.
    rows: Vec<u32>,
    /// Keys kept of each run without a filter.
    room: usize,
    scratch: Vec<i64>,
}

/// Where a run stands.
pub(crate) struct Run {
    /// Rows whose keys are not decoded yet.
    left: Range<usize>,
    /// Place of the first key, or of the first marked row.
    first: usize,
    next: usize,
    end: usize,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(
        candidates: &'a Candidates<'a>,
        ranges: Vec<Range<usize>>,
        cap: usize,
        order: Order,
    ) -> Runs<'a> {
        /// Keys decoded at a time at least: what finding the place costs is shared by them.
        const FEWEST: usize = 16;
        /// At most, so that memory is bounded by the number of runs.
        const MOST: usize = 128;
        let room = (2 * cap / ranges.len().max(1)).clamp(FEWEST, MOST);
        let mut runs = Runs {
            candidates,
            order,
            runs: Vec::with_capacity(ranges.len()),
            keys: Vec::new(),
            rows: Vec::new(),
            room,
            scratch: Vec::new(),
        };
        match candidates.marks {
            None => {
                for left in ranges {
                    let first = runs.keys.len();
                    runs.keys.resize(first + room.min(left.len()), 0);
                    runs.runs.push(Run {
                        left,
                        first,
                        next: first,
                        end: first,
                    });
                }
            }
            Some(marks) => {
                for range in ranges {
                    let first = runs.rows.len();
                    push_marked(marks, range, cap, order, &mut runs.rows);
                    runs.runs.push(Run {
                        left: 0..0,
                        first,
                        next: first,
                        end: runs.rows.len(),
                    });
                }
                candidates.stored.gather(&runs.rows, &mut runs.keys);
            }
        }
        runs
    }

    /// The next key of a run.
    #[inline]
    pub(crate) fn next(&mut self, run: usize) -> Option<i64> {
        let state = self.runs.get_mut(run)?;
        if state.next == state.end {
            if state.left.is_empty() {
                return None;
            }
            self.refill(run);
        }
        let state = self.runs.get_mut(run)?;
        let key = self.keys.get(state.next).copied();
        state.next += 1;
        key
    }

    #[cold]
    fn refill(&mut self, run: usize) {
        let Some(state) = self.runs.get_mut(run) else {
            return;
        };
        let count = self.room.min(state.left.len());
        let range = match self.order {
            Order::Ascending => state.left.start..state.left.start + count,
            Order::Descending => state.left.end - count..state.left.end,
        };
        match self.order {
            Order::Ascending => state.left.start = range.end,
            Order::Descending => state.left.end = range.start,
        }
        self.scratch.clear();
        let stored = self.candidates.stored;
        stored.decode(range.start, range.end, &mut self.scratch);
        if self.order == Order::Descending {
            self.scratch.reverse();
        }
        let slot = self.keys.get_mut(state.first..).unwrap_or_default();
        slot.iter_mut()
            .zip(&self.scratch)
            .for_each(|(to, from)| *to = *from);
        (state.next, state.end) = (state.first, state.first + count);
    }

    /// Appends the rows of the keys taken, given the run of each in the order they were taken.
    pub(crate) fn push_rows(&self, taken: impl Iterator<Item = usize>, rows: &mut Vec<u32>) {
        // Rows of a run follow each other, so the count of those before tells which it was.
        let ranges = match self.order {
            Order::Ascending => self.candidates.ranges.iter().collect::<Vec<_>>(),
            Order::Descending => self.candidates.ranges.iter().rev().collect(),
        };
        let mut counts = vec![0; ranges.len()];
        rows.extend(taken.filter_map(|run| {
            let count: &mut usize = counts.get_mut(run)?;
            let before = *count;
            *count += 1;
            if self.candidates.marks.is_some() {
                return self.rows.get(self.runs.get(run)?.first + before).copied();
            }
            let range = ranges.get(run)?;
            Some(match self.order {
                Order::Ascending => (range.start + before) as u32,
                Order::Descending => (range.end - 1 - before) as u32,
            })
        }));
    }
}
