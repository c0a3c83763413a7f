//! The price of the sandbox: the same work through the component and through the native build of the
//! same engine, in turn, in one process, with every result compared.
//!
//! `cargo run --release --package sidx-benches --bin sandbox`

use std::time::Instant;

use anyhow::bail;
use clap::Parser;
use sidx_benches::spread::Spread;
use sidx_benches::w1::{Generator, batch};
use sidx_host::{Durability, Engine, Index, Store};

#[derive(Parser)]
#[command(about = "Component against native engine, on workload W1")]
struct Arguments {
    /// Rows to load
    #[arg(long, default_value_t = 500_000)]
    rows: u64,
    /// Series that the rows are spread over
    #[arg(long, default_value_t = 100)]
    series: u64,
    /// Rows of a batch
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// How often everything is done with each engine
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Parts that the merge takes in.
const PARTS: u64 = 10;
/// How often a query is repeated in a round.
const REPETITIONS: usize = 15;

const FIGURES: [(&str, &str); 6] = [
    ("ingest, durability os", "rows/s"),
    ("merge of 10 parts", "rows/s"),
    ("top 20 of one series", "us"),
    ("one series, keys 100..=300, status = 500", "us"),
    ("keys 900..=920 over all series", "us"),
    ("count status = 500, 3 endpoints", "us"),
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let engines = [Engine::Component, Engine::Native];
    let mut figures = [
        vec![Spread::default(); FIGURES.len()],
        vec![Spread::default(); FIGURES.len()],
    ];
    for round in 0..arguments.rounds {
        let mut answers = Vec::new();
        for turn in 0..2 {
            // Each engine is first in every other round.
            let which = (round + turn) % 2;
            eprintln!(
                "round {} of {}: {:?}",
                round + 1,
                arguments.rounds,
                engines[which]
            );
            answers.push(measure(&arguments, engines[which], &mut figures[which])?);
        }
        if answers[0] != answers[1] {
            bail!("the engines give different answers");
        }
    }
    print(&figures);
    Ok(())
}

/// Does everything once with an engine; returns what must be equal for both.
fn measure(
    arguments: &Arguments,
    engine: Engine,
    figures: &mut [Spread],
) -> anyhow::Result<Vec<i64>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(&directory.path().to_string_lossy())?;
    let index = store
        .index("w1")
        .engine(engine)
        .durability(Durability::Os)
        .flush_bytes(u64::MAX)
        .automatic_merge(false)
        .create()?;
    let generator = Generator::new(arguments.series);
    let mut seconds = 0.0;
    let mut first = 0;
    while first < arguments.rows {
        let count = arguments.batch.min(arguments.rows - first);
        let rows = batch(&generator, first, count)?;
        let started = Instant::now();
        index.write(rows)?;
        first += count;
        if first % (arguments.rows / PARTS).max(1) < arguments.batch {
            index.flush()?;
        }
        seconds += started.elapsed().as_secs_f64();
    }
    figures[0].push(arguments.rows as f64 / seconds);
    index.flush()?;
    let started = Instant::now();
    index.merge_all()?;
    figures[1].push(arguments.rows as f64 / started.elapsed().as_secs_f64());

    let mut answers = vec![index.query().count()? as i64];
    for (query, figure) in (0..4).zip(2..) {
        for _ in 0..REPETITIONS {
            let started = Instant::now();
            let answer = ask(&index, query)?;
            figures[figure].push(started.elapsed().as_secs_f64() * 1e6);
            answers.push(answer);
        }
    }
    index.close()?;
    Ok(answers)
}

/// Asks one of the queries; the answer is a sum of keys, or a count.
fn ask(index: &Index, query: usize) -> anyhow::Result<i64> {
    let all = index.query();
    let cursor = match query {
        0 => all.series_id(42).descending().limit(20).run()?,
        1 => {
            let one = all.series_id(42).keys(100..=300).filter("status = 500");
            one.descending().limit(100).run()?
        }
        2 => all.keys(900..=920).run()?,
        _ => {
            let list =
                r#"("/api/v1/resource-017", "/api/v1/resource-042", "/api/v1/resource-133")"#;
            let filter = format!("status = 500 and endpoint in {list}");
            return Ok(all.filter(filter).count()? as i64);
        }
    };
    let mut sum = 0;
    for rows in cursor {
        sum += rows?.keys().iter().sum::<i64>();
    }
    Ok(sum)
}

fn print(figures: &[Vec<Spread>; 2]) {
    println!(
        "{:<42} {:>10} {:>12} {:>12} {:>7}",
        "figure", "unit", "component", "native", "ratio"
    );
    let [component, native] = figures;
    for (index, (name, unit)) in FIGURES.iter().enumerate() {
        let (component, native) = (&component[index], &native[index]);
        // Above 1: the component is slower.
        let ratio = match *unit {
            "us" => component.median() / native.median(),
            _ => native.median() / component.median(),
        };
        println!(
            "{name:<42} {unit:>10} {:>12.1} {:>12.1} {ratio:>7.2}",
            component.median(),
            native.median()
        );
        let line = serde_json::json!({
            "figure": name, "unit": unit, "ratio": ratio,
            "component": [component.min(), component.median(), component.max()],
            "native": [native.min(), native.median(), native.max()],
        });
        println!("{line}");
    }
}
