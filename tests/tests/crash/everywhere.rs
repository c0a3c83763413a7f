//! One fixed life, ended at every single call.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use sidx_host::{Durability, Engine};
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::trial::{Setup, Step, Trial};

/// Everything that changes an index, each before and after the others.
const SCRIPT: [Step; 26] = [
    Step::Write(3, Durability::Sync),
    Step::Write(2, Durability::Os),
    Step::Write(2, Durability::None),
    Step::Flush,
    Step::Write(2, Durability::Os),
    Step::Write(1, Durability::Os),
    Step::Write(40, Durability::Os),
    Step::Write(2, Durability::Sync),
    Step::OpenReader,
    Step::Flush,
    Step::Write(1, Durability::Os),
    Step::MergeAll,
    Step::CloseReader,
    Step::Write(2, Durability::Os),
    Step::Reopen,
    Step::Write(2, Durability::None),
    Step::Write(3, Durability::Sync),
    Step::Flush,
    Step::Write(1, Durability::Os),
    Step::Flush,
    Step::Merge,
    Step::Drop(4),
    Step::Write(2, Durability::None),
    Step::Close,
    Step::Write(2, Durability::Os),
    Step::Read,
];

/// Plays the script until it ends or the machine does.
fn play(trial: &mut Trial, random: &mut SmallRng) {
    for step in SCRIPT {
        match trial.step(step, random) {
            Ok(()) => {}
            Err(_) if trial.disk().is_crashed() => return,
            Err(error) => panic!("{step:?}: {error}"),
        }
    }
}

/// Recovers, checks, goes on, and once more.
fn live_on(mut trial: Trial, crash: Crash, random: &mut SmallRng) {
    for step in [Step::Write(2, Durability::Sync), Step::MergeAll] {
        trial.reboot(crash);
        trial.open().unwrap();
        trial.settle(random).unwrap();
        trial.assert_clean();
        trial.step(step, random).unwrap();
    }
    trial.reboot(Crash::Power);
    trial.open().unwrap();
    trial.settle(random).unwrap();
    trial.assert_clean();
}

fn crash_everywhere(engine: Engine, stride: u64, survivors: u64) {
    let mut points = 0;
    for call in (1..).step_by(stride as usize) {
        let disk = SimulatedDisk::new(call);
        disk.record();
        disk.crash_at(call);
        let mut trial = Trial::new(disk, Setup::manual(engine));
        play(&mut trial, &mut SmallRng::seed_from_u64(7));
        if !trial.disk().is_crashed() {
            assert!(call > 300, "the script makes only {call} calls");
            break;
        }
        let last = trial.disk().journal().pop().unwrap_or_default();
        let told = Told(format!("crash at call {last}"));
        live_on(
            trial.fork(call),
            Crash::Kill,
            &mut SmallRng::seed_from_u64(call),
        );
        for seed in 0..survivors {
            let fork = trial.fork(call * 1000 + seed);
            live_on(fork, Crash::Power, &mut SmallRng::seed_from_u64(seed));
        }
        points += 1 + survivors;
        drop(told);
    }
    println!("{engine:?}: {points} crash points");
}

/// Names the crash point of a failed test.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[test]
fn a_crash_at_any_call_loses_nothing_that_was_promised() {
    crash_everywhere(Engine::Native, 1, 4);
}

#[test]
fn a_crash_at_some_calls_loses_nothing_through_the_component() {
    crash_everywhere(Engine::Component, 29, 2);
}
