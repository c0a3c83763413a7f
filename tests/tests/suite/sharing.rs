//! Queries and counts of so many rows that several instances share them.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sidx_host::{CancelToken, Cursor, Engine, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, explain_of, on_both_engines, rows_of};

const PARTS: i64 = 4;
const ROWS: i64 = 400_000;

/// Enough rows to be shared by three, in three file parts and one in memory.
fn filled(index: &Subject) {
    for part in 0..PARTS {
        let row = |n: i64| {
            let key = (n * PARTS + part) * 7 % ROWS;
            Row::new(n as u64 % 50, key, key.to_string()).tag("code", n / 50 % 10)
        };
        index.write(&(0..ROWS / PARTS).map(row).collect::<Vec<_>>());
        if part + 1 < PARTS {
            index.flush();
        }
    }
}

/// Keys, series and payloads in order.
fn rows(cursor: sidx_host::Result<Cursor>) -> (Vec<i64>, Vec<u64>, Vec<u8>) {
    let (mut keys, mut series, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for rows in cursor.unwrap() {
        let rows = rows.unwrap();
        keys.extend_from_slice(rows.keys());
        series.extend_from_slice(rows.series());
        (0..rows.len()).for_each(|row| payloads.extend_from_slice(rows.payload(row).unwrap()));
    }
    (keys, series, payloads)
}

#[test]
fn rows_and_their_order_do_not_depend_on_the_number_of_threads() {
    on_both_engines(|index| {
        filled(&index);
        for filter in ["code >= 0", "code in (1, 3, 4, 5, 6, 7, 8)"] {
            let asked = |threads| index.ask().any_order().filter(filter).threads(threads);
            let alone = rows(asked(1).run());
            for threads in [2, 3, 5] {
                assert!(
                    rows(asked(threads).run()) == alone,
                    "{filter}, {threads} threads"
                );
                assert!(rows(asked(threads).rows_per_batch(1_000).run()) == alone);
            }
        }
        let (one, other) = (
            rows_of(index.ask().any_order().threads(3)),
            rows_of(index.ask().any_order().threads(1)),
        );
        assert!(one == other);
    });
}

#[test]
fn runs_of_prepared_queries_are_shared_like_queries() {
    on_both_engines(|index| {
        filled(&index);
        let filter = "code in ($a, 3, 4, 5, 6, 7, 8) and not s = $text";
        let asked = |threads| index.ask().any_order().filter(filter).threads(threads);
        let alone = index.ask().any_order().threads(1);
        let alone = rows(alone.filter("code in (1, 3, 4, 5, 6, 7, 8)").run());
        for threads in [2, 3] {
            let prepared = asked(threads).prepare().unwrap();
            // Printed, the longest is a filter that is too long for others to read.
            for text in ["x".to_owned(), "\"".repeat(100), "\u{1}".repeat(300_000)] {
                let run = prepared.bind().value("a", 1).value("text", text.as_str());
                assert_eq!(run.clone().count().unwrap(), alone.0.len() as u64);
                assert!(rows(run.run()) == alone, "{threads} threads");
            }
            let narrow = prepared
                .bind()
                .value("a", 1)
                .value("text", "")
                .series_ids([3, 9]);
            let expected = index.ask().series_ids([3, 9]).any_order().threads(1);
            let expected = rows(expected.filter("code in (1, 3, 4, 5, 6, 7, 8)").run());
            assert!(rows(narrow.run()) == expected);
        }
    });
}

#[test]
fn counts_of_millions_are_added_up() {
    for engine in [Engine::Native, Engine::Component] {
        let index = Subject::create_in_memory(engine);
        for part in 0..22i64 {
            let row = |n: i64| Row::new(n as u64 % 7, n * 22 + part, "");
            index.write(&(0..100_000).map(row).collect::<Vec<_>>());
        }
        for (low, high) in [(1, 2_199_999), (-9, 2_199_000)] {
            // The bounds cut every run, so metadata cannot tell.
            let asked = |threads| {
                index
                    .ask()
                    .keys(low..high)
                    .threads(threads)
                    .count()
                    .unwrap()
            };
            let expected = (high - low.max(0)) as u64;
            assert_eq!([1, 2, 9].map(asked), [expected; 3], "{low}..{high}");
        }
        let late = index.ask().keys(1..).threads(2).timeout(Duration::ZERO);
        let error = late.count().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    }
}

#[test]
fn explain_adds_the_shares_up() {
    on_both_engines(|index| {
        filled(&index);
        let told = |threads| explain_of(index.ask().any_order().threads(threads).timed(true));
        let (alone, shared) = (told(1), told(3));
        assert_eq!(
            (&alone["shares"], &shared["shares"]),
            (&1.into(), &3.into())
        );
        for group in ["parts", "blocks", "rows"] {
            assert_eq!(alone[group], shared[group], "{alone:#} {shared:#}");
        }
        assert_eq!(alone["epoch"], shared["epoch"]);
        assert_eq!(shared["rows"]["returned"], ROWS);
        assert!(shared["host"]["engine_ns"].as_u64().unwrap() > 0);
        // What is small, has a limit or must see all rows is not shared.
        for whole in [
            index.ask().any_order().limit(300_000),
            index.ask().any_order().keys(..50_000),
            index.ask().any_order().distinct_payload(),
            index.ask(),
        ] {
            assert_eq!(explain_of(whole.threads(3))["shares"], 1);
        }
    });
}

#[test]
fn a_cursor_that_is_dropped_lets_go_of_the_index() {
    for engine in [Engine::Native, Engine::Component] {
        let mut index = Subject::create(engine);
        filled(&index);
        for batches in [0, 1, 10] {
            let mut cursor = index.ask().any_order().threads(3).run().unwrap();
            for _ in 0..batches {
                cursor.next().unwrap().unwrap();
            }
            drop(cursor);
            // The lock is free only when all threads are gone.
            index.reopen();
        }
        let health = index.index().health();
        assert!(health.running.is_empty());
    }
}

#[test]
fn a_shared_query_is_cancelled_and_has_a_deadline() {
    on_both_engines(|index| {
        filled(&index);
        let token = CancelToken::new();
        let query = index.ask().any_order().threads(3).cancel(token.clone());
        let mut cursor = query.run().unwrap();
        assert!(cursor.next().unwrap().is_ok());
        token.cancel();
        // Not even what waits already is returned.
        let error = cursor.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(cursor.next().is_none());
        let query = index.ask().any_order().threads(3);
        let mut cursor = query.timeout(Duration::from_secs(2)).run().unwrap();
        assert!(cursor.next().is_some());
        thread::sleep(Duration::from_millis(2_100));
        let error = cursor.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        let late = index.ask().filter("code = 3").threads(3);
        let error = late.timeout(Duration::ZERO).count().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        let error = error_of(index.ask().any_order().threads(3).max_rows(300_000));
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    });
}

#[test]
fn damage_in_any_share_ends_the_query_or_is_told() {
    on_both_engines(|mut index| {
        filled(&index);
        index.flush();
        index.leave();
        let parts = fs::read_dir(index.path().join("parts")).unwrap();
        let mut paths: Vec<_> = parts.map(|part| part.unwrap().path()).collect();
        paths.sort();
        for path in &paths[1..] {
            let mut bytes = fs::read(path.join("code.td")).unwrap();
            *bytes.last_mut().unwrap() ^= 0xff;
            fs::write(path.join("code.td"), bytes).unwrap();
        }
        index.enter();
        let asked = || index.ask().any_order().threads(3);
        assert_eq!(error_of(asked()).kind(), ErrorKind::Corrupt);
        let counted = index.ask().filter("code = 3").threads(3).count();
        assert_eq!(counted.unwrap_err().kind(), ErrorKind::Corrupt);
        let mut cursor = asked().allow_partial().run().unwrap();
        let rows: usize = cursor.by_ref().map(|rows| rows.unwrap().len()).sum();
        assert!(rows > ROWS as usize / 2 && rows < ROWS as usize, "{rows}");
        assert_eq!(cursor.missing().unwrap().len(), paths.len() - 1);
        let mut cursor = asked().threads(1).allow_partial().run().unwrap();
        let alone: usize = cursor.by_ref().map(|rows| rows.unwrap().len()).sum();
        assert_eq!(alone, rows);
    });
}

#[test]
fn shares_see_one_view_while_the_index_is_written() {
    on_both_engines(|index| {
        filled(&index);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for batch in 0i64.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let rows: Vec<Row> = (0..1_000).map(|key| Row::new(7, key, "new")).collect();
                    index.write(&rows);
                    if batch % 5 == 4 {
                        index.flush();
                    }
                    if batch % 20 == 19 {
                        index.index().merge().unwrap();
                    }
                }
            });
            for _ in 0..5 {
                // Batches are visible whole or not at all.
                let rows = rows(index.ask().any_order().threads(3).run()).0.len() as i64;
                assert_eq!((rows - ROWS) % 1_000, 0, "{rows}");
                let counted = index
                    .ask()
                    .filter("exists(code)")
                    .threads(3)
                    .count()
                    .unwrap();
                assert_eq!(counted, ROWS as u64);
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}
