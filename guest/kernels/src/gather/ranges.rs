//! Collecting rows into one column page by page: whole ranges, or a few rows of each.

use std::ops::Range;

use sidx_columns::{Column, ColumnType};

use crate::error::PageError;
use crate::gather::{EXPECTED_BYTES_MAX, Output};
use crate::page::Page;

/// A column under construction from rows of pages, one page after the other.
#[derive(Debug)]
pub struct RangeGather {
    output: Output,
    /// Rows that are expected in all.
    rows: usize,
}

impl RangeGather {
    /// No rows yet, of `rows` that are expected.
    #[must_use]
    pub fn new(kind: ColumnType, rows: usize) -> RangeGather {
        RangeGather {
            output: Output::new(kind, rows),
            rows,
        }
    }

    /// Appends rows of a page, or so many absent rows.
    ///
    /// # Errors
    /// When the page is of another type, the range is not within it, or the column would exceed its limits.
    pub fn push(&mut self, page: Option<&Page>, range: Range<u32>) -> Result<(), PageError> {
        let is_first = self.output.rows() == 0;
        match page {
            None => self.output.push_absent(range.len()),
            Some(page) => self.output.push_page_range(page, range.clone())?,
        }
        if is_first && !range.is_empty() {
            self.output.expect_rows(self.rows, usize::MAX);
        }
        Ok(())
    }

    /// Appends rows of a page, in the order given.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_rows(&mut self, page: &Page, rows: &[u32]) -> Result<(), PageError> {
        let is_first = self.output.rows() == 0;
        self.output.push_rows(page, rows)?;
        if is_first {
            self.output.expect_rows(self.rows, EXPECTED_BYTES_MAX);
        }
        Ok(())
    }

    /// Bytes of strings so far; other values are counted by their rows.
    #[must_use]
    pub fn string_bytes(&self) -> usize {
        self.output.bytes()
    }

    /// The column.
    #[must_use]
    pub fn finish(self) -> Column {
        self.output.finish()
    }
}

#[cfg(test)]
mod tests {
    use sidx_columns::{ColumnBuilder, OwnedValue, Value, ValueType};

    use super::*;
    use crate::page::encode;

    fn pages(kind: ColumnType, rows: usize, value: impl Fn(usize) -> Option<OwnedValue>) -> Page {
        let mut column = ColumnBuilder::new(kind);
        for row in 0..rows {
            match value(row) {
                Some(value) => column.push_value(&value).unwrap(),
                None => column.push_absent().unwrap(),
            }
        }
        Page::open(encode(&column.finish()).unwrap().page.into()).unwrap()
    }

    #[test]
    fn ranges_of_every_type_are_as_their_rows_one_by_one() {
        let texts = |row: usize| Some(OwnedValue::String(format!("value {}", row * row % 977)));
        let few = |row: usize| Some(OwnedValue::String(format!("few {}", row % 3)));
        let gaps = |row: usize| (!row.is_multiple_of(3)).then(|| OwnedValue::Int(row as i64 * 7));
        let ints = |row: usize| Some(OwnedValue::Int(row as i64 * 1_000_003 % 77_777));
        let (text, int) = (
            ColumnType::scalar(ValueType::String),
            ColumnType::scalar(ValueType::Int),
        );
        for (kind, page) in [
            (text, pages(text, 1_000, texts)),
            (text, pages(text, 1_000, few)),
            (int, pages(int, 1_000, gaps)),
            (int, pages(int, 1_000, ints)),
        ] {
            let mut gather = RangeGather::new(kind, 400);
            let ranges = [0..100, 5..5, 700..1_000];
            for range in ranges.clone() {
                gather.push(Some(&page), range).unwrap();
            }
            gather.push(None, 0..3).unwrap();
            let found = gather.finish();
            let rows = ranges.into_iter().flatten();
            let all = crate::gather(
                kind,
                crate::Source {
                    pages: &vec![Some(&page); 400],
                    rows: &rows.collect::<Vec<u32>>(),
                },
            )
            .unwrap();
            assert_eq!(found.rows(), 403);
            for row in 0..403 {
                let expected: Option<Value<'_>> = all.value(row);
                assert_eq!(found.value(row), expected, "{kind:?} {row}");
            }
            let mut gather = RangeGather::new(kind, 1);
            assert!(gather.push(Some(&page), 999..1_001).is_err());
            let backwards = std::ops::Range { start: 2, end: 1 };
            assert!(gather.push(Some(&page), backwards).is_err());
            let float = ColumnType::scalar(ValueType::Float);
            assert!(RangeGather::new(float, 1).push(Some(&page), 0..1).is_err());
        }
    }
}
