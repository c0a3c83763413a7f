//! The kernels carried out as told, for the micro-benchmarks in `benches/kernels`.

use std::ops::Bound;

use crate::bitmap;
use crate::bitpack::Packed;
use crate::float::mark::FloatRange;
use crate::implementation::Implementation;
use crate::integer::{Form, Integers};
use crate::page::presence::ranks::Ranks;
use crate::page::{Page, Stored};

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

/// [`Packed::gather`](Packed) at positions.
pub fn gather(
    with: Implementation,
    packed: &Packed<'_>,
    positions: &[u32],
    base: i64,
    out: &mut Vec<i64>,
) {
    packed.gather_with(with, positions, base, out);
}

fn integers(page: &Page) -> Option<&Integers> {
    match page.stored() {
        Stored::Int(integers) => Some(integers),
        _ => None,
    }
}

/// Appends a range of a page in delta form; false, and nothing done, when it has another.
pub fn decode_delta(
    with: Implementation,
    page: &Page,
    start: usize,
    end: usize,
    out: &mut Vec<i64>,
) -> bool {
    match integers(page).map(Integers::form) {
        Some(Form::Delta(delta)) => delta.decode(with, start, end, out),
        _ => return false,
    }
    true
}

/// The first row of a page whose integer is at least a key.
#[must_use]
pub fn lower_bound(page: &Page, key: i64) -> usize {
    integers(page).map_or(0, |integers| integers.lower_bound(0, integers.count(), key))
}

/// Appends the integers of a page at positions.
pub fn gather_integers(page: &Page, positions: &[u32], out: &mut Vec<i64>) {
    if let Some(integers) = integers(page) {
        integers.gather(positions, out);
    }
}

/// Appends the integers of a page.
pub fn decode_integers(page: &Page, start: usize, end: usize, out: &mut Vec<i64>) {
    if let Some(integers) = integers(page) {
        integers.decode(start, end, out);
    }
}

/// The raw floats within bounds.
pub fn mark_floats(
    with: Implementation,
    values: &[[u8; 8]],
    words: &mut [u64],
    low: Bound<f64>,
    high: Bound<f64>,
) {
    FloatRange::new(low, high).mark(with, values, 0, words);
}

/// Spreads a selection of values over the rows that are present; `ranks` has the values before each word.
pub fn spread(
    with: Implementation,
    present: &[u64],
    ranks: &[u32],
    dense: &[u64],
    rows: &mut [u64],
) {
    Ranks { present, ranks }.spread(with, dense, 0, rows);
}

/// Brings a selection of rows together to the values that are present.
pub fn compress(
    with: Implementation,
    present: &[u64],
    ranks: &[u32],
    rows: &[u64],
    dense: &mut [u64],
) {
    dense.fill(0);
    Ranks { present, ranks }.compress(with, rows, dense);
}

/// Number of bits set.
#[must_use]
pub fn count(with: Implementation, words: &[u64]) -> usize {
    bitmap::count_with(with, words)
}

/// Appends the rows of a bitmap.
pub fn push_rows(with: Implementation, words: &[u64], out: &mut Vec<u32>) {
    bitmap::push_rows_with(with, words, 0..words.len() * 64, usize::MAX, out);
}
