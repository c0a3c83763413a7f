//! What branches ask of a bucket.

use std::time::Duration;

use sidx_host::{Engine, Index, IndexBuilder};
use sidx_tests::service::{Entry, Kind, Latency};
use sidx_tests::subject::NAME;

use super::place::{LONG, Place, keys, options, write_part};

const BRANCH: &str = "branch";
const PARTS: i64 = 6;

/// As `Place::options`, of the branch.
fn branch(place: &Place, client: &str) -> IndexBuilder {
    let builder = place.store(client, LONG).index(BRANCH);
    builder.engine(Engine::Native).manual()
}

/// An index with some parts that nobody has open, and a branch of it.
fn prepared() -> Place {
    let place = Place::new();
    let index = place.options("first").create().unwrap();
    for part in 0..PARTS {
        write_part(&index, part * 10..part * 10 + 10);
    }
    index.close().unwrap();
    place.options("first").branch(BRANCH).unwrap();
    place
}

/// Its requests to the place of the lender, by kind.
fn to_lender(place: &Place, client: &str) -> Vec<Kind> {
    let journal = place.service.take_journal();
    let entries = journal.of(client).map(|entry| &entry.request);
    let of_lender = entries.filter(|request| request.key.starts_with(&format!("a/{NAME}/")));
    of_lender.map(|request| request.kind).collect()
}

#[test]
fn a_lender_is_looked_at_once_however_many_parts_it_lends() {
    type Open = fn(IndexBuilder) -> sidx_host::Result<Index>;
    let ways: [(&str, Open); 2] = [
        ("reads", |builder| builder.read_only()),
        ("writes", |builder| builder.open()),
    ];
    let place = prepared();
    for (client, open) in ways {
        place.service.take_journal();
        let index = open(branch(&place, client)).unwrap();
        assert_eq!(keys(&index), Vec::from_iter(0..PARTS * 10));
        let asked = to_lender(&place, client);
        let lists = asked.iter().filter(|kind| **kind == Kind::List);
        assert_eq!(lists.count(), 1, "{asked:?}");
        index.close().unwrap();
    }
}

/// Who reads and which branches there are is asked in one round. A busy machine may make two of it: of some
/// attempts the best counts.
#[test]
fn readers_and_branches_are_asked_for_at_the_same_time() {
    let attempt = || {
        let place = prepared();
        let client = "writer";
        let index = options(&place.store(client, LONG), Engine::Native);
        let index = index.open().unwrap();
        let latency = Latency {
            first_byte: Duration::from_millis(10),
            ..Latency::default()
        };
        place.service.set_latency(client, latency);
        place.service.take_journal();
        write_part(&index, 1_000..1_010);
        let journal = place.service.take_journal();
        let lists = |key: &str| -> Vec<u64> {
            let is_list = |it: &&Entry| {
                it.request.kind == Kind::List && it.request.key == format!("a/{NAME}/{key}")
            };
            journal
                .of(client)
                .filter(is_list)
                .map(|it| it.wave)
                .collect()
        };
        let (readers, branches) = (lists("readers/"), lists(""));
        assert!(!readers.is_empty());
        place.service.set_latency(client, Latency::default());
        readers.iter().all(|wave| branches.contains(wave))
    };
    assert!((0..3).any(|_| attempt()));
}
