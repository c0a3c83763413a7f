//! Walking over the bits of a bitmap, from either end.

/// Bits per word.
const WORD: usize = 64;

/// Iterator over the rows of a [`Bitmap`](crate::bitmap::Bitmap), made by
/// [`Bitmap::iter`](crate::bitmap::Bitmap::iter) and
/// [`Bitmap::iter_range`](crate::bitmap::Bitmap::iter_range).
#[derive(Debug, Clone)]
pub struct Ones<'a> {
    words: &'a [u64],
    /// Word the front bits come from; words strictly between front and back are untouched.
    front: usize,
    back: usize,
    front_bits: u64,
    /// Bits left of the last word; zero from the start when front and back are the same word.
    back_bits: u64,
}

impl<'a> Ones<'a> {
    /// The bits of `start..end`; words beyond the last count as empty.
    #[must_use]
    pub fn new(words: &'a [u64], start: usize, end: usize) -> Ones<'a> {
        if start >= end {
            return Ones {
                words: &[],
                front: 0,
                back: 0,
                front_bits: 0,
                back_bits: 0,
            };
        }
        let (front, back) = (start / WORD, (end - 1) / WORD);
        let low_mask = u64::MAX << (start % WORD);
        let high_mask = u64::MAX >> (WORD - 1 - (end - 1) % WORD);
        let word = |index: usize| words.get(index).copied().unwrap_or(0);
        if front == back {
            let front_bits = word(front) & low_mask & high_mask;
            return Ones {
                words,
                front,
                back,
                front_bits,
                back_bits: 0,
            };
        }
        let (front_bits, back_bits) = (word(front) & low_mask, word(back) & high_mask);
        Ones {
            words,
            front,
            back,
            front_bits,
            back_bits,
        }
    }
}

impl Iterator for Ones<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if self.front_bits != 0 {
                let bit = self.front_bits.trailing_zeros() as usize;
                self.front_bits &= self.front_bits - 1;
                return Some(self.front * WORD + bit);
            }
            if self.front >= self.back {
                return None;
            }
            self.front += 1;
            if self.front == self.back {
                self.front_bits = std::mem::take(&mut self.back_bits);
            } else {
                self.front_bits = self.words.get(self.front).copied().unwrap_or(0);
            }
        }
    }
}

impl DoubleEndedIterator for Ones<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<usize> {
        loop {
            let bits = if self.front == self.back {
                &mut self.front_bits
            } else {
                &mut self.back_bits
            };
            if *bits != 0 {
                let bit = WORD - 1 - bits.leading_zeros() as usize;
                *bits &= !(1 << bit);
                return Some(self.back * WORD + bit);
            }
            if self.front >= self.back {
                return None;
            }
            self.back -= 1;
            if self.back > self.front {
                self.back_bits = self.words.get(self.back).copied().unwrap_or(0);
            }
        }
    }
}
