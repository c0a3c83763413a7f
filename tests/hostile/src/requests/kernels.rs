//! Requests of pages, columns and filters that the host must refuse.

use super::{Allowed, INTS, a_file, absent_columns};
use crate::bindings::sidx::engine::{files, scan};

/// A page of ten rows that no query of the host knows: a memory file would be refused, so one of a part.
pub(super) fn a_key_page() -> Option<u32> {
    let file = a_file()?;
    let bytes = files::read(file, 0, files::size(file).ok()? as u32).ok()?;
    // The only page of a small part follows the head of its file; its end is found by its checksum.
    for start in 0..bytes.len().min(64) {
        for end in start + 1..=bytes.len() {
            let extent = files::Extent {
                offset: start as u64,
                stored_bytes: (end - start) as u32,
                raw_bytes: (end - start) as u32,
                checksum: crc32c(&bytes[start..end]),
                codec: 0,
            };
            let page = files::pages(file, &[extent]).ok()?;
            if scan::keys(page, 0, 1).is_ok() {
                return Some(page);
            }
        }
    }
    None
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(!0, step)
}

const WANTED: scan::Selection<'static> = scan::Selection {
    key_pages: &[],
    slots: 0,
    slot_pages: &[],
    span_counts: &[1],
    spans: &[0, 1],
    low: i64::MIN,
    high: i64::MAX,
    order: scan::Order::Ascending,
    resume_keys: &[0],
    resume_rows: &[u32::MAX],
    cap: u32::MAX,
};

fn copied<'a>(selection: &scan::Selection<'a>) -> scan::Selection<'a> {
    scan::Selection { ..*selection }
}

type Change = fn(&mut scan::Selection<'_>);

/// What is wrong with a selection, and how to make it so.
const WRONG_SELECTIONS: [(&str, Change); 13] = [
    ("no key page", |it| it.key_pages = &[u32::MAX]),
    ("an unknown key page", |it| it.key_pages = &[8 << 20]),
    ("missing slots", |it| it.slots = u32::MAX),
    ("an unknown slot page", |it| {
        (it.slots, it.slot_pages) = (1, &[8 << 20])
    }),
    ("more slots", |it| it.slot_pages = &[1, 2, 3]),
    ("many spans", |it| it.span_counts = &[u32::MAX]),
    ("no span count", |it| it.span_counts = &[]),
    ("half a span", |it| it.spans = &[0]),
    ("a span backwards", |it| it.spans = &[2, 1]),
    ("a span behind the rows", |it| it.spans = &[0, u32::MAX]),
    ("overlapping spans", |it| {
        (it.span_counts, it.spans) = (&[2], &[0, 2, 1, 3])
    }),
    ("no resume keys", |it| it.resume_keys = &[]),
    ("more resume rows", |it| it.resume_rows = &[0, 1]),
];

pub(super) fn selections(allowed: &mut Allowed) {
    let Some(page) = a_key_page() else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let pages = [page];
    let wanted = scan::Selection {
        key_pages: &pages,
        ..WANTED
    };
    if scan::select(None, copied(&wanted)).is_err() {
        allowed.0.push("a good selection is refused".to_owned());
    }
    for (what, change) in WRONG_SELECTIONS {
        let mut wrong = copied(&wanted);
        change(&mut wrong);
        let again = copied(&wrong);
        allowed.refused(&format!("select: {what}"), scan::select(None, again));
        allowed.refused(&format!("count: {what}"), scan::count(None, wrong));
    }
    // Odd, but no reason to refuse: the answer is just what it is.
    for odd in [
        scan::Selection {
            resume_rows: &[u32::MAX - 1],
            ..copied(&wanted)
        },
        scan::Selection {
            low: i64::MAX,
            high: i64::MIN,
            ..copied(&wanted)
        },
        scan::Selection {
            cap: 0,
            ..copied(&wanted)
        },
    ] {
        let _ = scan::select(None, odd);
    }
    allowed.refused("keys backwards", scan::keys(page, 1, 0));
    allowed.refused("keys behind the rows", scan::keys(page, 0, u32::MAX));
    allowed.refused("a key page as a filter", scan::probe(&pages, &[1]));
}

pub(super) fn gathers(allowed: &mut Allowed) {
    let Some(page) = a_key_page() else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let good = scan::PageSource {
        kind: 2,
        pages: &[page],
        rows: &[0],
    };
    if scan::gather(&[scan::PageSource { ..good }], None).is_err() {
        allowed.0.push("a good gather is refused".to_owned());
    }
    let wrong = [
        ("an unknown type", scan::PageSource { kind: 99, ..good }),
        ("another type", scan::PageSource { kind: 1, ..good }),
        (
            "an unknown page",
            scan::PageSource {
                pages: &[8 << 20],
                ..good
            },
        ),
        (
            "a row behind the page",
            scan::PageSource {
                rows: &[u32::MAX - 1],
                ..good
            },
        ),
        (
            "more rows than pages",
            scan::PageSource {
                rows: &[0, 1],
                ..good
            },
        ),
    ];
    for (what, wrong) in wrong {
        allowed.refused(&format!("gather: {what}"), scan::gather(&[wrong], None));
    }
    for wrong in [
        scan::PageSource {
            pages: &[8 << 20],
            ..good
        },
        scan::PageSource {
            rows: &[u32::MAX - 1],
            ..good
        },
    ] {
        allowed.refused("lengths", scan::lengths(wrong));
    }
    let longer = scan::PageSource {
        pages: &[u32::MAX, u32::MAX],
        rows: &[0, 0],
        ..good
    };
    allowed.refused(
        "gather: uneven sources",
        scan::gather(&[scan::PageSource { ..good }, longer], None),
    );
}

/// What is wrong with ranges, each made so from good ones.
fn wrong_ranges<'a>(good: &scan::PageRanges<'a>) -> Vec<(&'static str, scan::PageRanges<'a>)> {
    let good = scan::PageRanges { ..*good };
    let absent = &[u32::MAX];
    let many = &[u32::MAX; 1 << 10];
    vec![
        ("an unknown type", scan::PageRanges { kind: 99, ..good }),
        ("another type", scan::PageRanges { kind: 1, ..good }),
        (
            "an unknown page",
            scan::PageRanges {
                pages: &[8 << 20],
                ..good
            },
        ),
        (
            "rows behind the page",
            scan::PageRanges {
                ends: &[9_000],
                ..good
            },
        ),
        (
            "a range backwards",
            scan::PageRanges {
                starts: &[2],
                ..good
            },
        ),
        (
            "more starts",
            scan::PageRanges {
                starts: &[0, 0],
                ..good
            },
        ),
        (
            "more ends",
            scan::PageRanges {
                ends: &[1, 1],
                ..good
            },
        ),
        ("no page", scan::PageRanges { pages: &[], ..good }),
        (
            "very many absent rows",
            scan::PageRanges {
                pages: absent,
                ends: &[u32::MAX],
                ..good
            },
        ),
        (
            "very many absent rows in all",
            scan::PageRanges {
                pages: many,
                starts: &[0; 1 << 10],
                ends: &[1 << 16; 1 << 10],
                ..good
            },
        ),
    ]
}

