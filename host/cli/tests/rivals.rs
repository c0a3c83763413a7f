//! Processes that write one index at the same time, because the lock between them was taken away, and are
//! stopped, woken up and killed at random moments; readers look on. Two of them in a directory, sixteen in a
//! bucket, some of which keep to the lease.
//!
//! Nothing that was acknowledged may be lost, nothing may be there twice, nothing that a reader was
//! shown may be gone in the end, of all batches only whole ones may be there, and a full check must
//! be clean. When a signal strikes decides only what is tested, never the outcome.
//!
//! `SIDX_RIVALS_SECONDS=60` for longer than the default, `SIDX_RIVALS_SEED=N` for other moments.
//! `SIDX_RIVALS_LOCK=1` leaves the lock where it is: what fails then is not the doing of a second
//! writer. `SIDX_RACE_SECONDS=600` for a longer race in the bucket, which needs a service, see `real_bucket`;
//! `SIDX_RACE_PAUSE_MS=0` for one without a pause before each batch.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in the functions that its tests share"
)]

#[path = "rivals/process.rs"]
mod process;
#[path = "rivals/race.rs"]
mod race;
mod random_stops;
mod real_bucket;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use process::{CONFLICT, Process, feed, listen, payload_of};
use random_stops::{Dice, number};
use real_bucket::{LEASE, LEASE_TEXT, Real};
use sidx_host::{Engine, ErrorKind, Index, IndexBuilder, Store};
use tempfile::TempDir;

const INDEX: &str = "i";
const WRITERS: u64 = 2;
/// Before each batch in a bucket. Each commit there is an object, which every opening reads until it is
/// flushed.
const RACE_PAUSE_MS: u64 = 100;

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn sleep(&mut self, most_ms: u64) {
        thread::sleep(Duration::from_micros(self.below(most_ms * 1_000)));
    }
}

/// One load by one process. Its rows have a series of their own and are numbered.
struct Load {
    series: String,
    batch: u64,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    /// Its input paused, so that not all batches have as many rows.
    is_uneven: AtomicBool,
    /// It ended with a conflict: what was not acknowledged was refused.
    is_refused: AtomicBool,
    /// Rows that some reader was shown.
    shown: AtomicU64,
}

/// Where the store is.
enum Ground {
    Directory(TempDir),
    Bucket(Real),
}

/// The place, and what was done to it.
struct Arena {
    ground: Ground,
    end: Instant,
    has_lock: bool,
    has_failed: AtomicBool,
    loads: Mutex<Vec<Arc<Load>>>,
    journal: Mutex<Vec<String>>,
    begun: Instant,
    /// How commands ended, and what readers were told.
    ends: Mutex<BTreeMap<String, u64>>,
}

/// What happened, when a test fails.
impl Drop for Arena {
    fn drop(&mut self) {
        if thread::panicking() {
            for line in self.journal.lock().expect("not poisoned").iter() {
                eprintln!("{line}");
            }
        }
    }
}

impl Arena {
    fn new(ground: Ground, seconds: u64) -> Arena {
        Arena {
            ground,
            end: Instant::now() + Duration::from_secs(seconds),
            has_lock: number("SIDX_RIVALS_LOCK", 0) > 0,
            has_failed: AtomicBool::new(false),
            loads: Mutex::default(),
            journal: Mutex::default(),
            begun: Instant::now(),
            ends: Mutex::default(),
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end || self.has_failed.load(Ordering::SeqCst)
    }

    /// Works on a thread of its own; where one fails, all end.
    fn act(&self, work: impl FnOnce(&Arena)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) {
            self.has_failed.store(true, Ordering::SeqCst);
            resume_unwind(panic);
        }
    }

    fn store(&self) -> PathBuf {
        match &self.ground {
            Ground::Directory(directory) => directory.path().join("store"),
            Ground::Bucket(real) => PathBuf::from(&real.address),
        }
    }

    fn options(&self) -> IndexBuilder {
        let store = match &self.ground {
            Ground::Directory(_) => Store::open(self.store().to_str().expect("UTF-8")),
            Ground::Bucket(real) => Ok(real.store()),
        };
        let store = store.expect("a place");
        store.index(INDEX).engine(Engine::Native).manual()
    }

    fn note(&self, text: String) {
        let at = self.begun.elapsed().as_micros();
        let mut journal = self.journal.lock().expect("not poisoned");
        journal.push(format!("{at:>9} us {text}"));
    }

    fn count(&self, end: String) {
        let mut ends = self.ends.lock().expect("not poisoned");
        *ends.entry(end).or_default() += 1;
    }

