//! What a format of input is to a load.

use super::problem;
use super::rows::Rows;
use crate::moment::Moment;

/// A format of input.
pub(super) trait RowReader: Send {
    /// Reads the next record without looking into it; waits for input until `until` at most, for ever
    /// without.
    fn advance(&mut self, until: Option<Moment>) -> problem::Result<Advance>;
    /// Makes a row of the record.
    fn append(&mut self, rows: &mut Rows) -> problem::Result<Kept>;
    /// The line where the record starts, counted from 1.
    fn line(&self) -> u64;
    /// Whether the input ended before its end. What it ended with is left out unless it was a whole record.
    fn is_cut(&self) -> bool;
}

/// What reading on came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// A record of so many bytes.
    Record(usize),
    /// No whole record in time.
    Idle,
    /// There are no more records.
    End,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is a row now.
    Row,
    /// It has no key, and the user asked to skip such rows.
    Skipped,
}
