//! Everything at once: writers, readers that stream and count, flushes, merges, backups, reading handles
//! beside the writer, and reopening without a flush. Every result is held against what was acknowledged.
//!
//! `SIDX_STRESS_SECONDS=180` runs longer; both engines get half of the time.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed expectation here is a failed test"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::{Batch, Durability, Engine, Index, Query, Result, Store};
use sidx_tests::subject::Subject;

const WRITERS: usize = 4;
/// Between two of them the index is reopened.
const ROUND: Duration = Duration::from_secs(2);

/// How many batches of each writer a reader saw. A batch is seen whole or not at all, and never without
/// those that its writer wrote before.
type Seen = [u64; WRITERS];

/// What the writers did.
struct Ledger {
    /// Batches that were begun, and that were acknowledged.
    begun: [AtomicU64; WRITERS],
    acknowledged: [AtomicU64; WRITERS],
    /// First element id of each acknowledged batch.
    ids: [Mutex<Vec<u64>>; WRITERS],
    /// What readers saw, to be held against the order of ids in the end.
    snapshots: Mutex<Vec<Seen>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    changes: AtomicUsize,
    beside: AtomicUsize,
    backups: AtomicUsize,
}

impl Ledger {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Default::default(),
            acknowledged: Default::default(),
            ids: Default::default(),
            snapshots: Mutex::default(),
            counts: Counts::default(),
        })
    }

    fn acknowledged(&self) -> Seen {
        std::array::from_fn(|writer| self.acknowledged[writer].load(Ordering::SeqCst))
    }

    fn begun(&self) -> Seen {
        std::array::from_fn(|writer| self.begun[writer].load(Ordering::SeqCst))
    }

    /// Judges what a reader saw who began when `least` was acknowledged.
    fn judge(&self, least: Seen, seen: Seen) {
        let most = self.begun();
        for writer in 0..WRITERS {
            assert!(
                (least[writer]..=most[writer]).contains(&seen[writer]),
                "writer {writer}: {} batches are seen, {} were acknowledged before and {} begun",
                seen[writer],
                least[writer],
                most[writer]
            );
        }
        self.snapshots.lock().unwrap().push(seen);
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Every snapshot must be a prefix of all batches in the order of their element ids.
    fn judge_order(&self) {
        let ids: Vec<Vec<u64>> = self
            .ids
            .iter()
            .map(|ids| ids.lock().unwrap().clone())
            .collect();
        for ids in &ids {
            assert!(ids.is_sorted(), "element ids of one writer went back");
        }
        for seen in self.snapshots.lock().unwrap().drain(..) {
            let id =
                |writer: usize, at: u64| ids[writer].get(usize::try_from(at).unwrap()).copied();
            let newest = (0..WRITERS)
                .filter_map(|w| id(w, seen[w].checked_sub(1)?))
                .max();
            let oldest_missing = (0..WRITERS).filter_map(|w| id(w, seen[w])).min();
            if let (Some(newest), Some(missing)) = (newest, oldest_missing) {
                assert!(
                    newest < missing,
                    "{seen:?} has id {newest} and lacks {missing}"
                );
            }
        }
    }
}

/// Rows of the batch `number`: as many as it takes to make batches of different sizes.
fn rows_of(number: u64) -> u64 {
    1 + number % 7 * (1 + number % 3)
}

fn batch(writer: usize, number: u64) -> Batch {
    let mut batch = Batch::new();
    for at in 0..rows_of(number) {
        let payload = format!("{writer}:{number}:{at}");
        let row = batch.row(writer as u64, number as i64);
        let row = row.payload(&payload).tag("at", at as i64);
        row.tag("even", number.is_multiple_of(2)).add().unwrap();
    }
    batch
}

fn write(index: &Index, ledger: &Ledger, writer: usize, done: &AtomicBool) {
    let mut random = SmallRng::seed_from_u64(writer as u64);
    while !done.load(Ordering::Acquire) {
        let number = ledger.begun[writer].fetch_add(1, Ordering::SeqCst);
        let durability = match random.random_range(0..8) {
            0 => Durability::Sync,
            _ => Durability::Os,
        };
        let receipt = index.write_with(batch(writer, number), durability).unwrap();
        assert_eq!(u64::from(receipt.rows), rows_of(number));
        ledger.ids[writer].lock().unwrap().push(receipt.first_id);
        ledger.acknowledged[writer].fetch_add(1, Ordering::SeqCst);
        if random.random_ratio(1, 4) {
            thread::sleep(Duration::from_millis(random.random_range(0..5)));
        }
    }
}

