//! A column in memory: one typed value, or none, per row.

use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::error::ColumnError;
use crate::types::{ColumnType, ValueType};
use crate::values::Values;

mod builder;
mod rows;
mod value;

pub use builder::ColumnBuilder;
pub use value::{ArrayView, OwnedValue, Value};

/// Most rows a column may have when it is encoded: 2^24.
pub const MAX_ROWS: usize = 1 << 24;

/// Most array elements a column may have when it is encoded: 2^26.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// Bytes a column takes besides its values, for budgets.
const OVERHEAD_BYTES: usize = 128;

/// Values of one type for a number of rows, some of which may be absent.
///
/// Scalars keep one slot per row, also for absent rows, whose slot has no meaning. Arrays keep
/// the elements of all rows side by side and the end of each row's elements; an absent row has
/// no elements, yet differs from a present empty array.
#[derive(Debug, Clone)]
pub struct Column {
    kind: ColumnType,
    rows: usize,
    /// `None` when every row is present.
    presence: Option<Bitmap>,
    /// `Some` exactly for arrays, one end per row.
    ends: Option<Vec<u32>>,
    values: Values,
}

impl Column {
    /// Builds a column from its pieces. Without `presence` every row is present; `ends` is given
    /// for arrays only. Cost: one pass over ends and strings.
    ///
    /// # Errors
    /// When lengths disagree, ends go backwards, an absent row of an array column has elements,
    /// the store is not of the type's form, or a string is not UTF-8 (absent slots included).
    pub fn new(
        kind: ColumnType,
        rows: usize,
        presence: Option<Bitmap>,
        ends: Option<Vec<u32>>,
        values: Values,
    ) -> Result<Column, ColumnError> {
        if !values.fits(kind.value) {
            return Err(ColumnError::Store {
                kind,
                found: values.name(),
            });
        }
        if let Some(presence) = &presence {
            check_length("presence bits", rows, presence.len())?;
        }
        match (&ends, kind.array) {
            (Some(ends), true) => check_ends(ends, rows, presence.as_ref(), values.len())?,
            (None, false) => check_length("value slots", rows, values.len())?,
            (Some(ends), false) => check_length("array ends of a scalar", 0, ends.len().max(1))?,
            (None, true) => check_length("array ends", rows.max(1), 0)?,
        }
        if kind.value == ValueType::String
            && let Values::Bytes(strings) = &values
            && let Some(row) = strings.find_invalid_utf8()
        {
            return Err(ColumnError::Utf8 { row });
        }
        Ok(Column::from_checked(kind, rows, presence, ends, values))
    }

    /// Builds a column from pieces that are known to keep the rules of [`Column::new`], because the
    /// caller made or checked them; nothing is looked at. What breaks a rule all the same gives a column
    /// with other values than meant, or with none, and no error.
    #[must_use]
    #[inline]
    pub fn from_checked(
        kind: ColumnType,
        rows: usize,
        presence: Option<Bitmap>,
        ends: Option<Vec<u32>>,
        values: Values,
    ) -> Column {
        // "All present" has one form, so that consumers can take the fast path by a look.
        let presence = presence.filter(|presence| !presence.all());
        Column {
            kind,
            rows,
            presence,
            ends,
            values,
        }
    }

    /// A column whose rows are all absent.
    #[must_use]
    pub fn absent(kind: ColumnType, rows: usize) -> Column {
        let mut values = Values::with_capacity(kind.value, 0);
        if !kind.array {
            (0..rows).for_each(|_| values.push_default());
        }
        let ends = kind.array.then(|| vec![0; rows]);
        Column::from_checked(kind, rows, Some(Bitmap::zeros(rows)), ends, values)
    }

    /// Type of the column.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Number of rows.
    #[must_use]
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows that are present; `None` when all are.
    #[must_use]
    #[inline]
    pub fn presence(&self) -> Option<&Bitmap> {
        self.presence.as_ref()
    }

    /// Whether a row has a value.
    #[must_use]
    #[inline]
    pub fn is_present(&self, row: usize) -> bool {
        row < self.rows
            && self
                .presence
                .as_ref()
                .is_none_or(|presence| presence.get(row))
    }

    /// Number of rows that have a value.
    #[must_use]
    pub fn present_count(&self) -> usize {
        self.presence.as_ref().map_or(self.rows, Bitmap::count)
    }

