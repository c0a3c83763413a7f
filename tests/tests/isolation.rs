//! A component that misbehaves: whatever it does costs one call, and its index serves on.
//!
//! The component is the real engine, which does on demand what no component should; see
//! `tests/hostile`. It does to its own index what it likes where it is asked to change
//! it. What is tested is that it reaches nothing else, ends in bounded time, takes no more than it may,
//! never makes the host panic, and that what comes out of it is not relied on.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed expectation here is a failed test"
)]

mod isolation {
    mod answers;
    mod bounds;
    mod changes;
    mod damage;
    mod requests;
    mod subject;
    mod traps;
}
