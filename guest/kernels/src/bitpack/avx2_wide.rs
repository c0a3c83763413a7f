//! AVX2 kernels over packed values of 26 to 57 bits, four 64-bit lanes at a time.
//!
//! As in `avx2.rs` a chunk of eight values starts on a byte. Two values at any bit offset lie in 16
//! bytes, and one in eight, so four loads and two byte shuffles bring a chunk into two vectors.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd,
    _mm256_cmpgt_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi64x, _mm256_shuffle_epi8, _mm256_srlv_epi64, _mm256_storeu_si256,
    _mm256_sub_epi64,
};

use crate::bitpack::{Packed, chunks};

/// Widest value that lies in eight bytes at any bit offset.
pub(crate) const MAX_WIDTH: u32 = 57;

/// How the bytes of a chunk move into lanes, for one width.
struct Layout {
    shuffles: [__m256i; 2],
    shifts: [__m256i; 2],
    mask: __m256i,
    /// Bytes from one chunk to the next.
    stride: usize,
    /// Where each pair of values is loaded.
    pairs: [usize; 4],
}

impl Layout {
    #[target_feature(enable = "avx2")]
    fn new(width: u32) -> Layout {
        let width = width as usize;
        let mut bytes = [[0u8; 32]; 2];
        let mut shifts = [[0u64; 4]; 2];
        let lanes = bytes
            .iter_mut()
            .flat_map(|half| half.as_chunks_mut::<8>().0);
        let lanes = lanes.zip(shifts.iter_mut().flatten()).enumerate();
        for (value, (bytes, shift)) in lanes {
            let bit = value * width - value / 2 * 2 * width / 8 * 8;
            *shift = bit as u64 % 8;
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = (bit / 8 + at) as u8;
            }
        }
        // SAFETY: the arrays have 32 bytes each.
        let (shuffles, shifts) = unsafe {
            (
                bytes.map(|half| _mm256_loadu_si256(half.as_ptr().cast())),
                shifts.map(|half| _mm256_loadu_si256(half.as_ptr().cast())),
            )
        };
        Layout {
            shuffles,
            shifts,
            mask: _mm256_set1_epi64x((1i64 << width) - 1),
            stride: width,
            pairs: [0, 2 * width / 8, 4 * width / 8, 6 * width / 8],
        }
    }

    /// Chunks from the first on that can be loaded.
    fn loadable(&self, bytes: &[u8]) -> usize {
        let [.., last] = self.pairs;
        chunks::loadable(bytes.len(), self.stride, last)
    }

    /// The eight values of a chunk, one per lane.
    ///
    /// # Safety
    /// `chunk` must be below `loadable(bytes)`.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn load(&self, bytes: &[u8], chunk: usize) -> [__m256i; 2] {
        // SAFETY: the chunk starts where the 16 bytes of its last pair, and so those of all, still lie
        // within the bytes.
        let [a, b, c, d]: [__m128i; 4] = unsafe {
            let start = bytes.as_ptr().add(chunk * self.stride);
            self.pairs
                .map(|pair| _mm_loadu_si128(start.add(pair).cast()))
        };
        let [low, high] = self.shuffles;
        let low = _mm256_shuffle_epi8(_mm256_set_m128i(b, a), low);
        let high = _mm256_shuffle_epi8(_mm256_set_m128i(d, c), high);
        let [low_shift, high_shift] = self.shifts;
        [
            _mm256_and_si256(_mm256_srlv_epi64(low, low_shift), self.mask),
            _mm256_and_si256(_mm256_srlv_epi64(high, high_shift), self.mask),
        ]
    }
}

/// Writes selection words like [`Packed::mark_range`]; both bounds of the range must be values of the
/// width, which is 1 to [`MAX_WIDTH`].
#[target_feature(enable = "avx2")]
pub(crate) fn mark_range(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    low: u64,
    span: u64,
) {
    let layout = Layout::new(packed.width());
    let bytes = packed.bytes();
    let lows = _mm256_set1_epi64x(low.cast_signed());
    let spans = _mm256_set1_epi64x(span.cast_signed());
    let outside = |values| {
        // Values and bounds are far below 2^63, so a value below the range shows in the sign.
        let offset = _mm256_sub_epi64(values, lows);
        let out = _mm256_or_si256(offset, _mm256_cmpgt_epi64(offset, spans));
        u64::from(_mm256_movemask_pd(_mm256_castsi256_pd(out)).cast_unsigned())
    };
    let bits = |chunk| {
        // SAFETY: the chunk is below `loadable`.
        let [lower, upper] = unsafe { layout.load(bytes, chunk) };
        (outside(lower) | outside(upper) << 4) ^ 0xff
    };
    let single = |value: u64| value.wrapping_sub(low) <= span;
    chunks::mark(packed, first, words, layout.loadable(bytes), bits, single);
}

/// Appends `base` plus each value (wrapping) of the whole chunks of `start..end` that can be loaded, and
/// returns where the caller continues. `start` must be a multiple of eight, `end` at most the count, and
/// the width 1 to [`MAX_WIDTH`].
#[target_feature(enable = "avx2")]
pub(crate) fn decode(
    packed: &Packed<'_>,
    start: usize,
    end: usize,
    base: i64,
    out: &mut Vec<i64>,
) -> usize {
    let layout = Layout::new(packed.width());
    let bytes = packed.bytes();
    let bases = _mm256_set1_epi64x(base);
    let store = |chunk, room: *mut i64| {
        // SAFETY: the chunk is below `loadable`.
        let [low, high] = unsafe { layout.load(bytes, chunk) };
        // SAFETY: there is room for eight values.
        unsafe {
            _mm256_storeu_si256(room.cast(), _mm256_add_epi64(low, bases));
            _mm256_storeu_si256(room.add(4).cast(), _mm256_add_epi64(high, bases));
        }
    };
    // SAFETY: all eight values are stored.
    unsafe { chunks::decode(start, end, layout.loadable(bytes), out, store) }
}
