//! A fixed-length set of rows: one bit each, in 64-bit words, least significant bit first.

use std::ops::Range;

mod ones;

pub use ones::Ones;

/// Bits per word.
const WORD: usize = 64;

/// A set of row numbers below a fixed length. Bits at and beyond the length are always zero,
/// so counts and word-wise algebra need no masking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// The empty set over `len` rows.
    #[must_use]
    #[inline]
    pub fn zeros(len: usize) -> Bitmap {
        Bitmap {
            words: vec![0; len.div_ceil(WORD)],
            len,
        }
    }

    /// The full set over `len` rows.
    #[must_use]
    pub fn ones(len: usize) -> Bitmap {
        let mut bitmap = Bitmap {
            words: vec![u64::MAX; len.div_ceil(WORD)],
            len,
        };
        bitmap.clear_tail();
        bitmap
    }

    /// The set of rows for which `test` holds.
    #[must_use]
    pub fn from_fn(len: usize, test: impl FnMut(usize) -> bool) -> Bitmap {
        (0..len).map(test).collect()
    }

    /// Takes over words; bits at and beyond `len` are cleared. `None` when the number of words
    /// is not exactly what `len` bits need.
    #[must_use]
    pub fn from_words(words: Vec<u64>, len: usize) -> Option<Bitmap> {
        if words.len() != len.div_ceil(WORD) {
            return None;
        }
        let mut bitmap = Bitmap { words, len };
        bitmap.clear_tail();
        Some(bitmap)
    }

    /// Number of rows the set is over.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set is over no rows at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words, least significant bit first.
    #[must_use]
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words for kernels that fill many bits at a time. They must leave the bits at and beyond the
    /// length zero; others would be counted and listed like rows.
    #[inline]
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Whether the row is in the set; false beyond the length.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        // The tail is zero, so a row between the length and the last word's end reads as absent.
        self.words
            .get(row / WORD)
            .is_some_and(|word| (word >> (row % WORD)) & 1 == 1)
    }

    /// Adds a row; a row beyond the length is ignored.
    #[inline]
    pub fn set(&mut self, row: usize) {
        if row < self.len
            && let Some(word) = self.words.get_mut(row / WORD)
        {
            *word |= 1 << (row % WORD);
        }
    }

    /// Removes a row; a row beyond the length is ignored.
    #[inline]
    pub fn clear(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / WORD) {
            *word &= !(1 << (row % WORD));
        }
    }

    /// Appends one row.
    #[inline]
    pub fn push(&mut self, member: bool) {
        let bit = u64::from(member) << (self.len % WORD);
        if self.len.is_multiple_of(WORD) {
            self.words.push(bit);
        } else if let Some(word) = self.words.last_mut() {
            *word |= bit;
        }
        self.len += 1;
    }

    /// Appends `count` equal rows.
    pub fn extend_with(&mut self, member: bool, count: usize) {
        let start = self.len;
        self.len += count;
        self.words.resize(self.len.div_ceil(WORD), 0);
        if member {
            self.set_range(start..self.len);
        }
    }

    /// Adds every row of a range; what lies beyond the length is ignored.
    pub fn set_range(&mut self, range: Range<usize>) {
        let end = range.end.min(self.len);
        for_words(range.start, end, |index, mask| {
            if let Some(word) = self.words.get_mut(index) {
                *word |= mask;
            }
        });
    }

    /// Number of rows in the set. Kernels count with vector instructions; this is plain Rust.
    #[must_use]
    pub fn count(&self) -> usize {
        let ones = self.words.iter().map(|word| word.count_ones() as usize);
        ones.sum()
    }

    /// Number of rows of a range that are in the set.
    #[must_use]
    #[inline]
    pub fn count_range(&self, range: Range<usize>) -> usize {
        let mut count = 0;
        for_words(range.start, range.end.min(self.len), |index, mask| {
            count += self
                .words
                .get(index)
                .map_or(0, |word| (word & mask).count_ones() as usize);
        });
        count
    }

    /// Whether no row is in the set.
    #[must_use]
    #[inline]
    pub fn none(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether every row is in the set.
    #[must_use]
    #[inline]
    pub fn all(&self) -> bool {
        let (whole, tail) = self
            .words
            .split_at_checked(self.len / WORD)
            .unwrap_or((&self.words, &[]));
        let used = self.len % WORD;
        whole.iter().all(|word| *word == u64::MAX)
            && tail.iter().all(|word| *word == (1 << used) - 1)
    }

    /// Keeps the rows that are in both sets; rows the other set is not over are dropped.
    pub fn and_with(&mut self, other: &Bitmap) {
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            *word &= with;
        }
        let shared = self.words.len().min(other.words.len());
        if let Some(rest) = self.words.get_mut(shared..) {
            rest.fill(0);
        }
    }

    /// Adds the rows of the other set, as far as this set's length goes.
    pub fn or_with(&mut self, other: &Bitmap) {
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            *word |= with;
        }
        self.clear_tail();
    }

    /// Turns the set into its complement within its length.
    pub fn invert(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.clear_tail();
    }

    /// The smallest range of rows that holds the whole set, empty for the empty set.
    #[must_use]
    pub fn hull(&self) -> Range<usize> {
        let first = self.words.iter().position(|word| *word != 0);
        let last = self.words.iter().rposition(|word| *word != 0);
        let bounds = first.zip(last).and_then(|(first, last)| {
            let low = first * WORD + self.words.get(first)?.trailing_zeros() as usize;
            let high = last * WORD + WORD - self.words.get(last)?.leading_zeros() as usize;
            Some(low..high)
        });
        bounds.unwrap_or(0..0)
    }

    /// The rows of the set, ascending.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> Ones<'_> {
        self.iter_range(0..self.len)
    }

    /// The rows of the set inside a range; iterates from either end.
    #[must_use]
    #[inline]
    pub fn iter_range(&self, range: Range<usize>) -> Ones<'_> {
        Ones::new(&self.words, range.start, range.end.min(self.len))
    }

    /// Heap bytes held.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.words.len() * 8
    }

    fn clear_tail(&mut self) {
        let used = self.len % WORD;
        if used != 0
            && let Some(word) = self.words.last_mut()
        {
            *word &= (1 << used) - 1;
        }
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(members: I) -> Bitmap {
        let mut bitmap = Bitmap::default();
        for member in members {
            bitmap.push(member);
        }
        bitmap
    }
}

