//! AVX-512 kernels over packed values.
//!
//! Sixty-four values of width `w` take exactly `8 * w` bytes, so every word of a selection starts on a
//! byte, and so does every load below. One load brings up to 64 bytes; a byte permutation moves to each
//! 64-bit lane the bytes that its values lie in; then up to 16 bits `vpmultishiftqb` picks eight or
//! sixteen bits at any bit offset, which unpacks 64 or 32 values at once (after Mula and Lemire, "Base64
//! encoding and decoding at almost the speed of a memory copy", 2020, which uses the instruction so), and
//! likewise 16 values up to 32 bits. Wider ones are shifted one per lane.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512i, _mm_set1_epi64x, _mm256_loadu_si256, _mm512_add_epi8, _mm512_add_epi64,
    _mm512_and_si512, _mm512_broadcastq_epi64, _mm512_cmpeq_epi16_mask, _mm512_cmple_epu8_mask,
    _mm512_cmple_epu16_mask, _mm512_cmple_epu32_mask, _mm512_cmple_epu64_mask,
    _mm512_cmplt_epu64_mask, _mm512_cvtepu32_epi64, _mm512_loadu_si512,
    _mm512_mask_i64gather_epi64, _mm512_mask_test_epi16_mask, _mm512_maskz_add_epi64,
    _mm512_maskz_loadu_epi8, _mm512_maskz_loadu_epi64, _mm512_mul_epu32, _mm512_mullo_epi64,
    _mm512_multishift_epi64_epi8, _mm512_or_si512, _mm512_permutex2var_epi16,
    _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_setr_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_sllv_epi16, _mm512_sllv_epi64, _mm512_srli_epi16, _mm512_srli_epi64, _mm512_srlv_epi64,
    _mm512_storeu_si512, _mm512_sub_epi8, _mm512_sub_epi16, _mm512_sub_epi32, _mm512_sub_epi64,
    _mm512_test_epi8_mask,
};

use crate::bitpack::Packed;
use crate::bitpack::chunks::{self, CHUNK};

/// Values per word of a selection.
const WORD: usize = 64;

/// Bytes per load.
const LOAD: usize = 64;

/// One in every byte of a 64-bit lane: a factor that copies the lowest byte to all.
const EACH_BYTE: i64 = 0x0101_0101_0101_0101;

/// The number of each byte in a 64-bit lane.
const BYTE_NUMBERS: i64 = 0x0706_0504_0302_0100;

/// Bits of the lanes that values of a width are unpacked to. The values of one 64-bit lane, from the byte
/// the first begins in, must lie in eight bytes, which 31-bit values in pairs do not.
fn lane_bits(width: u32) -> u32 {
    match width {
        ..=8 => 8,
        9..=16 => 16,
        17..=30 | 32 => 32,
        _ => 64,
    }
}

/// How the bytes of a load become lanes, for one width and size of lane.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// For each byte of the result the byte of the load it comes from.
    bytes: __m512i,
    /// Bit offsets within 64-bit lanes: of each byte, or where lanes have 64 bits of each lane.
    shifts: __m512i,
    mask: __m512i,
    /// Whether a value can reach into a ninth byte.
    is_long: bool,
}

impl Layout {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    #[inline]
    pub(crate) fn new<const LANE: u32>(width: u32) -> Layout {
        let lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
        let step = i64::from(64 / LANE * width);
        let starts = _mm512_mullo_epi64(lanes, _mm512_set1_epi64(step));
        let each = _mm512_set1_epi64(EACH_BYTE);
        let bytes = _mm512_mullo_epi64(_mm512_srli_epi64::<3>(starts), each);
        let odd_bits = _mm512_and_si512(starts, _mm512_set1_epi64(7));
        let shifts = if LANE == 64 {
            odd_bits
        } else {
            let mut within = [0u8; 8];
            for (byte, shift) in within.iter_mut().enumerate() {
                let (value, part) = (byte as u32 * 8 / LANE, byte as u32 * 8 % LANE);
                // Bits beyond 64 come from the lane's start and are masked off.
                *shift = (value * width + part) as u8;
            }
            let within = _mm512_set1_epi64(i64::from_le_bytes(within));
            _mm512_add_epi8(_mm512_mullo_epi64(odd_bits, each), within)
        };
        let largest = u64::MAX >> (u64::BITS - width);
        Layout {
            bytes: _mm512_add_epi8(bytes, _mm512_set1_epi64(BYTE_NUMBERS)),
            shifts,
            mask: broadcast::<LANE>(largest),
            is_long: LANE == 64 && matches!(width, 59 | 61..=63),
        }
    }

