//! Whatever became of the files: who reads, who writes, who checks and who repairs a log say the same of
//! it, and what was promised is there or its absence is told.

use std::sync::Arc;

use super::super::check::check;
use super::super::segment::{self, HEADER_BYTES};
use super::{bytes_of, content, fill, open_small, replace, storage};
use crate::error::ErrorKind;
use crate::storage::log::{Log, LogAccess, LogDurability, LogReport};
use crate::storage::{MemoryStorage, Storage};

const ENTRIES: u64 = 14;

/// A log of several segments, all of it promised, and where its entries begin.
struct Sample {
    files: Vec<(String, Vec<u8>)>,
    positions: Vec<u64>,
    end: u64,
}

fn files_of(storage: &Arc<dyn Storage>) -> Vec<(String, Vec<u8>)> {
    let names = storage.list("log").expect("listed").into_iter();
    names
        .map(|name| {
            let path = format!("log/{name}");
            let bytes = bytes_of(storage, &path);
            (path, bytes)
        })
        .collect()
}

fn sample() -> Sample {
    let storage = storage();
    let mut log = open_small(&storage);
    let positions = fill(&mut log, 0..ENTRIES, LogDurability::Sync);
    let files = files_of(&storage);
    assert!(files.len() > 3);
    Sample {
        files,
        positions,
        end: log.end(),
    }
}

fn store(files: &[(String, Vec<u8>)]) -> Arc<dyn Storage> {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new("x"));
    for (path, bytes) in files {
        replace(&storage, path, bytes);
    }
    storage
}

/// Entries by position.
type Found = Vec<(u64, Vec<u8>)>;

/// The entries from a position on; none when the log does not open or one cannot be read.
fn entries(storage: &Arc<dyn Storage>, access: LogAccess, from: u64) -> Option<(Log, Found)> {
    let expected = |kind| matches!(kind, ErrorKind::Corrupt | ErrorKind::NotFound);
    let mut log = match Log::open_from(Arc::clone(storage), access, from) {
        Ok(log) => log,
        Err(error) => {
            assert!(expected(error.kind()), "{error}");
            return None;
        }
    };
    let (mut position, mut found) = (from, Vec::new());
    loop {
        match log.read(position) {
            Ok(Some(entry)) => {
                found.push((position, entry.header));
                position = entry.next_position;
            }
            Ok(None) => return Some((log, found)),
            Err(error) => {
                assert!(expected(error.kind()), "{error}");
                return None;
            }
        }
    }
}

/// What `verify` says: nothing when the log cannot be read at all.
fn report(storage: &Arc<dyn Storage>, from: u64) -> Option<LogReport> {
    let (log, _) = entries(storage, LogAccess::Read, from)?;
    let (segments, needed_from) = log.needed();
    Some(check(storage, &segments, needed_from).expect("checked"))
}

/// Asks everybody about a state of the files. `is_told` says that a loss must be noticed.
fn ask(files: &[(String, Vec<u8>)], from: u64, is_told: bool, sample: &Sample, what: &str) {
    let storage = store(files);
    let verified = report(&storage, from).is_some_and(|report| report.damage.is_empty());
    let read = entries(&storage, LogAccess::Read, from).map(|(_, found)| found);
    assert_eq!(
        verified,
        read.is_some(),
        "{what}: verify and a reader differ"
    );
    let wanted: Vec<(u64, Vec<u8>)> = { sample.positions.iter().zip(0..) }
        .filter(|(position, _)| **position >= from)
        .map(|(position, at)| (*position, content(at).0))
        .collect();
    match &read {
        // In order, right, and from the first on.
        Some(found) => assert!(wanted.starts_with(found), "{what}: a wrong entry"),
        None => assert!(is_told, "{what}: nothing is missing, but it does not open"),
    }
    if is_told {
        assert!(
            read.as_ref().is_none_or(|found| *found == wanted),
            "{what}: a silent loss"
        );
    }
    write(files, from, read.as_deref(), what);
    repair(files, from, read.as_deref(), what);
}

/// A writer finds what a reader found, and what it adds comes back, to everybody.
fn write(files: &[(String, Vec<u8>)], from: u64, read: Option<&[(u64, Vec<u8>)]>, what: &str) {
    let storage = store(files);
    let written = entries(&storage, LogAccess::Write, from);
    let found = written.as_ref().map(|(_, found)| found.as_slice());
    assert_eq!(found, read, "{what}: a reader and a writer differ");
    let Some((mut log, mut found)) = written else {
        return;
    };
    log.drop_before(from).expect("given up");
    let position = log.end();
    assert!(position >= from, "{what}: a position is used twice");
    log.append(&[(b"new", b"")], LogDurability::Sync)
        .expect("appended");
    found.push((position, b"new".to_vec()));
    drop(log);
    let again = report(&storage, from);
    assert_eq!(
        again.map(|report| report.damage),
        Some(Vec::new()),
        "{what}"
    );
    for access in [LogAccess::Read, LogAccess::Write] {
        let again = entries(&storage, access, from).map(|(_, found)| found);
        assert_eq!(again.as_ref(), Some(&found), "{what}: after a write");
    }
}

