//! Running sums of unpacked differences in AVX-512 registers.
//!
//! Eight differences become their running sums in three steps: each lane adds the one before it, then the
//! one two before, then four (Hillis and Steele, "Data parallel algorithms", 1986). What is carried to the
//! next eight is added last, so that only one addition waits for the round before.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_maskz_add_epi64,
    _mm512_permutexvar_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
};

use crate::bitpack::Packed;
use crate::bitpack::avx512::Layout;
use crate::bitpack::chunks::CHUNK;

/// Appends the first `count` values of a group: `start`, and each next one `step` and a packed slot (the
/// first is unused) above the one before, wrapping. The width of the slots must not be zero, and `count`
/// must not exceed their number.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(crate) fn decode(packed: &Packed<'_>, start: i64, step: i64, count: usize, out: &mut Vec<i64>) {
    let layout = Layout::new::<64>(packed.width());
    let (bytes, width) = (packed.bytes(), packed.width() as usize);
    let steps = _mm512_set1_epi64(step);
    let last = _mm512_set1_epi64(7);
    let mut carried = _mm512_set1_epi64(start);
    out.reserve(count.next_multiple_of(CHUNK));
    let room = out.spare_capacity_mut().as_mut_ptr();
    for chunk in 0..count.div_ceil(CHUNK) {
        let slots = layout.load::<64>(bytes, chunk * width);
        // No difference leads to the first value.
        let lanes = if chunk == 0 { 0xfe } else { 0xff };
        let sums = running_sums(_mm512_maskz_add_epi64(lanes, slots, steps));
        // SAFETY: there is room for whole chunks of eight up to the count.
        unsafe {
            let to = room.add(chunk * CHUNK);
            _mm512_storeu_si512(to.cast(), _mm512_add_epi64(sums, carried));
        }
        carried = _mm512_add_epi64(carried, _mm512_permutexvar_epi64(last, sums));
    }
    // SAFETY: the loop wrote at least `count` values behind the length.
    unsafe { out.set_len(out.len() + count) };
}

#[target_feature(enable = "avx512f")]
#[inline]
fn running_sums(lanes: __m512i) -> __m512i {
    let zero = _mm512_setzero_si512();
    let sums = _mm512_add_epi64(lanes, _mm512_alignr_epi64::<7>(lanes, zero));
    let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<6>(sums, zero));
    _mm512_add_epi64(sums, _mm512_alignr_epi64::<4>(sums, zero))
}
