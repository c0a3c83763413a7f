//! The hand-written synchronisation of the host, explored by loom in every interleaving of a few threads.
//!
//! The very files of the host are compiled here over locks of loom's: `cargo test -p sidx-model`.

// This crate exists only for tests: a failed expectation is a failed test.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test, and the host uses more of its files"
)]

mod sync;

#[path = "../../../host/runtime/src/writer/queue.rs"]
mod queue;
#[path = "../../../host/runtime/src/session/views.rs"]
mod views;

pub mod queue_model;
pub mod views_model;
