//! Logs of objects: what is only true of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{
    bytes_of, content, contents, fill, is_full, is_io, names, open, replay, seals_on, untermed,
    writing, writing_alone, writing_as,
};
use crate::survey::{Extent, survey};
use crate::{
    Access, Durability, Error, Fault, Form, Log, MediumError, MemoryObject, MemoryObjects, Name,
    NoTail, Segments,
};

const HEADER: usize = Form::Whole.header_bytes();

fn objects() -> MemoryObjects {
    MemoryObjects::new("memory:x")
}

#[test]
fn each_commit_is_an_object_and_objects_are_numbered() {
    let objects = objects();
    let mut log = open(&objects);
    let (one, two) = (content(0), content(1));
    let entries: [(&[u8], &[u8]); 2] = [(&one.0, &one.1), (&two.0, &two.1)];
    for (commit, durability) in [Durability::Os, Durability::Sync].into_iter().enumerate() {
        log.append(&entries, durability).expect("appended");
        assert_eq!(names(&objects).len(), commit + 2);
        // A sync of nothing makes nothing.
        log.append(&[], Durability::Sync).expect("nothing");
    }
    // The first is the seal.
    assert_eq!(names(&objects), [0, 1, 2].map(untermed));
    assert_eq!(bytes_of(&objects, untermed(0)).len(), HEADER);
    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert_eq!(names(&objects), [0, 2].map(untermed));
    let mut log = open(&objects);
    fill(&mut log, 2..4, Durability::Os);
    assert_eq!(names(&objects), [0, 2, 3, 4, 5].map(untermed));
    assert_eq!(replay(&mut log, end), contents(2..4));
}

#[test]
fn nothing_of_an_object_counts_as_torn() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    let bytes = bytes_of(&objects, untermed(3));
    for size in 0..bytes.len() {
        let objects = objects.copied();
        objects.replace(untermed(3), &bytes[..size]);
        let opened = Log::open(objects.clone(), writing());
        if size < HEADER {
            let error = opened.err().expect("without a header");
            let place = "memory:x/log/0000000000000003: offset 0: ";
            assert!(error.to_string().starts_with(place), "{error}");
            assert!(matches!(error, Error::Damaged(_)), "{error}");
            continue;
        }
        let mut log = opened.expect("with a header");
        let position = log.segments[3].first;
        let error = log.read(position).expect_err("cut");
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        let report = log.needed().check(&objects).expect("checked");
        assert_eq!((report.entries, report.torn_bytes), (2, 0));
        assert!(!report.damage.is_empty());
    }
}

#[test]
fn an_object_under_the_name_of_another_is_damage() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    let renamed = bytes_of(&objects, untermed(1));
    objects.replace(untermed(4), &renamed);
    let error = Log::open(objects.clone(), Access::Read).err();
    let error = error.expect("renamed").to_string();
    assert!(
        error.contains("is not number 4 as its name says"),
        "{error}"
    );
}

#[test]
fn a_damaged_object_is_set_aside_as_it_is() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    let mut damaged = bytes_of(&objects, untermed(1));
    damaged[HEADER + 30] ^= 1;
    objects.replace(untermed(1), &damaged);
    let (mut log, report) = Log::salvage(objects.clone(), writing(), None).expect("salvaged");
    assert_eq!((report.entries, report.damage.len()), (2, 1));
    assert!(log.append(&[(b"h", b"b")], Durability::Os).is_err());
    let end = log.end();
    log.drop_before(end).expect("begun anew");
    assert_eq!(objects.quarantined(), [(untermed(1), Arc::new(damaged))]);
    assert_eq!(names(&objects), [0, 4].map(untermed));
    // The first of a writer, and a seal like any other.
    assert_eq!(seals_on(&objects), 2);
    assert_eq!(fill(&mut log, 3..4, Durability::Os), [end]);
    assert_eq!(replay(&mut open(&objects), end), contents(3..4));
}

#[test]
fn only_the_later_of_two_writers_goes_on() {
    let objects = objects();
    let (mut one, mut other) = (open(&objects), open(&objects));
    let refused = one.append(&[(b"one", b"")], Durability::Os);
    let error = refused.expect_err("taken");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
    let end = one.end();
    for refused in [
        one.append(&[(b"one", b"")], Durability::Os).map(drop),
        one.drop_before(end + 1),
    ] {
        assert!(is_io(&refused.expect_err("failed before")));
    }
    fill(&mut other, 0..3, Durability::Os);
    assert_eq!(replay(&mut open(&objects), 0), contents(0..3));
}

