//! Names and fixed numbers of the part format; `docs/format.md` states what they mean.

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::seal::FORMAT_VERSION;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// Most rows of a block.
pub const BLOCK_ROWS: usize = 8_192;
/// A block is cut before its payloads pass this many raw bytes; a single larger payload has a block of
/// its own.
pub const BLOCK_PAYLOAD_BYTES: u64 = 2 << 20;
/// A block has so few rows that no column of a tag passes this many raw bytes, or one row.
pub const BLOCK_TAG_BYTES: u64 = 32 << 20;
/// Raw size at which a payload page is cut, so that reading one row does not cost a block.
pub const PAYLOAD_PAGE_BYTES: u32 = 64 << 10;
/// A metadata frame is cut when its records pass this many bytes.
pub const FRAME_BYTES: usize = 16 << 10;
/// Bytes before the first page of every binary file.
pub const FILE_HEADER_BYTES: u32 = 16;
/// First four bytes of every binary file.
pub const FILE_MAGIC: &[u8; 4] = b"SIDX";

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const META: &str = "meta.bin";
pub(crate) const PRIMARY: &str = "primary.bin";
pub(crate) const KEYS: &str = "keys.bin";
pub(crate) const DATA: &str = "data.bin";
pub(crate) const PARTS: &str = "parts";
pub(crate) const MEMORY_PARTS: &str = "memory";
pub(crate) const QUARANTINE: &str = "quarantine";

/// Most rows of a block when tags have values of up to `longest_tag_bytes`.
pub(crate) fn block_rows_max(longest_tag_bytes: u32) -> usize {
    let fitting = BLOCK_TAG_BYTES / u64::from(longest_tag_bytes.max(1));
    BLOCK_ROWS
        .min(usize::try_from(fitting).unwrap_or(BLOCK_ROWS))
        .max(1)
}

/// The kinds of binary files: the second four bytes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `meta.bin`
    Meta,
    /// `primary.bin`
    Primary,
    /// `keys.bin`
    Keys,
    /// `data.bin`
    Data,
    /// `labels.bin`
    Labels,
    /// `<tag>.td`
    TagData,
    /// `<tag>.tm`
    TagMeta,
    /// `<tag>.tf`
    TagFilter,
    /// That of a further facet
    Facet,
}

impl FileKind {
    /// All kinds, in the order of the format document.
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Primary,
        Self::Keys,
        Self::Data,
        Self::Labels,
        Self::TagData,
        Self::TagMeta,
        Self::TagFilter,
        Self::Facet,
    ];

    /// The four bytes that name the kind in the file header.
    pub fn code(self) -> &'static [u8; 4] {
        match self {
            Self::Meta => b"meta",
            Self::Primary => b"prim",
            Self::Keys => b"keys",
            Self::Data => b"data",
            Self::Labels => b"labl",
            Self::TagData => b"tagd",
            Self::TagMeta => b"tagm",
            Self::TagFilter => b"tagf",
            Self::Facet => b"fact",
        }
    }

    /// The 16 bytes at the front of a file: magic, kind, version, four zero bytes.
    pub fn header(self) -> [u8; FILE_HEADER_BYTES as usize] {
        let mut header = [0; FILE_HEADER_BYTES as usize];
        let version = FORMAT_VERSION.to_le_bytes();
        let fields = FILE_MAGIC.iter().chain(self.code()).chain(&version);
        for (to, from) in header.iter_mut().zip(fields) {
            *to = *from;
        }
        header
    }
}

/// What a facet is called, and its section in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FacetName {
    /// In manifests and messages.
    pub name: &'static str,
    /// The file of a part in a folder that holds it.
    pub section: &'static str,
    /// What that file begins with.
    pub kind: FileKind,
}

/// A file of a part that is gone is damage. As `not-found` it would pass for an index that does not exist.
pub(crate) fn gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::corrupt(error.message()),
        _ => error,
    }
}

/// Checks the header of a section.
pub(crate) fn check_header<H: Host>(host: &H, file: u32, path: &str, kind: FileKind) -> Result<()> {
    let found = host.read_file(file, 0, FILE_HEADER_BYTES)?;
    let expected = kind.header();
    if found == expected {
        return Ok(());
    }
    // Its version is that of the manifest, which was read before: another one is damage.
    Err(Error::corrupt(format!(
        "{path}: its first 16 bytes are not the header of a sidx file of this kind"
    )))
}

/// What people call a part: the 16 hex digits of its number.
pub(crate) fn part_label(number: u64) -> String {
    format!("{number:016x}")
}

