//! `kill -9` of the command at random moments: while it ingests, flushes and merges.
//!
//! After each kill the store is opened again. All acknowledged rows must be there, of the others whole
//! batches only, in the order they were sent, and a full check must be clean. Then the same store goes
//! on. When a kill strikes decides only what is tested, never the outcome.
//!
//! `SIDX_KILLS=300` for more kills than the default, `SIDX_KILL_SEED=N` for other moments.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in the functions that its tests share"
)]

mod random_stops;
mod real_bucket;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use random_stops::{Dice, number};
use real_bucket::{LEASE_TEXT, Real};
use serde_json::Value;
use sidx_host::{Engine, Index, Store};
use tempfile::TempDir;

const INDEX: &str = "i";
/// Kills of one store before the next one begins, so that checks stay quick.
const KILLS_PER_STORE: u32 = 20;
/// Rows with the same key: their order shows the order of arrival.
const ROWS_PER_KEY: u64 = 64;
/// No lease is as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, and what must be in it.
struct Place {
    home: Home,
    /// Rows that are there for sure: all rows are numbered, from 0.
    rows: u64,
}

/// How often what was struck.
#[derive(Debug, Default)]
struct Struck {
    ingesting: u32,
    flushing: u32,
    merging: u32,
    /// The command had ended by itself.
    late: u32,
    /// A part was written but not yet named.
    unnamed_parts: u32,
    /// Rows were there that nobody had been told of.
    unacknowledged: u32,
    acknowledged_rows: u64,
}

/// Where a store is.
enum Home {
    Directory(TempDir),
    Bucket(Real),
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        Place {
            home: Home::Directory(directory),
            rows: 0,
        }
    }

    fn store(&self) -> PathBuf {
        match &self.home {
            Home::Directory(directory) => directory.path().join("store"),
            Home::Bucket(real) => PathBuf::from(&real.address),
        }
    }

    fn open(&self) -> Store {
        match &self.home {
            Home::Directory(_) => Store::open(self.store().to_str().expect("UTF-8")),
            Home::Bucket(real) => Ok(real.store()),
        }
        .expect("a place")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = random_stops::command(name, &self.store());
        if matches!(self.home, Home::Bucket(_)) {
            command.env("SIDX_S3_LEASE", LEASE_TEXT);
        }
        command
    }

    /// Kills an ingest of `rows` rows; without a number of rows there is no end of them.
    fn kill_ingest(&mut self, dice: &mut Dice, struck: &mut Struck, rows: Option<u64>) {
        let batch = 1 + dice.below(40);
        let durability = ["os", "sync"][dice.below(2) as usize];
        let mut command = self.command("ingest");
        command
            .args(["-", "--index", INDEX, "--format", "ndjson", "--ack"])
            .args(["--batch", &batch.to_string(), "--durability", durability])
            .stdin(Stdio::piped());
        let mut child = command.spawn().expect("sidx starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let first = self.rows;
        let feeding = thread::spawn(move || {
            for row in (first..).take(rows.unwrap_or(u64::MAX) as usize) {
                // The pipe breaks with the kill.
                if stdin.write_all(line(row).as_bytes()).is_err() {
                    return;
                }
            }
        });
        let first_byte = dice.below(3) > 0;
        let (out, was_alive) = strike(child, dice, first_byte);
        feeding.join().expect("fed until the pipe broke");
        let acknowledged = acknowledged(&out);
        struck.acknowledged_rows += acknowledged;
        match (was_alive, rows) {
            (false, _) => struck.late += 1,
            (true, Some(rows)) if acknowledged == rows => struck.flushing += 1,
            (true, _) => struck.ingesting += 1,
        }
        let index = self.reopen(struck);
        let found = self.check(&index);
        assert!(
            found >= first + acknowledged,
            "{acknowledged} rows were acknowledged, {} are there",
            found - first
        );
        let whole = (found - first).is_multiple_of(batch) || rows == Some(found - first);
        assert!(whole, "{} rows of batches of {batch}", found - first);
        struck.unacknowledged += u32::from(found > first + acknowledged);
        self.rows = found;
    }

    /// Kills a flush or merge, which changes no row.
    fn kill_upkeep(&mut self, dice: &mut Dice, struck: &mut Struck, arguments: &[&str]) {
        let mut command = self.command(arguments[0]);
        command.args(["--index", INDEX]).args(&arguments[1..]);
        let (_, was_alive) = strike(command.spawn().expect("sidx starts"), dice, false);
        match (was_alive, arguments[0]) {
            (false, _) => struck.late += 1,
            (true, "flush") => struck.flushing += 1,
            (true, _) => struck.merging += 1,
        }
        let index = self.reopen(struck);
        assert_eq!(self.check(&index), self.rows, "rows changed");
    }

    /// Opens the index for writing, as the next user of it would.
    fn reopen(&self, struck: &mut Struck) -> Index {
        struck.unnamed_parts += u32::from(self.has_unnamed_part());
        let store = self.open();
        let begun = Instant::now();
        loop {
            let index = store.index(INDEX).engine(Engine::Native);
            match index.automatic_merge(false).create() {
                // Who was killed holds it no longer than it says.
                Err(error) if error.message().contains("lease") && begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(20));
                }
                opened => {
                    return opened.expect("a kill leaves nothing that stops the next writer");
                }
            }
        }
    }

    /// Checks all rows and files, and returns the number of rows.
    fn check(&self, index: &Index) -> u64 {
        let report = index.verify().expect("a report");
        assert_eq!(report["ok"], true, "{report:#}");
        let mut found = 0;
        for row in index.query().run().expect("a cursor").rows() {
            let row = row.expect("a row");
            assert_eq!(row.key as u64, found / ROWS_PER_KEY, "row {found}");
            let payload = row.payload.unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&payload), payload_of(found));
            assert_eq!(row.label.as_deref(), Some("s"));
            found += 1;
        }
        assert_eq!(index.query().count().expect("a count"), found);
        found
    }

    fn has_unnamed_part(&self) -> bool {
        let index = self.store().join(INDEX);
        let names = |path: &Path| -> BTreeSet<String> {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        };
        let newest = names(&index)
            .into_iter()
            .rfind(|name| name.ends_with(".snapshot"));
        let named = newest.map_or_else(String::new, |name| {
            fs::read_to_string(index.join(name)).unwrap_or_default()
        });
        names(&index.join("parts"))
            .iter()
            .any(|part| !named.contains(part.as_str()))
    }
}

