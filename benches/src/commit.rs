//! Group commit: how much writing gets faster when many threads share appends and syncs.
//!
//! `cargo run --release --package sidx-benches --bin commit -- --directory /path/on/a/disk`. Every round
//! measures one writer and many in turn, so that both see the same machine; all rows are counted at the
//! end.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::Parser;
use sidx_benches::spread::Spread;
use sidx_host::{Batch, Durability, Index, Store};

#[derive(Parser)]
#[command(about = "Rate of small writes by one thread and by many")]
struct Arguments {
    /// Where the store is made; a temporary directory by default
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Threads that write at once
    #[arg(long, default_value_t = 16)]
    writers: u32,
    /// Rows of one batch
    #[arg(long, default_value_t = 10)]
    rows: i64,
    /// Milliseconds of one measurement
    #[arg(long, default_value_t = 1_000)]
    window_ms: u64,
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let directory = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(&directory.path().to_string_lossy())?;
    for durability in [Durability::Sync, Durability::Os] {
        let name = format!("{durability:?}").to_lowercase();
        let index = store.index(&name).create()?;
        let (mut one, mut many, mut ratio) =
            (Spread::default(), Spread::default(), Spread::default());
        let mut written = 0;
        for _ in 0..arguments.rounds {
            let alone = measure(&index, durability, 1, &arguments)?;
            let together = measure(&index, durability, arguments.writers, &arguments)?;
            written += alone.batches + together.batches;
            one.push(alone.rate());
            many.push(together.rate());
            ratio.push(together.rate() / alone.rate());
        }
        let rows = index.query().count()?;
        if rows != written * arguments.rows as u64 {
            bail!("{rows} rows are there, {written} batches were written");
        }
        let counters = index.health().counters;
        println!(
            "{name}: 1 writer {:.0} batches/s, {} writers {:.0} batches/s, ratio {:.1} ({:.1} to {:.1}); \
             {} batches in {} appends and {} syncs",
            one.median(),
            arguments.writers,
            many.median(),
            ratio.median(),
            ratio.min(),
            ratio.max(),
            counters.log_batches,
            counters.log_appends,
            counters.log_syncs
        );
    }
    Ok(())
}

struct Measured {
    batches: u64,
    seconds: f64,
}

impl Measured {
    fn rate(&self) -> f64 {
        self.batches as f64 / self.seconds
    }
}

fn measure(
    index: &Index,
    durability: Durability,
    writers: u32,
    arguments: &Arguments,
) -> anyhow::Result<Measured> {
    let window = Duration::from_millis(arguments.window_ms);
    let start = Instant::now();
    let batches = thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                scope
                    .spawn(move || write(index, durability, writer, arguments.rows, start + window))
            })
            .collect();
        let mut sum = 0;
        for thread in threads {
            sum += thread.join().map_err(|_| anyhow!("a writer panicked"))??;
        }
        anyhow::Ok(sum)
    })?;
    Ok(Measured {
        batches,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Writes batches until the end of the window and returns how many.
fn write(
    index: &Index,
    durability: Durability,
    writer: u32,
    rows: i64,
    end: Instant,
) -> sidx_host::Result<u64> {
    let mut batches = 0;
    while Instant::now() < end {
        let mut batch = Batch::new();
        for key in 0..rows {
            batch
                .row(sidx_host::Series::id(u64::from(writer)), key)
                .payload(b"a payload of thirty-two bytes...")
                .add()?;
        }
        index.write_with(batch, durability)?;
        batches += 1;
    }
    Ok(batches)
}
