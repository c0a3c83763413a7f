//! What the fuzz targets of this crate do with hostile bytes. A panic here is a finding.
//!
//! The targets in `fuzz/` call these functions with the bytes that libFuzzer makes up; the tests
//! below replay the kept ones on every run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a finding"
)]

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use sidx_columns::{Array, Bitmap, Column, Value, log_columns};

use crate::gather::{Source, gather, lengths};
use crate::hash;
use crate::membership::{self, Membership};
use crate::offsets::Offsets;
use crate::page::encode;
use crate::page::{Page, Stored};
use crate::predicate::Test;
use crate::program::{Program, Step};
use crate::select::{Order, Resume, SelectRequest, Span, count, select};
use crate::string::shared::SharedDictionary;

/// Rows and elements up to which everything is compared; a page of a few bytes may declare
/// millions, which is right but slow to look at one by one.
const VALUES_MAX: usize = 20_000;
/// Bytes of strings up to which everything is decoded.
const STRING_BYTES_MAX: usize = 1 << 20;

/// A page: whatever opens reads the same in every way there is to read it.
pub fn page(data: &[u8]) {
    let Ok(page) = Page::open(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(page.present() <= page.rows());
    assert!(page.memory_bytes() >= data.len());
    let rows = page.rows() as usize;
    if rows > VALUES_MAX || values(&page) > VALUES_MAX || string_bytes(&page) > STRING_BYTES_MAX {
        return ends_of(&page);
    }
    let all: Vec<u32> = (0..page.rows()).collect();
    let column = collect(&page, &all);
    check_gathers(&page, &column);
    check_encoding(&column);
    check_tests(&page, &column);
    if let Some(keys) = keys(&column) {
        check_selection(&page, &keys);
    }
}

/// A shared dictionary as stored, and a page that may refer to it.
pub fn dictionary(data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else {
        return;
    };
    let (stored, page) = rest.split_at((rest.len() * usize::from(*cut)) >> 8);
    let Ok(dictionary) = SharedDictionary::open(stored.to_vec().into()) else {
        return;
    };
    let dictionary = Arc::new(dictionary);
    for code in 0..dictionary.len() as u32 {
        let value = dictionary.get(code).expect("every code has an entry");
        let found = dictionary.find(value).expect("an entry is found");
        assert_eq!(dictionary.get(found), Some(value));
    }
    let again = dictionary.write(&Bitmap::ones(dictionary.len()));
    let again = SharedDictionary::open(again.into()).expect("what was written opens");
    assert!((0..again.len() as u32).all(|code| again.get(code) == dictionary.get(code)));
    if let Ok(page) = Page::open_with(page.to_vec().into(), Some(&dictionary)) {
        let rows: Vec<u32> = (0..page.rows().min(1_000)).collect();
        let column = collect(&page, &rows);
        assert_eq!(column.rows(), rows.len());
    }
}

/// Columns of a log entry: what is read is written again as it was, and survives a page.
pub fn columns(data: &[u8]) {
    let Ok(read) = log_columns::read(data) else {
        return;
    };
    let mut written = Vec::new();
    log_columns::write(&read.iter().collect::<Vec<_>>(), &mut written);
    let again = log_columns::read(&written).expect("columns that were just written");
    assert_eq!(read.len(), again.len());
    for (one, other) in read.iter().zip(&again) {
        assert_eq!(image(one), image(other));
        if one.rows() <= VALUES_MAX && one.values().len() <= VALUES_MAX {
            check_encoding(one);
        }
    }
}

/// A membership page: any bytes are refused or answer, and one made of hashes holds them.
pub fn membership(data: &[u8]) {
    let (words, _) = data.as_chunks::<8>();
    let hashes: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    if let Ok(opened) = Membership::open(data) {
        let _ = hashes.iter().filter(|hash| opened.contains(**hash)).count();
        let _ = (opened.members(), opened.memory_bytes());
    }
    let built = membership::build(hashes.clone()).expect("a seed works");
    let built = Membership::open(&built).expect("a page that was just built");
    assert!(hashes.iter().all(|hash| built.contains(*hash)));
}

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

fn values(page: &Page) -> usize {
    page.lists().map_or(page.present() as usize, Offsets::total)
}

fn string_bytes(page: &Page) -> usize {
    match page.stored() {
        Stored::Bytes(strings) => (0..values(page))
            .map(|at| strings.get(at).map_or(0, <[u8]>::len))
            .fold(0, usize::saturating_add),
        _ => 0,
    }
}

/// First and last rows of a page that is too large to be read whole.
fn ends_of(page: &Page) {
    let rows = page.rows();
    let widest = |row: &u32| {
        let list = page.lists().zip(page.presence().position(*row as usize));
        list.map_or(1, |(lists, at)| lists.range(at).len()) <= VALUES_MAX
    };
    let ends = (0..rows.min(2)).chain(rows.saturating_sub(2)..rows);
    let chosen: Vec<u32> = ends.filter(widest).collect();
    if string_bytes(page) <= STRING_BYTES_MAX {
        let column = collect(page, &chosen);
        assert_eq!(column.rows(), chosen.len());
    }
}

fn collect(page: &Page, rows: &[u32]) -> Column {
    let pages = vec![Some(page); rows.len()];
    let source = Source {
        pages: &pages,
        rows,
    };
    gather(page.kind(), source).expect("rows of the page")
}

/// Rows picked backwards and with gaps are those of the whole.
fn check_gathers(page: &Page, column: &Column) {
    assert_eq!(column.rows(), page.rows() as usize);
    assert_eq!(column.present_count(), page.present() as usize);
    let backwards: Vec<u32> = (0..page.rows()).rev().collect();
    let gaps: Vec<u32> = (0..page.rows())
        .step_by(3)
        .chain(0..page.rows().min(1))
        .collect();
    for rows in [&backwards, &gaps] {
        let expected = column.take(rows).expect("rows of the column");
        assert_eq!(image(&collect(page, rows)), image(&expected));
    }
    let pages = vec![Some(page); gaps.len()];
    let found = lengths(Source {
        pages: &pages,
        rows: &gaps,
    });
    if let Ok(found) = found {
        for (row, length) in gaps.iter().zip(found) {
            let expected = match column.value(*row as usize) {
                Some(Value::Bytes(bytes)) => bytes.len(),
                Some(Value::String(text)) => text.len(),
                _ => 0,
            };
            assert_eq!(length as usize, expected);
        }
    }
    let beyond = [page.rows()];
    let source = Source {
        pages: &[Some(page)],
        rows: &beyond,
    };
    assert!(gather(page.kind(), source).is_err());
}

/// A column, its page, and the column of that page are the same; statistics and membership hold.
fn check_encoding(column: &Column) {
    let encoded = encode(column).expect("within the limits");
    let page = Page::open(encoded.page.into()).expect("a page that was just written");
    let all: Vec<u32> = (0..page.rows()).collect();
    assert_eq!(image(&collect(&page, &all)), image(column));
    assert_eq!(encoded.stats.rows as usize, column.rows());
    assert_eq!(encoded.stats.present as usize, column.present_count());
    let Some(membership) = encoded.membership else {
        return;
    };
    let membership = Membership::open(&membership).expect("a page that was just written");
    for value in cells(column) {
        let hash = match value {
            Value::Int(value) | Value::Timestamp(value) => hash::of_int(value),
            Value::Float(value) => hash::of_float(value),
            Value::Bool(value) => hash::of_bool(value),
            Value::String(value) => hash::of_bytes(value.as_bytes()),
            Value::Bytes(value) => hash::of_bytes(value),
            Value::Array(_) => continue,
        };
        assert!(membership.contains(hash));
    }
}

/// Values of the present rows, or their elements.
fn cells(column: &Column) -> Vec<Value<'_>> {
    let values = (0..column.rows()).filter_map(|row| column.value(row));
    values
        .flat_map(|value| match value {
            Value::Array(array) => Array::iter(&array).collect(),
            value => vec![value],
        })
        .collect()
}

