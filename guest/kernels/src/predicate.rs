//! Tests of one value, and their compiled form.

use std::ops::Bound;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use sidx_columns::ValueType;

use crate::stats::next_prefix;

/// Largest compiled size of a regular expression, in bytes.
pub const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// A test of one value, or of one element of an array. Tests of integers fit int and timestamp
/// pages, tests of bytes fit string and bytes pages, and a regex fits string pages only; on any
/// other page a test selects nothing. Callers that must tell such neighbours apart leave the
/// slot empty where a page is of the wrong one.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The row has a value (or, for elements, at least one element).
    Exists,
    /// Integer within inclusive bounds.
    IntRange {
        /// Smallest value that passes.
        low: i64,
        /// Largest value that passes.
        high: i64,
    },
    /// Integer equal to one of these.
    IntSet(Vec<i64>),
    /// Float within bounds; NaN never passes and bounds of NaN let nothing pass.
    FloatRange {
        /// Lower bound.
        low: Bound<f64>,
        /// Upper bound.
        high: Bound<f64>,
    },
    /// Float equal to one of these; NaN equals nothing.
    FloatSet(Vec<f64>),
    /// Boolean equal to this.
    Bool(bool),
    /// Bytes within bounds, bytewise.
    BytesRange {
        /// Lower bound.
        low: Bound<Vec<u8>>,
        /// Upper bound.
        high: Bound<Vec<u8>>,
    },
    /// Bytes equal to one of these.
    BytesSet(Vec<Vec<u8>>),
    /// Bytes that start with this.
    BytesPrefix(Vec<u8>),
    /// String that matches this pattern anywhere.
    Regex(String),
}

/// A test made ready to be run many times.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    /// Nothing passes.
    Never,
    Exists,
    IntRange(i64, i64),
    /// Ascending, distinct, at least two.
    IntSet(Vec<i64>),
    FloatRange(Bound<f64>, Bound<f64>),
    /// Ascending, distinct, without NaN.
    FloatSet(Vec<f64>),
    Bool(bool),
    BytesRange(Bound<Vec<u8>>, Bound<Vec<u8>>),
    /// Ascending, distinct, not empty.
    BytesSet(Vec<Vec<u8>>),
    /// The prefix, and the smallest bytes above everything that starts with it.
    BytesPrefix(Vec<u8>, Option<Vec<u8>>),
    Regex(Regex),
    /// A pattern without special characters, which a string contains or not.
    BytesContain(Box<Finder<'static>>),
}

impl Matcher {
    /// Prepares a test; the error is the regex compiler's message.
    pub(crate) fn new(test: Test) -> Result<Matcher, String> {
        Ok(match test {
            Test::Exists => Matcher::Exists,
            Test::IntRange { low, high } if low > high => Matcher::Never,
            Test::IntRange { low, high } => Matcher::IntRange(low, high),
            Test::IntSet(values) => int_set(values),
            Test::FloatRange { low, high } => Matcher::FloatRange(low, high),
            Test::FloatSet(values) => float_set(values),
            Test::Bool(value) => Matcher::Bool(value),
            Test::BytesRange { low, high } => Matcher::BytesRange(low, high),
            Test::BytesSet(mut values) => {
                values.sort_unstable();
                values.dedup();
                if values.is_empty() {
                    Matcher::Never
                } else {
                    Matcher::BytesSet(values)
                }
            }
            Test::BytesPrefix(prefix) => {
                let behind = next_prefix(&prefix);
                Matcher::BytesPrefix(prefix, behind)
            }
            Test::Regex(pattern) if is_literal(&pattern) => {
                Matcher::BytesContain(Box::new(Finder::new(&pattern).into_owned()))
            }
            Test::Regex(pattern) => {
                let regex = RegexBuilder::new(&pattern)
                    .size_limit(REGEX_SIZE_LIMIT)
                    .dfa_size_limit(REGEX_SIZE_LIMIT)
                    .build()
                    .map_err(|error| one_line(&error.to_string()))?;
                Matcher::Regex(regex)
            }
        })
    }

    /// Whether values of a type can pass at all.
    pub(crate) fn fits(&self, value: ValueType) -> bool {
        match self {
            Matcher::Never => false,
            Matcher::Exists => true,
            Matcher::IntRange(..) | Matcher::IntSet(_) => {
                matches!(value, ValueType::Int | ValueType::Timestamp)
            }
            Matcher::FloatRange(..) | Matcher::FloatSet(_) => value == ValueType::Float,
            Matcher::Bool(_) => value == ValueType::Bool,
            Matcher::BytesRange(..) | Matcher::BytesSet(_) | Matcher::BytesPrefix(..) => {
                matches!(value, ValueType::String | ValueType::Bytes)
            }
            Matcher::Regex(_) | Matcher::BytesContain(_) => value == ValueType::String,
        }
    }

    /// Whether a byte string passes; false for tests of other types.
    pub(crate) fn bytes_pass(&self, value: &[u8]) -> bool {
        match self {
            Matcher::Exists => true,
            Matcher::BytesRange(low, high) => reaches(value, low) && !exceeds(value, high),
            Matcher::BytesSet(set) => match set.as_slice() {
                [only] => only == value,
                set => set
                    .binary_search_by(|member| member.as_slice().cmp(value))
                    .is_ok(),
            },
            Matcher::BytesPrefix(prefix, _) => value.starts_with(prefix),
            Matcher::Regex(regex) => regex.is_match(value),
            Matcher::BytesContain(finder) => finder.find(value).is_some(),
            _ => false,
        }
    }
}

/// Whether a value meets a lower bound.
pub(crate) fn reaches(value: &[u8], low: &Bound<Vec<u8>>) -> bool {
    match low {
        Bound::Included(low) => value >= low.as_slice(),
        Bound::Excluded(low) => value > low.as_slice(),
        Bound::Unbounded => true,
    }
}

/// Whether a value lies beyond an upper bound.
pub(crate) fn exceeds(value: &[u8], high: &Bound<Vec<u8>>) -> bool {
    match high {
        Bound::Included(high) => value > high.as_slice(),
        Bound::Excluded(high) => value >= high.as_slice(),
        Bound::Unbounded => false,
    }
}

/// Whether a pattern stands for its own characters, and for at least one. Escaping touches everything
/// that might be special.
fn is_literal(pattern: &str) -> bool {
    !pattern.is_empty() && regex::escape(pattern) == pattern
}

/// A set of integers, as a range where it has no gaps.
fn int_set(mut values: Vec<i64>) -> Matcher {
    values.sort_unstable();
    values.dedup();
    let (Some(low), Some(high)) = (values.first(), values.last()) else {
        return Matcher::Never;
    };
    if high.wrapping_sub(*low).cast_unsigned() == values.len() as u64 - 1 {
        return Matcher::IntRange(*low, *high);
    }
    Matcher::IntSet(values)
}

fn float_set(mut values: Vec<f64>) -> Matcher {
    values.retain(|value| !value.is_nan());
    // Adding zero makes the two zeros one value.
    values.iter_mut().for_each(|value| *value += 0.0);
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    if values.is_empty() {
        Matcher::Never
    } else {
        Matcher::FloatSet(values)
    }
}

/// The reason in the last line of the compiler's message; the lines before it draw the pattern.
fn one_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or(message);
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
