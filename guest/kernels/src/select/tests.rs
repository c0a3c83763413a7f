//! Selections against filter, sort and truncate; and everything against damaged pages.

use rand::{Rng, rngs::SmallRng};
use sidx_columns::{Bitmap, Column, ColumnType, ValueType, Values};

use crate::gather::{Source, gather, lengths};
use crate::page::Page;
use crate::page::encode;
use crate::predicate::Test;
use crate::program::{Program, Step};
use crate::samples::{self, SHAPES, open, random};
use crate::select::{Order, Resume, SelectRequest, Span, count, select};

/// Keys ascending within random spans, with gaps between some of them.
fn block(r: &mut SmallRng, rows: usize, longest: u32, keys_below: i64) -> (Vec<i64>, Vec<Span>) {
    let mut keys = vec![0; rows];
    let mut spans = Vec::new();
    let mut at = 0;
    while at < rows as u32 {
        let end = (at + r.random_range(1..=longest)).min(rows as u32);
        let run = &mut keys[at as usize..end as usize];
        run.iter_mut()
            .for_each(|key| *key = r.random_range(-keys_below..keys_below));
        run.sort_unstable();
        if r.random_bool(0.9) {
            spans.push(Span { start: at, end });
        }
        at = end;
    }
    (keys, spans)
}

fn key_page(keys: &[i64]) -> Page {
    let kind = ColumnType::scalar(ValueType::Int);
    open(&Column::new(kind, keys.len(), None, None, Values::Int(keys.to_vec())).unwrap())
}

/// Everything a request selects, in its order, without cap and resume.
fn naive(request: &SelectRequest<'_>, keys: &[i64], passes: &Bitmap) -> Vec<(i64, u32)> {
    let mut all: Vec<(i64, u32)> = request
        .spans
        .iter()
        .flat_map(|span| span.start..span.end)
        .map(|row| (keys[row as usize], row))
        .filter(|(key, row)| {
            (request.low..=request.high).contains(key)
                && (request.program.is_none() || passes.get(*row as usize))
        })
        .collect();
    all.sort_unstable();
    if request.order == Order::Descending {
        all.reverse();
    }
    all
}

#[test]
fn selections_match_sort_and_truncate_page_by_page() {
    let mut r = random(30);
    for round in 0..400 {
        let rows = [1, 50, 300, 1500][round % 4];
        let longest = [5, 40, 3000][r.random_range(0..3)];
        let below = [1, 20, 100_000][r.random_range(0..3)];
        let (keys, spans) = block(&mut r, rows, longest, below);
        let page = key_page(&keys);
        let int = ColumnType::scalar(ValueType::Int);
        let tags = samples::column(&mut r, int, 1, rows, 0.9);
        let tag_page = open(&tags);
        let slots = [Some(&tag_page)];
        let test = Test::IntSet(vec![404, 500]);
        let leaf = Step::Leaf {
            slot: 0,
            elements: false,
            test,
        };
        let program = Program::compile(vec![leaf]).unwrap();
        let passes = program.evaluate(&slots, rows as u32, None).unwrap();
        let (low, high) = match r.random_range(0..3) {
            0 => (i64::MIN, i64::MAX),
            1 => (-below / 2, below / 2),
            _ => (r.random_range(-below..below), r.random_range(-below..below)),
        };
        for (order, filtered) in [
            (Order::Ascending, false),
            (Order::Descending, false),
            (Order::Ascending, true),
            (Order::Descending, true),
        ] {
            let request = SelectRequest {
                keys: &page,
                slots: &slots,
                program: filtered.then_some(&program),
                spans: &spans,
                low,
                high,
                order,
                resume: None,
                cap: [1, 7, 64, 5000][r.random_range(0..4)],
            };
            let expected = naive(&request, &keys, &passes);
            assert_eq!(count(&request).unwrap(), expected.len() as u64);
            check_pages(request, &expected);
        }
    }
}

