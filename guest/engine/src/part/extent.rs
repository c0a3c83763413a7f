//! Where a page lies in its file: as the manifest says it, as records do, and as the writer of a page of
//! metadata learns it.

use crate::error::{Error, Result};
use crate::host::{Codec, Extent, Host};
use serde::{Deserialize, Serialize};

/// An extent as JSON: offset, stored bytes, raw bytes, CRC32C, codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtentText(u64, u32, u32, u32, u32);

impl From<Extent> for ExtentText {
    fn from(extent: Extent) -> Self {
        Self(
            extent.offset,
            extent.stored_bytes,
            extent.raw_bytes,
            extent.checksum,
            extent.codec,
        )
    }
}

impl From<ExtentText> for Extent {
    fn from(text: ExtentText) -> Self {
        Self {
            offset: text.0,
            stored_bytes: text.1,
            raw_bytes: text.2,
            checksum: text.3,
            codec: text.4,
        }
    }
}

/// An extent in a record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ExtentRecord {
    offset: u64,
    stored_bytes: u32,
    raw_bytes: u32,
    /// A checksum is as often large as small.
    #[serde(with = "postcard::fixint::le")]
    checksum: u32,
    codec: u32,
}

impl From<Extent> for ExtentRecord {
    #[inline]
    fn from(extent: Extent) -> Self {
        Self {
            offset: extent.offset,
            stored_bytes: extent.stored_bytes,
            raw_bytes: extent.raw_bytes,
            checksum: extent.checksum,
            codec: extent.codec,
        }
    }
}

impl From<ExtentRecord> for Extent {
    #[inline]
    fn from(record: ExtentRecord) -> Self {
        Self {
            offset: record.offset,
            stored_bytes: record.stored_bytes,
            raw_bytes: record.raw_bytes,
            checksum: record.checksum,
            codec: record.codec,
        }
    }
}

/// Appends one page of metadata.
pub(super) fn append_page<H: Host>(host: &H, file: &H::NewFile, page: &[u8]) -> Result<Extent> {
    let length = u32::try_from(page.len())
        .map_err(|_| Error::invalid("a metadata page of more than 4 GiB"))?;
    let extents = host.append(file, page, &[length], Codec::Zstd)?;
    extents
        .first()
        .copied()
        .ok_or_else(|| Error::corrupt("the host returned no extent"))
}
