//! A name that is used again after a drop, or by a copy; what says which place it stands for.

use std::fs;
use std::path::PathBuf;

use sidx_host::{ErrorKind, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, keys_of, on_both_engines};

fn rows(keys: std::ops::Range<i64>) -> Vec<Row> {
    keys.map(|key| Row::new(1, key, "x")).collect()
}

/// A part and rows in the log, and nobody has it open.
fn left(keys: std::ops::Range<i64>) -> impl Fn(&mut Subject) {
    move |index| {
        let middle = (keys.start + keys.end) / 2;
        index.write_part(&rows(keys.start..middle));
        index.write(&rows(middle..keys.end));
        index.leave();
    }
}

/// Makes the index anew, and opens it.
fn make(index: &mut Subject) {
    drop(index.options().create().unwrap());
    index.enter();
}

/// The objects that say which incarnation counts.
fn objects(index: &Subject) -> Vec<PathBuf> {
    let entries = fs::read_dir(index.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "incarnation"))
        .collect();
    found.sort();
    found
}

/// Keys of the index as it is now.
fn keys(index: &Subject) -> Vec<i64> {
    keys_of(index.options().read_only().unwrap().query())
}

#[test]
fn a_name_is_free_after_a_drop_and_what_is_made_then_is_another_index() {
    on_both_engines(|mut index| {
        for round in 0..3 {
            left(round * 10..round * 10 + 6)(&mut index);
            assert_eq!(keys(&index), Vec::from_iter(round * 10..round * 10 + 6));
            assert!(!index.store().was_dropped(NAME).unwrap());
            let bytes = index.options().remove().unwrap();
            assert!(bytes > 200, "{bytes} bytes");
            assert!(index.store().was_dropped(NAME).unwrap());
            assert!(index.store().index_names().unwrap().is_empty());
            for error in [
                index.options().open().unwrap_err(),
                index.options().read_only().unwrap_err(),
                index.options().repair(false).unwrap_err(),
                index.options().remove().unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            }
            make(&mut index);
            assert_eq!(index.index().query().count().unwrap(), 0);
        }
        // Names stay taken, and nothing else.
        let rest = sidx_tests::subject::tree(&index.path());
        let bytes: usize = rest.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 10_000, "{bytes} bytes: {rest:?}");
    });
}

#[test]
fn a_copy_takes_the_place_of_what_was_dropped() {
    on_both_engines(|mut index| {
        left(0..6)(&mut index);
        let copies = Store::memory();
        let reader = index.options().read_only().unwrap();
        reader.backup(&copies, NAME).unwrap();
        let taken = reader.backup(index.store(), NAME).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
        drop(reader);
        index.options().remove().unwrap();
        let copy = copies
            .index(NAME)
            .engine(index.engine())
            .read_only()
            .unwrap();
        copy.backup(index.store(), NAME).unwrap();
        assert_eq!(keys(&index), Vec::from_iter(0..6));
        index.enter();
        index.write_part(&rows(6..8));
        index.merge_all();
        index.assert_sound(8);
    });
}

#[test]
fn a_reader_goes_on_with_what_was_dropped_until_it_ends() {
    on_both_engines(|mut index| {
        left(0..6)(&mut index);
        let reader = index.options().read_only().unwrap();
        index.options().remove().unwrap();
        make(&mut index);
        index.write_part(&rows(20..22));
        assert_eq!(keys_of(reader.query()), Vec::from_iter(0..6));
        assert!(reader.verify().unwrap()["ok"] == true);
        let copied = reader.backup(&Store::memory(), NAME).unwrap_err();
        assert!(
            [ErrorKind::Conflict, ErrorKind::NotFound].contains(&copied.kind()),
            "{copied}"
        );
        drop(reader);
        assert_eq!(keys(&index), [20, 21]);
    });
}

#[test]
fn an_open_writer_keeps_its_index_from_being_dropped() {
    on_both_engines(|index| {
        index.write(&rows(0..2));
        let error = index.options().remove().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        index.write(&rows(2..3));
        assert_eq!(keys_of(index.ask()), [0, 1, 2]);
    });
}

/// Without the lock: who has the index open is told that it is gone, and reaches no other.
#[test]
fn a_writer_without_a_lock_stops_when_its_index_is_dropped() {
    on_both_engines(|index| {
        index.write_part(&rows(0..3));
        fs::remove_file(index.path().join("lock")).unwrap();
        index.options().remove().unwrap();
        let next = index.options().create().unwrap();
        let error = index.write_with(&rows(3..4), sidx_host::Durability::Sync);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unknown);
        let error = index.index().flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(next.query().count().unwrap(), 0);
        assert_eq!(next.verify().unwrap()["ok"], true);
    });
}

#[test]
fn a_damaged_index_is_dropped_like_any_other() {
    for what in ["snapshot", "log", "index.json"] {
        on_both_engines(|mut index| {
            left(0..6)(&mut index);
            for (name, bytes) in sidx_tests::subject::tree(&index.path()) {
                if name.ends_with(what) && !bytes.is_empty() {
                    let mut bytes = bytes;
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 0x55;
                    fs::write(&name, bytes).unwrap();
                }
            }
            index.options().remove().unwrap();
            assert!(index.options().open().is_err(), "{what}");
            make(&mut index);
            index.write_part(&rows(0..2));
            index.assert_sound(2);
        });
    }
}

#[test]
fn a_name_whose_last_object_is_damaged_or_gone_is_repaired() {
    on_both_engines(|mut index| {
        // In the place of the name, then below it.
        for round in 0..2 {
            left(0..6)(&mut index);
            let object = objects(&index).pop().unwrap();
            let whole = fs::read(&object).unwrap();
            for damaged in [None, Some(&whole[..9]), Some(b"".as_slice())] {
                match damaged {
                    None => fs::remove_file(&object).unwrap(),
                    Some(bytes) => fs::write(&object, bytes).unwrap(),
                }
                let opened = index.options().read_only().map(drop);
                let is_there = round == 0 && damaged.is_none();
                let wanted = match (is_there, damaged) {
                    (true, _) => None,
                    (_, None) => Some(ErrorKind::NotFound),
                    _ => Some(ErrorKind::Corrupt),
                };
                assert_eq!(opened.err().map(|error| error.kind()), wanted);
                if damaged.is_some() {
                    let refused = index.options().create().unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
                }
                let report = index.options().repair(false).unwrap();
                assert_eq!(report["ok"] == true, is_there, "{report:#}");
                assert_eq!(report["rows"], 3);
                assert_eq!(keys(&index), Vec::from_iter(0..6));
            }
            index.options().remove().unwrap();
            make(&mut index);
        }
    });
}