#[test]
fn objects_of_an_earlier_writer_behind_those_of_a_later_one_are_damage() {
    let objects = objects();
    let mut log = open(&objects);
    let term = log.term().expect("a writer's");
    fill(&mut open(&objects), 0..1, Durability::Os);
    (log.newest, log.end) = (Some(untermed(2)), open_end(&objects));
    fill(&mut log, 1..2, Durability::Os);
    for access in [Access::Read, writing()] {
        let error = Log::open(objects.clone(), access)
            .err()
            .expect("descending");
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        let place = "memory:x/log/0000000000000003: ";
        assert!(error.to_string().starts_with(place), "{error}");
    }
    let refused = Log::open(objects, writing_as(term)).err();
    let error = refused.expect("of a lower term");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
}

fn open_end(objects: &MemoryObjects) -> u64 {
    let log = Log::open(objects.clone(), Access::Read).expect("good");
    log.end()
}

#[test]
fn a_full_medium_leaves_the_log_as_it_was() {
    let objects = objects();
    let mut log = open(&objects);
    fill(&mut log, 0..3, Durability::Os);
    objects.limit(Some(objects.size_bytes() + 10));
    let refused = log.append(&[(b"more", b"than there is room for")], Durability::Sync);
    assert!(is_full(&refused.expect_err("full")));
    assert_eq!(replay(&mut log, 0), contents(0..3));
    let before = names(&objects);
    let refused = Log::open(objects.clone(), writing()).err().expect("full");
    assert!(is_full(&refused), "{refused}");
    assert_eq!(names(&objects), before);
    let mut reader = Log::open(objects.clone(), Access::Read).expect("good");
    assert_eq!(replay(&mut reader, 0), contents(0..3));
    objects.limit(None);
    fill(&mut log, 3..5, Durability::Os);
    assert_eq!(replay(&mut open(&objects), 0), contents(0..5));
}

#[test]
fn a_full_medium_gets_the_room_of_what_is_given_up_and_the_numbers_go_on() {
    let objects = objects();
    let mut log = open(&objects);
    fill(&mut log, 0..5, Durability::Os);
    objects.limit(Some(objects.size_bytes()));
    let behind = log.end() + 500;
    log.drop_before(behind).expect("dropped");
    assert_eq!(names(&objects), [0, 5].map(untermed));
    let again = Log::open_from(objects.clone(), Access::Read, behind).expect("sound");
    assert_eq!((again.start(), again.end()), (behind, behind));
    assert_eq!(fill(&mut log, 5..7, Durability::Os)[0], behind);
    assert_eq!(names(&objects), [0, 5, 6, 7].map(untermed));
    log.drop_before(behind).expect("dropped");
    assert_eq!(names(&objects), [0, 6, 7].map(untermed));
    for access in [Access::Read, writing()] {
        let mut again = Log::open_from(objects.clone(), access, behind).expect("sound");
        assert_eq!(replay(&mut again, behind), contents(5..7));
    }
}

/// Objects whose answers get lost: the next put fails, before or after it came about. Counts what is opened.
#[derive(Clone)]
struct Unsure {
    inner: MemoryObjects,
    opened: Arc<AtomicUsize>,
    /// Whether the put that fails comes about.
    lost: Arc<Mutex<Option<bool>>>,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer(Fault);

impl MediumError for NoAnswer {
    fn fault(&self) -> Fault {
        self.0
    }
}

/// An object whose reads do not fail.
struct Sure(MemoryObject);

impl crate::Reader for Sure {
    type Error = NoAnswer;

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), NoAnswer> {
        self.0.read_at(offset, buffer).map_err(unsure)
    }
}

fn unsure(error: crate::MemoryError) -> NoAnswer {
    NoAnswer(error.fault())
}

impl Segments for Unsure {
    type Error = NoAnswer;
    type Reader = Sure;
    type Tail = NoTail<NoAnswer>;

