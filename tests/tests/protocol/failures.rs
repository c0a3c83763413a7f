//! One call fails, and it goes on as it can: whoever comes next finds what was acknowledged.

use sidx_tests::sleepers::director::{Script, Until};
use sidx_tests::sleepers::failure::Failure;
use sidx_tests::sleepers::play::{Log, Played, play, play_script};
use sidx_tests::sleepers::task::{Part, Task};

use crate::{WRITE, WRITE_SYNC, part, variable};

const BEFORE: usize = 0;
const VICTIM: usize = 1;
const OTHER: usize = 2;
const READER: usize = 3;

/// Two parts and rows in the log; it may be woken up from its pause to write again.
fn before() -> Part {
    let tasks = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Pause,
        WRITE_SYNC,
        Task::Flush,
    ];
    part("before", &tasks)
}

/// Whoever comes after the failure.
fn other() -> Part {
    let tasks = [
        Task::OpenReader,
        Task::Read,
        Task::Open,
        Task::Read,
        WRITE,
        Task::Flush,
        WRITE_SYNC,
        Task::Verify,
        Task::Pause,
        WRITE,
        Task::MergeAll,
        Task::Read,
        Task::Leave,
    ];
    part("other", &tasks)
}

/// It keeps what it has opened, whatever others do.
fn reader() -> Part {
    let tasks = [
        Task::OpenReader,
        Task::Pause,
        Task::Read,
        Task::Pause,
        Task::Verify,
        Task::Pause,
        Task::Backup,
        Task::Read,
    ];
    part("reader", &tasks)
}

fn opener(patience: u32) -> Part {
    let first = [Task::Open, Task::Read, WRITE, WRITE, Task::Pause];
    victim(patience, &first)
}

fn worker(patience: u32) -> Part {
    let first = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE_SYNC,
        WRITE,
        Task::MergeAll,
        Task::Drop(30),
        WRITE,
        Task::Read,
        Task::Verify,
        Task::Backup,
        Task::Close,
        Task::Pause,
    ];
    victim(patience, &first)
}

/// After its pause it goes on with the index if it has it open still, and opens it again.
fn victim(patience: u32, first: &[Task]) -> Part {
    let last = [
        WRITE,
        Task::Flush,
        Task::Read,
        Task::Leave,
        Task::Open,
        Task::Read,
        WRITE,
        Task::Leave,
    ];
    Part {
        patience,
        ..part("victim", &[first, &last].concat())
    }
}

/// How many calls fail, one after the other.
const LASTS: [u64; 2] = [1, 3];

/// Plays a script over and over, in which a call of the victim fails: its first, its second, and so on,
/// in each way that it can, alone or with some after it.
fn sweep(
    what: &str,
    log: Log,
    cast: &[Part],
    stride: u64,
    script: impl Fn([(usize, Until); 2]) -> Vec<(usize, Until)>,
    judge: impl Fn(Failure, &Played),
) {
    let ways = Failure::ALL.iter();
    for (failure, lasts) in ways.flat_map(|way| LASTS.map(|lasts| (*way, lasts))) {
        let stride = variable("SIDX_SLEEPERS_STRIDE").unwrap_or(stride * lasts);
        let mut nth = 1;
        loop {
            let lines = [
                (VICTIM, Until::can_fail(failure, nth)),
                (VICTIM, Until::Failure(failure, lasts)),
            ];
            let is_made = cast[BEFORE].tasks.first() != Some(&Task::Create);
            let script = Box::new(Script::new(script(lines)));
            let played = play(log, is_made, cast, script, (nth, None));
            let what =
                format!("{what}, {log:?} log, call {nth} and in all {lasts} fail: {failure:?}");
            let played = played.expect(&what);
            if played.failures == 0 {
                break;
            }
            judge(failure, &played);
            nth += stride.max(1);
        }
    }
}

/// Errors of an actor, and how many there were.
fn errors<'a>(played: &'a Played, name: &str) -> Vec<(&'a str, u64)> {
    let all = played.errors.iter();
    let own = all.filter(|(text, _)| text.starts_with(name));
    own.map(|(text, count)| (text.as_str(), *count)).collect()
}

/// Nobody but the victim is told of the failure.
fn assert_untroubled(played: &Played) {
    for name in ["other", "reader"] {
        let found = errors(played, name);
        assert!(found.is_empty(), "{found:?}\n{}", played.trace);
    }
}

