//! Branches, beside whatever becomes of the index that they are made of.

use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::failure::Failure;
use sidx_tests::sleepers::play::{Log, play_script};
use sidx_tests::sleepers::task::{Deed, Part, Task};

use crate::{WRITE, WRITE_SYNC, part, removal, scene, sweep, variable, worker};

/// Who has parts and rows in the log, sleeps, and then changes everything.
fn source() -> Part {
    let tasks = [
        Task::Create,
        WRITE,
        Task::Flush,
        WRITE_SYNC,
        Task::Flush,
        WRITE,
        Task::Pause,
        WRITE_SYNC,
        Task::Flush,
        Task::MergeAll,
        WRITE,
        Task::Drop(50),
        WRITE,
        Task::Read,
        Task::Leave,
    ];
    part("source", &tasks)
}

/// Who makes a branch and uses it.
fn brancher() -> Part {
    let tasks = [
        Task::Branch,
        Task::OnBranch(Deed::Write(2)),
        Task::OnBranch(Deed::Flush),
        Task::OnBranch(Deed::Read),
        Task::OnBranch(Deed::MergeAll),
        Task::OnBranch(Deed::Write(1)),
        Task::OnBranch(Deed::Flush),
        Task::OnBranch(Deed::Read),
    ];
    part("brancher", &tasks)
}

/// Who makes a branch, and one of that.
fn twice() -> Part {
    let tasks = [
        Task::Branch,
        Task::OnBranch(Deed::Write(2)),
        Task::OnBranch(Deed::Flush),
        Task::OnBranch(Deed::Branch),
        Task::OnBranch(Deed::MergeAll),
        Task::OnBranch(Deed::Flush),
        Task::OnBranch(Deed::Read),
        Task::OnBranch(Deed::Remove),
    ];
    part("brancher", &tasks)
}

fn dropper() -> Part {
    part("dropper", &[Task::Remove])
}

const SOURCE: usize = 0;
const BRANCHER: usize = 1;
const OTHER: usize = 2;
/// Each run is long: some steps of each.
const STRIDE: u64 = 7;

/// While the index flushes, merges, drops rows and removes what was there.
#[test]
fn a_branch_is_made_and_used_asleep_before_each_step_beside_the_index() {
    for log in Log::ALL {
        for brancher in [brancher(), twice()] {
            let cast = [source(), brancher];
            sweep("a branch", log, &cast, BRANCHER, STRIDE, |at| {
                vec![
                    (SOURCE, Until::pause()),
                    (BRANCHER, Until::step(at)),
                    (SOURCE, Until::End),
                    (BRANCHER, Until::End),
                ]
            });
        }
    }
}

#[test]
fn the_index_sleeps_before_each_of_its_steps_over_a_branch() {
    for log in Log::ALL {
        for brancher in [brancher(), twice()] {
            let cast = [source(), brancher];
            sweep("the index", log, &cast, SOURCE, STRIDE, |at| {
                vec![
                    (SOURCE, Until::step(at)),
                    (BRANCHER, Until::End),
                    (SOURCE, Until::End),
                ]
            });
        }
    }
}

/// A removal that was decided before a branch was begun takes nothing from it.
#[test]
fn a_removal_is_asleep_while_a_branch_is_made() {
    for log in Log::ALL {
        for nth in 1..8 {
            let cast = [source(), brancher()];
            scene(
                "a removal",
                log,
                &cast,
                vec![
                    (SOURCE, Until::pause()),
                    (SOURCE, removal(nth)),
                    (BRANCHER, Until::step(40)),
                    (SOURCE, Until::End),
                ],
            );
        }
    }
}

/// Another writer takes the index over meanwhile.
#[test]
fn a_branch_is_made_while_the_index_is_taken_over() {
    for log in Log::ALL {
        let cast = [source(), brancher(), worker("other", Task::Open)];
        sweep("taken over", log, &cast, BRANCHER, STRIDE, |at| {
            vec![
                (SOURCE, Until::pause()),
                (BRANCHER, Until::step(at)),
                (OTHER, Until::End),
                (SOURCE, Until::End),
                (BRANCHER, Until::End),
            ]
        });
    }
}

/// Either there is no branch, or the index is not dropped.
#[test]
fn the_index_is_dropped_while_a_branch_is_made() {
    for log in Log::ALL {
        for maker in [worker("maker", Task::Create), brancher()] {
            let cast = [source(), brancher(), dropper(), maker];
            sweep("dropped", log, &cast, BRANCHER, STRIDE, |at| {
                vec![
                    (SOURCE, Until::End),
                    (BRANCHER, Until::step(at)),
                    (OTHER, Until::End),
                    (OTHER + 1, Until::End),
                    (BRANCHER, Until::End),
                ]
            });
        }
    }
}

#[test]
fn a_drop_sleeps_before_each_of_its_steps_over_a_branch() {
    for log in Log::ALL {
        let cast = [source(), brancher(), dropper()];
        sweep("a drop", log, &cast, OTHER, STRIDE, |at| {
            vec![
                (SOURCE, Until::End),
                (OTHER, Until::step(at)),
                (BRANCHER, Until::End),
                (OTHER, Until::End),
            ]
        });
    }
}

/// What is left of it keeps nobody from anything: in the end everything can be dropped.
#[test]
fn a_branch_dies_at_each_of_its_steps() {
    for log in Log::ALL {
        for cast in [
            [source(), brancher(), dropper()],
            [source(), twice(), brancher()],
        ] {
            sweep("a branch dies", log, &cast, BRANCHER, STRIDE, |at| {
                vec![
                    (SOURCE, Until::pause()),
                    (BRANCHER, Until::step(at)),
                    (BRANCHER, Until::Death),
                    (SOURCE, Until::End),
                    (OTHER, Until::End),
                ]
            });
        }
    }
}

/// A drop that died with its mark set keeps branches away until the next opening, and nothing else.
#[test]
fn a_drop_dies_at_each_of_its_steps_and_a_branch_is_made() {
    for log in Log::ALL {
        let cast = [source(), twice(), dropper()];
        sweep("a drop dies", log, &cast, OTHER, STRIDE, |at| {
            vec![
                (SOURCE, Until::pause()),
                (OTHER, Until::step(at)),
                (OTHER, Until::Death),
                (BRANCHER, Until::End),
                (SOURCE, Until::End),
            ]
        });
    }
}

/// An answer is lost, and then there is no room: either there is a branch, or nothing is left that says so.
#[test]
fn calls_of_a_branch_fail() {
    let stride = variable("SIDX_SLEEPERS_STRIDE").unwrap_or(1).max(1);
    for log in Log::ALL {
        for way in [Failure::Undone, Failure::Done, Failure::Full] {
            for room_is_gone_for in 1..3 {
                let tasks = [Task::Branch, Task::OnBranch(Deed::Read)];
                let cast = [source(), part("brancher", &tasks), dropper()];
                let mut at = 1;
                loop {
                    let script = vec![
                        (SOURCE, Until::pause()),
                        (BRANCHER, Until::can_fail(way, at)),
                        (BRANCHER, Until::Failure(way, 1)),
                        (BRANCHER, Until::Failure(Failure::Full, room_is_gone_for)),
                        (BRANCHER, Until::End),
                        (SOURCE, Until::End),
                        (OTHER, Until::End),
                    ];
                    let what = format!("{way:?} at {at}, then {room_is_gone_for} full, {log:?}");
                    let played = play_script(log, &cast, script, at).expect(&what);
                    if played.failures == 0 {
                        break;
                    }
                    at += stride;
                }
            }
        }
    }
}
