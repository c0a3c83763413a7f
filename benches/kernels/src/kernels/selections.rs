//! The first rows of a block by key, from several runs.

use std::collections::BinaryHeap;

use rand::Rng;
use sidx_columns::{ValueType, Values};
use sidx_kernels::{Order, Page, SelectRequest, Span, select};

use crate::report::{Report, Work};
use crate::samples::{ROWS, page, random};

pub(crate) fn run(report: &mut Report) {
    for (runs, cap) in [
        (25, 100),
        (25, 1000),
        (100, 100),
        (100, 1000),
        (100, 8192),
        (1000, 1000),
    ] {
        for order in [Order::Ascending, Order::Descending] {
            one(report, runs, cap, order, 1_000);
        }
        // Nanoseconds over hours do not fit a word with their row.
        one(report, runs, cap, Order::Ascending, 1 << 44);
    }
}

fn one(report: &mut Report, runs: usize, cap: u32, order: Order, gap: i64) {
    let wide = if gap > 1_000 { ", wide keys" } else { "" };
    let kernel = format!("select {cap} of {runs} runs, {order:?}{wide}");
    if !report.wants(&kernel) {
        return;
    }
    let mut random = random();
    let mut keys = Vec::new();
    let mut spans = Vec::new();
    for run in 0..runs {
        let end = (run + 1) * ROWS / runs;
        let start = keys.len();
        let mut key = 1_700_000_000_000;
        keys.extend((start..end).map(|_| {
            key += random.random_range(0..=gap);
            key
        }));
        spans.push(Span {
            start: start as u32,
            end: end as u32,
        });
    }
    let page = page(ValueType::Int, Values::Int(keys.clone()));
    let mut expected: Vec<(i64, u32)> = keys.iter().copied().zip(0..).collect();
    expected.sort_unstable();
    if order == Order::Descending {
        expected.reverse();
    }
    expected.truncate(cap as usize);
    let work = Work {
        read: page.memory_bytes(),
        written: expected.len() * 12,
        items: expected.len(),
    };
    let expected: (Vec<i64>, Vec<u32>) = expected.into_iter().unzip();
    if order == Order::Ascending {
        report.measure_into(&kernel, "heap", work, &expected, |out| {
            in_a_heap(&keys, &spans, cap as usize, out);
        });
        report.measure_into(&kernel, "sort", work, &expected, |out| {
            sorted(&keys, cap as usize, out);
        });
    }
    report.measure_into(&kernel, "best", work, &expected, |(keys, rows)| {
        keys.clear();
        rows.clear();
        run_one(&page, &spans, cap, order, keys, rows);
    });
}

/// What the merge is measured against: the best so far in a heap, each run left at the first row refused.
fn in_a_heap(keys: &[i64], spans: &[Span], cap: usize, out: &mut (Vec<i64>, Vec<u32>)) {
    let mut heap: BinaryHeap<(i64, u32)> = BinaryHeap::with_capacity(cap);
    for span in spans {
        for row in span.start..span.end {
            let entry = (keys[row as usize], row);
            if heap.len() < cap {
                heap.push(entry);
            } else if let Some(mut worst) = heap.peek_mut().filter(|worst| entry < **worst) {
                *worst = entry;
            } else {
                break;
            }
        }
    }
    (out.0, out.1) = heap.into_sorted_vec().into_iter().unzip();
}

/// The other measure: all rows sorted, as one word each where keys and rows fit one.
fn sorted(keys: &[i64], cap: usize, out: &mut (Vec<i64>, Vec<u32>)) {
    let low = keys.iter().copied().min().unwrap_or(0);
    let high = keys.iter().copied().max().unwrap_or(0);
    if (high - low) as u64 >= 1 << 51 {
        let mut pairs: Vec<(i64, u32)> = keys.iter().copied().zip(0..).collect();
        pairs.sort();
        (out.0, out.1) = pairs.into_iter().take(cap).unzip();
        return;
    }
    let word = |(key, row): (&i64, u64)| ((key - low) as u64) << 13 | row;
    let mut words: Vec<u64> = keys.iter().zip(0..).map(word).collect();
    words.sort();
    let pair = |word: u64| (low + (word >> 13) as i64, (word & 0x1fff) as u32);
    (out.0, out.1) = words.into_iter().take(cap).map(pair).unzip();
}

fn run_one(
    page: &Page,
    spans: &[Span],
    cap: u32,
    order: Order,
    keys: &mut Vec<i64>,
    rows: &mut Vec<u32>,
) {
    let request = SelectRequest {
        keys: page,
        slots: &[],
        program: None,
        spans,
        low: i64::MIN,
        high: i64::MAX,
        order,
        resume: None,
        cap,
    };
    select(&request, rows, keys).unwrap_or_else(|error| panic!("{error}"));
}
