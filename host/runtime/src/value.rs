//! Values of tags as a caller gives them.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use sidx_columns::{ColumnBuilder, ColumnError, ColumnType, OwnedValue, Value, ValueType};

/// A value of a tag: text, an integer, a float, a boolean, bytes, a timestamp, or an array of one of
/// these. Rust's own types convert into it.
///
/// ```
/// use sidx_host::{TagValue, Timestamp};
///
/// for value in [
///     TagValue::from("text"),
///     TagValue::from(42),
///     TagValue::from(0.5),
///     TagValue::from(true),
///     TagValue::from(&b"bytes"[..]),
///     TagValue::from(Timestamp(1_700_000_000_000_000_000)),
///     TagValue::from(vec![1, 2]),
///     TagValue::from(["a", "b"]),
/// ] {
///     println!("{}", value.kind());
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TagValue<'a> {
    /// UTF-8 text.
    String(Cow<'a, str>),
    /// Signed 64-bit integer.
    Int(i64),
    /// IEEE 754 double.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// Any bytes.
    Bytes(Cow<'a, [u8]>),
    /// Nanoseconds since 1970.
    Timestamp(i64),
    /// An array with the type of its elements, which an empty one could not tell otherwise.
    Array(ValueType, Vec<TagValue<'a>>),
}

/// Nanoseconds since 1970, as the value of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl TagValue<'_> {
    /// Type of the column that the value belongs in.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        let value = match self {
            Self::String(_) => ValueType::String,
            Self::Int(_) => ValueType::Int,
            Self::Float(_) => ValueType::Float,
            Self::Bool(_) => ValueType::Bool,
            Self::Bytes(_) => ValueType::Bytes,
            Self::Timestamp(_) => ValueType::Timestamp,
            Self::Array(element, _) => return ColumnType::array(*element),
        };
        ColumnType::scalar(value)
    }

    /// The first element that is not of the array's type.
    pub(crate) fn misfit(&self) -> Option<&Self> {
        match self {
            Self::Array(element, elements) => elements
                .iter()
                .find(|value| value.kind() != ColumnType::scalar(*element)),
            _ => None,
        }
    }

    /// Appends the value to a column of its type.
    pub(crate) fn push(&self, column: &mut ColumnBuilder) -> Result<(), ColumnError> {
        match self {
            Self::String(text) => column.push_string(text),
            Self::Int(value) => column.push_int(*value),
            Self::Float(value) => column.push_float(*value),
            Self::Bool(value) => column.push_bool(*value),
            Self::Bytes(bytes) => column.push_bytes(bytes),
            Self::Timestamp(value) => column.push_timestamp(*value),
            Self::Array(_, elements) => {
                column.begin_array()?;
                elements
                    .iter()
                    .try_for_each(|element| element.push(column))?;
                column.end_array()
            }
        }
    }
}

/// Rust types that are elements of arrays. `u8` is not one: a vector of them is bytes.
pub trait Element {
    /// Type of the element.
    const TYPE: ValueType;
}

macro_rules! numbers {
    ($($number:ty => $variant:ident),+) => {$(
        impl From<$number> for TagValue<'_> {
            fn from(value: $number) -> Self {
                Self::$variant(value.into())
            }
        }
        impl Element for $number {
            const TYPE: ValueType = ValueType::$variant;
        }
    )+};
}

numbers!(i64 => Int, i32 => Int, i16 => Int, u32 => Int, u16 => Int);
numbers!(f64 => Float, f32 => Float, bool => Bool);

impl Element for &str {
    const TYPE: ValueType = ValueType::String;
}

impl Element for String {
    const TYPE: ValueType = ValueType::String;
}

impl Element for &[u8] {
    const TYPE: ValueType = ValueType::Bytes;
}

impl Element for Vec<u8> {
    const TYPE: ValueType = ValueType::Bytes;
}

impl Element for Timestamp {
    const TYPE: ValueType = ValueType::Timestamp;
}

impl<'a> From<&'a str> for TagValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for TagValue<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(Cow::Borrowed(value))
    }
}

impl From<String> for TagValue<'_> {
    fn from(value: String) -> Self {
        Self::String(Cow::Owned(value))
    }
}

impl<'a> From<&'a [u8]> for TagValue<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for TagValue<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for TagValue<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(value))
    }
}

impl From<Timestamp> for TagValue<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value.0)
    }
}

/// A time beyond the years 1677 to 2262 becomes the nearest that nanoseconds in an int64 can tell.
impl From<SystemTime> for TagValue<'_> {
    fn from(value: SystemTime) -> Self {
        let nanoseconds = match value.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |before| -before)
            }
        };
        Self::Timestamp(nanoseconds)
    }
}

impl<'a, T: Element + Into<TagValue<'a>>> From<Vec<T>> for TagValue<'a> {
    fn from(elements: Vec<T>) -> Self {
        Self::Array(T::TYPE, elements.into_iter().map(Into::into).collect())
    }
}

impl<'a, T: Element + Into<TagValue<'a>>, const N: usize> From<[T; N]> for TagValue<'a> {
    fn from(elements: [T; N]) -> Self {
        Self::Array(T::TYPE, elements.into_iter().map(Into::into).collect())
    }
}

impl From<OwnedValue> for TagValue<'_> {
    fn from(value: OwnedValue) -> Self {
        match value {
            OwnedValue::String(text) => Self::String(Cow::Owned(text)),
            OwnedValue::Int(value) => Self::Int(value),
            OwnedValue::Float(value) => Self::Float(value),
            OwnedValue::Bool(value) => Self::Bool(value),
            OwnedValue::Bytes(bytes) => Self::Bytes(Cow::Owned(bytes)),
            OwnedValue::Timestamp(value) => Self::Timestamp(value),
            OwnedValue::Array(element, values) => {
                Self::Array(element, values.into_iter().map(Into::into).collect())
            }
        }
    }
}

impl<'a> From<&'a OwnedValue> for TagValue<'a> {
    fn from(value: &'a OwnedValue) -> Self {
        match value {
            OwnedValue::String(text) => Self::String(Cow::Borrowed(text)),
            OwnedValue::Int(value) => Self::Int(*value),
            OwnedValue::Float(value) => Self::Float(*value),
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            OwnedValue::Timestamp(value) => Self::Timestamp(*value),
            OwnedValue::Array(element, values) => {
                Self::Array(*element, values.iter().map(Into::into).collect())
            }
        }
    }
}

impl<'a> From<Value<'a>> for TagValue<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::String(text) => Self::String(Cow::Borrowed(text)),
            Value::Int(value) => Self::Int(value),
            Value::Float(value) => Self::Float(value),
            Value::Bool(value) => Self::Bool(value),
            Value::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Value::Timestamp(value) => Self::Timestamp(value),
            Value::Array(view) => {
                Self::Array(view.element_type(), view.iter().map(Into::into).collect())
            }
        }
    }
}
