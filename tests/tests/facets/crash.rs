//! Crashes at any call of the file system: rows that died stay dead with what took their place, and live
//! where that is gone.
//!
//! Batches are in the log in order, so what is found after a crash must be what some first ones of them make,
//! with all among them that were promised to survive.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::DirectoryStore;
use sidx_host::{Durability, Engine, Index, Result, Store};
use sidx_tests::model::Row;
use sidx_tests::simulated_disk::{Crash, Fault, SimulatedDisk};
use sidx_tests::subject::{NAME, batch, latest};

use super::latest::{Latest, all_of, counted};

/// Crash points of one life.
const CRASHES: u32 = 12;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

struct Life {
    disk: SimulatedDisk,
    engine: Engine,
    index: Option<Index>,
    /// The batches that were begun, those of an earlier boot only as far as they survived.
    batches: Vec<Vec<Row>>,
    /// How many of them a kill leaves, and a loss of power.
    after_kill: usize,
    after_power: usize,
    /// Of rows that are not in `batches`.
    rows: u32,
}

impl Life {
    fn open(&mut self) -> Result<()> {
        let backend = Arc::new(DirectoryStore::on(self.disk.mount(), "/store"));
        let options = { Store::with_backend(backend).index(NAME) }
            .engine(self.engine)
            .flush_bytes(u64::MAX)
            .automatic_merge(false)
            .one_file_parts(self.rows % 2 == 1)
            .background(false);
        self.index = Some(latest(options).create()?);
        Ok(())
    }

    fn shown_by(&self, batches: usize) -> Latest {
        let mut shown = Latest::default();
        self.batches[..batches]
            .iter()
            .for_each(|batch| shown.write(batch));
        shown
    }

    /// How many of the first batches make what an index shows and counts.
    fn judge(&self, least: usize) -> Result<usize> {
        let index = self.index.as_ref().unwrap();
        let (found, counted) = (all_of(index)?, counted(index));
        let fits = |count: &usize| {
            let shown = self.shown_by(*count);
            (shown.all(), shown.died) == (found.clone(), counted)
        };
        let count = (least..=self.batches.len()).rev().find(fits);
        Ok(count.unwrap_or_else(|| {
            let all = self.shown_by(self.batches.len());
            let (batches, died) = (self.batches.len(), all.died);
            panic!(
                "at least {least} of {batches} batches: {found:?} and {counted} that died, not {:?} and {died}",
                all.all()
            );
        }))
    }

    fn step(&mut self, random: &mut SmallRng) -> Result<()> {
        if self.index.is_none() {
            self.open()?;
        }
        let index = self.index.clone().unwrap();
        match random.random_range(0..20) {
            0..12 => {
                let durability = match random.random() {
                    true => Durability::Sync,
                    false => Durability::Os,
                };
                let rows = self.rows(random);
                self.batches.push(rows.clone());
                index.write_with(batch(&rows)?, durability)?;
                self.after_kill = self.batches.len();
                if durability == Durability::Sync {
                    self.after_power = self.batches.len();
                }
            }
            12..16 => {
                index.flush()?;
                self.after_power = self.batches.len();
            }
            16 => drop(index.merge()?),
            17 | 18 => {
                index.merge_all()?;
                self.after_power = self.batches.len();
            }
            _ => {
                self.index = None;
                drop(index);
                self.open()?;
            }
        }
        self.judge(self.batches.len()).map(drop)
    }

    fn rows(&mut self, random: &mut SmallRng) -> Vec<Row> {
        let count = match random.random_range(0..8) {
            0 => random.random_range(10..40),
            _ => random.random_range(1..5),
        };
        self.rows += count;
        let row = |_| {
            let payload = format!("payload {}", random.random_range(0..30));
            Row::new(
                random.random_range(0..3),
                random.random_range(0..12),
                payload,
            )
            .tag("n", i64::from(random.random_range(0..5u8)))
        };
        (0..count).map(row).collect()
    }

    /// Lives on with calls that fail, one or all from some on, and opens the index again.
    fn suffer(&mut self, random: &mut SmallRng) {
        let fault = [Fault::Io, Fault::NoSpace, Fault::ShortWrite][random.random_range(0..3)];
        let call = self.disk.calls() + random.random_range(1..200);
        self.disk.fail_at(call, fault, random.random());
        for _ in 0..random.random_range(1..30) {
            let before = self.batches.len();
            // What fails may be there or not, and is judged when it is opened again.
            if self.step(random).is_err() {
                self.index = None;
                self.after_kill = self.after_kill.min(before);
                break;
            }
        }
        self.disk.calm();
        self.index = None;
        self.open()
            .unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
        let count = self.judge(self.after_kill).unwrap();
        self.batches.truncate(count);
        self.after_kill = count;
        self.after_power = self.after_power.min(count);
        let report = self.index.as_ref().unwrap().verify().unwrap();
        assert_eq!(report["ok"], true, "{fault:?}: {report:#}");
        self.assert_clean();
    }

