//! The speed at which memory can be read at all.

use std::hint::black_box;

use crate::clock;

/// Bytes per tick of a sum.
#[derive(Clone, Copy)]
pub(crate) struct Floors {
    /// Over a buffer larger than the last cache.
    pub(crate) memory: f64,
    /// Over a buffer that fits the second cache.
    pub(crate) cache: f64,
}

/// More than the last cache of the machines in use.
const MEMORY_BYTES: usize = 512 << 20;
/// Bytes summed at a time.
const PIECE_BYTES: usize = 4 << 20;
/// Half of a second cache of 1 MiB.
const CACHE_BYTES: usize = 512 << 10;

impl Floors {
    pub(crate) fn measure(rounds: usize) -> Self {
        let buffer = vec![1u64; MEMORY_BYTES / 8];
        let cached = &buffer[..CACHE_BYTES / 8];
        // Pieces are short enough that few of them are interrupted, and none is cached when its turn comes.
        let pieces = buffer.chunks(PIECE_BYTES / 8);
        Self {
            memory: median(pieces.map(|piece| bytes_per_tick(piece, 1))),
            cache: median((0..rounds.max(50)).map(|_| bytes_per_tick(cached, 10))),
        }
    }
}

fn bytes_per_tick(buffer: &[u64], passes: usize) -> f64 {
    let start = clock::now();
    for _ in 0..passes {
        assert_eq!(sum(black_box(buffer)), buffer.len() as u64);
    }
    (passes * size_of_val(buffer)) as f64 / (clock::now() - start) as f64
}

fn median(speeds: impl Iterator<Item = f64>) -> f64 {
    let mut speeds: Vec<f64> = speeds.collect();
    speeds.sort_by(f64::total_cmp);
    speeds[speeds.len() / 2]
}

fn sum(buffer: &[u64]) -> u64 {
    let (chunks, rest) = buffer.as_chunks::<64>();
    let whole = match chunks {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions.
        chunks if is_x86_feature_detected!("avx512f") => unsafe { sum_avx512(chunks) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions.
        chunks if is_x86_feature_detected!("avx2") => unsafe { sum_avx2(chunks) },
        chunks => chunks
            .iter()
            .flatten()
            .fold(0u64, |a, b| a.wrapping_add(*b)),
    };
    rest.iter().fold(whole, |a, b| a.wrapping_add(*b))
}

/// Eight sums side by side, so that additions do not wait for each other.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sum_avx512(chunks: &[[u64; 64]]) -> u64 {
    use std::arch::x86_64::{
        _mm512_add_epi64, _mm512_loadu_si512, _mm512_reduce_add_epi64, _mm512_setzero_si512,
    };
    let mut sums = [_mm512_setzero_si512(); 8];
    for chunk in chunks {
        for (sum, part) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
            // SAFETY: the part has 64 bytes.
            *sum = _mm512_add_epi64(*sum, unsafe { _mm512_loadu_si512(part.as_ptr().cast()) });
        }
    }
    sums.map(|sum| _mm512_reduce_add_epi64(sum).cast_unsigned())
        .iter()
        .fold(0, |a, b| a.wrapping_add(*b))
}

/// Sixteen sums side by side.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(chunks: &[[u64; 64]]) -> u64 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_storeu_si256,
    };
    let mut sums = [_mm256_setzero_si256(); 8];
    for chunk in chunks {
        for half in chunk.as_chunks::<32>().0 {
            for (sum, part) in sums.iter_mut().zip(half.as_chunks::<4>().0) {
                // SAFETY: the part has 32 bytes.
                *sum = _mm256_add_epi64(*sum, unsafe { _mm256_loadu_si256(part.as_ptr().cast()) });
            }
        }
    }
    let add = |a: __m256i, b: &__m256i| _mm256_add_epi64(a, *b);
    let all = sums.iter().fold(_mm256_setzero_si256(), add);
    let mut lanes = [0u64; 4];
    // SAFETY: the array has 32 bytes.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), all) };
    lanes.iter().fold(0, |a, b| a.wrapping_add(*b))
}
