//! The types a column can have, their on-disk codes and their names.

use std::fmt;
use std::str::FromStr;

/// Bit that marks an array type in a type code.
pub const ARRAY_FLAG: u8 = 0x10;

/// Type of a scalar value, or of an array's elements. The number is the on-disk code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// UTF-8 text, ordered bytewise.
    String = 1,
    /// Signed 64-bit integer.
    Int = 2,
    /// IEEE 754 double.
    Float = 3,
    /// Truth value; false before true.
    Bool = 4,
    /// Any bytes, ordered bytewise.
    Bytes = 5,
    /// Nanoseconds since 1970-01-01T00:00:00Z as a signed 64-bit integer.
    Timestamp = 6,
}

impl ValueType {
    /// Every value type, in code order.
    pub const ALL: [ValueType; 6] = [
        ValueType::String,
        ValueType::Int,
        ValueType::Float,
        ValueType::Bool,
        ValueType::Bytes,
        ValueType::Timestamp,
    ];

    /// Name as written in options, NDJSON mappings and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ValueType::String => "string",
            ValueType::Int => "int",
            ValueType::Float => "float",
            ValueType::Bool => "bool",
            ValueType::Bytes => "bytes",
            ValueType::Timestamp => "timestamp",
        }
    }
}

/// Type of a column: a value type, or an array of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnType {
    /// Type of the values or elements.
    pub value: ValueType,
    /// Whether each row holds an array.
    pub array: bool,
}

impl ColumnType {
    /// A column of one value per row.
    #[must_use]
    pub const fn scalar(value: ValueType) -> ColumnType {
        ColumnType {
            value,
            array: false,
        }
    }

    /// A column of one array per row.
    #[must_use]
    pub const fn array(value: ValueType) -> ColumnType {
        ColumnType { value, array: true }
    }

    /// On-disk code: the value type's code, with [`ARRAY_FLAG`] for arrays.
    #[must_use]
    #[inline]
    pub fn code(self) -> u8 {
        self.value as u8 | if self.array { ARRAY_FLAG } else { 0 }
    }

    /// The type of an on-disk code, if there is one.
    #[must_use]
    #[inline]
    pub fn from_code(code: u8) -> Option<ColumnType> {
        let value = ValueType::ALL
            .into_iter()
            .find(|value| *value as u8 == code & !ARRAY_FLAG)?;
        Some(ColumnType {
            value,
            array: code & ARRAY_FLAG != 0,
        })
    }
}

impl From<ValueType> for ColumnType {
    fn from(value: ValueType) -> ColumnType {
        ColumnType::scalar(value)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.value.name())?;
        out.write_str(if self.array { "[]" } else { "" })
    }
}

/// A text that names no column type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown type {0:?}: expected string, int, float, bool, bytes or timestamp, \
     with [] appended for arrays"
)]
pub struct ParseTypeError(pub String);

impl FromStr for ColumnType {
    type Err = ParseTypeError;

    fn from_str(text: &str) -> Result<ColumnType, ParseTypeError> {
        let (name, array) = match text.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let value = ValueType::ALL
            .into_iter()
            .find(|value| value.name() == name);
        value
            .map(|value| ColumnType { value, array })
            .ok_or_else(|| ParseTypeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_return_the_same_type() {
        for value in ValueType::ALL {
            for array in [false, true] {
                let kind = ColumnType { value, array };
                assert_eq!(ColumnType::from_code(kind.code()), Some(kind));
                assert_eq!(kind.to_string().parse(), Ok(kind));
            }
        }
        let known = (0..=u8::MAX)
            .filter(|code| ColumnType::from_code(*code).is_some())
            .count();
        assert_eq!(known, 12);
        assert!("".parse::<ColumnType>().is_err());
        assert!("ints".parse::<ColumnType>().is_err());
        assert!("int[][]".parse::<ColumnType>().is_err());
    }

    #[test]
    fn codes_are_those_of_the_format() {
        let codes: Vec<u8> = ValueType::ALL
            .iter()
            .map(|value| ColumnType::scalar(*value).code())
            .collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
        assert_eq!(ColumnType::array(ValueType::String).code(), 0x11);
    }
}
