//! Tag columns: a tag in one of its types, and what a part knows of it.

use sidx_columns::{ColumnType, ValueType};
use sidx_kernels::ValueRange;

/// The type of payloads.
pub(crate) const PAYLOAD: ColumnType = ColumnType {
    value: ValueType::Bytes,
    array: false,
};

/// A tag in one of its types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
}

/// Where a part keeps a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColumnPlace {
    /// Index of the tag among those of the part.
    pub(crate) tag: usize,
    /// Index of the type among those of the tag.
    pub(crate) column: usize,
}

/// Upper bounds of the lengths of values, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Longest {
    pub(crate) payload_bytes: u32,
    pub(crate) tag_bytes: u32,
}

/// What a part knows of one of its tag columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartColumn {
    pub(crate) column: TagColumn,
    pub(crate) present: u64,
    pub(crate) limits: ValueRange,
}
