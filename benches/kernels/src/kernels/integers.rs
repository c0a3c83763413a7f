//! Pages of integers: differences, dictionaries, bisection, gathers; and raw floats.

use std::ops::Bound;

use rand::Rng;
use sidx_columns::{ValueType, Values};
use sidx_kernels::bitpack::{Packed, write_padded};
use sidx_kernels::{Implementation, Page, measure};

use crate::report::{Report, Work};
use crate::samples::{ROWS, page, random, times, values, words};

pub(crate) fn run(report: &mut Report) {
    for gap in [20, 2_000, 3_000_000] {
        delta(report, gap);
    }
    for entries in [12, 200] {
        dictionary(report, entries);
    }
    for width in [10, 20, 40] {
        gather(report, width);
        bounds(report, width);
    }
    bounds_in_delta(report);
    floats(report);
}

/// Bytes of a page that hold its values.
fn bytes_of(page: &Page) -> usize {
    page.memory_bytes()
}

fn delta(report: &mut Report, gap: i64) {
    let kernel = format!("delta decode, gaps to {gap}");
    let expected = times(ROWS, gap);
    let page = page(ValueType::Int, Values::Int(expected.clone()));
    let work = Work {
        read: bytes_of(&page),
        written: ROWS * 8,
        items: ROWS,
    };
    for with in Implementation::available() {
        report.measure_into(&kernel, with.name(), work, &expected, |out| {
            out.clear();
            assert!(measure::decode_delta(with, &page, 0, ROWS, out));
        });
    }
}

fn dictionary(report: &mut Report, entries: usize) {
    let mut random = random();
    let distinct: Vec<i64> = values(62, entries).into_iter().map(|v| v as i64).collect();
    let expected: Vec<i64> = (0..ROWS)
        .map(|_| distinct[random.random_range(0..entries)])
        .collect();
    let page = page(ValueType::Int, Values::Int(expected.clone()));
    let work = Work {
        read: bytes_of(&page),
        written: ROWS * 8,
        items: ROWS,
    };
    let kernel = format!("dictionary decode, {entries} entries");
    report.measure_into(&kernel, "best", work, &expected, |out| {
        out.clear();
        measure::decode_integers(&page, 0, ROWS, out);
    });
    let positions: Vec<u32> = (0..ROWS as u32)
        .filter(|_| random.random_bool(0.2))
        .collect();
    let expected: Vec<i64> = positions.iter().map(|at| expected[*at as usize]).collect();
    let work = Work {
        read: positions.len() * 5,
        written: positions.len() * 8,
        items: positions.len(),
    };
    let kernel = format!("dictionary gather, {entries} entries");
    report.measure_into(&kernel, "best", work, &expected, |out| {
        out.clear();
        measure::gather_integers(&page, &positions, out);
    });
}

fn gather(report: &mut Report, width: u32) {
    let values = values(width, ROWS);
    let mut bytes = Vec::new();
    write_padded(values.iter().copied(), width, &mut bytes);
    let packed = Packed::new(&bytes, width, ROWS).unwrap_or_else(|| panic!("too short"));
    let mut random = random();
    let positions: Vec<u32> = (0..ROWS as u32)
        .filter(|_| random.random_bool(0.2))
        .collect();
    let expected: Vec<i64> = positions
        .iter()
        .map(|at| values[*at as usize] as i64 + 9)
        .collect();
    let work = Work {
        read: positions.len() * (4 + width as usize / 8),
        written: positions.len() * 8,
        items: positions.len(),
    };
    let kernel = format!("gather {width} bits, one row in five");
    for with in Implementation::available() {
        report.measure_into(&kernel, with.name(), work, &expected, |out| {
            out.clear();
            measure::gather(with, &packed, &positions, 9, out);
        });
    }
}

/// Bisections for keys in random order.
fn bisect(report: &mut Report, kernel: &str, sorted: &[i64], page: &Page) {
    let mut random = random();
    let keys: Vec<i64> = (0..1000)
        .map(|_| sorted[random.random_range(0..sorted.len())] + random.random_range(-1..=1))
        .collect();
    let expected: Vec<usize> = keys
        .iter()
        .map(|key| sorted.partition_point(|value| value < key))
        .collect();
    let work = Work {
        read: keys.len() * 8 * 13,
        written: 0,
        items: keys.len(),
    };
    report.measure_into(kernel, "best", work, &expected, |out| {
        out.clear();
        out.extend(keys.iter().map(|key| measure::lower_bound(page, *key)));
    });
}

fn bounds(report: &mut Report, width: u32) {
    // A value that jumps keeps the page in frame form.
    let mut sorted: Vec<i64> = values(width, ROWS).into_iter().map(|v| v as i64).collect();
    sorted.sort_unstable();
    let shuffled = page(ValueType::Int, Values::Int(sorted.clone()));
    let form = if measure::decode_delta(Implementation::PORTABLE, &shuffled, 0, 1, &mut Vec::new())
    {
        "delta"
    } else {
        "frame"
    };
    bisect(
        report,
        &format!("lower bound {width} bits ({form})"),
        &sorted,
        &shuffled,
    );
}

fn bounds_in_delta(report: &mut Report) {
    let sorted = times(ROWS, 2_000);
    let page = page(ValueType::Int, Values::Int(sorted.clone()));
    bisect(report, "lower bound of times (delta)", &sorted, &page);
}

fn floats(report: &mut Report) {
    let mut random = random();
    let values: Vec<f64> = (0..ROWS).map(|_| random.random::<f64>()).collect();
    let bytes: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
    let (low, high) = (Bound::Excluded(0.25), Bound::Included(0.5));
    let expected = words(ROWS, |at| values[at] > 0.25 && values[at] <= 0.5);
    let work = Work {
        read: ROWS * 8,
        written: ROWS / 8,
        items: ROWS,
    };
    for with in Implementation::available() {
        report.measure_into(
            "range select raw floats",
            with.name(),
            work,
            &expected,
            |out| {
                out.resize(ROWS / 64, 0);
                measure::mark_floats(with, &bytes, out, low, high);
            },
        );
    }
}