/// Every value with its bits: what a row of a column is, whatever its absent slots hold.
fn image(column: &Column) -> Vec<u8> {
    let mut out = vec![column.kind().code()];
    for row in 0..column.rows() {
        match column.value(row) {
            None => out.push(0),
            Some(Value::Array(array)) => {
                out.extend_from_slice(&(array.len() as u64).to_le_bytes());
                array.iter().for_each(|value| put(&mut out, value));
            }
            Some(value) => put(&mut out, value),
        }
    }
    out
}

fn put(out: &mut Vec<u8>, value: Value<'_>) {
    let mut bytes = |bytes: &[u8]| {
        out.push(1);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::String(text) => bytes(text.as_bytes()),
        Value::Bytes(value) => bytes(value),
        Value::Int(value) | Value::Timestamp(value) => bytes(&value.to_le_bytes()),
        Value::Float(value) => bytes(&value.to_bits().to_le_bytes()),
        Value::Bool(value) => bytes(&[u8::from(value)]),
        Value::Array(_) => {}
    }
}

/// Tests over the encoded page select what they select over its values.
fn check_tests(page: &Page, column: &Column) {
    let rows = column.rows();
    let within = Bitmap::from_fn(rows, |row| row % 5 != 2);
    for test in tests_of(column) {
        for elements in [false, true] {
            let fits =
                elements == column.kind().array || (!elements && matches!(test, Test::Exists));
            let leaf = Step::Leaf {
                slot: 0,
                elements,
                test: test.clone(),
            };
            let Ok(program) = Program::compile(vec![leaf]) else {
                continue;
            };
            for within in [None, Some(&within)] {
                let found = program
                    .evaluate(&[Some(page)], rows as u32, within)
                    .expect("fits");
                for row in 0..rows {
                    let expected = within.is_none_or(|within| within.get(row))
                        && fits
                        && match column.value(row) {
                            Some(Value::Array(array)) if elements => {
                                array.iter().any(|value| passes(&test, Some(value)))
                            }
                            value => passes(&test, value),
                        };
                    assert_eq!(found.get(row), expected, "row {row}, {test:?}, {elements}");
                }
            }
        }
    }
}

