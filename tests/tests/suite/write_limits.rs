//! Writes with a deadline or a cancel token: each wait before the append to the log ends with them, and then
//! nothing was written. What is waited for stands behind a door, so time decides nothing.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use sidx_host::{
    CancelToken, Durability, Engine, ErrorKind, Index, IndexBuilder, Pressure, Result, Store,
};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, batch, keys_of, on_all_forms};
use sidx_tests::watched::{Access, WatchedStore};

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Component];

/// Writes to the store that stand before a shut door, if they are for one of its places.
#[derive(Default)]
struct Door {
    state: Mutex<DoorState>,
    changed: Condvar,
}

#[derive(Default)]
struct DoorState {
    shut: Option<fn(&str) -> bool>,
    waiting: usize,
}

impl Door {
    fn store(self: &Arc<Self>) -> Store {
        let door = Arc::clone(self);
        WatchedStore::memory(Arc::new(move |access, path: &str| {
            if access == Access::Write {
                door.pass(path);
            }
            Ok(())
        }))
    }

    fn pass(&self, path: &str) {
        let mut state = self.state.lock().unwrap();
        while state.shut.is_some_and(|place| place(path)) {
            state.waiting += 1;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
            state.waiting -= 1;
        }
    }

    fn shut(&self, place: fn(&str) -> bool) {
        self.state.lock().unwrap().shut = Some(place);
    }

    fn open(&self) {
        self.state.lock().unwrap().shut = None;
        self.changed.notify_all();
    }

    /// Returns when someone stands before the door.
    fn await_someone(&self) {
        let mut state = self.state.lock().unwrap();
        while state.waiting == 0 {
            state = self.changed.wait(state).unwrap();
        }
    }
}

fn is_log(path: &str) -> bool {
    path.starts_with("log/")
}

fn is_part(path: &str) -> bool {
    path.starts_with("parts/")
}

fn is_snapshot(path: &str) -> bool {
    path.ends_with(".snapshot")
}

fn options(store: &Store, engine: Engine) -> IndexBuilder {
    store
        .index(NAME)
        .engine(engine)
        .durability(Durability::Os)
        .automatic_merge(false)
}

fn one_row(key: i64) -> sidx_host::Batch {
    batch(&[Row::new(1, key, "x")]).unwrap()
}

fn kind_of<T: std::fmt::Debug>(written: Result<T>) -> ErrorKind {
    let error = written.expect_err("the write must give up");
    assert!(error.message().ends_with("nothing was written"), "{error}");
    error.kind()
}

/// That these rows are there, and no others, also for the next opening.
fn assert_rows(store: &Store, engine: Engine, index: Index, keys: &[i64]) {
    assert_eq!(keys_of(index.query()), keys, "{engine:?}");
    drop(index);
    let index = options(store, engine).open().unwrap();
    assert_eq!(keys_of(index.query()), keys, "{engine:?}: reopened");
    assert_eq!(index.verify().unwrap()["ok"], true);
}

/// Starts a write that stands behind the door, cancels it, and expects it to end while the door is shut; then
/// one with a deadline.
fn expect_both_to_give_up(index: &Index) {
    thread::scope(|scope| {
        let token = CancelToken::new();
        let write = index.writing().cancel(token.clone());
        let cancelled = scope.spawn(move || kind_of(write.run(one_row(-1))));
        let late = index.writing().timeout(Duration::from_millis(30));
        assert_eq!(kind_of(late.run(one_row(-2))), ErrorKind::DeadlineExceeded);
        // It has had these 30 ms to begin waiting; had it not, it would end all the same.
        token.cancel();
        assert_eq!(cancelled.join().unwrap(), ErrorKind::Cancelled);
    });
}

#[test]
fn a_write_that_is_stopped_before_it_begins_changes_nothing() {
    on_all_forms(|subject| {
        let index = subject.index();
        index.write(one_row(1)).unwrap();
        let end = index.stats().unwrap()["log_end"].clone();
        let token = CancelToken::new();
        token.cancel();
        let write = index.writing().cancel(token).run(one_row(2));
        assert_eq!(kind_of(write), ErrorKind::Cancelled);
        let write = index.writing().timeout(Duration::ZERO).run(one_row(3));
        assert_eq!(kind_of(write), ErrorKind::DeadlineExceeded);
        assert_eq!(index.stats().unwrap()["log_end"], end);
        let health = index.health();
        assert_eq!(
            (health.counters.batches, health.counters.batches_failed),
            (1, 2)
        );
        // Who cancels knows of it; a deadline is a sign.
        let kinds: Vec<&str> = health.last_errors.iter().map(|error| error.kind).collect();
        assert_eq!(kinds, ["deadline-exceeded"]);
        let token = CancelToken::new();
        let write = index.writing().cancel(token).timeout(Duration::MAX);
        assert_eq!(write.run(one_row(4)).unwrap().first_id, 1);
        assert_eq!(keys_of(index.query()), [1, 4]);
    });
}

#[test]
fn a_write_gives_up_waiting_for_its_rate_and_is_not_charged() {
    on_all_forms(|mut subject| {
        subject.leave();
        // At this rate the large batch takes days, and the small ones after it nothing.
        let index = subject.options().write_bytes_per_second(32).open().unwrap();
        let large = || batch(&[Row::new(1, 1, vec![7; 32 << 20])]).unwrap();
        thread::scope(|scope| {
            let token = CancelToken::new();
            let write = index.writing().cancel(token.clone());
            let cancelled = scope.spawn(move || kind_of(write.run(large())));
            let late = index.writing().timeout(Duration::from_millis(30));
            assert_eq!(kind_of(late.run(large())), ErrorKind::DeadlineExceeded);
            token.cancel();
            assert_eq!(cancelled.join().unwrap(), ErrorKind::Cancelled);
        });
        index.write(one_row(2)).unwrap();
        assert_eq!(keys_of(index.query()), [2]);
        drop(index);
        subject.enter();
        assert_eq!(keys_of(subject.ask()), [2]);
    });
}

