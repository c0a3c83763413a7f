//! Packed, front-coded and shared strings against the strings themselves.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sidx_columns::{Bitmap, ByteStrings, Column, ColumnType, ValueType, Values};

use crate::reader::Reader;
use crate::string::{alphabet, front_coding};
use crate::{
    Page, Program, SharedBuilder, SharedDictionary, Source, Step, Test, encode_coded,
    encode_unfiltered, gather,
};

const BYTES: ColumnType = ColumnType::scalar(ValueType::Bytes);

fn random(rng: &mut SmallRng, alphabet: &[u8], length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| *alphabet.choose(rng).unwrap())
        .collect()
}

fn column(values: &[Vec<u8>]) -> Column {
    let strings: ByteStrings = values.iter().collect();
    Column::new(BYTES, values.len(), None, None, Values::Bytes(strings)).unwrap()
}

fn unpack(bytes: &[u8], count: usize) -> Result<Vec<u8>, crate::PageError> {
    let mut reader = Reader::new(bytes.to_vec().into());
    let (_, joined) = alphabet::open(&mut reader, count, 1 << 20)?;
    reader.finish("rest")?;
    Ok(joined.to_vec())
}

#[test]
fn packed_strings_return_for_every_alphabet_size_and_length() {
    let mut rng = SmallRng::seed_from_u64(7);
    let all: Vec<u8> = (0..=255).collect();
    let mut packed = 0;
    for size in 1..=256 {
        for length in [1, 2, 3, 7, 8, 32, 33] {
            let count = 6_000 / length + rng.random_range(0..40);
            let symbols = all.get(..size).unwrap();
            let joined = random(&mut rng, symbols, count * length);
            let mut out = Vec::new();
            if alphabet::write(&joined, length, &mut out) {
                packed += 1;
                assert_eq!(unpack(&out, count).unwrap(), joined, "{size} {length}");
                assert!(out.len() < joined.len() + 512);
            } else {
                assert!(out.is_empty());
            }
        }
    }
    assert!(packed > 20, "only {packed} were packed");
}

#[test]
fn positions_have_alphabets_of_their_own() {
    let mut rng = SmallRng::seed_from_u64(8);
    let mut joined = Vec::new();
    for _ in 0..2_000 {
        joined.push(1);
        joined.extend(random(&mut rng, b"0123456789abcdef", 8));
        joined.push(b'-');
        joined.extend(random(&mut rng, b"89ab", 1));
        joined.extend(random(&mut rng, b"0123456789abcdef", 23));
    }
    let mut out = Vec::new();
    assert!(alphabet::write(&joined, 34, &mut out));
    // 31 nibbles and 2 bits, and a header.
    assert!(out.len() < 2_000 * 126 / 8 + 120, "{}", out.len());
    assert_eq!(unpack(&out, 2_000).unwrap(), joined);
}

#[test]
fn text_with_repeats_is_left_to_the_compressor() {
    let mut rng = SmallRng::seed_from_u64(9);
    let words: Vec<Vec<u8>> = (0..20)
        .map(|_| random(&mut rng, b"abcdefghij", 8))
        .collect();
    let joined: Vec<u8> = (0..4_000)
        .flat_map(|_| words.choose(&mut rng).unwrap().clone())
        .collect();
    assert!(!alphabet::write(&joined, 16, &mut Vec::new()));
    // Four bits for ten digits: worse than a code by frequency.
    let digits = random(&mut rng, b"0123456789", 40_000);
    assert!(!alphabet::write(&digits, 20, &mut Vec::new()));
}

#[test]
fn broken_packed_strings_are_refused() {
    let mut rng = SmallRng::seed_from_u64(10);
    let joined = random(&mut rng, b"0123456789abcdef_", 17 * 300);
    let mut out = Vec::new();
    // Seventeen symbols need five bits, so that there are codes without a symbol.
    if !alphabet::write(&joined, 17, &mut out) {
        let sixteen = random(&mut rng, b"0123456789abcdef", 17 * 300);
        assert!(alphabet::write(&sixteen, 17, &mut out));
    }
    for cut in 0..out.len() {
        assert!(unpack(out.get(..cut).unwrap(), 300).is_err());
    }
    for _ in 0..2_000 {
        let mut flipped = out.clone();
        let at = rng.random_range(0..flipped.len());
        flipped[at] ^= 1 << rng.random_range(0..8);
        if let Ok(bytes) = unpack(&flipped, 300) {
            assert!(bytes.len() <= 1 << 20);
        }
    }
    assert!(unpack(&out, 1 << 20).is_err());
}

