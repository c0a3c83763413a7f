//! Stores of many values of one type, side by side in memory.

use std::ops::Range;

use crate::error::ColumnError;
use crate::types::ValueType;

/// The values of a column, one store per physical form.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Integers and timestamps.
    Int(Vec<i64>),
    /// Floats.
    Float(Vec<f64>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Strings and bytes.
    Bytes(ByteStrings),
}

impl Values {
    /// An empty store of the form a value type needs, with room for `capacity` values.
    #[must_use]
    #[inline]
    pub fn with_capacity(value: ValueType, capacity: usize) -> Values {
        match value {
            ValueType::Int | ValueType::Timestamp => Values::Int(Vec::with_capacity(capacity)),
            ValueType::Float => Values::Float(Vec::with_capacity(capacity)),
            ValueType::Bool => Values::Bool(Vec::with_capacity(capacity)),
            ValueType::String | ValueType::Bytes => {
                Values::Bytes(ByteStrings::with_capacity(capacity, 0))
            }
        }
    }

    /// Number of values.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Values::Int(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Bytes(values) => values.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the store, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Values::Int(_) => "integers",
            Values::Float(_) => "floats",
            Values::Bool(_) => "booleans",
            Values::Bytes(_) => "byte strings",
        }
    }

    /// Whether the store is of the form a value type needs.
    #[must_use]
    #[inline]
    pub fn fits(&self, value: ValueType) -> bool {
        matches!(
            (self, value),
            (Values::Int(_), ValueType::Int | ValueType::Timestamp)
                | (Values::Float(_), ValueType::Float)
                | (Values::Bool(_), ValueType::Bool)
                | (Values::Bytes(_), ValueType::String | ValueType::Bytes)
        )
    }

    /// Appends the value an absent row's slot holds: zero, false or the empty string.
    #[inline]
    pub fn push_default(&mut self) {
        match self {
            Values::Int(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Bool(values) => values.push(false),
            Values::Bytes(values) => values.push_empty(),
        }
    }

    /// Appends the values `range` of another store. Ranges beyond its end are cut.
    ///
    /// # Errors
    /// When the stores differ in form, or byte strings would exceed 4 GiB.
    #[inline]
    pub fn extend_from(&mut self, from: &Values, range: Range<usize>) -> Result<(), ColumnError> {
        let range = range.start.min(from.len())..range.end.min(from.len());
        match (self, from) {
            (Values::Int(to), Values::Int(from)) => {
                to.extend_from_slice(from.get(range).unwrap_or_default());
            }
            (Values::Float(to), Values::Float(from)) => {
                to.extend_from_slice(from.get(range).unwrap_or_default());
            }
            (Values::Bool(to), Values::Bool(from)) => {
                to.extend_from_slice(from.get(range).unwrap_or_default());
            }
            (Values::Bytes(to), Values::Bytes(from)) => {
                let start = from.start_of(range.start);
                let end = from.start_of(range.end);
                let bytes = from.bytes.get(start..end).unwrap_or_default();
                let ends = from.ends.get(range).unwrap_or_default();
                to.extend_rebased(ends.iter().map(|end| end - start as u32), bytes)?;
            }
            (to, from) => {
                let what = "value stores of different forms";
                return Err(ColumnError::Length {
                    what,
                    expected: to.len(),
                    found: from.len(),
                });
            }
        }
        Ok(())
    }
}

