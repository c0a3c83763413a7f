//! Moving bits between a selection of rows and a selection of the values that are present.
//!
//! Both directions are single instructions where a processor has BMI2 (`pdep` and `pext`). Processors that
//! have it in microcode (AMD before Zen 3) take about as long for it as the loops below.

use crate::implementation::Implementation;

/// Presence of rows: the rows that have a value, one word per 64, and the values before each word.
#[derive(Clone, Copy)]
pub(crate) struct Ranks<'a> {
    pub(crate) present: &'a [u64],
    pub(crate) ranks: &'a [u32],
}

impl Ranks<'_> {
    /// For each word of rows from word `first` on, the rows whose value is in `dense`.
    pub(crate) fn spread(
        &self,
        with: Implementation,
        dense: &[u64],
        first: usize,
        rows: &mut [u64],
    ) {
        #[cfg(target_arch = "x86_64")]
        if with != Implementation::PORTABLE && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has the instructions.
            return unsafe { self.spread_bmi2(dense, first, rows) };
        }
        let _ = with;
        self.spread_by(dense, first, rows, deposit);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2")]
    fn spread_bmi2(&self, dense: &[u64], first: usize, rows: &mut [u64]) {
        self.spread_by(dense, first, rows, |bits, places| {
            std::arch::x86_64::_pdep_u64(bits, places)
        });
    }

    #[inline(always)]
    fn spread_by(
        &self,
        dense: &[u64],
        first: usize,
        rows: &mut [u64],
        deposit: impl Fn(u64, u64) -> u64,
    ) {
        let words = self.present.iter().zip(self.ranks).skip(first);
        for (row, (present, rank)) in rows.iter_mut().zip(words) {
            *row = deposit(bits_at(dense, *rank as usize), *present);
        }
    }

    /// Adds to `dense`, which is empty, the values of the rows that are present.
    pub(crate) fn compress(&self, with: Implementation, rows: &[u64], dense: &mut [u64]) {
        #[cfg(target_arch = "x86_64")]
        if with != Implementation::PORTABLE && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has the instructions.
            return unsafe { self.compress_bmi2(rows, dense) };
        }
        let _ = with;
        self.compress_by(rows, dense, extract);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2")]
    fn compress_bmi2(&self, rows: &[u64], dense: &mut [u64]) {
        self.compress_by(rows, dense, |bits, places| {
            std::arch::x86_64::_pext_u64(bits, places)
        });
    }

    #[inline(always)]
    fn compress_by(&self, rows: &[u64], dense: &mut [u64], extract: impl Fn(u64, u64) -> u64) {
        let words = rows.iter().zip(self.present).zip(self.ranks);
        for ((selected, present), rank) in words {
            let bits = extract(*selected, *present);
            let (index, shift) = (*rank as usize / 64, rank % 64);
            if let Some(word) = dense.get_mut(index) {
                *word |= bits << shift;
            }
            if shift > 0
                && let Some(word) = dense.get_mut(index + 1)
            {
                *word |= bits >> (64 - shift);
            }
        }
    }
}

/// The 64 bits from any position on; zero beyond the end.
#[inline(always)]
fn bits_at(words: &[u64], position: usize) -> u64 {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    let (index, shift) = (position / 64, position % 64);
    // Two shifts, because one by 64 is not defined.
    word(index) >> shift | word(index + 1) << 1 << (63 - shift)
}

/// Moves the low bits of `bits`, in order, to the places of the bits set in `places`.
fn deposit(bits: u64, places: u64) -> u64 {
    if places == u64::MAX {
        return bits;
    }
    let (mut result, mut left, mut bits) = (0, places, bits);
    while left != 0 && bits != 0 {
        let place = left & left.wrapping_neg();
        if bits & 1 == 1 {
            result |= place;
        }
        left ^= place;
        bits >>= 1;
    }
    result
}

/// Moves the bits of `bits` at the places of the bits set in `places` together, the lowest first.
fn extract(bits: u64, places: u64) -> u64 {
    if places == u64::MAX {
        return bits;
    }
    let (mut result, mut left) = (0, bits & places);
    while left != 0 {
        let before = places & (left & left.wrapping_neg()).wrapping_sub(1);
        result |= 1 << before.count_ones();
        left &= left - 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    /// Bit by bit.
    fn naive_spread(dense: &[u64], present: &[u64]) -> Vec<u64> {
        let mut rows = vec![0; present.len()];
        let is_present = |row: &usize| present[row / 64] >> (row % 64) & 1 == 1;
        for (value, row) in (0..present.len() * 64).filter(is_present).enumerate() {
            let bit = dense
                .get(value / 64)
                .map_or(0, |word| word >> (value % 64) & 1);
            rows[row / 64] |= bit << (row % 64);
        }
        rows
    }

    #[test]
    fn bits_spread_and_come_together_like_one_by_one() {
        let mut random = SmallRng::seed_from_u64(5);
        for words in (0..40).step_by(if cfg!(miri) { 13 } else { 1 }) {
            for thin in 0..5 {
                let mut word = || (0..thin).fold(u64::MAX, |word, _| word & random.random::<u64>());
                let present: Vec<u64> = (0..words).map(|_| word()).collect();
                let mut ranks = Vec::new();
                let mut count = 0;
                for word in &present {
                    ranks.push(count);
                    count += word.count_ones();
                }
                let dense: Vec<u64> = (0..count.div_ceil(64)).map(|_| random.random()).collect();
                let mut dense = dense;
                if let Some(last) = dense.last_mut().filter(|_| count % 64 > 0) {
                    *last &= (1 << (count % 64)) - 1;
                }
                let ranks = Ranks {
                    present: &present,
                    ranks: &ranks,
                };
                let naive = naive_spread(&dense, &present);
                for with in Implementation::available() {
                    for first in 0..words.min(3) {
                        let mut rows = vec![7; words - first];
                        ranks.spread(with, &dense, first, &mut rows);
                        assert_eq!(rows, naive[first..], "{with:?}");
                    }
                    let mut together = vec![0; dense.len()];
                    ranks.compress(with, &naive, &mut together);
                    assert_eq!(together, dense, "{with:?}");
                    // Rows without a value are left out.
                    let all: Vec<u64> = naive.iter().zip(&present).map(|(a, b)| a | !b).collect();
                    let mut together = vec![0; dense.len()];
                    ranks.compress(with, &all, &mut together);
                    assert_eq!(together, dense, "{with:?}");
                }
            }
        }
    }
}
