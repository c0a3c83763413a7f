//! Tests of stored integers, sixty-four at a time into the words of a selection.

use crate::bitpack::Packed;
use crate::integer::{Form, Integers, MAX_DICTIONARY};

/// Values per word of a selection.
const CHUNK: usize = 64;

impl Integers {
    /// Writes selection words from word `first` on: the values within `low..=high`.
    pub(crate) fn mark_range(&self, first: usize, words: &mut [u64], low: i64, high: i64) {
        if low > high {
            return words.fill(0);
        }
        match self.form() {
            Form::Constant(value) => {
                self.mark_all(first, words, (low..=high).contains(value));
            }
            Form::Offset { base, width, bytes } => {
                let Some(packed) = self.packed(bytes, *width) else {
                    return words.fill(0);
                };
                mark_offset(&packed, *base, first, words, low, high);
            }
            Form::Dictionary {
                entries,
                width,
                bytes,
            } => {
                let Some(packed) = self.packed(bytes, *width) else {
                    return words.fill(0);
                };
                let from = entries.partition_point(|entry| *entry < low);
                let to = entries.partition_point(|entry| *entry <= high);
                mark_codes(&packed, first, words, from, to);
            }
            _ => self.mark_with(first, words, |value| value >= low && value <= high),
        }
    }

    /// Writes selection words from word `first` on: the values in an ascending set.
    pub(crate) fn mark_set(&self, first: usize, words: &mut [u64], set: &[i64]) {
        match (self.form(), set) {
            (_, []) => words.fill(0),
            (Form::Offset { .. }, [_, ..]) if set.len() <= 4 => {
                self.mark_ranges(first, words, set.iter().map(|value| (*value, *value)));
            }
            (
                Form::Dictionary {
                    entries,
                    width,
                    bytes,
                },
                _,
            ) => {
                let Some(packed) = self.packed(bytes, *width) else {
                    return words.fill(0);
                };
                let mut table = [false; MAX_DICTIONARY];
                for (flag, entry) in table.iter_mut().zip(entries) {
                    *flag = set.binary_search(entry).is_ok();
                }
                mark_table(&packed, first, words, &table);
            }
            _ => self.mark_with(first, words, |value| set.binary_search(&value).is_ok()),
        }
    }

    /// Writes the union of several ranges.
    fn mark_ranges(
        &self,
        first: usize,
        words: &mut [u64],
        ranges: impl Iterator<Item = (i64, i64)>,
    ) {
        words.fill(0);
        let mut marked = vec![0; words.len()];
        for (low, high) in ranges {
            self.mark_range(first, &mut marked, low, high);
            words
                .iter_mut()
                .zip(&marked)
                .for_each(|(word, more)| *word |= more);
        }
    }

    /// Writes selection words by a test of each decoded value.
    pub(crate) fn mark_with(&self, first: usize, words: &mut [u64], test: impl Fn(i64) -> bool) {
        let mut values = Vec::with_capacity(CHUNK);
        for (index, word) in words.iter_mut().enumerate() {
            values.clear();
            let start = (first + index) * CHUNK;
            self.decode(start, start + CHUNK, &mut values);
            *word = 0;
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(test(*value)) << bit;
            }
        }
    }

    /// Writes selection words that hold every value or none.
    fn mark_all(&self, first: usize, words: &mut [u64], all: bool) {
        words.fill(0);
        if all {
            let end = self
                .count()
                .saturating_sub(first * CHUNK)
                .min(words.len() * CHUNK);
            sidx_columns::bitmap::for_words(0, end, |index, mask| {
                if let Some(word) = words.get_mut(index) {
                    *word = mask;
                }
            });
        }
    }
}

/// Marks the offsets whose value lies in `low..=high`, a non-empty range.
fn mark_offset(
    packed: &Packed<'_>,
    base: i64,
    first: usize,
    words: &mut [u64],
    low: i64,
    high: i64,
) {
    // Offsets are distances above the base, so bounds are compared as distances too. Stored
    // values never wrap past i64::MAX: opening refuses pages that do.
    if high < base {
        return words.fill(0);
    }
    let from = if low <= base {
        0
    } else {
        low.wrapping_sub(base).cast_unsigned()
    };
    let to = high.wrapping_sub(base).cast_unsigned();
    packed.mark_range(first, words, from, to - from);
}

/// Marks codes in `from..to`.
pub(crate) fn mark_codes(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    from: usize,
    to: usize,
) {
    if from >= to {
        return words.fill(0);
    }
    packed.mark_range(first, words, from as u64, (to - from - 1) as u64);
}

/// Marks codes whose flag is set.
pub(crate) fn mark_table(packed: &Packed<'_>, first: usize, words: &mut [u64], flags: &[bool]) {
    let mut members = vec![0u64; bits_for(packed.width()).max(flags.len()).div_ceil(64)];
    for (word, flags) in members.iter_mut().zip(flags.chunks(64)) {
        for (bit, flag) in flags.iter().enumerate() {
            *word |= u64::from(*flag) << bit;
        }
    }
    packed.mark_members(first, words, &members);
}

/// Members that a set of values of a width has bits for; wide values are looked up one by one, and need
/// none beyond the largest member.
fn bits_for(width: u32) -> usize {
    if width <= 16 { 1 << width } else { 0 }
}
