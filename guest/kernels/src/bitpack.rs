//! Horizontal bit packing: value `i` occupies bits `i * width ..`, least significant bit first.
//!
//! Eight bytes of padding follow the packed bits, so every value can be loaded by one unaligned
//! 64-bit read (plus one byte for widths above 57) that stays within the bytes.

use crate::implementation::Implementation;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
))]
use crate::implementation::Instructions;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_wide;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
))]
pub(crate) mod chunks;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(test)]
mod tests;

/// Zero bytes behind the packed bits.
pub const PADDING: usize = 8;

/// Widest value whose bits, at any bit offset, lie within eight bytes.
const ONE_LOAD: u32 = 57;

/// Values packed per word of a selection.
const WORD: usize = 64;

/// Fewest values for which setting up a vector kernel pays.
const WORTHWHILE: usize = 16;

/// Widest values whose sets are looked up by vector kernels.
#[cfg(target_arch = "x86_64")]
const MAX_MEMBER_WIDTH: u32 = 16;

/// Bits needed for a value: 0 for 0, 64 for the largest.
#[must_use]
#[inline]
pub fn width_of(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Bytes that `count` values of a width take, with padding. Width 0 takes none.
#[must_use]
pub fn packed_bytes(count: usize, width: u32) -> u64 {
    if width == 0 {
        return 0;
    }
    // Saturating, so that no count, however absurd, seems to need few bytes.
    (count as u64).saturating_mul(width.into()).div_ceil(8) + PADDING as u64
}

/// Appends values without padding, filling the last byte with zero bits. Bits above the width
/// must be zero; width is at most 64.
pub fn write(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let mut pending = 0u128;
    let mut bits = 0u32;
    for value in values {
        pending |= u128::from(value) << bits;
        bits += width;
        if bits >= u64::BITS {
            out.extend_from_slice(&(pending as u64).to_le_bytes());
            pending >>= u64::BITS;
            bits -= u64::BITS;
        }
    }
    let rest = (pending as u64).to_le_bytes();
    out.extend(rest.into_iter().take(bits.div_ceil(8) as usize));
}

/// Appends values with padding; nothing at all for width 0.
pub fn write_padded(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    write(values, width, out);
    out.extend_from_slice(&[0; PADDING]);
}

/// A view of packed values over bytes whose length was checked.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    width: u32,
    count: usize,
}