    /// The store of slots or elements.
    #[must_use]
    #[inline]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The values alone.
    #[must_use]
    pub fn into_values(self) -> Values {
        self.values
    }

    /// End of each row's elements; `None` for scalars.
    #[must_use]
    #[inline]
    pub fn ends(&self) -> Option<&[u32]> {
        self.ends.as_deref()
    }

    /// Positions in [`Column::values`] that belong to a row: one slot for scalars, the elements
    /// for arrays, nothing beyond the last row.
    #[must_use]
    #[inline]
    pub fn element_range(&self, row: usize) -> Range<usize> {
        let Some(ends) = &self.ends else {
            return if row < self.rows { row..row + 1 } else { 0..0 };
        };
        let Some(end) = ends.get(row) else {
            return 0..0;
        };
        let start = row
            .checked_sub(1)
            .and_then(|before| ends.get(before))
            .map_or(0, |at| *at);
        start as usize..*end as usize
    }

    /// The value of a row; `None` when it is absent or beyond the last row. Strings are checked
    /// again here, at a few nanoseconds each.
    #[must_use]
    #[inline]
    pub fn value(&self, row: usize) -> Option<Value<'_>> {
        if !self.is_present(row) {
            return None;
        }
        if self.kind.array {
            return Some(Value::Array(ArrayView::new(self, self.element_range(row))));
        }
        self.element(row)
    }

    /// The value at a position of the store.
    #[inline]
    pub(crate) fn element(&self, at: usize) -> Option<Value<'_>> {
        match &self.values {
            Values::Int(values) if self.kind.value == ValueType::Timestamp => {
                values.get(at).map(|value| Value::Timestamp(*value))
            }
            Values::Int(values) => values.get(at).map(|value| Value::Int(*value)),
            Values::Float(values) => values.get(at).map(|value| Value::Float(*value)),
            Values::Bool(values) => values.get(at).map(|value| Value::Bool(*value)),
            Values::Bytes(values) if self.kind.value == ValueType::String => {
                std::str::from_utf8(values.get(at)?).ok().map(Value::String)
            }
            Values::Bytes(values) => values.get(at).map(Value::Bytes),
        }
    }

    /// Bytes the column takes: raw values, ends and presence plus a fixed overhead. For budgets.
    #[must_use]
    #[inline]
    pub fn size_bytes(&self) -> usize {
        let values = match &self.values {
            Values::Int(values) => values.len() * 8,
            Values::Float(values) => values.len() * 8,
            Values::Bool(values) => values.len(),
            Values::Bytes(values) => values.total_bytes() + values.len() * 4,
        };
        let ends = self.ends.as_ref().map_or(0, |ends| ends.len() * 4);
        let presence = self.presence.as_ref().map_or(0, Bitmap::size_bytes);
        values + ends + presence + OVERHEAD_BYTES
    }

    /// Bytes of a row's value: 8 for a number, 1 for a boolean, the length for a string, the sum of the
    /// elements for an array. Zero where it is absent.
    #[must_use]
    #[inline]
    pub fn value_bytes(&self, row: usize) -> usize {
        if !self.is_present(row) {
            return 0;
        }
        let range = self.element_range(row);
        match &self.values {
            Values::Int(_) | Values::Float(_) => range.len() * 8,
            Values::Bool(_) => range.len(),
            Values::Bytes(values) => range.map(|at| values.get(at).map_or(0, <[u8]>::len)).sum(),
        }
    }

    /// [Bytes](Self::value_bytes) of the longest row. Zero when no row is present.
    #[must_use]
    #[inline]
    pub fn max_value_bytes(&self) -> usize {
        let bytes = (0..self.rows).map(|row| self.value_bytes(row));
        bytes.max().unwrap_or(0)
    }
}

/// Columns are equal when their types, presence and the values of their present rows are. Floats
/// compare by bits, so that NaN equals itself and -0.0 differs from 0.0: equality means that
/// storing and reading changed nothing.
impl PartialEq for Column {
    fn eq(&self, other: &Column) -> bool {
        let same_row = |row: usize| {
            let (ours, theirs) = (self.element_range(row), other.element_range(row));
            self.is_present(row) == other.is_present(row)
                && (!self.is_present(row)
                    || ours.len() == theirs.len()
                        && ours
                            .zip(theirs)
                            .all(|(a, b)| match (&self.values, &other.values) {
                                (Values::Float(ours), Values::Float(theirs)) => {
                                    ours.get(a).map(|v| v.to_bits())
                                        == theirs.get(b).map(|v| v.to_bits())
                                }
                                _ => self.element(a) == other.element(b),
                            }))
        };
        self.kind == other.kind && self.rows == other.rows && (0..self.rows).all(same_row)
    }
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), ColumnError> {
    if expected == found {
        return Ok(());
    }
    Err(ColumnError::Length {
        what,
        expected,
        found,
    })
}

