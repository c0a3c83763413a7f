//! Encoded strings and byte strings: lengths and bytes, packed symbols, or codes into a sorted dictionary.

use std::ops::Range;
use std::sync::Arc;

use sidx_columns::{ByteStrings, ColumnError};

use crate::error::PageError;
use crate::integer::ABSENT;
use crate::reader::Reader;

pub(crate) mod alphabet;
pub(crate) mod dictionary;
mod encode;
mod front_coding;
mod mark;
mod plain;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

pub(crate) use dictionary::Dictionary;
pub(crate) use encode::write;
pub(crate) use mark::mark;
pub(crate) use plain::Plain;
pub use shared::SharedDictionary;

/// Lengths, then the bytes of all values.
pub const PLAIN: u8 = 0;
/// Distinct values in bytewise order, then a packed code per value.
pub const DICTIONARY: u8 = 1;
/// Values of one length, packed by the alphabet of each position.
pub const ALPHABET: u8 = 2;
/// A packed code per value, into a dictionary that lies outside the page.
pub const SHARED: u8 = 3;

/// Byte strings as stored.
#[derive(Debug, Clone)]
pub(crate) enum Strings {
    Plain(Plain),
    Dictionary(Dictionary),
}

/// Most bytes of packed strings of a page before they are packed.
const MAX_PACKED: usize = 64 << 20;

impl Strings {
    /// Reads `count` byte strings, which must be UTF-8 when they are `text`. `shared` is the dictionary that
    /// the page may refer to.
    pub(crate) fn open(
        reader: &mut Reader,
        count: usize,
        text: bool,
        shared: Option<&Arc<SharedDictionary>>,
    ) -> Result<Strings, PageError> {
        match reader.u8("string encoding")? {
            PLAIN => Plain::open(reader, count, text).map(Strings::Plain),
            ALPHABET => {
                let (length, bytes) = alphabet::open(reader, count, MAX_PACKED)?;
                Plain::of_length(length as u32, count, bytes, text).map(Strings::Plain)
            }
            SHARED => Dictionary::open_shared(reader, count, text, shared).map(Strings::Dictionary),
            DICTIONARY => Dictionary::open(reader, count, text).map(Strings::Dictionary),
            found => Err(PageError::Code {
                what: "string encoding",
                found,
            }),
        }
    }

    /// Value `index`; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        match self {
            Strings::Plain(plain) => plain.get(index),
            Strings::Dictionary(dictionary) => dictionary.get(index),
        }
    }

    /// Appends the value at each position, the empty string for [`ABSENT`].
    pub(crate) fn gather(
        &self,
        positions: &[u32],
        out: &mut ByteStrings,
    ) -> Result<(), ColumnError> {
        let length = |at: &u32| self.get(*at as usize).map_or(0, <[u8]>::len);
        out.reserve(positions.len(), positions.iter().map(length).sum());
        for at in positions {
            match self.get(*at as usize) {
                Some(value) if *at != ABSENT => out.push(value)?,
                _ => out.push_empty(),
            }
        }
        Ok(())
    }

    /// Appends the values of a range.
    pub(crate) fn decode(
        &self,
        range: Range<usize>,
        out: &mut ByteStrings,
    ) -> Result<(), ColumnError> {
        match self {
            Strings::Plain(plain) => plain.decode(range, out),
            Strings::Dictionary(dictionary) => {
                out.reserve(range.len(), 0);
                for index in range {
                    out.push(dictionary.get(index).unwrap_or_default())?;
                }
                Ok(())
            }
        }
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        match self {
            Strings::Plain(plain) => plain.derived_bytes(),
            Strings::Dictionary(dictionary) => dictionary.derived_bytes(),
        }
    }
}
