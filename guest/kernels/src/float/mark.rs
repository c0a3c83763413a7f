//! Range tests of raw floats.

use std::ops::Bound;

use crate::implementation::Implementation;
#[cfg(target_arch = "x86_64")]
use crate::implementation::Instructions;

/// Values per word of a selection.
const WORD: usize = 64;

/// Bounds of floats, both included; a bound of NaN lets nothing pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FloatRange {
    low: f64,
    high: f64,
}

impl FloatRange {
    pub(crate) fn new(low: Bound<f64>, high: Bound<f64>) -> FloatRange {
        // Nothing lies beyond an infinity, where the next float is the infinity itself.
        let low = match low {
            Bound::Unbounded => f64::NEG_INFINITY,
            Bound::Included(low) => low,
            Bound::Excluded(f64::INFINITY) => f64::NAN,
            Bound::Excluded(low) => low.next_up(),
        };
        let high = match high {
            Bound::Unbounded => f64::INFINITY,
            Bound::Included(high) => high,
            Bound::Excluded(f64::NEG_INFINITY) => f64::NAN,
            Bound::Excluded(high) => high.next_down(),
        };
        FloatRange { low, high }
    }

    /// Comparisons with NaN are false, on either side.
    #[inline(always)]
    fn holds(self, value: f64) -> bool {
        (value >= self.low) & (value <= self.high)
    }

    /// Writes selection words from word `first` on: the little-endian values within the range.
    pub(crate) fn mark(
        self,
        with: Implementation,
        values: &[[u8; 8]],
        first: usize,
        words: &mut [u64],
    ) {
        let rest = values.get(first.saturating_mul(WORD)..).unwrap_or_default();
        let (whole, tail) = rest.as_chunks::<WORD>();
        let count = whole.len().min(words.len());
        let (inside, behind) = words.split_at_mut(count);
        match with.instructions() {
            // SAFETY: the implementation exists, so the processor has its instructions. Both sets have AVX2,
            // and vectors of 512 bits, whose results are masks, were no faster.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::Avx512 => unsafe {
                x86::mark_avx2(self, whole, inside)
            },
            _ => self.mark_portable(whole, inside),
        }
        behind.fill(0);
        if let Some(word) = behind.first_mut() {
            *word = self.word(tail);
        }
    }

    fn mark_portable(self, chunks: &[[[u8; 8]; WORD]], words: &mut [u64]) {
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = self.word(chunk);
        }
    }

    #[inline(always)]
    fn word(self, values: &[[u8; 8]]) -> u64 {
        values.iter().enumerate().fold(0, |word, (bit, value)| {
            word | u64::from(self.holds(f64::from_le_bytes(*value))) << bit
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _CMP_GE_OQ, _CMP_LE_OQ, _mm256_and_pd, _mm256_cmp_pd, _mm256_loadu_pd, _mm256_movemask_pd,
        _mm256_set1_pd,
    };

    use super::{FloatRange, WORD};

    #[target_feature(enable = "avx2")]
    pub(super) fn mark_avx2(range: FloatRange, chunks: &[[[u8; 8]; WORD]], words: &mut [u64]) {
        let (low, high) = (_mm256_set1_pd(range.low), _mm256_set1_pd(range.high));
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = 0;
            for (at, four) in chunk.as_chunks::<4>().0.iter().enumerate() {
                // SAFETY: four values have 32 bytes.
                let values = unsafe { _mm256_loadu_pd(four.as_ptr().cast()) };
                let above = _mm256_cmp_pd::<_CMP_GE_OQ>(values, low);
                let below = _mm256_cmp_pd::<_CMP_LE_OQ>(values, high);
                let inside = _mm256_movemask_pd(_mm256_and_pd(above, below)).cast_unsigned();
                *word |= u64::from(inside) << (at * 4);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    const CORNERS: [f64; 9] = [
        f64::NAN,
        f64::NEG_INFINITY,
        f64::MIN,
        -0.0,
        0.0,
        5e-324,
        1.0,
        f64::MAX,
        f64::INFINITY,
    ];

    fn bound(random: &mut SmallRng) -> Bound<f64> {
        let value = CORNERS[random.random_range(0..CORNERS.len())];
        [
            Bound::Unbounded,
            Bound::Included(value),
            Bound::Excluded(value),
        ][random.random_range(0..3)]
    }

    fn passes(value: f64, low: Bound<f64>, high: Bound<f64>) -> bool {
        let above = match low {
            Bound::Included(low) => value >= low,
            Bound::Excluded(low) => value > low,
            Bound::Unbounded => !value.is_nan(),
        };
        let below = match high {
            Bound::Included(high) => value <= high,
            Bound::Excluded(high) => value < high,
            Bound::Unbounded => !value.is_nan(),
        };
        above && below
    }

    #[test]
    fn every_tail_and_bound_is_marked_like_value_by_value() {
        let mut random = SmallRng::seed_from_u64(8);
        // Few under Miri, which is a thousand times slower.
        for count in (0..=300).step_by(if cfg!(miri) { 77 } else { 1 }) {
            let values: Vec<f64> = (0..count)
                .map(|_| CORNERS[random.random_range(0..CORNERS.len())])
                .collect();
            let bytes: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
            for _ in 0..8 {
                let (low, high) = (bound(&mut random), bound(&mut random));
                let first = random.random_range(0..5);
                let mut naive = vec![0u64; 3];
                for (at, value) in values.iter().skip(first * 64).take(192).enumerate() {
                    naive[at / 64] |= u64::from(passes(*value, low, high)) << (at % 64);
                }
                for with in Implementation::available() {
                    let mut ours = vec![9; 3];
                    FloatRange::new(low, high).mark(with, &bytes, first, &mut ours);
                    assert_eq!(ours, naive, "{with:?} {count} {low:?} {high:?}");
                }
            }
        }
    }
}
