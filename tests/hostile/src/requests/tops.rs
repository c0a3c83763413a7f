//! Requests of the first rows of runs that the host must refuse.

use super::Allowed;
use super::kernels::a_key_page;
use crate::bindings::exports::sidx::engine::index as wit;
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

/// What a call came to; its reason, once, when it failed.
fn found(filter: Option<u32>, request: scan::TopRequest<'_>) -> Result<scan::TopEnd, wit::Error> {
    match scan::top(filter, request) {
        scan::TopEnd::Failed => Err(scan::top_failure()),
        end => Ok(end),
    }
}

/// Has the host look for rows that it refuses to look for: nothing is found then, whatever was before.
pub(crate) fn find_nothing() {
    let _ = scan::top(Some(u32::MAX), WANTED);
}

/// Has the host find far more rows than any query of these tests asks for: those of a block a hundred times.
pub(crate) fn find_many() {
    let Some(page) = a_key_page() else { return };
    let runs: Vec<u32> = [0, 0, 10].repeat(100);
    let ends = (0..100).flat_map(|series| [0, 1 << 40, series]);
    let _ = scan::top(
        None,
        scan::TopRequest {
            pages: &[page],
            runs: &runs,
            ends: &ends.collect::<Vec<i64>>(),
            limit: 1 << 16,
            ..WANTED
        },
    );
}

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
        let end = scan::top(None, good);
        if end != scan::TopEnd::Exhausted || scan::last_top().rows != 2 {
            allowed.0.push("a good request is refused".to_owned());
        }
        for (what, change) in WRONG {
            let mut wrong = scan::TopRequest {
                whole,
                ..copied(&wanted)
            };
            change(&mut wrong);
            allowed.refused(&format!("top: {what}"), found(None, wrong));
            if scan::last_top().rows > 0 {
                allowed.0.push(format!("rows of a top with {what}"));
            }
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
    for filter in [0, 7, u32::MAX] {
        let good = copied(&wanted);
        allowed.refused("top: an unknown filter", found(Some(filter), good));
        scan::drop_filter(filter);
    }
}
