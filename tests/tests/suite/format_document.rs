//! docs/format.md and the code say the same.

use sidx_engine as engine;
use sidx_host::{ColumnType, ValueType};
use sidx_kernels::codes;

const DOCUMENT: &str = include_str!("../../../docs/format.md");

/// Rows of the tables of the document, without the bars.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

fn constant(name: &str) -> u64 {
    let quoted = format!("`{name}`");
    let row = rows().find(|row| row[0] == quoted);
    let row = row.unwrap_or_else(|| panic!("docs/format.md does not state {name}"));
    row[1].parse().unwrap()
}

#[test]
fn constants() {
    assert_eq!(
        constant("FORMAT_VERSION"),
        u64::from(engine::FORMAT_VERSION)
    );
    assert_eq!(constant("BLOCK_ROWS"), engine::BLOCK_ROWS as u64);
    assert_eq!(constant("BLOCK_PAYLOAD_BYTES"), engine::BLOCK_PAYLOAD_BYTES);
    assert_eq!(
        constant("PAYLOAD_PAGE_BYTES"),
        u64::from(engine::PAYLOAD_PAGE_BYTES)
    );
    assert_eq!(constant("FRAME_BYTES"), engine::FRAME_BYTES as u64);
    assert_eq!(
        constant("FILE_HEADER_BYTES"),
        u64::from(engine::FILE_HEADER_BYTES)
    );
    assert_eq!(
        constant("PAYLOAD_BYTES_MAX"),
        u64::from(engine::PAYLOAD_BYTES_MAX)
    );
    assert_eq!(
        constant("TAG_NAME_BYTES_MAX"),
        engine::TAG_NAME_BYTES_MAX as u64
    );
    assert_eq!(constant("BLOCK_TAG_BYTES"), engine::BLOCK_TAG_BYTES);
    assert_eq!(constant("TAG_BYTES_MAX"), u64::from(engine::TAG_BYTES_MAX));
    assert_eq!(constant("TAGS_MAX"), engine::TAGS_MAX as u64);
    assert_eq!(constant("BATCH_BYTES_MAX"), engine::BATCH_BYTES_MAX);
    assert_eq!(constant("BATCH_PAGES_MAX"), engine::BATCH_PAGES_MAX);
    assert_eq!(constant("LABEL_BYTES_MAX"), engine::LABEL_BYTES_MAX as u64);
    assert_eq!(
        constant("SHARED_MAX_ENTRIES"),
        codes::SHARED_MAX_ENTRIES as u64
    );
    assert_eq!(constant("SHARED_MAX_BYTES"), codes::SHARED_MAX_BYTES as u64);
    for (name, value) in [
        ("POSTINGS_SLICE_ROWS", codes::POSTINGS_SLICE_ROWS),
        ("POSTINGS_SEGMENT_SLICES", codes::POSTINGS_SEGMENT_SLICES),
        ("POSTINGS_PAGE_ENTRIES", codes::POSTINGS_PAGE_ENTRIES),
    ] {
        assert_eq!(constant(name), u64::from(value), "{name}");
    }
}

#[test]
fn kinds_of_files() {
    for kind in engine::FileKind::ALL {
        let code = format!("`{}`", std::str::from_utf8(kind.code()).unwrap());
        let stated = rows()
            .filter(|row| row.get(1) == Some(&code.as_str()))
            .count();
        assert_eq!(stated, 1, "{code}");
    }
    let header = engine::FileKind::Keys.header();
    assert_eq!(&header, b"SIDXkeys\x01\0\0\0\0\0\0\0");
}

