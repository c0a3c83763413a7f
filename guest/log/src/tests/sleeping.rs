//! Openings that sleep in the midst of it while others go on.

use std::sync::{Arc, Mutex};

use super::fencing::reader;
use super::{
    Files, Medium, bytes_of, contents, fill, names, next_term, open, open_small, replay, writing,
    writing_as,
};
use crate::{Access, Durability, Error, Form, Log, MemoryObjects, Name, Segments};

/// What is done before a segment is begun.
type Meanwhile<M> = Box<dyn FnMut(&M)>;

/// A medium on which others are at work while an opening sleeps between its survey and its segment.
#[derive(Clone)]
struct Sleepy<M> {
    inner: M,
    meanwhile: Arc<Mutex<Option<Meanwhile<M>>>>,
    /// Whether it sleeps already before it syncs what it found.
    before_sync: bool,
    /// Whether it sleeps after it has opened a segment to read it.
    after_open: bool,
}

impl<M> Sleepy<M> {
    fn new(inner: M, meanwhile: impl FnMut(&M) + 'static) -> Self {
        let meanwhile: Meanwhile<M> = Box::new(meanwhile);
        Self {
            inner,
            meanwhile: Arc::new(Mutex::new(Some(meanwhile))),
            before_sync: false,
            after_open: false,
        }
    }
}

impl<M: Medium> Sleepy<M> {
    fn sleep(&self) {
        let meanwhile = self.meanwhile.lock().expect("free").take();
        if let Some(mut meanwhile) = meanwhile {
            meanwhile(&self.inner);
        }
    }
}

impl<M: Medium> Segments for Sleepy<M> {
    type Error = M::Error;
    type Reader = M::Reader;
    type Tail = M::Tail;

