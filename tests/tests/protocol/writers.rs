//! Writers that wake up when another has taken over.

use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::play::Log;
use sidx_tests::sleepers::task::{Part, Task};

use crate::{WRITE, WRITE_SYNC, log_change, part, publication, removal, scene, sweep};

const SLEEPER: usize = 0;
const OTHER: usize = 1;

/// What takes over: it only writes, or does everything that removes something.
fn others() -> [Part; 3] {
    let clean = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Flush,
        Task::MergeAll,
        WRITE,
        Task::Leave,
    ];
    let close = [Task::Open, WRITE, Task::Flush, Task::Close];
    [
        part("writer", &[Task::Open, WRITE, Task::Leave]),
        part("cleaner", &clean),
        part("closer", &close),
    ]
}

/// A writer with a part and with rows in the log, which does something more after its pause.
fn sleeper(last: &[Task]) -> Part {
    let first = [Task::Open, WRITE, Task::Flush, WRITE, Task::Pause];
    part("sleeper", &[&first, last].concat())
}

/// Batches that the sleeper was told of before its pause.
const BEFORE: u64 = 2;

fn writes(part: &Part) -> u64 {
    let writes = part
        .tasks
        .iter()
        .filter(|task| matches!(task, Task::Write(..)));
    writes.count() as u64
}

#[test]
fn a_writer_sleeps_before_its_append_while_another_takes_over_and_cleans() {
    for log in Log::ALL {
        for write in [WRITE, WRITE_SYNC] {
            for other in others() {
                let told = BEFORE + writes(&other);
                let cast = [sleeper(&[write, Task::Read, write]), other];
                let script = vec![
                    (SLEEPER, Until::pause()),
                    (SLEEPER, log_change(1)),
                    (OTHER, Until::End),
                ];
                let played = scene("asleep before an append", log, &cast, script);
                assert_eq!(played.batches[0], told, "{}", played.trace);
            }
        }
    }
}

#[test]
fn a_writer_sleeps_before_each_step_of_its_writes() {
    for log in Log::ALL {
        for other in others() {
            let cast = [sleeper(&[WRITE, Task::Read, WRITE_SYNC, Task::Read]), other];
            sweep("writes", log, &cast, SLEEPER, 1, |at| {
                vec![(SLEEPER, Until::step(at)), (OTHER, Until::End)]
            });
        }
    }
}

#[test]
fn a_writer_sleeps_before_publishing_an_epoch_with_a_part_that_another_removes() {
    for log in Log::ALL {
        for change in [Task::Flush, Task::MergeAll, Task::Drop(30)] {
            for other in others() {
                let told = BEFORE + 1 + writes(&other);
                let cast = [sleeper(&[WRITE, change, WRITE, Task::Read]), other];
                let script = vec![
                    (SLEEPER, Until::pause()),
                    (SLEEPER, publication()),
                    (OTHER, Until::End),
                ];
                let what = format!("asleep before publishing in {change:?}");
                let played = scene(&what, log, &cast, script);
                assert_eq!(played.batches[0], told, "{}", played.trace);
            }
        }
    }
}

#[test]
fn a_writer_sleeps_before_each_step_of_its_changes() {
    for log in Log::ALL {
        for change in [Task::Flush, Task::MergeAll, Task::Drop(30), Task::Close] {
            for other in others() {
                let cast = [sleeper(&[change, WRITE, Task::Read, Task::Flush]), other];
                sweep(&format!("{change:?}"), log, &cast, SLEEPER, 1, |at| {
                    vec![(SLEEPER, Until::step(at)), (OTHER, Until::End)]
                });
            }
        }
    }
}

/// It would remove what the other, which still has the index open, needs.
#[test]
fn a_stale_writer_wakes_up_to_remove() {
    let other = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Pause,
        Task::Read,
        Task::Verify,
        Task::MergeAll,
        Task::Read,
        Task::Leave,
    ];
    for log in Log::ALL {
        for change in [Task::Flush, Task::MergeAll, Task::Drop(60)] {
            let cast = [sleeper(&[change, WRITE]), part("other", &other)];
            for nth in 1..=12 {
                let script = vec![
                    (SLEEPER, Until::pause()),
                    (SLEEPER, removal(nth)),
                    (OTHER, Until::pause()),
                    (SLEEPER, Until::End),
                    (OTHER, Until::End),
                ];
                scene(&format!("removal {nth} of {change:?}"), log, &cast, script);
            }
        }
    }
}

/// The other is in the middle of its work when the sleeper wakes up.
#[test]
fn a_stale_writer_wakes_up_amid_the_work_of_another() {
    let other = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        Task::MergeAll,
        Task::Read,
    ];
    for log in Log::ALL {
        for change in [Task::Flush, Task::MergeAll] {
            let cast = [sleeper(&[change, WRITE]), part("other", &other)];
            for nth in [1, 2, 4] {
                let what = format!("removal {nth} of {change:?}");
                sweep(&what, log, &cast, OTHER, 2, |at| {
                    vec![
                        (SLEEPER, Until::pause()),
                        (SLEEPER, removal(nth)),
                        (OTHER, Until::step(at)),
                        (SLEEPER, Until::End),
                        (OTHER, Until::End),
                    ]
                });
            }
        }
    }
}

#[test]
fn a_writer_dies_at_each_of_its_steps() {
    for log in Log::ALL {
        let tasks = [WRITE, Task::Flush, WRITE_SYNC, Task::MergeAll, Task::Close];
        let cast = [sleeper(&tasks), others()[1].clone()];
        sweep("a death", log, &cast, SLEEPER, 1, |at| {
            vec![(SLEEPER, Until::step(at)), (SLEEPER, Until::Death)]
        });
    }
}
