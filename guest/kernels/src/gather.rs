//! Collecting rows of several pages into one column.

use sidx_columns::{Bitmap, Column, ColumnError, ColumnType, MAX_ELEMENTS, ValueType, Values};

use crate::error::PageError;
use crate::integer::ABSENT;
use crate::offsets::Offsets;
use crate::page::{Page, Stored};
use crate::stop::Stop;

mod interleave;
mod ranges;
mod source;

pub use ranges::RangeGather;
pub use source::Source;

/// Collects rows into a column. Runs of rows from one page are decoded together; consecutive
/// rows of a page without absent rows are copied as one range.
///
/// # Errors
/// When the slices differ in length, a page is of another type, a row is beyond its page, or the
/// column would exceed its limits.
pub fn gather(kind: ColumnType, source: Source<'_>) -> Result<Column, PageError> {
    gather_until(kind, source, &Stop::never())
}

/// As [`gather`], and may be stopped between stretches of rows of one page.
///
/// # Errors
/// As [`gather`], and [`PageError::Stopped`].
pub fn gather_until(
    kind: ColumnType,
    source: Source<'_>,
    stop: &Stop<'_>,
) -> Result<Column, PageError> {
    if source.pages.len() == source.rows.len()
        && let Some(values) = interleave::values(kind, source, stop)?
    {
        stop.check()?;
        let rows = source.rows.len();
        return Ok(Column::from_checked(kind, rows, None, None, values));
    }
    let mut output = Output::new(kind, source.rows.len());
    let mut bytes = 0;
    for segment in source.segments()? {
        let before = std::mem::replace(&mut bytes, output.bytes());
        // A row counts as much as looking it up takes, also where its value is short or absent.
        if stop.after(bytes - before + segment.rows.len() * ROW_BYTES) {
            return Err(PageError::Stopped);
        }
        match segment.page {
            None => output.push_absent(segment.rows.len()),
            Some(page) => output.push_rows(page, segment.rows)?,
        }
        if bytes == 0 {
            output.expect_rows(source.rows.len(), EXPECTED_BYTES_MAX);
        }
    }
    Ok(output.finish())
}

/// Byte length of each row's value, 0 for absent rows. For scalar strings and bytes.
///
/// # Errors
/// When the slices differ in length, a page is of another type, or a row is beyond its page.
pub fn lengths(source: Source<'_>) -> Result<Vec<u32>, PageError> {
    let mut lengths = Vec::with_capacity(source.rows.len());
    for segment in source.segments()? {
        let Some(page) = segment.page else {
            lengths.resize(lengths.len() + segment.rows.len(), 0);
            continue;
        };
        let Stored::Bytes(strings) = page.stored() else {
            return Err(type_error(ColumnType::scalar(ValueType::Bytes), page));
        };
        if page.kind().array {
            return Err(type_error(ColumnType::scalar(page.kind().value), page));
        }
        for row in segment.rows {
            check_row(page, *row)?;
            let position = page.presence().position(*row as usize);
            let value = position.and_then(|position| strings.get(position));
            lengths.push(value.map_or(0, |value| value.len() as u32));
        }
    }
    Ok(lengths)
}

/// Most bytes for which room is made on a guess from a few rows.
pub(crate) const EXPECTED_BYTES_MAX: usize = 1 << 20;

/// What finding one row is worth in bytes of work.
const ROW_BYTES: usize = 16;

/// The column under construction.
#[derive(Debug)]
pub(crate) struct Output {
    kind: ColumnType,
    rows: usize,
    /// Made when the first absent row comes.
    presence: Option<Bitmap>,
    ends: Option<Vec<u32>>,
    values: Values,
    /// Positions of the current segment's values; kept to reuse its memory.
    positions: Vec<u32>,
}

impl Output {
    pub(crate) fn new(kind: ColumnType, rows: usize) -> Output {
        Output {
            kind,
            rows: 0,
            presence: None,
            ends: kind.array.then(|| Vec::with_capacity(rows)),
            values: Values::with_capacity(kind.value, rows),
            positions: Vec::new(),
        }
    }

    pub(crate) fn finish(self) -> Column {
        Column::from_checked(self.kind, self.rows, self.presence, self.ends, self.values)
    }

