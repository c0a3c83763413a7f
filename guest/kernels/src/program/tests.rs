//! Filters against a row-by-row evaluation of what they mean.

use std::ops::Bound;

use rand::{Rng, rngs::SmallRng};
use regex::Regex;
use sidx_columns::{Bitmap, Column, ColumnType, OwnedValue, Value, ValueType, Values};

use crate::error::ProgramError;
use crate::page::Page;
use crate::page::encoding::Encoding;
use crate::predicate::Test;
use crate::program::{Program, Step};
use crate::samples::{self, SHAPES, open, random};

fn bytes_of<'a>(value: &'a Value<'_>) -> Option<&'a [u8]> {
    match value {
        Value::String(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn within<T: PartialOrd + ?Sized>(value: &T, low: Bound<&T>, high: Bound<&T>) -> bool {
    let above = match low {
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
        Bound::Unbounded => value.partial_cmp(value).is_some(),
    };
    above
        && match high {
            Bound::Included(high) => value <= high,
            Bound::Excluded(high) => value < high,
            Bound::Unbounded => value.partial_cmp(value).is_some(),
        }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn passes(value: &Value<'_>, test: &Test) -> bool {
    match (test, value) {
        (Test::Exists, _) => true,
        (Test::IntRange { low, high }, Value::Int(v) | Value::Timestamp(v)) => {
            v >= low && v <= high
        }
        (Test::IntSet(set), Value::Int(v) | Value::Timestamp(v)) => set.contains(v),
        (Test::FloatRange { low, high }, Value::Float(v)) => within(v, low.as_ref(), high.as_ref()),
        (Test::FloatSet(set), Value::Float(v)) => set.contains(v),
        (Test::Bool(wanted), Value::Bool(v)) => wanted == v,
        (Test::BytesRange { low, high }, value) => {
            bytes_of(value).is_some_and(|v| within(v, slice(low), slice(high)))
        }
        (Test::BytesSet(set), value) => {
            bytes_of(value).is_some_and(|v| set.iter().any(|member| member == v))
        }
        (Test::BytesPrefix(prefix), value) => {
            bytes_of(value).is_some_and(|v| v.starts_with(prefix))
        }
        (Test::Regex(pattern), Value::String(text)) => Regex::new(pattern).unwrap().is_match(text),
        _ => false,
    }
}

fn row_passes(column: &Column, row: usize, elements: bool, test: &Test) -> bool {
    match column.value(row) {
        None => false,
        Some(_) if !elements && *test == Test::Exists => true,
        Some(Value::Array(view)) => elements && view.iter().any(|value| passes(&value, test)),
        Some(value) => !elements && passes(&value, test),
    }
}

/// Tests of every kind around the values of a column.
fn tests(r: &mut SmallRng, column: &Column) -> Vec<Test> {
    let shape = r.random_range(0..SHAPES);
    let mut pick = || samples::value(r, column.kind().value, shape, 40);
    let drawn: Vec<OwnedValue> = (0..12).map(|_| pick()).collect();
    let ints: Vec<i64> = drawn
        .iter()
        .map(|v| {
            if let OwnedValue::Int(v) | OwnedValue::Timestamp(v) = v {
                *v
            } else {
                200
            }
        })
        .collect();
    let floats: Vec<f64> = drawn
        .iter()
        .map(|v| {
            if let OwnedValue::Float(v) = v {
                *v
            } else {
                2.0
            }
        })
        .collect();
    let bytes: Vec<Vec<u8>> = drawn
        .iter()
        .map(|v| match v {
            OwnedValue::String(text) => text.clone().into_bytes(),
            OwnedValue::Bytes(bytes) => bytes.clone(),
            _ => b"value".to_vec(),
        })
        .collect();
    let bound = |r: &mut SmallRng| match r.random_range(0..3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(()),
        _ => Bound::Excluded(()),
    };
    let few = r.random_range(0..12);
    let prefix = bytes[0][..r.random_range(0..=bytes[0].len())].to_vec();
    vec![
        Test::Exists,
        Test::IntRange {
            low: ints[0],
            high: ints[1],
        },
        Test::IntRange {
            low: ints[0].min(ints[2]),
            high: ints[0].max(ints[2]),
        },
        Test::IntSet(ints[..few].to_vec()),
        Test::FloatRange {
            low: bound(r).map(|()| floats[0]),
            high: bound(r).map(|()| floats[1]),
        },
        Test::FloatSet(floats[..few].to_vec()),
        Test::Bool(r.random()),
        Test::BytesRange {
            low: bound(r).map(|()| bytes[0].clone()),
            high: bound(r).map(|()| bytes[1].clone()),
        },
        Test::BytesSet(bytes[..few].to_vec()),
        Test::BytesSet(bytes[..1].to_vec()),
        Test::BytesPrefix(prefix),
        Test::BytesPrefix(vec![0xff]),
        Test::Regex("e -?[0-9]*5$|^$|日".to_owned()),
    ]
}

#[test]
fn leaves_match_the_naive_evaluation() {
    let mut r = random(20);
    for kind in samples::kinds() {
        for shape in 0..SHAPES {
            for share in [1.0, 0.7, 0.0] {
                let column = samples::column(&mut r, kind, shape, 230, share);
                let page = open(&column);
                let narrow = Bitmap::from_fn(230, |row| (100..110).contains(&row) || row == 163);
                for test in tests(&mut r, &column) {
                    for elements in [false, true] {
                        let leaf = Step::Leaf {
                            slot: 0,
                            elements,
                            test: test.clone(),
                        };
                        let program = Program::compile(vec![leaf]).unwrap();
                        let naive =
                            Bitmap::from_fn(230, |row| row_passes(&column, row, elements, &test));
                        let ours = program.evaluate(&[Some(&page)], 230, None).unwrap();
                        assert_eq!(ours, naive, "{kind} {shape} {elements} {test:?}");
                        let mut part = naive;
                        part.and_with(&narrow);
                        let ours = program
                            .evaluate(&[Some(&page)], 230, Some(&narrow))
                            .unwrap();
                        assert_eq!(ours, part, "{kind} {shape} {elements} {test:?} narrow");
                    }
                }
            }
        }
    }
}

/// A random filter over three slots, the last of which is empty.
fn random_steps(r: &mut SmallRng, columns: &[Column], depth: usize, steps: &mut Vec<Step>) {
    match if depth == 0 { 0 } else { r.random_range(0..6) } {
        0 | 1 => {
            let slot = r.random_range(0..=columns.len());
            let column = columns.get(slot).unwrap_or(&columns[0]);
            let mut all = tests(r, column);
            let test = all.swap_remove(r.random_range(0..all.len()));
            steps.push(Step::Leaf {
                slot: slot as u32,
                elements: r.random(),
                test,
            });
        }
        2 => {
            random_steps(r, columns, depth - 1, steps);
            steps.push(Step::Not);
        }
        3 => steps.push(if r.random() { Step::True } else { Step::False }),
        what => {
            random_steps(r, columns, depth - 1, steps);
            random_steps(r, columns, depth - 1, steps);
            steps.push(if what == 4 { Step::And } else { Step::Or });
        }
    }
}

fn naive(steps: &[Step], columns: &[Column], row: usize) -> bool {
    let mut stack: Vec<bool> = Vec::new();
    for step in steps {
        let result = match step {
            Step::Leaf {
                slot,
                elements,
                test,
            } => columns
                .get(*slot as usize)
                .is_some_and(|column| row_passes(column, row, *elements, test)),
            Step::And => stack.pop().unwrap() & stack.pop().unwrap(),
            Step::Or => stack.pop().unwrap() | stack.pop().unwrap(),
            Step::Not => !stack.pop().unwrap(),
            Step::True => true,
            Step::False => false,
        };
        stack.push(result);
    }
    stack.pop().unwrap()
}

#[test]
fn programs_match_the_naive_evaluation() {
    let mut r = random(21);
    let kinds = samples::kinds();
    for _ in 0..600 {
        let rows = r.random_range(1..200);
        let columns: Vec<Column> = (0..2)
            .map(|_| {
                let kind = kinds[r.random_range(0..kinds.len())];
                let shape = r.random_range(0..SHAPES);
                samples::column(&mut r, kind, shape, rows, 0.8)
            })
            .collect();
        let pages: Vec<Page> = columns.iter().map(open).collect();
        let slots = [Some(&pages[0]), Some(&pages[1]), None];
        let mut steps = Vec::new();
        random_steps(&mut r, &columns, 4, &mut steps);
        let program = Program::compile(steps.clone()).unwrap();
        let expected = Bitmap::from_fn(rows, |row| naive(&steps, &columns, row));
        assert_eq!(
            program.evaluate(&slots, rows as u32, None).unwrap(),
            expected,
            "{steps:?}"
        );
        let share = r.random();
        let part = Bitmap::from_fn(rows, |_| r.random_bool(share));
        let mut expected = expected;
        expected.and_with(&part);
        let ours = program.evaluate(&slots, rows as u32, Some(&part)).unwrap();
        assert_eq!(ours, expected, "{steps:?} within {part:?}");
    }
}

#[test]
fn bad_programs_are_refused() {
    let error = |steps: Vec<Step>| Program::compile(steps).unwrap_err();
    assert_eq!(error(vec![]), ProgramError::Results { results: 0 });
    assert_eq!(
        error(vec![Step::True; 2]),
        ProgramError::Results { results: 2 }
    );
    let underflow = ProgramError::Underflow {
        step: 1,
        needed: 2,
        available: 1,
    };
    assert_eq!(error(vec![Step::True, Step::And]), underflow);
    assert!(matches!(
        error(vec![Step::True; 1001]),
        ProgramError::Depth { step: 1000, .. }
    ));
    let leaf = |slot, pattern: &str| Step::Leaf {
        slot,
        elements: false,
        test: Test::Regex(pattern.to_owned()),
    };
    assert!(matches!(
        error(vec![leaf(0, "(")]),
        ProgramError::Regex { step: 0, .. }
    ));
    assert!(matches!(
        error(vec![leaf(0, r"\w{999}{99}")]),
        ProgramError::Regex { .. }
    ));
    assert!(matches!(
        error(vec![leaf(u32::MAX, "a")]),
        ProgramError::Slot { .. }
    ));
    let mut deep = vec![Step::True];
    deep.extend(std::iter::repeat_n(Step::Not, 100_000));
    let program = Program::compile(deep).unwrap();
    assert_eq!(program.slots(), 0);
    assert!(program.evaluate(&[], 5, None).unwrap().all());
    let page = open(&samples::column(
        &mut random(1),
        samples::kinds()[1],
        2,
        5,
        1.0,
    ));
    assert!(program.evaluate(&[Some(&page)], 6, None).is_err());
    assert!(program.evaluate(&[], 5, Some(&Bitmap::ones(6))).is_err());
}

/// Needles that occur inside, across and next to other values, which a search of the joined bytes
/// must not take for equal values.
#[test]
fn equality_finds_whole_values_only() {
    let mut r = random(22);
    let kind = ColumnType::scalar(ValueType::Bytes);
    for fixed in [false, true] {
        for _ in 0..300 {
            let values: Vec<Vec<u8>> = (0..300)
                .map(|_| {
                    let length = if fixed { 16 } else { r.random_range(0..25) };
                    (0..length).map(|_| r.random_range(b'a'..=b'b')).collect()
                })
                .collect();
            let strings = Values::Bytes(values.iter().collect());
            let column = Column::new(kind, 300, None, None, strings).unwrap();
            let page = open(&column);
            assert_eq!(page.encoding(), Encoding::Plain);
            let needle = values[r.random_range(0..300)].clone();
            let set = Test::BytesSet(vec![needle.clone()]);
            let leaf = Step::Leaf {
                slot: 0,
                elements: false,
                test: set,
            };
            let program = Program::compile(vec![leaf]).unwrap();
            let expected = Bitmap::from_fn(300, |row| values[row] == needle);
            assert_eq!(
                program.evaluate(&[Some(&page)], 300, None).unwrap(),
                expected
            );
            let part = Bitmap::from_fn(300, |row| (70..280).contains(&row) && row % 9 != 0);
            let mut expected = expected;
            expected.and_with(&part);
            assert_eq!(
                program.evaluate(&[Some(&page)], 300, Some(&part)).unwrap(),
                expected
            );
        }
    }
}
