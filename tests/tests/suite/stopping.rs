//! Stopping work from another thread. What counts is the work done after the stop, never the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::{CancelToken, Durability, Engine, ErrorKind, Index, Operation, Result, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, keys_of, on_both_engines, read};
use sidx_tests::watched::WatchedStore;

/// Stops a token at a chosen access and counts those that follow.
#[derive(Default)]
struct Trigger {
    armed: Mutex<Option<(u64, CancelToken)>>,
    accesses: AtomicU64,
}

impl Trigger {
    /// Starts to count; the token is cancelled at access `at`, counted from 1.
    fn arm(&self, at: u64) -> CancelToken {
        let token = CancelToken::new();
        *self.armed.lock().unwrap() = Some((at, token.clone()));
        self.accesses.store(0, Ordering::SeqCst);
        token
    }

    fn access(&self) {
        let count = self.accesses.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((at, token)) = &*self.armed.lock().unwrap()
            && count >= *at
        {
            token.cancel();
        }
    }

    fn count(&self) -> u64 {
        self.accesses.load(Ordering::SeqCst)
    }
}

const PARTS: i64 = 8;
const ROWS: i64 = PARTS * 15_000;

/// Parts of two blocks each, and nothing kept of what is read.
fn index(engine: Engine, trigger: &Arc<Trigger>) -> Index {
    let watching = Arc::clone(trigger);
    let store = WatchedStore::memory(Arc::new(move |_, _| {
        watching.access();
        Ok(())
    }));
    let index = store
        .index("stopped")
        .engine(engine)
        .automatic_merge(false)
        .page_cache_bytes(0)
        .create()
        .unwrap();
    for part in 0..PARTS {
        let rows: Vec<Row> = (0..ROWS / PARTS)
            .map(|at| {
                let key = at * PARTS + part;
                Row::new(
                    1,
                    key,
                    format!("payload of {key}, which has {} bytes", key % 97),
                )
                .tag("peer", format!("10.0.{}.{}", key % 251, key % 241))
            })
            .collect();
        index
            .write_with(batch(&rows).unwrap(), Durability::Os)
            .unwrap();
        index.flush().unwrap();
    }
    index
}

const REGEX: &str = r#"peer ~ "^10\\..*\\.7$" and not peer ~ "\\.9$""#;

type Work = fn(&Index, CancelToken) -> Result<()>;

/// Everything that reads or writes for long.
const WORK: [(&str, Work); 7] = [
    ("count", |index, token| {
        index.query().filter(REGEX).cancel(token).count().map(drop)
    }),
    ("filtered query", |index, token| {
        read(index.query().filter(REGEX).cancel(token).run()?).map(drop)
    }),
    ("whole scan in large batches", |index, token| {
        read(index.query().rows_per_batch(1 << 16).cancel(token).run()?).map(drop)
    }),
    ("distinct payloads", |index, token| {
        index
            .query()
            .distinct_payload()
            .cancel(token)
            .count()
            .map(drop)
    }),
    ("dump", |index, token| {
        index
            .maintain()
            .cancel(token)
            .dump()?
            .try_for_each(|rows| rows.map(drop))
    }),
    ("verify", |index, token| {
        index.maintain().cancel(token).verify().map(drop)
    }),
    ("retention", |index, token| {
        let rule = Retention {
            drop_where: Some(REGEX.to_owned()),
            drop_below: None,
        };
        index.maintain().cancel(token).retain(rule).map(drop)
    }),
];

#[test]
fn at_most_one_more_page_is_touched_after_a_stop() {
    for engine in [Engine::Native, Engine::Component] {
        let trigger = Arc::new(Trigger::default());
        let index = index(engine, &trigger);
        for (name, work) in WORK {
            // Not at the very end, where there is nothing left to stop.
            for at in [1, 2, 7, 20] {
                let token = trigger.arm(at);
                let error = work(&index, token).expect_err(name);
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{name}: {error}");
                let after = trigger.count() - at;
                assert!(
                    after <= 1,
                    "{engine:?}, {name}: {after} accesses after the stop at {at}"
                );
            }
        }
        trigger.arm(u64::MAX);
        assert_eq!(index.query().count().unwrap(), ROWS as u64);
        let report = index.verify().unwrap();
        assert_eq!(
            (&report["ok"], &report["rows"]),
            (&true.into(), &ROWS.into())
        );
    }
}