    fn form(&self) -> Form {
        self.inner.form()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    fn place(&self, name: Name) -> String {
        self.inner.place(name)
    }

    fn list(&self) -> Result<Vec<Name>, NoAnswer> {
        self.inner.list().map_err(unsure)
    }

    fn open(&self, name: Name) -> Result<Sure, NoAnswer> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.inner.open(name).map(Sure).map_err(unsure)
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<Self::Tail>, NoAnswer> {
        let lost = self.lost.lock().expect("free").take();
        if lost != Some(false) {
            self.inner.begin(name, bytes).map_err(unsure)?;
        }
        match lost {
            None => Ok(None),
            Some(_) => Err(NoAnswer(Fault::Other)),
        }
    }

    fn tail(&self, _name: Name) -> Result<Option<Self::Tail>, NoAnswer> {
        Ok(None)
    }

    fn remove(&self, name: Name) -> Result<(), NoAnswer> {
        self.inner.remove(name).map_err(unsure)
    }

    fn set_aside(&self, name: Name) -> Result<(), NoAnswer> {
        self.inner.set_aside(name).map_err(unsure)
    }

    fn sync(&self) -> Result<(), NoAnswer> {
        self.inner.sync().map_err(unsure)
    }
}

#[test]
fn a_put_without_an_answer_ends_the_writer_and_the_next_finds_out() {
    for came_about in [false, true] {
        let objects = objects();
        fill(&mut open(&objects), 0..2, Durability::Os);
        let lost = Arc::new(Mutex::new(None));
        let medium = Unsure {
            inner: objects.clone(),
            opened: Arc::default(),
            lost: Arc::clone(&lost),
        };
        let mut log = Log::open(medium, writing()).expect("good");
        *lost.lock().expect("free") = Some(came_about);
        let end = log.end();
        let (header, body) = content(2);
        for _ in 0..2 {
            let refused = log.append(&[(&header, &body)], Durability::Os);
            assert!(is_io(&refused.expect_err("no answer, then none asked for")));
        }
        assert_eq!(log.end(), end);
        let found = 2 + u64::from(came_about);
        let mut log = open(&objects);
        assert_eq!(replay(&mut log, 0), contents(0..found));
        fill(&mut log, found..5, Durability::Os);
        assert_eq!(replay(&mut open(&objects), 0), contents(0..5));
    }
}

/// Objects of a dozen openings, with seals and without, and the positions of all entries.
fn many() -> (MemoryObjects, Vec<u64>) {
    let objects = objects();
    let mut positions = Vec::new();
    for round in 0..12 {
        let access = if round % 3 == 1 {
            writing_alone()
        } else {
            writing()
        };
        let mut log = Log::open(objects.clone(), access).expect("good");
        positions.extend(fill(&mut log, 0..round % 5 * 4, Durability::Os));
    }
    (objects, positions)
}

#[test]
fn who_reads_opens_what_is_needed_and_finds_what_everybody_finds() {
    let (whole, positions) = many();
    let all = names(&whole);
    let needed = positions.iter().step_by(3).flat_map(|it| [*it, it + 1]);
    let needed = Vec::from_iter(needed.chain([open_end(&whole), u64::MAX >> 3]));
    let gone = all.iter().map(|name| vec![*name]);
    let begins = (0..all.len()).step_by(7).map(|count| all[..count].to_vec());
    for gone in gone.chain(begins) {
        let objects = whole.copied();
        for name in &gone {
            objects.remove(*name).expect("removed");
        }
        for from in &needed {
            let look = |extent| {
                let (it, _) = survey(&objects, Some(*from), extent).expect("looked");
                let seen = (it.segments, it.newest, it.end, it.is_detached);
                let damage = it.damage.into_iter().map(|it| (it.problem, it.kind));
                format!("{seen:?} {:?}", Vec::from_iter(damage))
            };
            let found = look(Extent::Needed);
            assert_eq!(found, look(Extent::All), "from {from} without {gone:?}");
        }
    }
    let opened = Arc::new(AtomicUsize::new(0));
    let medium = Unsure {
        inner: whole.clone(),
        opened: Arc::clone(&opened),
        lost: Arc::default(),
    };
    Log::open_from(medium, Access::Read, open_end(&whole)).expect("good");
    let opened = opened.load(Ordering::Relaxed);
    assert!(opened < all.len() / 2, "{opened} of {}", all.len());
}

#[test]
fn what_was_put_after_it_had_been_given_up_is_no_damage_to_a_reader() {
    let objects = objects();
    let mut log = open(&objects);
    let positions = fill(&mut log, 0..8, Durability::Os);
    let late = bytes_of(&objects, untermed(3));
    log.drop_before(positions[6]).expect("given up");
    objects.replace(untermed(3), &late);
    for from in [2, 3, 5] {
        let opened = Log::open_from(objects.clone(), Access::Read, positions[from]);
        let error = opened.err().expect("given up");
        assert!(matches!(error, Error::GivenUp(_)), "{error}");
    }
    // Of what is needed nothing may be missing.
    for (from, access) in [(6, Access::Read), (7, Access::Read), (6, writing())] {
        let mut log = Log::open_from(objects.copied(), access, positions[from]).expect("sound");
        let entries = contents(from as u64..8);
        assert_eq!(replay(&mut log, positions[from]), entries);
    }
    let error = Log::open_from(objects, writing(), positions[3])
        .err()
        .expect("gone");
    assert!(matches!(error, Error::Damaged(_)), "{error}");
}
