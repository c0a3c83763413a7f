//! Readers that follow a writer whose service is slow, or fails: what a look costs that comes to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sidx_host::{Engine, ErrorKind, Index, Staleness};
use sidx_tests::model::Row;
use sidx_tests::service::{Fault, Gate, Kind};
use sidx_tests::subject::batch;

use super::place::{LONG, Place, keys, options, write};

/// Memory of a reader: enough for the log once, and not for twice as much.
const MEMORY_BYTES: u64 = 8 << 20;
const ROWS: i64 = 24;
const ROW_BYTES: usize = 200 << 10;

fn follower(place: &Place, engine: Engine, memory_bytes: u64) -> Index {
    options(&place.store("reader", LONG), engine)
        .staleness(Staleness::Latest)
        .memory_bytes(memory_bytes)
        .read_only()
        .unwrap()
}

fn write_large(index: &Index, keys: std::ops::Range<i64>) {
    for key in keys {
        let row = Row::new(1, key, vec![0x5a; ROW_BYTES]);
        index.write(batch(&[row]).unwrap()).unwrap();
    }
}

#[test]
fn after_a_look_that_failed_the_next_goes_on_where_it_was() {
    for engine in [Engine::Native, Engine::Component] {
        let place = Place::new();
        let writer = place.options("one").create().unwrap();
        write_large(&writer, 0..ROWS);
        let reader = follower(&place, engine, MEMORY_BYTES);
        let all = reader.query().count().unwrap();
        assert_eq!(all as i64, ROWS);
        for round in 0..4 {
            let next = ROWS + round * 3;
            write_large(&writer, next..next + 3);
            // One entry comes, and the one behind it does not.
            let behind = place.keys("/log/").pop().unwrap();
            place.fail_some("reader", Fault::Denied, &[Kind::Get], move |request| {
                request.key == behind
            });
            let error = reader.query().count().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            place.heal("reader");
            let found = reader.query().count().unwrap();
            assert_eq!(found as i64, next + 3, "round {round}, {engine:?}");
        }
        // An opening takes it from the beginning.
        let again = follower(&place, engine, 2 * MEMORY_BYTES);
        assert_eq!(keys(&again), keys(&reader));
    }
}

#[test]
fn a_query_that_must_stop_does_not_wait_for_a_look() {
    let place = Place::new();
    let writer = place.options("one").create().unwrap();
    write(&writer, 0).unwrap();
    let reader = follower(&place, Engine::Native, 64 << 20);
    write(&writer, 1).unwrap();
    let gate = Gate::new(|request| request.key.contains("/log/"));
    place.service.set_hook("reader", Some(gate.hook()));
    let is_open = Arc::new(AtomicBool::new(false));
    // So that a reader which waits for the look fails and does not hang.
    let (opens, opened) = (gate.clone(), Arc::clone(&is_open));
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(20)).is_err() {
            opened.store(true, Ordering::Relaxed);
            opens.open();
        }
    });
    for _ in 0..2 {
        let query = reader.query().timeout(Duration::from_millis(20));
        let error = query.count().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
        assert!(!is_open.load(Ordering::Relaxed), "it waited for the look");
    }
    sender.send(()).unwrap();
    watch.join().unwrap();
    // What was begun goes on, for whoever comes next.
    gate.open();
    assert_eq!(keys(&reader), [0, 1]);
}
