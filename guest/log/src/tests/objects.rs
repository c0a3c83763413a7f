//! Logs of objects: what is only true of them.

use std::sync::{Arc, Mutex};

use super::{bytes_of, content, contents, fill, is_full, is_io, names, open, replay};
use crate::segment::WHOLE_HEADER_BYTES;
use crate::{
    Access, Durability, Error, Fault, Form, Log, MediumError, MemoryObject, MemoryObjects, Name,
    NoTail, Segments,
};

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
        assert_eq!(names(&objects).len(), commit + 1);
        // A sync of nothing makes nothing.
        log.append(&[], Durability::Sync).expect("nothing");
    }
    assert_eq!(names(&objects), [Name(0), Name(1)]);
    let end = log.end();
    log.drop_before(end).expect("dropped");
    assert_eq!(names(&objects), [Name(1)]);
    let mut log = open(&objects);
    fill(&mut log, 2..4, Durability::Os);
    assert_eq!(names(&objects), [Name(1), Name(2), Name(3)]);
    assert_eq!(replay(&mut log, end), contents(2..4));
}

#[test]
fn nothing_of_an_object_counts_as_torn() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    let bytes = bytes_of(&objects, Name(2));
    for size in 0..bytes.len() {
        objects.replace(Name(2), &bytes[..size]);
        let opened = Log::open(objects.clone(), Access::Write);
        if size < WHOLE_HEADER_BYTES {
            let error = opened.err().expect("without a header");
            let place = "memory:x/log/0000000000000002: offset 0: ";
            assert!(error.to_string().starts_with(place), "{error}");
            assert!(matches!(error, Error::Damaged(_)), "{error}");
            continue;
        }
        let mut log = opened.expect("with a header");
        let position = log.segments[2].first;
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
    let renamed = bytes_of(&objects, Name(1));
    objects.replace(Name(3), &renamed);
    let error = Log::open(objects.clone(), Access::Read).err();
    let error = error.expect("renamed").to_string();
    assert!(
        error.contains("is not number 3 as its name says"),
        "{error}"
    );
}

#[test]
fn a_damaged_object_is_set_aside_as_it_is() {
    let objects = objects();
    fill(&mut open(&objects), 0..3, Durability::Os);
    let mut damaged = bytes_of(&objects, Name(1));
    damaged[WHOLE_HEADER_BYTES + 30] ^= 1;
    objects.replace(Name(1), &damaged);
    let (mut log, report) = Log::salvage(objects.clone(), None).expect("salvaged");
    assert_eq!((report.entries, report.damage.len()), (2, 1));
    assert!(log.append(&[(b"h", b"b")], Durability::Os).is_err());
    let end = log.end();
    log.drop_before(end).expect("begun anew");
    assert_eq!(objects.quarantined(), [(Name(1), Arc::new(damaged))]);
    assert_eq!(names(&objects), [Name(3)]);
    assert_eq!(fill(&mut log, 3..4, Durability::Os), [end]);
    assert_eq!(replay(&mut open(&objects), end), contents(3..4));
}

#[test]
fn only_one_of_two_writers_goes_on() {
    let objects = objects();
    let (mut one, mut other) = (open(&objects), open(&objects));
    fill(&mut one, 0..1, Durability::Os);
    let refused = other.append(&[(b"two", b"")], Durability::Os);
    let error = refused.expect_err("taken");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
    let end = other.end();
    for refused in [
        other.append(&[(b"two", b"")], Durability::Os).map(drop),
        other.drop_before(end + 1),
    ] {
        assert!(is_io(&refused.expect_err("failed before")));
    }
    fill(&mut one, 1..3, Durability::Os);
    assert_eq!(replay(&mut open(&objects), 0), contents(0..3));
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
    assert_eq!(replay(&mut open(&objects), 0), contents(0..3));
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
    assert_eq!(names(&objects), [Name(4)]);
    let again = Log::open_from(objects.clone(), Access::Read, behind).expect("sound");
    assert_eq!((again.start(), again.end()), (behind, behind));
    assert_eq!(fill(&mut log, 5..7, Durability::Os)[0], behind);
    assert_eq!(names(&objects), [Name(4), Name(5), Name(6)]);
    log.drop_before(behind).expect("dropped");
    assert_eq!(names(&objects), [Name(5), Name(6)]);
    for access in [Access::Read, Access::Write] {
        let mut again = Log::open_from(objects.clone(), access, behind).expect("sound");
        assert_eq!(replay(&mut again, behind), contents(5..7));
    }
}

/// Objects whose answers get lost: the next put fails, before or after it came about.
#[derive(Clone)]
struct Unsure {
    inner: MemoryObjects,
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
        let lost = Arc::new(Mutex::new(Some(came_about)));
        let medium = Unsure {
            inner: objects.clone(),
            lost,
        };
        let mut log = Log::open(medium, Access::Write).expect("good");
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
