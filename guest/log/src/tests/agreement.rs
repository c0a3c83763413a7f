//! Whatever became of the segments: who reads, who writes, who checks and who repairs a log say the same of
//! it, and what was promised is there or its absence is told.

use super::{
    Files, Medium, bytes_of, content, fill, names, on_both_forms, open, open_small, writing,
};
use crate::{Access, Durability, Error, Form, Log, Name, Report};

on_both_forms! {
    a_sound_log_is_sound_for_everybody
    a_segment_cut_at_any_byte
    a_segment_that_is_gone
    a_wrong_byte_anywhere
}

const ENTRIES: u64 = 14;

/// A log of several segments, all of it promised, and where its entries begin.
struct Sample {
    files: Vec<(Name, Vec<u8>)>,
    /// Where each file begins and ends.
    bounds: Vec<(u64, u64)>,
    positions: Vec<u64>,
    end: u64,
    form: Form,
}

fn files_of<M: Medium>(medium: &M) -> Vec<(Name, Vec<u8>)> {
    let names = names(medium).into_iter();
    names.map(|name| (name, bytes_of(medium, name))).collect()
}

fn sample<M: Medium>() -> Sample {
    let medium = M::new();
    let mut old = Vec::new();
    // Where segments are made whole, seals of which all that was around them is given up.
    while medium.form() == Form::Whole && old.len() < 2 {
        let mut log = open(&medium);
        log.drop_before(log.end()).expect("given up");
        old.push((log.end(), log.end()));
        fill(&mut log, 0..1, Durability::Sync);
    }
    let mut log = open_small(&medium);
    log.drop_before(log.end()).expect("given up");
    let positions = fill(&mut log, 0..ENTRIES, Durability::Sync);
    let files = files_of(&medium);
    assert!(files.len() > 3);
    let bounds = log
        .segments
        .iter()
        .map(|segment| (segment.first, segment.end));
    Sample {
        bounds: old.into_iter().chain(bounds).collect(),
        files,
        positions,
        end: log.end(),
        form: medium.form(),
    }
}

fn store<M: Medium>(files: &[(Name, Vec<u8>)]) -> M {
    let medium = M::new();
    for (name, bytes) in files {
        medium.replace(*name, bytes);
    }
    medium
}

/// Entries by position.
type Found = Vec<(u64, Vec<u8>)>;

/// The entries from a position on; none when the log does not open or one cannot be read.
fn entries<M: Medium>(medium: &M, access: Access, from: u64) -> Option<(Log<M>, Found)> {
    let expected = |error: &Error<M::Error>| matches!(error, Error::Damaged(_) | Error::GivenUp(_));
    let mut log = match Log::open_from(medium.clone(), access, from) {
        Ok(log) => log,
        Err(error) => {
            assert!(expected(&error), "{error}");
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
                assert!(expected(&error), "{error}");
                return None;
            }
        }
    }
}

/// What `verify` says: nothing when the log cannot be read at all.
fn report<M: Medium>(medium: &M, from: u64) -> Option<Report> {
    let (log, _) = entries(medium, Access::Read, from)?;
    Some(log.needed().check(medium).expect("checked"))
}

/// Asks everybody about a state of the files. `is_told` says that a loss must be noticed.
fn ask<M: Medium>(
    files: &[(Name, Vec<u8>)],
    from: u64,
    is_told: bool,
    sample: &Sample,
    what: &str,
) {
    let medium: M = store(files);
    let verified = report(&medium, from).is_some_and(|report| report.damage.is_empty());
    let read = entries(&medium, Access::Read, from).map(|(_, found)| found);
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
    write::<M>(files, from, read.as_deref(), what);
    repair::<M>(files, from, read.as_deref(), what);
}

/// A writer finds what a reader found, and what it adds comes back, to everybody.
fn write<M: Medium>(
    files: &[(Name, Vec<u8>)],
    from: u64,
    read: Option<&[(u64, Vec<u8>)]>,
    what: &str,
) {
    let medium: M = store(files);
    let written = entries(&medium, writing(), from);
    let found = written.as_ref().map(|(_, found)| found.as_slice());
    assert_eq!(found, read, "{what}: a reader and a writer differ");
    let Some((mut log, mut found)) = written else {
        return;
    };
    log.drop_before(from).expect("given up");
    let position = log.end();
    assert!(position >= from, "{what}: a position is used twice");
    log.append(&[(b"new", b"")], Durability::Sync)
        .expect("appended");
    found.push((position, b"new".to_vec()));
    drop(log);
    let again = report(&medium, from);
    assert_eq!(
        again.map(|report| report.damage),
        Some(Vec::new()),
        "{what}"
    );
    for access in [Access::Read, writing()] {
        let again = entries(&medium, access, from).map(|(_, found)| found);
        assert_eq!(again.as_ref(), Some(&found), "{what}: after a write");
    }
}