impl<'a> Packed<'a> {
    /// A view of `count` values; `None` when the bytes are too short (padding included) or the
    /// width exceeds 64. Cost: O(1).
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8], width: u32, count: usize) -> Option<Packed<'a>> {
        if width > u64::BITS || (bytes.len() as u64) < packed_bytes(count, width) {
            return None;
        }
        Some(Packed {
            bytes,
            width,
            count,
        })
    }

    /// Number of values.
    #[must_use]
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Value `index`; 0 beyond the last.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        if index >= self.count || self.width == 0 {
            return 0;
        }
        // SAFETY: the index is below the count and the width is not zero.
        unsafe { self.load(index) }
    }

    /// Loads a value.
    ///
    /// # Safety
    /// `index` must be below the count and the width must not be zero.
    #[inline(always)]
    unsafe fn load(&self, index: usize) -> u64 {
        // SAFETY: the same is asked for.
        unsafe {
            if self.width > ONE_LOAD {
                self.load_as::<true>(index)
            } else {
                self.load_as::<false>(index)
            }
        }
    }

    /// Loads a value, which is `LONG` when it may lie in nine bytes. Loops know that once for all.
    ///
    /// # Safety
    /// `index` must be below the count, and the width neither zero nor, unless `LONG`, above [`ONE_LOAD`].
    #[inline(always)]
    unsafe fn load_as<const LONG: bool>(&self, index: usize) -> u64 {
        // 64-bit also where addresses are 32-bit: packed bytes may hold more than 2^32 bits.
        let bit = index as u64 * u64::from(self.width);
        let shift = (bit % 8) as u32;
        let mask = u64::MAX >> (u64::BITS - self.width);
        // SAFETY: `new` checked that the bytes hold ceil(count * width / 8) + 8 bytes. A value
        // below the count starts in byte bit / 8 <= ceil(count * width / 8) - 1, so the eight
        // bytes from there, and the ninth, lie within the bytes.
        let (low, high) = unsafe {
            let start = self.bytes.as_ptr().add((bit / 8) as usize);
            let low = u64::from_le(start.cast::<u64>().read_unaligned());
            (
                low,
                if LONG {
                    u64::from(start.add(8).read())
                } else {
                    0
                },
            )
        };
        if !LONG {
            return (low >> shift) & mask;
        }
        // Two shifts, because a shift by 64 is not defined when the value starts on a byte.
        ((low >> shift) | ((high << (63 - shift)) << 1)) & mask
    }

    /// Calls `visit` with each value of `start..end`, which is cut to the count.
    #[inline(always)]
    pub fn for_each(&self, start: usize, end: usize, mut visit: impl FnMut(u64)) {
        let end = end.min(self.count);
        match self.width {
            0 => (start..end).for_each(|_| visit(0)),
            1..=ONE_LOAD => (start..end).for_each(|index| {
                // SAFETY: the index is below the end, which is at most the count.
                visit(unsafe { self.load_as::<false>(index) });
            }),
            // SAFETY: as above.
            _ => (start..end).for_each(|index| visit(unsafe { self.load_as::<true>(index) })),
        }
    }

    /// Appends `base + value` (wrapping) for each value of `start..end`, cut to the count.
    pub fn decode(&self, start: usize, end: usize, base: i64, out: &mut Vec<i64>) {
        self.decode_with(Implementation::best(), start, end, base, out);
    }

    /// As [`Packed::decode`], carried out as told.
    pub(crate) fn decode_with(
        &self,
        with: Implementation,
        start: usize,
        end: usize,
        base: i64,
        out: &mut Vec<i64>,
    ) {
        let end = end.min(self.count);
        if start >= end {
            return;
        }
        if self.width == 0 {
            out.resize(out.len() + (end - start), base);
            return;
        }
        out.reserve(end - start);
        if with == Implementation::PORTABLE || end - start < WORTHWHILE {
            return self.append(start, end, base, out);
        }
        let aligned = start.next_multiple_of(8).min(end);
        self.append(start, aligned, base, out);
        let next = self.decode_chunks(with, aligned, end, base, out);
        self.append(next, end, base, out);
    }

    /// Appends `base + value` of `start..end` one by one. The end must not exceed the count, nor the width
    /// be zero.
    fn append(&self, start: usize, end: usize, base: i64, out: &mut Vec<i64>) {
        debug_assert!(end <= self.count && self.width > 0);
        let indexes = start..end.min(self.count);
        // Iterators of known length, so that the vector asks for room once.
        if self.width > ONE_LOAD {
            out.extend(indexes.map(|index| {
                // SAFETY: the index is below the count, and the width is not zero.
                base.wrapping_add(unsafe { self.load_as::<true>(index) } as i64)
            }));
        } else {
            out.extend(indexes.map(|index| {
                // SAFETY: as above, and the width is that of short values.
                base.wrapping_add(unsafe { self.load_as::<false>(index) } as i64)
            }));
        }
    }

    /// Appends chunks of eight values, as many of `start..end` as the vector kernels take, and returns
    /// where they end. `start` is a multiple of eight.
    fn decode_chunks(
        &self,
        with: Implementation,
        start: usize,
        end: usize,
        base: i64,
        out: &mut Vec<i64>,
    ) -> usize {
        match with.instructions() {
            // SAFETY: the implementation exists, so the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512::decode(self, start, end, base, out) },
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if self.width <= avx2::MAX_WIDTH => {
                // SAFETY: as above.
                unsafe { avx2::decode(self, start, end, base, out) }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if self.width <= avx2_wide::MAX_WIDTH => {
                // SAFETY: as above.
                unsafe { avx2_wide::decode(self, start, end, base, out) }
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Instructions::Simd128 if self.width <= simd128::MAX_WIDTH => {
                simd128::decode(self, start, end, base, out)
            }
            _ => start,
        }
    }

    /// Appends `base` plus the value (wrapping) at each position, 0 beyond the last value.
    pub(crate) fn gather_with(
        &self,
        with: Implementation,
        positions: &[u32],
        base: i64,
        out: &mut Vec<i64>,
    ) {
        let done = match with.instructions() {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 if avx512::is_gatherable(self.width) => {
                // SAFETY: the implementation exists, so the processor has its instructions.
                unsafe { avx512::gather(self, positions, base, out) }
            }
            _ => 0,
        };
        let rest = positions.get(done..).unwrap_or_default();
        out.extend(rest.iter().map(|at| {
            let value = base.wrapping_add(self.get(*at as usize) as i64);
            if (*at as usize) < self.count {
                value
            } else {
                0
            }
        }));
    }

    /// First index of `start..end` whose value is at least `least`, or `end`, which must not exceed the
    /// count. The values there must ascend; otherwise the answer is some index of the range.
    pub(crate) fn lower_bound(&self, start: usize, end: usize, least: u64) -> usize {
        if start >= end {
            return start;
        }
        let (mut low, mut length) = (start, end - start);
        // Halving by arithmetic alone: a branch would be mispredicted at every other step.
        while length > 1 {
            let half = length / 2;
            let below = self.get(low + half - 1) < least;
            low = std::hint::select_unpredictable(below, low + half, low);
            length -= half;
        }
        low + usize::from(self.get(low) < least)
    }

    /// Writes the selection words from word `first` on: bit `j` of word `first + i` tells whether
    /// value `64 * (first + i) + j` lies in `low ..= low + span`. Bits of values beyond the count
    /// are zero.
    pub fn mark_range(&self, first: usize, words: &mut [u64], low: u64, span: u64) {
        self.mark_range_with(Implementation::best(), first, words, low, span);
    }

    /// As [`Packed::mark_range`], carried out as told.
    pub(crate) fn mark_range_with(
        &self,
        with: Implementation,
        first: usize,
        words: &mut [u64],
        low: u64,
        span: u64,
    ) {
        if with == Implementation::PORTABLE || self.width == 0 || self.count < WORTHWHILE {
            return self.mark_where(first, words, |value| value.wrapping_sub(low) <= span);
        }
        // Cut the range to what the width can hold: lanes have few more bits than the values, and
        // differences must not wrap into the range.
        let largest = u64::MAX >> (u64::BITS - self.width);
        if low > largest {
            return words.fill(0);
        }
        let span = low.saturating_add(span).min(largest) - low;
        match with.instructions() {
            // SAFETY: the implementation exists, so the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512::mark_range(self, first, words, low, span) },
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if self.width <= avx2::MAX_WIDTH => {
                // SAFETY: as above.
                unsafe { avx2::mark_range(self, first, words, low as u32, span as u32) }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if self.width <= avx2_wide::MAX_WIDTH => {
                // SAFETY: as above.
                unsafe { avx2_wide::mark_range(self, first, words, low, span) }
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Instructions::Simd128 if self.width <= simd128::MAX_WIDTH => {
                simd128::mark_range(self, first, words, low as u32, span as u32);
            }
            _ => self.mark_where(first, words, |value| value.wrapping_sub(low) <= span),
        }
    }

    /// Writes the selection words from word `first` on: the values whose bit is set in `members`, bit
    /// `value % 64` of word `value / 64`. Values without a word are not in the set.
    pub fn mark_members(&self, first: usize, words: &mut [u64], members: &[u64]) {
        self.mark_members_with(Implementation::best(), first, words, members);
    }

    /// As [`Packed::mark_members`], carried out as told.
    pub(crate) fn mark_members_with(
        &self,
        with: Implementation,
        first: usize,
        words: &mut [u64],
        members: &[u64],
    ) {
        // The vector kernels look up without a check, so every value of the width needs a bit.
        #[cfg(target_arch = "x86_64")]
        let is_complete = (1..=MAX_MEMBER_WIDTH).contains(&self.width)
            && (members.len() as u64) << 6 >= 1 << self.width;
        match with.instructions() {
            // SAFETY: the implementation exists, so the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 if is_complete && self.width <= avx512::MAX_MEMBER_WIDTH => unsafe {
                avx512::mark_members(self, first, words, members);
            },
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::Avx512 if is_complete => {
                // SAFETY: as above; what has AVX-512 has AVX2.
                unsafe { avx2::mark_members(self, first, words, members) }
            }
            _ => self.mark_where(first, words, |value| {
                let word = usize::try_from(value / 64)
                    .ok()
                    .and_then(|at| members.get(at));
                word.is_some_and(|word| word >> (value % 64) & 1 == 1)
            }),
        }
    }

    /// Writes the selection words from word `first` on: the values that pass a test.
    pub(crate) fn mark_where(&self, first: usize, words: &mut [u64], test: impl Fn(u64) -> bool) {
        for (index, word) in words.iter_mut().enumerate() {
            let start = (first + index) * WORD;
            *word = self.mask_of(start, start + WORD, &test);
        }
    }

    /// Selection bits of up to 64 values from `start` on.
    #[inline(always)]
    pub(crate) fn mask_of(&self, start: usize, end: usize, test: impl Fn(u64) -> bool) -> u64 {
        let mut mask = 0u64;
        let mut bit = 0;
        self.for_each(start, end, |value| {
            mask |= u64::from(test(value)) << bit;
            bit += 1;
        });
        mask
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn width(&self) -> u32 {
        self.width
    }
}
