//! What is known of a column without reading it: counts and the range of its values.

use sidx_columns::{Column, Values};

/// Longest bound kept of strings and bytes, in bytes.
pub const MAX_BOUND_BYTES: usize = 32;

/// Counts and range of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// Rows of the column.
    pub rows: u32,
    /// Rows that have a value.
    pub present: u32,
    /// Range of the values, or of the elements of arrays.
    pub range: ValueRange,
}

/// Range of values by physical form.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueRange {
    /// There are no values.
    None,
    /// Integers and timestamps.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Floats. Zeros of either sign are given as 0.0. When every value is NaN, `min` is positive
    /// and `max` negative infinity, a range that holds nothing.
    Float {
        /// Smallest value that is a number.
        min: f64,
        /// Largest value that is a number.
        max: f64,
        /// Whether NaN is among the values.
        nan: bool,
    },
    /// Booleans; false before true.
    Bool {
        /// Smallest value.
        min: bool,
        /// Largest value.
        max: bool,
    },
    /// Strings and bytes, bytewise, as bounds of at most [`MAX_BOUND_BYTES`]. Bounds of strings
    /// may end inside a character.
    Bytes {
        /// No value is below this.
        min: Vec<u8>,
        /// No value is above this; `None` when no short bound exists.
        max: Option<Vec<u8>>,
    },
}

impl ColumnStats {
    /// Counts and range of a column. Cost: one pass.
    #[must_use]
    pub fn of(column: &Column) -> ColumnStats {
        let present = column.present_count();
        ColumnStats {
            rows: column.rows() as u32,
            present: present as u32,
            range: if present == 0 {
                ValueRange::None
            } else {
                range_of(column)
            },
        }
    }
}

fn range_of(column: &Column) -> ValueRange {
    match column.values() {
        Values::Int(values) => {
            bounds(column, values, |a, b| a < b).map_or(ValueRange::None, |(min, max)| {
                ValueRange::Int {
                    min: *min,
                    max: *max,
                }
            })
        }
        Values::Bool(values) => {
            bounds(column, values, |a, b| a < b).map_or(ValueRange::None, |(min, max)| {
                ValueRange::Bool {
                    min: *min,
                    max: *max,
                }
            })
        }
        Values::Float(values) => float_range(live(column, values)),
        Values::Bytes(values) => {
            let mut live = live_positions(column).filter_map(|at| values.get(at));
            let Some(first) = live.next() else {
                return ValueRange::None;
            };
            let (min, max) = live.fold((first, first), |(min, max), v| (min.min(v), max.max(v)));
            bytes_range(min, max)
        }
    }
}

/// Positions whose values count: slots of present rows, or all elements.
fn live_positions(column: &Column) -> impl Iterator<Item = usize> {
    let slots = column.presence().filter(|_| !column.kind().array);
    (0..column.values().len()).filter(move |at| slots.is_none_or(|present| present.get(*at)))
}

fn live<'a, T>(column: &'a Column, values: &'a [T]) -> impl Iterator<Item = &'a T> {
    live_positions(column).filter_map(|at| values.get(at))
}

fn bounds<'a, T>(
    column: &'a Column,
    values: &'a [T],
    less: impl Fn(&T, &T) -> bool,
) -> Option<(&'a T, &'a T)> {
    let mut live = live(column, values);
    let first = live.next()?;
    Some(live.fold((first, first), |(min, max), value| {
        (
            if less(value, min) { value } else { min },
            if less(max, value) { value } else { max },
        )
    }))
}

fn float_range<'a>(values: impl Iterator<Item = &'a f64>) -> ValueRange {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut nan, mut any) = (false, false);
    for value in values {
        any = true;
        nan |= value.is_nan();
        // `min` and `max` of f64 ignore NaN.
        min = min.min(*value);
        max = max.max(*value);
    }
    if !any {
        return ValueRange::None;
    }
    // Adding zero turns -0.0 into 0.0 and changes nothing else.
    ValueRange::Float {
        min: min + 0.0,
        max: max + 0.0,
        nan,
    }
}

/// The range of byte strings from one to another.
pub(crate) fn bytes_range(min: &[u8], max: &[u8]) -> ValueRange {
    ValueRange::Bytes {
        min: lower_bound(min),
        max: upper_bound(max),
    }
}

fn lower_bound(value: &[u8]) -> Vec<u8> {
    value.iter().take(MAX_BOUND_BYTES).copied().collect()
}

/// The value itself when short, else the next prefix above it.
fn upper_bound(value: &[u8]) -> Option<Vec<u8>> {
    if value.len() <= MAX_BOUND_BYTES {
        return Some(value.to_vec());
    }
    next_prefix(value.get(..MAX_BOUND_BYTES)?)
}

/// The smallest byte string above every one that starts with `prefix`; `None` when there is none
/// because the prefix is all 0xff.
pub(crate) fn next_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut bound = prefix.get(..=last)?.to_vec();
    if let Some(byte) = bound.last_mut() {
        *byte += 1;
    }
    Some(bound)
}

#[cfg(test)]
mod tests {
    use sidx_columns::{ColumnBuilder, ColumnType, ValueType};

    use super::*;

    fn floats(values: &[f64]) -> ValueRange {
        let kind = ColumnType::scalar(ValueType::Float);
        let values = Values::Float(values.to_vec());
        let column = Column::new(kind, values.len(), None, None, values).unwrap();
        ColumnStats::of(&column).range
    }

    #[test]
    fn absent_slots_do_not_count() {
        let mut builder = ColumnBuilder::new(ColumnType::scalar(ValueType::Int));
        builder.push_int(5).unwrap();
        builder.push_absent().unwrap();
        builder.push_int(9).unwrap();
        let stats = ColumnStats::of(&builder.finish());
        let range = ValueRange::Int { min: 5, max: 9 };
        assert_eq!(
            stats,
            ColumnStats {
                rows: 3,
                present: 2,
                range
            }
        );
        let absent = Column::absent(ColumnType::scalar(ValueType::String), 4);
        assert_eq!(ColumnStats::of(&absent).range, ValueRange::None);
    }

    #[test]
    fn floats_treat_zeros_alike_and_nan_apart() {
        let range = floats(&[-0.0, f64::NAN]);
        assert_eq!(
            range,
            ValueRange::Float {
                min: 0.0,
                max: 0.0,
                nan: true
            }
        );
        if let ValueRange::Float { min, .. } = range {
            assert!(min.is_sign_positive());
        }
        let nothing = ValueRange::Float {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            nan: true,
        };
        assert_eq!(floats(&[f64::NAN]), nothing);
    }

    #[test]
    fn long_bounds_are_cut_and_still_bound() {
        assert_eq!(upper_bound(&[7; 32]), Some(vec![7; 32]));
        let mut cut = vec![7; 32];
        cut[31] = 8;
        assert_eq!(upper_bound(&[7; 33]), Some(cut));
        assert_eq!(upper_bound(&[0xff; 33]), None);
        let mut tail = vec![0xff; 40];
        tail[0] = 1;
        assert_eq!(upper_bound(&tail), Some(vec![2]));
        assert_eq!(lower_bound(&tail).len(), MAX_BOUND_BYTES);
        assert_eq!(next_prefix(b""), None);
    }
}