#[test]
fn a_write_gives_up_waiting_under_pressure() {
    for engine in ENGINES {
        let store = Store::memory();
        let index = options(&store, engine)
            .memory_bytes(4 << 20)
            .manual()
            .create()
            .unwrap();
        let mut keys = Vec::new();
        while index.health().memory.level < Pressure::Severe {
            let key = keys.len() as i64;
            let rows = [Row::new(1, key, vec![7; 24 << 10])];
            index.write(batch(&rows).unwrap()).unwrap();
            keys.push(key);
            assert!(key < 200, "4 MiB hold so much");
        }
        // From `severe` on a write is delayed by 10 ms at least, so that this one is over before.
        let late = index.writing().timeout(Duration::from_millis(1));
        assert_eq!(kind_of(late.run(one_row(-1))), ErrorKind::DeadlineExceeded);
        assert_eq!(index.query().count().unwrap(), keys.len() as u64);
        index.flush().unwrap();
        index.write(one_row(1_000)).unwrap();
        keys.push(1_000);
        assert_rows(&store, engine, index, &keys);
    }
}

#[test]
fn a_write_gives_up_waiting_for_an_overdue_flush() {
    for engine in ENGINES {
        let door = Arc::new(Door::default());
        let store = door.store();
        let index = options(&store, engine)
            .flush_bytes(4 << 10)
            .create()
            .unwrap();
        door.shut(is_part);
        let mut keys = Vec::new();
        // Enough for a flush, and less than makes writes wait for it.
        while index.stats().unwrap()["memory_part_bytes"].as_u64() < Some(4 << 10) {
            let key = keys.len() as i64;
            index
                .write(batch(&[Row::new(1, key, vec![7; 1 << 10])]).unwrap())
                .unwrap();
            keys.push(key);
        }
        door.await_someone();
        // The flush stands before the door, memory fills up, and then writes wait.
        let stopped = loop {
            let key = keys.len() as i64;
            assert!(key < 1_000, "no write waited for the flush");
            let write = index.writing().timeout(Duration::from_millis(500));
            match write.run(batch(&[Row::new(1, key, vec![7; 1 << 10])]).unwrap()) {
                Ok(_) => keys.push(key),
                stopped => break kind_of(stopped),
            }
        };
        assert_eq!(stopped, ErrorKind::DeadlineExceeded);
        assert!(keys.len() > 4, "{keys:?}");
        expect_both_to_give_up(&index);
        door.open();
        index.write(one_row(1_000)).unwrap();
        keys.push(1_000);
        assert_rows(&store, engine, index, &keys);
    }
}

#[test]
fn a_write_gives_up_waiting_in_the_queue_until_its_append_begins() {
    for engine in ENGINES {
        let door = Arc::new(Door::default());
        let store = door.store();
        let index = options(&store, engine).create().unwrap();
        index.write(one_row(0)).unwrap();
        door.shut(is_log);
        thread::scope(|scope| {
            let token = CancelToken::new();
            let write = index.writing().cancel(token.clone());
            let begun = scope.spawn(move || write.run(one_row(1)));
            door.await_someone();
            expect_both_to_give_up(&index);
            // It stands before the door with its append: there is no way back.
            token.cancel();
            assert!(!begun.is_finished());
            door.open();
            assert_eq!(begun.join().unwrap().unwrap().rows, 1);
        });
        index.write(one_row(2)).unwrap();
        assert_rows(&store, engine, index, &[0, 1, 2]);
    }
}

#[test]
fn a_write_gives_up_waiting_for_a_flush_that_is_being_introduced() {
    for engine in ENGINES {
        let door = Arc::new(Door::default());
        let store = door.store();
        let index = options(&store, engine).create().unwrap();
        index.write(one_row(0)).unwrap();
        door.shut(is_snapshot);
        thread::scope(|scope| {
            let flush = scope.spawn(|| index.flush().unwrap());
            door.await_someone();
            expect_both_to_give_up(&index);
            // Who leads gave up; who has no limits goes on behind it.
            let patient = scope.spawn(|| index.write(one_row(1)).unwrap());
            door.open();
            assert_eq!(flush.join().unwrap().rows, 1);
            patient.join().unwrap();
        });
        assert_rows(&store, engine, index, &[0, 1]);
    }
}

#[test]
fn a_flush_after_a_write_is_given_up_and_the_write_succeeds() {
    for engine in ENGINES {
        let token = CancelToken::new();
        let cancel = token.clone();
        let store = WatchedStore::memory(Arc::new(move |access, path: &str| {
            if access == Access::Write && is_part(path) {
                cancel.cancel();
            }
            Ok(())
        }));
        let index = options(&store, engine)
            .flush_bytes(4 << 10)
            .background(false)
            .create()
            .unwrap();
        let rows: Vec<Row> = (0..100).map(|key| Row::new(1, key, vec![7; 99])).collect();
        let write = index.writing().cancel(token.clone());
        assert_eq!(write.run(batch(&rows).unwrap()).unwrap().rows, 100);
        assert!(token.is_cancelled(), "there was a flush to give up");
        assert_eq!(index.stats().unwrap()["parts"], 0);
        assert!(index.health().last_errors.is_empty());
        // The next one takes them.
        index.write(one_row(100)).unwrap();
        assert_eq!(index.stats().unwrap()["parts"], 1);
        assert_rows(&store, engine, index, &(0..=100).collect::<Vec<_>>());
    }
}
