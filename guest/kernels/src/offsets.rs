//! Where each of many variable-length things lies: strings in a buffer, arrays among elements.

use std::ops::Range;

use crate::error::PageError;
use crate::integer::{self, Form, Integers};
use crate::reader::Reader;

/// Ranges that follow each other without a gap, each reachable in O(1).
#[derive(Debug, Clone)]
pub(crate) enum Offsets {
    /// Every range has the same length, so nothing needs to be kept.
    Fixed { length: u32, count: usize },
    /// Prefix sums of the lengths.
    Ends(Vec<u32>),
}

impl Offsets {
    /// Reads `count` lengths and sums them up; their sum must not exceed `limit`, which is at
    /// most `u32::MAX`. Cost: O(count) time and four bytes each, unless all are equal.
    pub(crate) fn open(
        reader: &mut Reader,
        count: usize,
        what: &'static str,
        limit: u32,
    ) -> Result<Offsets, PageError> {
        let too_large = |found: u64| PageError::Field {
            what,
            found,
            limit: limit.into(),
        };
        let lengths = Integers::open(reader, count, false)?;
        if let Form::Constant(length) = lengths.form() {
            let total = i128::from(*length) * count as i128;
            if *length < 0 || *length > i64::from(limit) || total > i128::from(limit) {
                return Err(too_large(length.cast_unsigned()));
            }
            return Ok(Offsets::Fixed {
                length: *length as u32,
                count,
            });
        }
        let mut values = Vec::new();
        let mut ends = Vec::with_capacity(count);
        let mut total = 0u32;
        for start in (0..count).step_by(CHUNK) {
            values.clear();
            lengths.decode(start, start + CHUNK, &mut values);
            for length in &values {
                let end = u32::try_from(*length)
                    .ok()
                    .and_then(|length| total.checked_add(length));
                total = end
                    .filter(|end| *end <= limit)
                    .ok_or_else(|| too_large(length.cast_unsigned()))?;
                ends.push(total);
            }
        }
        Ok(Offsets::Ends(ends))
    }

    /// `count` ranges of one length.
    pub(crate) fn fixed(length: u32, count: usize) -> Offsets {
        Offsets::Fixed { length, count }
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Offsets::Fixed { count, .. } => *count,
            Offsets::Ends(ends) => ends.len(),
        }
    }

    /// Sum of all lengths.
    pub(crate) fn total(&self) -> usize {
        match self {
            Offsets::Fixed { length, count } => *length as usize * count,
            Offsets::Ends(ends) => ends.last().map_or(0, |end| *end as usize),
        }
    }

    /// Range of thing `index`; empty beyond the last.
    #[inline]
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        match self {
            Offsets::Fixed { length, count } if index < *count => {
                let start = index * *length as usize;
                start..start + *length as usize
            }
            Offsets::Fixed { .. } => 0..0,
            Offsets::Ends(ends) => {
                let Some(end) = ends.get(index) else {
                    return 0..0;
                };
                let before = index.checked_sub(1).and_then(|before| ends.get(before));
                before.map_or(0, |start| *start as usize)..*end as usize
            }
        }
    }

    /// The thing that holds a byte or element, at or after thing `from`; the count when none does.
    pub(crate) fn index_of(&self, position: usize, from: usize) -> usize {
        match self {
            Offsets::Fixed { length, count } => position
                .checked_div(*length as usize)
                .map_or(*count, |index| index.min(*count)),
            Offsets::Ends(ends) => {
                let rest = ends.get(from..).unwrap_or_default();
                from + rest.partition_point(|end| *end as usize <= position)
            }
        }
    }

    /// Range that the things `start..end` cover together; the indexes are cut to the count.
    pub(crate) fn cover(&self, start: usize, end: usize) -> Range<usize> {
        let end = end.min(self.count());
        if start >= end {
            return 0..0;
        }
        self.range(start).start..self.range(end - 1).end
    }

    /// Calls `visit` with the end of each thing of `start..end`.
    pub(crate) fn for_each_end(&self, start: usize, end: usize, mut visit: impl FnMut(u32)) {
        match self {
            Offsets::Fixed { length, count } => {
                (start..end.min(*count)).for_each(|index| visit((index as u32 + 1) * length));
            }
            Offsets::Ends(ends) => {
                let range = start..end.min(ends.len());
                ends.get(range)
                    .unwrap_or_default()
                    .iter()
                    .for_each(|end| visit(*end));
            }
        }
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        match self {
            Offsets::Fixed { .. } => 0,
            Offsets::Ends(ends) => ends.len() * 4,
        }
    }
}

/// Lengths decoded at a time.
const CHUNK: usize = 512;

/// Appends lengths.
pub(crate) fn write(lengths: impl Iterator<Item = usize>, out: &mut Vec<u8>) {
    let lengths: Vec<i64> = lengths.map(|length| length as i64).collect();
    integer::write(&lengths, false, out);
}
