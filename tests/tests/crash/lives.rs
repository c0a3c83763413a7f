//! Random lives: random work, a crash at a random call, what is left after it, and again.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::Engine;
use sidx_host::storage::log::LogForm;
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::trial::{Setup, Step, Trial, random_count, random_durability};

/// Crash points of a life.
const CRASHES: u64 = 5;
/// Steps after which the machine ends in any case.
const STEPS: u32 = 40;
const THREADS: u64 = 2;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

fn random_step(random: &mut SmallRng) -> Step {
    let durability = random_durability(random);
    match random.random_range(0..100) {
        0..50 => Step::Write(random_count(random), durability),
        50..64 => Step::Flush,
        64..69 => Step::Merge,
        69..74 => Step::MergeAll,
        // From 12 on nothing stays.
        74..79 => Step::Drop(random.random_range(0..14)),
        79..84 => Step::Read,
        84..88 => Step::OpenReader,
        88..92 => Step::CloseReader,
        92..95 => Step::Reopen,
        95..98 => Step::Backup,
        _ => Step::Close,
    }
}

/// Works until the machine dies, at a call that is drawn, or after some steps.
fn work(trial: &mut Trial, random: &mut SmallRng) {
    // Small distances are as likely as large ones: they hit the first steps after a recovery.
    let distance = 1 << random.random_range(0..10);
    let call = trial.disk().calls() + random.random_range(1..=distance);
    trial.disk().crash_at(call);
    for _ in 0..random.random_range(1..STEPS) {
        let step = random_step(random);
        // So many small batches in a row that they are folded in memory.
        let times = match step {
            Step::Write(..) if random.random_ratio(1, 20) => random.random_range(16..40),
            _ => 1,
        };
        for _ in 0..times {
            match trial.step(step, random) {
                Ok(()) => {}
                Err(_) if trial.disk().is_crashed() => return,
                Err(error) => panic!("{step:?}: {error}"),
            }
        }
    }
}

fn random_crash(random: &mut SmallRng) -> Crash {
    if random.random_bool(0.75) {
        Crash::Power
    } else {
        Crash::Kill
    }
}

/// Recovers, maybe after crashes in the middle of it. Returns how many there were.
fn recover(trial: &mut Trial, random: &mut SmallRng) -> u64 {
    let mut crashes = 0;
    loop {
        trial.reboot(random_crash(random));
        crashes += 1;
        if crashes < 4 && random.random_bool(0.4) {
            trial.disk().crash_at(random.random_range(1..120));
        }
        let opened = trial.open().and_then(|()| trial.settle(random));
        match opened {
            _ if trial.disk().is_crashed() => {}
            Ok(()) => {
                // A crash that was drawn and did not come yet may still come.
                if !trial.disk().is_crashed() {
                    trial.disk().calm();
                    trial.assert_clean();
                }
                return crashes;
            }
            Err(error) => panic!("recovery: {error}"),
        }
    }
}

fn live(seed: u64, engine: Engine, log_form: LogForm) -> u64 {
    let told = Told(seed, engine, log_form);
    let mut random = SmallRng::seed_from_u64(seed);
    let setup = Setup {
        engine,
        flush_bytes: match random.random_range(0..3) {
            0 => random.random_range(500..20_000),
            _ => u64::MAX,
        },
        automatic_merge: random.random(),
        log_form,
    };
    let mut trial = Trial::new(SimulatedDisk::new(seed), setup);
    if variable("SIDX_SIM_SEED").is_some() {
        trial.disk().record();
    }
    let mut crashes = 0;
    while crashes < CRASHES {
        work(&mut trial, &mut random);
        crashes += recover(&mut trial, &mut random);
    }
    drop(told);
    crashes
}

/// Names the seed of a failed life.
struct Told(u64, Engine, LogForm);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Told(seed, engine, form) = self;
            eprintln!(
                "SIDX_SIM_SEED={seed} repeats this life of the {engine:?} engine with a {form:?} log and \
                 tells every call"
            );
        }
    }
}

/// Lives until there were that many crash points.
fn live_often(engine: Engine, log_form: LogForm, points: u64) {
    if let Some(seed) = variable("SIDX_SIM_SEED") {
        live(seed, engine, log_form);
        return;
    }
    let first = variable("SIDX_SIM_FIRST").unwrap_or(1);
    let (next, crashes) = (AtomicU64::new(first), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while crashes.load(Ordering::Relaxed) < points {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    crashes.fetch_add(live(seed, engine, log_form), Ordering::Relaxed);
                }
            });
        }
    });
    let lives = next.into_inner() - first;
    println!(
        "{engine:?}, {log_form:?} log: {} crash points in {lives} lives",
        crashes.into_inner()
    );
}

#[test]
fn no_life_loses_what_was_promised() {
    let points = variable("SIDX_SIM_RUNS").unwrap_or(2000);
    live_often(Engine::Native, LogForm::Growing, points);
}

#[test]
fn no_life_loses_what_was_promised_with_a_log_of_objects() {
    let points = variable("SIDX_SIM_RUNS").unwrap_or(1000);
    live_often(Engine::Native, LogForm::Whole, points);
}

#[test]
fn no_life_loses_what_was_promised_through_the_component() {
    let points = variable("SIDX_SIM_RUNS").map_or(100, |runs| (runs / 100).max(100));
    live_often(Engine::Component, LogForm::Growing, points);
}
