//! The jobs of a retention: one after the other, each whole or not at all.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sidx_host::{CancelToken, Engine, Error, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, keys_of, on_both_engines, part_folder};
use sidx_tests::watched::{Access, WatchedStore};

use super::retention::{below, matching, row, write_part};

/// Parts of 100 keys each; of part `n` the rule `gone = 1` drops all but `kept[n]` rows.
fn parts_keeping(kept: &[i64]) -> Vec<Vec<Row>> {
    let part = |(at, kept): (i64, &i64)| {
        let keys = at * 100..at * 100 + 100;
        let gone = |key: i64| i64::from(key % 100 >= *kept);
        keys.map(|key| row(key, 200).tag("gone", gone(key)))
            .collect()
    };
    (0..).zip(kept).map(part).collect()
}

#[test]
fn what_leaves_least_is_rewritten_first() {
    on_both_engines(|subject| {
        for rows in parts_keeping(&[50, 10, 0, 90, 100, 30]) {
            subject.write_part(&rows);
        }
        let done = subject.index().retain(matching("gone = 1")).unwrap();
        assert_eq!(
            (done.parts, done.dropped_parts, done.dropped_rows),
            (4, 1, 320)
        );
        let parts: Vec<(i64, String)> = subject
            .parts("file")
            .iter()
            .map(|part| {
                let name = part["part"].as_str().unwrap().to_owned();
                (part["rows"].as_i64().unwrap(), name)
            })
            .collect();
        let in_order: Vec<i64> = parts.iter().map(|(rows, _)| *rows).collect();
        assert_eq!(in_order, [50, 10, 90, 100, 30], "the order of age stays");
        let mut made: Vec<_> = parts.iter().filter(|(rows, _)| *rows != 100).collect();
        made.sort_by_key(|(_, name)| name.clone());
        let made: Vec<i64> = made.iter().map(|(rows, _)| *rows).collect();
        assert_eq!(made, [10, 30, 50, 90], "numbers are given as jobs begin");
        subject.assert_sound(280);
    });
}

/// Cancels a token before the n-th part is completed.
#[derive(Default)]
struct Stopper {
    token: Mutex<Option<CancelToken>>,
    parts_left: AtomicU64,
}

#[test]
fn a_retention_that_is_stopped_keeps_what_was_done_and_goes_on_when_called_again() {
    for engine in [Engine::Native, Engine::Component] {
        for completed in 0..4 {
            let stopper = Arc::new(Stopper::default());
            let watching = Arc::clone(&stopper);
            let store = WatchedStore::memory(Arc::new(move |access, path| {
                if access == Access::Write
                    && path.ends_with("/manifest.json")
                    && let Some(token) = &*watching.token.lock().unwrap()
                    && watching.parts_left.fetch_sub(1, Ordering::SeqCst) == 0
                {
                    token.cancel();
                }
                Ok(())
            }));
            let options = store.index("stopped").engine(engine).automatic_merge(false);
            let index = options.create().unwrap();
            for rows in parts_keeping(&[50, 0, 60, 70, 80]) {
                write_part(&index, &rows);
            }
            let token = CancelToken::new();
            stopper.parts_left.store(completed, Ordering::SeqCst);
            *stopper.token.lock().unwrap() = Some(token.clone());
            let error = index.maintain().cancel(token).retain(matching("gone = 1"));
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
            assert!(
                error.message().contains("parts dropped whole: 1,"),
                "{error}"
            );
            let rewritten = format!("parts written: {completed};");
            assert!(error.message().contains(&rewritten), "{error}");
            *stopper.token.lock().unwrap() = None;
            // Nothing that stays is missing, and nothing is there twice.
            let kept = |key: &i64| key % 100 < [50, 0, 60, 70, 80][*key as usize / 100];
            let found = keys_of(index.query());
            let gone = (0..500).filter(|key| !found.contains(key));
            assert!(gone.clone().all(|key| !kept(&key)));
            assert!(gone.count() >= 100);
            assert_eq!(index.verify().unwrap()["ok"], true);
            let done = index.retain(matching("gone = 1")).unwrap();
            assert_eq!(done.parts, 4 - completed);
            assert_eq!(
                keys_of(index.query()),
                (0..500).filter(kept).collect::<Vec<_>>()
            );
        }
    }
}

/// Spoils a byte in the middle of a file of each part that holds one of the given keys first.
fn spoil(subject: &Subject, first_key: i64, file: &str) -> String {
    let parts = subject.parts("file");
    let part = parts
        .iter()
        .find(|part| part["min_key"] == first_key)
        .unwrap();
    let name = part["part"].as_str().unwrap().to_owned();
    let path: PathBuf = part_folder(&subject.path(), &name).join(file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&path, bytes).unwrap();
    name
}

