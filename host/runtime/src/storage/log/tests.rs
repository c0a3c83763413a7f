//! The log on a storage in memory whose files the tests damage.

use std::sync::Arc;

use super::{Log, LogAccess, LogDurability, LogEntry};
use crate::error::{Error, ErrorKind};
use crate::storage::{MemoryStorage, Storage};

mod agreement;
mod damage;
mod faults;
mod faulty;

fn storage() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new("x"))
}

fn open(storage: &Arc<dyn Storage>) -> Log {
    Log::open(Arc::clone(storage), LogAccess::Write).expect("a good log")
}

/// A log with segments of at most a few entries.
fn open_small(storage: &Arc<dyn Storage>) -> Log {
    Log {
        segment_bytes: 200,
        ..open(storage)
    }
}

fn refused(storage: &Arc<dyn Storage>, access: LogAccess) -> Error {
    Log::open(Arc::clone(storage), access)
        .err()
        .expect("a bad log")
}

/// Content of entry `i`; sizes vary, and no long run is zero.
fn content(i: u64) -> (Vec<u8>, Vec<u8>) {
    let body = (0..(i * 37) % 100).map(|j| (i + j) as u8 | 1).collect();
    (format!("header {i}").into_bytes(), body)
}

/// Appends entries one by one and returns the position of each.
fn fill(log: &mut Log, range: std::ops::Range<u64>, durability: LogDurability) -> Vec<u64> {
    range
        .map(|i| {
            let (position, (header, body)) = (log.end(), content(i));
            let end = log
                .append(&[(&header, &body)], durability)
                .expect("appended");
            assert_eq!(end, log.end());
            position
        })
        .collect()
}

/// All entries from a position on.
fn replay(log: &mut Log, mut position: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    while let Some(LogEntry {
        next_position,
        header,
        body,
    }) = log.read(position).expect("good")
    {
        assert!(next_position > position);
        entries.push((header, body));
        position = next_position;
    }
    assert_eq!(position, log.end());
    entries
}

fn contents(range: std::ops::Range<u64>) -> Vec<(Vec<u8>, Vec<u8>)> {
    range.map(content).collect()
}

fn bytes_of(storage: &Arc<dyn Storage>, path: &str) -> Vec<u8> {
    let file = storage.open(path).expect("there");
    let mut bytes = vec![0; file.size() as usize];
    file.read_at(0, &mut bytes).expect("readable");
    bytes
}

/// Puts bytes in the place of a file.
fn replace(storage: &Arc<dyn Storage>, path: &str, bytes: &[u8]) {
    let mut file = storage.append_file(path).expect("there");
    file.truncate(0).expect("cut");
    file.append(bytes).expect("written");
}

const FIRST: &str = "log/0000000000000000.log";

#[test]
fn a_new_log_is_empty_and_makes_no_file() {
    let storage = storage();
    for access in [LogAccess::Write, LogAccess::Read] {
        let mut log = Log::open(Arc::clone(&storage), access).expect("new");
        assert_eq!((log.start(), log.end()), (0, 0));
        assert_eq!(log.read(0).expect("the end"), None);
    }
    assert_eq!(
        open(&storage)
            .append(&[], LogDurability::Sync)
            .expect("nothing"),
        0
    );
    assert!(storage.list("log").expect("listed").is_empty());
}

#[test]
fn entries_come_back_in_order_in_this_process_and_the_next() {
    let storage = storage();
    let mut log = open(&storage);
    let entries: Vec<_> = (0..10).map(content).collect();
    let slices: Vec<(&[u8], &[u8])> = entries.iter().map(|(h, b)| (&h[..], &b[..])).collect();
    let end = log.append(&slices, LogDurability::Sync).expect("appended");
    assert_eq!(replay(&mut log, 0), entries);
    fill(&mut log, 10..20, LogDurability::Os);
    assert_eq!(replay(&mut log, end), contents(10..20));
    log.append(&[(b"", b"")], LogDurability::Os)
        .expect("an empty entry");
    for access in [LogAccess::Read, LogAccess::Write] {
        let mut again = Log::open(Arc::clone(&storage), access).expect("good");
        assert_eq!(again.end(), log.end());
        let mut wanted = contents(0..20);
        wanted.push((vec![], vec![]));
        assert_eq!(replay(&mut again, 0), wanted);
    }
    let mut log = open(&storage);
    let positions = fill(&mut log, 20..22, LogDurability::Os);
    assert_eq!(replay(&mut log, positions[0]), contents(20..22));
}

#[test]
fn positions_are_sums_of_frame_bytes() {
    let mut log = open(&storage());
    assert_eq!(
        log.append(&[(b"abc", b"defgh")], LogDurability::Os)
            .expect("appended"),
        32
    );
    assert_eq!(
        log.append(&[(b"", b"")], LogDurability::Os)
            .expect("appended"),
        56
    );
}

