//! What is known of a part, however it is stored.

use super::column::{Longest, PartColumn};

/// What holds for all rows of a part. Read when the part is opened, and kept as long as it is.
pub(crate) struct Summary {
    pub(crate) rows: u64,
    pub(crate) blocks: u32,
    /// Distinct series.
    pub(crate) series: u64,
    pub(crate) min_key: i64,
    pub(crate) max_key: i64,
    /// Least and greatest element id.
    pub(crate) first_id: u64,
    pub(crate) last_id: u64,
    pub(crate) longest: Longest,
    /// Raw bytes of all pages.
    pub(crate) raw_bytes: u64,
    /// Bytes that its pages and their metadata take where they are stored.
    pub(crate) size_bytes: u64,
    /// All tag columns, ascending by name and type.
    pub(crate) columns: Vec<PartColumn>,
}

impl Summary {
    /// The columns of each tag, in the order of the tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[PartColumn]> {
        let is_same = |one: &PartColumn, next: &PartColumn| one.column.name == next.column.name;
        self.columns.chunk_by(is_same)
    }
}
