//! What can be wrong with a column, with bytes from storage, and with a filter program.

use thiserror::Error;

use crate::column::ColumnType;

/// A column that breaks a rule of its type. Raised when columns are built or encoded, so it
/// always points at a fault of the caller, never at stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// A value of one type was given to a column of another.
    #[error("row {row}: a {found} value does not belong in a {expected} column")]
    Type {
        /// Row (or element, within an array) that was being written.
        row: usize,
        /// Type of the column.
        expected: ColumnType,
        /// Type of the value.
        found: ColumnType,
    },
    /// The value store given to a constructor is of another kind than the column type needs.
    #[error("the values of a {kind} column are held in a store of {found}")]
    Store {
        /// Type of the column.
        kind: ColumnType,
        /// Name of the value store given.
        found: &'static str,
    },
    /// Two lengths that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Length {
        /// Which length.
        what: &'static str,
        /// What the other parts of the column ask for.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// Array ends (or string ends) that go backwards.
    #[error("row {row}: {what} ends before it starts")]
    Ends {
        /// First row that breaks the order.
        row: usize,
        /// "array" or "value".
        what: &'static str,
    },
    /// A string value that is not UTF-8.
    #[error("row {row}: string value is not valid UTF-8")]
    Utf8 {
        /// Row, or element index for arrays of strings.
        row: usize,
    },
    /// A row index outside the column.
    #[error("row {row} is outside the column of {rows} rows")]
    Row {
        /// Requested row.
        row: usize,
        /// Rows in the column.
        rows: usize,
    },
    /// More than a column can carry.
    #[error("{what}: {found} exceeds the limit of {limit}")]
    TooLarge {
        /// Which amount.
        what: &'static str,
        /// Amount given.
        found: u64,
        /// Largest amount accepted.
        limit: u64,
    },
    /// An element outside an array, an array inside an array, or an end without a beginning.
    #[error("row {row}: {what}")]
    Array {
        /// Row that was being written.
        row: usize,
        /// What went wrong.
        what: &'static str,
    },
}

/// Bytes from storage that are not a page, filter or frame this version can read, or a request
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