#[test]
fn positions_that_are_none_are_refused() {
    let storage = storage();
    let mut log = open(&storage);
    let positions = fill(&mut log, 0..3, LogDurability::Os);
    let error = log.read(log.end() + 1).expect_err("behind the end");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let mut reader = Log::open(Arc::clone(&storage), LogAccess::Read).expect("good");
    assert_eq!(reader.read(log.end() + 1).expect("nothing yet"), None);
    for position in [u64::MAX, (1 << 62) + 1] {
        let error = log.drop_before(position).expect_err("no such position");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let error = log.read(positions[1] + 1).expect_err("inside an entry");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let place = format!("memory:x/{FIRST}: offset {}", positions[1] + 1 + 32);
    assert!(error.message().contains(&place), "{error}");
}

#[test]
fn a_log_opened_for_reading_takes_nothing() {
    let storage = storage();
    fill(&mut open(&storage), 0..3, LogDurability::Os);
    let mut log = Log::open(Arc::clone(&storage), LogAccess::Read).expect("good");
    for result in [
        log.append(&[(b"a", b"b")], LogDurability::Os).map(drop),
        log.drop_before(5),
    ] {
        let error = result.expect_err("read-only");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("opened for reading"), "{error}");
    }
}

#[test]
fn segments_follow_each_other() {
    let storage = storage();
    let mut log = open_small(&storage);
    let positions = fill(&mut log, 0..20, LogDurability::Os);
    let names = storage.list("log").expect("listed");
    assert!(names.len() > 4, "{names:?}");
    for name in &names {
        let first = u64::from_str_radix(&name[..16], 16).expect("hex");
        assert!(
            positions.contains(&first),
            "{name} does not begin with an entry"
        );
    }
    assert_eq!(replay(&mut log, 0), contents(0..20));
    for access in [LogAccess::Read, LogAccess::Write] {
        let mut again = Log::open(Arc::clone(&storage), access).expect("good");
        assert_eq!(replay(&mut again, positions[7]), contents(7..20));
    }
}

#[test]
fn what_is_given_up_goes_by_whole_segments_but_never_the_newest() {
    let storage = storage();
    let mut log = open_small(&storage);
    let positions = fill(&mut log, 0..20, LogDurability::Os);
    let before = storage.list("log").expect("listed");
    log.drop_before(0).expect("nothing to drop");
    assert_eq!(storage.list("log").expect("listed"), before);

    log.drop_before(positions[11]).expect("dropped");
    let start = log.start();
    assert!(start > 0 && start <= positions[11]);
    assert_eq!(replay(&mut log, positions[11]), contents(11..20));
    let error = log.read(positions[0]).expect_err("given up");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let left = storage.list("log").expect("listed");
    assert_eq!(left[0], format!("{start:016x}.log"));
    let second = u64::from_str_radix(&left[1][..16], 16).expect("hex");
    assert!(second > positions[11], "more could have been dropped");

    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert_eq!(storage.list("log").expect("listed").len(), 1);
    let mut log = open_small(&storage);
    assert_eq!(log.end(), end);
    assert_eq!(fill(&mut log, 20..22, LogDurability::Os)[0], end);
    assert_eq!(replay(&mut log, end), contents(20..22));
}

#[test]
fn a_large_newest_segment_is_replaced_when_all_of_it_is_given_up() {
    let storage = storage();
    let mut log = open(&storage);
    let end = log
        .append(&[(b"h", &vec![1; 1 << 20])], LogDurability::Os)
        .expect("appended");
    log.drop_before(end).expect("dropped");
    assert_eq!(
        storage.list("log").expect("listed"),
        [format!("{end:016x}.log")]
    );
    assert_eq!(storage.size_bytes().expect("summed"), 32);
    assert_eq!(open(&storage).end(), end);
}

#[test]
fn positions_that_a_snapshot_absorbed_are_not_used_again() {
    let storage = storage();
    let mut log = open_small(&storage);
    let positions = fill(&mut log, 0..10, LogDurability::Os);
    let old = positions[5];
    let old_newest = format!(
        "log/{}",
        storage.list("log").expect("listed").pop().expect("one")
    );
    let old_bytes = bytes_of(&storage, &old_newest);
    let absorbed = log.end() + 1000;
    log.drop_before(absorbed).expect("moved");
    assert_eq!((log.start(), log.end()), (absorbed, absorbed));
    assert_eq!(fill(&mut log, 10..12, LogDurability::Os)[0], absorbed);
    assert_eq!(
        log.read(old).expect_err("given up").kind(),
        ErrorKind::NotFound
    );

    // A crash before the old segments were removed, or even synced: they stay given up.
    let old_bytes = &old_bytes[..old_bytes.len() - 1];
    replace(&storage, &old_newest, old_bytes);
    for access in [LogAccess::Read, LogAccess::Write] {
        let mut again = Log::open(Arc::clone(&storage), access).expect("good");
        assert_eq!(again.start(), absorbed);
        assert_eq!(replay(&mut again, absorbed), contents(10..12));
    }
    assert_eq!(
        storage.list("log").expect("listed"),
        [format!("{absorbed:016x}.log")]
    );
}

#[test]
fn other_files_beside_the_segments_do_not_matter() {
    let storage = storage();
    fill(&mut open(&storage), 0..3, LogDurability::Os);
    for name in [
        "log/readme",
        "log/123.log",
        "log/000000000000000G.log",
        "log/+00000000000000f.log",
    ] {
        if let Ok(mut file) = storage.append_file(name) {
            file.append(b"?").expect("written");
        }
    }
    assert_eq!(replay(&mut open(&storage), 0), contents(0..3));
}
