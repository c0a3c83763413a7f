//! One fixed life, ended at every single call.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use sidx_host::storage::log::LogForm;
use sidx_host::{Durability, Engine};
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::trial::{Setup, Step, Trial};

/// Everything that changes an index, each before and after the others.
const SCRIPT: [Step; 35] = [
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
    Step::Backup,
    Step::Drop(4),
    Step::Write(2, Durability::None),
    Step::Backup,
    Step::Close,
    Step::Write(2, Durability::Os),
    // Several parts: some go whole, some are rewritten, and rows in memory are flushed.
    Step::Flush,
    Step::Write(5, Durability::Os),
    Step::Flush,
    Step::Write(2, Durability::Os),
    Step::Drop(9),
    Step::Write(2, Durability::Os),
    Step::Drop(12),
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

/// The machine is killed while it recovers from a kill, at every change, and then the power goes.
fn crash_again_everywhere(trial: &Trial, points: &mut u64) {
    for change in 1.. {
        for comes_about in [false, true] {
            let mut fork = trial.fork(change);
            let mut random = SmallRng::seed_from_u64(change);
            fork.reboot(Crash::Kill);
            fork.disk().crash_at_change(change, comes_about);
            let opened = fork.open().and_then(|()| fork.settle(&mut random));
            if !fork.disk().is_crashed() {
                return opened.unwrap();
            }
            for seed in 0..3 {
                let mut fork = fork.fork(change * 10 + seed);
                fork.reboot(Crash::Power);
                fork.open().unwrap();
                fork.settle(&mut random).unwrap();
                fork.assert_clean();
                *points += 1;
            }
        }
    }
}

/// Ends the script at every change, which leaves all that an end at any call could leave.
fn crash_everywhere(setup: Setup, stride: u64, survivors: u64, again: u64) {
    let mut points = 0;
    for change in (1..).step_by(stride as usize) {
        for comes_about in [false, true] {
            let disk = SimulatedDisk::new(change);
            disk.record();
            disk.crash_at_change(change, comes_about);
            let mut trial = Trial::new(disk, setup);
            play(&mut trial, &mut SmallRng::seed_from_u64(7));
            if !trial.disk().is_crashed() {
                assert!(change > 200, "the script makes only {change} changes");
                println!("{setup:?}: {points} crash points");
                return;
            }
            let fork = trial.fork(change);
            live_on(fork, Crash::Kill, &mut SmallRng::seed_from_u64(change));
            for seed in 0..survivors {
                let fork = trial.fork(change * 1000 + seed);
                live_on(fork, Crash::Power, &mut SmallRng::seed_from_u64(seed));
            }
            points += 1 + survivors;
            if again > 0 && change % again == 0 {
                crash_again_everywhere(&trial, &mut points);
            }
        }
    }
}

/// `SIDX_SIM_SURVIVORS=n`: every change, that many outcomes of each power loss, and crashes during
/// every recovery.
fn survivors() -> Option<u64> {
    let text = std::env::var("SIDX_SIM_SURVIVORS").ok()?;
    Some(text.parse().unwrap())
}

#[test]
fn a_crash_at_any_call_loses_nothing_that_was_promised() {
    match survivors() {
        Some(survivors) => crash_everywhere(Setup::manual(Engine::Native), 1, survivors, 1),
        None => crash_everywhere(Setup::manual(Engine::Native), 3, 1, 60),
    }
}

#[test]
fn a_crash_at_any_call_loses_nothing_of_a_log_of_objects() {
    let setup = Setup::manual(Engine::Native).with_log(LogForm::Whole);
    match survivors() {
        Some(survivors) => crash_everywhere(setup, 1, survivors, 1),
        None => crash_everywhere(setup, 5, 1, 100),
    }
}

#[test]
fn a_crash_at_some_calls_loses_nothing_through_the_component() {
    crash_everywhere(
        Setup::manual(Engine::Component),
        40,
        survivors().unwrap_or(1),
        0,
    );
}
