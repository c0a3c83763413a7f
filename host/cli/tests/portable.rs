//! The `sidx` command as a WebAssembly component, under the `wasmtime` command, beside the native one: both
//! do the same to the same directories, and say the same.
//!
//! `SIDX_WASMTIME` names the command `wasmtime` (`.ci/wasmtime` installs it), `SIDX_WASM` the composed
//! component (`cargo xtask compose` makes it), and `SIDX_JCO` the folder where jco is (`.ci/jco` installs
//! it). Without them the tests are skipped; where `SIDX_TEST_REQUIRED=1` is set, that is an error.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, also in the functions that its tests share"
)]

#[path = "portable/command_lines.rs"]
mod command_lines;
#[path = "portable/crashes.rs"]
mod crashes;
#[path = "operations/day.rs"]
mod day;
#[path = "portable/exit_codes.rs"]
mod exit_codes;
#[path = "portable/first_day.rs"]
mod first_day;
#[path = "portable/node.rs"]
mod node;
#[path = "portable/normal.rs"]
mod normal;
#[path = "portable/pauses.rs"]
mod pauses;
#[path = "portable/programs.rs"]
mod programs;
#[path = "portable/statistics.rs"]
mod statistics;
#[path = "portable/writers.rs"]
mod writers;
