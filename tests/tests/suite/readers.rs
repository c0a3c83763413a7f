//! Readers beside a writer: what they began with stays, whatever is flushed, merged and removed, and
//! goes once they are done.

use std::fs;

use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, keys_of, on_both_engines};

fn part_of(subject: &Subject, keys: std::ops::Range<i64>) {
    let rows: Vec<Row> = keys
        .map(|key| Row::new(1, key, "x").tag("code", key))
        .collect();
    subject.write_part(&rows);
}

fn directories(subject: &Subject) -> usize {
    fs::read_dir(subject.path().join("parts")).unwrap().count()
}

#[test]
fn a_reader_keeps_its_snapshot_while_a_writer_merges_and_removes() {
    on_both_engines(|subject| {
        for part in 0..4 {
            part_of(&subject, part * 10..part * 10 + 10);
        }
        subject.write(&[Row::new(1, 100, "logged")]);
        let reader = subject.options().read_only().unwrap();
        let seen: Vec<i64> = (0..40).chain([100]).collect();
        subject.merge_all();
        part_of(&subject, 200..210);
        subject.merge_all();
        // Nothing of it was read before: every file is opened only now.
        assert_eq!(
            keys_of(
                reader
                    .query()
                    .filter("code >= 0 or key_of_none = 1")
                    .payload(true)
            ),
            seen[..40]
        );
        assert_eq!(keys_of(reader.query()), seen);
        assert!(directories(&subject) > 1, "what the reader needs is gone");
        drop(reader);
        part_of(&subject, 300..310);
        subject.merge_all();
        assert_eq!(
            directories(&subject),
            1,
            "what no reader needs is still there"
        );
        assert_eq!(subject.ask().count().unwrap(), 61);
    });
}

#[test]
fn a_reader_keeps_what_its_epoch_names_and_nothing_else() {
    on_both_engines(|mut subject| {
        part_of(&subject, 0..10);
        let reader = subject.options().read_only().unwrap();
        // What was made after it began comes and goes.
        for round in 1..4 {
            part_of(&subject, round * 10..round * 10 + 10);
            subject.merge_all();
            assert_eq!(directories(&subject), 2, "round {round}");
        }
        // The next writer knows which epochs named what the one before left.
        subject.reopen();
        assert_eq!(directories(&subject), 2);
        part_of(&subject, 100..110);
        subject.merge_all();
        assert_eq!(directories(&subject), 2);
        assert_eq!(keys_of(reader.query()), (0..10).collect::<Vec<_>>());
        drop(reader);
        subject.reopen();
        assert_eq!(directories(&subject), 1);
        assert_eq!(subject.ask().count().unwrap(), 50);
    });
}

#[test]
fn a_new_writer_leaves_what_a_reader_of_the_old_one_needs() {
    on_both_engines(|mut subject| {
        for part in 0..4 {
            part_of(&subject, part * 10..part * 10 + 10);
        }
        let reader = subject.options().read_only().unwrap();
        subject.merge_all();
        subject.reopen();
        subject.reopen();
        assert_eq!(keys_of(reader.query()), (0..40).collect::<Vec<_>>());
        drop(reader);
        part_of(&subject, 300..310);
        assert_eq!(directories(&subject), 2, "the merged part and the new one");
    });
}

/// As one in WASI does, which has no locks.
#[test]
fn a_reader_keeps_what_it_pinned_by_an_object() {
    on_both_engines(|mut subject| {
        part_of(&subject, 0..10);
        let place = subject.store().backend().open_index(NAME, false).unwrap();
        let objects = place.list_objects("").unwrap();
        let newest = objects.iter().rfind(|name| name.ends_with(".snapshot"));
        let epoch = newest.unwrap().strip_suffix(".snapshot").unwrap();
        let pin = format!("{epoch}-3600000-{:032x}.pin", 1);
        place.put_if_absent(&pin, b"0").unwrap();
        part_of(&subject, 10..20);
        subject.merge_all();
        assert_eq!(directories(&subject), 2);
        subject.reopen();
        assert_eq!(directories(&subject), 2);
        part_of(&subject, 20..30);
        subject.merge_all();
        assert_eq!(directories(&subject), 2);
        subject.assert_sound(30);
        place.remove_object(&pin).unwrap();
        subject.reopen();
        assert_eq!(directories(&subject), 1);
        assert_eq!(subject.ask().count().unwrap(), 30);
    });
}

/// A reader may begin at any moment of a writer's work and must see a state that was.
#[test]
fn readers_begin_beside_a_busy_writer() {
    on_both_engines(|subject| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for at in 0..30 {
                    part_of(&subject, at * 5..at * 5 + 5);
                    if at % 5 == 4 {
                        subject.merge_all();
                    }
                }
            });
            while !writer.is_finished() {
                let reader = subject.options().read_only().unwrap();
                let keys = keys_of(reader.query());
                assert_eq!(keys, (0..keys.len() as i64).collect::<Vec<_>>());
                assert_eq!(keys.len() % 5, 0);
            }
        });
    });
}