/// A repair finds damage where the others do, saves what a reader finds, and leaves a log that opens.
fn repair(files: &[(String, Vec<u8>)], from: u64, read: Option<&[(u64, Vec<u8>)]>, what: &str) {
    let storage = store(files);
    let (mut log, report) = Log::salvage(Arc::clone(&storage), Some(from)).expect("salvaged");
    assert_eq!(
        report.damage.is_empty(),
        read.is_some(),
        "{what}: {report:?}"
    );
    if let Some(read) = read {
        assert_eq!(report.entries, read.len() as u64, "{what}: {report:?}");
    }
    for (start, end) in &report.spans {
        let mut position = *start;
        while position < *end {
            let entry = log.read(position).expect("in a span").expect("an entry");
            position = entry.next_position;
        }
        assert_eq!(position, *end);
    }
    let end = log.end();
    log.drop_before(end).expect("begun anew");
    log.append(&[(b"new", b"")], LogDurability::Sync)
        .expect("appended");
    drop(log);
    let found = entries(&storage, LogAccess::Write, end).map(|(_, found)| found);
    assert_eq!(
        found,
        Some(vec![(end, b"new".to_vec())]),
        "{what}: after a repair"
    );
}

/// All positions up to which a snapshot may have absorbed the log, those of the end and behind it too.
fn needed(sample: &Sample) -> Vec<u64> {
    let ends = [sample.end, sample.end + 500];
    sample.positions.iter().copied().chain(ends).collect()
}

fn first_of(path: &str) -> u64 {
    u64::from_str_radix(&path["log/".len()..][..16], 16).expect("hex")
}

#[test]
fn a_sound_log_is_sound_for_everybody() {
    let sample = sample();
    for from in needed(&sample) {
        ask(&sample.files, from, true, &sample, &format!("from {from}"));
    }
}

#[test]
fn a_segment_cut_at_any_byte() {
    let sample = sample();
    let newest = sample.files.len() - 1;
    for (at, (path, bytes)) in sample.files.iter().enumerate() {
        let first = first_of(path);
        for size in 0..bytes.len() {
            let mut files = sample.files.clone();
            files[at].1.truncate(size);
            for from in needed(&sample) {
                let end = first + (bytes.len() - HEADER_BYTES) as u64;
                // Of the newest segment nothing tells how long it was.
                let is_told = at != newest && from < end;
                let what = format!("{path} cut to {size} bytes, needed from {from}");
                ask(&files, from, is_told, &sample, &what);
            }
        }
    }
}

#[test]
fn a_segment_that_is_gone() {
    let sample = sample();
    let newest = sample.files.len() - 1;
    for at in 0..sample.files.len() {
        let mut files = sample.files.clone();
        let (path, bytes) = files.remove(at);
        for from in needed(&sample) {
            let end = first_of(&path) + (bytes.len() - HEADER_BYTES) as u64;
            let is_told = at != newest && from < end;
            let what = format!("without {path}, needed from {from}");
            ask(&files, from, is_told, &sample, &what);
        }
    }
}

#[test]
fn a_wrong_byte_anywhere() {
    let sample = sample();
    let (last, from_all) = (*sample.positions.last().expect("some"), needed(&sample));
    for (at, (path, bytes)) in sample.files.iter().enumerate() {
        let first = first_of(path);
        for byte in 0..bytes.len() {
            let mut files = sample.files.clone();
            files[at].1[byte] ^= 0x10;
            // One in three is enough, if not always the same.
            for from in from_all.iter().skip(byte % 3).step_by(3) {
                let position = first + byte.saturating_sub(HEADER_BYTES) as u64;
                // What is wrong in the last entry looks like a torn write.
                let is_needed = byte < HEADER_BYTES || position >= *from;
                let is_told = is_needed && position < last.max(first + 1);
                let what = format!("{path}: byte {byte}, needed from {from}");
                ask(&files, *from, is_told, &sample, &what);
            }
        }
    }
}

#[test]
fn what_was_left_of_a_cut_segment_does_not_matter_once_the_log_went_on() {
    // A load that was flushed, then the file cut, then another row: the older file lies before the newer
    // one for good, whatever is in it.
    let storage = storage();
    let mut log = super::open(&storage);
    fill(&mut log, 0..3, LogDurability::Sync);
    let absorbed = log.end();
    let path = segment::path(0);
    let bytes = bytes_of(&storage, &path);
    for left in 0..HEADER_BYTES {
        let storage = store(&[(path.clone(), bytes[..left].to_vec())]);
        let mut log =
            Log::open_from(Arc::clone(&storage), LogAccess::Write, absorbed).expect("opens");
        log.drop_before(absorbed).expect("given up");
        fill(&mut log, 3..4, LogDurability::Sync);
        drop(log);
        let mut files = files_of(&storage);
        // As an older version left it.
        if files.iter().all(|(found, _)| *found != path) {
            files.push((path.clone(), bytes[..left].to_vec()));
        }
        let storage = store(&files);
        for access in [LogAccess::Read, LogAccess::Write] {
            let (_, found) = entries(&storage, access, absorbed).expect("opens");
            assert_eq!(found, [(absorbed, content(3).0)]);
        }
        let (_, report) = Log::salvage(storage, Some(absorbed)).expect("salvaged");
        assert_eq!(report.damage, Vec::<String>::new());
    }
}
