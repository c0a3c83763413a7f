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

/// Examples, and what needs explaining.
pub(crate) const HELP: &str = r#"Examples:
  sidx bench
  sidx bench --rows 100000 --series 100 --rounds 1
  sidx bench --dir /mnt/disk --figures ingest,merge,q --json-out figures.ndjson
  sidx bench --engine component --series 10000 --figures q3,q3-cold --json

Rows and queries are those of workload W1: the same on every machine. Every result is compared with
an answer that was computed without an index; a difference ends the command with exit code 1.

Figures:
  ingest-100 ingest-1000 ingest-10000   rows/s in batches of so many rows, with durability os and
              sync, and ingest-1000 also from 16 threads; making the rows is not in the time, making
              columns of them is, and the flushes and merges that the index does by itself
  columns-1000 columns-10000
              the same with columns that are ready when the clock starts, durability os
  flush       rows/s, a tenth of the rows from memory to a part
  merge       rows/s, ten parts into one
  size        bytes/row that the merged store takes on the disk
  open        us to open the merged index, whose files are in memory
  q1-asc q1-desc q2-asc q2-desc q3 q4 q5 q6 q7 q8
              us from building the query to having read its last row, everything in memory
  q1-asc-prepared ... q8-prepared
              the same of a query that was prepared, from giving it series, keys, limit and values
  q1-asc-cold ... q8-cold
              the same as q1-asc ... q8 for the first query of an index that was just opened, with
              its files dropped from the page cache of the operating system (Linux; elsewhere only
              that of sidx is cold)
A word of --figures that is no name stands for all names that begin with it.

The folder for temporary files is often in memory, which makes sync and cold figures meaningless:
name one on a disk with --dir. Stores are removed at the end.

Each JSON line is a figure of an engine: figure, series, rows, engine, unit, median, min, max,
samples; result_rows for queries; durability and writers for ingest; cpu_s, the CPU seconds of the
whole process, and peak_mib, the most memory that it had, for ingest and merge (Linux). Ingest has
up to a million rows ready, which take part of that."#;