pub(super) fn range_gathers(allowed: &mut Allowed) {
    let Some(page) = a_key_page() else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let pages = [page];
    let good = scan::PageRanges {
        kind: 2,
        pages: &pages,
        starts: &[0],
        ends: &[1],
    };
    let runs = |series, ends| scan::SeriesRuns { series, ends };
    let gather = |keys: &scan::PageRanges<'_>, runs, sources: &[scan::PageRanges<'_>]| {
        scan::gather_ranges(scan::PageRanges { ..*keys }, runs, sources)
    };
    let one = || runs(&[7], &[1]);
    if gather(&good, one(), &[scan::PageRanges { ..good }]).is_err() {
        allowed
            .0
            .push("a good gather of ranges is refused".to_owned());
    }
    for (what, wrong) in wrong_ranges(&good) {
        let gathered = gather(&wrong, one(), &[]);
        allowed.refused(&format!("gather-ranges: keys of {what}"), gathered);
        let gathered = gather(&good, one(), &[wrong]);
        allowed.refused(&format!("gather-ranges: {what}"), gathered);
    }
    let longer = scan::PageRanges {
        pages: &[u32::MAX],
        ends: &[2],
        ..good
    };
    allowed.refused(
        "gather-ranges: uneven sources",
        gather(&good, one(), &[longer]),
    );
    let absent = scan::PageRanges {
        pages: &[u32::MAX],
        ..good
    };
    allowed.refused("gather-ranges: absent keys", gather(&absent, one(), &[]));
    for (what, wrong) in [
        ("no series", runs(&[], &[])),
        ("fewer series", runs(&[], &[1])),
        ("fewer ends", runs(&[7, 8], &[1])),
        ("ends before the rows", runs(&[7], &[0])),
        ("ends behind the rows", runs(&[7], &[u32::MAX])),
        ("ends backwards", runs(&[7, 8, 9], &[1, 0, 1])),
        ("a series of no rows", runs(&[7, 8], &[0, 1])),
        ("a series of no rows behind", runs(&[7, 8], &[1, 1])),
    ] {
        let gathered = gather(&good, wrong, &[]);
        allowed.refused(&format!("gather-ranges: {what}"), gathered);
    }
}

