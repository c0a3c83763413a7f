//! Codes into sorted strings, which lie in the page or outside of it.

use std::sync::Arc;

use bytes::Bytes;
use sidx_columns::ValueType;

use crate::bitpack::{self, Packed};
use crate::error::PageError;
use crate::integer::check_codes;
use crate::reader::Reader;
use crate::string::{Plain, SharedDictionary};

/// Most entries of a dictionary.
pub const MAX_DICTIONARY: usize = 65_536;

/// Codes into sorted, distinct entries. Every code is below the number of entries.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    entries: Entries,
    count: usize,
    width: u32,
    codes: Bytes,
}

/// The entries of a dictionary.
#[derive(Debug, Clone)]
enum Entries {
    /// Of this page alone.
    Own(Plain),
    /// Of all pages of a column.
    Shared(Arc<SharedDictionary>),
}

impl Dictionary {
    /// Reads the entries and `count` codes of a page.
    pub(super) fn open(
        reader: &mut Reader,
        count: usize,
        text: bool,
    ) -> Result<Dictionary, PageError> {
        let size = reader.u32("dictionary size")? as usize;
        if size == 0 || size > MAX_DICTIONARY {
            let (found, limit) = (size as u64, MAX_DICTIONARY as u64);
            return Err(PageError::Field {
                what: "dictionary size",
                found,
                limit,
            });
        }
        let entries = Plain::open(reader, size, text)?;
        entries.check_order(|before, entry| before < entry)?;
        let width = bitpack::width_of(size as u64 - 1);
        let codes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
        check_codes(&codes, width, count, size)?;
        Ok(Dictionary {
            entries: Entries::Own(entries),
            count,
            width,
            codes,
        })
    }

    /// Reads `count` codes of a page, which must refer to the dictionary given.
    pub(super) fn open_shared(
        reader: &mut Reader,
        count: usize,
        text: bool,
        shared: Option<&Arc<SharedDictionary>>,
    ) -> Result<Dictionary, PageError> {
        let size = reader.u32("size of the shared dictionary")? as usize;
        let fits = |shared: &&Arc<SharedDictionary>| {
            shared.len() == size && (shared.value() == ValueType::String) == text
        };
        let Some(shared) = shared.filter(fits) else {
            return Err(PageError::Field {
                what: "size of the shared dictionary",
                found: size as u64,
                limit: shared.map_or(0, |shared| shared.len() as u64),
            });
        };
        let width = bitpack::width_of(size as u64 - 1);
        let codes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
        check_codes(&codes, width, count, size)?;
        Ok(Dictionary {
            entries: Entries::Shared(Arc::clone(shared)),
            count,
            width,
            codes,
        })
    }

    /// Bytes of what finds the entries, as far as it is the page's own.
    pub(super) fn derived_bytes(&self) -> usize {
        match &self.entries {
            Entries::Own(entries) => entries.derived_bytes(),
            Entries::Shared(_) => 0,
        }
    }

    pub(crate) fn entries(&self) -> &Plain {
        match &self.entries {
            Entries::Own(entries) => entries,
            Entries::Shared(shared) => shared.entries(),
        }
    }

    /// Number of values.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The dictionary outside the page that it refers to.
    pub(crate) fn shared(&self) -> Option<&Arc<SharedDictionary>> {
        match &self.entries {
            Entries::Own(_) => None,
            Entries::Shared(shared) => Some(shared),
        }
    }

    /// The packed codes. `open` checked their length, so `None` does not happen.
    #[inline]
    pub(crate) fn codes(&self) -> Option<Packed<'_>> {
        Packed::new(&self.codes, self.width, self.count)
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.count {
            return None;
        }
        self.entries().get(self.codes()?.get(index) as usize)
    }
}
