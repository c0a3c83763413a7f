//! What the suites under `tests/` share: a naive model of an index, filters with a meaning of their
//! own, generators of random rows and queries, and one way to drive an index that runs either
//! natively or as the WebAssembly component.
//!
//! * [`expression`] says what a filter means, row by row.
//! * [`model`] answers queries by sorting everything.
//! * [`generate`] makes rows and queries.
//! * [`fuzzing`] is what the fuzz targets of the host do.
//! * [`subject`] is an index under test, for both engines.

// This crate exists only for tests: a failed expectation is a failed test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed expectation here is a failed test"
)]

pub mod expression;
pub mod fuzzing;
pub mod generate;
pub mod model;
pub mod subject;
