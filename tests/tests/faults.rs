//! Calls of the file system that fail: every call of a fixed life, with every error, once and for good.
//!
//! `SIDX_SIM_STRIDE=n` tries every n-th call, in place of some; 1 tries all.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a failed expectation here is a failed test"
)]

use rand::SeedableRng;
use rand::rngs::SmallRng;
use sidx_host::storage::log::LogForm;
use sidx_host::{Durability, Engine, Error, ErrorKind};
use sidx_tests::simulated_disk::{Crash, Fault, SimulatedDisk};
use sidx_tests::trial::{Setup, Step, Trial};

/// Making an index, writing, flushing, merging, dropping, leaving, recovering.
const SCRIPT: [Step; 21] = [
    Step::Write(3, Durability::Sync),
    Step::Write(2, Durability::Os),
    Step::Read,
    Step::Flush,
    Step::Write(2, Durability::None),
    Step::Write(2, Durability::Sync),
    Step::OpenReader,
    Step::Flush,
    Step::MergeAll,
    Step::CloseReader,
    Step::Read,
    Step::Write(2, Durability::Os),
    Step::Reopen,
    Step::Write(1, Durability::Sync),
    Step::Flush,
    Step::Merge,
    Step::Backup,
    Step::Drop(5),
    Step::Write(2, Durability::Sync),
    Step::Close,
    Step::Read,
];

/// What came of the script.
struct Played {
    first_error: Option<(Step, Error)>,
    errors: u64,
    calls: u64,
}

/// Plays the script to its end, whatever fails.
fn play(trial: &mut Trial) -> Played {
    let mut random = SmallRng::seed_from_u64(7);
    let mut first_error = None;
    let mut errors = 0;
    for step in SCRIPT {
        if let Err(error) = trial.step(step, &mut random) {
            assert!(!error.message().is_empty());
            first_error.get_or_insert((step, error));
            errors += 1;
        }
    }
    Played {
        first_error,
        errors,
        calls: trial.disk().calls(),
    }
}

/// An error tells what the file system said, and never takes it for damage. Of a write that was appended it
/// may not be known whether that counts.
fn assert_told(step: Step, error: &Error, fault: Fault) {
    let kinds = match step {
        Step::Write(..) => [
            ErrorKind::Io,
            ErrorKind::ResourceExhausted,
            ErrorKind::Unknown,
        ],
        _ => [ErrorKind::Io, ErrorKind::ResourceExhausted, ErrorKind::Io],
    };
    assert!(kinds.contains(&error.kind()), "{step:?}: {error}");
    let cause = match fault {
        Fault::Io => "os error 5",
        Fault::NoSpace | Fault::ShortWrite => "disk is full",
        Fault::ReadOnly => "read-only",
    };
    let text = error.message().to_lowercase();
    assert!(text.contains(cause), "{step:?}: {error}");
}

/// A medium that was full once, or has room again, is no reason to open the index again.
fn go_on(trial: &mut Trial, played: &Played, lasts: bool) {
    if let Some((step, error)) = &played.first_error {
        assert_eq!(
            error.kind(),
            ErrorKind::ResourceExhausted,
            "{step:?}: {error}"
        );
    }
    assert!(lasts || played.errors <= 1, "{} errors", played.errors);
    trial.disk().calm();
    let mut random = SmallRng::seed_from_u64(8);
    for step in [
        Step::Write(2, Durability::Sync),
        Step::Flush,
        Step::Write(2, Durability::Os),
        Step::MergeAll,
        Step::Drop(3),
        Step::Write(1, Durability::Sync),
        Step::Read,
    ] {
        trial.step(step, &mut random).unwrap();
    }
}

/// The next machine finds what was promised, and the index works again.
fn recover(mut trial: Trial, crash: Crash, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    trial.reboot(crash);
    trial.open().unwrap();
    trial.settle(&mut random).unwrap();
    trial.assert_clean();
    for step in [
        Step::Write(2, Durability::Sync),
        Step::Flush,
        Step::Write(2, Durability::Sync),
        Step::MergeAll,
        Step::Read,
    ] {
        trial.step(step, &mut random).unwrap();
    }
}

fn fail_everywhere(setup: Setup, fault: Fault, lasts: bool, stride: u64) {
    let (mut call, mut points, mut refusals) = (1, 0, 0);
    loop {
        let disk = SimulatedDisk::new(call);
        disk.record();
        disk.fail_at(call, fault, lasts);
        let mut trial = Trial::new(disk, setup);
        let played = play(&mut trial);
        let Some(struck) = trial.disk().struck() else {
            assert!(played.calls > 300, "only {} calls", played.calls);
            assert!(played.first_error.is_none());
            break;
        };
        if let Some((step, error)) = &played.first_error {
            assert_told(*step, error, fault);
            refusals += 1;
        }
        if matches!(fault, Fault::NoSpace | Fault::ShortWrite) {
            go_on(&mut trial, &played, lasts);
        }
        recover(trial.fork(call), Crash::Kill, call);
        recover(trial.fork(call + 1), Crash::Power, call);
        points += 1;
        // Calls that the fault can't concern were passed over.
        call = struck + stride;
    }
    assert!(refusals > 0, "no call told of the fault");
    println!("{setup:?}, {fault:?}, lasts {lasts}: {points} calls failed, {refusals} errors");
}

fn fail_all(fault: Fault) {
    let stride = std::env::var("SIDX_SIM_STRIDE").map_or(11, |text| text.parse().unwrap());
    for lasts in [false, true] {
        let native = Setup::manual(Engine::Native);
        fail_everywhere(native, fault, lasts, stride);
        fail_everywhere(
            native.with_log(LogForm::Whole),
            fault,
            lasts,
            stride * 2 - 1,
        );
        fail_everywhere(Setup::manual(Engine::Component), fault, lasts, stride * 10);
    }
}

#[test]
fn a_medium_that_does_not_answer() {
    fail_all(Fault::Io);
}

#[test]
fn a_full_medium() {
    fail_all(Fault::NoSpace);
}

#[test]
fn a_write_that_takes_half() {
    fail_all(Fault::ShortWrite);
}

#[test]
fn a_medium_that_becomes_read_only() {
    fail_all(Fault::ReadOnly);
}