pub(super) fn filters(allowed: &mut Allowed) {
    use scan::{Leaf, Step, Test};
    let leaf = |slot, test| {
        Step::Leaf(Leaf {
            slot,
            elements: false,
            test,
        })
    };
    let deep = "(".repeat(1 << 20);
    fn pattern(text: &str) -> [Step<'_>; 1] {
        [Step::Leaf(Leaf {
            slot: 0,
            elements: false,
            test: Test::Regex(text),
        })]
    }
    for (what, steps) in [
        ("no step", &[][..]),
        ("too few results", &[Step::PassAll, Step::And]),
        ("no result for not", &[Step::Not]),
        ("two results", &[Step::PassAll, Step::PassAll]),
        ("a large slot", &[leaf(u32::MAX, Test::Exists)]),
        ("a broken pattern", &pattern("(")),
        ("a large pattern", &pattern("((a{1000}){1000}){1000}")),
        ("many results", &vec![Step::PassAll; 1 << 16]),
        (
            "many steps",
            &[vec![Step::PassAll], vec![Step::Not; 1 << 20]].concat(),
        ),
        ("deep nesting", &pattern(&deep)),
    ] {
        allowed.refused(&format!("compile: {what}"), scan::compile_filter(steps));
    }
    let filter = scan::compile_filter(&[leaf(65_000, Test::Exists)]);
    if let (Ok(filter), Some(page)) = (filter, a_key_page()) {
        let pages = [page];
        let selection = scan::Selection {
            key_pages: &pages,
            ..WANTED
        };
        let select = |filter| scan::select(Some(filter), copied(&selection));
        allowed.refused("select: missing slots", select(filter));
        scan::drop_filter(filter);
        for unknown in [filter, 7, u32::MAX] {
            allowed.refused("select: an unknown filter", select(unknown));
            let counted = scan::count(Some(unknown), copied(&selection));
            allowed.refused("count: an unknown filter", counted);
            scan::drop_filter(unknown);
        }
    }
}

pub(super) fn columns(allowed: &mut Allowed) {
    let columns = absent_columns(1, 3);
    let facts = columns.facts();
    let told = (facts.rows, facts.kinds, facts.longest_bytes);
    if told != (3, vec![INTS], vec![0]) || columns.read(0).rows != 3 {
        allowed.0.push("columns that are not as made".to_owned());
    }
    for absent in [1, 9, u32::MAX] {
        let is_told = columns.presence(absent).is_some() || columns.read(absent).rows > 0;
        if is_told || !columns.lengths(absent).is_empty() {
            let text = "a column that does not exist has rows";
            allowed.0.push(text.to_owned());
        }
    }
}

/// Keys and series that do not belong to the rows that are gathered with them.
pub(super) fn row_keys(allowed: &mut Allowed) {
    let Some(page) = a_key_page() else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let pages = [page; 2];
    let source = || scan::PageSource {
        kind: INTS,
        pages: &pages,
        rows: &[0, 1],
    };
    let gather = |keys: &[i64], series: &[u64]| {
        scan::gather(&[source()], Some(scan::RowKeysParam { keys, series }))
    };
    if gather(&[1, 2], &[3, 4]).is_err() {
        allowed.0.push("good keys are refused".to_owned());
    }
    let most = vec![0; 1 << 20];
    let mut wrong = |what: &str, keys: &[i64], series: &[u64]| {
        allowed.refused(&format!("gather: {what}"), gather(keys, series));
    };
    wrong("no keys", &[], &[]);
    wrong("fewer keys", &[1], &[3, 4]);
    wrong("fewer series", &[1, 2], &[3]);
    wrong("more keys", &[1, 2, 3], &[3, 4]);
    wrong("many keys", &most, &[3, 4]);
    let keys = scan::RowKeysParam {
        keys: &[1],
        series: &[1],
    };
    allowed.refused("gather: keys of no rows", scan::gather(&[], Some(keys)));
}

/// Dictionaries of pages that there are not, and look-ups in what is none.
pub(super) fn dictionaries(allowed: &mut Allowed) {
    let (Some(page), Some(file)) = (a_key_page(), a_file()) else {
        return allowed.0.push("there is no key page to read".to_owned());
    };
    let extent = files::Extent {
        offset: 16,
        stored_bytes: 1,
        raw_bytes: 1,
        checksum: 0,
        codec: 0,
    };
    for dictionary in [8 << 20, u32::MAX] {
        allowed.refused(
            "coded pages with an unknown dictionary",
            files::coded_pages(file, &[extent], dictionary),
        );
        allowed.refused(
            "look-ups in an unknown dictionary",
            scan::find_slices(dictionary, &[], &[b"a"]),
        );
    }
    if let Ok(coded) = files::coded_pages(file, &[extent], page) {
        allowed.refused(
            "a coded page as a dictionary",
            files::coded_pages(file, &[extent], coded),
        );
        allowed.refused("a key page as a dictionary", files::load(coded));
    }
    allowed.refused(
        "look-ups in a key page",
        scan::find_slices(page, &[page], &[b"a"]),
    );
    for (kind, pages) in [
        (0, vec![]),
        (2, vec![page]),
        (1, vec![page]),
        (1, vec![u32::MAX]),
    ] {
        let made = scan::NewDictionary::create(kind, &pages);
        // A query makes nothing at all; a merge makes none of these.
        if let Ok(Some(_)) = made {
            allowed
                .0
                .push(format!("a dictionary of type {kind} of {pages:?}"));
        }
    }
}
