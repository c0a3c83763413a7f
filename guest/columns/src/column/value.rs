//! Single values: borrowed from a column, or owned by the caller.

use std::fmt;
use std::ops::Range;

use crate::column::Column;
use crate::types::{ColumnType, ValueType};

/// One row's value, borrowed from its column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// UTF-8 text.
    String(&'a str),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 double.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Any bytes.
    Bytes(&'a [u8]),
    /// Nanoseconds since 1970.
    Timestamp(i64),
    /// The elements of an array column's row.
    Array(ArrayView<'a>),
}

impl Value<'_> {
    /// A copy that outlives the column.
    #[must_use]
    pub fn to_owned_value(&self) -> OwnedValue {
        match self {
            Value::String(text) => OwnedValue::String((*text).to_owned()),
            Value::Int(value) => OwnedValue::Int(*value),
            Value::Float(value) => OwnedValue::Float(*value),
            Value::Bool(value) => OwnedValue::Bool(*value),
            Value::Bytes(bytes) => OwnedValue::Bytes((*bytes).to_owned()),
            Value::Timestamp(value) => OwnedValue::Timestamp(*value),
            Value::Array(view) => OwnedValue::Array(
                view.element_type(),
                view.iter()
                    .map(|element| element.to_owned_value())
                    .collect(),
            ),
        }
    }
}

/// The elements of one row of an array column, read when asked for.
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    column: &'a Column,
    start: usize,
    end: usize,
}

impl<'a> ArrayView<'a> {
    pub(crate) fn new(column: &'a Column, range: Range<usize>) -> ArrayView<'a> {
        ArrayView {
            column,
            start: range.start,
            end: range.end,
        }
    }

    /// Type of the elements.
    #[must_use]
    pub fn element_type(&self) -> ValueType {
        self.column.kind().value
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the array is empty, which is not the same as absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Element `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        let at = self.start.checked_add(index).filter(|at| *at < self.end)?;
        self.column.element(at)
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let column = self.column;
        (self.start..self.end).filter_map(move |at| column.element(at))
    }
}

impl PartialEq for ArrayView<'_> {
    fn eq(&self, other: &ArrayView<'_>) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}

/// One value that stands alone, for callers that build or compare rows one at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedValue {
    /// UTF-8 text.
    String(String),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 double.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Any bytes.
    Bytes(Vec<u8>),
    /// Nanoseconds since 1970.
    Timestamp(i64),
    /// An array with the type of its elements, which an empty array could not tell otherwise.
    Array(ValueType, Vec<OwnedValue>),
}

impl OwnedValue {
    /// Type of the column the value belongs in.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        let value = match self {
            OwnedValue::String(_) => ValueType::String,
            OwnedValue::Int(_) => ValueType::Int,
            OwnedValue::Float(_) => ValueType::Float,
            OwnedValue::Bool(_) => ValueType::Bool,
            OwnedValue::Bytes(_) => ValueType::Bytes,
            OwnedValue::Timestamp(_) => ValueType::Timestamp,
            OwnedValue::Array(element, _) => return ColumnType::array(*element),
        };
        ColumnType::scalar(value)
    }
}

/// For people: text as it is, floats with their point, bytes in hex, timestamps as nanoseconds, arrays
/// in brackets.
impl fmt::Display for OwnedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnedValue::String(text) => f.pad(text),
            OwnedValue::Int(value) | OwnedValue::Timestamp(value) => f.pad(&value.to_string()),
            OwnedValue::Float(value) => f.pad(&format!("{value:?}")),
            OwnedValue::Bool(value) => f.pad(&value.to_string()),
            OwnedValue::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            OwnedValue::Array(_, elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{element}")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The same text as that of the [`OwnedValue`].
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_owned_value(), f)
    }
}

impl From<&str> for OwnedValue {
    fn from(value: &str) -> OwnedValue {
        OwnedValue::String(value.to_owned())
    }
}

impl From<String> for OwnedValue {
    fn from(value: String) -> OwnedValue {
        OwnedValue::String(value)
    }
}

impl From<i64> for OwnedValue {
    fn from(value: i64) -> OwnedValue {
        OwnedValue::Int(value)
    }
}

impl From<f64> for OwnedValue {
    fn from(value: f64) -> OwnedValue {
        OwnedValue::Float(value)
    }
}

impl From<bool> for OwnedValue {
    fn from(value: bool) -> OwnedValue {
        OwnedValue::Bool(value)
    }
}

impl From<Vec<u8>> for OwnedValue {
    fn from(value: Vec<u8>) -> OwnedValue {
        OwnedValue::Bytes(value)
    }
}

impl From<&[u8]> for OwnedValue {
    fn from(value: &[u8]) -> OwnedValue {
        OwnedValue::Bytes(value.to_owned())
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> OwnedValue {
        value.to_owned_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_text() {
        let text = |value: OwnedValue| value.to_string();
        assert_eq!(text(OwnedValue::from("a b")), "a b");
        assert_eq!(text(OwnedValue::Float(1.0)), "1.0");
        assert_eq!(text(OwnedValue::Bytes(vec![0, 255])), "00ff");
        let pair = vec![OwnedValue::Int(1), OwnedValue::Int(-2)];
        assert_eq!(text(OwnedValue::Array(ValueType::Int, pair)), "[1, -2]");
        assert_eq!(format!("[{:>4}]", OwnedValue::Int(7)), "[   7]");
    }
}
