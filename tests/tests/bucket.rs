//! An index in a bucket: of a simulated service, which loses answers, does things late and refuses, and of a
//! real one.
//!
//! `SIDX_BUCKET_RUNS=n` lives n random lives in place of a few dozen, `SIDX_BUCKET_SEED=n` repeats the one
//! that a failure named. Tests of a real service need `SIDX_TEST_S3=s3://bucket/prefix` and the `AWS_*`
//! variables that lead there (`.ci/object-store` starts one), and are skipped without; where
//! `SIDX_TEST_REQUIRED=1` is set too, that is an error.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a failed expectation here is a failed test"
)]

#[path = "bucket/bad_input.rs"]
mod bad_input;
#[path = "bucket/branches.rs"]
mod branches;
#[path = "bucket/conformance.rs"]
mod conformance;
#[path = "bucket/followers.rs"]
mod followers;
#[path = "bucket/foreign.rs"]
mod foreign;
#[path = "bucket/keys.rs"]
mod keys;
#[path = "bucket/lease.rs"]
mod lease;
#[path = "bucket/life.rs"]
mod life;
#[path = "bucket/lives.rs"]
mod lives;
#[path = "bucket/pins.rs"]
mod pins;
#[path = "bucket/place.rs"]
mod place;
#[path = "bucket/quarantine.rs"]
mod quarantine;
#[path = "bucket/real.rs"]
mod real;
#[path = "bucket/requests.rs"]
mod requests;
