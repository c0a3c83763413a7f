//! Long scans: how much memory a streamed one takes as the index grows, and how soon one ends that is
//! cancelled from another thread.
//!
//! `cargo run --release --package sidx-benches --bin scan -- load /tmp/s --rows 1000000`, then
//! `... -- memory /tmp/s` and `... -- cancel /tmp/s`. Memory is the greatest resident size of a process
//! that does nothing else, so each figure needs a run of its own.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::{Parser, Subcommand, ValueEnum};
use sidx_benches::spread::Spread;
use sidx_benches::w1::{Generator, batch};
use sidx_host::{CancelToken, Durability, Engine, ErrorKind, Index, Store};

#[derive(Parser)]
#[command(about = "Memory of long scans, and how soon they can be stopped")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// Which build of the engine runs
    #[arg(long, global = true, value_enum, default_value_t = EngineName::Component)]
    engine: EngineName,
    /// MiB of pages that are kept
    #[arg(long, global = true, default_value_t = 16)]
    page_cache_mib: u64,
}

#[derive(Subcommand)]
enum Task {
    /// Fill a new store with rows of W1
    Load {
        store: String,
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        #[arg(long, default_value_t = 100)]
        series: u64,
        /// Leave the parts as the flushes made them, each of this many MiB
        #[arg(long)]
        parts_mib: Option<u64>,
    },
    /// Read every row with all its columns, and print the greatest resident size
    Memory {
        store: String,
        /// Stop after about so many rows; the first batches already open all that a scan ever needs
        #[arg(long, default_value_t = u64::MAX)]
        rows: u64,
    },
    /// Cancel counts, queries and a merge at random moments, and print how long they went on
    Cancel {
        store: String,
        #[arg(long, default_value_t = 200)]
        rounds: u32,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    Component,
    Native,
}

const NAME: &str = "w1";
/// A pattern that no prefix or literal makes cheap, over 260,000 different values.
const REGEX: &str =
    r#"peer ~ "^10\\.(\\d+)\\.\\d*[13579]\\..*[02468]:\\d+7$" or endpoint ~ "(a|e)+source-.*9$""#;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.task {
        Task::Load {
            store,
            rows,
            series,
            parts_mib,
        } => load(&arguments, store, *rows, *series, *parts_mib),
        Task::Memory { store, rows } => memory(&arguments, store, *rows),
        Task::Cancel { store, rounds } => cancel(&arguments, store, *rounds),
    }
}

fn open(arguments: &Arguments, store: &str) -> anyhow::Result<Index> {
    let engine = match arguments.engine {
        EngineName::Component => Engine::Component,
        EngineName::Native => Engine::Native,
    };
    let builder = Store::open(store)?.index(NAME).engine(engine);
    Ok(builder
        .page_cache_bytes(arguments.page_cache_mib << 20)
        .automatic_merge(false)
        .create()?)
}

fn load(
    arguments: &Arguments,
    store: &str,
    rows: u64,
    series: u64,
    parts_mib: Option<u64>,
) -> anyhow::Result<()> {
    let index = open(arguments, store)?;
    let generator = Generator::new(series);
    let part_bytes = parts_mib.unwrap_or(64) << 20;
    const BATCH: u64 = 10_000;
    for first in (0..rows).step_by(BATCH as usize) {
        let count = BATCH.min(rows - first);
        index.write_with(batch(&generator, first, count)?, Durability::None)?;
        if index.health().memory.used_bytes >= part_bytes {
            index.flush()?;
        }
    }
    index.flush()?;
    if parts_mib.is_none() {
        index.merge_all()?;
    }
    let stats = index.stats()?;
    println!("{} rows in {} parts", stats["rows"], stats["parts"]);
    Ok(())
}

fn memory(arguments: &Arguments, store: &str, most: u64) -> anyhow::Result<()> {
    let index = open(arguments, store)?;
    let before = resident_mib()?;
    let (mut rows, start) = (0u64, Instant::now());
    let mut last = i64::MIN;
    for batch in index.query().run()? {
        let batch = batch?;
        rows += batch.len() as u64;
        for key in batch.keys() {
            if *key < last {
                bail!("the keys do not ascend");
            }
            last = *key;
        }
        if rows >= most {
            break;
        }
    }
    let health = index.health();
    println!(
        "{rows} rows in {:.1} s: resident before {before} MiB, greatest {} MiB, linear memory {} MiB, \
         page cache {} of {} MiB",
        start.elapsed().as_secs_f64(),
        resident_mib()?,
        health.instances.idle_memory_bytes >> 20,
        health.page_cache.bytes >> 20,
        health.page_cache.capacity_bytes >> 20,
    );
    Ok(())
}

/// The greatest resident size of this process so far.
fn resident_mib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmHWM")?.parse::<u64>()? >> 10)
}

type Work = fn(&Index, CancelToken) -> sidx_host::Result<()>;

const WORK: [(&str, Work); 4] = [
    ("count with a regex", |index, token| {
        index.query().filter(REGEX).cancel(token).count().map(drop)
    }),
    ("query with a regex", |index, token| {
        let mut cursor = index.query().filter(REGEX).cancel(token).run()?;
        cursor.try_for_each(|rows| rows.map(drop))
    }),
    (
        "scan of everything, 65,536 rows at a time",
        |index, token| {
            let mut cursor = index.query().rows_per_batch(1 << 16).cancel(token).run()?;
            cursor.try_for_each(|rows| rows.map(drop))
        },
    ),
    ("verify", |index, token| {
        index.maintain().cancel(token).verify().map(drop)
    }),
];

fn cancel(arguments: &Arguments, store: &str, rounds: u32) -> anyhow::Result<()> {
    let index = open(arguments, store)?;
    println!("{} rows", index.stats()?["rows"]);
    for (name, work) in WORK {
        let start = Instant::now();
        work(&index, CancelToken::new())?;
        let whole = start.elapsed();
        let mut spread = Spread::default();
        let mut sorted = Vec::new();
        for round in 0..rounds {
            // Spread evenly over the run, in no order.
            let at = whole.mul_f64(f64::from(round * 7919 % rounds) / f64::from(rounds) * 0.9);
            if let Some(late) = latency(&index, work, at)? {
                spread.push(late.as_secs_f64() * 1e3);
                sorted.push(late);
            }
        }
        sorted.sort();
        let p99 = sorted
            .get(sorted.len() * 99 / 100)
            .copied()
            .unwrap_or_default();
        println!(
            "{name}: whole {:.2} s; {} cancelled, after p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            whole.as_secs_f64(),
            sorted.len(),
            spread.median(),
            p99.as_secs_f64() * 1e3,
            spread.max(),
        );
    }
    Ok(())
}

/// How long the work goes on after it was cancelled; none when it had ended before.
fn latency(index: &Index, work: Work, at: Duration) -> anyhow::Result<Option<Duration>> {
    let (token, begun) = (CancelToken::new(), AtomicBool::new(false));
    let (cancelled, ended, result) = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            begun.store(true, Ordering::Release);
            let result = work(index, token.clone());
            (Instant::now(), result)
        });
        while !begun.load(Ordering::Acquire) {
            thread::yield_now();
        }
        thread::sleep(at);
        let cancelled = Instant::now();
        token.cancel();
        let (ended, result) = worker.join().map_err(|_| anyhow!("the worker panicked"))?;
        anyhow::Ok((cancelled, ended, result))
    })?;
    match result {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            Ok(Some(ended.saturating_duration_since(cancelled)))
        }
        Err(error) => Err(error.into()),
    }
}
