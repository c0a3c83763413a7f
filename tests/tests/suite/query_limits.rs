//! What a query may use: rows, memory, time, and how many run at once.

use std::time::Duration;

use sidx_host::{Error, ErrorKind, Index};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, keys_of, on_all_forms, read};

fn filled(subject: &mut Subject) {
    for start in [0, 100] {
        let rows: Vec<Row> = (start..start + 100)
            .map(|key| Row::new(1, key, format!("{}", key % 150)).tag("status", key % 2))
            .collect();
        subject.write_part(&rows);
    }
    subject.leave();
}

fn assert_too_many(error: &Error, rows: u64) {
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.message().contains(&format!("{rows} rows")), "{error}");
    assert!(error.message().contains("max_rows"), "{error}");
}

#[test]
fn a_query_with_more_rows_than_it_may_have_is_an_error_and_a_limit_is_none() {
    on_all_forms(|mut subject| {
        filled(&mut subject);
        subject.enter();
        for rows in [0, 1, 99, 100, 199] {
            assert_too_many(&error_of(subject.ask().max_rows(rows)), rows);
            assert_too_many(&subject.ask().max_rows(rows).count().unwrap_err(), rows);
        }
        for rows in [200, 201, u64::MAX] {
            assert_eq!(keys_of(subject.ask().max_rows(rows)).len(), 200);
            assert_eq!(subject.ask().max_rows(rows).count().unwrap(), 200);
        }
        // What is counted are result rows: after the filter, the limit, and duplicates.
        let few = || subject.ask().filter("status = 1").max_rows(100);
        assert_eq!(keys_of(few()).len(), 100);
        assert_eq!(few().count().unwrap(), 100);
        assert_eq!(
            keys_of(subject.ask().limit(7).max_rows(7)),
            [0, 1, 2, 3, 4, 5, 6]
        );
        assert_eq!(subject.ask().limit(7).max_rows(7).count().unwrap(), 7);
        assert_too_many(&error_of(subject.ask().limit(8).max_rows(7)), 7);
        assert_eq!(
            subject
                .ask()
                .distinct_payload()
                .max_rows(150)
                .count()
                .unwrap(),
            150
        );
        assert_eq!(
            keys_of(subject.ask().distinct_payload().max_rows(150)).len(),
            150
        );
        assert_too_many(
            &error_of(subject.ask().distinct_payload().max_rows(149)),
            149,
        );
        let none = subject.ask().keys(1000..).max_rows(0);
        assert!(keys_of(none).is_empty());
    });
}

#[test]
fn rows_before_the_error_are_the_first_ones_and_never_more_than_allowed() {
    on_all_forms(|mut subject| {
        filled(&mut subject);
        subject.enter();
        for per_batch in [1, 3, 10, 64] {
            let query = subject.ask().max_rows(10).rows_per_batch(per_batch);
            let mut keys = Vec::new();
            let mut error = None;
            match query.run() {
                Err(first) => error = Some(first),
                Ok(cursor) => {
                    for rows in cursor {
                        match rows {
                            Ok(rows) => keys.extend_from_slice(rows.keys()),
                            Err(later) => error = Some(later),
                        }
                    }
                }
            }
            assert_too_many(&error.expect("there are 200 rows"), 10);
            assert!(
                keys.len() <= 10 && keys.iter().copied().eq(0..keys.len() as i64),
                "{keys:?}"
            );
        }
    });
}

#[test]
fn an_index_is_opened_with_limits_that_each_query_may_change() {
    on_all_forms(|mut subject| {
        filled(&mut subject);
        let index = subject
            .options()
            .query_max_rows(20)
            .query_timeout(Duration::ZERO)
            .query_memory_bytes(1)
            .open()
            .unwrap();
        let late = error_of(index.query());
        assert_eq!(late.kind(), ErrorKind::DeadlineExceeded, "{late}");
        let whole = || index.query().timeout(Duration::MAX).memory_bytes(1 << 20);
        assert_too_many(&error_of(whole()), 20);
        assert_too_many(&whole().count().unwrap_err(), 20);
        assert_eq!(keys_of(whole().max_rows(u64::MAX)).len(), 200);
        let tight = index.query().timeout(Duration::MAX).max_rows(u64::MAX);
        let error = error_of(tight.clone());
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.message().contains("memory"), "{error}");
        assert_eq!(keys_of(tight.memory_bytes(1 << 20)).len(), 200);
    });
}

#[test]
fn queries_beyond_the_allowed_number_are_refused_and_room_returns() {
    on_all_forms(|mut subject| {
        filled(&mut subject);
        let index: Index = subject.options().max_queries(2).open().unwrap();
        let cursor = || index.query().rows_per_batch(1).run();
        let (first, dump) = (cursor().unwrap(), index.dump().unwrap());
        for refused in [
            cursor().map(drop),
            index.query().count().map(drop),
            index.dump().map(drop),
        ] {
            let error = refused.expect_err("two run already");
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
            assert!(error.message().contains("`max_queries`"), "{error}");
        }
        // Maintenance is not held up by readers.
        index.flush().unwrap();
        index.merge_all().unwrap();
        assert_eq!(index.verify().unwrap()["ok"], true);
        drop(dump);
        assert_eq!(index.query().count().unwrap(), 200);
        assert_eq!(read(first).unwrap().len(), 200);
        // A cursor at its end is over, whether it was dropped or not.
        let ended: Vec<_> = [(); 2]
            .map(|()| {
                let mut cursor = index.query().run().unwrap();
                cursor.by_ref().for_each(|rows| drop(rows.unwrap()));
                cursor
            })
            .into();
        assert_eq!(index.query().count().unwrap(), 200);
        drop(ended);
    });
}