/// Reads a selection to its end, `cap` rows at a time.
fn check_pages(mut request: SelectRequest<'_>, expected: &[(i64, u32)]) {
    let mut seen = 0;
    loop {
        let (mut rows, mut keys) = (vec![99], vec![98]);
        let more = select(&request, &mut rows, &mut keys).unwrap();
        let ours: Vec<(i64, u32)> = keys.into_iter().zip(rows).skip(1).collect();
        let left = &expected[seen..];
        assert_eq!(
            ours,
            left[..left.len().min(request.cap as usize)],
            "{:?}",
            request.order
        );
        assert_eq!(more, left.len() > ours.len());
        seen += ours.len();
        let Some((key, row)) = ours.last() else { break };
        request.resume = Some(Resume {
            key: *key,
            row: *row,
        });
        if !more {
            assert_eq!(
                select(&request, &mut Vec::new(), &mut Vec::new()),
                Ok(false)
            );
            break;
        }
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn bad_requests_are_refused_and_odd_ones_answered() {
    let page = key_page(&[1, 2, 3, 4]);
    let whole = [Span { start: 0, end: 4 }];
    let request = SelectRequest {
        keys: &page,
        slots: &[],
        program: None,
        spans: &whole,
        low: i64::MIN,
        high: i64::MAX,
        order: Order::Ascending,
        resume: None,
        cap: 0,
    };
    let run = |request: &SelectRequest<'_>| select(request, &mut Vec::new(), &mut Vec::new());
    assert_eq!(run(&request), Ok(true));
    assert_eq!(
        run(&SelectRequest {
            low: 3,
            high: 2,
            ..request
        }),
        Ok(false)
    );
    assert!(
        run(&SelectRequest {
            spans: &[Span { start: 0, end: 5 }],
            ..request
        })
        .is_err()
    );
    assert!(
        run(&SelectRequest {
            spans: &[Span { start: 3, end: 2 }],
            ..request
        })
        .is_err()
    );
    let overlap = [Span { start: 0, end: 3 }, Span { start: 2, end: 4 }];
    assert!(
        run(&SelectRequest {
            spans: &overlap,
            ..request
        })
        .is_err()
    );
    let far = Some(Resume {
        key: i64::MAX,
        row: u32::MAX,
    });
    assert_eq!(
        run(&SelectRequest {
            resume: far,
            ..request
        }),
        Ok(false)
    );
}

#[test]
fn key_pages_must_be_whole_integers() {
    let refused = |keys: &Page| {
        let spans = [Span { start: 0, end: 4 }];
        let request = SelectRequest {
            keys,
            slots: &[],
            program: None,
            spans: &spans,
            low: i64::MIN,
            high: i64::MAX,
            order: Order::Ascending,
            resume: None,
            cap: 9,
        };
        select(&request, &mut Vec::new(), &mut Vec::new()).is_err()
    };
    let text = ColumnType::scalar(ValueType::String);
    assert!(refused(&open(&samples::column(
        &mut random(1),
        text,
        1,
        4,
        1.0
    ))));
    let int = ColumnType::scalar(ValueType::Int);
    assert!(refused(&open(&Column::absent(int, 4))));
    assert!(!refused(&key_page(&[4, 3, 2, 1])));
}

/// Uses a page in every way there is; the answers do not matter.
fn exercise(page: &Page) {
    let rows = page.rows().min(300);
    let order: Vec<u32> = (0..rows).rev().chain(0..rows).collect();
    let pages = vec![Some(page); order.len()];
    let source = Source {
        pages: &pages,
        rows: &order,
    };
    let _ = (
        gather(page.kind(), source),
        lengths(source),
        page.encoding(),
    );
    let tests = [
        Test::Exists,
        Test::IntRange { low: -3, high: 300 },
        Test::IntSet(vec![1, 7, 200]),
        Test::FloatRange {
            low: std::ops::Bound::Excluded(0.5),
            high: std::ops::Bound::Unbounded,
        },
        Test::FloatSet(vec![0.07, 2.0]),
        Test::Bool(false),
        Test::BytesPrefix(b"value".to_vec()),
        Test::BytesSet(vec![b"value 7".to_vec()]),
        Test::Regex("e".to_owned()),
    ];
    for test in tests {
        for elements in [false, true] {
            let leaf = Step::Leaf {
                slot: 0,
                elements,
                test: test.clone(),
            };
            let program = Program::compile(vec![leaf]).unwrap();
            let _ = program.evaluate(&[Some(page)], page.rows(), None);
            let half = rows / 2;
            let spans = [
                Span {
                    start: 0,
                    end: half,
                },
                Span {
                    start: half,
                    end: rows,
                },
            ];
            for resume in [None, Some(Resume { key: 7, row: half })] {
                for order in [Order::Ascending, Order::Descending] {
                    let slots = [Some(page)];
                    let program = elements.then_some(&program);
                    let request = SelectRequest {
                        keys: page,
                        slots: &slots,
                        program,
                        spans: &spans,
                        low: 0,
                        high: 1000,
                        order,
                        resume,
                        cap: 3,
                    };
                    let _ = select(&request, &mut Vec::new(), &mut Vec::new());
                    let _ = count(&request);
                }
            }
        }
    }
}

#[test]
fn damaged_pages_never_do_harm() {
    let mut r = random(31);
    let mut opened = 0;
    for kind in samples::kinds() {
        for shape in 0..SHAPES {
            for share in [1.0, 0.7] {
                let rows = if shape == 5 { 200 } else { 24 };
                let bytes = encode(&samples::column(&mut r, kind, shape, rows, share))
                    .unwrap()
                    .page;
                for length in 0..bytes.len() {
                    assert!(
                        Page::open(bytes[..length].to_vec().into()).is_err(),
                        "{kind}"
                    );
                }
                let mut longer = bytes.clone();
                longer.push(0);
                assert!(Page::open(longer.into()).is_err());
                for at in 0..bytes.len() {
                    // Every bit of the header pieces, one bit of each byte behind them.
                    let bits = if at < 40 {
                        0..8
                    } else {
                        let b = r.random_range(0..8);
                        b..b + 1
                    };
                    for bit in bits {
                        let mut bad = bytes.clone();
                        bad[at] ^= 1 << bit;
                        if let Ok(page) = Page::open(bad.into()) {
                            exercise(&page);
                            opened += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(opened > 1000, "only {opened} pages were read");
}

#[test]
fn pages_damaged_in_many_places_never_do_harm() {
    let mut r = random(32);
    let mut opened = 0;
    for kind in samples::kinds() {
        for shape in 0..SHAPES {
            let column = samples::column(&mut r, kind, shape, 150, [1.0, 0.8][shape % 2]);
            let bytes = encode(&column).unwrap().page;
            for _ in 0..500 {
                let mut bad = bytes.clone();
                for _ in 0..r.random_range(1..6) {
                    // Half of the blows fall on the headers, where they do most.
                    let most = if r.random() {
                        bad.len()
                    } else {
                        bad.len().min(40)
                    };
                    let at = r.random_range(0..most);
                    bad[at] = [0, 1, 2, 64, 0xff, r.random()][r.random_range(0..6)];
                }
                if let Ok(page) = Page::open(bad.into()) {
                    exercise(&page);
                    opened += 1;
                }
            }
        }
    }
    assert!(opened > 1000, "only {opened} pages were read");
}
