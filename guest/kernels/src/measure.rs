//! The kernels carried out as told, for the micro-benchmarks in `benches/kernels`.

use crate::bitpack::Packed;
use crate::implementation::Implementation;

/// [`Packed::decode`].
pub fn decode(
    with: Implementation,
    packed: &Packed<'_>,
    start: usize,
    end: usize,
    base: i64,
    out: &mut Vec<i64>,
) {
    packed.decode_with(with, start, end, base, out);
}

/// [`Packed::mark_range`] from the first value on.
pub fn mark_range(
    with: Implementation,
    packed: &Packed<'_>,
    words: &mut [u64],
    low: u64,
    span: u64,
) {
    packed.mark_range_with(with, 0, words, low, span);
}

/// [`Packed::mark_members`] from the first value on.
pub fn mark_members(with: Implementation, packed: &Packed<'_>, words: &mut [u64], members: &[u64]) {
    packed.mark_members_with(with, 0, words, members);
}