    /// The values that begin at a byte, in lanes; those beyond the bytes are zero.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    #[inline]
    pub(crate) fn load<const LANE: u32>(&self, bytes: &[u8], from: usize) -> __m512i {
        let rest = bytes.get(from..).unwrap_or_default();
        let loaded = if rest.len() >= LOAD {
            // SAFETY: the rest has at least 64 bytes.
            unsafe { _mm512_loadu_si512(rest.as_ptr().cast()) }
        } else {
            let mask = (1u64 << rest.len()) - 1;
            // SAFETY: only bytes of the rest are in the mask, and others are not touched.
            unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().cast()) }
        };
        let lanes = _mm512_permutexvar_epi8(self.bytes, loaded);
        if LANE < 64 {
            let values = _mm512_multishift_epi64_epi8(self.shifts, lanes);
            return _mm512_and_si512(values, self.mask);
        }
        let mut values = _mm512_srlv_epi64(lanes, self.shifts);
        if self.is_long {
            // The last of 8 values ends in byte 63 at most, so none of these ninth bytes wraps around.
            let ninth = _mm512_add_epi8(self.bytes, _mm512_set1_epi8(8));
            let high = _mm512_permutexvar_epi8(ninth, loaded);
            let back = _mm512_sub_epi64(_mm512_set1_epi64(64), self.shifts);
            // A shift by 64 gives zero.
            values = _mm512_or_si512(values, _mm512_sllv_epi64(high, back));
        }
        _mm512_and_si512(values, self.mask)
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn broadcast<const LANE: u32>(value: u64) -> __m512i {
    match LANE {
        8 => _mm512_set1_epi8(value as i8),
        16 => _mm512_set1_epi16(value as i16),
        32 => _mm512_set1_epi32(value as i32),
        _ => _mm512_set1_epi64(value as i64),
    }
}

/// Which lanes lie in `low ..= low + span`, both broadcast.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn within<const LANE: u32>(values: __m512i, low: __m512i, span: __m512i) -> u64 {
    match LANE {
        8 => _mm512_cmple_epu8_mask(_mm512_sub_epi8(values, low), span),
        16 => _mm512_cmple_epu16_mask(_mm512_sub_epi16(values, low), span).into(),
        32 => _mm512_cmple_epu32_mask(_mm512_sub_epi32(values, low), span).into(),
        _ => _mm512_cmple_epu64_mask(_mm512_sub_epi64(values, low), span).into(),
    }
}

/// Writes selection words like [`Packed::mark_range`]; the width must not be zero, and both bounds of the
/// range must be values of the width.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(crate) fn mark_range(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    low: u64,
    span: u64,
) {
    match lane_bits(packed.width()) {
        8 => mark_range_in::<8>(packed, first, words, low, span),
        16 => mark_range_in::<16>(packed, first, words, low, span),
        32 => mark_range_in::<32>(packed, first, words, low, span),
        _ => mark_range_in::<64>(packed, first, words, low, span),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn mark_range_in<const LANE: u32>(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    low: u64,
    span: u64,
) {
    let (low, span) = (broadcast::<LANE>(low), broadcast::<LANE>(span));
    mark::<LANE>(packed, first, words, |values| {
        within::<LANE>(values, low, span)
    });
}

/// Writes the words of the values that a test of lanes marks.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
#[inline]
fn mark<const LANE: u32>(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    test: impl Fn(__m512i) -> u64,
) {
    let layout = Layout::new::<LANE>(packed.width());
    let (bytes, width) = (packed.bytes(), packed.width() as usize);
    for (at, word) in (first..).zip(words) {
        let left = packed.count().saturating_sub(at.saturating_mul(WORD));
        *word = 0;
        if left == 0 {
            continue;
        }
        let start = at * width * 8;
        for load in 0..LANE as usize / 8 {
            let values = layout.load::<LANE>(bytes, start + load * (64 / LANE as usize) * width);
            *word |= test(values) << (load * (512 / LANE as usize) % WORD);
        }
        if left < WORD {
            *word &= (1 << left) - 1;
        }
    }
}

/// Widest values whose sets fit registers. What is wider is gathered by the AVX2 kernel, which AMD carries
/// out faster than gathers of twice the lanes.
pub(crate) const MAX_MEMBER_WIDTH: u32 = 12;

/// Writes selection words like [`Packed::mark_members`]. The width is 1 to [`MAX_MEMBER_WIDTH`], and
/// `members` has a bit for every value of the width.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(crate) fn mark_members(packed: &Packed<'_>, first: usize, words: &mut [u64], members: &[u64]) {
    match packed.width() {
        ..=8 => mark_byte_members(packed, first, words, members),
        9 | 10 => mark_word_members::<1>(packed, first, words, members),
        11 => mark_word_members::<2>(packed, first, words, members),
        _ => mark_word_members::<4>(packed, first, words, members),
    }
}

/// Up to 256 bits fit one register, where a byte permutation looks them up.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn mark_byte_members(packed: &Packed<'_>, first: usize, words: &mut [u64], members: &[u64]) {
    let taken = members.get(..4).unwrap_or(members);
    let mask = (1u8 << taken.len()) - 1;
    // SAFETY: only words of the slice are in the mask, and others are not touched.
    let members = unsafe { _mm512_maskz_loadu_epi64(mask, taken.as_ptr().cast()) };
    let bits = _mm512_broadcastq_epi64(_mm_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed()));
    mark::<8>(packed, first, words, |codes| {
        let byte = _mm512_and_si512(_mm512_srli_epi16::<3>(codes), _mm512_set1_epi8(0x1f));
        let held = _mm512_permutexvar_epi8(byte, members);
        let bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(codes, _mm512_set1_epi8(7)));
        _mm512_test_epi8_mask(held, bit)
    });
}

