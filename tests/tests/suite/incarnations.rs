//! A name that is used again after a drop, or by a copy; what says which place it stands for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sidx_host::{Engine, ErrorKind, Index, Store, storage};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch, keys_of, on_both_engines};
use sidx_tests::watched::{Access, WatchedStore};

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

/// Files of parts below the place of the name, whosever they are.
fn part_files(index: &Subject) -> usize {
    let files = sidx_tests::subject::tree(&index.path());
    files
        .iter()
        .filter(|(path, _)| path.contains("/parts/"))
        .count()
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

/// As the warning of the first one advises.
#[test]
fn a_drop_is_repeated_when_readers_have_ended() {
    on_both_engines(|mut index| {
        left(0..6)(&mut index);
        let absent = |index: &Subject| {
            let error = index.options().remove().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        };
        let reader = index.options().read_only().unwrap();
        index.options().remove().unwrap();
        absent(&index);
        drop(reader);
        assert!(index.options().remove().unwrap() > 0);
        absent(&index);
    });
}

/// Six rows in an index: a store with a copy of it, and a reader of it.
fn copied(index: &mut Subject) -> (Store, Index) {
    left(0..6)(index);
    let copies = Store::memory();
    let reader = index.options().read_only().unwrap();
    reader.backup(&copies, NAME).unwrap();
    (copies, reader)
}

#[test]
fn a_copy_takes_the_place_of_what_was_dropped() {
    on_both_engines(|mut index| {
        let (copies, reader) = copied(&mut index);
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
        assert!(part_files(&index) > 0, "what a reader has pinned stays");
        assert_eq!(keys_of(reader.query()), Vec::from_iter(0..6));
        assert!(reader.verify().unwrap()["ok"] == true);
        let copied = reader.backup(&Store::memory(), NAME).unwrap_err();
        assert!(
            [ErrorKind::Conflict, ErrorKind::NotFound].contains(&copied.kind()),
            "{copied}"
        );
        drop(reader);
        assert_eq!(keys(&index), [20, 21]);
        // Now nobody needs it; a later drop of the name takes it along.
        index.leave();
        index.options().remove().unwrap();
        assert_eq!(part_files(&index), 0);
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
                let refused = (round == 1 && damaged.is_none())
                    .then(|| index.options().create().unwrap_err().kind());
                // A number that was used is not used again.
                assert!(refused.is_none_or(|kind| kind == ErrorKind::Conflict));
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

/// The place of an unfinished copy with a number.
fn unfinished(index: &Subject, number: u32, nonce: u32, is_whole: bool) -> PathBuf {
    let place = index.path().join(format!("{number:08x}-{nonce:032x}"));
    fs::create_dir_all(place.join("parts/x")).unwrap();
    fs::write(place.join("parts/x/keys.bin"), b"half").unwrap();
    fs::write(place.join("copy.unfinished"), b"").unwrap();
    if is_whole {
        fs::write(place.join("index.json"), b"{}").unwrap();
    }
    place
}

#[test]
fn unfinished_copies_are_cleared_away_by_a_copy_and_by_a_drop_of_the_name() {
    on_both_engines(|mut index| {
        let (copies, reader) = copied(&mut index);
        drop(reader);
        index.options().remove().unwrap();
        // One that stopped right before it was named, and others that did not come as far.
        let places = [
            unfinished(&index, 3, 1, true),
            unfinished(&index, 3, 2, false),
            unfinished(&index, 1, 3, false),
        ];
        assert!(index.store().index_names().unwrap().is_empty());
        let error = index.options().repair(false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        let copy = copies
            .index(NAME)
            .engine(index.engine())
            .read_only()
            .unwrap();
        copy.backup(index.store(), NAME).unwrap();
        assert!(places.iter().all(|place| !place.exists()));
        assert_eq!(keys(&index), Vec::from_iter(0..6));
        index.options().remove().unwrap();
        // Whoever was about to name one is too late.
        let object = objects(&index).len();
        let place = unfinished(&index, object as u32 + 1, 4, true);
        index.options().remove().unwrap();
        assert!(!place.exists());
        assert_eq!(objects(&index).len(), object + 1);
        let error = index.options().remove().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    });
}

#[test]
fn objects_before_the_last_may_be_damaged_and_one_of_another_number_is_refused() {
    on_both_engines(|mut index| {
        for _ in 0..2 {
            left(0..6)(&mut index);
            index.options().remove().unwrap();
            make(&mut index);
        }
        left(0..6)(&mut index);
        let all = objects(&index);
        fs::remove_file(&all[2]).unwrap();
        assert_eq!(keys(&index), Vec::from_iter(0..6));
        assert_eq!(index.options().repair(false).unwrap()["ok"], true);
        let last = all.last().unwrap();
        fs::copy(&all[0], last).unwrap();
        for error in [
            index.options().read_only().unwrap_err(),
            index.options().create().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
        assert_eq!(index.options().repair(false).unwrap()["rows"], 3);
        assert_eq!(keys(&index), Vec::from_iter(0..6));
        index.options().remove().unwrap();
        let error = index.options().remove().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    });
}

#[test]
fn a_place_that_is_gone_can_be_dropped_and_is_told() {
    on_both_engines(|mut index| {
        left(0..6)(&mut index);
        index.options().remove().unwrap();
        make(&mut index);
        left(0..6)(&mut index);
        let below = fs::read_dir(index.path()).unwrap();
        let below = below.map(|entry| entry.unwrap().path());
        let place = below.filter(|path| path.join("index.json").exists());
        fs::remove_dir_all(place.last().unwrap()).unwrap();
        let error = index.options().open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.message().contains("drop it"), "{error}");
        index.options().remove().unwrap();
        make(&mut index);
        assert_eq!(index.index().query().count().unwrap(), 0);
    });
}

/// As when it waits for the writer that drops it.
#[test]
fn an_index_that_is_dropped_and_made_anew_while_it_is_opened_is_opened_as_it_is_now() {
    let inner: Arc<dyn storage::Store> = Arc::new(storage::MemoryStore::new());
    let others = Store::with_backend(Arc::clone(&inner));
    let options = |store: &Store| store.index(NAME).engine(Engine::Native).background(false);
    options(&others).create().unwrap().close().unwrap();
    for opens_to_write in [true, false] {
        let is_done = AtomicBool::new(false);
        let drops = others.clone();
        let watch = move |_: Access, path: &str| {
            if path.ends_with("index.json") && !is_done.swap(true, Ordering::SeqCst) {
                options(&drops).remove().unwrap();
                let made = options(&drops).create().unwrap();
                made.write(batch(&rows(7..8)).unwrap()).unwrap();
                made.close().unwrap();
            }
            Ok(())
        };
        let store = WatchedStore::around(Arc::clone(&inner), Arc::new(watch));
        let opened = match opens_to_write {
            true => options(&store).open().unwrap(),
            false => options(&store).read_only().unwrap(),
        };
        assert_eq!(keys_of(opened.query()), [7]);
        opened.close().unwrap();
    }
}
