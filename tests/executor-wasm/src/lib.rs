//! Checks of the executors that run where the component runs: built for `wasm32-unknown-unknown`, over pages
//! in memory and with the vector kernels of WebAssembly. Functions return 0, or the number of the first case
//! that failed, counted from 1; the tests of `guest/executor` run the same cases and tell what was wrong.

pub mod checks;

/// The number of the first case that fails.
fn first_failure(check: fn(u64) -> Result<(), String>) -> u32 {
    let failure = (1..=checks::CASES).find(|case| check(*case).is_err());
    failure.unwrap_or(0) as u32
}

/// Selections and counts.
#[unsafe(no_mangle)]
pub extern "C" fn check_select() -> u32 {
    first_failure(checks::select)
}

/// The first rows of runs.
#[unsafe(no_mangle)]
pub extern "C" fn check_top() -> u32 {
    first_failure(checks::top)
}

/// Rows and ranges of rows, from pages at once and in groups.
#[unsafe(no_mangle)]
pub extern "C" fn check_gather() -> u32 {
    first_failure(checks::gather)
}

/// Columns to pages and back, with and without a shared dictionary, and blocks in memory.
#[unsafe(no_mangle)]
pub extern "C" fn check_written() -> u32 {
    first_failure(checks::written)
}
