//! Drops, and what is made under the name after them.

use sidx_tests::sleepers::director::Until;
use sidx_tests::sleepers::play::Log;
use sidx_tests::sleepers::stage::Verb;
use sidx_tests::sleepers::task::{Part, Task};

use crate::{WRITE, WRITE_SYNC, part, scene, sweep};

/// Who has the index open, with a part and rows in the log, sleeps in the middle, and goes on.
fn earlier() -> Part {
    let tasks = [
        Task::Create,
        WRITE,
        Task::Flush,
        WRITE,
        Task::Pause,
        WRITE_SYNC,
        Task::Flush,
        WRITE,
        Task::Read,
        Task::Leave,
    ];
    part("earlier", &tasks)
}

fn dropper() -> Part {
    part("dropper", &[Task::Remove])
}

/// Who makes an index under the name, and uses it.
fn maker(name: &str) -> Part {
    crate::worker(name, Task::Create)
}

fn reader() -> Part {
    let tasks = [
        Task::OpenReader,
        Task::Read,
        Task::Pause,
        Task::Read,
        Task::Backup,
        Task::Leave,
    ];
    part("reader", &tasks)
}

const EARLIER: usize = 0;
const DROPPER: usize = 1;
const MAKER: usize = 2;

#[test]
fn a_drop_sleeps_before_each_of_its_steps() {
    for log in Log::ALL {
        for leaves in [Until::pause as fn() -> Until, || Until::End] {
            let cast = [earlier(), dropper(), maker("maker")];
            sweep("a drop", log, &cast, DROPPER, 1, |at| {
                vec![
                    (EARLIER, leaves()),
                    (DROPPER, Until::step(at)),
                    (MAKER, Until::End),
                    (DROPPER, Until::End),
                ]
            });
        }
    }
}

#[test]
fn a_drop_dies_at_each_of_its_steps() {
    for log in Log::ALL {
        for next in [
            maker("maker"),
            part("other", &[Task::Remove, Task::Create, WRITE, Task::Read]),
        ] {
            let cast = [earlier(), dropper(), next];
            sweep("a drop dies", log, &cast, DROPPER, 1, |at| {
                vec![
                    (EARLIER, Until::pause()),
                    (DROPPER, Until::step(at)),
                    (DROPPER, Until::Death),
                    (MAKER, Until::End),
                ]
            });
        }
    }
}

/// However long a writer slept over the drop, and whatever was made under the name since.
#[test]
fn a_writer_sleeps_before_each_of_its_steps_over_a_drop() {
    for log in Log::ALL {
        let cast = [earlier(), dropper(), maker("maker")];
        sweep("a writer", log, &cast, EARLIER, 1, |at| {
            vec![
                (EARLIER, Until::step(at)),
                (DROPPER, Until::End),
                (MAKER, Until::End),
                (EARLIER, Until::End),
            ]
        });
    }
}

#[test]
fn two_who_make_an_index_after_a_drop_sleep_in_turn() {
    for log in Log::ALL {
        let cast = [earlier(), dropper(), maker("one"), maker("other")];
        for other_at in [2, 5, 9, 14, 20, 30, 45] {
            sweep("two makers", log, &cast, MAKER, 2, |at| {
                vec![
                    (EARLIER, Until::End),
                    (DROPPER, Until::End),
                    (MAKER, Until::step(at)),
                    (MAKER + 1, Until::step(other_at)),
                    (MAKER, Until::End),
                    (MAKER + 1, Until::End),
                ]
            });
        }
    }
}

/// Dropped and made again and again; who slept over all of it finds nothing of its own.
#[test]
fn a_name_is_used_again_many_times() {
    for log in Log::ALL {
        let again = [
            Task::Remove,
            Task::Create,
            WRITE,
            Task::Flush,
            WRITE,
            Task::Read,
            Task::Leave,
        ];
        let cast = [earlier(), part("owner", &again.repeat(4))];
        let played = scene(
            "again and again",
            log,
            &cast,
            vec![(EARLIER, Until::pause()), (DROPPER, Until::End)],
        );
        assert!(played.batches[0] >= 2 + 8, "{:?}", played.batches);
    }
}

/// Who has pinned an epoch reads on, and copies what it reads, whatever becomes of the name.
#[test]
fn a_reader_sleeps_before_each_of_its_steps_over_a_drop() {
    for log in Log::ALL {
        let cast = [earlier(), dropper(), maker("maker"), reader()];
        sweep("a reader", log, &cast, MAKER + 1, 1, |at| {
            vec![
                (EARLIER, Until::End),
                (MAKER + 1, Until::step(at)),
                (DROPPER, Until::End),
                (MAKER, Until::End),
            ]
        });
    }
}

/// Of two who drop the index one is told so, or both that it is gone already or at work.
#[test]
fn two_drops_meet() {
    for log in Log::ALL {
        let cast = [earlier(), dropper(), part("other", &[Task::Remove])];
        sweep("two drops", log, &cast, DROPPER, 1, |at| {
            vec![
                (EARLIER, Until::End),
                (DROPPER, Until::step(at)),
                (MAKER, Until::End),
                (DROPPER, Until::End),
            ]
        });
        let published = || Until::call(Verb::Put, ".snapshot", 1);
        let script = vec![
            (EARLIER, Until::End),
            (DROPPER, published()),
            (MAKER, published()),
        ];
        scene("two drops at once", log, &cast, script);
    }
}
