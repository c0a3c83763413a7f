//! Picking rows of one block by key, filter and order.

use std::ops::Range;

use sidx_columns::{Bitmap, ColumnType, ValueType};

use crate::bitmap;
use crate::error::PageError;
use crate::integer::Integers;
use crate::page::{Page, Stored};
use crate::program::Program;
use crate::stop::Stop;

mod keys;
mod merge;
mod order;
mod runs;
#[cfg(test)]
mod tests;

pub use keys::{Keys, matches_until};
pub use order::Order;
use runs::Runs;

/// Rows of one run: `start..end`. Keys ascend within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First row.
    pub start: u32,
    /// Row behind the last.
    pub end: u32,
}

/// Where a selection continues: strictly after this key and row, in the order of the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Key of the last row seen.
    pub key: i64,
    /// The last row seen.
    pub row: u32,
}

/// What to select from one block.
#[derive(Debug, Clone, Copy)]
pub struct SelectRequest<'a> {
    /// Keys of the block: integers or timestamps, no row absent.
    pub keys: &'a Page,
    /// Pages of the program's slots.
    pub slots: &'a [Option<&'a Page>],
    /// Filter; `None` lets every row pass.
    pub program: Option<&'a Program>,
    /// Runs to look at, ascending and disjoint.
    pub spans: &'a [Span],
    /// Smallest key wanted.
    pub low: i64,
    /// Largest key wanted.
    pub high: i64,
    /// Order of the result.
    pub order: Order,
    /// Where to continue.
    pub resume: Option<Resume>,
    /// Most rows returned.
    pub cap: u32,
}

/// Appends at most `cap` matching rows and their keys, in the order asked for; the result tells
/// whether more match. Keys out of order in a span (corrupt data) make the selection arbitrary,
/// nothing worse.
///
/// Cost: two bisections per span, then at most `cap` keys of each are read, and `cap` rows merged
/// with one comparison for each doubling of the spans. With a filter: the filter over the rows
/// within the key bounds first.
///
/// # Errors
/// When the key page is not of integers or lacks rows, spans overlap or reach beyond the page,
/// or a page of the filter has another number of rows.
pub fn select(
    request: &SelectRequest<'_>,
    rows: &mut Vec<u32>,
    keys: &mut Vec<i64>,
) -> Result<bool, PageError> {
    select_until(request, &Stop::never(), rows, keys)
}

/// As [`select`], and may be stopped while the filter looks at values.
///
/// # Errors
/// As [`select`], and [`PageError::Stopped`].
pub fn select_until(
    request: &SelectRequest<'_>,
    stop: &Stop<'_>,
    rows: &mut Vec<u32>,
    keys: &mut Vec<i64>,
) -> Result<bool, PageError> {
    let stored = key_values(request.keys)?;
    let ranges = narrow(request, stored, request.resume)?;
    let marks = match request.program {
        Some(program) if !ranges.is_empty() => Some(evaluate(request, program, &ranges, stop)?),
        _ => None,
    };
    let candidates = Candidates {
        stored,
        ranges: &ranges,
        marks: marks.as_ref(),
    };
    let total = candidates.total();
    let cap = request.cap as usize;
    if let [only] = ranges.as_slice() {
        candidates.take_one(only.clone(), cap, request.order, rows, keys);
    } else {
        candidates.take_merged(cap, request.order, rows, keys);
    }
    Ok(total > cap)
}

/// Number of rows that match, whatever the cap, order and resume of the request.
///
/// # Errors
/// As [`select`].
pub fn count(request: &SelectRequest<'_>) -> Result<u64, PageError> {
    count_until(request, &Stop::never())
}

/// As [`count`], and may be stopped while the filter looks at values.
///
/// # Errors
/// As [`count`], and [`PageError::Stopped`].
pub fn count_until(request: &SelectRequest<'_>, stop: &Stop<'_>) -> Result<u64, PageError> {
    let stored = key_values(request.keys)?;
    let ranges = narrow(request, stored, None)?;
    match request.program {
        Some(program) if !ranges.is_empty() => {
            Ok(bitmap::count(&evaluate(request, program, &ranges, stop)?) as u64)
        }
        _ => Ok(ranges.iter().map(|range| range.len() as u64).sum()),
    }
}

pub(crate) fn key_values(page: &Page) -> Result<&Integers, PageError> {
    match page.stored() {
        Stored::Int(integers) if !page.kind().array => {
            if page.present() == page.rows() {
                return Ok(integers);
            }
            let (expected, found) = (page.rows().into(), page.present().into());
            Err(PageError::Request {
                what: "present rows of the key page",
                expected,
                found,
            })
        }
        _ => {
            let expected = ColumnType::scalar(ValueType::Int);
            Err(PageError::Type {
                expected,
                found: page.kind(),
            })
        }
    }
}

