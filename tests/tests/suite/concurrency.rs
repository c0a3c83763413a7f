//! Many threads on one index: what is acknowledged is visible, and cursors keep what they began with.
//! Threads meet as they like; the verdicts hold for every interleaving.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sidx_host::Durability;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, keys_of, on_both_engines, read, rows_of};

const WRITERS: u64 = 10;
const WRITES: i64 = 12;

/// Each write of a writer adds the next two keys to its own series.
fn write(index: &Subject, writer: u64, at: i64) {
    let row = |key: i64| Row::new(writer, key, format!("{writer}:{key}")).tag("writer", key);
    let durability = if at % 4 == 0 {
        Durability::Sync
    } else {
        Durability::Os
    };
    index
        .write_with(&[row(2 * at), row(2 * at + 1)], durability)
        .unwrap();
}

/// Rows of each series; a batch is seen whole or not at all, and none before the ones it follows.
fn assert_whole_batches(rows: &[(u64, i64)]) {
    let mut keys: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for (series, key) in rows {
        keys.entry(*series).or_default().push(*key);
    }
    for (series, keys) in keys {
        let expected: Vec<i64> = (0..keys.len() as i64).collect();
        assert_eq!(keys, expected, "series {series}");
        assert_eq!(keys.len() % 2, 0, "series {series} shows half of a batch");
    }
}

fn seen(index: &Subject) -> Vec<(u64, i64)> {
    rows_of(index.ask().rows_per_batch(7))
        .iter()
        .map(|row| (row.series, row.key))
        .collect()
}

#[test]
fn every_acknowledged_row_is_visible_to_later_queries() {
    on_both_engines(|mut index| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers = [(); 2].map(|()| {
                scope.spawn(|| {
                    let mut most = 0;
                    while !done.load(Ordering::Acquire) {
                        let rows = seen(&index);
                        assert_whole_batches(&rows);
                        assert!(rows.len() >= most, "rows that were visible are gone");
                        most = rows.len();
                    }
                })
            });
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let index = &index;
                    scope.spawn(move || {
                        for at in 0..WRITES {
                            write(index, writer, at);
                            let mine = keys_of(index.ask().series_id(writer));
                            assert_eq!(mine, (0..2 * at + 2).collect::<Vec<_>>());
                        }
                    })
                })
                .collect();
            let joined: Vec<_> = writers
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect();
            done.store(true, Ordering::Release);
            readers
                .into_iter()
                .for_each(|reader| reader.join().unwrap());
            joined.into_iter().for_each(|writer| writer.unwrap());
        });
        let total = 2 * WRITES as usize * WRITERS as usize;
        assert_eq!(seen(&index).len(), total);
        index.reopen();
        assert_whole_batches(&seen(&index));
        index.assert_sound(total);
    });
}

#[test]
fn flushes_and_merges_meanwhile_change_no_result() {
    on_both_engines(|mut index| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    index.flush();
                    index.index().merge().unwrap();
                    index.merge_all();
                }
            });
            let reader = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    assert_whole_batches(&seen(&index));
                    assert_eq!(index.index().verify().unwrap()["ok"], true);
                }
            });
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let index = &index;
                    scope.spawn(move || (0..WRITES).for_each(|at| write(index, writer, at)))
                })
                .collect();
            let joined: Vec<_> = writers
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect();
            done.store(true, Ordering::Release);
            keeper.join().unwrap();
            reader.join().unwrap();
            joined.into_iter().for_each(|writer| writer.unwrap());
        });
        assert_eq!(seen(&index).len(), 4 * 2 * WRITES as usize);
        index.reopen();
        assert_whole_batches(&seen(&index));
        index.assert_sound(4 * 2 * WRITES as usize);
    });
}

#[test]
fn automatic_flushes_and_merges_lose_and_double_nothing() {
    on_both_engines(|mut subject| {
        subject.leave();
        let index = subject
            .options()
            .flush_bytes(4 << 10)
            .automatic_merge(true)
            .open()
            .unwrap();
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let index = &index;
                scope.spawn(move || {
                    for key in 0..4 * WRITES {
                        let payload = vec![key as u8; 500];
                        let row = [Row::new(writer, key, payload)];
                        index
                            .write_with(batch(&row).unwrap(), Durability::Os)
                            .unwrap();
                        let mine = keys_of(index.query().series_id(writer));
                        assert_eq!(mine, (0..=key).collect::<Vec<_>>());
                    }
                });
            }
        });
        let total = 4 * WRITES as u64 * WRITERS;
        assert_eq!(index.query().count().unwrap(), total);
        let stats = index.stats().unwrap();
        assert!(
            stats["epoch"].as_u64().unwrap() > 1,
            "nothing was flushed: {stats:#}"
        );
        drop(index);
        subject.enter();
        subject.assert_sound(total as usize);
    });
}

#[test]
fn a_cursor_keeps_its_snapshot_during_flush_merge_and_writes() {
    on_both_engines(|index| {
        let part = |of: i64| {
            (0..50)
                .map(|n| Row::new(1, n * 4 + of, "old"))
                .collect::<Vec<_>>()
        };
        index.write_part(&part(0));
        index.write_part(&part(1));
        index.write(&part(2));
        let expected = rows_of(index.ask());
        let mut cursor = index.ask().rows_per_batch(1).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().keys(), [0]);
        let fresh = index.ask().rows_per_batch(3).run().unwrap();
        index.flush();
        index.write(&part(3));
        index.merge_all();
        assert_eq!(read(cursor).unwrap(), expected[1..]);
        assert_eq!(read(fresh).unwrap(), expected);
        assert_eq!(keys_of(index.ask()), (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn files_of_a_cursor_stay_until_it_is_gone_and_no_longer() {
    on_both_engines(|index| {
        for key in 0..3 {
            index.write_part(&[Row::new(1, key, "x")]);
        }
        let stored = || {
            std::fs::read_dir(index.path().join("parts"))
                .unwrap()
                .count()
        };
        let cursor = index.ask().rows_per_batch(1).run().unwrap();
        index.merge_all();
        assert_eq!(stored(), 4, "three parts of the cursor and the merged one");
        assert_eq!(read(cursor).unwrap().len(), 3);
        // Dead parts go with the next change of the part list.
        index.write_part(&[Row::new(1, 9, "x")]);
        index.merge_all();
        assert_eq!(stored(), 1);
    });
}

#[test]
fn a_cursor_outlives_the_handle_of_its_index() {
    on_both_engines(|mut index| {
        index.write(&(0..10).map(|key| Row::new(1, key, "x")).collect::<Vec<_>>());
        let cursor = index.ask().rows_per_batch(1).run().unwrap();
        index.leave();
        assert_eq!(read(cursor).unwrap().len(), 10);
        index.enter();
        assert_eq!(keys_of(index.ask()).len(), 10);
    });
}
