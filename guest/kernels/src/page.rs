//! Pages: one column piece of a block as stored, opened and checked once, then read many times.

use std::sync::Arc;

use bytes::Bytes;
use sidx_columns::{Bitmap, ColumnType, MAX_ELEMENTS, MAX_ROWS, ValueType};

use crate::boolean::Booleans;
use crate::error::PageError;
use crate::float::Floats;
use crate::integer::Integers;
use crate::layout;
use crate::offsets::Offsets;
use crate::reader::Reader;
use crate::string::Strings;
use crate::string::shared::SharedDictionary;

mod encode;
#[cfg(test)]
pub(crate) mod encoding;
mod plain;
pub(crate) mod presence;
#[cfg(test)]
mod tests;

pub use encode::{EncodedColumn, encode, encode_coded, encode_unfiltered};
pub use plain::encode_plain;
use presence::Presence;

/// The values of a page: those of the present rows, or the elements of their arrays.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Int(Integers),
    Float(Floats),
    Bool(Booleans),
    Bytes(Strings),
}

/// An opened page. Holds the page's bytes and what makes access O(1): ranks of the present rows,
/// ends of strings and arrays, heads of delta groups. All of it was checked on opening, so reads
/// can't leave the page, whatever its bytes say.
#[derive(Debug, Clone)]
pub struct Page {
    kind: ColumnType,
    rows: u32,
    presence: Presence,
    /// Elements of each present row; arrays only.
    lists: Option<Offsets>,
    stored: Stored,
    memory_bytes: usize,
}

impl Page {
    /// Checks and opens a page. Cost: O(1) for packed numbers, one pass over lengths, codes and
    /// text otherwise; memory besides the bytes stays within 5 bytes per row and per element.
    ///
    /// # Errors
    /// When any byte contradicts the layout; nothing of such a page can be used.
    pub fn open(bytes: Bytes) -> Result<Page, PageError> {
        Self::open_with(bytes, None)
    }

    /// As [`open`](Self::open), for a page that may refer to a dictionary outside of it. The dictionary's own
    /// memory is not counted.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it refers to a dictionary of another size or type.
    pub fn open_with(
        bytes: Bytes,
        shared: Option<&Arc<SharedDictionary>>,
    ) -> Result<Page, PageError> {
        let length = bytes.len();
        let mut reader = Reader::new(bytes);
        layout::check(&mut reader, "page layout")?;
        let code = reader.u8("column type")?;
        let kind = ColumnType::from_code(code).ok_or(PageError::Code {
            what: "column type",
            found: code,
        })?;
        let rows = read_count(&mut reader, "rows", MAX_ROWS)?;
        let present = read_count(&mut reader, "present rows", rows)?;
        let most = if kind.array { MAX_ELEMENTS } else { present };
        let values = read_count(&mut reader, "values", most)?;
        let presence = Presence::open(&mut reader, rows, present)?;
        let lists = if kind.array {
            let what = "array lengths";
            Some(Offsets::open(
                &mut reader,
                present,
                what,
                MAX_ELEMENTS as u32,
            )?)
        } else {
            None
        };
        let expected = lists.as_ref().map_or(present, Offsets::total);
        if values != expected {
            let (found, limit) = (values as u64, expected as u64);
            return Err(PageError::Field {
                what: "values",
                found,
                limit,
            });
        }
        let stored = open_stored(&mut reader, kind, values, shared)?;
        reader.finish("bytes behind the page")?;
        let derived = presence.derived_bytes()
            + lists.as_ref().map_or(0, Offsets::derived_bytes)
            + stored.derived_bytes();
        let memory_bytes = size_of::<Page>() + length + derived;
        Ok(Page {
            kind,
            rows: rows as u32,
            presence,
            lists,
            stored,
            memory_bytes,
        })
    }

    /// Type of the column.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Number of rows, present or not.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Number of rows that have a value.
    #[must_use]
    pub fn present(&self) -> u32 {
        self.presence.present() as u32
    }

    /// Which rows have a value.
    #[must_use]
    pub fn present_rows(&self) -> Bitmap {
        let bitmap = self.presence.bitmap().cloned();
        bitmap.unwrap_or_else(|| Bitmap::ones(self.rows as usize))
    }

    /// Bytes the opened page keeps in memory, the page's own bytes included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// A page with the same rows and other values, one for each of its own.
    pub(crate) fn with_stored(&self, kind: ColumnType, stored: Stored) -> Page {
        let derived = self.presence.derived_bytes()
            + self.lists.as_ref().map_or(0, Offsets::derived_bytes)
            + stored.derived_bytes();
        Page {
            kind,
            rows: self.rows,
            presence: self.presence.clone(),
            lists: self.lists.clone(),
            memory_bytes: size_of::<Page>() + derived + stored.packed_bytes(),
            stored,
        }
    }

    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(crate) fn lists(&self) -> Option<&Offsets> {
        self.lists.as_ref()
    }

    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }
}

impl Stored {
    /// Bytes of codes that were made in memory.
    fn packed_bytes(&self) -> usize {
        match self {
            Stored::Int(integers) => integers.count() * 4,
            _ => 0,
        }
    }

    fn derived_bytes(&self) -> usize {
        match self {
            Stored::Int(integers) => integers.derived_bytes(),
            Stored::Float(floats) => floats.derived_bytes(),
            Stored::Bool(booleans) => booleans.derived_bytes(),
            Stored::Bytes(strings) => strings.derived_bytes(),
        }
    }
}

fn open_stored(
    reader: &mut Reader,
    kind: ColumnType,
    values: usize,
    shared: Option<&Arc<SharedDictionary>>,
) -> Result<Stored, PageError> {
    Ok(match kind.value {
        ValueType::Int | ValueType::Timestamp => {
            Stored::Int(Integers::open(reader, values, false)?)
        }
        ValueType::Float => Stored::Float(Floats::open(reader, values)?),
        ValueType::Bool => Stored::Bool(Booleans::open(reader, values)?),
        ValueType::String => Stored::Bytes(Strings::open(reader, values, true, shared)?),
        ValueType::Bytes => Stored::Bytes(Strings::open(reader, values, false, shared)?),
    })
}

fn read_count(reader: &mut Reader, what: &'static str, limit: usize) -> Result<usize, PageError> {
    let count = reader.u32(what)?;
    if count as u64 > limit as u64 {
        return Err(PageError::Field {
            what,
            found: count.into(),
            limit: limit as u64,
        });
    }
    Ok(count as usize)
}
