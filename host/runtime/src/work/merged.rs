//! What flushes and merges did.

use sidx_engine::Outcome;

/// What a flush or merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Parts that were made.
    pub parts: u64,
    /// Rows written to them.
    pub rows: u64,
    /// Rows that were left out: those that retention dropped, and dead ones.
    pub dropped_rows: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// File parts that retention dropped whole, without writing anything in their place.
    pub dropped_parts: u64,
    /// Parts that were left as they are because they are damaged;
    /// [`Index::damaged`](crate::Index::damaged) names them. Their neighbours were merged without them.
    pub left_out: u64,
}

impl Merged {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.parts += u64::from(outcome.rows > 0);
        self.rows = self.rows.saturating_add(outcome.rows);
        self.dropped_rows = self.dropped_rows.saturating_add(outcome.dropped_rows);
        self.bytes_written = self.bytes_written.saturating_add(outcome.bytes_written);
        if outcome.rows == 0 && !outcome.job.flush {
            self.dropped_parts += outcome.job.inputs.len() as u64;
        }
    }
}
