//! Byte strings side by side, each found by its end.

use std::ops::Range;

use bytes::Bytes;
use sidx_columns::{ByteStrings, ColumnError};

use crate::error::PageError;
use crate::offsets::Offsets;
use crate::reader::Reader;

/// Byte strings side by side.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    offsets: Offsets,
    bytes: Bytes,
}

impl Plain {
    pub(super) fn open(reader: &mut Reader, count: usize, text: bool) -> Result<Plain, PageError> {
        let offsets = Offsets::open(reader, count, "string lengths", u32::MAX)?;
        let bytes = reader.take("string bytes", offsets.total() as u64)?;
        let plain = Plain { offsets, bytes };
        if text {
            plain.check_utf8()?;
        }
        Ok(plain)
    }

    /// Strings given by their ends in the bytes; the last end is the length of the bytes.
    pub(crate) fn of(ends: Vec<u32>, bytes: Bytes) -> Plain {
        let offsets = Offsets::Ends(ends);
        Plain { offsets, bytes }
    }

    /// Strings of one length, which must be UTF-8 when they are `text`.
    pub(super) fn of_length(
        length: u32,
        count: usize,
        bytes: Bytes,
        text: bool,
    ) -> Result<Plain, PageError> {
        let offsets = Offsets::fixed(length, count);
        let plain = Plain { offsets, bytes };
        if text {
            plain.check_utf8()?;
        }
        Ok(plain)
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.count()
    }

    /// Bytes of all strings, and of what finds them.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.offsets.derived_bytes()
    }

    /// Bytes of what finds the strings.
    pub(super) fn derived_bytes(&self) -> usize {
        self.offsets.derived_bytes()
    }

    /// Appends the values of a range.
    #[inline]
    pub(super) fn decode(
        &self,
        range: Range<usize>,
        out: &mut ByteStrings,
    ) -> Result<(), ColumnError> {
        let cover = self.offsets.cover(range.start, range.end);
        let bytes = self.bytes.get(cover.clone()).unwrap_or_default();
        let start = cover.start as u32;
        match &self.offsets {
            Offsets::Fixed { length, count } => {
                let count = range.end.min(*count).saturating_sub(range.start) as u32;
                out.extend_rebased((1..=count).map(|index| index * length), bytes)
            }
            Offsets::Ends(ends) => {
                let range = range.start..range.end.min(ends.len());
                let ends = ends.get(range).unwrap_or_default();
                out.extend_rebased(ends.iter().map(|end| end - start), bytes)
            }
        }
    }

    /// The position of a value among strings that ascend.
    pub(crate) fn find(&self, value: &[u8]) -> Option<usize> {
        let at = self.partition_point(|entry| entry < value);
        (self.get(at) == Some(value)).then_some(at)
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.offsets.count() {
            return None;
        }
        self.bytes.get(self.offsets.range(index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// Where the values lie, and the bytes of all.
    pub(crate) fn parts(&self) -> (&Offsets, &[u8]) {
        (&self.offsets, &self.bytes)
    }

    /// The buffer must be UTF-8 as a whole and every value must begin at a character.
    pub(crate) fn check_utf8(&self) -> Result<(), PageError> {
        let what = "string that is not valid UTF-8";
        if self.bytes.is_ascii() {
            return Ok(());
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|error| PageError::Rule {
            what,
            position: error.valid_up_to() as u64,
        })?;
        let mut cut = None;
        self.offsets.for_each_end(0, self.len(), |end| {
            if !text.is_char_boundary(end as usize) {
                cut = cut.or(Some(end));
            }
        });
        match cut {
            None => Ok(()),
            Some(end) => Err(PageError::Rule {
                what,
                position: end.into(),
            }),
        }
    }

    /// Entries must be in order, which makes tests of them binary searches; and, where `ordered` asks for it,
    /// distinct.
    pub(crate) fn check_order(
        &self,
        ordered: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError> {
        let descent = self
            .iter()
            .zip(self.iter().skip(1))
            .position(|(a, b)| !ordered(a, b));
        match descent {
            None => Ok(()),
            Some(at) => {
                let what = "dictionary out of order";
                Err(PageError::Rule {
                    what,
                    position: at as u64 + 1,
                })
            }
        }
    }

    /// First index whose value fails `before`, which must hold for a prefix of the values.
    pub(crate) fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
