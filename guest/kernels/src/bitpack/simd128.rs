//! WebAssembly vector kernels over packed values of up to 25 bits.
//!
//! As in `avx2.rs` a chunk of eight values starts on a byte, and one load per four values and a byte
//! shuffle bring each into a 32-bit lane. WebAssembly shifts all lanes by the same distance, so each is
//! first multiplied by the power of two that brings all to the same offset (Lemire and Boytsov, "Decoding
//! billions of integers per second through vectorization", 2015).
#![cfg(all(target_arch = "wasm32", target_feature = "simd128"))]

use std::arch::wasm32::{
    i8x16_swizzle, i32x4_bitmask, i32x4_mul, i32x4_splat, i32x4_sub, i64x2_add,
    i64x2_extend_high_u32x4, i64x2_extend_low_u32x4, i64x2_splat, u32x4_le, u32x4_shr, v128,
    v128_and, v128_load, v128_store,
};

use crate::bitpack::{Packed, chunks};

/// Widest value the 32-bit lanes can take at any bit offset.
pub(crate) const MAX_WIDTH: u32 = 25;

/// Where all values are brought before they are shifted down together: the largest bit offset.
const OFFSET: u32 = 7;

/// How the bytes of a chunk move into lanes, for one width.
struct Layout {
    shuffles: [v128; 2],
    factors: [v128; 2],
    mask: v128,
    /// Bytes from one chunk to the next.
    stride: usize,
    /// Offset of the load for the upper four values.
    upper: usize,
}

impl Layout {
    fn new(width: u32) -> Layout {
        let width = width as usize;
        let upper = 4 * width / 8;
        let mut bytes = [[0u8; 16]; 2];
        let mut factors = [[0u32; 4]; 2];
        let lanes = bytes
            .iter_mut()
            .flat_map(|half| half.as_chunks_mut::<4>().0);
        for (value, (bytes, factor)) in lanes.zip(factors.iter_mut().flatten()).enumerate() {
            let bit = value * width - if value < 4 { 0 } else { upper * 8 };
            *factor = 1 << (OFFSET - bit as u32 % 8);
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = (bit / 8 + at) as u8;
            }
        }
        // SAFETY: the arrays have 16 bytes each.
        let (shuffles, factors) = unsafe {
            (
                bytes.map(|half| v128_load(half.as_ptr().cast())),
                factors.map(|half| v128_load(half.as_ptr().cast())),
            )
        };
        Layout {
            shuffles,
            factors,
            mask: i32x4_splat((1 << width) - 1),
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
    #[inline]
    unsafe fn load(&self, bytes: &[u8], chunk: usize) -> [v128; 2] {
        // SAFETY: the chunk starts where both loads of 16 bytes still end within the bytes.
        let (low, high) = unsafe {
            let start = bytes.as_ptr().add(chunk * self.stride);
            (
                v128_load(start.cast()),
                v128_load(start.add(self.upper).cast()),
            )
        };
        let lanes = |bytes, shuffle, factor| {
            let shifted = i32x4_mul(i8x16_swizzle(bytes, shuffle), factor);
            v128_and(u32x4_shr(shifted, OFFSET), self.mask)
        };
        let ([low_bytes, high_bytes], [low_factor, high_factor]) = (self.shuffles, self.factors);
        [
            lanes(low, low_bytes, low_factor),
            lanes(high, high_bytes, high_factor),
        ]
    }
}

/// Writes selection words like [`Packed::mark_range`]; both bounds of the range must be values of the
/// width, which is 1 to [`MAX_WIDTH`].
pub(crate) fn mark_range(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    low: u32,
    span: u32,
) {
    let layout = Layout::new(packed.width());
    let bytes = packed.bytes();
    let lows = i32x4_splat(low.cast_signed());
    let spans = i32x4_splat(span.cast_signed());
    let inside = |values| u64::from(i32x4_bitmask(u32x4_le(i32x4_sub(values, lows), spans)));
    let bits = |chunk| {
        // SAFETY: the chunk is below `loadable`.
        let [lower, upper] = unsafe { layout.load(bytes, chunk) };
        inside(lower) | inside(upper) << 4
    };
    let single = |value: u64| value.wrapping_sub(low.into()) <= span.into();
    chunks::mark(packed, first, words, layout.loadable(bytes), bits, single);
}

/// Appends `base` plus each value (wrapping) of the whole chunks of `start..end` that can be loaded, and
/// returns where the caller continues. `start` must be a multiple of eight, `end` at most the count, and
/// the width 1 to [`MAX_WIDTH`].
pub(crate) fn decode(
    packed: &Packed<'_>,
    start: usize,
    end: usize,
    base: i64,
    out: &mut Vec<i64>,
) -> usize {
    let layout = Layout::new(packed.width());
    let bytes = packed.bytes();
    let bases = i64x2_splat(base);
    let store = |chunk, room: *mut i64| {
        // SAFETY: the chunk is below `loadable`.
        let [low, high] = unsafe { layout.load(bytes, chunk) };
        let pairs = [
            i64x2_extend_low_u32x4(low),
            i64x2_extend_high_u32x4(low),
            i64x2_extend_low_u32x4(high),
            i64x2_extend_high_u32x4(high),
        ];
        for (at, pair) in pairs.into_iter().enumerate() {
            // SAFETY: there is room for eight values.
            unsafe { v128_store(room.add(at * 2).cast(), i64x2_add(pair, bases)) };
        }
    };
    // SAFETY: all eight values are stored.
    unsafe { chunks::decode(start, end, layout.loadable(bytes), out, store) }
}
