//! The library as a program uses it, with both builds of the engine.

// The lint's exception for tests covers test functions, not what they share.
#![allow(clippy::expect_used)]

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use sidx_host::{
    Batch, CancelToken, Column, ColumnBuilder, ColumnType, Durability, Engine, ErrorKind, Index,
    Retention, Series, Store, Timestamp, Value, ValueType,
};

const ENGINES: [Engine; 2] = [Engine::Component, Engine::Native];

fn create(store: &Store, engine: Engine) -> Index {
    store
        .index("flights")
        .engine(engine)
        .create()
        .expect("the index is created")
}

/// Rows with keys `from..to` in ten series, and a tag of each kind.
fn batch(from: i64, to: i64) -> Batch {
    let mut batch = Batch::new();
    for key in from..to {
        let label = format!("s{}", key % 10);
        let payload = format!("payload {key}");
        batch
            .row(Series::label(&label), key)
            .payload(&payload)
            .tag("status", if key % 3 == 0 { 500 } else { 200 })
            .tag("name", format!("name {}", key % 7))
            .tag("ratio", key as f64 / 4.0)
            .tag("even", key % 2 == 0)
            .tag("at", Timestamp(key * 1_000))
            .tag("codes", vec![key, key + 1])
            .add()
            .expect("the row is well-formed");
    }
    batch
}

fn keys(cursor: sidx_host::Cursor) -> Vec<i64> {
    cursor
        .into_rows()
        .map(|row| row.expect("the row is read").key)
        .collect()
}

#[test]
fn rows_come_back_in_order_with_everything_they_had() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        let receipt = index.write(batch(0, 100)).unwrap();
        assert_eq!((receipt.first_id, receipt.rows), (0, 100));
        let receipt = index.write_with(batch(100, 150), Durability::Os).unwrap();
        assert_eq!((receipt.first_id, receipt.rows), (100, 50));
        assert_eq!(
            keys(index.query().run().unwrap()),
            (0..150).collect::<Vec<_>>()
        );
        let reverse: Vec<i64> = (0..150).rev().collect();
        assert_eq!(
            keys(index.query().descending().rows_per_batch(7).run().unwrap()),
            reverse
        );

        let mut cursor = index
            .query()
            .series("s3")
            .keys(13..)
            .limit(2)
            .run()
            .unwrap();
        let rows: Vec<_> = cursor.rows().map(|row| row.unwrap()).collect();
        assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), [13, 23]);
        assert_eq!(rows[0].label.as_deref(), Some("s3"));
        assert_eq!(rows[0].series, sidx_host::series_id("s3"));
        assert_eq!(rows[0].payload.as_deref(), Some(&b"payload 13"[..]));
        assert_eq!(rows[0].tags.len(), 6);
        assert!(cursor.explain().unwrap()["host"]["crossings"].as_u64() > Some(0));
    }
}

#[test]
fn filters_projections_and_counts() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        index.write(batch(0, 100)).unwrap();
        index.flush().unwrap();
        index.write(batch(100, 200)).unwrap();
        let failed = index
            .query()
            .filter("status = 500 and codes contains any (99, 150)");
        assert_eq!(failed.clone().count().unwrap(), 2);
        let mut cursor = failed
            .select(["ratio", "none"])
            .payload(false)
            .run()
            .unwrap();
        let rows = cursor.next().unwrap().unwrap();
        assert_eq!(rows.keys(), [99, 150]);
        assert_eq!(rows.tag("ratio", 1), Some(Value::Float(37.5)));
        assert_eq!((rows.tag("status", 0), rows.payload(0)), (None, None));
        assert!(cursor.next().is_none());
        assert_eq!(index.query().series_ids([]).count().unwrap(), 0);
        let wrong = index.query().filter("status =").run().err().unwrap();
        assert_eq!(wrong.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn rows_survive_closing_flushing_merging_and_reopening() {
    for engine in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().to_str().unwrap()).unwrap();
        let missing = store.index("flights").engine(engine).open().err().unwrap();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let index = create(&store, engine);
        let held = store.index("flights").engine(engine).open().err().unwrap();
        assert_eq!(held.kind(), ErrorKind::Conflict);
        for part in 0..5 {
            index.write(batch(part * 50, part * 50 + 50)).unwrap();
            assert_eq!(index.flush().unwrap().rows, 50);
        }
        index.write(batch(250, 300)).unwrap();
        drop(index);

        let index = store.index("flights").engine(engine).open().unwrap();
        assert_eq!(index.query().count().unwrap(), 300);
        assert_eq!(index.merge_all().unwrap().parts, 1);
        assert_eq!(index.parts().unwrap().as_array().map(Vec::len), Some(1));
        assert_eq!(
            keys(index.query().run().unwrap()),
            (0..300).collect::<Vec<_>>()
        );
        assert!(index.verify().is_ok() && index.stats().is_ok());
        assert_eq!(
            index
                .dump()
                .unwrap()
                .map(|rows| rows.unwrap().rows.len())
                .sum::<usize>(),
            300
        );

        let reader = store.index("flights").engine(engine).read_only().unwrap();
        assert_eq!(reader.query().count().unwrap(), 300);
        assert_eq!(
            reader.write(batch(0, 1)).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );

        let rule = Retention {
            drop_below: Some(100),
            ..Retention::default()
        };
        assert_eq!(index.retain(rule).unwrap().dropped_rows, 100);
        index.close().unwrap();
        let index = store.index("flights").engine(engine).open().unwrap();
        assert_eq!(index.query().limit(1).run().map(keys).unwrap(), [100]);
    }
}

