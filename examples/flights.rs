//! Loads the departures from New York in January 2013 and asks for the 20 most delayed United flights
//! from Newark, then again after flush, merge and reopening.

use std::io::Read;
use std::time::Instant;

use anyhow::Context;
use sidx_host::{Batch, Index, Row, Store};

const BATCH_ROWS: usize = 5_000;

fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    println!("Store: {} (removed at the end)", directory.path().display());

    let started = Instant::now();
    let store = Store::open(&directory.path().to_string_lossy())?;
    let index = store.index("delays").create()?;
    let (written, skipped) = load(&index)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("Loaded {written} flights in {seconds:.2} s; skipped {skipped} that never departed.");

    println!("\nThe 20 most delayed United departures from Newark:\n");
    let before = print_most_delayed(&index)?;

    index.flush()?;
    index.merge_all()?;
    index.close()?;
    let index = store.index("delays").open()?;
    println!(
        "\nFlushed, merged, closed and opened again: {} part(s).",
        index.parts()?.as_array().map_or(0, Vec::len)
    );
    let after = most_delayed(&index)?;
    println!(
        "The same question gives the same answer: {}.",
        before == keys(&after)
    );
    Ok(())
}

/// Reads the file and writes its rows: series = carrier, key = delay in minutes.
fn load(index: &Index) -> anyhow::Result<(u64, u64)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/flights-2013-01.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|field| field == name)
            .context("no such column")
    };
    let (carrier, delay) = (column("carrier")?, column("dep_delay")?);
    let (origin, dest, flight) = (column("origin")?, column("dest")?, column("flight")?);
    let (tail, time) = (column("tailnum")?, column("time_hour")?);

    let (mut written, mut skipped) = (0, 0);
    let mut batch = Batch::new();
    for record in reader.records() {
        let record = record?;
        if record[delay].is_empty() {
            skipped += 1;
            continue;
        }
        let minutes = record[delay].parse::<f64>()? as i64;
        let mut row = batch
            .row(&record[carrier], minutes)
            .payload(&record[time])
            .tag("origin", &record[origin])
            .tag("dest", &record[dest])
            .tag("flight", record[flight].parse::<i64>()?);
        if !record[tail].is_empty() {
            row = row.tag("tailnum", &record[tail]);
        }
        row.add()?;
        if batch.len() == BATCH_ROWS {
            written += u64::from(index.write(std::mem::take(&mut batch))?.rows);
        }
    }
    if !batch.is_empty() {
        written += u64::from(index.write(batch)?.rows);
    }
    Ok((written, skipped))
}

fn most_delayed(index: &Index) -> anyhow::Result<Vec<Row>> {
    let mut cursor = index
        .query()
        .series("UA")
        .filter(r#"origin = "EWR""#)
        .descending()
        .limit(20)
        .run()?;
    Ok(cursor.rows().collect::<Result<_, _>>()?)
}

fn keys(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|row| row.key).collect()
}

fn print_most_delayed(index: &Index) -> anyhow::Result<Vec<i64>> {
    let started = Instant::now();
    let rows = most_delayed(index)?;
    let elapsed = started.elapsed();
    println!(
        "{:>7}  {:<6}  {:<6}  {:<4}  {:<8}  hour",
        "minutes", "flight", "origin", "dest", "tail"
    );
    for row in &rows {
        let text = |name| {
            row.tag(name)
                .map_or(String::from("-"), |value| value.to_string())
        };
        println!(
            "{:>7}  {:<6}  {:<6}  {:<4}  {:<8}  {}",
            row.key,
            text("flight"),
            text("origin"),
            text("dest"),
            text("tailnum"),
            String::from_utf8_lossy(row.payload.as_deref().unwrap_or_default())
        );
    }
    println!(
        "\n{} rows in {:.2} ms.",
        rows.len(),
        elapsed.as_secs_f64() * 1e3
    );
    Ok(keys(&rows))
}

#[test]
fn the_example_holds() -> anyhow::Result<()> {
    main()
}
