//! Bitmaps: algebra, counts, lists of rows, and the way between rows and values.

use sidx_columns::Bitmap;
use sidx_kernels::{Implementation, measure};

use crate::report::{Report, Work};
use crate::samples::{ROWS, values};

const WORDS: usize = ROWS / 64;

pub(crate) fn run(report: &mut Report) {
    algebra(report);
    for (name, thin) in [("dense", 1), ("one in 16", 4), ("one in 256", 8)] {
        let words = thinned(thin);
        count(report, name, &words);
        rows(report, name, &words);
    }
    presence(report);
}

/// Words whose bits are set with probability 2^-thin.
fn thinned(thin: usize) -> Vec<u64> {
    let many = values(64, WORDS * thin);
    let and = |words: &[u64]| words.iter().fold(u64::MAX, |a, b| a & b);
    many.chunks(thin).map(and).collect()
}

fn algebra(report: &mut Report) {
    let (a, b) = (values(64, WORDS), thinned(2));
    let set = |words: &[u64]| Bitmap::from_words(words.to_vec(), ROWS).unwrap_or_default();
    let with = set(&b);
    let work = Work {
        read: WORDS * 16,
        written: WORDS * 8,
        items: WORDS,
    };
    let combine = |join: fn(u64, u64) -> u64| -> Vec<u64> {
        a.iter().zip(&b).map(|(a, b)| join(*a, *b)).collect()
    };
    let mut all = set(&a);
    let expected = set(&combine(|a, b| a & b));
    report.measure("bitmap and", "best", work, &true, || {
        all.and_with(&with);
        all == expected
    });
    let mut all = set(&a);
    let expected = set(&combine(|a, b| a | b));
    report.measure("bitmap or", "best", work, &true, || {
        all.or_with(&with);
        all == expected
    });
}

fn count(report: &mut Report, name: &str, words: &[u64]) {
    if name != "dense" {
        return;
    }
    let expected: usize = words.iter().map(|word| word.count_ones() as usize).sum();
    let work = Work {
        read: WORDS * 8,
        written: 0,
        items: WORDS,
    };
    for with in Implementation::available() {
        report.measure("bitmap count", with.name(), work, &expected, || {
            measure::count(with, words)
        });
    }
}

fn rows(report: &mut Report, name: &str, words: &[u64]) {
    let expected: Vec<u32> = (0..ROWS as u32)
        .filter(|row| words[*row as usize / 64] >> (row % 64) & 1 == 1)
        .collect();
    let work = Work {
        read: WORDS * 8,
        written: expected.len() * 4,
        items: expected.len(),
    };
    let kernel = format!("bitmap rows, {name}");
    for with in Implementation::available() {
        report.measure_into(&kernel, with.name(), work, &expected, |out| {
            out.clear();
            measure::push_rows(with, words, out);
        });
    }
}

fn presence(report: &mut Report) {
    let present = values(64, WORDS);
    let ranks: Vec<u32> = present
        .iter()
        .scan(0, |rank, word| {
            let before = *rank;
            *rank += word.count_ones();
            Some(before)
        })
        .collect();
    let count: u32 = present.iter().map(|word| word.count_ones()).sum();
    let mut dense = values(64, count.div_ceil(64) as usize);
    if let Some(last) = dense.last_mut().filter(|_| !count.is_multiple_of(64)) {
        *last &= (1 << (count % 64)) - 1;
    }
    let mut spread = vec![0u64; WORDS];
    let is_present = |row: &usize| present[row / 64] >> (row % 64) & 1 == 1;
    for (value, row) in (0..ROWS).filter(is_present).enumerate() {
        spread[row / 64] |= (dense[value / 64] >> (value % 64) & 1) << (row % 64);
    }
    let work = Work {
        read: WORDS * 12 + dense.len() * 8,
        written: WORDS * 8,
        items: WORDS,
    };
    for with in Implementation::available() {
        report.measure_into(
            "spread over present rows",
            with.name(),
            work,
            &spread,
            |out| {
                out.resize(WORDS, 0);
                measure::spread(with, &present, &ranks, &dense, out);
            },
        );
        report.measure_into(
            "compress to present rows",
            with.name(),
            work,
            &dense,
            |out| {
                out.resize(dense.len(), 0);
                measure::compress(with, &present, &ranks, &spread, out);
            },
        );
    }
}