/// The code in the first cell of a row of the section under `heading`, for the row named `name`.
fn page_code(heading: &str, name: &str) -> u8 {
    let section = DOCUMENT
        .split(&format!("# {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| {
            panic!("docs/format.md has no section {heading:?}");
        });
    let section = section.split("\n#").next().unwrap();
    let row = section
        .lines()
        .find(|line| line.contains(&format!("| {name} |")));
    let row = row.unwrap_or_else(|| panic!("{heading}: no row {name}"));
    row.trim_start_matches("| ")
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn codes_of_pages() {
    let stated = [
        ("Presence", "all", codes::PRESENCE_ALL),
        ("Presence", "bitmap", codes::PRESENCE_BITMAP),
        ("Presence", "runs", codes::PRESENCE_RUNS),
        (
            "Integers: `integers(count)`",
            "constant",
            codes::INTEGER_CONSTANT,
        ),
        (
            "Integers: `integers(count)`",
            "progression",
            codes::INTEGER_PROGRESSION,
        ),
        (
            "Integers: `integers(count)`",
            "offset",
            codes::INTEGER_OFFSET,
        ),
        ("Integers: `integers(count)`", "delta", codes::INTEGER_DELTA),
        (
            "Integers: `integers(count)`",
            "dictionary",
            codes::INTEGER_DICTIONARY,
        ),
        ("Floats", "raw", codes::FLOAT_RAW),
        ("Floats", "decimal", codes::FLOAT_DECIMAL),
        ("Floats", "constant", codes::FLOAT_CONSTANT),
        ("Booleans", "all false", codes::BOOLEAN_ALL_FALSE),
        ("Booleans", "all true", codes::BOOLEAN_ALL_TRUE),
        ("Booleans", "bits", codes::BOOLEAN_BITS),
        ("Strings and bytes", "plain", codes::STRING_PLAIN),
        ("Strings and bytes", "dictionary", codes::STRING_DICTIONARY),
        ("Strings and bytes", "alphabet", codes::STRING_ALPHABET),
        ("Strings and bytes", "shared", codes::STRING_SHARED),
    ];
    for (heading, name, code) in stated {
        assert_eq!(page_code(heading, name), code, "{heading}: {name}");
    }
}

/// The document in one line, so that a sentence is found wherever its lines end.
fn text() -> String {
    DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn codes_of_types() {
    let text = text();
    let stated = text.split("Type codes: ").nth(1).unwrap();
    let (scalars, arrays) = stated.split_once("; plus ").unwrap();
    let scalars: Vec<(u8, &str)> = scalars
        .split(", ")
        .map(|one| {
            let mut words = one.split(' ');
            (
                words.next().unwrap().parse().unwrap(),
                words.next().unwrap(),
            )
        })
        .collect();
    let coded = ValueType::ALL.map(|kind| (ColumnType::scalar(kind).code(), kind.name()));
    assert_eq!(scalars, coded);
    let flag = arrays.split(' ').next().unwrap().trim_start_matches("0x");
    let flag = u8::from_str_radix(flag, 16).unwrap();
    for kind in ValueType::ALL {
        let code = ColumnType::scalar(kind).code() + flag;
        assert_eq!(ColumnType::array(kind).code(), code);
    }
}

#[test]
fn bounds_of_encodings() {
    /// As people write it.
    fn grouped(number: usize) -> String {
        match number {
            0..1_000 => number.to_string(),
            _ => format!("{},{:03}", number / 1_000, number % 1_000),
        }
    }
    let text = text();
    let dictionary = grouped(codes::STRING_MAX_DICTIONARY);
    let length = grouped(codes::STRING_ALPHABET_MAX_LENGTH);
    for sentence in [
        format!("| 0 | layout | u8 | {} |", codes::PAGE_LAYOUT),
        format!("u8 exponent (at most {})", codes::FLOAT_MAX_EXPONENT),
        format!("u32 size (1 to {dictionary})"),
        format!("u32 length of every value (1 to {length})"),
        format!("`groups` = ceil(count / {})", codes::DELTA_GROUP),
        format!("followed by {} bytes of padding", codes::PACKED_PADDING),
    ] {
        assert!(
            text.contains(&sentence),
            "docs/format.md does not say {sentence:?}"
        );
    }
    // The size less one is a byte.
    assert!(text.contains("| 4 | dictionary | u8 size - 1;"));
    assert_eq!(codes::INTEGER_MAX_DICTIONARY, 256);
}
