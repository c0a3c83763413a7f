//! What the summaries of some parts say together.

use super::{Longest, Part, TagColumn};
use crate::host::Host;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What holds for the rows of some parts together. Of no parts nothing is said: ids and lengths are 0.
pub(crate) struct Totals {
    pub(crate) rows: u64,
    /// Least and greatest element id.
    pub(crate) ids: (u64, u64),
    pub(crate) longest: Longest,
    /// All tag columns, ascending by name and type.
    pub(crate) columns: Vec<TagColumn>,
}

impl Totals {
    /// That of these parts.
    pub(crate) fn of<H: Host>(parts: &[Arc<Part<H>>]) -> Self {
        let summaries = || parts.iter().map(|part| part.summary());
        let first = summaries().map(|summary| summary.first_id).min();
        let last = summaries().map(|summary| summary.last_id).max();
        let payload_bytes = summaries().map(|summary| summary.longest.payload_bytes);
        let tag_bytes = summaries().map(|summary| summary.longest.tag_bytes);
        Self {
            rows: summaries().map(|summary| summary.rows).sum(),
            ids: (first.unwrap_or(0), last.unwrap_or(0)),
            longest: Longest {
                payload_bytes: payload_bytes.max().unwrap_or(0),
                tag_bytes: tag_bytes.max().unwrap_or(0),
            },
            columns: columns(parts).into_iter().cloned().collect(),
        }
    }
}

/// All tag columns of some parts, ascending by name and type.
pub(crate) fn columns<H: Host>(parts: &[Arc<Part<H>>]) -> BTreeSet<&TagColumn> {
    parts
        .iter()
        .flat_map(|part| part.columns().iter().map(|entry| &entry.column))
        .collect()
}
