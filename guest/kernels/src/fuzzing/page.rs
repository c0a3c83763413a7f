//! Pages of hostile bytes: what opens reads the same in every way there is to read it.

use std::ops::Bound;

use bytes::Bytes;
use sidx_columns::{Bitmap, Column, Value};

use crate::fuzzing::meaning::{cells, image, passes};
use crate::gather::{Source, gather, lengths};
use crate::hash;
use crate::membership::Membership;
use crate::offsets::Offsets;
use crate::page::{Page, Stored, encode};
use crate::predicate::Test;
use crate::program::{Program, Step};
use crate::select::{Order, Resume, SelectRequest, Span, count, select};

/// Rows and elements up to which everything is compared; a page of a few bytes may declare
/// millions, which is right but slow to look at one by one.
pub(super) const VALUES_MAX: usize = 20_000;
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

pub(super) fn collect(page: &Page, rows: &[u32]) -> Column {
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
pub(super) fn check_encoding(column: &Column) {
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