/// Visits the words that overlap `start..end`, each with the mask of the bits that lie inside.
pub fn for_words(start: usize, end: usize, mut visit: impl FnMut(usize, u64)) {
    if start >= end {
        return;
    }
    let (first, last) = (start / WORD, (end - 1) / WORD);
    for index in first..=last {
        let mut mask = u64::MAX;
        if index == first {
            mask &= u64::MAX << (start % WORD);
        }
        if index == last {
            mask &= u64::MAX >> (WORD - 1 - (end - 1) % WORD);
        }
        visit(index, mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_from_both_ends_match_the_naive_list() {
        for len in [0, 1, 63, 64, 65, 127, 128, 200, 515] {
            let bitmap = Bitmap::from_fn(len, |row| row % 3 == 0 || row % 64 == 63);
            for start in [0, 1, 5, 63, 64, 70, len] {
                for end in [0, 1, 64, 65, 190, len, len + 9] {
                    let naive: Vec<usize> = (start..end.min(len))
                        .filter(|row| bitmap.get(*row))
                        .collect();
                    let ours: Vec<usize> = bitmap.iter_range(start..end).collect();
                    assert_eq!(ours, naive, "{len} {start}..{end}");
                    let mut back: Vec<usize> = bitmap.iter_range(start..end).rev().collect();
                    back.reverse();
                    assert_eq!(back, naive, "reversed {len} {start}..{end}");
                    assert_eq!(bitmap.count_range(start..end), naive.len());
                }
            }
        }
    }

    #[test]
    fn iterating_from_both_ends_meets_in_the_middle() {
        let bitmap = Bitmap::from_fn(300, |row| row % 7 == 1);
        let naive: Vec<usize> = bitmap.iter().collect();
        for taken in 0..naive.len() {
            let mut ones = bitmap.iter();
            let mut seen: Vec<usize> = ones.by_ref().take(taken).collect();
            let mut rest: Vec<usize> = ones.by_ref().rev().collect();
            rest.reverse();
            seen.extend(rest);
            assert_eq!(seen, naive);
            assert_eq!(ones.next(), None);
        }
    }

    #[test]
    fn algebra_keeps_the_tail_clear() {
        let mut full = Bitmap::ones(70);
        assert_eq!(full.count(), 70);
        full.invert();
        assert!(full.none());
        full.or_with(&Bitmap::ones(128));
        assert_eq!(full.count(), 70);
        full.and_with(&Bitmap::ones(10));
        assert_eq!(full.count(), 10);
        assert_eq!(full.hull(), 0..10);
        let mut grown = Bitmap::default();
        grown.extend_with(false, 65);
        grown.extend_with(true, 3);
        grown.push(false);
        assert_eq!((grown.hull(), grown.len()), (65..68, 69));
        assert_eq!(Bitmap::zeros(9).hull(), 0..0);
    }

    #[test]
    fn a_set_is_whole_when_its_count_says_so() {
        for len in [0, 1, 63, 64, 65, 128, 200] {
            assert!(Bitmap::ones(len).all(), "{len}");
            for missing in 0..len {
                let bitmap = Bitmap::from_fn(len, |row| row != missing);
                assert_eq!((bitmap.count(), bitmap.all()), (len - 1, false), "{len}");
            }
        }
    }
}