    /// Bytes of strings so far; other values are counted by their rows.
    pub(crate) fn bytes(&self) -> usize {
        match &self.values {
            Values::Bytes(strings) => strings.total_bytes(),
            _ => 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Makes room for so many bytes of strings.
    fn reserve_bytes(&mut self, bytes: usize) {
        if let Values::Bytes(strings) = &mut self.values {
            strings.reserve(0, bytes);
        }
    }

    /// Makes room for strings of so many rows in all, if they are about as long as those so far, but for no
    /// more than so many bytes.
    pub(crate) fn expect_rows(&mut self, rows: usize, most_bytes: usize) {
        let known = self.rows.max(1);
        let more = (self.bytes() / known).saturating_mul(rows.saturating_sub(known));
        self.reserve_bytes(more.saturating_add(more / 8).min(most_bytes));
    }

    pub(crate) fn push_absent(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.presence_so_far().extend_with(false, count);
        let elements = self.values.len() as u32;
        match &mut self.ends {
            Some(ends) => ends.resize(ends.len() + count, elements),
            None => (0..count).for_each(|_| self.values.push_default()),
        }
        self.rows += count;
    }

    fn presence_so_far(&mut self) -> &mut Bitmap {
        let rows = self.rows;
        self.presence.get_or_insert_with(|| Bitmap::ones(rows))
    }

    /// Appends the rows of a range of a page.
    pub(crate) fn push_page_range(
        &mut self,
        page: &Page,
        range: std::ops::Range<u32>,
    ) -> Result<(), PageError> {
        if page.kind() != self.kind {
            return Err(type_error(self.kind, page));
        }
        if range.start > range.end || range.end > page.rows() {
            return Err(PageError::Row {
                row: range.end.into(),
                rows: page.rows().into(),
            });
        }
        if range.is_empty() {
            return Ok(());
        }
        if page.presence().bitmap().is_some() {
            return self.push_rows(page, &range.collect::<Vec<u32>>());
        }
        if let Some(presence) = &mut self.presence {
            presence.extend_with(true, range.len());
        }
        self.push_range(page, range.start as usize..range.end as usize)?;
        self.rows += range.len();
        Ok(())
    }

    pub(crate) fn push_rows(&mut self, page: &Page, rows: &[u32]) -> Result<(), PageError> {
        if page.kind() != self.kind {
            return Err(type_error(self.kind, page));
        }
        for row in rows {
            check_row(page, *row)?;
        }
        match page.presence().bitmap() {
            None => {
                if let Some(presence) = &mut self.presence {
                    presence.extend_with(true, rows.len());
                }
                if let Some(range) = as_range(rows) {
                    self.push_range(page, range)?;
                } else {
                    self.push_positions(page, rows)?;
                }
            }
            Some(present) => {
                let presence = self.presence_so_far();
                rows.iter()
                    .for_each(|row| presence.push(present.get(*row as usize)));
                let mut positions = std::mem::take(&mut self.positions);
                positions.clear();
                positions.extend(rows.iter().map(|row| {
                    page.presence()
                        .position(*row as usize)
                        .map_or(ABSENT, |at| at as u32)
                }));
                let result = self.push_positions(page, &positions);
                self.positions = positions;
                result?;
            }
        }
        self.rows += rows.len();
        Ok(())
    }

    /// Appends values of consecutive positions, all present.
    fn push_range(&mut self, page: &Page, range: std::ops::Range<usize>) -> Result<(), PageError> {
        let (Some(lists), Some(ends)) = (page.lists(), &mut self.ends) else {
            return append(&mut self.values, page.stored(), range);
        };
        let cover = lists.cover(range.start, range.end);
        let base = self.values.len();
        check_elements(base + cover.len())?;
        lists.for_each_end(range.start, range.end, |end| {
            ends.push((base + end as usize - cover.start) as u32);
        });
        append(&mut self.values, page.stored(), cover)
    }

    /// Appends the values at positions, in their order.
    fn push_positions(&mut self, page: &Page, positions: &[u32]) -> Result<(), PageError> {
        let Some(lists) = page.lists() else {
            match (&mut self.values, page.stored()) {
                (Values::Int(out), Stored::Int(from)) => from.gather(positions, out),
                (Values::Float(out), Stored::Float(from)) => from.gather(positions, out),
                (Values::Bool(out), Stored::Bool(from)) => {
                    out.extend(positions.iter().map(|at| from.get(*at as usize)));
                }
                (Values::Bytes(out), Stored::Bytes(from)) => from.gather(positions, out)?,
                _ => return Err(type_error(self.kind, page)),
            }
            return Ok(());
        };
        self.push_lists(page, lists, positions)
    }

    fn push_lists(
        &mut self,
        page: &Page,
        lists: &Offsets,
        positions: &[u32],
    ) -> Result<(), PageError> {
        for at in positions {
            if *at != ABSENT {
                let range = lists.range(*at as usize);
                check_elements(self.values.len() + range.len())?;
                append(&mut self.values, page.stored(), range)?;
            }
            let end = self.values.len() as u32;
            if let Some(ends) = &mut self.ends {
                ends.push(end);
            }
        }
        Ok(())
    }
}

/// Appends the stored values of a range.
fn append(
    values: &mut Values,
    stored: &Stored,
    range: std::ops::Range<usize>,
) -> Result<(), PageError> {
    match (values, stored) {
        (Values::Int(out), Stored::Int(from)) => from.decode(range.start, range.end, out),
        (Values::Float(out), Stored::Float(from)) => from.decode(range, out),
        (Values::Bool(out), Stored::Bool(from)) => out.extend(range.map(|at| from.get(at))),
        (Values::Bytes(out), Stored::Bytes(from)) => from.decode(range, out)?,
        _ => {
            return Err(PageError::Rule {
                what: "value store of another type",
                position: 0,
            });
        }
    }
    Ok(())
}

/// The rows as a range when each follows the one before.
fn as_range(rows: &[u32]) -> Option<std::ops::Range<usize>> {
    let (first, last) = (*rows.first()?, *rows.last()?);
    // The cheap look decides most cases before the pass over all rows.
    if last.checked_sub(first)? as usize != rows.len() - 1 {
        return None;
    }
    let consecutive = rows
        .iter()
        .zip(first..)
        .all(|(row, expected)| *row == expected);
    consecutive.then_some(first as usize..last as usize + 1)
}

fn check_row(page: &Page, row: u32) -> Result<(), PageError> {
    if row < page.rows() {
        return Ok(());
    }
    Err(PageError::Row {
        row: row.into(),
        rows: page.rows().into(),
    })
}

fn check_elements(count: usize) -> Result<(), PageError> {
    if count <= MAX_ELEMENTS {
        return Ok(());
    }
    Err(PageError::Column(ColumnError::TooLarge {
        what: "array elements",
        found: count as u64,
        limit: MAX_ELEMENTS as u64,
    }))
}

fn type_error(expected: ColumnType, page: &Page) -> PageError {
    PageError::Type {
        expected,
        found: page.kind(),
    }
}
