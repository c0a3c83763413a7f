//! Checks of the kernels that run where the component runs: built for `wasm32-unknown-unknown`, the vector
//! kernels are those of WebAssembly. Functions return 0, or a number that tells what was wrong.

use std::ops::Bound;

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_kernels::bitpack::{Packed, write_padded};
use sidx_kernels::{Implementation, Page, encode_unfiltered, measure};

/// Numbers that look random and are the same on every run (Marsaglia, "Xorshift RNGs", 2003).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// What failed, with the width and number of values it failed on.
fn failure(what: u32, width: u32, count: usize) -> u32 {
    what << 24 | width << 16 | count as u32
}

/// How many ways there are to carry kernels out: two with vectors, one without.
#[unsafe(no_mangle)]
pub extern "C" fn implementations() -> u32 {
    Implementation::available().len() as u32
}

/// Unpacking and tests of packed values: every width, tail and offset.
#[unsafe(no_mangle)]
pub extern "C" fn check_packed() -> u32 {
    let mut numbers = Numbers(0x5349_4458);
    for width in 0..=64u32 {
        let mask = if width == 0 {
            0
        } else {
            u64::MAX >> (64 - width)
        };
        for count in 0..=300 {
            let values: Vec<u64> = (0..count).map(|_| numbers.next() & mask).collect();
            let mut bytes = Vec::new();
            write_padded(values.iter().copied(), width, &mut bytes);
            let Some(packed) = Packed::new(&bytes, width, count) else {
                return failure(1, width, count);
            };
            for with in Implementation::available() {
                if !decodes(&mut numbers, with, &packed, &values) {
                    return failure(2, width, count);
                }
                if !marks(&mut numbers, with, &packed, &values, mask) {
                    return failure(3, width, count);
                }
            }
        }
    }
    0
}

fn decodes(
    numbers: &mut Numbers,
    with: Implementation,
    packed: &Packed<'_>,
    values: &[u64],
) -> bool {
    let base = numbers.next().cast_signed();
    (0..3).all(|_| {
        let start = numbers.below(64).min(values.len());
        let end = start + numbers.below(values.len() - start + 1);
        let mut out = vec![7];
        measure::decode(with, packed, start, end, base, &mut out);
        let inside = values.get(start..end).unwrap_or_default();
        let naive = inside
            .iter()
            .map(|value| base.wrapping_add(value.cast_signed()));
        out.into_iter().eq(std::iter::once(7).chain(naive))
    })
}

fn marks(
    numbers: &mut Numbers,
    with: Implementation,
    packed: &Packed<'_>,
    values: &[u64],
    mask: u64,
) -> bool {
    let (a, b) = (numbers.next() & mask, numbers.next() & mask);
    let (low, high) = (a.min(b), a.max(b));
    let mut ours = vec![9; 5];
    measure::mark_range(with, packed, &mut ours, low, high - low);
    if ours != naive(values, |value| (low..=high).contains(&value)) {
        return false;
    }
    let members: Vec<u64> = (0..numbers.below(5)).map(|_| numbers.next()).collect();
    measure::mark_members(with, packed, &mut ours, &members);
    ours == naive(values, |value| {
        let word = members.get((value / 64).min(64) as usize);
        word.is_some_and(|word| word >> (value % 64) & 1 == 1)
    })
}

/// Five words of marks.
fn naive(values: &[u64], test: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut words = vec![0u64; 5];
    for (word, values) in words.iter_mut().zip(values.chunks(64)) {
        for (bit, value) in values.iter().enumerate() {
            *word |= u64::from(test(*value)) << bit;
        }
    }
    words
}

/// Pages in delta form, read from and to anywhere.
#[unsafe(no_mangle)]
pub extern "C" fn check_deltas() -> u32 {
    let mut numbers = Numbers(77);
    for width in 2..40u32 {
        let mut value = 0i64;
        let mut steps = || {
            value += (numbers.next() >> (64 - width)).cast_signed();
            value
        };
        let values: Vec<i64> = (0..400).map(|_| steps()).collect();
        let Some(page) = page(values.clone()) else {
            return failure(4, width, 0);
        };
        for start in 0..=300 {
            let end = start + numbers.below(100);
            for with in Implementation::available() {
                let mut out = vec![7];
                if !measure::decode_delta(with, &page, start, end, &mut out) {
                    return failure(5, width, start);
                }
                let inside = values.get(start..end).unwrap_or_default();
                if !out.iter().eq(std::iter::once(&7).chain(inside)) {
                    return failure(6, width, start);
                }
            }
        }
    }
    0
}

fn page(values: Vec<i64>) -> Option<Page> {
    let kind = ColumnType::scalar(ValueType::Int);
    let column = Column::new(kind, values.len(), None, None, Values::Int(values)).ok()?;
    Page::open(encode_unfiltered(&column).ok()?.page.into()).ok()
}

/// Ranges of raw floats, and lists and counts of rows.
#[unsafe(no_mangle)]
pub extern "C" fn check_floats_and_bitmaps() -> u32 {
    let mut numbers = Numbers(99);
    let corners = [
        f64::NAN,
        f64::NEG_INFINITY,
        -1.0,
        -0.0,
        0.0,
        5e-324,
        f64::INFINITY,
    ];
    for count in 0..=300usize {
        let values: Vec<f64> = (0..count)
            .filter_map(|_| corners.get(numbers.below(corners.len())).copied())
            .collect();
        let bytes: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
        let words: Vec<u64> = (0..count.div_ceil(64)).map(|_| numbers.next()).collect();
        let is_set = |row: &u32| {
            words
                .get(*row as usize / 64)
                .is_some_and(|word| word >> (row % 64) & 1 == 1)
        };
        let rows: Vec<u32> = (0..words.len() as u32 * 64).filter(is_set).collect();
        for with in Implementation::available() {
            let mut ours = vec![9; 5];
            let (low, high) = (Bound::Excluded(-0.0), Bound::Included(1e9));
            measure::mark_floats(with, &bytes, &mut ours, low, high);
            let bits: Vec<u64> = values
                .iter()
                .map(|value| u64::from(*value == 5e-324))
                .collect();
            if ours != naive(&bits, |bit| bit == 1) {
                return failure(7, 0, count);
            }
            let mut listed = Vec::new();
            measure::push_rows(with, &words, &mut listed);
            if listed != rows || measure::count(with, &words) != rows.len() {
                return failure(8, 0, count);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checks_pass_natively_too() {
        assert_eq!(super::check_packed(), 0);
        assert_eq!(super::check_deltas(), 0);
        assert_eq!(super::check_floats_and_bitmaps(), 0);
    }
}