#[test]
fn front_coded_strings_return() {
    let mut rng = SmallRng::seed_from_u64(11);
    for round in 0..200 {
        let count = rng.random_range(0..200);
        let mut values: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let length = rng.random_range(0..20 + round);
                random(&mut rng, b"ab", length)
            })
            .collect();
        values.sort();
        let mut out = Vec::new();
        front_coding::write(values.iter().map(Vec::as_slice), &mut out);
        let mut reader = Reader::new(out.clone().into());
        let (ends, bytes) = front_coding::open(&mut reader, values.len(), 1 << 20).unwrap();
        let strings = ByteStrings::new(ends, bytes.to_vec()).unwrap();
        assert!(strings.iter().eq(values.iter().map(Vec::as_slice)));
        for cut in 0..out.len() {
            let mut reader = Reader::new(out.get(..cut).unwrap().to_vec().into());
            assert!(front_coding::open(&mut reader, values.len(), 1 << 20).is_err());
        }
    }
}

#[test]
fn front_coding_does_not_grow_beyond_its_limit() {
    // Each entry builds on the one before: a few bytes that ask for many.
    let mut out = Vec::new();
    (0..1_000u64).for_each(|at| crate::varint::write(at, &mut out));
    (0..1_000).for_each(|_| out.push(1));
    out.extend(std::iter::repeat_n(b'x', 1_000));
    let open = |limit| front_coding::open(&mut Reader::new(out.clone().into()), 1_000, limit);
    assert_eq!(open(500_500).unwrap().1.len(), 500_500);
    assert!(open(500_499).is_err());
}

/// Pages in every form, of values drawn from a pool.
fn pages(rng: &mut SmallRng, pool: &[Vec<u8>]) -> Vec<(Column, Page)> {
    (0..6)
        .map(|number| {
            let few = pool.len().min(if number % 2 == 0 { 5 } else { pool.len() });
            let rows = rng.random_range(1..600);
            let values: Vec<Vec<u8>> = (0..rows)
                .map(|_| pool.get(..few).unwrap().choose(rng).unwrap().clone())
                .collect();
            let presence = (number >= 3).then(|| {
                let mut bits = Bitmap::zeros(rows);
                (0..rows)
                    .filter(|_| rng.random_bool(0.7))
                    .for_each(|row| bits.set(row));
                bits
            });
            let strings = Values::Bytes(values.iter().collect());
            let column = Column::new(BYTES, rows, presence, None, strings).unwrap();
            let encoded = encode_unfiltered(&column).unwrap();
            (column, Page::open(encoded.page.into()).unwrap())
        })
        .collect()
}

