//! Pages as they are stored: where they lie, and what is known of them.

use sidx_kernels::{ColumnStats, ValueRange};

/// How the bytes of a page are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    None,
    /// Compressed with zstd where that makes them smaller.
    Zstd,
}

/// Where one page lies in a file; see `files.extent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extent {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub stored_bytes: u32,
    /// Bytes after decompression.
    pub raw_bytes: u32,
    /// CRC32C of the stored bytes.
    pub checksum: u32,
    /// 0 as is, 1 zstd.
    pub codec: u32,
}

/// A page as it was written; see `scan.piece`.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Rows in the page.
    pub rows: u32,
    /// Rows with a value.
    pub present: u32,
    /// Where it lies.
    pub extent: Extent,
    /// Its membership page.
    pub membership: Option<Extent>,
    /// Least and greatest value.
    pub limits: ValueRange,
}

impl Piece {
    /// A page of a column with these statistics.
    pub(crate) fn of(stats: ColumnStats, extent: Extent, membership: Option<Extent>) -> Self {
        Self {
            rows: stats.rows,
            present: stats.present,
            extent,
            membership,
            limits: stats.range,
        }
    }
}

/// A shared dictionary as it was written; see `scan.finished-dictionary`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinishedDictionary {
    /// Number of entries.
    pub entries: u32,
    /// Where the dictionary lies.
    pub extent: Extent,
    /// Where its postings lie.
    pub postings: Vec<Extent>,
}