#[test]
fn a_cursor_reads_what_was_there_when_it_started() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        index.write(batch(0, 1000)).unwrap();
        index.flush().unwrap();
        let mut cursor = index.query().rows_per_batch(10).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().len(), 10);
        index.write(batch(1000, 2000)).unwrap();
        index.merge_all().unwrap();
        index
            .retain(Retention {
                drop_below: Some(1500),
                drop_where: None,
            })
            .unwrap();
        assert_eq!(keys(cursor), (10..1000).collect::<Vec<_>>());
        assert_eq!(index.query().count().unwrap(), 500);
    }
}

#[test]
fn queries_stop_when_they_are_told_to() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        index.write(batch(0, 500)).unwrap();
        let late = index.query().timeout(Duration::ZERO).run().err().unwrap();
        assert_eq!(late.kind(), ErrorKind::DeadlineExceeded);
        let token = CancelToken::new();
        let mut cursor = index
            .query()
            .cancel(token.clone())
            .rows_per_batch(10)
            .run()
            .unwrap();
        cursor.next().unwrap().unwrap();
        token.cancel();
        let error = cursor.find_map(Result::err).expect("the cursor is stopped");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(cursor.next().is_none());
        assert_eq!(index.query().count().unwrap(), 500);
    }
}

#[test]
fn many_threads_write_and_read_at_once() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for writer in 0..4 {
                let (index, barrier) = (index.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..10 {
                        let from = writer * 1000 + round * 10;
                        index.write(batch(from, from + 10)).unwrap();
                        let seen = index.query().keys(from..from + 10).count().unwrap();
                        assert_eq!(seen, 10, "acknowledged rows are visible");
                        if round % 4 == 3 {
                            index.flush().unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(index.query().count().unwrap(), 400);
        index.merge_all().unwrap();
        assert_eq!(index.query().count().unwrap(), 400);
    }
}

#[test]
fn small_flush_sizes_flush_and_merge_by_themselves() {
    let index = Store::memory()
        .index("flights")
        .flush_bytes(10_000)
        .background(false)
        .create()
        .unwrap();
    for round in 0..30 {
        index.write(batch(round * 100, round * 100 + 100)).unwrap();
    }
    let parts = index.parts().unwrap();
    let parts = parts.as_array().expect("a list of parts");
    assert!(
        parts.iter().any(|part| part["medium"] == "file"),
        "{parts:?}"
    );
    assert!(parts.len() < 15, "{} parts", parts.len());
    assert_eq!(index.query().count().unwrap(), 3000);
}

#[test]
fn whole_columns_are_a_batch() {
    let mut payloads = ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes));
    let mut status = ColumnBuilder::new(ColumnType::scalar(ValueType::Int));
    for row in 0..3i64 {
        payloads.push_bytes(&[row as u8]).unwrap();
        if row == 1 {
            status.push_absent().unwrap()
        } else {
            status.push_int(row).unwrap()
        }
    }
    let (payloads, status): (Column, Column) = (payloads.finish(), status.finish());
    let tags = vec![("status".to_owned(), status)];
    let uneven = Batch::from_columns(vec![1, 1], vec![1, 2, 3], payloads.clone(), tags.clone());
    assert_eq!(uneven.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let mut batch = Batch::from_columns(vec![1, 1, 1], vec![3, 2, 1], payloads, tags).unwrap();
    assert!(batch.row(1, 4).add().is_err());

    let index = create(&Store::memory(), Engine::Component);
    index.write(batch).unwrap();
    assert_eq!(
        keys(index.query().filter("exists(status)").run().unwrap()),
        [1, 3]
    );
}

#[test]
fn a_refused_batch_changes_nothing_and_hinders_nobody() {
    for engine in ENGINES {
        let index = create(&Store::memory(), engine);
        let mut wrong = Batch::new();
        wrong.row(1, 1).tag("", 1).add().unwrap();
        let error = index.write(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        index.write(batch(0, 10)).unwrap();
        assert_eq!(index.query().count().unwrap(), 10);
    }
}

#[test]
fn instances_are_limited_and_given_back() {
    let index = Store::memory()
        .index("flights")
        .max_instances(3)
        .create()
        .unwrap();
    index.write(batch(0, 10)).unwrap();
    let first = index.query().run().unwrap();
    let second = index.query().run().unwrap();
    let third = index.query().run().err().expect("no instance is left");
    assert_eq!(third.kind(), ErrorKind::ResourceExhausted);
    drop((first, second));
    assert_eq!(index.query().count().unwrap(), 10);
}
