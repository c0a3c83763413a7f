//! Horizontal bit packing: value `i` occupies bits `i * width ..`, least significant bit first.
//!
//! Eight bytes of padding follow the packed bits, so every value can be loaded by one unaligned
//! 64-bit read (plus one byte for widths above 57) that stays within the bytes.

/// Zero bytes behind the packed bits.
pub const PADDING: usize = 8;

/// Widest value whose bits, at any bit offset, lie within eight bytes.
const ONE_LOAD: u32 = 57;

/// Values packed per word of a selection.
const WORD: usize = 64;

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
                if self.width > ONE_LOAD {
                    u64::from(start.add(8).read())
                } else {
                    0
                },
            )
        };
        // Two shifts, because a shift by 64 is not defined when the value starts on a byte.
        ((low >> shift) | ((high << (63 - shift)) << 1)) & mask
    }

    /// Calls `visit` with each value of `start..end`, which is cut to the count.
    #[inline(always)]
    pub fn for_each(&self, start: usize, end: usize, mut visit: impl FnMut(u64)) {
        let end = end.min(self.count);
        for index in start..end {
            if self.width == 0 {
                visit(0);
            } else {
                // SAFETY: the index is below the end, which is at most the count.
                visit(unsafe { self.load(index) });
            }
        }
    }

    /// Appends `base + value` (wrapping) for each value of `start..end`, cut to the count.
    pub fn decode(&self, start: usize, end: usize, base: i64, out: &mut Vec<i64>) {
        let end = end.min(self.count);
        if start >= end {
            return;
        }
        if self.width == 0 {
            out.resize(out.len() + (end - start), base);
            return;
        }
        out.reserve(end - start);
        #[cfg(target_arch = "x86_64")]
        let start = crate::bitpack_avx2::decode(self, start, end, base, out);
        self.for_each(start, end, |value| {
            out.push(base.wrapping_add(value as i64))
        });
    }

    /// Writes the selection words from word `first` on: bit `j` of word `first + i` tells whether
    /// value `64 * (first + i) + j` lies in `low ..= low + span`. Bits of values beyond the count
    /// are zero.
    pub fn mark_range(&self, first: usize, words: &mut [u64], low: u64, span: u64) {
        #[cfg(target_arch = "x86_64")]
        if crate::bitpack_avx2::mark_range(self, first, words, low, span) {
            return;
        }
        self.mark_range_portable(first, words, low, span);
    }

    /// The portable twin of the vector kernels behind [`Packed::mark_range`].
    pub(crate) fn mark_range_portable(&self, first: usize, words: &mut [u64], low: u64, span: u64) {
        for (index, word) in words.iter_mut().enumerate() {
            let start = (first + index) * WORD;
            *word = self.mask_of(start, start + WORD, low, span);
        }
    }

    /// Selection bits of up to 64 values from `start` on.
    #[inline(always)]
    pub(crate) fn mask_of(&self, start: usize, end: usize, low: u64, span: u64) -> u64 {
        let mut mask = 0u64;
        let mut bit = 0;
        self.for_each(start, end, |value| {
            mask |= u64::from(value.wrapping_sub(low) <= span) << bit;
            bit += 1;
        });
        mask
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn width(&self) -> u32 {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    #[test]
    fn every_width_and_tail_matches_the_values_packed() {
        let mut random = SmallRng::seed_from_u64(1);
        // Miri is a thousand times slower, and these show it every kind of access: a width that ends in
        // one word, one that spans two, and the widest.
        let (widths, counts): (Vec<u32>, &[usize]) = match cfg!(miri) {
            true => (vec![3, 31, 59, 64], &[1, 9, 65]),
            false => (
                (0..=64).collect(),
                &[0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 200, 333],
            ),
        };
        for width in widths {
            for &count in counts {
                let mask = if width == 0 {
                    0
                } else {
                    u64::MAX >> (64 - width)
                };
                let values: Vec<u64> = (0..count).map(|_| random.random::<u64>() & mask).collect();
                let mut bytes = Vec::new();
                write_padded(values.iter().copied(), width, &mut bytes);
                assert_eq!(
                    bytes.len() as u64,
                    if count == 0 && width > 0 {
                        8
                    } else {
                        packed_bytes(count, width)
                    }
                );
                let packed = Packed::new(&bytes, width, count).unwrap();
                let read: Vec<u64> = (0..count).map(|index| packed.get(index)).collect();
                assert_eq!(read, values, "width {width}");
                assert_eq!(packed.get(count), 0);
                check_decode(&packed, &values, &mut random);
                check_marks(&packed, &values, mask, &mut random);
                if width > 0 && count > 0 {
                    assert!(Packed::new(&bytes[1..], width, count).is_none());
                }
            }
        }
        assert!(Packed::new(&[0; 999], 65, 1).is_none());
        assert!(Packed::new(&[0; 999], 64, usize::MAX).is_none());
        assert!(Packed::new(&[0; 999], 64, 1 << 58).is_none());
    }

    fn check_decode(packed: &Packed<'_>, values: &[u64], random: &mut SmallRng) {
        let base: i64 = random.random();
        let count = values.len();
        for start in [0, 1, 5, 8, 64, count / 2] {
            let mut out = vec![7];
            packed.decode(start, count + 3, base, &mut out);
            let naive: Vec<i64> = std::iter::once(7)
                .chain(
                    values
                        .iter()
                        .skip(start)
                        .map(|value| base.wrapping_add(*value as i64)),
                )
                .collect();
            assert_eq!(out, naive, "width {} start {start}", packed.width);
        }
    }

    fn check_marks(packed: &Packed<'_>, values: &[u64], mask: u64, random: &mut SmallRng) {
        for _ in 0..6 {
            let (a, b) = (random.random::<u64>() & mask, random.random::<u64>() & mask);
            let (low, high) = (a.min(b), a.max(b));
            for first in 0..3 {
                let mut naive = vec![0u64; 3];
                for (index, value) in values.iter().enumerate().skip(first * 64).take(192) {
                    let at = index - first * 64;
                    naive[at / 64] |= u64::from((low..=high).contains(value)) << (at % 64);
                }
                let mut ours = vec![9u64; 3];
                packed.mark_range(first, &mut ours, low, high - low);
                assert_eq!(ours, naive, "width {} first {first}", packed.width);
                packed.mark_range_portable(first, &mut ours, low, high - low);
                assert_eq!(ours, naive);
            }
        }
    }
}
