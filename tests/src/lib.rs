//! What the suites under `tests/` share: a naive model of an index, filters with a meaning of their
//! own, generators of random rows and queries, and one way to drive an index that runs either
//! natively or as the WebAssembly component.
//!
//! * [`expression`] says what a filter means, row by row.
//! * [`model`] answers queries by sorting everything.
//! * [`generate`] makes rows and queries.
//! * [`service`] is an object service that answers, and fails, as S3 does.
//! * [`simulated_disk`] is a disk that loses power, and calls that fail.
//! * [`ledger`] says what an index must, and may, hold after a crash.
//! * [`trial`] is an index on such a disk with its ledger.
//! * [`fuzzing`] is what the fuzz targets of the host do.
//! * [`sleepers`] are writers and readers that sleep before each call while others go on.
//! * [`subject`] is an index under test, for both engines.
//! * [`ungrowing`] is a store whose files do not grow.
//! * [`watched`] is a store that tells of every access.

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
pub mod ledger;
pub mod model;
pub mod service;
pub mod simulated_disk;
pub mod sleepers;
pub mod subject;
pub mod trial;
pub mod ungrowing;
pub mod watched;
