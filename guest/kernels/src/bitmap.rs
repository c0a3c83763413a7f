//! Counting and listing the rows of a bitmap, with vector instructions where there are some.

use std::ops::Range;

use sidx_columns::Bitmap;
use sidx_columns::bitmap::Ones;

use crate::implementation::Implementation;
#[cfg(target_arch = "x86_64")]
use crate::implementation::Instructions;

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Number of rows in the set.
pub(crate) fn count(bitmap: &Bitmap) -> usize {
    count_with(Implementation::best(), bitmap.words())
}

/// Appends the first `most` rows of the set inside a range, ascending.
pub(crate) fn push_rows(bitmap: &Bitmap, range: Range<usize>, most: usize, out: &mut Vec<u32>) {
    let end = range.end.min(bitmap.len());
    let range = range.start..end;
    push_rows_with(Implementation::best(), bitmap.words(), range, most, out);
}

/// Number of bits set, counted as told.
pub(crate) fn count_with(with: Implementation, words: &[u64]) -> usize {
    match with.instructions() {
        // SAFETY: the implementation exists, so the processor has its instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { avx512::count(words) },
        _ => words.iter().map(|word| word.count_ones() as usize).sum(),
    }
}

/// As [`push_rows`], carried out as told.
pub(crate) fn push_rows_with(
    with: Implementation,
    words: &[u64],
    range: Range<usize>,
    most: usize,
    out: &mut Vec<u32>,
) {
    let first = out.len();
    match with.instructions() {
        // SAFETY: the implementation exists, so the processor has its instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe {
            avx512::push_rows(words, range.start, range.end, most, out);
        },
        _ => out.extend(
            Ones::new(words, range.start, range.end)
                .take(most)
                .map(|row| row as u32),
        ),
    }
    out.truncate(first.saturating_add(most));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lists_of_rows_match_the_naive_ones() {
        use rand::{Rng, SeedableRng, rngs::SmallRng};
        let mut random = SmallRng::seed_from_u64(10);
        // Few under Miri, which is a thousand times slower.
        for len in (0..=300).step_by(if cfg!(miri) { 77 } else { 1 }) {
            let share = [0.0, 0.02, 0.5, 1.0][len % 4];
            let bitmap = Bitmap::from_fn(len, |_| random.random_bool(share));
            let all: Vec<u32> = (0..len as u32)
                .filter(|row| bitmap.get(*row as usize))
                .collect();
            for with in Implementation::available() {
                assert_eq!(count_with(with, bitmap.words()), all.len(), "{with:?}");
                for start in (0..64).filter(|start| *start <= len) {
                    let end = random.random_range(start..=len);
                    let most = [0, 1, 20, usize::MAX][random.random_range(0..4)];
                    let inside = all
                        .iter()
                        .filter(|row| (start..end).contains(&(**row as usize)));
                    let naive: Vec<u32> = std::iter::once(7)
                        .chain(inside.copied().take(most))
                        .collect();
                    let mut ours = vec![7];
                    push_rows_with(with, bitmap.words(), start..end, most, &mut ours);
                    assert_eq!(ours, naive, "{with:?} {start}..{end} of {len}, {most}");
                }
            }
        }
    }
}