/// Reads all rows in the order of the query and returns how many batches of each writer they are.
fn stream(query: Query, descending: bool, pause: Duration) -> Result<Seen> {
    let mut rows = Vec::new();
    for some in query.run()? {
        let some = some?;
        for at in 0..some.len() {
            let payload = String::from_utf8(some.payload(at).unwrap().to_vec()).unwrap();
            rows.push((some.keys()[at], some.series()[at], payload));
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    if descending {
        rows.reverse();
    }
    let mut seen = Seen::default();
    let mut rest = rows.as_slice();
    while let Some((key, series, _)) = rest.first() {
        let (number, writer) = (*key as u64, *series as usize);
        assert_eq!(
            number, seen[writer],
            "writer {writer} lacks a batch before {number}"
        );
        let (own, behind) = rest.split_at(rows_of(number).try_into().unwrap());
        for (at, row) in own.iter().enumerate() {
            assert_eq!(*row, (*key, *series, format!("{writer}:{number}:{at}")));
        }
        seen[writer] += 1;
        rest = behind;
    }
    Ok(seen)
}

fn read(index: &Index, ledger: &Ledger, seed: u64, done: &AtomicBool) {
    let mut random = SmallRng::seed_from_u64(seed);
    while !done.load(Ordering::Acquire) {
        let least = ledger.acknowledged();
        if random.random_ratio(1, 3) {
            count(index, ledger, least);
            continue;
        }
        let descending = random.random();
        let batch_rows = random.random_range(1..3000);
        let query = index.query().rows_per_batch(batch_rows);
        let query = if descending {
            query.descending()
        } else {
            query
        };
        // Between batches of few rows pauses would add up to minutes.
        let longest_us = if batch_rows < 300 { 1 } else { 300 };
        let pause = match random.random_range(0..longest_us) {
            0 => Duration::ZERO,
            micros => Duration::from_micros(micros),
        };
        let seen = stream(query, descending, pause).unwrap();
        ledger.judge(least, seen);
    }
}

/// Counts rows in two ways that must agree with some number of whole batches of one writer.
fn count(index: &Index, ledger: &Ledger, least: Seen) {
    let writer = 1;
    let rows = index.query().series_id(writer as u64).count().unwrap();
    let most = ledger.begun()[writer];
    let whole = |batches: u64| (0..batches).map(rows_of).sum::<u64>();
    assert!(
        (least[writer]..=most).any(|batches| whole(batches) == rows),
        "{rows} rows are not those of {} to {most} batches",
        least[writer]
    );
    let least_even: u64 = (0..least[writer]).filter(|n| n % 2 == 0).map(rows_of).sum();
    let even = index
        .query()
        .series_id(writer as u64)
        .filter("even = true")
        .count()
        .unwrap();
    assert!(
        even >= least_even,
        "{even} rows instead of at least {least_even}"
    );
    ledger.counts.reads.fetch_add(1, Ordering::Relaxed);
}

/// Flushes and merges.
fn keep(index: &Index, ledger: &Ledger, seed: u64, done: &AtomicBool) {
    let mut random = SmallRng::seed_from_u64(seed);
    while !done.load(Ordering::Acquire) {
        match random.random_range(0..10) {
            0..=5 => drop(index.flush().unwrap()),
            6..=7 => drop(index.merge().unwrap()),
            8 => drop(index.merge_all().unwrap()),
            _ => {
                let report = index.verify().unwrap();
                assert_eq!(report["ok"], true, "{report:#}");
            }
        }
        ledger.counts.changes.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(random.random_range(0..30)));
    }
}

/// Opens the index for reading beside the writer, which leaves what is read in its place.
fn read_beside(subject: &Subject, ledger: &Ledger, done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        let least = ledger.acknowledged();
        let index = subject.options().read_only().unwrap();
        let query = index.query().rows_per_batch(500);
        let seen = stream(query, false, Duration::ZERO).unwrap();
        ledger.judge(least, seen);
        ledger.counts.beside.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(10));
    }
}

/// Copies the index while it is written, and reads the copy.
fn back_up(subject: &Subject, ledger: &Ledger, done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        let least = ledger.acknowledged();
        let copies = Store::memory();
        subject.index().backup(&copies, "copy").unwrap();
        let copy = copies.index("copy").engine(subject.engine());
        let copy = copy.read_only().unwrap();
        let seen = stream(copy.query(), false, Duration::ZERO).unwrap();
        ledger.judge(least, seen);
        ledger.counts.backups.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
}

fn round(subject: &Subject, ledger: &Ledger, number: u64) {
    let done = AtomicBool::new(false);
    let index = subject.index();
    let done = &done;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || write(index, ledger, writer, done));
        }
        for reader in 0..3 {
            scope.spawn(move || read(index, ledger, number * 100 + reader, done));
        }
        scope.spawn(move || keep(index, ledger, number, done));
        scope.spawn(move || read_beside(subject, ledger, done));
        scope.spawn(move || back_up(subject, ledger, done));
        thread::sleep(ROUND);
        done.store(true, Ordering::Release);
    });
}

fn stress(engine: Engine, time: Duration) {
    let mut subject = Subject::create(engine);
    let ledger = Ledger::new();
    let end = Instant::now() + time;
    let mut number = 0;
    while number == 0 || Instant::now() < end {
        round(&subject, &ledger, number);
        number += 1;
        let least = ledger.acknowledged();
        assert_eq!(least, ledger.begun());
        subject.reopen();
        let seen = stream(subject.index().query(), false, Duration::ZERO).unwrap();
        ledger.judge(least, seen);
        ledger.judge_order();
        let rows: u64 = least
            .iter()
            .flat_map(|batches| (0..*batches).map(rows_of))
            .sum();
        subject.assert_sound(usize::try_from(rows).unwrap());
    }
    let Counts {
        reads,
        changes,
        beside,
        backups,
    } = &ledger.counts;
    println!(
        "{engine:?}: {number} rounds, {:?} batches, {reads:?} reads, {changes:?} changes, {beside:?} reads \
         beside, {backups:?} backups",
        ledger.acknowledged()
    );
}

#[test]
fn everything_at_once_shows_whole_prefixes_of_what_was_acknowledged() {
    let seconds = std::env::var("SIDX_STRESS_SECONDS");
    let seconds: u64 = seconds.map_or(5, |text| text.parse().unwrap());
    for engine in [Engine::Native, Engine::Component] {
        stress(engine, Duration::from_secs(seconds) / 2);
    }
}
