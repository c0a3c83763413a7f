//! The arguments of `sidx bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `sidx bench`
#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    /// Rows of every index
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=1_000_000_000))]
    pub(crate) rows: u64,
    /// Series that the rows are spread over; everything is measured for each of several
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [100, 10_000])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) series: Vec<u64>,
    /// Which build of the engine to measure
    #[arg(long, value_enum, default_value_t = EngineName::Both)]
    pub(crate) engine: EngineName,
    /// How often everything is measured; the engines take turns in being first
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Runs of each query in a round; a fifth of them for q6, q7 and the cold figures
    #[arg(long, value_name = "N", default_value_t = 25)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) repeat: u32,
    /// Measure these only: names of figures, or their first letters
    #[arg(long, value_name = "FIGURE,...", value_delimiter = ',')]
    pub(crate) figures: Vec<String>,
    /// Where to make the stores [default: the folder for temporary files]
    #[arg(long, value_name = "PATH")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the merged indexes where they are; stderr names the folder
    #[arg(long)]
    pub(crate) keep: bool,
    /// Page cache of each index, in MiB
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_048_576))]
    pub(crate) page_cache_mib: u64,
    /// Print JSON lines instead of a table
    #[arg(long, conflicts_with = "json_out")]
    pub(crate) json: bool,
    /// Write JSON lines to a file, besides the table on stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json_out: Option<PathBuf>,
}

/// `--engine`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// The WebAssembly component, as every other command runs it
    Component,
    /// The same code compiled natively, which shows what the sandbox costs
    Native,
    /// Each in turn
    Both,
}
