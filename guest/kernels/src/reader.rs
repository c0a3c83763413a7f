//! A cursor over untrusted bytes: every read is checked against what is left.

use bytes::Bytes;

use crate::error::PageError;
use crate::varint;

/// Reads fields one behind the other; slices share the page's memory.
pub(crate) struct Reader {
    bytes: Bytes,
    position: usize,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Reader {
        Reader { bytes, position: 0 }
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, what: &'static str, length: u64) -> Result<Bytes, PageError> {
        let available = self.bytes.len() - self.position;
        match usize::try_from(length) {
            Ok(length) if length <= available => {
                let start = self.position;
                self.position += length;
                Ok(self.bytes.slice(start..self.position))
            }
            _ => {
                let offset = self.position;
                Err(PageError::Truncated {
                    what,
                    offset,
                    needed: length,
                    available,
                })
            }
        }
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], PageError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(field) = rest.first_chunk::<N>() else {
            return Err(PageError::Truncated {
                what,
                offset: self.position,
                needed: N as u64,
                available: rest.len(),
            });
        };
        self.position += N;
        Ok(*field)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, PageError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, PageError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, PageError> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, PageError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// An LEB128 number.
    pub(crate) fn varint(&mut self) -> Result<u64, PageError> {
        varint::read(&self.bytes, &mut self.position)
    }

    /// Little-endian words that hold `bits` bits.
    pub(crate) fn words(&mut self, what: &'static str, bits: usize) -> Result<Vec<u64>, PageError> {
        let bytes = self.take(what, bits.div_ceil(64) as u64 * 8)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Checks that everything was read.
    pub(crate) fn finish(self, what: &'static str) -> Result<(), PageError> {
        match self.left() {
            0 => Ok(()),
            left => Err(PageError::Field {
                what,
                found: left as u64,
                limit: 0,
            }),
        }
    }
}
