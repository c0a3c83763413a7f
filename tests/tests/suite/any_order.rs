//! Queries in any order: the rows of the query, each once, as they lie. The property tests compare them with
//! the model for random queries; here is what those do not look at.

use std::fs;

use sidx_host::{CancelToken, Engine, ErrorKind, OwnedValue, ValueType};
use sidx_tests::model::{Found, Model, Query, Row};
use sidx_tests::subject::{Subject, error_of, explain_of, keys_of, on_both_engines, rows_of};

fn row(series: u64, key: i64) -> Row {
    let row = Row::new(series, key, format!("payload {}", key % 97)).tag("code", key % 10);
    match key % 4 {
        0 => row,
        1 => row.tag("name", format!("name {key}")),
        _ => {
            let codes = vec![OwnedValue::Int(key), OwnedValue::Int(key + 1)];
            row.tag("codes", OwnedValue::Array(ValueType::Int, codes))
        }
    }
}

/// Blocks of many series and of few, in two file parts and two in memory.
fn filled(index: &Subject) -> Model {
    let mut model = Model::default();
    let parts: [(u64, i64); 4] = [(3, 30_000), (700, 20_000), (5, 900), (1, 10)];
    for (at, (series, rows)) in parts.into_iter().enumerate() {
        let row = |n: i64| row(n as u64 % series, n * 31 % 5_000);
        let batch: Vec<Row> = (0..rows).map(row).collect();
        index.write(&batch);
        model.write(&batch);
        if at < 2 {
            index.flush();
        }
    }
    model
}

#[test]
fn every_row_comes_once_and_at_the_same_place_every_time() {
    on_both_engines(|index| {
        let model = filled(&index);
        let asked = || index.ask().any_order();
        let first = rows_of(asked());
        assert_eq!(model.fault_in_any_order(&Query::default(), &first), None);
        // However few rows are taken at a time.
        for batch_rows in [7, 1_000, 50_000] {
            assert_eq!(rows_of(asked().rows_per_batch(batch_rows)), first);
        }
        let limited = rows_of(asked().limit(12_345));
        assert_eq!(limited, first[..12_345]);
        // The last word counts.
        let ordered = rows_of(index.ask());
        assert_eq!(rows_of(asked().ascending()), ordered);
        let reversed: Vec<Found> = ordered.into_iter().rev().collect();
        assert_eq!(rows_of(asked().descending()), reversed);
    });
}

#[test]
fn whole_blocks_are_returned_without_a_selection() {
    on_both_engines(|index| {
        filled(&index);
        for (query, selects) in [
            (index.ask(), false),
            (index.ask().keys(0..5_000), false),
            (index.ask().series_ids([0, 1]), false),
            (index.ask().filter("code >= 0"), false),
            (index.ask().keys(1..), true),
            (index.ask().filter("code > 0"), true),
        ] {
            let explain = explain_of(query.any_order());
            assert_eq!(explain["calls"]["select"] != 0, selects, "{explain:#}");
        }
        // One crossing per batch, and a few to begin with.
        rows_of(index.ask().any_order());
        let explain = explain_of(index.ask().any_order());
        let crossings = explain["host"]["crossings"].as_u64().unwrap();
        assert!(crossings < 20, "{explain:#}");
    });
}

#[test]
fn a_limit_opens_no_more_blocks_than_it_needs() {
    on_both_engines(|index| {
        filled(&index);
        for query in [index.ask(), index.ask().filter("code > 3")] {
            let explain = explain_of(query.any_order().limit(5));
            assert_eq!(explain["blocks"]["opened"], 1, "{explain:#}");
            assert_eq!(explain["rows"]["returned"], 5);
        }
    });
}

#[test]
fn rows_of_ranges_tell_keys_series_and_labels() {
    on_both_engines(|index| {
        let batch: Vec<Row> = (0..100).map(|key| row(key as u64 % 7, key)).collect();
        index.write(&batch);
        index.write(&[row(1, 5).of("labelled")]);
        let mut cursor = index.ask().any_order().select(["code"]).run().unwrap();
        let rows = cursor.next().unwrap().unwrap();
        assert_eq!((rows.len(), rows.keys().len()), (101, 101));
        assert!(!rows.is_empty() && rows.payloads().is_some());
        assert_eq!(
            rows.tags().map(|(name, _)| name).collect::<Vec<_>>(),
            ["code"]
        );
        assert_eq!(rows.label(100).unwrap().as_deref(), Some("labelled"));
        assert!(rows.label(101).unwrap().is_none() && rows.row(101).unwrap().is_none());
        for (key, series) in rows.keys().iter().zip(rows.series()).take(100) {
            assert_eq!(*series, *key as u64 % 7);
        }
        assert!(cursor.next().is_none());
        // Nothing but keys and series.
        let bare = index.ask().any_order().select([""; 0]).payload(false);
        assert_eq!(rows_of(bare).len(), 101);
    });
}

#[test]
fn what_remains_of_a_damaged_part_is_returned_on_demand() {
    for file in ["data.bin", "keys.bin", "code.td", "primary.bin", "meta.bin"] {
        for engine in [Engine::Native, Engine::Component] {
            let mut index = Subject::create(engine);
            index.write_part(&(0..100).map(|key| row(1, key)).collect::<Vec<_>>());
            index.write_part(&(50..150).map(|key| row(2, key)).collect::<Vec<_>>());
            index.leave();
            let parts = fs::read_dir(index.path().join("parts")).unwrap();
            let mut paths: Vec<_> = parts.map(|part| part.unwrap().path().join(file)).collect();
            paths.sort();
            let mut bytes = fs::read(&paths[0]).unwrap();
            *bytes.last_mut().unwrap() ^= 0xff;
            fs::write(&paths[0], bytes).unwrap();
            index.enter();
            for filter in ["code >= 0", "code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"] {
                let asked = || index.ask().any_order().filter(filter);
                assert_eq!(error_of(asked()).kind(), ErrorKind::Corrupt, "{file}");
                let mut cursor = asked().allow_partial().run().unwrap();
                let keys: Vec<i64> = cursor
                    .by_ref()
                    .flat_map(|rows| rows.unwrap().keys().to_vec())
                    .collect();
                assert_eq!(keys, (50..150).collect::<Vec<_>>(), "{file}");
                let missing = cursor.missing().unwrap();
                assert_eq!(missing.len(), 1, "{file}: {missing:?}");
            }
        }
    }
}

#[test]
fn limits_and_tokens_stop_it() {
    on_both_engines(|index| {
        filled(&index);
        let error = error_of(index.ask().any_order().max_rows(100));
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        let distinct = index.ask().any_order().distinct_payload().memory_bytes(100);
        assert_eq!(error_of(distinct).kind(), ErrorKind::LimitExceeded);
        let token = CancelToken::new();
        let query = index.ask().any_order().cancel(token.clone());
        let mut cursor = query.rows_per_batch(100).run().unwrap();
        assert!(cursor.next().unwrap().is_ok());
        token.cancel();
        let error = cursor.find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(cursor.next().is_none());
        assert_eq!(keys_of(index.ask().any_order().limit(3)).len(), 3);
    });
}
