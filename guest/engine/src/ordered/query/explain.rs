//! What a query did: for parts, blocks and pages how many there were, how many each rule dropped.

use crate::host::{Host, TopFacts};
use crate::part::PartList;
use serde::Serialize;

/// Counters of one query; `docs/query.md` says what each means.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Explain {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) parts: PartCounts,
    pub(crate) blocks: BlockCounts,
    pub(crate) rows: RowCounts,
    /// Calls from the engine to the host that read pages.
    pub(crate) calls: CallCounts,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PartCounts {
    pub(crate) total: u64,
    pub(crate) dropped_by_key_range: u64,
    pub(crate) dropped_by_tag_range: u64,
    /// Never needed: the result was complete before their first key was due.
    pub(crate) not_due: u64,
    pub(crate) read: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct BlockCounts {
    /// In all parts.
    pub(crate) total: u64,
    /// In dropped parts and in frames whose series or keys are not wanted.
    pub(crate) dropped_unseen: u64,
    pub(crate) dropped_by_series: u64,
    pub(crate) dropped_by_key_range: u64,
    pub(crate) dropped_by_tag_range: u64,
    pub(crate) dropped_by_filter: u64,
    pub(crate) not_due: u64,
    /// Opened, some more than once when their rows did not fit memory at a time.
    pub(crate) opened: u64,
    pub(crate) reopened: u64,
    /// Opened without any matching row.
    pub(crate) without_match: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RowCounts {
    /// Rows of the wanted series and keys in opened blocks, an upper bound.
    pub(crate) considered: u64,
    pub(crate) selected: u64,
    pub(crate) duplicates: u64,
    pub(crate) returned: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CallCounts {
    pub(crate) select: u64,
    pub(crate) top: u64,
    pub(crate) gather: u64,
}

impl Explain {
    /// Nothing was done yet with these parts.
    pub(crate) fn of<H: Host>(live: &PartList<H>) -> Self {
        let mut explain = Self::default();
        explain.begin(live);
        explain
    }

    /// The same, in the place of what was done before.
    pub(crate) fn begin<H: Host>(&mut self, live: &PartList<H>) {
        *self = Self {
            epoch: live.epoch,
            version: live.version,
            ..Self::default()
        };
        self.parts.total = live.parts.len() as u64;
        for part in &live.parts {
            self.blocks.total += u64::from(part.summary().blocks);
        }
    }

    /// Adds what the host found with a `top` call.
    pub(crate) fn add_found(&mut self, found: &TopFacts) {
        self.blocks.opened += u64::from(found.opened);
        self.blocks.without_match += u64::from(found.without_match);
        self.rows.considered += found.considered;
        self.rows.selected += found.selected;
        self.rows.returned += u64::from(found.rows);
    }

    /// Counts what was neither dropped nor opened, at the end of a query that looked at what was due only.
    pub(crate) fn close(&mut self) {
        let PartCounts {
            total,
            dropped_by_key_range,
            dropped_by_tag_range,
            read,
            ..
        } = self.parts;
        let other = dropped_by_key_range + dropped_by_tag_range + read;
        self.parts.not_due = total.saturating_sub(other);
        let blocks = &self.blocks;
        let dropped = blocks.dropped_unseen
            + blocks.dropped_by_series
            + blocks.dropped_by_key_range
            + blocks.dropped_by_tag_range
            + blocks.dropped_by_filter;
        self.blocks.not_due = blocks.total.saturating_sub(dropped + blocks.opened);
    }

    /// Forgets what every share of a query finds alike.
    pub(crate) fn forget_plan(&mut self) {
        self.parts = PartCounts::default();
        self.blocks = BlockCounts::default();
    }

    /// Adds the counters of another.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            epoch: _,
            version: _,
            parts,
            blocks,
            rows,
            calls,
        } = other;
        self.parts.total += parts.total;
        self.parts.dropped_by_key_range += parts.dropped_by_key_range;
        self.parts.dropped_by_tag_range += parts.dropped_by_tag_range;
        self.parts.not_due += parts.not_due;
        self.parts.read += parts.read;
        self.blocks.total += blocks.total;
        self.blocks.dropped_unseen += blocks.dropped_unseen;
        self.blocks.dropped_by_series += blocks.dropped_by_series;
        self.blocks.dropped_by_key_range += blocks.dropped_by_key_range;
        self.blocks.dropped_by_tag_range += blocks.dropped_by_tag_range;
        self.blocks.dropped_by_filter += blocks.dropped_by_filter;
        self.blocks.not_due += blocks.not_due;
        self.blocks.opened += blocks.opened;
        self.blocks.reopened += blocks.reopened;
        self.blocks.without_match += blocks.without_match;
        self.rows.considered += rows.considered;
        self.rows.selected += rows.selected;
        self.rows.duplicates += rows.duplicates;
        self.rows.returned += rows.returned;
        self.calls.top += calls.top;
        self.calls.select += calls.select;
        self.calls.gather += calls.gather;
    }

    /// The JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}