/// Where there was no room once, the index goes on.
fn assert_goes_on(failure: Failure, played: &Played) {
    let found = errors(played, "victim");
    let is_in_doubt = found.iter().any(|(text, _)| text.contains(": io: "));
    let count: u64 = found.iter().map(|(_, count)| count).sum();
    let goes_on = !failure.is_full() || is_in_doubt || count <= played.failures;
    assert!(goes_on, "{found:?}\n{}", played.trace);
}

#[test]
fn a_call_of_an_opener_fails() {
    for log in Log::ALL {
        for patience in [0, 9] {
            let cast = [before(), opener(patience), other()];
            let killed = |[to, fails]: [_; 2]| {
                let before = [(BEFORE, Until::pause()), (BEFORE, Until::Death)];
                let then = [to, fails, (VICTIM, Until::pause()), (OTHER, Until::End)];
                before.into_iter().chain(then).collect()
            };
            sweep("killed", log, &cast, 2, killed, |_, played| {
                assert_untroubled(played);
            });
            // Who was there before wakes up when the opener has failed, and before another opens it.
            let open = |[to, fails]: [_; 2]| {
                vec![
                    (BEFORE, Until::pause()),
                    to,
                    fails,
                    (VICTIM, Until::pause()),
                    (BEFORE, Until::End),
                    (OTHER, Until::End),
                ]
            };
            sweep("open", log, &cast, 2, open, |_, played| {
                assert_untroubled(played);
            });
        }
    }
}

/// Nobody has made the index before.
#[test]
fn a_call_of_whoever_makes_the_index_fails() {
    let maker = |name| {
        let first = [Task::Create, WRITE, Task::Flush, WRITE_SYNC, Task::Leave];
        part(name, &[&first, other().tasks.as_slice()].concat())
    };
    for log in Log::ALL {
        let cast = [maker("before"), maker("victim"), maker("other")];
        let script = |[to, fails]: [_; 2]| {
            let lines = [to, fails, (VICTIM, Until::End), (OTHER, Until::End)];
            lines.into_iter().collect()
        };
        sweep("a maker", log, &cast, 2, script, |_, played| {
            assert_untroubled(played);
        });
    }
}

/// Alone to its end, then others come.
#[test]
fn a_call_of_a_writer_fails_and_it_goes_on() {
    for log in Log::ALL {
        for patience in [0, 9] {
            let cast = [before(), worker(patience), other(), reader()];
            let alone = |[to, fails]: [_; 2]| {
                vec![
                    (BEFORE, Until::pause()),
                    (BEFORE, Until::Death),
                    (READER, Until::pause()),
                    to,
                    fails,
                    (VICTIM, Until::pause()),
                    (READER, Until::pause()),
                    (VICTIM, Until::End),
                    (READER, Until::pause()),
                    (OTHER, Until::End),
                    (READER, Until::End),
                ]
            };
            sweep("alone", log, &cast, 4, alone, |failure, played| {
                assert_untroubled(played);
                assert_goes_on(failure, played);
            });
        }
    }
}

/// Another opens the index right after the failed call, before the writer does anything about it.
#[test]
fn a_call_of_a_writer_fails_and_another_takes_over() {
    for log in Log::ALL {
        for patience in [0, 9] {
            let cast = [before(), worker(patience), other()];
            let at_once = |[to, fails]: [_; 2]| {
                vec![
                    (BEFORE, Until::End),
                    to,
                    fails,
                    (OTHER, Until::End),
                    (VICTIM, Until::End),
                ]
            };
            sweep("at once", log, &cast, 4, at_once, |_, played| {
                assert_untroubled(played);
            });
            // It sleeps before a later call, and wakes up when the other has come half way.
            let amid = |[to, fails]: [_; 2]| {
                vec![
                    (BEFORE, Until::End),
                    to,
                    fails,
                    (VICTIM, Until::can_fail(Failure::Undone, 3)),
                    (OTHER, Until::step(20)),
                    (VICTIM, Until::pause()),
                    (OTHER, Until::step(40)),
                    (VICTIM, Until::End),
                    (OTHER, Until::End),
                ]
            };
            sweep("amid", log, &cast, 5, amid, |_, _| {});
        }
    }
}

