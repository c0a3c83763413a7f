//! Logs in storages of both forms. What a log does is tested where it is made; here is where it lies.

use std::sync::Arc;

use super::{Log, LogAccess, LogDurability, Term};
use crate::error::ErrorKind;
use crate::storage::{MemoryStorage, Storage};

fn both_forms() -> [Arc<dyn Storage>; 2] {
    [
        Arc::new(MemoryStorage::new("x")),
        Arc::new(MemoryStorage::without_growing_files("x")),
    ]
}

fn term(number: u64) -> Term {
    Term {
        number,
        nonce: 0xabc,
    }
}

fn writing(number: u64) -> LogAccess {
    LogAccess::Write {
        term: term(number),
        seal: true,
    }
}

/// Opens a log for writing; each opening needs a higher number.
fn open(storage: &Arc<dyn Storage>, number: u64) -> Log {
    Log::open(Arc::clone(storage), writing(number)).expect("a good log")
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
    let [first, second] = [term(1), term(2)];
    let end = 2 * (20 + 4 + 3 + 4);
    let wanted = [
        vec![
            format!("0000000000000000-{first}.log"),
            format!("{end:016x}-{second}.log"),
        ],
        // A seal, two commits, a seal.
        (0..4).map(|number| format!("{number:016x}")).collect(),
    ];
    for (storage, names) in both_forms().iter().zip(wanted) {
        write(&mut open(storage, 1), &[b"one", b"two"]);
        let mut log = open(storage, 2);
        assert_eq!(storage.list("log").expect("listed"), names);
        assert_eq!(headers(&mut log), [b"one", b"two"]);
        assert_eq!(log.end(), end);
        assert_eq!(log.term(), Some(second));
        assert!(log.has_segment_of(first) && !log.has_segment_of(term(3)));
    }
}

#[test]
fn a_log_of_version_1_is_read_where_it_lies() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new("x"));
    let mut header = [&b"SIDXLOG1\x01\0\0\0"[..], &[0; 16]].concat();
    header.extend(sidx_log::checksum::crc32c(&header).to_le_bytes());
    let mut file = storage.create("log/0000000000000000.log").expect("free");
    file.append(&header).expect("written");
    file.finish().expect("named");
    write(&mut open(&storage, 1), &[b"one"]);
    let names = [
        format!("0000000000000000-{}.log", term(1)),
        "0000000000000000.log".to_owned(),
    ];
    assert_eq!(storage.list("log").expect("listed"), names);
    assert_eq!(headers(&mut open(&storage, 2)), [b"one"]);
}

#[test]
fn other_files_beside_the_segments_do_not_matter() {
    for storage in both_forms() {
        write(&mut open(&storage, 1), &[b"one"]);
        let none = format!("log/0000000000000000-{}.log", Term::NONE);
        let upper = format!("log/0000000000000000-{}.log", "A".repeat(48));
        for name in [
            "log/readme",
            "log/123.log",
            "log/123",
            "log/000000000000000G.log",
            "log/+00000000000000f.log",
            "log/00000000000000FF",
            "log/0000000000000000-.log",
            "log/0000000000000000-12.log",
            &none,
            &upper,
        ] {
            if let Ok(mut file) = storage.create(name) {
                file.append(b"?").expect("written");
                file.finish().expect("named");
            }
        }
        assert_eq!(headers(&mut open(&storage, 2)), [b"one"]);
    }
}

#[test]
fn damaged_segments_are_moved_to_the_quarantine_each_under_a_name_of_its_own() {
    let stem = format!("log-0000000000000000-{}", term(5));
    let wanted = [
        [format!("{stem}.1.log"), format!("{stem}.log")],
        ["log-0000000000000000", "log-0000000000000000.1"].map(str::to_owned),
    ];
    for (storage, names) in both_forms().iter().zip(wanted) {
        for round in 0..2 {
            write(&mut open(storage, 5), &[b"one", b"two"]);
            let first = format!("log/{}", storage.list("log").expect("listed")[0]);
            storage.remove("log").expect("removed");
            let mut file = storage.create(&first).expect("free");
            file.append(&[1; 100]).expect("written");
            file.finish().expect("named");
            let error = Log::open(Arc::clone(storage), writing(6)).err();
            let error = error.expect("damaged");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let place = format!("memory:x/{first}: offset 0: ");
            assert!(error.message().starts_with(&place), "{error}");
            let salvaged = Log::salvage(Arc::clone(storage), writing(7), None);
            let (mut log, report) = salvaged.expect("salvaged");
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
    let (mut one, mut other) = (open(&storage, 1), open(&storage, 2));
    let refused = one.append(&[(b"one", b"")], LogDurability::Sync);
    assert_eq!(refused.expect_err("taken").kind(), ErrorKind::Conflict);
    let refused = one.append(&[(b"one", b"")], LogDurability::Sync);
    assert_eq!(refused.expect_err("failed before").kind(), ErrorKind::Io);
    write(&mut other, &[b"two"]);
    assert_eq!(headers(&mut open(&storage, 3)), [b"two"]);
    let late = Log::open(Arc::clone(&storage), writing(3)).err();
    assert_eq!(
        late.expect("used before").kind(),
        ErrorKind::InvalidArgument
    );
    let late = Log::open(storage, writing(1)).err();
    assert_eq!(late.expect("late").kind(), ErrorKind::Conflict);
}