/// Many byte strings in one buffer. String `i` ends at `ends[i]` and starts where the one before
/// ends; the last end is the buffer's length. Holds at most `u32::MAX` bytes in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByteStrings {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl ByteStrings {
    /// Largest total number of bytes.
    pub const MAX_BYTES: u64 = u32::MAX as u64;

    /// An empty store with room for `count` strings of `bytes` bytes together.
    #[must_use]
    #[inline]
    pub fn with_capacity(count: usize, bytes: usize) -> ByteStrings {
        ByteStrings {
            ends: Vec::with_capacity(count),
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Takes over a buffer and the end of each string in it.
    ///
    /// # Errors
    /// When an end lies before the one before it, or the last end is not the buffer's length.
    pub fn new(ends: Vec<u32>, bytes: Vec<u8>) -> Result<ByteStrings, ColumnError> {
        if let Some(row) = ends.windows(2).position(|pair| pair.first() > pair.last()) {
            return Err(ColumnError::Ends {
                row: row + 1,
                what: "value",
            });
        }
        let last = ends.last().map_or(0, |end| *end as usize);
        if last != bytes.len() {
            let what = "byte strings end";
            return Err(ColumnError::Length {
                what,
                expected: bytes.len(),
                found: last,
            });
        }
        Ok(ByteStrings { ends, bytes })
    }

    /// Number of strings.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no strings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all strings together.
    #[must_use]
    #[inline]
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The end of each string in [`ByteStrings::bytes`].
    #[must_use]
    #[inline]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// All strings, one behind the other.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// String `index`.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        self.bytes.get(self.start_of(index)..end)
    }

    /// Appends a string.
    ///
    /// # Errors
    /// When all strings together would exceed [`ByteStrings::MAX_BYTES`].
    #[inline]
    pub fn push(&mut self, value: &[u8]) -> Result<(), ColumnError> {
        let end = self.checked_end(value.len())?;
        self.bytes.extend_from_slice(value);
        self.ends.push(end);
        Ok(())
    }

    /// Appends the empty string.
    #[inline]
    pub fn push_empty(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }

    /// The strings in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// Keeps the first `count` strings.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.start_of(count));
        self.ends.truncate(count);
    }

    /// Makes room for more strings and bytes.
    #[inline]
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        self.ends.reserve(count);
        self.bytes.reserve(bytes);
    }

    /// Appends strings given as ends relative to the start of `bytes`; the caller guarantees
    /// that the ends ascend and the last one is the length of `bytes`. Of other ends other strings come.
    ///
    /// # Errors
    /// When all strings together would exceed [`ByteStrings::MAX_BYTES`].
    pub fn extend_rebased(
        &mut self,
        ends: impl Iterator<Item = u32>,
        bytes: &[u8],
    ) -> Result<(), ColumnError> {
        self.checked_end(bytes.len())?;
        let base = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.extend(ends.map(|end| base + end));
        Ok(())
    }

    /// Where string `index` starts, which for the index behind the last is the end of all.
    #[inline]
    fn start_of(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(before) => self
                .ends
                .get(before)
                .map_or(self.bytes.len(), |end| *end as usize),
        }
    }

    #[inline]
    fn checked_end(&self, more: usize) -> Result<u32, ColumnError> {
        let end = self.bytes.len() as u64 + more as u64;
        u32::try_from(end).map_err(|_| ColumnError::TooLarge {
            what: "bytes in one column",
            found: end,
            limit: ByteStrings::MAX_BYTES,
        })
    }

    /// The first string that is not UTF-8, if any. One pass over the buffer in the good case.
    pub(crate) fn find_invalid_utf8(&self) -> Option<usize> {
        let whole = std::str::from_utf8(&self.bytes).is_ok();
        if whole && self.bytes.is_ascii() {
            return None;
        }
        self.iter()
            .position(|value| std::str::from_utf8(value).is_err())
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for ByteStrings {
    /// Collects strings; strings beyond the 4 GiB limit become empty, which callers that can
    /// meet the limit avoid by [`ByteStrings::push`].
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> ByteStrings {
        let mut strings = ByteStrings::default();
        for value in values {
            if strings.push(value.as_ref()).is_err() {
                strings.push_empty();
            }
        }
        strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_return_as_pushed() {
        let given: [&[u8]; 5] = [b"", b"a", b"", b"longer", b"\xff\x00"];
        let strings: ByteStrings = given.iter().collect();
        assert_eq!(strings.len(), 5);
        assert_eq!(strings.iter().collect::<Vec<_>>(), given);
        assert_eq!(strings.get(5), None);
        assert_eq!(strings.find_invalid_utf8(), Some(4));
        let again = ByteStrings::new(strings.ends().to_vec(), strings.bytes().to_vec());
        assert_eq!(again, Ok(strings));
    }

    #[test]
    fn utf8_is_checked_per_string() {
        // Valid as a whole, but the two-byte character is cut between two strings.
        let cut = ByteStrings::new(vec![1, 2], "é".as_bytes().to_vec()).unwrap();
        assert_eq!(cut.find_invalid_utf8(), Some(0));
        assert!(ByteStrings::new(vec![2, 1], vec![0]).is_err());
        assert!(ByteStrings::new(vec![1], vec![0, 0]).is_err());
    }

    #[test]
    fn ranges_append() {
        let from: ByteStrings = ["ab", "", "cde", "f"].iter().collect();
        let mut to = Values::Bytes(["x"].iter().collect());
        to.extend_from(&Values::Bytes(from), 1..9).unwrap();
        assert_eq!(to, Values::Bytes(["x", "", "cde", "f"].iter().collect()));
        assert!(to.extend_from(&Values::Int(vec![1]), 0..1).is_err());
    }
}
