//! How fast each scan kernel is, however it can be carried out here, and how far from the bandwidth of
//! memory that is.
//!
//! `cargo run --release --package sidx-kernel-benches -- [--json] [PATTERN]`. Every result is compared with
//! a plain loop before it is timed. Figures are medians of rounds; a cycle is one of the time stamp counter,
//! whose rate and that of the core are printed first. Data is a page of 8,192 values, which stays in the
//! first caches, as pages do that a query has just decompressed; where more is touched the name says so.
//!
//! The floor is the time that reading what a kernel reads and writing what it writes would take at the speed
//! of a sum over a buffer: one that fits the second cache, and one several times as large as the last.

use std::process::ExitCode;

use clap::Parser;

mod clock;
mod floor;
mod kernels;
mod report;
mod samples;

#[derive(Parser)]
#[command(about = "Speed of the scan kernels")]
struct Arguments {
    /// Only kernels whose name contains this
    #[arg(default_value = "")]
    pattern: String,
    /// One line of JSON per figure
    #[arg(long)]
    json: bool,
    /// Measurements per figure, of which the median counts
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clock = clock::Clock::calibrate();
    let floors = floor::Floors::measure(arguments.rounds);
    let mut report = report::Report::new(clock, floors, &arguments);
    kernels::run(&mut report);
    if report.wrong() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
