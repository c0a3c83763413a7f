//! AVX2 kernels over packed values, used when the processor has them.
//!
//! Eight values of width `w` take exactly `w` bytes, so a chunk of eight values starts on a byte.
//! Two 16-byte loads per chunk, one byte shuffle and one shift per lane bring the eight values
//! into eight 32-bit lanes. That works up to 25 bits: four values at any bit offset then lie in
//! 16 bytes, and one value at any bit offset in four bytes. `avx2_wide.rs` has wider values.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmpeq_epi32, _mm256_cvtepu32_epi64, _mm256_extracti128_si256,
    _mm256_i32gather_epi32, _mm256_loadu_si256, _mm256_min_epu32, _mm256_movemask_ps,
    _mm256_permutevar8x32_epi32, _mm256_set_m128i, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setr_epi8, _mm256_setr_epi32, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_srlv_epi32, _mm256_storeu_si256, _mm256_sub_epi32,
};

use crate::bitpack::{Packed, chunks};

/// Widest value the 32-bit lanes can take.
pub(crate) const MAX_WIDTH: u32 = 25;

/// How the bytes of a chunk move into lanes, for one width.
#[derive(Clone, Copy)]
struct Layout {
    shuffle: __m256i,
    shift: __m256i,
    mask: __m256i,
    /// Bytes from one chunk to the next.
    stride: usize,
    /// Offset of the load for the upper four values.
    upper: usize,
}

impl Layout {
    #[target_feature(enable = "avx2")]
    fn new(width: u32) -> Layout {
        let width = width as usize;
        let upper = 4 * width / 8;
        // Bit offset of each value within the 16 bytes loaded for its half.
        let bit = |lane: usize| {
            if lane < 4 {
                lane * width
            } else {
                lane * width - upper * 8
            }
        };
        let byte = |at: usize| (bit(at / 4) / 8 + at % 4) as i8;
        let shift = |lane: usize| (bit(lane) % 8) as i32;
        let shuffle = _mm256_setr_epi8(
            byte(0),
            byte(1),
            byte(2),
            byte(3),
            byte(4),
            byte(5),
            byte(6),
            byte(7),
            byte(8),
            byte(9),
            byte(10),
            byte(11),
            byte(12),
            byte(13),
            byte(14),
            byte(15),
            byte(16),
            byte(17),
            byte(18),
            byte(19),
            byte(20),
            byte(21),
            byte(22),
            byte(23),
            byte(24),
            byte(25),
            byte(26),
            byte(27),
            byte(28),
            byte(29),
            byte(30),
            byte(31),
        );
        let shifts = _mm256_setr_epi32(
            shift(0),
            shift(1),
            shift(2),
            shift(3),
            shift(4),
            shift(5),
            shift(6),
            shift(7),
        );
        let mask = _mm256_set1_epi32((1i32 << width) - 1);
        Layout {
            shuffle,
            shift: shifts,
            mask,
            stride: width,
            upper,
        }
    }

    /// Chunks from the first on that can be loaded.
    fn loadable(&self, bytes: &[u8]) -> usize {
        chunks::loadable(bytes.len(), self.stride, self.upper)
    }

    /// The eight values of a chunk, one per lane.
    ///
    /// # Safety
    /// `chunk` must be below `loadable(bytes)`.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn load(&self, bytes: &[u8], chunk: usize) -> __m256i {
        // SAFETY: chunk <= (length - upper - 16) / stride, so the chunk starts at or before
        // length - upper - 16, and both 16-byte loads end within the bytes.
        let (low, high) = unsafe {
            let start = bytes.as_ptr().add(chunk * self.stride);
            (
                _mm_loadu_si128(start.cast()),
                _mm_loadu_si128(start.add(self.upper).cast()),
            )
        };
        let bytes = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), self.shuffle);
        _mm256_and_si256(_mm256_srlv_epi32(bytes, self.shift), self.mask)
    }
}

/// Writes selection words like [`Packed::mark_range`]; both bounds of the range must be values of the
/// width, which is 1 to [`MAX_WIDTH`].
#[target_feature(enable = "avx2")]
pub(crate) fn mark_range(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    low: u32,
    span: u32,
) {
    let lows = _mm256_set1_epi32(low.cast_signed());
    let spans = _mm256_set1_epi32(span.cast_signed());
    let inside = |values| {
        let offset = _mm256_sub_epi32(values, lows);
        _mm256_cmpeq_epi32(_mm256_min_epu32(offset, spans), offset)
    };
    mark(packed, first, words, inside, |value| {
        value.wrapping_sub(low.into()) <= span.into()
    });
}

/// Writes selection words: the values whose bit is set in `members`, which has one for every value of the
/// width, 1 to 16.
#[target_feature(enable = "avx2")]
pub(crate) fn mark_members(packed: &Packed<'_>, first: usize, words: &mut [u64], members: &[u64]) {
    debug_assert!(packed.width() <= 16 && members.len() << 6 >= 1 << packed.width());
    // Bit 31 of a lane is the answer, and the only one that is looked at.
    let bit = |held, codes| {
        let place = _mm256_and_si256(codes, _mm256_set1_epi32(31));
        _mm256_slli_epi32::<31>(_mm256_srlv_epi32(held, place))
    };
    let scalar = |code: u64| {
        let word = members.get(code as usize / 64).copied().unwrap_or(0);
        word >> (code % 64) & 1 == 1
    };
    if packed.width() > 8 {
        let gathered = |codes| {
            // SAFETY: a code has at most `width` bits, so its word of 32 bits lies within the members.
            let held = unsafe {
                _mm256_i32gather_epi32::<4>(members.as_ptr().cast(), _mm256_srli_epi32::<5>(codes))
            };
            bit(held, codes)
        };
        return mark(packed, first, words, gathered, scalar);
    }
    let mut all = [0u64; 4];
    all.iter_mut()
        .zip(members)
        .for_each(|(to, from)| *to = *from);
    // SAFETY: the array has 32 bytes.
    let table = unsafe { _mm256_loadu_si256(all.as_ptr().cast()) };
    let permuted = |codes| {
        let held = _mm256_permutevar8x32_epi32(table, _mm256_srli_epi32::<5>(codes));
        bit(held, codes)
    };
    mark(packed, first, words, permuted, scalar);
}

/// Writes the words of the values for which the highest bit of a lane is set by one test, or which pass the
/// other, equal test of single values where a chunk is not whole.
#[target_feature(enable = "avx2")]
#[inline]
fn mark(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    lanes: impl Fn(__m256i) -> __m256i,
    single: impl Fn(u64) -> bool,
) {
    let layout = Layout::new(packed.width());
    let bytes = packed.bytes();
    let bits = |chunk| {
        // SAFETY: the chunk is below `loadable`.
        let passed = lanes(unsafe { layout.load(bytes, chunk) });
        _mm256_movemask_ps(_mm256_castsi256_ps(passed))
            .cast_unsigned()
            .into()
    };
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
        let values = unsafe { layout.load(bytes, chunk) };
        let low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(values));
        let high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(values));
        // SAFETY: there is room for eight values.
        unsafe {
            _mm256_storeu_si256(room.cast(), _mm256_add_epi64(low, bases));
            _mm256_storeu_si256(room.add(4).cast(), _mm256_add_epi64(high, bases));
        }
    };
    // SAFETY: all eight values are stored.
    unsafe { chunks::decode(start, end, layout.loadable(bytes), out, store) }
}