/// Up to 4,096 bits fit eight registers, in each pair of which a permutation looks up words of 16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn mark_word_members<const PAIRS: usize>(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    members: &[u64],
) {
    let mut padded = [[[0u64; 8]; 2]; PAIRS];
    let slots = padded.iter_mut().flatten().flatten();
    slots.zip(members).for_each(|(to, from)| *to = *from);
    // SAFETY: each half has 64 bytes.
    let pairs =
        padded.map(|pair| pair.map(|half| unsafe { _mm512_loadu_si512(half.as_ptr().cast()) }));
    mark::<16>(packed, first, words, |codes| {
        let place = _mm512_and_si512(codes, _mm512_set1_epi16(15));
        let bit = _mm512_sllv_epi16(_mm512_set1_epi16(1), place);
        // The permutation looks at the lowest six bits of the word's number.
        let word = _mm512_srli_epi16::<4>(codes);
        let pair_of = _mm512_srli_epi16::<10>(codes);
        pairs
            .iter()
            .enumerate()
            .fold(0, |marks, (at, [low, high])| {
                let held = _mm512_permutex2var_epi16(*low, word, *high);
                let here = _mm512_cmpeq_epi16_mask(pair_of, _mm512_set1_epi16(at as i16));
                marks | u64::from(_mm512_mask_test_epi16_mask(here, held, bit))
            })
    });
}

/// Appends `base` plus each value (wrapping) of the whole chunks of eight in `start..end`, and returns
/// where the caller continues. `start` must be a multiple of eight, `end` at most the count, and the width
/// not zero.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(crate) fn decode(
    packed: &Packed<'_>,
    start: usize,
    end: usize,
    base: i64,
    out: &mut Vec<i64>,
) -> usize {
    let layout = Layout::new::<64>(packed.width());
    let (bytes, width) = (packed.bytes(), packed.width() as usize);
    let bases = _mm512_set1_epi64(base);
    let store = |chunk, room: *mut i64| {
        let values = layout.load::<64>(bytes, chunk * width);
        // SAFETY: there is room for eight values.
        unsafe { _mm512_storeu_si512(room.cast(), _mm512_add_epi64(values, bases)) };
    };
    // Every chunk can be loaded. SAFETY: all eight values are stored.
    unsafe { chunks::decode(start, end, usize::MAX, out, store) }
}

/// Whether eight bytes from the one a value begins in hold it wherever it begins, as [`gather`] needs.
pub(crate) fn is_gatherable(width: u32) -> bool {
    matches!(width, 1..=58 | 60 | 64)
}

/// Appends `base` plus the value (wrapping) at each position of whole chunks of eight positions, 0 beyond
/// the last value, and returns how many positions that were. The width must be gatherable.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
pub(crate) fn gather(
    packed: &Packed<'_>,
    positions: &[u32],
    base: i64,
    out: &mut Vec<i64>,
) -> usize {
    debug_assert!(is_gatherable(packed.width()));
    let (chunks, _) = positions.as_chunks::<CHUNK>();
    let done = chunks.len() * CHUNK;
    out.reserve(done);
    let mut room = out.spare_capacity_mut().as_mut_ptr();
    let bytes = packed.bytes().as_ptr();
    let bases = _mm512_set1_epi64(base);
    let widths = _mm512_set1_epi64(packed.width().into());
    let mask = _mm512_set1_epi64((u64::MAX >> (u64::BITS - packed.width())).cast_signed());
    let count = _mm512_set1_epi64(packed.count() as i64);
    for chunk in chunks {
        // SAFETY: the chunk has 32 bytes.
        let narrow = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
        let at = _mm512_cvtepu32_epi64(narrow);
        let inside = _mm512_cmplt_epu64_mask(at, count);
        // Positions and widths fit 32 bits, so this is the whole product.
        let bit = _mm512_mul_epu32(at, widths);
        let byte = _mm512_srli_epi64::<3>(bit);
        // SAFETY: only values below the count are loaded, and eight bytes from the one such a value
        // begins in lie within the bytes, of which eight are padding.
        let loaded = unsafe {
            _mm512_mask_i64gather_epi64::<1>(_mm512_setzero_si512(), inside, byte, bytes.cast())
        };
        let shift = _mm512_and_si512(bit, _mm512_set1_epi64(7));
        let values = _mm512_and_si512(_mm512_srlv_epi64(loaded, shift), mask);
        // SAFETY: there is room for `done` values, and each round writes the next eight.
        unsafe {
            let sums = _mm512_maskz_add_epi64(inside, values, bases);
            _mm512_storeu_si512(room.cast(), sums);
            room = room.add(CHUNK);
        }
    }
    // SAFETY: the loop wrote `done` values behind the length.
    unsafe { out.set_len(out.len() + done) };
    done
}
