//! Writers, openers, readers, repairs, drops and copies of one index that no lock keeps apart: each sleeps
//! before every call of the storage, while others go on, and some die there. In some runs calls fail.
//!
//! `SIDX_SLEEPERS_RUNS=n` makes n random runs in place of the default, `SIDX_SLEEPERS_SEED=n`
//! repeats the one that a failure named, and prints its steps, `SIDX_SLEEPERS_FIRST=n` begins with
//! another seed.
//! `SIDX_SLEEPERS_ALL=1` goes on after a failure, and tells each kind once, by its shortest run.
//! `SIDX_SLEEPERS_STRIDE=n` tries every n-th place to sleep at, and every n-th call to fail, in place of
//! some; 1 tries all.

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

#[path = "protocol/branches.rs"]
mod branches;
#[path = "protocol/chance.rs"]
mod chance;
#[path = "protocol/drops.rs"]
mod drops;
#[path = "protocol/failures.rs"]
mod failures;
#[path = "protocol/openers.rs"]
mod openers;
#[path = "protocol/readers.rs"]
mod readers;
#[path = "protocol/writers.rs"]
mod writers;

use sidx_host::Durability;
use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::play::{Log, Played, play_script, play_script_with_pins};
use sidx_tests::sleepers::stage::Verb;
use sidx_tests::sleepers::task::{Part, Task};

const WRITE: Task = Task::Write(2, Durability::Os);
const WRITE_SYNC: Task = Task::Write(2, Durability::Sync);

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

/// An actor that takes no lock and leaves the index after the first error.
fn part(name: &str, tasks: &[Task]) -> Part {
    Part {
        name: name.to_owned(),
        tasks: tasks.to_vec(),
        patience: 0,
        takes_lock: false,
    }
}

/// Who opens the index in a way, and does with it what a program does.
fn worker(name: &str, opening: Task) -> Part {
    let tasks = [
        opening,
        WRITE,
        Task::Flush,
        WRITE_SYNC,
        Task::MergeAll,
        WRITE,
        Task::Read,
        Task::Leave,
    ];
    part(name, &tasks)
}

/// Until a change of the log, the `nth` from here on: an append, or an object of its own.
fn log_change(nth: u32) -> Until {
    let mut left = nth;
    Until::About(Box::new(move |step| {
        let is_change = matches!(step.verb, Verb::Append | Verb::Finish | Verb::Put);
        if is_change && step.path.starts_with("log/") {
            left -= 1;
        }
        left == 0
    }))
}

/// Until something is about to be removed, the `nth` time from here on.
fn removal(nth: u32) -> Until {
    let mut left = nth;
    Until::About(Box::new(move |step| {
        if matches!(step.verb, Verb::Remove | Verb::RemoveObject | Verb::Swap) {
            left -= 1;
        }
        left == 0
    }))
}

/// Until an epoch is about to be published.
fn publication() -> Until {
    Until::call(Verb::Put, ".snapshot", 1)
}

/// Plays a script over and over, in which one actor sleeps before its first step, its second, and
/// so on, to its end; every `stride`th only.
fn sweep(
    what: &str,
    log: Log,
    cast: &[Part],
    sleeper: usize,
    stride: u64,
    script: impl Fn(u64) -> Vec<(usize, Until)>,
) {
    let stride = variable("SIDX_SLEEPERS_STRIDE").unwrap_or(stride).max(1);
    let mut at = 1;
    loop {
        let played = play_script(log, cast, script(at), at);
        let what = format!("{what}, {log:?} log, asleep before step {at}");
        if played.expect(&what).steps_of[sleeper] < at {
            return;
        }
        at += stride;
    }
}

/// As [`sweep`], where pins that were not renewed for so many steps are given up, of either kind of log.
fn sweep_with_pins(
    what: &str,
    cast: &[Part],
    sleeper: usize,
    patience: u64,
    script: impl Fn(u64) -> Vec<(usize, Until)>,
) {
    for log in [Log::Growing, Log::Whole] {
        let mut at = 1;
        loop {
            let played = play_script_with_pins(log, cast, script(at), at, patience);
            let what = format!("{what}, {log:?} log, asleep before step {at}");
            if played.expect(&what).steps_of[sleeper] < at {
                break;
            }
            at += 1;
        }
    }
}

/// Plays one script.
#[track_caller]
fn scene(what: &str, log: Log, cast: &[Part], script: Vec<(usize, Until)>) -> Played {
    play_script(log, cast, script, 0).expect(&format!("{what}, {log:?} log"))
}
