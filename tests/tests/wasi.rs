//! `wit/storage` over the filesystem of WASI, under the `wasmtime` command: that it keeps to the documents,
//! what each promise rests on, and that the native store and this one work in one directory.
//!
//! The command is the one that `SIDX_WASMTIME` names (`.ci/wasmtime` installs one). Without it these tests
//! are skipped; where `SIDX_TEST_REQUIRED=1` is set, that is an error.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test"
)]

mod wasi {
    mod artefacts;
    mod conformance;
    mod crash;
    mod mapped;
    mod native;
    mod probe;
    mod promises;
    mod races;
}
