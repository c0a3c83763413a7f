//! Data the kernels are measured on.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_kernels::{Page, encode_unfiltered};

/// Values of a page, which is how many rows a block has at most.
pub(crate) const ROWS: usize = 8192;

/// Numbers that are the same on every run.
pub(crate) fn random() -> SmallRng {
    SmallRng::seed_from_u64(0x5349_4458)
}

/// Values of a width.
pub(crate) fn values(width: u32, count: usize) -> Vec<u64> {
    let mut random = random();
    let mask = u64::MAX >> (64 - width);
    (0..count).map(|_| random.random::<u64>() & mask).collect()
}

/// Ascending times in milliseconds, with gaps of up to `gap`.
pub(crate) fn times(count: usize, gap: i64) -> Vec<i64> {
    let mut random = random();
    let mut time = 1_700_000_000_000;
    (0..count)
        .map(|_| {
            time += random.random_range(0..=gap);
            time
        })
        .collect()
}

/// A page of values.
pub(crate) fn page(kind: ValueType, values: Values) -> Page {
    let column = Column::new(ColumnType::scalar(kind), values.len(), None, None, values);
    let column = column.unwrap_or_else(|error| panic!("{error}"));
    let encoded = encode_unfiltered(&column).unwrap_or_else(|error| panic!("{error}"));
    Page::open(encoded.page.into()).unwrap_or_else(|error| panic!("{error}"))
}

/// Selection words from a test of each position.
pub(crate) fn words(count: usize, test: impl Fn(usize) -> bool) -> Vec<u64> {
    let mut words = vec![0u64; count.div_ceil(64)];
    for at in (0..count).filter(|at| test(*at)) {
        words[at / 64] |= 1 << (at % 64);
    }
    words
}
