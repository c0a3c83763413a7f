//! Logs on media in memory that the tests damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test"
)]

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::header::{self, Header};
use crate::{
    Access, Durability, Entry, Error, Fault, Form, Log, MediumError, MemoryObjects, Name, Reader,
    Segments, Term,
};

mod agreement;
mod damage;
mod faults;
mod fencing;
mod files;
mod objects;
mod race;
mod seals;
mod sleeping;

pub(crate) use files::Files;

/// A medium of either form. Clones share what lies on it.
trait Medium: Segments<Error: Debug> + Clone {
    fn new() -> Self;

    /// Puts bytes in the place of a segment.
    fn replace(&self, name: Name, bytes: &[u8]);

    fn size_bytes(&self) -> u64;
}

impl Medium for Files {
    fn new() -> Self {
        Self::new()
    }

    fn replace(&self, name: Name, bytes: &[u8]) {
        self.replace(name, bytes);
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes()
    }
}

impl Medium for MemoryObjects {
    fn new() -> Self {
        Self::new("memory:x")
    }

    fn replace(&self, name: Name, bytes: &[u8]) {
        self.replace(name, bytes);
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes()
    }
}

/// A test of both forms.
macro_rules! on_both_forms {
    ($($name:ident)*) => {
        mod on_files {
            $(#[test]
            fn $name() {
                super::$name::<crate::tests::Files>();
            })*
        }
        mod on_objects {
            $(#[test]
            fn $name() {
                super::$name::<crate::MemoryObjects>();
            })*
        }
    };
}
use on_both_forms;

/// A term above all that were given before.
fn next_term() -> Term {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = 1 + LAST.fetch_add(1, Ordering::Relaxed);
    // As good as random, and descending: the number decides.
    let nonce = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 40 ^ u128::MAX;
    Term { number, nonce }
}

fn writing() -> Access {
    writing_as(next_term())
}

fn writing_as(term: Term) -> Access {
    Access::Write { term, seal: true }
}

/// What a writer uses that knows that nobody else is at work.
fn writing_alone() -> Access {
    Access::Write {
        term: next_term(),
        seal: false,
    }
}

fn open<M: Medium>(medium: &M) -> Log<M> {
    Log::open(medium.clone(), writing()).expect("a good log")
}

/// A log with segments of at most a few entries.
fn open_small<M: Medium>(medium: &M) -> Log<M> {
    Log {
        segment_bytes: 200,
        ..open(medium)
    }
}

fn refused<M: Medium>(medium: &M, access: Access) -> Error<M::Error> {
    Log::open(medium.clone(), access).err().expect("a bad log")
}

/// What a host tells as an error of the medium that promises nothing.
fn is_io<E: MediumError>(error: &Error<E>) -> bool {
    match error {
        Error::Medium(error) => error.fault() == Fault::Other,
        Error::Failed(_) | Error::InDoubt(_) => true,
        _ => false,
    }
}

fn is_full<E: MediumError>(error: &Error<E>) -> bool {
    matches!(error, Error::Medium(error) if error.fault() == Fault::Full)
}

fn is_damaged<E: MediumError>(error: &Error<E>) -> bool {
    matches!(error, Error::Damaged(_))
}

/// Content of entry `i`; sizes vary, and no long run is zero.
fn content(i: u64) -> (Vec<u8>, Vec<u8>) {
    let body = (0..(i * 37) % 100).map(|j| (i + j) as u8 | 1).collect();
    (format!("header {i}").into_bytes(), body)
}

