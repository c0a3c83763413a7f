//! What can be wrong with bytes from storage, and with a filter program.

use sidx_columns::{ColumnError, ColumnType};
use thiserror::Error;

/// Bytes from storage that are not a page this version can read, or a request
/// that does not fit the page it is put to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PageError {
    /// The bytes end before the field they announce.
    #[error("{what}: needs {needed} bytes at offset {offset}, only {available} are left")]
    Truncated {
        /// Field being read.
        what: &'static str,
        /// Offset of the field in the page.
        offset: usize,
        /// Bytes the field takes.
        needed: u64,
        /// Bytes left from the offset.
        available: usize,
    },
    /// A code this version does not know.
    #[error("{what}: unknown code {found}")]
    Code {
        /// Which code.
        what: &'static str,
        /// Value found.
        found: u8,
    },
    /// A field whose value contradicts the rest of the page.
    #[error("{what}: {found} does not fit, limit {limit}")]
    Field {
        /// Which field.
        what: &'static str,
        /// Value found.
        found: u64,
        /// Largest (or only) value that would fit.
        limit: u64,
    },
    /// A rule over many values is broken, such as a dictionary out of order.
    #[error("{what} at position {position}")]
    Rule {
        /// Rule that is broken.
        what: &'static str,
        /// First position that breaks it.
        position: u64,
    },
    /// A page of another type than the request asks for.
    #[error("the page holds {found} values, the request is for {expected}")]
    Type {
        /// Type asked for.
        expected: ColumnType,
        /// Type of the page.
        found: ColumnType,
    },
    /// A row outside the page.
    #[error("row {row} is outside the page of {rows} rows")]
    Row {
        /// Requested row.
        row: u64,
        /// Rows in the page.
        rows: u64,
    },
    /// Two lengths of a request that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Request {
        /// Which lengths.
        what: &'static str,
        /// What the other half of the request asks for.
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// The caller of a kernel no longer wants its result.
    #[error("stopped by the caller")]
    Stopped,
    /// The decoded values break a rule of their column.
    #[error("decoded column: {0}")]
    Column(#[from] ColumnError),
}

/// A filter program that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A step takes more results than the steps before it left.
    #[error("step {step}: takes {needed} results, {available} are there")]
    Underflow {
        /// Position of the step.
        step: usize,
        /// Results the step takes.
        needed: usize,
        /// Results available.
        available: usize,
    },
    /// The program does not leave exactly one result.
    #[error("the program leaves {results} results instead of one")]
    Results {
        /// Results left.
        results: usize,
    },
    /// More results pending at once than allowed.
    #[error("step {step}: more than {limit} pending results")]
    Depth {
        /// Position of the step.
        step: usize,
        /// Limit.
        limit: usize,
    },
    /// A slot number beyond what a program may use.
    #[error("step {step}: slot {slot} exceeds the limit of {limit}")]
    Slot {
        /// Position of the step.
        step: usize,
        /// Slot asked for.
        slot: u32,
        /// Largest slot accepted.
        limit: u32,
    },
    /// A regular expression that does not compile or is too large.
    #[error("bad regular expression: {message}")]
    Regex {
        /// Position of the step.
        step: usize,
        /// Reason given by the regex compiler.
        message: String,
    },
}
