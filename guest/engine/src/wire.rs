//! Reading and writing of metadata records: varints, fixed integers and byte strings.

use crate::error::{Error, Result};
use crate::host::Extent;
use sidx_kernels::varint;
use sidx_log::Term;

/// Appends a byte string with its length.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint::write(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a number as a varint.
pub(crate) fn put(value: u64, out: &mut Vec<u8>) {
    varint::write(value, out);
}

/// Appends a signed number as a zigzag varint.
pub(crate) fn put_signed(value: i64, out: &mut Vec<u8>) {
    varint::write(varint::zigzag(value), out);
}

/// Appends an extent: offset, stored bytes and raw bytes as varints, checksum as four bytes, codec.
pub(crate) fn put_extent(extent: &Extent, out: &mut Vec<u8>) {
    put(extent.offset, out);
    put(u64::from(extent.stored_bytes), out);
    put(u64::from(extent.raw_bytes), out);
    out.extend_from_slice(&extent.checksum.to_le_bytes());
    put(u64::from(extent.codec), out);
}

/// Appends a term: its number as a varint, its random bits as 16 bytes.
pub(crate) fn put_term(term: Term, out: &mut Vec<u8>) {
    put(term.number, out);
    out.extend_from_slice(&term.nonce.to_le_bytes());
}

/// Takes records from the front of a byte string; every fault is `corrupt` and names the record.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self {
            bytes,
            position: 0,
            what,
        }
    }

    /// A fault at the current position.
    pub(crate) fn fault(&self, reason: &str) -> Error {
        Error::corrupt(format!("{} at byte {}: {reason}", self.what, self.position))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub(crate) fn number(&mut self) -> Result<u64> {
        let mut position = self.position;
        let value = varint::read(self.bytes, &mut position)
            .map_err(|error| self.fault(&error.to_string()))?;
        self.position = position;
        Ok(value)
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        self.number().map(varint::unzigzag)
    }

    pub(crate) fn small(&mut self) -> Result<u32> {
        let value = self.number()?;
        u32::try_from(value).map_err(|_| self.fault(&format!("{value} does not fit 32 bits")))
    }

    /// A count of records that each take at least `least_bytes`: bounded by the bytes that are left, so
    /// that a damaged count cannot ask for memory.
    pub(crate) fn count(&mut self, least_bytes: usize) -> Result<usize> {
        let value = self.number()?;
        let left = self.bytes.len().saturating_sub(self.position) / least_bytes.max(1);
        match usize::try_from(value) {
            Ok(count) if count <= left => Ok(count),
            _ => Err(self.fault(&format!("a count of {value} exceeds the record"))),
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.position.saturating_add(length);
        let slice = self
            .bytes
            .get(self.position..end)
            .ok_or_else(|| self.fault(&format!("{length} bytes expected, record ends")))?;
        self.position = end;
        Ok(slice)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count(1)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.fault("text is not UTF-8"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        self.take(1)
            .map(|slice| slice.first().copied().unwrap_or_default())
    }

    pub(crate) fn fixed_u32(&mut self) -> Result<u32> {
        let slice = self.take(4)?;
        <[u8; 4]>::try_from(slice)
            .map(u32::from_le_bytes)
            .map_err(|_| self.fault("four bytes"))
    }

    pub(crate) fn fixed_u64(&mut self) -> Result<u64> {
        let slice = self.take(8)?;
        <[u8; 8]>::try_from(slice)
            .map(u64::from_le_bytes)
            .map_err(|_| self.fault("eight bytes"))
    }

    pub(crate) fn term(&mut self) -> Result<Term> {
        let number = self.number()?;
        let slice = self.take(16)?;
        let nonce = <[u8; 16]>::try_from(slice).map_err(|_| self.fault("sixteen bytes"))?;
        Ok(Term {
            number,
            nonce: u128::from_le_bytes(nonce),
        })
    }

    pub(crate) fn extent(&mut self) -> Result<Extent> {
        Ok(Extent {
            offset: self.number()?,
            stored_bytes: self.small()?,
            raw_bytes: self.small()?,
            checksum: self.fixed_u32()?,
            codec: self.small()?,
        })
    }

    /// Checks that nothing is left over.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.fault("bytes after the last record"))
        }
    }
}
