//! Readers beside writers, and copies, checks and repairs.

use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::play::Log;
use sidx_tests::sleepers::task::{Part, Task};

use crate::{WRITE, WRITE_SYNC, part, sweep, sweep_with_pins};

const WRITER: usize = 0;
const READER: usize = 1;
const OTHER: usize = 2;

fn writer() -> Part {
    let tasks = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        WRITE_SYNC,
        Task::Read,
    ];
    part("writer", &tasks)
}

fn cleaner(name: &str) -> Part {
    let tasks = [
        Task::Open,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Pause,
        WRITE,
        Task::Flush,
        WRITE,
        Task::MergeAll,
        Task::Drop(20),
        WRITE,
        Task::Leave,
    ];
    part(name, &tasks)
}

fn reader() -> Part {
    let tasks = [Task::OpenReader, Task::Read, Task::Leave];
    part("reader", &tasks)
}

/// What it has shown must stay, whether the write goes on, dies, or meets another writer.
#[test]
fn a_reader_looks_between_an_append_and_its_acknowledgement() {
    for log in Log::ALL {
        let cast = [writer(), reader(), cleaner("other")];
        sweep("a reader", log, &cast, WRITER, 1, |at| {
            vec![
                (WRITER, Until::step(at)),
                (READER, Until::End),
                (WRITER, Until::End),
            ]
        });
        sweep("a reader, and a death", log, &cast, WRITER, 1, |at| {
            vec![
                (WRITER, Until::step(at)),
                (READER, Until::End),
                (WRITER, Until::Death),
                (OTHER, Until::End),
            ]
        });
        sweep(
            "a reader, and another writer",
            log,
            &cast,
            WRITER,
            1,
            |at| {
                vec![
                    (WRITER, Until::step(at)),
                    (READER, Until::End),
                    (OTHER, Until::End),
                    (WRITER, Until::End),
                ]
            },
        );
        sweep(
            "another writer, and a reader",
            log,
            &cast,
            WRITER,
            1,
            |at| {
                vec![
                    (WRITER, Until::step(at)),
                    (OTHER, Until::pause()),
                    (READER, Until::End),
                    (WRITER, Until::End),
                    (OTHER, Until::End),
                ]
            },
        );
    }
}

fn follower() -> Part {
    let tasks = [
        Task::OpenFollower,
        Task::Read,
        Task::Pause,
        Task::Read,
        Task::Read,
        Task::Pause,
        Task::Read,
    ];
    part("reader", &tasks)
}

/// It must have seen what was acknowledged when it asks, and what it has shown must stay.
#[test]
fn a_follower_looks_between_an_append_and_its_acknowledgement() {
    for log in Log::ALL {
        let cast = [writer(), follower(), cleaner("other")];
        sweep("a follower", log, &cast, WRITER, 1, |at| {
            vec![
                (READER, Until::pause()),
                (WRITER, Until::step(at)),
                (READER, Until::pause()),
                (WRITER, Until::End),
                (READER, Until::End),
            ]
        });
        sweep("a follower, and others", log, &cast, WRITER, 1, |at| {
            vec![
                (READER, Until::pause()),
                (WRITER, Until::step(at)),
                (OTHER, Until::pause()),
                (READER, Until::pause()),
                (WRITER, Until::Death),
                (OTHER, Until::End),
                (READER, Until::End),
            ]
        });
    }
}

#[test]
fn a_follower_sleeps_before_each_of_its_steps_while_the_log_is_cleaned() {
    for log in Log::ALL {
        let cast = [cleaner("cleaner"), follower(), cleaner("other")];
        sweep("a follower", log, &cast, READER, 1, |at| {
            vec![
                (WRITER, Until::pause()),
                (READER, Until::step(at)),
                (WRITER, Until::End),
                (OTHER, Until::pause()),
                (READER, Until::pause()),
                (OTHER, Until::End),
            ]
        });
    }
}

/// Where pins are renewed and a reader sleeps for longer than they last, it is told that what it read is
/// gone, or reads the right rows; never damage.
#[test]
fn a_reader_sleeps_past_the_time_of_its_pin() {
    let tasks = [
        Task::OpenReader,
        Task::Read,
        Task::Pause,
        Task::Read,
        Task::Verify,
        Task::Read,
    ];
    for reader in [part("reader", &tasks), follower()] {
        for patience in [1, 5, 20] {
            let cast = [cleaner("cleaner"), reader.clone(), cleaner("other")];
            sweep_with_pins("a reader", &cast, READER, patience, |at| {
                vec![
                    (WRITER, Until::pause()),
                    (READER, Until::step(at)),
                    (WRITER, Until::End),
                    (READER, Until::pause()),
                    (OTHER, Until::End),
                ]
            });
        }
    }
}

#[test]
fn a_reader_sleeps_before_each_of_its_steps_while_the_index_is_cleaned() {
    let tasks = [
        Task::OpenReader,
        Task::Read,
        Task::Pause,
        Task::Read,
        Task::Verify,
        Task::Backup,
        Task::Read,
    ];
    for log in Log::ALL {
        let cast = [cleaner("cleaner"), part("reader", &tasks)];
        sweep("one writer", log, &cast, READER, 1, |at| {
            vec![
                (WRITER, Until::pause()),
                (READER, Until::step(at)),
                (WRITER, Until::End),
            ]
        });
        let cast = [cleaner("cleaner"), part("reader", &tasks), cleaner("other")];
        sweep("two writers", log, &cast, READER, 1, |at| {
            vec![
                (WRITER, Until::pause()),
                (READER, Until::step(at)),
                (OTHER, Until::pause()),
                (WRITER, Until::End),
                (OTHER, Until::End),
            ]
        });
    }
}

/// The reader sleeps twice, at steps that differ.
#[test]
fn a_reader_opens_in_pieces_while_writers_come_and_go() {
    for log in Log::ALL {
        let cast = [cleaner("cleaner"), reader(), cleaner("other")];
        for first in [2, 4, 6, 8, 10, 14, 18] {
            sweep(
                &format!("after {first} steps"),
                log,
                &cast,
                READER,
                1,
                |at| {
                    vec![
                        (WRITER, Until::pause()),
                        (READER, Until::step(first)),
                        (OTHER, Until::pause()),
                        (READER, Until::step(first + at)),
                        (OTHER, Until::End),
                    ]
                },
            );
        }
    }
}

#[test]
fn a_repair_sleeps_before_each_of_its_steps_while_writers_work() {
    for log in Log::ALL {
        let repairer = part("repairer", &[Task::Repair]);
        let cast = [cleaner("writer"), repairer, cleaner("other")];
        sweep("a repair", log, &cast, READER, 1, |at| {
            vec![
                (WRITER, Until::pause()),
                (READER, Until::step(at)),
                (OTHER, Until::pause()),
                (READER, Until::End),
                (WRITER, Until::End),
                (OTHER, Until::End),
            ]
        });
    }
}
