//! Requests of the first rows of runs that the host must refuse.

use super::Allowed;
use super::kernels::a_key_page;
use crate::bindings::sidx::engine::scan;

/// One run of one block, with its keys as a column.
const WANTED: scan::TopRequest<'static> = scan::TopRequest {
    pages: &[],
    slots: 0,
    tested: &[],
    runs: &[0, 0, 2],
    ends: &[0, 1 << 40, 7],
    whole: false,
    low: i64::MIN,
    high: i64::MAX,
    order: scan::Order::Ascending,
    limit: 10,
    horizon: None,
    kinds: &[],
    piece_counts: &[],
    pieces: &[],
};

fn copied<'a>(request: &scan::TopRequest<'a>) -> scan::TopRequest<'a> {
    scan::TopRequest { ..*request }
}

type Change = fn(&mut scan::TopRequest<'_>);

/// What is wrong with a request, and how to make it so.
const WRONG: [(&str, Change); 25] = [
    ("no key page", |it| it.pages = &[u32::MAX]),
    ("an unknown key page", |it| it.pages = &[8 << 20]),
    ("no key pages", |it| it.pages = &[]),
    ("missing slots", |it| it.slots = u32::MAX),
    ("a missing slot", |it| it.slots = 1),
    ("half a block", |it| {
        (it.pages, it.slots) = (&[0, 0, 0], 1);
    }),
    ("more tests", |it| it.tested = &[0, 0]),
    ("a test without a filter", |it| it.tested = &[1]),
    ("a run of no block", |it| it.runs = &[1, 0, 2]),
    ("a run of the last block", |it| it.runs = &[u32::MAX, 0, 2]),
    ("more runs", |it| it.runs = &[0, 0, 1, 0, 1, 2]),
    ("half a run", |it| it.runs = &[0, 0, 2, 0]),
    ("a span backwards", |it| it.runs = &[0, 2, 1]),
    ("a span behind the rows", |it| it.runs = &[0, 0, u32::MAX]),
    ("no ends", |it| it.ends = &[]),
    ("no series", |it| it.ends = &[0, 1 << 40]),
    ("all rows there are", |it| it.limit = u32::MAX),
    ("an unknown type", |it| {
        (it.kinds, it.piece_counts) = (&[99], &[0]);
    }),
    ("no piece counts", |it| it.kinds = &[2]),
    ("more piece counts", |it| it.piece_counts = &[1, 1]),
    ("many pieces", |it| {
        (it.kinds, it.piece_counts) = (&[2], &[u32::MAX]);
    }),
    ("no piece for a row", |it| {
        (it.kinds, it.piece_counts) = (&[2], &[0]);
    }),
    ("a piece that ends before a row", |it| {
        (it.kinds, it.piece_counts) = (&[2], &[1]);
        it.pieces = &[1, u32::MAX];
    }),
    ("an unknown piece", |it| {
        (it.kinds, it.piece_counts) = (&[2], &[1]);
        it.pieces = &[u32::MAX, 8 << 20];
    }),
    ("pieces without pages", |it| {
        (it.kinds, it.piece_counts, it.pieces) = (&[2], &[1], &[9]);
    }),
];

pub(super) fn tops(allowed: &mut Allowed) {
    let Some(page) = a_key_page() else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let pages = [page];
    let wanted = scan::TopRequest {
        pages: &pages,
        ..WANTED
    };
    for whole in [false, true] {
        let good = scan::TopRequest {
            whole,
            ..copied(&wanted)
        };
        match scan::top(None, good) {
            Ok(top) if top.rows == 2 && top.exhausted => {}
            _ => allowed.0.push("a good request is refused".to_owned()),
        }
        for (what, change) in WRONG {
            let mut wrong = scan::TopRequest {
                whole,
                ..copied(&wanted)
            };
            change(&mut wrong);
            allowed.refused(&format!("top: {what}"), scan::top(None, wrong));
        }
    }
    // Odd, but no reason to refuse: the answer is just what it is.
    let runs = [0, 0, 2].repeat(1 << 17);
    let ends = [i64::MAX, i64::MIN, 7].repeat(1 << 17);
    for odd in [
        scan::TopRequest {
            low: i64::MAX,
            high: i64::MIN,
            ..copied(&wanted)
        },
        scan::TopRequest {
            limit: 0,
            ..copied(&wanted)
        },
        scan::TopRequest {
            horizon: Some((i64::MIN, 0)),
            ..copied(&wanted)
        },
        scan::TopRequest {
            runs: &runs,
            ends: &ends,
            limit: 1 << 16,
            order: scan::Order::Descending,
            ..copied(&wanted)
        },
    ] {
        let _ = scan::top(None, odd);
    }
}
