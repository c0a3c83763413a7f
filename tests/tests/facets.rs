//! A facet that exists for tests, `sidx-latest`: of rows with equal payloads only the latest lives. Whatever
//! is done to an index, its queries show what a map from payload to row would.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed expectation here is a failed test"
)]

#[path = "facets/crash.rs"]
mod crash;
#[path = "facets/damage.rs"]
mod damage;
#[path = "facets/latest.rs"]
mod latest;
#[path = "facets/property.rs"]
mod property;
#[path = "facets/rows.rs"]
mod rows;
