//! A dictionary that many pages share: the distinct values of a column of a whole part, in order.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sidx_columns::{Bitmap, ColumnType, ValueType};

use crate::error::PageError;
use crate::layout::{self, LAYOUT};
use crate::reader::Reader;
use crate::string::Plain;
use crate::string::front_coding;

/// Most entries of a shared dictionary.
pub const MAX_ENTRIES: usize = 1 << 20;

/// Most bytes of all entries together.
pub const MAX_BYTES: usize = 32 << 20;

/// Values in bytewise order, which pages refer to by their number. Those that pages refer to are distinct;
/// what no page refers to may stand behind an equal one.
#[derive(Debug)]
pub struct SharedDictionary {
    /// Never given to a second dictionary of this process, so that what was found out about the entries can
    /// be kept under it.
    id: u64,
    value: ValueType,
    entries: Plain,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl SharedDictionary {
    /// Checks and opens a dictionary as stored. Cost: one pass; memory: the entries as they are, and four
    /// bytes each.
    ///
    /// # Errors
    /// When any byte contradicts the layout.
    pub fn open(bytes: Bytes) -> Result<SharedDictionary, PageError> {
        let mut reader = Reader::new(bytes);
        layout::check(&mut reader, "dictionary layout")?;
        let value = match reader.u8("dictionary type")? {
            code if code == ColumnType::scalar(ValueType::String).code() => ValueType::String,
            code if code == ColumnType::scalar(ValueType::Bytes).code() => ValueType::Bytes,
            found => {
                return Err(PageError::Code {
                    what: "dictionary type",
                    found,
                });
            }
        };
        let count = reader.u32("dictionary size")? as usize;
        if count == 0 || count > MAX_ENTRIES {
            return Err(PageError::Field {
                what: "dictionary size",
                found: count as u64,
                limit: MAX_ENTRIES as u64,
            });
        }
        let (ends, bytes) = front_coding::open(&mut reader, count, MAX_BYTES)?;
        reader.finish("bytes behind the dictionary")?;
        let entries = Plain::of(ends, bytes);
        if value == ValueType::String {
            entries.check_utf8()?;
        }
        entries.check_order(|before, entry| before <= entry)?;
        Ok(Self::of(value, entries))
    }

    fn of(value: ValueType, entries: Plain) -> SharedDictionary {
        SharedDictionary {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            value,
            entries,
        }
    }

    /// The dictionary as it is stored. Entries that are not `used` are not kept: each is written as the one
    /// before it, so that the others keep their codes.
    #[must_use]
    pub fn write(&self, used: &Bitmap) -> Vec<u8> {
        let mut out = vec![LAYOUT, ColumnType::scalar(self.value).code()];
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        let mut last: &[u8] = &[];
        let kept = self.entries.iter().enumerate().map(|(code, entry)| {
            if used.get(code) {
                last = entry;
            }
            last
        });
        front_coding::write(kept, &mut out);
        out
    }

    /// A dictionary of values that ascend strictly.
    pub(crate) fn of_sorted(value: ValueType, ends: Vec<u32>, bytes: Vec<u8>) -> SharedDictionary {
        Self::of(value, Plain::of(ends, bytes.into()))
    }

    /// Type of the values.
    #[must_use]
    pub fn value(&self) -> ValueType {
        self.value
    }

    /// Number of entries, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: a dictionary has an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// The entry of a code.
    #[must_use]
    pub fn get(&self, code: u32) -> Option<&[u8]> {
        self.entries.get(code as usize)
    }

    /// The code of a value. Cost: a bisection.
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<u32> {
        self.entries.find(value).map(|code| code as u32)
    }

    /// Bytes that it keeps in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.memory_bytes()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn entries(&self) -> &Plain {
        &self.entries
    }
}