/// A repair finds damage where the others do, saves what a reader finds, and leaves a log that opens.
fn repair<M: Medium>(
    files: &[(Name, Vec<u8>)],
    from: u64,
    read: Option<&[(u64, Vec<u8>)]>,
    what: &str,
) {
    let medium: M = store(files);
    let (mut log, report) = Log::salvage(medium.clone(), writing(), Some(from)).expect("salvaged");
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
    log.append(&[(b"new", b"")], Durability::Sync)
        .expect("appended");
    drop(log);
    let found = entries(&medium, writing(), end).map(|(_, found)| found);
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

/// Whether what a damage costs can be told. A growing file that is the newest looks torn; a segment that was
/// made whole tells of itself wherever it is.
fn tells(sample: &Sample, at: usize) -> bool {
    sample.form == Form::Whole || at != sample.files.len() - 1
}

fn a_sound_log_is_sound_for_everybody<M: Medium>() {
    let sample = sample::<M>();
    for from in needed(&sample) {
        ask::<M>(&sample.files, from, true, &sample, &format!("from {from}"));
    }
}

fn a_segment_cut_at_any_byte<M: Medium>() {
    let sample = sample::<M>();
    let newest = sample.files.len() - 1;
    for (at, (name, bytes)) in sample.files.iter().enumerate() {
        for size in 0..bytes.len() {
            let mut files = sample.files.clone();
            files[at].1.truncate(size);
            for from in needed(&sample) {
                let (_, end) = sample.bounds[at];
                // Without a header nobody knows what the newest segment holds.
                let is_unknown = at == newest && size < Form::Whole.header_bytes();
                let is_needed = from < end || (is_unknown && sample.form == Form::Whole);
                let is_told = tells(&sample, at) && is_needed;
                let what = format!("{name:?} cut to {size} bytes, needed from {from}");
                ask::<M>(&files, from, is_told, &sample, &what);
            }
        }
    }
}

fn a_segment_that_is_gone<M: Medium>() {
    let sample = sample::<M>();
    let newest = sample.files.len() - 1;
    for at in 0..sample.files.len() {
        let mut files = sample.files.clone();
        let (name, _) = files.remove(at);
        for from in needed(&sample) {
            // Nothing tells that the newest was there.
            let is_told = at != newest && from < sample.bounds[at].1;
            let what = format!("without {name:?}, needed from {from}");
            ask::<M>(&files, from, is_told, &sample, &what);
        }
    }
}

fn a_wrong_byte_anywhere<M: Medium>() {
    let sample = sample::<M>();
    let (last, from_all) = (*sample.positions.last().expect("some"), needed(&sample));
    let header_bytes = sample.form.header_bytes();
    for (at, (name, bytes)) in sample.files.iter().enumerate() {
        let (first, end) = sample.bounds[at];
        for byte in 0..bytes.len() {
            let mut files = sample.files.clone();
            files[at].1[byte] ^= 0x10;
            // One in three is enough, if not always the same.
            for from in from_all.iter().skip(byte % 3).step_by(3) {
                let position = first + byte.saturating_sub(header_bytes) as u64;
                let is_needed = byte < header_bytes || position >= *from;
                let is_told = match sample.form {
                    // What is wrong in the last entry looks like a torn write.
                    Form::Growing => is_needed && position < last.max(first + 1),
                    Form::Whole => byte < header_bytes || end > *from,
                };
                let what = format!("{name:?}: byte {byte}, needed from {from}");
                ask::<M>(&files, *from, is_told, &sample, &what);
            }
        }
    }
}

#[test]
fn what_was_left_of_a_cut_segment_does_not_matter_once_the_log_went_on() {
    // A load that was flushed, then the file cut, then another row: the older file lies before the newer
    // one for good, whatever is in it.
    let files = Files::new();
    let mut log = open(&files);
    fill(&mut log, 0..3, Durability::Sync);
    let absorbed = log.end();
    let first = names(&files)[0];
    let bytes = bytes_of(&files, first);
    for left in 0..Form::Growing.header_bytes() {
        let medium: Files = store(&[(first, bytes[..left].to_vec())]);
        let mut log = Log::open_from(medium.clone(), writing(), absorbed).expect("opens");
        log.drop_before(absorbed).expect("given up");
        fill(&mut log, 3..4, Durability::Sync);
        drop(log);
        let mut files = files_of(&medium);
        // As an older version left it.
        if files.iter().all(|(found, _)| *found != first) {
            files.push((first, bytes[..left].to_vec()));
        }
        let medium: Files = store(&files);
        for access in [Access::Read, writing()] {
            let (_, found) = entries(&medium, access, absorbed).expect("opens");
            assert_eq!(found, [(absorbed, content(3).0)]);
        }
        let (_, report) = Log::salvage(medium, writing(), Some(absorbed)).expect("salvaged");
        assert_eq!(report.damage, Vec::<String>::new());
    }
}
