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
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions.
            return unsafe { sum_avx512(buffer) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions.
            return unsafe { sum_avx2(buffer) };
        }
    }
    plain_sum(buffer)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sum_avx512(buffer: &[u64]) -> u64 {
    plain_sum(buffer)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(buffer: &[u64]) -> u64 {
    plain_sum(buffer)
}

/// Thirty-two sums side by side, so that additions do not wait for each other.
#[inline(always)]
fn plain_sum(buffer: &[u64]) -> u64 {
    let (chunks, rest) = buffer.as_chunks::<32>();
    let mut sums = [0u64; 32];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*value);
        }
    }
    sums.iter().chain(rest).fold(0, |a, b| a.wrapping_add(*b))
}