#[test]
fn a_stopped_flush_leaves_the_rows_in_memory_and_the_next_one_takes_them() {
    for engine in [Engine::Native, Engine::Component] {
        let trigger = Arc::new(Trigger::default());
        let index = index(engine, &trigger);
        let row = Row::new(1, -1, "late").tag("peer", "p");
        index
            .write_with(batch(&[row]).unwrap(), Durability::Os)
            .unwrap();
        let token = trigger.arm(1);
        let error = index.maintain().cancel(token).flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!(keys_of(index.query().limit(1)), [-1]);
        assert_eq!(index.stats().unwrap()["memory_parts"], 1);
        assert_eq!(index.flush().unwrap().rows, 1);
        let late = index.maintain().timeout(Duration::ZERO).merge_all();
        assert_eq!(late.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(index.merge_all().unwrap().rows, ROWS as u64 + 1);
    }
}

/// Waits until the index runs `count` pieces of work of a kind; the test hangs when it never does.
fn wait_for(index: &Index, operation: Operation, count: usize) {
    let running = || {
        let running = index.health().running;
        running
            .iter()
            .filter(|run| run.operation == operation)
            .count()
    };
    while running() != count {
        thread::yield_now();
    }
}

#[test]
fn waiting_for_a_rate_or_for_another_merge_can_be_stopped() {
    on_both_engines(|mut subject| {
        subject.leave();
        // At a byte per second no merge would ever come to its end; flushes are not slowed.
        let index = subject.options().merge_bytes_per_second(1).open().unwrap();
        for key in 0..4 {
            let rows = [Row::new(1, key, "x")];
            index
                .write_with(batch(&rows).unwrap(), Durability::Os)
                .unwrap();
            index.flush().unwrap();
        }
        let [slow, waiting, flush] = [(); 3].map(|()| CancelToken::new());
        thread::scope(|scope| {
            let merge = |token: &CancelToken| {
                let work = index.maintain().cancel(token.clone());
                scope.spawn(move || work.merge_all().unwrap_err().kind())
            };
            let first = merge(&slow);
            wait_for(&index, Operation::Merge, 1);
            let second = merge(&waiting);
            let third = {
                let work = index.maintain().cancel(flush.clone());
                // `merge_all` holds off flushes.
                scope.spawn(move || work.flush().unwrap_err().kind())
            };
            waiting.cancel();
            flush.cancel();
            assert_eq!(second.join().unwrap(), ErrorKind::Cancelled);
            assert_eq!(third.join().unwrap(), ErrorKind::Cancelled);
            let running = index.health().running;
            let merges = running
                .iter()
                .filter(|run| run.operation == Operation::Merge);
            assert_eq!(merges.count(), 1, "one merge at a time");
            assert_eq!(index.health().counters.merges, 0);
            slow.cancel();
            assert_eq!(first.join().unwrap(), ErrorKind::Cancelled);
        });
        assert!(index.health().running.is_empty());
        let stored = std::fs::read_dir(subject.path().join("parts")).unwrap();
        assert_eq!(stored.count(), 4, "what a stopped merge wrote is removed");
        drop(index);
        subject.enter();
        subject.merge_all();
        subject.assert_sound(4);
    });
}

#[test]
fn writes_wait_for_their_rate_and_a_burst_goes_at_once() {
    on_both_engines(|mut subject| {
        subject.leave();
        let index = subject
            .options()
            .write_bytes_per_second(1 << 20)
            .open()
            .unwrap();
        let write = |key, bytes: usize| {
            let rows = [Row::new(1, key, vec![7; bytes])];
            index
                .write_with(batch(&rows).unwrap(), Durability::Os)
                .unwrap();
        };
        let start = std::time::Instant::now();
        write(1, 1 << 19);
        write(2, (1 << 19) + (1 << 17));
        // A monotonic clock cannot have shown less, however slow or fast the machine is.
        assert!(
            start.elapsed() >= Duration::from_millis(125),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(keys_of(index.query()), [1, 2]);
    });
}

#[test]
fn merges_keep_to_their_rate_and_flushes_have_none() {
    on_both_engines(|mut subject: Subject| {
        subject.leave();
        let mut random = SmallRng::seed_from_u64(7);
        let mut noise = || {
            (0..100_000)
                .map(|_| random.random::<u8>())
                .collect::<Vec<_>>()
        };
        const RATE: u64 = 200_000;
        let builder = subject.options().merge_bytes_per_second(RATE);
        let index = builder.open().unwrap();
        for key in 0..3 {
            let rows = [Row::new(1, key, noise())];
            index
                .write_with(batch(&rows).unwrap(), Durability::Os)
                .unwrap();
            index.flush().unwrap();
        }
        let start = std::time::Instant::now();
        let merged = index.merge_all().unwrap();
        assert_eq!(merged.rows, 3);
        assert!(merged.bytes_written > RATE, "{merged:?}");
        // A monotonic clock cannot have shown less: a second's worth is free, the rest is not.
        let least = Duration::from_millis((merged.bytes_written - RATE) * 1000 / RATE * 9 / 10);
        assert!(
            start.elapsed() >= least,
            "{:?} of {least:?}",
            start.elapsed()
        );
        assert_eq!(keys_of(index.query()), [0, 1, 2]);
    });
}