/// It sleeps before each of its calls while another takes over and removes what it was at, and one of the
/// first calls that it makes then fails: what is gone it does not take for damage.
#[test]
fn a_call_fails_of_an_actor_that_was_overtaken() {
    let reader = [Task::OpenReader, Task::Read, Task::Verify, Task::Backup];
    for log in Log::ALL {
        for victim in [worker(0), part("victim", &reader)] {
            // The other has ended, or is at work still.
            for is_over in [true, false] {
                let cast = [before(), victim.clone(), other()];
                let script = |first, second| {
                    let other = if is_over { Until::End } else { Until::pause() };
                    vec![
                        (BEFORE, Until::End),
                        (VICTIM, Until::can_fail(Failure::Undone, first)),
                        (OTHER, other),
                        (VICTIM, Until::can_fail(Failure::Undone, second)),
                        (VICTIM, Until::Failure(Failure::Undone, 1)),
                        (VICTIM, Until::pause()),
                        (OTHER, Until::End),
                    ]
                };
                sweep_two("overtaken", log, &cast, 6, script, |played| {
                    if is_over {
                        assert_untroubled(played);
                    }
                });
            }
        }
    }
}

/// Of the opening, and of what it does to go on.
#[test]
fn two_calls_of_an_opener_fail() {
    for log in Log::ALL {
        for way in [Failure::Undone, Failure::Done, Failure::Full] {
            let cast = [before(), opener(9), other()];
            let stride = if way == Failure::Undone { 7 } else { 2 };
            // An opening that finds no room tries twice, and then waits for the first change.
            let lasts = if way.is_full() { 2 } else { 1 };
            let script = |first, second| {
                vec![
                    (BEFORE, Until::pause()),
                    (BEFORE, Until::Death),
                    (VICTIM, Until::can_fail(way, first)),
                    (VICTIM, Until::Failure(way, lasts)),
                    (VICTIM, Until::can_fail(way, second)),
                    (VICTIM, Until::Failure(way, 1)),
                    (VICTIM, Until::pause()),
                    (OTHER, Until::End),
                ]
            };
            let judge = assert_untroubled;
            sweep_two(&format!("{way:?}"), log, &cast, stride, script, judge);
        }
    }
}

/// Plays a script over and over that has to do with two calls of the victim: every `stride`th that it
/// makes, and one of the first after that.
fn sweep_two(
    what: &str,
    log: Log,
    cast: &[Part],
    stride: u64,
    script: impl Fn(u64, u64) -> Vec<(usize, Until)>,
    judge: impl Fn(&Played),
) {
    let stride = variable("SIDX_SLEEPERS_STRIDE").unwrap_or(stride).max(1);
    for second in 1..=8 {
        let mut first = 1;
        loop {
            let played = play_script(log, cast, script(first, second), first);
            let what = format!("{what}, {log:?} log, call {first} and {second} after it");
            let played = played.expect(&what);
            judge(&played);
            if played.failures == 0 {
                break;
            }
            first += stride;
        }
    }
}

#[test]
fn a_call_of_a_repair_fails() {
    let tasks = [Task::Lose, Task::Repair, Task::Pause, Task::Repair];
    let other = part(
        "other",
        &[&[Task::Repair], other().tasks.as_slice()].concat(),
    );
    for log in Log::ALL {
        for is_killed in [true, false] {
            let cast = [before(), part("victim", &tasks), other.clone()];
            let script = |[to, fails]: [_; 2]| {
                let mut lines = vec![(BEFORE, Until::pause())];
                if is_killed {
                    lines.push((BEFORE, Until::Death));
                }
                lines.extend([to, fails, (VICTIM, Until::pause())]);
                lines.extend([(BEFORE, Until::End), (OTHER, Until::End)]);
                lines
            };
            sweep("a repair", log, &cast, 1, script, |_, played| {
                assert_untroubled(played);
            });
        }
    }
}

/// What a reader shows after a call has failed is whole, and a copy as well.
#[test]
fn a_call_of_a_reader_fails_beside_a_writer() {
    let tasks = [
        Task::OpenReader,
        Task::Read,
        Task::Verify,
        Task::Backup,
        Task::Read,
        Task::OpenReader,
        Task::Read,
    ];
    for log in Log::ALL {
        for end in [Until::Death, Until::End].map(|it| matches!(it, Until::Death)) {
            let cast = [before(), part("victim", &tasks), other()];
            let script = |[to, fails]: [_; 2]| {
                let mut lines = vec![(BEFORE, Until::pause())];
                if end {
                    lines.push((BEFORE, Until::Death));
                }
                lines.extend([to, fails, (OTHER, Until::step(30))]);
                lines.extend([(VICTIM, Until::End), (OTHER, Until::End)]);
                lines
            };
            sweep("a reader", log, &cast, 2, script, |_, played| {
                assert_untroubled(played);
            });
        }
    }
}
