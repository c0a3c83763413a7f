//! Openings that meet.

use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::play::Log;
use sidx_tests::sleepers::task::{Part, Task};

use crate::{WRITE, WRITE_SYNC, part, publication, scene, sweep};

/// Somebody who was there before: a part, rows in the log, and no clean close if it is killed in
/// its pause.
fn earlier() -> Part {
    let tasks = [
        Task::Create,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Pause,
        WRITE_SYNC,
        Task::Leave,
    ];
    part("earlier", &tasks)
}

const EARLIER: usize = 0;
const SLEEPER: usize = 1;
const OTHER: usize = 2;

/// What the earlier one leaves: a closed index, one that it was killed over, or one that it still
/// has open and writes to in the end.
#[derive(Clone, Copy, Debug)]
enum Before {
    Closed,
    Killed,
    Open,
}

impl Before {
    const ALL: [Before; 3] = [Before::Closed, Before::Killed, Before::Open];

    fn script(self) -> Vec<(usize, Until)> {
        match self {
            Before::Closed => vec![(EARLIER, Until::End)],
            Before::Killed => vec![(EARLIER, Until::pause()), (EARLIER, Until::Death)],
            Before::Open => vec![(EARLIER, Until::pause())],
        }
    }

    /// The script with these lines behind it.
    fn then(self, lines: impl IntoIterator<Item = (usize, Until)>) -> Vec<(usize, Until)> {
        let mut script = self.script();
        script.extend(lines);
        script
    }
}

fn opener(name: &str) -> Part {
    let tasks = [Task::Open, WRITE, Task::Read, Task::Leave];
    part(name, &tasks)
}

fn worker(name: &str) -> Part {
    crate::worker(name, Task::Open)
}

#[test]
fn of_two_openers_one_sleeps_before_each_of_its_steps() {
    for (log, before) in each() {
        for other in [opener("other"), worker("other")] {
            let cast = [earlier(), opener("sleeper"), other];
            sweep(&format!("{before:?}"), log, &cast, SLEEPER, 1, |at| {
                let lines = [(SLEEPER, Until::step(at)), (OTHER, Until::End)];
                before.then(lines)
            });
        }
    }
}

#[test]
fn two_openers_sleep_in_turn() {
    for (log, before) in each() {
        let cast = [earlier(), opener("sleeper"), opener("other")];
        for other_at in (2..60).step_by(4) {
            let what = format!("{before:?}, the other asleep before step {other_at}");
            sweep(&what, log, &cast, SLEEPER, 3, |at| {
                before.then([
                    (SLEEPER, Until::step(at)),
                    (OTHER, Until::step(other_at)),
                    (SLEEPER, Until::End),
                    (OTHER, Until::End),
                ])
            });
        }
    }
}

#[test]
fn an_opener_dies_at_each_of_its_steps() {
    for (log, before) in each() {
        let cast = [earlier(), opener("sleeper"), worker("other")];
        sweep(&format!("{before:?}"), log, &cast, SLEEPER, 1, |at| {
            before.then([
                (SLEEPER, Until::step(at)),
                (SLEEPER, Until::Death),
                (OTHER, Until::End),
            ])
        });
    }
}

#[test]
fn an_opener_dies_while_another_sleeps() {
    for (log, before) in each() {
        let cast = [earlier(), opener("sleeper"), opener("other")];
        for dies_at in [4, 8, 12, 16, 20, 24, 28, 32] {
            let what = format!("{before:?}, the other dies at step {dies_at}");
            sweep(&what, log, &cast, SLEEPER, 3, |at| {
                before.then([
                    (SLEEPER, Until::step(at)),
                    (OTHER, Until::step(dies_at)),
                    (OTHER, Until::Death),
                    (SLEEPER, Until::End),
                ])
            });
        }
    }
}

#[test]
fn two_openers_choose_the_same_number() {
    for (log, before) in each() {
        for first in [SLEEPER, OTHER] {
            let cast = [earlier(), worker("one"), worker("two")];
            let script = before.then([
                (SLEEPER, publication()),
                (OTHER, publication()),
                (first, Until::End),
            ]);
            let played = scene(&format!("{before:?}"), log, &cast, script);
            assert!(played.batches[0] >= 3 + 2, "{:?}", played.batches);
        }
    }
}

/// Three openers of whom each has listed the epochs before any publishes one.
#[test]
fn three_openers_choose_the_same_number() {
    for log in Log::ALL {
        let cast = [earlier(), opener("one"), opener("two"), opener("three")];
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let mut script = Before::Killed.script();
            script.extend(order.map(|actor| (actor, publication())));
            // Each publishes, and goes on no further.
            script.extend(order.map(|actor| (actor, publication())));
            scene("three openers", log, &cast, script);
        }
    }
}

#[test]
fn fences_are_bounded_by_openings_that_were_not_closed() {
    for log in Log::ALL {
        let tasks = [Task::Open, WRITE, Task::Pause, WRITE, Task::Leave];
        let cast: Vec<Part> = (0..24)
            .map(|at| part(&format!("opener {at}"), &tasks))
            .collect();
        for killed in [0, 1, 5, 12] {
            let mut script = Vec::new();
            for actor in 0..cast.len() {
                if actor % 2 == 0 && actor / 2 < killed {
                    script.extend([(actor, Until::pause()), (actor, Until::Death)]);
                } else {
                    script.push((actor, Until::End));
                }
            }
            let played = scene("many openings", log, &cast, script);
            let (snapshots, unclean) = played.snapshots;
            assert_eq!(unclean, killed as u64);
            println!("{log:?} log: {snapshots} snapshots after {unclean} kills");
        }
    }
}

fn each() -> impl Iterator<Item = (Log, Before)> {
    let all = Log::ALL.into_iter();
    all.flat_map(|log| Before::ALL.into_iter().map(move |before| (log, before)))
}
