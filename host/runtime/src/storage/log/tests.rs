//! Logs in storages of both forms. What a log does is tested where it is made; here is where it lies.

use std::sync::Arc;

use super::{Log, LogAccess, LogDurability};
use crate::error::ErrorKind;
use crate::storage::{MemoryStorage, Storage};

fn both_forms() -> [Arc<dyn Storage>; 2] {
    [
        Arc::new(MemoryStorage::new("x")),
        Arc::new(MemoryStorage::without_growing_files("x")),
    ]
}

fn open(storage: &Arc<dyn Storage>) -> Log {
    Log::open(Arc::clone(storage), LogAccess::Write).expect("a good log")
}

fn write(log: &mut Log, headers: &[&[u8]]) {
    for header in headers {
        log.append(&[(header, b"body")], LogDurability::Sync)
            .expect("appended");
    }
}

fn headers(log: &mut Log) -> Vec<Vec<u8>> {
    let (mut position, mut found) = (log.start(), Vec::new());
    while let Some(entry) = log.read(position).expect("good") {
        position = entry.next_position;
        found.push(entry.header);
    }
    found
}

#[test]
fn entries_come_back_and_lie_where_the_format_says() {
    let wanted = [
        vec!["0000000000000000.log"],
        vec!["0000000000000000", "0000000000000001"],
    ];
    for (storage, names) in both_forms().iter().zip(wanted) {
        write(&mut open(storage), &[b"one", b"two"]);
        assert_eq!(storage.list("log").expect("listed"), names);
        let mut log = open(storage);
        assert_eq!(headers(&mut log), [b"one", b"two"]);
        assert_eq!(log.end(), 2 * (20 + 4 + 3 + 4));
    }
}

#[test]
fn other_files_beside_the_segments_do_not_matter() {
    for storage in both_forms() {
        write(&mut open(&storage), &[b"one"]);
        for name in [
            "log/readme",
            "log/123.log",
            "log/123",
            "log/000000000000000G.log",
            "log/+00000000000000f.log",
            "log/00000000000000FF",
        ] {
            if let Ok(mut file) = storage.create(name) {
                file.append(b"?").expect("written");
                file.finish().expect("named");
            }
        }
        assert_eq!(headers(&mut open(&storage)), [b"one"]);
    }
}

#[test]
fn damaged_segments_are_moved_to_the_quarantine_each_under_a_name_of_its_own() {
    let wanted = [
        ["log-0000000000000000.1.log", "log-0000000000000000.log"],
        ["log-0000000000000000", "log-0000000000000000.1"],
    ];
    for (storage, names) in both_forms().iter().zip(wanted) {
        for round in 0..2 {
            write(&mut open(storage), &[b"one", b"two"]);
            let first = format!("log/{}", storage.list("log").expect("listed")[0]);
            storage.remove("log").expect("removed");
            let mut file = storage.create(&first).expect("free");
            file.append(&[1; 100]).expect("written");
            file.finish().expect("named");
            let error = Log::open(Arc::clone(storage), LogAccess::Write).err();
            let error = error.expect("damaged");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let place = format!("memory:x/{first}: offset 0: ");
            assert!(error.message().starts_with(&place), "{error}");
            let (mut log, report) = Log::salvage(Arc::clone(storage), None).expect("salvaged");
            assert!(!report.damage.is_empty());
            let end = log.end();
            log.drop_before(end).expect("set aside");
            let listed = storage.list("quarantine").expect("listed");
            assert_eq!(listed.len(), round + 1);
            storage.remove("log").expect("removed");
        }
        assert_eq!(storage.list("quarantine").expect("listed"), names);
    }
}

#[test]
fn a_writer_that_was_overtaken_stops() {
    let [_, storage] = both_forms();
    let (mut one, mut other) = (open(&storage), open(&storage));
    write(&mut one, &[b"one"]);
    let refused = other.append(&[(b"two", b"")], LogDurability::Sync);
    assert_eq!(refused.expect_err("taken").kind(), ErrorKind::Conflict);
    let refused = other.append(&[(b"two", b"")], LogDurability::Sync);
    assert_eq!(refused.expect_err("failed before").kind(), ErrorKind::Io);
    assert_eq!(headers(&mut open(&storage)), [b"one"]);
}