    fn form(&self) -> Form {
        self.inner.form()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    fn place(&self, name: Name) -> String {
        self.inner.place(name)
    }

    fn list(&self) -> Result<Vec<Name>, M::Error> {
        self.inner.list()
    }

    fn open(&self, name: Name) -> Result<M::Reader, M::Error> {
        let opened = self.inner.open(name);
        if self.after_open {
            self.sleep();
        }
        opened
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<M::Tail>, M::Error> {
        if !self.after_open {
            self.sleep();
        }
        self.inner.begin(name, bytes)
    }

    fn tail(&self, name: Name) -> Result<Option<M::Tail>, M::Error> {
        if self.before_sync {
            self.sleep();
        }
        self.inner.tail(name)
    }

    fn remove(&self, name: Name) -> Result<(), M::Error> {
        self.inner.remove(name)
    }

    fn set_aside(&self, name: Name) -> Result<(), M::Error> {
        self.inner.set_aside(name)
    }

    fn sync(&self) -> Result<(), M::Error> {
        self.inner.sync()
    }
}

#[test]
fn an_opening_that_sleeps_while_another_goes_on_counts_for_nobody() {
    for drops in [false, true] {
        let files = Files::new();
        fill(&mut open(&files), 0..3, Durability::Os);
        let sleeper = next_term();
        let medium = Sleepy::new(files.clone(), move |files| {
            let mut other = open_small(files);
            let positions = fill(&mut other, 3..20, Durability::Os);
            if drops {
                other.drop_before(positions[10]).expect("dropped");
            }
        });
        let mut late = Log::open(medium, writing_as(sleeper)).expect("nobody looked");
        late.append(&[(b"late", b"")], Durability::Sync)
            .expect("nobody looked");
        let mut again = Log::open(files.clone(), Access::Read).expect("sound");
        let (from, left) = (again.start(), if drops { 13 } else { 0 });
        let found = replay(&mut again, from);
        assert!(found.ends_with(&contents(left..20)), "{}", found.len());
        let mut next = open(&files);
        fill(&mut next, 20..21, Durability::Os);
        let found = replay(&mut next, from);
        assert!(found.ends_with(&contents(left..21)));
    }
}

#[test]
fn an_opening_whose_number_is_taken_looks_again() {
    // By an entry of the writer before.
    let objects = MemoryObjects::new("memory:x");
    let old = Arc::new(Mutex::new(open(&objects)));
    let medium = Sleepy::new(objects.clone(), move |_| {
        fill(&mut old.lock().expect("free"), 0..2, Durability::Os);
    });
    let mut log = Log::open(medium, writing()).expect("sound");
    let end = log.end();
    log.append(&[(b"next", b"")], Durability::Os)
        .expect("appended");
    let mut again = reader(&objects, 0);
    assert_eq!(again.end(), log.end());
    assert_eq!(replay(&mut again, 0)[..2], contents(0..2));
    assert!(end > 0);

    // By the seal of one that came later.
    let own = next_term();
    let medium = Sleepy::new(objects.clone(), |objects| drop(open(objects)));
    let error = Log::open(medium, writing_as(own)).err().expect("taken");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
}

/// Objects of which another always has the next number.
#[test]
fn an_opening_whose_number_is_always_taken_gives_up() {
    let objects = MemoryObjects::new("memory:x");
    let own = Arc::new(Mutex::new(open(&objects)));
    let medium = Sleepy::new(objects, |_| {});
    let again = Arc::clone(&medium.meanwhile);
    fn busy(
        own: Arc<Mutex<Log<MemoryObjects>>>,
        again: Arc<Mutex<Option<Meanwhile<MemoryObjects>>>>,
    ) -> Meanwhile<MemoryObjects> {
        Box::new(move |_| {
            fill(&mut own.lock().expect("free"), 0..1, Durability::Os);
            let next = busy(Arc::clone(&own), Arc::clone(&again));
            *again.lock().expect("free") = Some(next);
        })
    }
    *again.lock().expect("free") = Some(busy(own, Arc::clone(&again)));
    let error = Log::open(medium, writing()).err().expect("always taken");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
}

#[test]
fn an_opening_that_finds_the_head_gone_looks_again() {
    let files = Files::new();
    let mut old = open(&files);
    fill(&mut old, 0..3, Durability::Os);
    let own = next_term();
    let medium = Sleepy {
        before_sync: true,
        ..Sleepy::new(files.clone(), |files| {
            let mut other = open(files);
            let end = other.end();
            fill(&mut other, 3..5, Durability::Os);
            other.drop_before(end).expect("dropped");
        })
    };
    let error = Log::open(medium, writing_as(own)).err().expect("late");
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
    assert!(names(&files).iter().all(|name| name.term > Some(own)));
    assert_eq!(
        replay(&mut reader(&files, old.end()), old.end()),
        contents(3..5)
    );
}

#[test]
fn what_is_taken_back_while_an_opening_reads_is_no_damage() {
    let files = Files::new();
    let mut old = open(&files);
    fill(&mut old, 0..3, Durability::Os);
    let name = names(&files)[0];
    let before = bytes_of(&files, name);
    files.replace(name, &[&before[..], &[7; 5000]].concat());
    let medium = Sleepy {
        after_open: true,
        ..Sleepy::new(files.clone(), move |files| files.replace(name, &before))
    };
    let mut log = Log::open(medium, Access::Read).expect("sound");
    assert_eq!(replay_any(&mut log), contents(0..3));
}

fn replay_any<S: Segments>(log: &mut Log<S>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut position, mut entries) = (log.start(), Vec::new());
    while let Some(entry) = log.read(position).ok().flatten() {
        position = entry.next_position;
        entries.push((entry.header, entry.body));
    }
    entries
}

/// Where segments do not grow the name of one that was given up is free.
#[test]
fn a_reader_does_not_take_what_a_sleeper_makes_for_what_was_given_up() {
    let objects = MemoryObjects::new("memory:x");
    let open_alone = || Log::open(objects.clone(), super::writing_alone()).expect("good");
    let (mut sleeper, mut writer) = (open_alone(), open_alone());
    fill(&mut writer, 0..3, Durability::Os);
    let mut early = reader(&objects, 0);
    let mut reader = reader(&objects, 0);
    // Opened again for each read.
    reader.opened.clear();
    let needed = reader.needed();
    let end = writer.end();
    writer.drop_before(end).expect("given up");
    sleeper
        .append(&[(b"late", b"rows")], Durability::Os)
        .expect("nobody has sealed");
    assert!(matches!(reader.read(0), Err(Error::GivenUp(_))));
    // What was open before is as it was.
    assert_eq!(replay(&mut early, 0), contents(0..3));
    let report = needed.check(&objects).expect("readable");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}
