//! One measurement of workload W1 on one store.
//!
//! `peer --store lmdb --series 100 --dir /path/on/a/disk ingest --batch 1000`, then `compact` and `query`
//! on the same folder. Figures are JSON lines.

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use sidx_peers::figure::Figure;
use sidx_peers::kind::Kind;
use sidx_peers::measure::Peer;
use sidx_w1::Query;

#[derive(Parser)]
#[command(about = "Workload W1 on one store, as JSON lines")]
struct Arguments {
    /// The store
    #[arg(long, value_enum)]
    store: Kind,
    /// Series that the rows are spread over
    #[arg(long, default_value_t = 100)]
    series: u64,
    /// Rows of the workload
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Where the store is; must be empty for ingest
    #[arg(long)]
    dir: PathBuf,
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// Says whether this program can open the store
    Probe,
    /// Writes the rows
    Ingest {
        /// Rows of a batch
        #[arg(long, default_value_t = 1_000)]
        batch: u64,
    },
    /// Compacts what was written, and takes its size
    Compact,
    /// Opens what was written, and runs the queries
    Query {
        /// How often each query is measured
        #[arg(long, default_value_t = 25)]
        repeat: usize,
        /// Only these queries, as q1-asc,q3
        #[arg(long, value_delimiter = ',')]
        figures: Vec<String>,
    },
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let peer = Peer {
        kind: arguments.store,
        folder: &arguments.dir,
        series: arguments.series,
        rows: arguments.rows,
    };
    let figures = match arguments.measurement {
        Measurement::Probe if arguments.store.is_built() => Vec::new(),
        Measurement::Probe => return Err("this store is not built in".into()),
        Measurement::Ingest { batch } => {
            if arguments.dir.exists() && arguments.dir.read_dir()?.next().is_some() {
                return Err(format!("{} is not empty", arguments.dir.display()).into());
            }
            vec![peer.ingest(batch)?]
        }
        Measurement::Compact => peer.compact()?.into(),
        Measurement::Query { repeat, figures } => peer.query(&queries(&figures)?, repeat)?,
    };
    figures.iter().try_for_each(print)
}

fn queries(names: &[String]) -> Result<Vec<Query>, String> {
    if names.is_empty() {
        return Ok(Query::ALL.into());
    }
    let find = |name: &String| {
        let query = Query::ALL.into_iter().find(|query| query.name() == name);
        query.ok_or_else(|| format!("no query is named {name}"))
    };
    names.iter().map(find).collect()
}

fn print(figure: &Figure) -> Result<(), Box<dyn Error + Send + Sync>> {
    println!("{}", serde_json::to_string(figure)?);
    Ok(())
}
