//! Tag metadata: what `<tag>.tm` says of each block, so that a query reads metadata only of the tags
//! it names.
//!
//! A tag may have several types in one part; each (tag, type) is a *column*, and all columns of a tag
//! share its three files.

use super::extent::ExtentRecord;
use super::limits::LimitsRecord;
use crate::error::Result;
use crate::host::{Extent, Piece};
use crate::wire::{self, Reader};
use serde::{Deserialize, Serialize};
use sidx_columns::{ColumnType, ValueType};
use sidx_kernels::ValueRange;

/// One column of one block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TagPage {
    /// Rows with a value, at least 1.
    pub(crate) present: u32,
    pub(crate) extent: Extent,
    pub(crate) filter: Option<Extent>,
    pub(crate) limits: ValueRange,
}

impl TagPage {
    /// The metadata of a written piece; `None` when no row has a value, so that nothing refers to it.
    pub(crate) fn of(piece: Piece) -> Option<Self> {
        (piece.present > 0).then_some(Self {
            present: piece.present,
            extent: piece.extent,
            filter: piece.membership,
            limits: piece.limits,
        })
    }
}

/// What is stored of a page, behind how many rows have a value.
#[derive(Serialize, Deserialize)]
struct PageRecord<'a> {
    extent: ExtentRecord,
    filter: Option<ExtentRecord>,
    #[serde(borrow)]
    limits: LimitsRecord<'a>,
}

/// Appends the record of one column of one block: present rows (0 and nothing more when the block
/// lacks the column), page, filter, limits.
pub(crate) fn put_page(page: Option<&TagPage>, out: &mut Vec<u8>) {
    let Some(page) = page else {
        wire::append(&0u32, out);
        return;
    };
    let record = PageRecord {
        extent: page.extent.into(),
        filter: page.filter.map(ExtentRecord::from),
        limits: LimitsRecord::from(&page.limits),
    };
    wire::append(&(page.present, record), out);
}

/// Reads what [`put_page`] wrote, for a block of `rows` rows and a column of type `kind`.
pub(crate) fn read_page(
    reader: &mut Reader<'_>,
    kind: ColumnType,
    rows: u32,
) -> Result<Option<TagPage>> {
    let present: u32 = reader.read()?;
    if present == 0 {
        return Ok(None);
    }
    if present > rows {
        return Err(reader.fault(&format!("{present} values in a block of {rows} rows")));
    }
    let record: PageRecord<'_> = reader.read()?;
    let limits = ValueRange::from(record.limits);
    if !fits(&limits, kind) {
        return Err(reader.fault(&format!("limits of another type than {kind}")));
    }
    Ok(Some(TagPage {
        present,
        extent: record.extent.into(),
        filter: record.filter.map(Extent::from),
        limits,
    }))
}

/// Whether limits are of the right kind. Only arrays may have none: all of them may be empty.
fn fits(limits: &ValueRange, kind: ColumnType) -> bool {
    match (limits, kind.value) {
        (ValueRange::None, _) => kind.array,
        (ValueRange::Int { .. }, value) => matches!(value, ValueType::Int | ValueType::Timestamp),
        (ValueRange::Float { .. }, value) => value == ValueType::Float,
        (ValueRange::Bool { .. }, value) => value == ValueType::Bool,
        (ValueRange::Bytes { .. }, value) => matches!(value, ValueType::String | ValueType::Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_return() {
        let extent = Extent {
            offset: 1,
            stored_bytes: 2,
            raw_bytes: 3,
            checksum: 4,
            codec: 0,
        };
        let kind = ColumnType {
            value: ValueType::Int,
            array: false,
        };
        let page = TagPage {
            present: 3,
            extent,
            filter: Some(extent),
            limits: ValueRange::Int { min: -1, max: 1 },
        };
        for page in [None, Some(page)] {
            let mut bytes = Vec::new();
            put_page(page.as_ref(), &mut bytes);
            let mut reader = Reader::new(&bytes, "tag");
            assert_eq!(read_page(&mut reader, kind, 3).unwrap(), page);
            reader.finish().unwrap();
            for cut in 0..bytes.len() {
                assert!(read_page(&mut Reader::new(&bytes[..cut], "tag"), kind, 3).is_err());
            }
            for damaged in wire::with_huge_numbers(&bytes) {
                let _ = read_page(&mut Reader::new(&damaged, "tag"), kind, 3);
            }
        }
    }

    #[test]
    fn limits_of_another_type_are_refused() {
        let extent = Extent::default();
        let page = TagPage {
            present: 1,
            extent,
            filter: None,
            limits: ValueRange::None,
        };
        let mut bytes = Vec::new();
        put_page(Some(&page), &mut bytes);
        for value in [ValueType::Int, ValueType::String] {
            for array in [false, true] {
                let kind = ColumnType { value, array };
                let read = read_page(&mut Reader::new(&bytes, "tag"), kind, 1);
                assert_eq!(read.is_ok(), array, "{kind}");
            }
        }
    }
}