/// The number behind 16 hex digits; none for other text.
pub(crate) fn part_number(name: &str) -> Option<u64> {
    let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if name.len() != 16 || !name.chars().all(digits) {
        return None;
    }
    u64::from_str_radix(name, 16).ok()
}

/// The file name of a tag, without extension: everything but letters, digits, `_` and `-` is written
/// as `%XX`, so no tag name can leave its directory or meet another file. Names that would grow past
/// 200 bytes keep their first 150 and end in `%-` and the XXH3-128 of the whole name. A number other than 0
/// follows behind another `%-`; see `tag_file_numbers`. The empty name, which no tag has, is that of the
/// arrival numbers, whose files are called `%arrival`.
#[must_use]
pub fn tag_file_stem(tag: &str, number: u32) -> String {
    if tag.is_empty() {
        // No tag has it: a `%` is followed by digits, capitals or `-` otherwise.
        return "%arrival".to_owned();
    }
    let mut stem = String::with_capacity(tag.len());
    for byte in tag.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            stem.push(char::from(byte));
        } else {
            stem.push_str(&format!("%{byte:02X}"));
        }
    }
    if stem.len() > 200 {
        stem.truncate(150);
        stem.push_str(&format!("%-{:032x}", xxh3_128(tag.as_bytes())));
    }
    if number > 0 {
        stem.push_str(&format!("%-{number}"));
    }
    stem
}

/// The numbers in the file names of some tags of one part: 0 for most. Of tags whose names differ in the
/// case of letters only, which are one name on some systems, all but the first have one, and so has a tag
/// whose name no file may have on some system, whatever its extension.
pub(crate) fn tag_file_numbers<'t>(tags: impl Iterator<Item = &'t str>) -> Vec<u32> {
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let number = |tag| {
        let folded = tag_file_stem(tag, 0).to_ascii_lowercase();
        let first = u32::from(is_reserved(&folded));
        let next = taken.entry(folded).or_insert(first);
        *next += 1;
        *next - 1
    };
    tags.map(number).collect()
}

/// Whether a file with this name, in lower case, and any extension is a device on Windows.
fn is_reserved(stem: &str) -> bool {
    let port = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']));
    is_port || matches!(stem, "con" | "prn" | "aux" | "nul")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn tag_names_stay_in_their_directory() {
        let tag_file_stem = |tag: &str| tag_file_stem(tag, 0);
        assert_eq!(tag_file_stem("origin"), "origin");
        assert_eq!(tag_file_stem("../x"), "%2E%2E%2Fx");
        assert_eq!(tag_file_stem("a%b"), "a%25b");
        assert_eq!(tag_file_stem("é"), "%C3%A9");
        let long = "é".repeat(127);
        let other = format!("{}x", "é".repeat(127));
        assert!(tag_file_stem(&long).len() < 200);
        assert_ne!(tag_file_stem(&long), tag_file_stem(&other));
    }

    #[test]
    fn tag_files_do_not_meet_where_case_is_ignored_or_a_name_is_reserved() {
        let long = |last: char| format!("{}{last}", "x".repeat(250));
        let tags = [
            "AUX",
            "Origin",
            "COM1",
            "ORIGIN",
            "aux",
            "aux2",
            "aux-1",
            "com",
            "com10",
            "con",
            "a%",
            "A%",
            "nul.x",
            "origin",
            "É",
            "é",
            &long('a'),
            &long('A'),
        ];
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        let numbers = tag_file_numbers(tags.iter().copied());
        let files: Vec<_> = tags
            .iter()
            .zip(&numbers)
            .map(|(tag, number)| tag_file_stem(tag, *number))
            .collect();
        let folded: BTreeSet<_> = files.iter().map(|file| file.to_lowercase()).collect();
        assert_eq!(folded.len(), tags.len(), "{files:?}");
        assert!(!folded.iter().any(|stem| is_reserved(stem)), "{files:?}");
        let of = |tag: &str| &files[tags.iter().position(|other| *other == tag).unwrap()];
        assert_eq!(
            (of("AUX").as_str(), of("aux").as_str()),
            ("AUX%-1", "aux%-2")
        );
        assert_eq!(
            (of("ORIGIN").as_str(), of("origin").as_str()),
            ("ORIGIN", "origin%-2")
        );
        assert_eq!(
            (of("aux-1").as_str(), of("com10").as_str()),
            ("aux-1", "com10")
        );
    }

    #[test]
    fn part_labels() {
        assert_eq!(part_number(&part_label(10)), Some(10));
        assert_eq!(part_label(10), "000000000000000a");
        for junk in [
            "",
            "a",
            "000000000000000A",
            "000000000000000g",
            "0000000000000000a",
        ] {
            assert_eq!(part_number(junk), None, "{junk}");
        }
    }
}
