//! Readers that follow a writer: what they see, and when.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::{BucketStore, RequestLimits};
use sidx_host::{Engine, ErrorKind, Index, Staleness, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch, keys_of, on_all_forms};

fn follower(subject: &Subject, staleness: Staleness) -> Index {
    subject.options().staleness(staleness).read_only().unwrap()
}

fn write(subject: &Subject, keys: std::ops::Range<i64>) {
    let rows: Vec<Row> = keys.map(|key| Row::new(1, key, "x")).collect();
    subject.write(&rows);
}

fn keys(index: &Index) -> Vec<i64> {
    keys_of(index.query())
}

fn up_to(end: i64) -> Vec<i64> {
    (0..end).collect()
}

#[test]
fn the_latest_is_everything_that_was_acknowledged() {
    on_all_forms(|mut subject| {
        let reader = follower(&subject, Staleness::Latest);
        assert_eq!(keys(&reader), up_to(0));
        write(&subject, 0..3);
        assert_eq!(keys(&reader), up_to(3));
        let before = reader.query().rows_per_batch(1).run().unwrap();
        write(&subject, 3..5);
        subject.flush();
        assert_eq!(keys(&reader), up_to(5));
        write(&subject, 5..8);
        subject.flush();
        subject.merge_all();
        assert_eq!(reader.query().count().unwrap(), 8);
        write(&subject, 8..9);
        subject.reopen();
        write(&subject, 9..10);
        assert_eq!(keys(&reader), up_to(10));
        // What began earlier goes on with what it began with.
        let rows: usize = before.map(|batch| batch.unwrap().len()).sum();
        assert_eq!(rows, 3);
    });
}

#[test]
fn what_was_opened_stays_if_that_is_wanted() {
    on_all_forms(|subject| {
        write(&subject, 0..3);
        let reader = follower(&subject, Staleness::Opened);
        write(&subject, 3..5);
        subject.flush();
        subject.merge_all();
        assert_eq!(keys(&reader), up_to(3));
    });
}

#[test]
fn after_the_time_it_was_given_a_reader_sees_what_came() {
    on_all_forms(|subject| {
        let age = Duration::from_millis(10);
        let reader = follower(&subject, Staleness::AtMost(age));
        write(&subject, 0..3);
        std::thread::sleep(age);
        assert_eq!(keys(&reader), up_to(3));
        let reader = follower(&subject, Staleness::AtMost(Duration::MAX));
        write(&subject, 3..4);
        assert_eq!(keys(&reader), up_to(3));
    });
}

#[test]
fn of_a_dropped_index_nothing_is_the_latest() {
    on_all_forms(|mut subject| {
        write(&subject, 0..3);
        let latest = follower(&subject, Staleness::Latest);
        let opened = follower(&subject, Staleness::Opened);
        subject.leave();
        subject.store().remove_index(NAME).unwrap();
        assert_eq!(keys(&opened), up_to(3));
        for _ in 0..2 {
            // Where commits are objects that is seen when the reader looks for snapshots.
            match latest.query().run() {
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                Ok(rows) => assert_eq!(rows.map(|rows| rows.unwrap().len()).sum::<usize>(), 3),
            }
            // Another of that name is another one.
            subject.store().index(NAME).create().unwrap();
        }
    });
}

/// A reader that asks nothing for long must not take what it missed for never written: where commits are
/// objects, it asks for the next by its name.
#[test]
fn what_an_idle_reader_has_not_seen_is_not_given_up_behind_its_back() {
    on_all_forms(|mut subject| {
        write(&subject, 0..2);
        let reader = follower(&subject, Staleness::Latest);
        for round in 1..5 {
            write(&subject, round * 2..round * 2 + 2);
            subject.flush();
            if round == 3 {
                subject.reopen();
            }
        }
        assert_eq!(keys(&reader), up_to(10));
        assert_eq!(keys(&reader), up_to(10));
    });
}

#[test]
fn a_follower_gives_back_what_nobody_reads_any_more() {
    on_all_forms(|subject| {
        let reader = follower(&subject, Staleness::Latest);
        let mut most = 0;
        for round in 0..60 {
            write(&subject, round * 20..round * 20 + 20);
            if round % 4 == 3 {
                subject.flush();
            }
            assert_eq!(reader.query().count().unwrap(), round as u64 * 20 + 20);
            let used = reader.health().memory.used_bytes;
            most = most.max(if round < 20 { used } else { 0 });
            assert!(used <= most * 2, "round {round}: {used} of {most}");
        }
    });
}

/// Everything that a writer does, at random, beside one that follows it and one that does so now and then.
#[test]
fn whatever_the_writer_does_a_follower_sees_all_of_it() {
    for seed in 0..6 {
        on_all_forms(|mut subject| {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut readers = vec![follower(&subject, Staleness::Latest)];
            let mut written = Vec::new();
            for step in 0..40 {
                match random.random_range(0..12) {
                    0 => subject.reopen(),
                    1 => subject.merge_all(),
                    2 | 3 => subject.flush(),
                    4 => readers.push(follower(&subject, Staleness::Latest)),
                    5 if readers.len() > 1 => drop(readers.remove(0)),
                    _ => {
                        let next = written.len() as i64;
                        let keys = next..next + random.random_range(1..5);
                        written.extend(keys.clone());
                        write(&subject, keys);
                    }
                }
                for (at, reader) in readers.iter().enumerate() {
                    if random.random_bool(0.4) {
                        let what = format!("seed {seed}, step {step}, reader {at}");
                        assert_eq!(keys(reader), written, "{what}");
                    }
                }
            }
        });
    }
}

/// In a bucket a query that reads the latest makes one request when nothing came, and one for each commit
/// that did.
#[test]
fn the_latest_costs_one_request() {
    let limits = RequestLimits::default();
    let lease = Duration::from_secs(600);
    let service = Arc::new(InMemory::new());
    let bucket = BucketStore::new(service, "s3://bucket/a", "a", limits, lease).unwrap();
    let bucket = Arc::new(bucket);
    let store = Store::with_backend(Arc::clone(&bucket) as _);
    for engine in [Engine::Native, Engine::Component] {
        let name = format!("{engine:?}");
        let writer = store.index(&name).engine(engine).create().unwrap();
        let options = store.index(&name).engine(engine);
        let reader = options.staleness(Staleness::Latest).read_only().unwrap();
        let requests = || {
            let counts = bucket.request_counts();
            (counts.reads, counts.lists + counts.writes + counts.deletes)
        };
        for key in 0..3 {
            writer
                .write(batch(&[Row::new(1, key, "x")]).unwrap())
                .unwrap();
            let before = requests();
            assert_eq!(keys(&reader), up_to(key + 1));
            let after_new = requests();
            assert_eq!(after_new, (before.0 + 2, before.1), "one came");
            assert_eq!(keys(&reader), up_to(key + 1));
            assert_eq!(requests(), (before.0 + 3, before.1), "nothing came");
        }
    }
}
