//! Bit-packed values: unpacking, range tests, set membership.

use sidx_kernels::bitpack::{Packed, write_padded};
use sidx_kernels::{Implementation, measure};

use crate::report::{Report, Work};
use crate::samples::{ROWS, values, words};

/// Widths with a layout of their own: whole bytes, odd ones, and both sides of each limit.
const WIDTHS: [u32; 16] = [1, 3, 7, 8, 10, 13, 16, 20, 25, 26, 31, 32, 40, 50, 57, 63];

pub(crate) fn run(report: &mut Report) {
    for width in WIDTHS {
        let values = values(width, ROWS);
        let mut bytes = Vec::new();
        write_padded(values.iter().copied(), width, &mut bytes);
        let packed = Packed::new(&bytes, width, ROWS).unwrap_or_else(|| panic!("too short"));
        decode(report, width, &values, &packed, bytes.len());
        mark_range(report, width, &values, &packed, bytes.len());
        if width <= 16 {
            mark_members(report, width, &values, &packed, bytes.len());
        }
    }
}

fn decode(report: &mut Report, width: u32, values: &[u64], packed: &Packed<'_>, read: usize) {
    let kernel = format!("unpack {width} bits");
    let expected: Vec<i64> = values.iter().map(|v| (*v as i64).wrapping_add(5)).collect();
    let work = Work {
        read,
        written: ROWS * 8,
        items: ROWS,
    };
    for with in Implementation::available() {
        report.measure_into(
            &kernel,
            with.name(),
            work,
            &expected,
            |out: &mut Vec<i64>| {
                out.clear();
                measure::decode(with, packed, 0, ROWS, 5, out);
            },
        );
    }
}

fn mark_range(report: &mut Report, width: u32, values: &[u64], packed: &Packed<'_>, read: usize) {
    let kernel = format!("range select {width} bits");
    let largest = u64::MAX >> (64 - width);
    let (low, span) = (largest / 4, largest / 3);
    let expected = words(ROWS, |at| values[at].wrapping_sub(low) <= span);
    for with in Implementation::available() {
        let work = Work {
            read,
            written: ROWS / 8,
            items: ROWS,
        };
        report.measure_into(
            &kernel,
            with.name(),
            work,
            &expected,
            |out: &mut Vec<u64>| {
                out.resize(ROWS / 64, 0);
                measure::mark_range(with, packed, out, low, span);
            },
        );
    }
}

fn mark_members(report: &mut Report, width: u32, values: &[u64], packed: &Packed<'_>, read: usize) {
    let kernel = format!("set membership {width} bits");
    let members: Vec<u64> = crate::samples::values(64, (1 << width) / 64 + 1);
    let is_member = |value: u64| members[(value / 64) as usize] >> (value % 64) & 1 == 1;
    let expected = words(ROWS, |at| is_member(values[at]));
    for with in Implementation::available() {
        let work = Work {
            read,
            written: ROWS / 8,
            items: ROWS,
        };
        report.measure_into(
            &kernel,
            with.name(),
            work,
            &expected,
            |out: &mut Vec<u64>| {
                out.resize(ROWS / 64, 0);
                measure::mark_members(with, packed, out, &members);
            },
        );
    }
}