/// Appends entries one by one and returns the position of each.
fn fill<M: Medium>(
    log: &mut Log<M>,
    range: std::ops::Range<u64>,
    durability: Durability,
) -> Vec<u64> {
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
fn replay<M: Medium>(log: &mut Log<M>, mut position: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    while let Some(Entry {
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

fn bytes_of<M: Medium>(medium: &M, name: Name) -> Vec<u8> {
    let segment = medium.open(name).expect("there");
    let mut bytes = vec![0; segment.size() as usize];
    segment.read_at(0, &mut bytes).expect("readable");
    bytes
}

fn names<M: Medium>(medium: &M) -> Vec<Name> {
    medium.list().expect("listed")
}

fn is_seal<M: Medium>(medium: &M, name: Name) -> bool {
    let opened = header::open(medium, name).expect("readable");
    matches!(opened.header, Header::Good(fields) if fields.is_seal)
}

/// What is there beside the seals.
fn unsealed<M: Medium>(medium: &M) -> Vec<Name> {
    let names = names(medium).into_iter();
    names.filter(|name| !is_seal(medium, *name)).collect()
}

fn seals_on<M: Medium>(medium: &M) -> usize {
    names(medium).len() - unsealed(medium).len()
}

/// The name of something that was made whole, or of version 1.
const fn untermed(number: u64) -> Name {
    Name { number, term: None }
}

/// A medium with one segment.
fn alone<M: Medium>(name: Name, bytes: &[u8]) -> M {
    let medium = M::new();
    medium.replace(name, bytes);
    medium
}

on_both_forms! {
    a_new_log_is_empty_and_only_a_writer_makes_a_segment
    entries_come_back_in_order_in_this_process_and_the_next
    positions_are_sums_of_frame_bytes
    positions_that_are_none_are_refused
    a_log_opened_for_reading_takes_nothing
    segments_follow_each_other
    what_is_given_up_goes_by_whole_segments_but_never_the_newest
    a_large_newest_segment_is_replaced_when_all_of_it_is_given_up
    positions_that_a_snapshot_absorbed_are_not_used_again
}

fn a_new_log_is_empty_and_only_a_writer_makes_a_segment<M: Medium>() {
    let medium = M::new();
    for (access, segments) in [(Access::Read, 0), (writing(), 1), (writing(), 2)] {
        let mut log = Log::open(medium.clone(), access).expect("new");
        assert_eq!((log.start(), log.end()), (0, 0));
        assert_eq!(log.read(0).expect("the end"), None);
        assert_eq!(names(&medium).len(), segments);
    }
    let mut log = open(&medium);
    assert_eq!(log.append(&[], Durability::Sync).expect("nothing"), 0);
    assert_eq!(names(&medium).len(), 3);
    log.drop_before(0).expect("nothing to drop");
    let seals = if medium.form() == Form::Whole { 3 } else { 0 };
    assert_eq!(seals_on(&medium), seals);
    assert_eq!(
        names(&medium).len(),
        seals.max(1),
        "the empty ones before it"
    );
}

fn entries_come_back_in_order_in_this_process_and_the_next<M: Medium>() {
    let medium = M::new();
    let mut log = open(&medium);
    let entries: Vec<_> = (0..10).map(content).collect();
    let slices: Vec<(&[u8], &[u8])> = entries.iter().map(|(h, b)| (&h[..], &b[..])).collect();
    let end = log.append(&slices, Durability::Sync).expect("appended");
    assert_eq!(replay(&mut log, 0), entries);
    fill(&mut log, 10..20, Durability::Os);
    assert_eq!(replay(&mut log, end), contents(10..20));
    log.append(&[(b"", b"")], Durability::Os)
        .expect("an empty entry");
    for access in [Access::Read, writing()] {
        let mut again = Log::open(medium.clone(), access).expect("good");
        assert_eq!(again.end(), log.end());
        let mut wanted = contents(0..20);
        wanted.push((vec![], vec![]));
        assert_eq!(replay(&mut again, 0), wanted);
    }
    let mut log = open(&medium);
    let positions = fill(&mut log, 20..22, Durability::Os);
    assert_eq!(replay(&mut log, positions[0]), contents(20..22));
}

fn positions_are_sums_of_frame_bytes<M: Medium>() {
    let mut log = open(&M::new());
    assert_eq!(
        log.append(&[(b"abc", b"defgh")], Durability::Os)
            .expect("appended"),
        32
    );
    assert_eq!(
        log.append(&[(b"", b"")], Durability::Os).expect("appended"),
        56
    );
}

fn positions_that_are_none_are_refused<M: Medium>() {
    let medium = M::new();
    let mut log = open(&medium);
    let positions = fill(&mut log, 0..3, Durability::Os);
    let error = log.read(log.end() + 1).expect_err("behind the end");
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let mut reader = Log::open(medium.clone(), Access::Read).expect("good");
    assert_eq!(reader.read(log.end() + 1).expect("nothing yet"), None);
    for position in [u64::MAX, (1 << 62) + 1] {
        let error = log.drop_before(position).expect_err("no such position");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    let error = log.read(positions[1] + 1).expect_err("inside an entry");
    assert!(is_damaged(&error), "{error}");
    // One entry is one commit.
    let (name, offset) = match medium.form() {
        Form::Growing => (names(&medium)[0], positions[1] + 1 + 88),
        // The first is the seal.
        Form::Whole => (untermed(2), 1 + 72),
    };
    let place = format!("{}: offset {offset}", medium.place(name));
    assert!(error.to_string().starts_with(&place), "{error}");
}

fn a_log_opened_for_reading_takes_nothing<M: Medium>() {
    let medium = M::new();
    fill(&mut open(&medium), 0..3, Durability::Os);
    let mut log = Log::open(medium.clone(), Access::Read).expect("good");
    for result in [
        log.append(&[(b"a", b"b")], Durability::Os).map(drop),
        log.drop_before(5),
    ] {
        let error = result.expect_err("read-only");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert!(error.to_string().contains("opened for reading"), "{error}");
    }
}

fn segments_follow_each_other<M: Medium>() {
    let medium = M::new();
    let mut log = open_small(&medium);
    let positions = fill(&mut log, 0..20, Durability::Os);
    let names = names(&medium);
    assert!(names.len() > 4, "{names:?}");
    assert!(names.is_sorted());
    for (segment, name) in log.segments.iter().zip(&names) {
        assert_eq!(segment.name, *name);
        assert!(
            positions.contains(&segment.first),
            "{name:?} does not begin with an entry"
        );
    }
    assert_eq!(replay(&mut log, 0), contents(0..20));
    for access in [Access::Read, writing()] {
        let mut again = Log::open(medium.clone(), access).expect("good");
        assert_eq!(replay(&mut again, positions[7]), contents(7..20));
    }
}

fn what_is_given_up_goes_by_whole_segments_but_never_the_newest<M: Medium>() {
    let medium = M::new();
    let mut log = open_small(&medium);
    let positions = fill(&mut log, 0..20, Durability::Os);
    log.drop_before(0).expect("what is empty, at most");
    let before = names(&medium);
    log.drop_before(0).expect("nothing to drop");
    assert_eq!(names(&medium), before);

    log.drop_before(positions[11]).expect("dropped");
    let start = log.start();
    assert!(start > 0 && start <= positions[11]);
    assert_eq!(replay(&mut log, positions[11]), contents(11..20));
    let error = log.read(positions[0]).expect_err("given up");
    assert!(matches!(error, Error::GivenUp(_)), "{error}");
    let left = { log.segments.iter() }.filter(|it| !it.is_seal);
    let left: Vec<Name> = left.map(|segment| segment.name).collect();
    assert_eq!(unsealed(&medium), left);
    assert_eq!(log.segments[0].first, start);
    let second = log.segments[1].first;
    assert!(second > positions[11], "more could have been dropped");

    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert_eq!(unsealed(&medium).len(), 1);
    let mut log = open_small(&medium);
    assert_eq!(log.end(), end);
    log.drop_before(end).expect("dropped");
    // Where they do not grow a seal is the newest.
    let kept = usize::from(medium.form() == Form::Growing);
    assert_eq!(unsealed(&medium).len(), kept);
    assert_eq!(fill(&mut log, 20..22, Durability::Os)[0], end);
    assert_eq!(replay(&mut log, end), contents(20..22));
}

fn a_large_newest_segment_is_replaced_when_all_of_it_is_given_up<M: Medium>() {
    let medium = M::new();
    let mut log = open(&medium);
    let end = log
        .append(&[(b"h", &vec![1; 1 << 20])], Durability::Os)
        .expect("appended");
    log.drop_before(end).expect("dropped");
    let term = log.term();
    let (name, bytes) = match medium.form() {
        Form::Growing => (Name { number: end, term }, 88),
        // Beside the seal.
        Form::Whole => (untermed(2), 2 * 72),
    };
    assert_eq!(unsealed(&medium), [name]);
    assert_eq!(medium.size_bytes(), bytes);
    assert_eq!(open(&medium).end(), end);
}

fn positions_that_a_snapshot_absorbed_are_not_used_again<M: Medium>() {
    let medium = M::new();
    let mut log = open_small(&medium);
    let positions = fill(&mut log, 0..10, Durability::Os);
    let old = positions[5];
    let old_newest = names(&medium).pop().expect("one");
    let old_bytes = bytes_of(&medium, old_newest);
    let absorbed = log.end() + 1000;
    log.drop_before(absorbed).expect("moved");
    assert_eq!((log.start(), log.end()), (absorbed, absorbed));
    assert_eq!(fill(&mut log, 10..12, Durability::Os)[0], absorbed);
    let error = log.read(old).expect_err("given up");
    assert!(matches!(error, Error::GivenUp(_)), "{error}");

    // A crash before the old segments were removed, or even synced: they stay given up.
    let old_bytes = &old_bytes[..old_bytes.len() - 1];
    medium.replace(old_newest, old_bytes);
    for access in [Access::Read, writing()] {
        let mut again = Log::open(medium.clone(), access).expect("good");
        assert_eq!(again.start(), absorbed);
        assert_eq!(replay(&mut again, absorbed), contents(10..12));
        log = again;
    }
    // What is given up goes when a writer gives up anything.
    log.drop_before(0).expect("dropped");
    let left = { log.segments.iter() }.filter(|it| !it.is_seal);
    let left: Vec<Name> = left.map(|segment| segment.name).collect();
    assert_eq!(unsealed(&medium), left);
    assert_eq!(log.segments[0].first, absorbed);
}

/// Numbers that look random, the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