    /// Starts the next machine after the end of the last, and finds out what is left.
    fn recover(&mut self, random: &mut SmallRng) {
        for attempt in 0.. {
            let crash = match random.random_bool(0.7) {
                true => Crash::Power,
                false => Crash::Kill,
            };
            self.disk.reboot(crash);
            self.index = None;
            let least = match crash {
                Crash::Power => self.after_power,
                Crash::Kill => self.after_kill,
            };
            self.after_kill = least;
            if attempt < 3 && random.random_bool(0.4) {
                self.disk.crash_at(random.random_range(1..120));
            }
            let judged = self.open().and_then(|()| self.judge(least));
            if self.disk.is_crashed() {
                continue;
            }
            let count = judged.unwrap_or_else(|error| panic!("recovery: {error}"));
            self.batches.truncate(count);
            self.after_kill = count;
            let index = self.index.as_ref().unwrap();
            self.disk.calm();
            let report = index.verify().unwrap();
            assert_eq!(report["ok"], true, "{report:#}");
            self.assert_clean();
            return;
        }
    }

    /// No file with dead rows is left of parts that are not there.
    fn assert_clean(&self) {
        let mut numbers: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        for (path, _) in self.disk.contents() {
            let Some(path) = path.strip_prefix("/store/subject/parts/") else {
                continue;
            };
            let name = path.split('/').next().unwrap();
            let number = name.split(['-', '.']).next().unwrap().to_owned();
            let (part, dead) = numbers.entry(number).or_default();
            match name.contains(".dead-") {
                true => *dead = true,
                false => *part = true,
            }
        }
        let parts = self.index.as_ref().unwrap().parts().unwrap();
        for (number, (part, dead)) in numbers.iter().filter(|(number, _)| !number.is_empty()) {
            let mut live = parts.as_array().unwrap().iter();
            assert!(live.any(|it| it["part"] == **number), "{number} was left");
            assert!(*part || !dead, "dead rows of {number} were left");
        }
    }
}

fn live(seed: u64, engine: Engine) {
    let told = Told(seed, engine);
    let mut random = SmallRng::seed_from_u64(seed);
    let mut life = Life {
        disk: SimulatedDisk::new(seed),
        engine,
        index: None,
        batches: Vec::new(),
        after_kill: 0,
        after_power: 0,
        rows: 0,
    };
    if variable("SIDX_FACETS_SEED").is_some() {
        life.disk.record();
    }
    for _ in 0..CRASHES {
        if random.random_bool(0.3) {
            life.suffer(&mut random);
        }
        let distance = 1 << random.random_range(0..10);
        life.disk
            .crash_at(life.disk.calls() + random.random_range(1..=distance));
        for _ in 0..random.random_range(1..40) {
            match life.step(&mut random) {
                Ok(()) => {}
                Err(_) if life.disk.is_crashed() => break,
                Err(error) => panic!("{error}"),
            }
        }
        life.recover(&mut random);
    }
    drop(told);
}

/// Names the seed of a failed life.
struct Told(u64, Engine);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "SIDX_FACETS_SEED={} repeats this life of the {:?} engine",
                self.0, self.1
            );
        }
    }
}

fn live_often(engine: Engine, lives: u64) {
    if let Some(seed) = variable("SIDX_FACETS_SEED") {
        return live(seed, engine);
    }
    let first = variable("SIDX_FACETS_FIRST").unwrap_or(1);
    let lives = variable("SIDX_FACETS_RUNS").unwrap_or(lives);
    (first..first + lives).for_each(|seed| live(seed, engine));
}

#[test]
fn no_crash_brings_a_row_back_or_takes_two() {
    live_often(Engine::Native, 60);
}

#[test]
fn no_crash_brings_a_row_back_or_takes_two_through_the_component() {
    live_often(Engine::Component, 6);
}

/// Tells what happened on the disk of a failed life that recorded it.
impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.disk
                .journal()
                .iter()
                .for_each(|line| eprintln!("{line}"));
        }
    }
}