fn payload_of(row: u64) -> String {
    format!("payload {row} {}", "x".repeat(row as usize % 50))
}

fn line(row: u64) -> String {
    let (key, payload) = (row / ROWS_PER_KEY, payload_of(row));
    format!(
        "{{\"series\":\"s\",\"key\":{key},\"tags\":{{\"n\":{row},\"t\":\"tag {row}\"}},\"payload\":\"{payload}\"}}\n"
    )
}

/// Kills a command a little after its start, or after it first said something; returns what it said,
/// and whether it was still there.
fn strike(mut child: Child, dice: &mut Dice, after_first_byte: bool) -> (Vec<u8>, bool) {
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut out = Vec::new();
    if after_first_byte {
        let mut byte = [0];
        if stdout.read_exact(&mut byte).is_ok() {
            out.push(byte[0]);
        }
    }
    thread::sleep(Duration::from_micros(dice.below(120_000)));
    let was_alive = child.try_wait().expect("its state").is_none();
    child.kill().expect("killed, or ended before");
    stdout.read_to_end(&mut out).expect("what it said");
    let ended = child.wait_with_output().expect("ended");
    if !was_alive {
        let err = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{err}");
    }
    (out, was_alive)
}

/// The last whole acknowledgement.
fn acknowledged(out: &[u8]) -> u64 {
    let out = String::from_utf8_lossy(out);
    let whole = out.rfind('\n').map_or("", |end| &out[..end]);
    let lines = whole.lines().rev();
    let mut counts = lines.filter_map(|line| {
        serde_json::from_str::<Value>(line).expect("a JSON line")["acknowledged"].as_u64()
    });
    counts.next().unwrap_or(0)
}

#[test]
fn acknowledged_rows_survive_kills() {
    let kills = number("SIDX_KILLS", 10) as u32;
    kill_often(kills, || Some(Place::new()));
}

/// On a service that the environment names, see `real_bucket`.
#[test]
fn acknowledged_rows_in_a_bucket_survive_kills() {
    let kills = number("SIDX_KILLS", 8) as u32;
    kill_often(kills, || {
        let home = Home::Bucket(Real::find("kills")?);
        Some(Place { home, rows: 0 })
    });
}

fn kill_often(kills: u32, new: impl Fn() -> Option<Place>) {
    let mut dice = Dice(number("SIDX_KILL_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let Some(mut place) = new() else {
        return;
    };
    let mut struck = Struck::default();
    for kill in 0..kills {
        if kill % KILLS_PER_STORE == KILLS_PER_STORE - 1 {
            place = new().expect("there was one");
        }
        // The first kill of a store makes the index, so that there is one to flush.
        match if place.rows == 0 { 0 } else { dice.below(6) } {
            0 | 1 => place.kill_ingest(&mut dice, &mut struck, None),
            // One that comes to its end, which is a flush and perhaps a merge.
            2 | 3 => {
                let rows = 1 + dice.below(400);
                place.kill_ingest(&mut dice, &mut struck, Some(rows));
            }
            4 => place.kill_upkeep(&mut dice, &mut struck, &["flush"]),
            _ => place.kill_upkeep(&mut dice, &mut struck, &["merge", "--all"]),
        }
    }
    println!("{struck:?}");
}
