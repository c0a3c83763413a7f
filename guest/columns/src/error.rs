//! What can be wrong with a column, and with its bytes in the log.

use thiserror::Error;

use crate::types::ColumnType;

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

/// Bytes that are not columns of a log entry that this version can read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogColumnsError {
    /// The bytes end before the field they announce.
    #[error("{what}: needs {needed} bytes at offset {offset}, only {available} are left")]
    Truncated {
        /// Field being read.
        what: &'static str,
        /// Offset of the field in the bytes.
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
    /// Bytes that belong to no column.
    #[error("{bytes} bytes behind the columns")]
    Rest {
        /// How many.
        bytes: usize,
    },
    /// A boolean that is neither 0 nor 1.
    #[error("boolean that is neither 0 nor 1 at position {position}")]
    Boolean {
        /// Its place in the column.
        position: usize,
    },
    /// The values break a rule of their column.
    #[error("decoded column: {0}")]
    Column(#[from] ColumnError),
}
