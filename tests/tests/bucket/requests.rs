//! How many requests things take, and how many of them wait for one another.

use std::collections::BTreeMap;
use std::time::Duration;

use sidx_host::storage::RequestCounts;
use sidx_host::{Durability, Engine, Index, Store};
use sidx_tests::service::{Entry, Fault, Kind, Latency};
use sidx_tests::subject::batch;

use super::place::{LONG, Place, keys, options, row, write};

/// Most requests of which each waits for the one before, to open an index for reading: a listing, what it
/// shows to be needed first, the pin and all files at the same time, and a second look. As many as that
/// are needed; a machine that is busy may make more of them.
const READ_ROUNDS_MAX: u64 = 4 + BUSY;
/// The same for writing, of an index that its writer closed: a listing, the objects with the lease and all
/// files, the claim, a look at the place and the log, and a second look.
const WRITE_ROUNDS_MAX: u64 = 5 + BUSY;
/// The same of one that was left, whose log is ended before the second look.
const WRITE_ROUNDS_OF_LOG_MAX: u64 = 6 + BUSY;
const BUSY: u64 = 1;
/// Objects in the log: one more would have brought about a flush.
const COMMITS: i64 = 255;
/// So that those can be read at the same time.
const IN_FLIGHT: usize = 512;

/// How far away the service is: far enough that requests which need not wait for one another do not.
const DISTANCE: Duration = Duration::from_millis(10);
/// A busy machine makes requests late, never early: of some attempts the best counts.
const ATTEMPTS: u64 = 3;

fn difference(after: RequestCounts, before: RequestCounts) -> [u64; 4] {
    [
        after.reads - before.reads,
        after.lists - before.lists,
        after.writes - before.writes,
        after.deletes - before.deletes,
    ]
}

#[test]
fn a_commit_is_one_put() {
    for engine in [Engine::Native, Engine::Component] {
        let place = Place::new();
        let backend = place.backend("one", LONG);
        let store = Store::with_backend(backend.clone());
        let index = options(&store, engine).create().unwrap();
        let rows = Vec::from_iter((0..100).map(row));
        for (durability, writes) in [
            (Durability::Sync, 1),
            (Durability::Os, 1),
            (Durability::None, 0),
        ] {
            for _ in 0..3 {
                let before = backend.request_counts();
                index.write_with(batch(&rows).unwrap(), durability).unwrap();
                let made = difference(backend.request_counts(), before);
                assert_eq!(made, [0, 0, writes, 0], "{durability:?}, {engine:?}");
            }
        }
        let before = backend.request_counts();
        assert_eq!(keys(&index).len(), 900);
        let made = difference(backend.request_counts(), before);
        assert_eq!(made, [0; 4], "rows in memory need no service");
        assert_eq!(place.service.journal().count(Kind::Put), 0);
    }
}

/// An index that is to be opened.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Its writer closed it.
    is_closed: bool,
    /// It was made anew after a drop, so that its place is below that of its name.
    is_below: bool,
}

fn all_kept() -> impl Iterator<Item = Kept> {
    let kinds = [(true, false), (false, false), (true, true), (false, true)];
    { kinds.into_iter() }.map(|(is_closed, is_below)| Kept {
        is_closed,
        is_below,
    })
}

/// One with so many objects in its log and some rows in a part, that nobody has open.
fn prepared(kept: Kept) -> Place {
    let mut place = Place::new();
    place.limits.in_flight = IN_FLIGHT;
    if kept.is_below {
        place.options("before").create().unwrap().close().unwrap();
        place.options("before").remove().unwrap();
    }
    let index = place.options("first").create().unwrap();
    write(&index, -1).unwrap();
    index.flush().unwrap();
    for key in 0..COMMITS {
        write(&index, key).unwrap();
    }
    match kept.is_closed {
        true => index.close().unwrap(),
        // As if it had died, and its lease had run out.
        false => {
            place.fail("first", Fault::Denied);
            drop(index);
            let mut locks = Vec::from_iter(place.service.objects().into_keys());
            locks.retain(|key| key.ends_with("/lock"));
            assert!(locks.len() > usize::from(kept.is_below));
            for lock in locks {
                assert!(place.service.remove_raw(&lock));
            }
        }
    }
    place
}

/// Opens the index from afar and says how many rounds of requests that took, and of which kinds they were.
fn rounds(place: &Place, client: &str, read_only: bool) -> (u64, BTreeMap<Kind, u64>) {
    let latency = Latency {
        first_byte: DISTANCE,
        ..Latency::default()
    };
    place.service.set_latency(client, latency);
    place.service.take_journal();
    let builder = place.options(client);
    let index: Index = match read_only {
        true => builder.read_only().unwrap(),
        false => builder.open().unwrap(),
    };
    let journal = place.service.take_journal();
    if std::env::var_os("SIDX_BUCKET_ROUNDS").is_some() {
        for entry in journal.of(client) {
            let Entry { request, wave, .. } = entry;
            println!("{wave:>4} {:?} {}", request.kind, request.key);
        }
    }
    let rows = keys(&index);
    assert_eq!(rows.len() as i64, COMMITS + 1);
    place.service.set_latency(client, Latency::default());
    (journal.waves(client), journal.counts())
}

/// `SIDX_BUCKET_ROUNDS=1` prints every request with the round that it is in.
fn fewest(kept: Kept, read_only: bool) -> u64 {
    let attempt = |number: u64| {
        let place = prepared(kept);
        let (rounds, counts) = rounds(&place, &format!("opens {number}"), read_only);
        let how = if read_only { "reading" } else { "writing" };
        println!("opening for {how} of {kept:?}: {rounds} rounds, {counts:?}");
        rounds
    };
    (0..ATTEMPTS).map(attempt).min().unwrap_or(0)
}

#[test]
fn an_opening_for_reading_has_few_rounds_of_requests() {
    for kept in all_kept() {
        let rounds = fewest(kept, true);
        assert!(rounds <= READ_ROUNDS_MAX, "{rounds} rounds");
    }
}

#[test]
fn an_opening_for_writing_has_few_rounds_of_requests() {
    for kept in all_kept() {
        let most = match kept.is_closed {
            true => WRITE_ROUNDS_MAX,
            false => WRITE_ROUNDS_OF_LOG_MAX,
        };
        let rounds = fewest(kept, false);
        assert!(rounds <= most, "{rounds} rounds, {most} at most");
    }
}