    fn command(&self, name: &str) -> Command {
        let mut command = random_stops::command(name, &self.store());
        command.env("SIDX_S3_LEASE", LEASE_TEXT);
        command
    }

    /// Takes the lock away: who holds it holds a file without a name from now on.
    fn unlock(&self) {
        if self.has_lock {
            return;
        }
        if let Ground::Bucket(real) = &self.ground {
            return real.unlock();
        }
        let mut folders = vec![self.store().join(INDEX)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name() == "lock" {
                    // The other may be taking it away as well.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// Of those in a bucket half keep to the lease.
    fn unlock_as_drawn(&self, dice: &mut Dice) {
        if matches!(self.ground, Ground::Directory(_)) || dice.below(2) == 0 {
            self.unlock();
        }
    }

    /// One process after another, each without a lock.
    fn rival(&self, writer: u64, dice: &mut Dice) {
        let mut round = 0;
        while !self.is_over() {
            round += 1;
            let name = format!("w{writer}.{round}");
            match dice.below(if self.is_bucket() { 4 } else { 8 }) {
                0 => self.maintain(&name, dice, &["flush"]),
                1 => self.maintain(&name, dice, &["merge", "--all"]),
                _ => self.load(&name, dice),
            }
        }
    }

    fn maintain(&self, name: &str, dice: &mut Dice, arguments: &[&str]) {
        let mut command = self.command(arguments[0]);
        command.args(["--index", INDEX]).args(&arguments[1..]);
        self.unlock_as_drawn(dice);
        self.note(format!("{name}: {arguments:?}"));
        let mut process = Process::start(self, name, command);
        process.disturb(dice);
        process.end();
    }

    fn load(&self, name: &str, dice: &mut Dice) {
        let load = Arc::new(Load {
            series: name.to_owned(),
            batch: 1 + dice.below(30),
            sent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            is_uneven: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            shown: AtomicU64::new(0),
        });
        self.loads
            .lock()
            .expect("not poisoned")
            .push(Arc::clone(&load));
        let durability = ["os", "sync"][dice.below(2) as usize];
        let mut command = self.command("ingest");
        command
            .args(["-", "--index", INDEX, "--format", "ndjson", "--ack"])
            .args(["--batch", &load.batch.to_string()])
            .args(["--durability", durability])
            .stdin(Stdio::piped());
        self.unlock_as_drawn(dice);
        self.note(format!("{name}: a load, {durability}"));
        let mut process = Process::start(self, name, command);
        let is_fed = AtomicBool::new(true);
        let pause = Duration::from_millis(match self.is_bucket() {
            true => number("SIDX_RACE_PAUSE_MS", RACE_PAUSE_MS),
            false => 2,
        });
        let ended = thread::scope(|scope| {
            let stdin = process.child.stdin.take().expect("a pipe");
            let stdout = process.child.stdout.take().expect("a pipe");
            scope.spawn(|| feed(&load, stdin, &is_fed, pause));
            let listening = scope.spawn(|| listen(&load, stdout));
            process.disturb(dice);
            is_fed.store(false, Ordering::SeqCst);
            let ended = process.end();
            listening.join().expect("it says what it wrote");
            ended
        });
        // An error whose outcome is not known has the same code, and another name in the text.
        let (status, err) = ended;
        let is_refused = status.code() == Some(CONFLICT) && err.contains("`conflict: ");
        load.is_refused.store(is_refused, Ordering::SeqCst);
        let acknowledged = load.acknowledged.load(Ordering::SeqCst);
        self.note(format!("{name}: {acknowledged} rows acknowledged"));
    }

    /// Looks at the index over and over.
    fn watch(&self, dice: &mut Dice) {
        while !self.is_over() {
            dice.sleep(60);
            let needed = self.acknowledged();
            let index = match self.options().read_only() {
                Ok(index) => index,
                Err(error) => {
                    self.note(format!("a reader: {error}"));
                    self.count(format!("a reader: {}", error.kind().name()));
                    assert_ne!(error.kind(), ErrorKind::Corrupt, "{error}");
                    continue;
                }
            };
            self.count("a reader: ok".to_owned());
            // A reader that stays sees the same.
            for _ in 0..=dice.below(2) {
                match rows(&index) {
                    Ok(found) => self.judge(&needed, &found, "a reader"),
                    // Its pin may be given up on a machine that is too busy to renew it.
                    Err(error) => {
                        self.note(format!("a reader: {error}"));
                        self.count(format!("a reader's rows: {}", error.kind().name()));
                        let is_bucket = matches!(self.ground, Ground::Bucket(_));
                        assert!(is_bucket && error.kind() == ErrorKind::Conflict, "{error}");
                    }
                }
                dice.sleep(40);
            }
        }
    }

    /// Rows that were acknowledged, load by load.
    fn acknowledged(&self) -> Vec<(Arc<Load>, u64)> {
        let loads = self.loads.lock().expect("not poisoned");
        let counted = loads.iter().map(|load| {
            let acknowledged = load.acknowledged.load(Ordering::SeqCst);
            (Arc::clone(load), acknowledged)
        });
        counted.collect()
    }

    fn judge(&self, needed: &[(Arc<Load>, u64)], found: &BTreeMap<String, u64>, who: &str) {
        for (load, needed) in needed {
            let there = found.get(&load.series).copied().unwrap_or(0);
            let series = &load.series;
            assert!(
                there >= *needed,
                "{who}: {needed} rows of {series} are acknowledged, {there} are there"
            );
        }
        let loads = self.acknowledged();
        for (series, there) in found {
            let load = loads.iter().find(|(load, _)| load.series == *series);
            let (load, _) = load.expect("a series that was loaded");
            let sent = load.sent.load(Ordering::SeqCst);
            let is_uneven = load.is_uneven.load(Ordering::SeqCst);
            let is_whole = is_uneven || there.is_multiple_of(load.batch) || *there == sent;
            assert!(
                is_whole,
                "{who}: {there} rows of {series}, batches of {}",
                load.batch
            );
            load.shown.fetch_max(*there, Ordering::SeqCst);
        }
    }

    /// What is there when no process is left.
    fn judge_end(&self) {
        let loads = self.acknowledged();
        for round in 0..3 {
            let who = ["a reader in the end", "a writer in the end"][round % 2];
            let index = match round {
                1 => self.open_in_the_end(),
                _ => self.options().read_only().expect("it opens"),
            };
            let report = index.verify().expect("a report");
            assert_eq!(report["ok"], true, "{who}: {report:#}");
            let found = rows(&index).expect("all rows");
            self.judge(&loads, &found, who);
            for (load, acknowledged) in &loads {
                let there = found.get(&load.series).copied().unwrap_or(0);
                let shown = load.shown.load(Ordering::SeqCst);
                let series = &load.series;
                assert!(there >= shown, "{who}: {shown} rows of {series} were shown");
                if load.is_refused.load(Ordering::SeqCst) {
                    assert_eq!(there, *acknowledged, "{who}: refused rows of {series}");
                }
            }
        }
    }
}

/// How many rows each series has, which are those that were sent first, each once.
fn rows(index: &Index) -> sidx_host::Result<BTreeMap<String, u64>> {
    let mut keys: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for row in index.query().run()?.rows() {
        let row = row?;
        let series = row.label.expect("a label").to_string();
        let payload = row.payload.unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(&payload),
            payload_of(row.key as u64)
        );
        let is_new = keys.entry(series).or_default().insert(row.key);
        assert!(is_new, "row {} is there twice", row.key);
    }
    let counted = keys.into_iter().map(|(series, keys)| {
        let count = keys.len() as u64;
        let last = keys.last().copied().unwrap_or(-1);
        assert_eq!(
            last as u64 + 1,
            count,
            "rows of {series} are missing in between"
        );
        (series, count)
    });
    Ok(counted.collect())
}

#[test]
fn two_processes_without_a_lock_lose_nothing() {
    let seed = number("SIDX_RIVALS_SEED", 1);
    println!("SIDX_RIVALS_SEED={seed}");
    let directory = tempfile::tempdir().expect("a directory");
    let seconds = number("SIDX_RIVALS_SECONDS", 6);
    let arena = Arena::new(Ground::Directory(directory), seconds);
    run(&arena, WRITERS, seed);
}

/// Lets processes write until the time is up, and judges what is there then.
fn run(arena: &Arena, writers: u64, seed: u64) {
    drop(arena.options().create().expect("a new index"));
    thread::scope(|scope| {
        for writer in 0..writers {
            let mut dice = Dice::new(seed * (writers + 2) + writer);
            scope.spawn(move || arena.act(|arena| arena.rival(writer, &mut dice)));
        }
        let mut dice = Dice::new(seed * (writers + 2) + writers);
        scope.spawn(move || arena.act(|arena| arena.watch(&mut dice)));
    });
    arena.judge_end();
    let ends = arena.ends.lock().expect("not poisoned");
    let acknowledged: u64 = arena.acknowledged().iter().map(|(_, rows)| rows).sum();
    println!("{acknowledged} rows acknowledged; {ends:#?}");
}