#[test]
fn shared_pages_hold_what_their_sources_held() {
    let mut rng = SmallRng::seed_from_u64(12);
    for _ in 0..20 {
        let pool: Vec<Vec<u8>> = (0..rng.random_range(1..300))
            .map(|_| {
                let length = rng.random_range(0..24);
                random(&mut rng, b"abcdef0123", length)
            })
            .collect();
        let mut sources = pages(&mut rng, &pool);
        // Twice, so that the second time all sources refer to shared dictionaries already.
        for _ in 0..2 {
            let mut builder = SharedBuilder::new(BYTES).unwrap();
            for (name, (_, page)) in (0u32..).zip(&sources) {
                assert!(builder.add(name, page).unwrap());
            }
            let Some(shared) = builder.finish(0) else {
                break;
            };
            let used = Bitmap::ones(shared.dictionary().len());
            let stored = shared.dictionary().write(&used);
            let dictionary = Arc::new(SharedDictionary::open(stored.into()).unwrap());
            let mut written = Vec::new();
            for (name, (column, page)) in (0u32..).zip(&sources) {
                let coded = shared.coded(name, page).unwrap();
                let rows: Vec<u32> = (0..coded.rows()).collect();
                let pages = vec![Some(&coded); rows.len()];
                let source = Source {
                    pages: &pages,
                    rows: &rows,
                };
                let codes = gather(coded.kind(), source).unwrap();
                let encoded = encode_coded(&codes, &dictionary).unwrap();
                assert_eq!(encoded.stats, crate::ColumnStats::of(column));
                let bytes = bytes::Bytes::from(encoded.page);
                let again = Page::open_with(bytes.clone(), Some(&dictionary)).unwrap();
                assert!(Page::open(bytes).is_err());
                let pages = vec![Some(&again); rows.len()];
                let source = Source {
                    pages: &pages,
                    rows: &rows,
                };
                assert_eq!(&gather(BYTES, source).unwrap(), column);
                assert_same_tests(&mut rng, page, &again, &pool);
                written.push((column.clone(), again));
            }
            sources = written;
        }
    }
}

/// Tests select the same rows of a page whether it has a dictionary of its own or shares one.
fn assert_same_tests(rng: &mut SmallRng, one: &Page, other: &Page, pool: &[Vec<u8>]) {
    use std::ops::Bound;
    let value = |rng: &mut SmallRng| pool.choose(rng).unwrap().clone();
    let tests = [
        Test::BytesSet(vec![value(rng)]),
        Test::BytesSet((0..9).map(|_| value(rng)).collect()),
        Test::BytesSet(vec![b"nowhere".to_vec()]),
        Test::BytesPrefix(value(rng).get(..1).unwrap_or_default().to_vec()),
        Test::BytesRange {
            low: Bound::Included(value(rng)),
            high: Bound::Excluded(value(rng)),
        },
    ];
    for test in tests {
        let step = Step::Leaf {
            slot: 0,
            elements: false,
            test,
        };
        let program = Program::compile(vec![step]).unwrap();
        let run = |page: &Page| program.evaluate(&[Some(page)], page.rows(), None).unwrap();
        assert_eq!(run(one), run(other));
        assert_eq!(
            run(other),
            run(other),
            "what was remembered must be the same"
        );
    }
}

/// Rows that a merge drops must not leave their values behind.
#[test]
fn unused_entries_are_not_kept_and_codes_stay() {
    let mut builder = SharedBuilder::new(BYTES).unwrap();
    let texts = ["secret", "b", "quiet"].repeat(9);
    let values: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let page = Page::open(encode_unfiltered(&column(&values)).unwrap().page.into()).unwrap();
    builder.add(0, &page).unwrap();
    let shared = builder.finish(0).unwrap();
    let mut used = Bitmap::zeros(3);
    used.set(1);
    let stored = shared.dictionary().write(&used);
    assert!(!stored.windows(3).any(|window| window == b"sec"));
    let dictionary = SharedDictionary::open(stored.into()).unwrap();
    assert_eq!(dictionary.get(1), Some(b"quiet".as_slice()));
    assert_eq!(dictionary.find(b"quiet"), Some(1));
    assert_eq!(dictionary.find(b"secret"), None);
}

#[test]
fn dictionaries_are_made_only_where_they_pay() {
    let mut rng = SmallRng::seed_from_u64(13);
    let unique: Vec<Vec<u8>> = (0..2_000u32).map(|at| at.to_be_bytes().to_vec()).collect();
    let repeated: Vec<Vec<u8>> = (0..2_000)
        .map(|_| unique.choose(&mut rng).unwrap()[2..].to_vec())
        .collect();
    for (values, rows, pays) in [(&unique, 0, false), (&repeated, 5_000, false)] {
        let page = Page::open(encode_unfiltered(&column(values)).unwrap().page.into()).unwrap();
        let mut builder = SharedBuilder::new(BYTES).unwrap();
        builder.add(0, &page).unwrap();
        assert_eq!(builder.finish(rows).is_some(), pays);
    }
}
