//! Counting and listing the rows of a bitmap with AVX-512.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    _mm512_add_epi32, _mm512_maskz_compress_epi32, _mm512_set1_epi32, _mm512_setr_epi32,
    _mm512_storeu_si512,
};

use sidx_columns::bitmap::for_words;

/// Rows per vector, which is also how many a store may write beyond those that count.
const LANES: usize = 16;

/// Rows of a word up to which one by one is as fast.
const FEW: u32 = 3;

/// Number of bits set. The compiler makes vector counts of it where it may.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
pub(crate) fn count(words: &[u64]) -> usize {
    words
        .iter()
        .map(|word| u64::from(word.count_ones()))
        .sum::<u64>() as usize
}

/// Appends the rows of `start..end` whose bit is set; ends soon after it has appended `most`.
#[target_feature(enable = "avx512f,popcnt")]
pub(crate) fn push_rows(words: &[u64], start: usize, end: usize, most: usize, out: &mut Vec<u32>) {
    let numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let first = out.len();
    for_words(start, end, |index, mask| {
        let mut word = words.get(index).copied().unwrap_or(0) & mask;
        if word == 0 || out.len() - first >= most {
            return;
        }
        out.reserve(64 + LANES);
        if word.count_ones() <= FEW {
            while word != 0 {
                out.push((index * 64) as u32 + word.trailing_zeros());
                word &= word - 1;
            }
            return;
        }
        let mut length = out.len();
        for part in 0..64 / LANES {
            let rows = _mm512_set1_epi32((index * 64 + part * LANES) as i32);
            let set = (word >> (part * LANES)) as u16;
            let rows = _mm512_maskz_compress_epi32(set, _mm512_add_epi32(rows, numbers));
            // SAFETY: there was room for 64 rows and one vector more; at most 64 are counted. A whole
            // vector is written because stores under a mask that compress take ten times as long (AMD).
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(length).cast(), rows) };
            length += set.count_ones() as usize;
        }
        // SAFETY: the stores wrote all values up to this length.
        unsafe { out.set_len(length) };
    });
}