fn check_ends(
    ends: &[u32],
    rows: usize,
    presence: Option<&Bitmap>,
    elements: usize,
) -> Result<(), ColumnError> {
    check_length("array ends", rows, ends.len())?;
    let mut start = 0;
    for (row, end) in ends.iter().enumerate() {
        if *end < start {
            return Err(ColumnError::Ends { row, what: "array" });
        }
        if *end > start && presence.is_some_and(|presence| !presence.get(row)) {
            return Err(ColumnError::Array {
                row,
                what: "an absent row has elements",
            });
        }
        start = *end;
    }
    check_length("array elements", start as usize, elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[i64]) -> Values {
        Values::Int(values.to_vec())
    }

    #[test]
    fn pieces_that_disagree_are_refused() {
        let int = ColumnType::scalar(ValueType::Int);
        let array = ColumnType::array(ValueType::Int);
        assert!(Column::new(int, 2, None, None, ints(&[1, 2])).is_ok());
        assert!(Column::new(int, 3, None, None, ints(&[1, 2])).is_err());
        assert!(Column::new(int, 2, None, Some(vec![1, 2]), ints(&[1, 2])).is_err());
        assert!(Column::new(int, 0, None, Some(vec![]), ints(&[])).is_err());
        assert!(Column::new(int, 2, Some(Bitmap::zeros(3)), None, ints(&[1, 2])).is_err());
        assert!(Column::new(int, 1, None, None, Values::Bool(vec![true])).is_err());
        assert!(Column::new(array, 2, None, None, ints(&[1, 2])).is_err());
        assert!(Column::new(array, 0, None, None, ints(&[])).is_err());
        assert!(Column::new(array, 2, None, Some(vec![1, 2]), ints(&[1, 2])).is_ok());
        assert!(Column::new(array, 2, None, Some(vec![2, 1]), ints(&[1, 2])).is_err());
        assert!(Column::new(array, 2, None, Some(vec![1, 1]), ints(&[1, 2])).is_err());
        let one = Some(Bitmap::from_fn(2, |row| row == 0));
        assert!(Column::new(array, 2, one, Some(vec![1, 2]), ints(&[1, 2])).is_err());
        let bad = Values::Bytes([b"ok".as_slice(), b"\xff"].iter().collect());
        let text = ColumnType::scalar(ValueType::String);
        assert_eq!(
            Column::new(text, 2, None, None, bad.clone()),
            Err(ColumnError::Utf8 { row: 1 })
        );
        assert!(Column::new(ColumnType::scalar(ValueType::Bytes), 2, None, None, bad).is_ok());
    }

    #[test]
    fn sizes_count_values() {
        let text = ColumnType::scalar(ValueType::String);
        let values = Values::Bytes(["abc", "", "longest"].iter().collect());
        let column = Column::new(text, 3, None, None, values).unwrap();
        assert_eq!(column.max_value_bytes(), 7);
        let bytes =
            |column: &Column| -> Vec<usize> { (0..4).map(|row| column.value_bytes(row)).collect() };
        assert_eq!(bytes(&column), [3, 0, 7, 0]);
        let elements = Values::Bytes(["ab", "c"].iter().collect());
        let present = Some(Bitmap::from_fn(3, |row| row != 2));
        let ends = Some(vec![2, 2, 2]);
        let array = ColumnType::array(ValueType::String);
        let array = Column::new(array, 3, present, ends, elements).unwrap();
        assert_eq!(bytes(&array), [3, 0, 0, 0]);
        assert_eq!(array.max_value_bytes(), 3);
        let numbers = Values::Int(vec![1, 2]);
        let numbers = Column::new(ColumnType::scalar(ValueType::Int), 2, None, None, numbers);
        assert_eq!(bytes(&numbers.unwrap()), [8, 8, 0, 0]);
        assert!(column.size_bytes() >= 10);
        assert_eq!(column.value(0), Some(Value::String("abc")));
        assert_eq!(column.value(3), None);
    }
}