/// Tests around some of a column's values.
fn tests_of(column: &Column) -> Vec<Test> {
    let cells = cells(column);
    let mut tests = vec![Test::Exists];
    for (at, other) in [
        (0, cells.len() / 2),
        (cells.len() / 3, cells.len().saturating_sub(1)),
    ] {
        let (Some(one), Some(other)) = (cells.get(at), cells.get(other)) else {
            continue;
        };
        match (one, other) {
            (Value::Int(a), Value::Int(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => {
                tests.push(Test::IntRange {
                    low: *a.min(b),
                    high: *a.max(b),
                });
                tests.push(Test::IntRange {
                    low: *a,
                    high: i64::MAX,
                });
                tests.push(Test::IntSet(vec![*b, *a, a.wrapping_add(2)]));
            }
            (Value::Float(a), Value::Float(b)) => {
                let (low, high) = (Bound::Excluded(*a), Bound::Included(*b));
                tests.push(Test::FloatRange { low, high });
                tests.push(Test::FloatRange {
                    low: high,
                    high: Bound::Unbounded,
                });
                tests.push(Test::FloatSet(vec![*a, *b, 0.5]));
            }
            (Value::Bool(a), _) => tests.push(Test::Bool(*a)),
            (Value::String(a), Value::String(b)) => {
                byte_tests(a.as_bytes(), b.as_bytes(), &mut tests)
            }
            (Value::Bytes(a), Value::Bytes(b)) => byte_tests(a, b, &mut tests),
            _ => {}
        }
    }
    tests
}

fn byte_tests(a: &[u8], b: &[u8], tests: &mut Vec<Test>) {
    let (low, high) = (a.min(b).to_vec(), a.max(b).to_vec());
    tests.push(Test::BytesRange {
        low: Bound::Excluded(low.clone()),
        high: Bound::Included(high),
    });
    tests.push(Test::BytesRange {
        low: Bound::Included(low),
        high: Bound::Unbounded,
    });
    tests.push(Test::BytesSet(vec![b.to_vec()]));
    tests.push(Test::BytesSet(vec![b.to_vec(), a.to_vec(), Vec::new()]));
    tests.push(Test::BytesPrefix(a[..a.len() / 2].to_vec()));
    tests.push(Test::Regex("^a|1".to_owned()));
}

/// The meaning of a test for one value.
fn passes(test: &Test, value: Option<Value<'_>>) -> bool {
    let Some(value) = value else {
        return false;
    };
    let within = |bytes: &[u8], low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>| {
        let (low, high) = (
            low.as_ref().map(Vec::as_slice),
            high.as_ref().map(Vec::as_slice),
        );
        RangeBounds::<[u8]>::contains(&(low, high), bytes)
    };
    match (test, value) {
        (Test::Exists, _) => true,
        (Test::IntRange { low, high }, Value::Int(v) | Value::Timestamp(v)) => {
            (*low..=*high).contains(&v)
        }
        (Test::IntSet(set), Value::Int(v) | Value::Timestamp(v)) => set.contains(&v),
        (Test::FloatRange { low, high }, Value::Float(v)) => (*low, *high).contains(&v),
        (Test::FloatSet(set), Value::Float(v)) => set.contains(&v),
        (Test::Bool(wanted), Value::Bool(v)) => *wanted == v,
        (Test::BytesRange { low, high }, Value::String(v)) => within(v.as_bytes(), low, high),
        (Test::BytesRange { low, high }, Value::Bytes(v)) => within(v, low, high),
        (Test::BytesSet(set), Value::String(v)) => set.iter().any(|m| m == v.as_bytes()),
        (Test::BytesSet(set), Value::Bytes(v)) => set.iter().any(|m| m == v),
        (Test::BytesPrefix(prefix), Value::String(v)) => v.as_bytes().starts_with(prefix),
        (Test::BytesPrefix(prefix), Value::Bytes(v)) => v.starts_with(prefix),
        (Test::Regex(pattern), Value::String(v)) => regex::Regex::new(pattern).unwrap().is_match(v),
        _ => false,
    }
}

/// The keys of a page that can be a block's keys.
fn keys(column: &Column) -> Option<Vec<i64>> {
    let all = (0..column.rows()).map(|row| match column.value(row) {
        Some(Value::Int(key) | Value::Timestamp(key)) => Some(key),
        _ => None,
    });
    all.collect()
}

/// Selections over keys in order are those of a sort; over others they end and stay inside.
fn check_selection(page: &Page, keys: &[i64]) {
    let rows = keys.len() as u32;
    let middle = rows / 2;
    let spans = [
        Span {
            start: 0,
            end: middle,
        },
        Span {
            start: middle,
            end: rows,
        },
    ];
    let ordered = keys[..middle as usize].is_sorted() && keys[middle as usize..].is_sorted();
    let low = keys.get(keys.len() / 5).copied().unwrap_or(0);
    for order in [Order::Ascending, Order::Descending] {
        for (low, high) in [(i64::MIN, i64::MAX), (low, low.saturating_add(1 << 20))] {
            let mut expected: Vec<(i64, u32)> = keys
                .iter()
                .zip(0u32..)
                .filter(|(key, _)| (low..=high).contains(key))
                .map(|(key, row)| (*key, row))
                .collect();
            expected.sort_unstable();
            if order == Order::Descending {
                expected.reverse();
            }
            let mut request = SelectRequest {
                keys: page,
                slots: &[],
                program: None,
                spans: &spans,
                low,
                high,
                order,
                resume: None,
                cap: rows / 3 + 1,
            };
            let total = count(&request).expect("a page of keys");
            let mut found = Vec::new();
            for _ in 0..5 {
                let (mut picked, mut at) = (Vec::new(), Vec::new());
                let more = select(&request, &mut picked, &mut at).expect("a page of keys");
                assert!(picked.iter().all(|row| *row < rows) && picked.len() == at.len());
                found.extend(at.into_iter().zip(picked));
                request.resume = found.last().map(|(key, row)| Resume {
                    key: *key,
                    row: *row,
                });
                if !more {
                    break;
                }
            }
            if ordered {
                assert_eq!(total as usize, expected.len());
                assert_eq!(found, expected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 5] = [
        ("page", page),
        ("columns", columns),
        ("membership", membership),
        ("dictionary", dictionary),
        ("program", program),
    ];

    fn corpus(target: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target)
    }

    /// What the fuzzer found worth keeping, and every crash there ever was.
    #[test]
    fn kept_inputs_pass() {
        for (target, run) in TARGETS {
            let mut inputs = 0;
            for entry in std::fs::read_dir(corpus(target)).expect(target) {
                run(&std::fs::read(entry.unwrap().path()).unwrap());
                inputs += 1;
            }
            assert!(inputs > 0, "{target} has no inputs");
        }
    }

    /// `cargo test -p sidx-kernels write_seeds -- --ignored` makes what the fuzzer begins with.
    #[test]
    #[ignore = "writes into fuzz/corpus"]
    fn write_seeds() {
        let mut r = samples::random(1);
        let write = |target: &str, name: &str, bytes: &[u8]| {
            std::fs::create_dir_all(corpus(target)).unwrap();
            std::fs::write(corpus(target).join(format!("seed-{name}")), bytes).unwrap();
        };
        for kind in samples::kinds() {
            for shape in 0..samples::SHAPES {
                for (share, rows) in [(1.0, 40), (0.5, 200)] {
                    let column = samples::column(&mut r, kind, shape, rows, share);
                    let encoded = encode(&column).unwrap();
                    let name = format!("{kind}-{shape}-{rows}").replace("[]", "s");
                    write("page", &name, &encoded.page);
                    let mut logged = Vec::new();
                    log_columns::write(&[&column], &mut logged);
                    if rows == 40 {
                        write("columns", &name, &logged);
                    }
                }
            }
        }
        write(
            "membership",
            "few",
            &membership::build(vec![1, 2, 3]).unwrap(),
        );
        write(
            "membership",
            "none",
            &membership::build(Vec::new()).unwrap(),
        );
        for (name, cut) in [("whole", 255u8), ("half", 128)] {
            let (stored, page) = shared_seed();
            let mut bytes = vec![cut];
            bytes.extend(stored);
            if cut == 128 {
                bytes.extend(page);
            }
            write("dictionary", name, &bytes);
        }
        write("program", "all", &[1, 5, 6, 0, 7, 1, 2, 3, 0, 4, 1]);
    }

    /// A dictionary and a page that refers to it, of one length, so that the middle parts them.
    fn shared_seed() -> (Vec<u8>, Vec<u8>) {
        use crate::{SharedBuilder, encode_coded, encode_unfiltered};
        use sidx_columns::{ColumnType, ValueType, Values};
        let texts = ["alpha", "alphabet", "beta", ""].repeat(5);
        let strings = Values::Bytes(texts.iter().collect());
        let kind = ColumnType::scalar(ValueType::String);
        let column = Column::new(kind, texts.len(), None, None, strings).unwrap();
        let page = Page::open(encode_unfiltered(&column).unwrap().page.into()).unwrap();
        let mut builder = SharedBuilder::new(kind).unwrap();
        builder.add(0, &page).unwrap();
        let shared = builder.finish(0).unwrap();
        let coded = shared.coded(0, &page).unwrap();
        let rows: Vec<u32> = (0..coded.rows()).collect();
        let pages = vec![Some(&coded); rows.len()];
        let source = Source {
            pages: &pages,
            rows: &rows,
        };
        let codes = gather(coded.kind(), source).unwrap();
        let page = encode_coded(&codes, shared.dictionary()).unwrap().page;
        let stored = shared.dictionary().write(&Bitmap::ones(4));
        (stored, page)
    }
}