/// The rows of each span within the key bounds and behind the resume position; none is empty.
fn narrow(
    request: &SelectRequest<'_>,
    stored: &Integers,
    resume: Option<Resume>,
) -> Result<Vec<Range<usize>>, PageError> {
    let rows = request.keys.rows();
    let mut ranges = Vec::with_capacity(request.spans.len());
    let mut behind = 0;
    for span in request.spans {
        if span.end > rows || span.start > span.end {
            return Err(PageError::Row {
                row: span.end.into(),
                rows: rows.into(),
            });
        }
        if span.start < behind {
            let (expected, found) = (behind.into(), span.start.into());
            return Err(PageError::Request {
                what: "start of a span",
                expected,
                found,
            });
        }
        behind = span.end;
        if request.low > request.high {
            continue;
        }
        let (mut start, mut end) = (span.start as usize, span.end as usize);
        if request.low > i64::MIN {
            start = stored.lower_bound(start, end, request.low);
        }
        if request.high < i64::MAX {
            end = stored.upper_bound(start, end, request.high);
        }
        if let Some(resume) = resume {
            // Rows with the resume key are split by row, which ascends with the position.
            let first = stored.lower_bound(start, end, resume.key);
            let last = stored.upper_bound(first, end, resume.key);
            let row = resume.row as usize;
            match request.order {
                Order::Ascending => start = (row + 1).clamp(first, last.max(first)),
                Order::Descending => end = row.clamp(first, last.max(first)),
            }
        }
        if start < end {
            ranges.push(start..end);
        }
    }
    Ok(ranges)
}

fn evaluate(
    request: &SelectRequest<'_>,
    program: &Program,
    ranges: &[Range<usize>],
    stop: &Stop<'_>,
) -> Result<Bitmap, PageError> {
    let rows = request.keys.rows();
    let mut within = Bitmap::zeros(rows as usize);
    ranges
        .iter()
        .for_each(|range| within.set_range(range.clone()));
    program.evaluate_until(request.slots, rows, Some(&within), stop)
}

/// Rows left after the bounds and the filter.
pub(crate) struct Candidates<'a> {
    pub(crate) stored: &'a Integers,
    pub(crate) ranges: &'a [Range<usize>],
    /// The rows that passed the filter, all of them inside the ranges.
    pub(crate) marks: Option<&'a Bitmap>,
}

impl Candidates<'_> {
    fn total(&self) -> usize {
        match self.marks {
            Some(marks) => bitmap::count(marks),
            None => self.ranges.iter().map(ExactSizeIterator::len).sum(),
        }
    }

    /// The first `cap` rows of the only range.
    fn take_one(
        &self,
        range: Range<usize>,
        cap: usize,
        order: Order,
        rows: &mut Vec<u32>,
        keys: &mut Vec<i64>,
    ) {
        let (first_row, first_key) = (rows.len(), keys.len());
        match (self.marks, order) {
            (None, Order::Ascending) => {
                let end = range.start + cap.min(range.len());
                rows.extend(range.start as u32..end as u32);
                self.stored.decode(range.start, end, keys);
            }
            (None, Order::Descending) => {
                let start = range.end - cap.min(range.len());
                rows.extend((start as u32..range.end as u32).rev());
                self.stored.decode(start, range.end, keys);
                keys.get_mut(first_key..).unwrap_or_default().reverse();
            }
            (Some(marks), order) => {
                push_marked(marks, range, cap, order, rows);
                self.stored
                    .gather(rows.get(first_row..).unwrap_or_default(), keys);
            }
        }
    }

    /// Merges the ranges, which ascend by key each.
    fn take_merged(&self, cap: usize, order: Order, rows: &mut Vec<u32>, keys: &mut Vec<i64>) {
        // Equal keys come by row, so descending by the last range first.
        let ranges: Vec<Range<usize>> = match order {
            Order::Ascending => self.ranges.to_vec(),
            Order::Descending => self.ranges.iter().rev().cloned().collect(),
        };
        let mut runs = Runs::new(self, ranges, cap, order);
        // As numbers without a sign, which are merged in one comparison with their run.
        let rank = |key: i64| order.directed(key).cast_unsigned() ^ i64::MIN.cast_unsigned();
        let key = |rank: u64| order.directed((rank ^ i64::MIN.cast_unsigned()).cast_signed());
        let count = runs.runs.len();
        let mut taken = Vec::with_capacity(cap.min(self.total()));
        let next = |run| runs.next(run).map(rank);
        merge::merge(count, cap, next, |run, rank| taken.push((run as u32, rank)));
        runs.push_rows(taken.iter().map(|(run, _)| *run as usize), rows);
        keys.extend(taken.iter().map(|(_, rank)| key(*rank)));
    }
}

/// Appends the first `cap` marked rows of a range in an order.
pub(crate) fn push_marked(
    marks: &Bitmap,
    range: Range<usize>,
    cap: usize,
    order: Order,
    rows: &mut Vec<u32>,
) {
    match order {
        Order::Ascending => bitmap::push_rows(marks, range, cap, rows),
        Order::Descending => {
            let last = marks.iter_range(range).rev().take(cap);
            rows.extend(last.map(|row| row as u32));
        }
    }
}
