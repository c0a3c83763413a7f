//! Workload W1 on sidx and on its peers side by side, in the same run.
//!
//! Every measurement is a process of its own; the engines take turns. See README.md.

mod bars;
mod cells;
mod engines;
mod report;
mod run;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use sidx_peers::figure::Figure;

use cells::Cells;
use engines::Engine;

/// Results of this program.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Workload W1 on sidx and its peers, with their ratios")]
struct Arguments {
    /// The sidx program; without it only the peers are measured
    #[arg(long)]
    sidx: Option<PathBuf>,
    /// A Python that can import duckdb and pyarrow
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The program that measures DuckDB
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/duckdb_w1.py"))]
    duckdb_script: PathBuf,
    /// The folder of `peer` and `w1-rows` [default: the one of this program]
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Who takes part
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// Rows of the workload
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Series that the rows are spread over; everything is measured for each of several
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10_000])]
    series: Vec<u64>,
    /// Rows of a batch
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    batches: Vec<u64>,
    /// How often the rows are written; each engine and batch in turn
    #[arg(long, default_value_t = 2)]
    ingest_rounds: u32,
    /// How often the queries are run; each engine in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Runs of each query in a round; a fifth of them for q6 and q7
    #[arg(long, default_value_t = 25)]
    repeat: u32,
    /// Where the stores are made, on the disk to measure; what it makes there is removed
    #[arg(long, default_value = "w1-stores")]
    dir: PathBuf,
    /// Gets all figures as JSON lines
    #[arg(long, default_value = "w1.jsonl")]
    lines: PathBuf,
    /// Gets the tables
    #[arg(long, default_value = "w1.md")]
    table: PathBuf,
    /// Measure nothing, and make the tables from the lines of former runs
    #[arg(long, value_delimiter = ',')]
    read: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut cells = Cells::default();
    let mut failures = Vec::new();
    if arguments.read.is_empty() {
        failures = run::all(&arguments, &mut cells)?;
    }
    for path in &arguments.read {
        for line in fs::read_to_string(path)?.lines() {
            cells.add(serde_json::from_str::<Figure>(line)?);
        }
    }
    let text = report::markdown(&cells);
    fs::write(&arguments.table, &text)?;
    println!("{text}");
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.join("\n").into())
}