fn assert_left(error: &Error, kind: ErrorKind, part: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let message = error.message();
    assert!(
        message.contains(&format!("left as it was: part {part};")),
        "{error}"
    );
}

#[test]
fn a_damaged_part_does_not_hinder_the_others() {
    on_both_engines(|mut subject| {
        for rows in parts_keeping(&[50, 60, 0, 70]) {
            subject.write_part(&rows);
        }
        let name = spoil(&subject, 100, "data.bin");
        // Nothing that was read before is left in memory.
        subject.reopen();
        let error = subject.index().retain(matching("gone = 1")).unwrap_err();
        assert_left(&error, ErrorKind::Corrupt, &name);
        let done = "done: 180 rows dropped, parts dropped whole: 1, parts written: 2;";
        assert!(error.message().contains(done), "{error}");
        let rows: Vec<_> = subject
            .parts("file")
            .iter()
            .map(|part| part["rows"].clone())
            .collect();
        assert_eq!(rows, [50, 100, 70]);
        // The key range tells that all of it goes, so its pages do not matter.
        let done = subject.index().retain(below(200)).unwrap();
        assert_eq!((done.dropped_parts, done.dropped_rows), (2, 150));
        subject.assert_sound(70);
    });
}

#[test]
fn a_part_whose_rows_cannot_be_counted_is_left_and_told_by_a_preview() {
    on_both_engines(|mut subject| {
        for rows in parts_keeping(&[50, 60, 0]) {
            subject.write_part(&rows);
        }
        let first = spoil(&subject, 0, "keys.bin");
        let stem = fs::read_dir(subject.path().join("parts"))
            .unwrap()
            .flat_map(|part| fs::read_dir(part.unwrap().path()).unwrap())
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .find(|name| name.contains("gone") && name.ends_with(".td"));
        let stem = stem.expect("the tag has a file of its own");
        let name = spoil(&subject, 100, &stem);
        subject.reopen();
        let index = subject.index();
        let preview = index
            .maintain()
            .preview_retention(matching("gone = 1"))
            .unwrap();
        assert_eq!(preview.unreadable.len(), 2, "{preview:?}");
        assert!(preview.unreadable[0].contains(&first), "{preview:?}");
        assert!(preview.unreadable[1].contains(&name), "{preview:?}");
        let error = index.retain(matching("gone = 1")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let left = format!("left as it was: part {first}, {name};");
        assert!(error.message().contains(&left), "{error}");
        assert!(
            error.message().contains("parts dropped whole: 1,"),
            "{error}"
        );
        assert_eq!(subject.parts("file").len(), 2);
    });
}

#[test]
fn a_part_for_which_there_is_no_room_does_not_hinder_the_others() {
    for engine in [Engine::Native, Engine::Component] {
        let mut subject = Subject::create(engine);
        subject.leave();
        let index = subject.options().flush_bytes(u64::MAX).open().unwrap();
        // One part of three quarters of what will be the budget, and two small ones.
        let rows: Vec<Row> = (0..3_000).map(|key| row(key, 2_000)).collect();
        write_part(&index, &rows);
        let large = index.parts().unwrap()[0]["part"]
            .as_str()
            .unwrap()
            .to_owned();
        for at in [3_000, 3_100] {
            let rows: Vec<Row> = (at..at + 100).map(|key| row(key, 2_000)).collect();
            write_part(&index, &rows);
        }
        drop(index);
        let index = subject.options().disk_bytes(8 << 20).open().unwrap();
        let error = index.retain(matching("day = 1 or day = 30")).unwrap_err();
        assert_left(&error, ErrorKind::ResourceExhausted, &large);
        assert!(
            error.message().contains("parts dropped whole: 1,"),
            "{error}"
        );
        assert_eq!(index.query().count().unwrap(), 3_100);
        // Of a rule that leaves little of it the room is there.
        let done = index.retain(below(2_900)).unwrap();
        assert_eq!((done.parts, done.dropped_rows), (1, 2_900));
        index.retain(matching("day = 1 or day = 31")).unwrap();
        assert_eq!(keys_of(index.query()), (2_900..3_000).collect::<Vec<_>>());
    }
}

#[test]
fn counters_and_work_tell_of_a_retention() {
    on_both_engines(|subject| {
        for rows in parts_keeping(&[50, 0, 0, 100]) {
            subject.write_part(&rows);
        }
        subject.index().retain(matching("gone = 1")).unwrap();
        let counters = subject.index().health().counters;
        assert_eq!(counters.dropped_rows, 250);
        assert_eq!(counters.dropped_parts, 2);
        assert_eq!((counters.merges, counters.merged_rows), (2, 50));
        assert!(subject.index().health().running.is_empty());
    });
}
