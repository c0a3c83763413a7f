//! Flushes and merges in the background: they hold up neither writes nor queries, and end with the index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{iter, thread};

use sidx_host::{Durability, Engine, IndexBuilder, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, batch, keys_of};
use sidx_tests::watched::{Access, WatchedStore};

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Component];
const PATIENCE: Duration = Duration::from_secs(60);

/// A store in which parts are not written while the door is shut.
struct Door {
    shut: AtomicBool,
    /// Accesses that came to it while it was shut.
    waiting: AtomicU64,
}

fn store(door: &Arc<Door>) -> Store {
    let door = Arc::clone(door);
    WatchedStore::memory(Arc::new(move |access, path: &str| {
        if access == Access::Write && path.starts_with("parts/") && door.shut.load(Ordering::SeqCst)
        {
            door.waiting.fetch_add(1, Ordering::SeqCst);
            while door.shut.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }))
}

fn shut_door() -> Arc<Door> {
    Arc::new(Door {
        shut: AtomicBool::new(true),
        waiting: AtomicU64::new(0),
    })
}

fn await_that(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn rows(keys: std::ops::Range<i64>) -> Vec<Row> {
    keys.map(|key| Row::new(1, key, format!("payload {key}")))
        .collect()
}

fn options(store: &Store, engine: Engine) -> IndexBuilder {
    // Some 100 rows; far below what makes writes wait.
    store.index(NAME).engine(engine).flush_bytes(4 << 10)
}

fn epoch(index: &sidx_host::Index) -> u64 {
    index.stats().unwrap()["epoch"].as_u64().unwrap()
}

#[test]
fn writes_and_queries_go_on_while_a_flush_stands_still() {
    for engine in ENGINES {
        let door = shut_door();
        let store = store(&door);
        let index = options(&store, engine)
            .flush_bytes(16 << 10)
            .create()
            .unwrap();
        let opened = epoch(&index);
        let mut written = 0;
        let mut write = |count: i64| {
            for _ in 0..count {
                let rows = rows(written..written + 10);
                index
                    .write_with(batch(&rows).unwrap(), Durability::Os)
                    .unwrap();
                written += 10;
            }
            assert_eq!(keys_of(index.query()), (0..written).collect::<Vec<_>>());
        };
        write(150);
        await_that("a flush begins", || door.waiting.load(Ordering::SeqCst) > 0);
        // It stands before the door: what is below would wait for ever if it waited for the flush.
        write(100);
        assert_eq!(epoch(&index), opened);
        door.shut.store(false, Ordering::SeqCst);
        await_that("the flush ends", || epoch(&index) > opened);
        write(10);
    }
}

#[test]
fn writes_wait_once_memory_fills_up_faster_than_it_is_flushed() {
    for engine in ENGINES {
        let door = shut_door();
        let store = store(&door);
        let index = options(&store, engine).create().unwrap();
        let done = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for at in 0..400 {
                    let rows = rows(at * 10..at * 10 + 10);
                    index
                        .write_with(batch(&rows).unwrap(), Durability::Os)
                        .unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
            await_that("a flush begins", || door.waiting.load(Ordering::SeqCst) > 0);
            thread::sleep(Duration::from_millis(200));
            let held = done.load(Ordering::SeqCst);
            assert!((20..400).contains(&held), "{held} writes were not held up");
            door.shut.store(false, Ordering::SeqCst);
        });
        assert_eq!(index.query().count().unwrap(), 4_000);
    }
}

#[test]
fn flushes_and_merges_run_by_themselves_and_lose_nothing() {
    for engine in ENGINES {
        let store = Store::memory();
        let index = options(&store, engine).create().unwrap();
        for at in 0..400 {
            let rows = rows(at * 10..at * 10 + 10);
            index
                .write_with(batch(&rows).unwrap(), Durability::Os)
                .unwrap();
        }
        await_that("flushes", || epoch(&index) > 2);
        drop(index);
        let index = options(&store, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), (0..4_000).collect::<Vec<_>>());
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}

/// The last handle is gone when the index is closed: it can be opened again at once.
#[test]
fn an_index_that_is_dropped_in_the_middle_of_a_flush_is_closed() {
    for engine in ENGINES {
        let store = Store::memory();
        let mut expected = 0;
        for round in iter::repeat_n(25, 20) {
            let index = options(&store, engine).create().unwrap();
            let clone = index.clone();
            for _ in 0..round {
                let rows = rows(expected..expected + 10);
                index
                    .write_with(batch(&rows).unwrap(), Durability::Os)
                    .unwrap();
                expected += 10;
            }
            drop(index);
            drop(clone);
        }
        let index = options(&store, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), (0..expected).collect::<Vec<_>>());
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}

#[test]
fn without_threads_the_write_itself_flushes() {
    for engine in ENGINES {
        let index = options(&Store::memory(), engine)
            .background(false)
            .create()
            .unwrap();
        let before = epoch(&index);
        index.write(batch(&rows(0..500)).unwrap()).unwrap();
        assert_eq!(epoch(&index), before + 1);
    }
}
