//! Columns to pages: the present values only, each in its smallest form.

use std::borrow::Cow;

use sidx_columns::{Column, ColumnError, ColumnType, MAX_ELEMENTS, MAX_ROWS, Values};

use crate::bitpack;
use crate::boolean;
use crate::float;
use crate::hash;
use crate::integer;
use crate::layout::LAYOUT;
use crate::membership;
use crate::offsets;
use crate::page::presence;
use crate::stats::{self, ColumnStats, ValueRange};
use crate::string;
use crate::string::shared::SharedDictionary;

/// Pages below this many bytes are not worth a general compressor.
const SMALLEST_COMPRESSED: usize = 256;

/// Distinct values up to which no membership page is made: looking at the page costs little more.
const MEMBERSHIP_ABOVE: usize = 64;

/// A column as a page, with what helps to skip it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedColumn {
    /// The page, readable by [`Page::open`](crate::page::Page::open).
    pub page: Vec<u8>,
    /// Whether a general compressor is likely to make the page smaller: true for plain strings
    /// and raw floats, false for what is bit-packed already and for small pages.
    pub compress: bool,
    /// Membership page over the hashes of the distinct values or elements, readable by
    /// [`Membership::open`](crate::membership::Membership::open). Made for scalar strings and bytes and for
    /// elements of arrays when there are more than 64 distinct ones and no dictionary of strings.
    pub membership: Option<Vec<u8>>,
    /// Counts and range.
    pub stats: ColumnStats,
}

/// Encodes a column. Cost: a few passes over the values; strings are hashed once each.
///
/// # Errors
/// When the column has more than 2^24 rows or 2^26 elements.
pub fn encode(column: &Column) -> Result<EncodedColumn, ColumnError> {
    encode_with(column, true)
}

/// Encodes a column without a membership page, for columns that no query tests for membership.
///
/// # Errors
/// As [`encode`].
pub fn encode_unfiltered(column: &Column) -> Result<EncodedColumn, ColumnError> {
    encode_with(column, false)
}

/// Encodes a column of codes (ints, or arrays of ints) as a page of the values that they stand for in
/// `dictionary`, which the page then refers to. There is no membership page: the dictionary is one.
///
/// # Errors
/// As [`encode`], and when the column is not of ints or a code is not in the dictionary.
pub fn encode_coded(
    column: &Column,
    dictionary: &SharedDictionary,
) -> Result<EncodedColumn, ColumnError> {
    let kind = ColumnType {
        value: dictionary.value(),
        array: column.kind().array,
    };
    let Values::Int(values) = column.values() else {
        return Err(ColumnError::Store {
            kind,
            found: column.values().name(),
        });
    };
    let mut stats = ColumnStats::of(column);
    if let ValueRange::Int { min, max } = stats.range {
        let entry = |code: i64| {
            u32::try_from(code)
                .ok()
                .and_then(|code| dictionary.get(code))
        };
        let (Some(min), Some(max)) = (entry(min), entry(max)) else {
            return Err(ColumnError::TooLarge {
                what: "code of a value",
                found: max.cast_unsigned(),
                limit: dictionary.len() as u64 - 1,
            });
        };
        stats.range = stats::bytes_range(min, max);
    }
    let mut page = Vec::new();
    begin(column, kind, &stats, &mut page)?;
    let codes = present(column, values);
    page.push(string::SHARED);
    page.extend_from_slice(&(dictionary.len() as u32).to_le_bytes());
    let width = bitpack::width_of(dictionary.len() as u64 - 1);
    bitpack::write_padded(
        codes.iter().map(|code| code.cast_unsigned()),
        width,
        &mut page,
    );
    Ok(EncodedColumn {
        page,
        compress: false,
        membership: None,
        stats,
    })
}

/// Appends everything of a page before its values.
pub(crate) fn begin(
    column: &Column,
    kind: ColumnType,
    stats: &ColumnStats,
    page: &mut Vec<u8>,
) -> Result<(), ColumnError> {
    check_limit("rows", column.rows(), MAX_ROWS)?;
    let elements = if kind.array {
        column.values().len()
    } else {
        stats.present as usize
    };
    if kind.array {
        check_limit("array elements", elements, MAX_ELEMENTS)?;
    }
    page.extend_from_slice(&[LAYOUT, kind.code()]);
    page.extend_from_slice(&stats.rows.to_le_bytes());
    page.extend_from_slice(&stats.present.to_le_bytes());
    page.extend_from_slice(&(elements as u32).to_le_bytes());
    presence::write(column.rows(), column.presence(), page);
    if kind.array {
        let rows = (0..column.rows()).filter(|row| column.is_present(*row));
        offsets::write(rows.map(|row| column.element_range(row).len()), page);
    }
    Ok(())
}

fn encode_with(column: &Column, filtered: bool) -> Result<EncodedColumn, ColumnError> {
    let stats = ColumnStats::of(column);
    let mut page = Vec::new();
    begin(column, column.kind(), &stats, &mut page)?;
    let written = write_values(column, filtered, &mut page);
    let membership = if written.hashes.len() > MEMBERSHIP_ABOVE {
        membership::build(written.hashes)
    } else {
        None
    };
    let compress = written.compress && page.len() >= SMALLEST_COMPRESSED;
    Ok(EncodedColumn {
        page,
        compress,
        membership,
        stats,
    })
}

/// What the value encoders report.
struct WrittenValues {
    compress: bool,
    /// Hashes of the distinct values, when a membership page is wanted.
    hashes: Vec<u64>,
}

fn write_values(column: &Column, filtered: bool, out: &mut Vec<u8>) -> WrittenValues {
    let elements = filtered && column.kind().array;
    match column.values() {
        Values::Int(values) => {
            let values = present(column, values);
            integer::write(&values, false, out);
            let hashes = distinct(elements, values.iter().map(|value| hash::of_int(*value)));
            WrittenValues {
                compress: false,
                hashes,
            }
        }
        Values::Float(values) => {
            let values = present(column, values);
            let compress = float::write(&values, out);
            let hashes = distinct(elements, values.iter().map(|value| hash::of_float(*value)));
            WrittenValues { compress, hashes }
        }
        Values::Bool(values) => {
            boolean::write(&present(column, values), out);
            WrittenValues {
                compress: false,
                hashes: Vec::new(),
            }
        }
        Values::Bytes(values) => {
            let slots: Vec<&[u8]> = values.iter().collect();
            let whole = column.kind().array || column.presence().is_none();
            let joined = whole.then(|| values.bytes());
            let written = string::write(&present(column, &slots), joined, filtered, out);
            let hashes = if filtered { written.hashes } else { Vec::new() };
            WrittenValues {
                compress: written.compress,
                hashes,
            }
        }
    }
}

/// The values that are stored: elements of arrays as they are, slots of the present rows only.
pub(crate) fn present<'a, T: Copy>(column: &Column, values: &'a [T]) -> Cow<'a, [T]> {
    match column.presence() {
        Some(presence) if !column.kind().array => Cow::Owned(
            presence
                .iter()
                .filter_map(|row| values.get(row))
                .copied()
                .collect(),
        ),
        _ => Cow::Borrowed(values),
    }
}

fn distinct(wanted: bool, hashes: impl Iterator<Item = u64>) -> Vec<u64> {
    if !wanted {
        return Vec::new();
    }
    let mut hashes: Vec<u64> = hashes.collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), ColumnError> {
    if found <= limit {
        return Ok(());
    }
    Err(ColumnError::TooLarge {
        what,
        found: found as u64,
        limit: limit as u64,
    })
}
