//! Crashes at any call of the file system, and what the next opening makes of what they leave.
//!
//! `SIDX_SIM_RUNS=n` makes n random crash points in place of a few thousand, `SIDX_SIM_SEED=n` repeats
//! the one life that a failure named, `SIDX_SIM_FIRST=n` begins with another seed.
//! `SIDX_SIM_SURVIVORS=n` ends the fixed life at every change in place of every third, draws n outcomes
//! of each power loss, and tries all second crashes.

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

#[path = "crash/everywhere.rs"]
mod everywhere;
#[path = "crash/lives.rs"]
mod lives;
#[path = "crash/opening.rs"]
mod opening;
#[path = "crash/removal.rs"]
mod removal;
#[path = "crash/rules.rs"]
mod rules;
#[path = "crash/salvage.rs"]
mod salvage;
