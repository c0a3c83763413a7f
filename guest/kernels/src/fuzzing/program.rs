//! Programs of hostile steps against a stack of plain selections.

use sidx_columns::{Bitmap, Column, log_columns};

use crate::fuzzing::meaning::passes;
use crate::page::{Page, encode};
use crate::predicate::Test;
use crate::program::{Program, Step};

/// A program of filter steps, a byte each, against a stack of bitmaps.
pub fn program(data: &[u8]) {
    let column = log_columns::read(PROGRAM_COLUMN)
        .expect("a fixed column")
        .remove(0);
    let page = Page::open(encode(&column).unwrap().page.into()).unwrap();
    let rows = column.rows();
    let (within, codes) = match data.split_first() {
        Some((first, rest)) if first & 1 == 1 => (
            Some(Bitmap::from_fn(rows, |row| first >> (row % 8) & 1 == 1)),
            rest,
        ),
        Some((_, rest)) => (None, rest),
        None => return,
    };
    let mut steps = Vec::new();
    let mut stack: Option<Vec<Vec<bool>>> = Some(Vec::new());
    for code in codes {
        let step = step(*code);
        stack = stack.and_then(|stack| naive_step(stack, &step, &column));
        steps.push(step);
    }
    let Ok(program) = Program::compile(steps) else {
        let whole = stack.is_some_and(|stack| stack.len() == 1);
        assert!(!whole || codes.len() > crate::program::MAX_DEPTH, "refused");
        return;
    };
    let expected = stack.expect("compiled").pop().expect("one result");
    let found = program
        .evaluate(&[Some(&page)], rows as u32, within.as_ref())
        .expect("pages of the right length");
    for (row, expected) in expected.into_iter().enumerate() {
        let inside = within.as_ref().is_none_or(|within| within.get(row));
        assert_eq!(found.get(row), expected && inside, "row {row}");
    }
}

/// Ints 1, 2, 3 as `log_columns` writes them.
const PROGRAM_COLUMN: &[u8] =
    b"\x01\x01\0\0\0\x02\x03\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0";

fn step(code: u8) -> Step {
    match code % 8 {
        0 => Step::And,
        1 => Step::Or,
        2 => Step::Not,
        3 => Step::True,
        4 => Step::False,
        low => Step::Leaf {
            slot: u32::from(code >= 250),
            elements: code >= 240,
            test: Test::IntRange {
                low: i64::from(low) - 5,
                high: i64::from(code >> 5),
            },
        },
    }
}

fn naive_step(mut stack: Vec<Vec<bool>>, step: &Step, column: &Column) -> Option<Vec<Vec<bool>>> {
    let rows = column.rows();
    let zip = |a: Vec<bool>, b: Vec<bool>, both: fn(bool, bool) -> bool| {
        a.into_iter().zip(b).map(|(a, b)| both(a, b)).collect()
    };
    let made = match step {
        Step::And => zip(stack.pop()?, stack.pop()?, |a, b| a && b),
        Step::Or => zip(stack.pop()?, stack.pop()?, |a, b| a || b),
        Step::Not => stack.pop()?.into_iter().map(|a| !a).collect(),
        Step::True => vec![true; rows],
        Step::False => vec![false; rows],
        Step::Leaf {
            slot,
            elements,
            test,
        } => (0..rows)
            .map(|row| *slot == 0 && !elements && passes(test, column.value(row)))
            .collect(),
    };
    stack.push(made);
    Some(stack)
}
