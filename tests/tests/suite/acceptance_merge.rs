//! A merge changes the parts and nothing else, unless it is told what to drop.

use std::collections::BTreeMap;

use sidx_columns::ValueType;
use sidx_host::{ErrorKind, OwnedValue, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, keys_of, on_all_forms, payloads_of, rows_of};

/// Merges everything and checks that the rows stayed as they were.
fn merge_and_compare(index: &Subject) {
    let (up, down) = (rows_of(index.ask()), rows_of(index.ask().descending()));
    let dumped = index.dump();
    index.merge_all();
    assert_eq!(index.parts("file").len(), 1);
    assert_eq!(rows_of(index.ask()), up);
    assert_eq!(rows_of(index.ask().descending()), down);
    assert_eq!(index.dump(), dumped);
    index.assert_sound(up.len());
}

/// Rows per series.
fn counts(index: &Subject) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for row in rows_of(index.ask()) {
        *counts.entry(row.series).or_default() += 1;
    }
    counts
}

/// The rows of each block: series, and first and last key.
fn blocks(index: &Subject) -> Vec<Vec<(u64, i64)>> {
    let blocks = index.index().dump().unwrap().map(|block| {
        let rows = block.unwrap().rows;
        rows.series()
            .iter()
            .copied()
            .zip(rows.keys().iter().copied())
            .collect()
    });
    blocks.collect()
}

/// Within a part, the rows of each series ascend from block to block, and no block is too large.
fn assert_blocks_are_bounded_and_disjoint(index: &Subject) {
    let blocks = blocks(index);
    assert!(blocks.iter().all(|rows| rows.len() <= 8_192));
    let mut last: BTreeMap<u64, i64> = BTreeMap::new();
    for (series, key) in blocks.into_iter().flatten() {
        let before = last.insert(series, key);
        assert!(
            before.is_none_or(|before| before <= key),
            "series {series} goes back at {key}"
        );
    }
}

#[test]
fn without_parts_there_is_nothing_to_merge() {
    on_all_forms(|index| {
        assert_eq!(index.index().merge().unwrap().parts, 0);
        assert_eq!(index.index().merge_all().unwrap().parts, 0);
        assert!(index.dump().is_empty());
    });
}

#[test]
fn duplicates_are_kept() {
    let part = |keys: [i64; 3]| {
        vec![
            Row::new(1, keys[0], vec![b'a'; 1_600]).tag("service", "order"),
            Row::new(2, keys[1], vec![b'b'; 40]).tag("env", "prod"),
            Row::new(3, keys[2], vec![b'c'; 25]).tag("region", "west"),
        ]
    };
    let (a, b) = (part([100, 200, 300]), part([150, 250, 350]));
    for parts in [[&a, &b, &b], [&a, &a, &a]] {
        on_all_forms(|index| {
            parts.into_iter().for_each(|part| index.write_part(part));
            merge_and_compare(&index);
            assert_eq!(counts(&index), BTreeMap::from([(1, 3), (2, 3), (3, 3)]));
        });
    }
}

#[test]
fn rows_stay_with_their_series() {
    on_all_forms(|index| {
        let series = |n: i64| match n {
            n if n % 2_000 == 0 => 4,
            n if n % 1_000 == 0 => 2,
            n if n <= 1_000 => 1,
            _ => 2,
        };
        let rows: Vec<Row> = (1..=2_000)
            .map(|n| Row::new(series(n), n, format!("{n:077}")))
            .collect();
        let (even, odd): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.key % 2 == 0);
        index.write_part(&even);
        index.write_part(&odd);
        merge_and_compare(&index);
        assert_eq!(
            counts(&index),
            BTreeMap::from([(1, 999), (2, 1_000), (4, 1)])
        );
    });
}

#[test]
fn arrays_keep_their_empty_elements() {
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| OwnedValue::from(*name)).collect();
        OwnedValue::Array(ValueType::String, names)
    };
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("names", names(&["a", "", "b"]))]);
        index.write_part(&[
            Row::new(1, 2, "x").tag("names", names(&[])),
            Row::new(1, 3, "x").tag("names", names(&[""])),
            Row::new(1, 4, "x"),
        ]);
        merge_and_compare(&index);
        assert_eq!(index.keys_where(r#"names contains any ("")"#), [1, 3]);
        assert_eq!(index.keys_where("exists(names)"), [1, 2, 3]);
    });
}

#[test]
fn each_row_keeps_the_type_its_tag_came_with() {
    on_all_forms(|index| {
        let batch = |status: fn(i64) -> OwnedValue, keys: [i64; 3]| -> Vec<Row> {
            (1..4u64)
                .zip(keys)
                .map(|(series, key)| Row::new(series, key, "x").tag("status", status(key)))
                .collect()
        };
        index.write_part(&batch(|key| OwnedValue::String(key.to_string()), [1, 2, 3]));
        index.write_part(&batch(OwnedValue::Int, [4, 5, 6]));
        merge_and_compare(&index);
        let tags = index.index().stats().unwrap()["tags"].clone();
        assert_eq!(
            tags.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["status"]
        );
        assert_eq!(tags["status"].as_array().map(Vec::len), Some(2));
        assert_eq!(index.keys_where(r#"status >= "2""#), [2, 3]);
        assert_eq!(index.keys_where("status >= 5"), [5, 6]);
    });
}

fn named(key: i64, name: &str) -> Row {
    Row::new(1, key, name).tag("name", name)
}

fn drop_where(filter: &str) -> Retention {
    Retention {
        drop_where: Some(filter.to_owned()),
        drop_below: None,
    }
}

#[test]
fn retention_drops_the_rows_that_its_filter_accepts() {
    on_all_forms(|index| {
        index.write_part(&[named(1, "traceA"), named(2, "traceB"), named(3, "traceC")]);
        let done = index
            .index()
            .retain(drop_where(r#"name = "traceB""#))
            .unwrap();
        assert_eq!((done.rows, done.dropped_rows), (2, 1));
        assert_eq!(payloads_of(index.ask()), ["traceA", "traceC"]);
        index.assert_sound(2);
    });
}

#[test]
fn retention_over_interleaved_parts_leaves_values_with_their_rows() {
    on_all_forms(|index| {
        index.write_part(&[named(1, "A"), named(3, "C")]);
        index.write_part(&[named(2, "B"), named(4, "D")]);
        index.index().retain(drop_where(r#"name = "B""#)).unwrap();
        let found = rows_of(index.ask());
        let name = |name: &str| sidx_tests::model::Cell::String(name.to_owned());
        let pairs: Vec<_> = found
            .iter()
            .map(|row| (row.key, row.tags["name"].clone()))
            .collect();
        assert_eq!(pairs, [(1, name("A")), (3, name("C")), (4, name("D"))]);
        index.assert_sound(3);
    });
}

#[test]
fn retention_narrows_the_key_range_of_the_part() {
    on_all_forms(|index| {
        let names = ["k1", "x1", "k2", "x2", "k3"];
        let rows: Vec<Row> = (1..)
            .zip(names)
            .map(|(n, name)| named(n * 10, name))
            .collect();
        index.write_part(&rows);
        index
            .index()
            .retain(drop_where(r#"not (name starts with "k")"#))
            .unwrap();
        assert_eq!(keys_of(index.ask()), [10, 30, 50]);
        let part = index.parts("file").remove(0);
        assert_eq!(
            (&part["min_key"], &part["max_key"]),
            (&10.into(), &50.into())
        );
        let below = Retention {
            drop_where: None,
            drop_below: Some(30),
        };
        assert_eq!(index.index().retain(below).unwrap().dropped_rows, 1);
        assert_eq!(keys_of(index.ask()), [30, 50]);
        assert_eq!(index.parts("file")[0]["min_key"], 30);
    });
}

#[test]
fn retention_may_drop_everything() {
    on_all_forms(|mut index| {
        index.write_part(&[named(1, "a"), named(2, "b")]);
        let done = index.index().retain(drop_where("exists(name)")).unwrap();
        assert_eq!((done.parts, done.rows, done.dropped_rows), (0, 0, 2));
        assert!(index.parts("file").is_empty());
        let next = index.write(&[named(3, "c")]).first_id;
        assert_eq!(next, 2, "element ids are never used again");
        index.reopen();
        assert_eq!(keys_of(index.ask()), [3]);
    });
}

#[test]
fn a_retention_rule_that_cannot_be_read_changes_nothing() {
    on_all_forms(|index| {
        index.write_part(&[named(1, "a")]);
        for rule in ["name =", r#"name ~ "a(""#] {
            let error = index.index().retain(drop_where(rule)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
        assert_eq!(keys_of(index.ask()), [1]);
        index.write_part(&[named(2, "b")]);
        index.merge_all();
        assert_eq!(keys_of(index.ask()), [1, 2]);
    });
}

#[test]
fn ranges_of_the_inputs_become_one_range() {
    on_all_forms(|index| {
        let row = |key, at| Row::new(1, key, "x").tag("at", OwnedValue::Timestamp(at));
        index.write_part(&[row(5, 100), row(6, 200)]);
        index.write_part(&[row(1, 150), row(9, 300)]);
        index.write_part(&[Row::new(1, 7, "x")]);
        merge_and_compare(&index);
        let part = index.parts("file").remove(0);
        assert_eq!((&part["min_key"], &part["max_key"]), (&1.into(), &9.into()));
        let limits = part["tags"][0]["columns"][0]["limits"].clone();
        assert_eq!(limits, serde_json::json!({"ints": [100, 300]}));
    });
}

#[test]
fn interleaved_rows_of_one_series_stay_in_bounded_and_disjoint_blocks() {
    on_all_forms(|index| {
        let every_other = |first: i64| -> Vec<Row> {
            (0..8_000)
                .map(|n| Row::new(1, first + 2 * n, "x"))
                .collect()
        };
        index.write_part(&every_other(0));
        index.write_part(&every_other(1));
        merge_and_compare(&index);
        assert_blocks_are_bounded_and_disjoint(&index);
        assert_eq!(keys_of(index.ask()), (0..16_000).collect::<Vec<_>>());
    });
}

#[test]
fn five_parts_over_one_range_stay_in_bounded_and_disjoint_blocks() {
    on_all_forms(|index| {
        for part in 0..5u64 {
            let rows: Vec<Row> = (0..5_000i64)
                .map(|key| Row::new(key as u64 % 3, key, format!("{part}")))
                .collect();
            index.write_part(&rows);
        }
        merge_and_compare(&index);
        assert_blocks_are_bounded_and_disjoint(&index);
        let same_key = payloads_of(index.ask().keys(77..=77));
        assert_eq!(same_key, ["0", "1", "2", "3", "4"]);
    });
}

#[test]
fn parts_of_similar_size_are_merged_and_others_left_alone() {
    on_all_forms(|index| {
        // Different payloads, because sizes are compared as stored.
        let large = (0..5_000).map(|key: i64| {
            let payload = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
            Row::new(1, key, payload.to_le_bytes())
        });
        index.write_part(&large.collect::<Vec<_>>());
        for key in 0..4 {
            index.write_part(&[Row::new(1, key, "small")]);
        }
        let before = rows_of(index.ask());
        assert!(index.index().merge().unwrap().parts > 0);
        let rows: Vec<_> = index
            .parts("file")
            .iter()
            .map(|part| part["rows"].clone())
            .collect();
        assert_eq!(rows, [5_000, 4]);
        assert_eq!(rows_of(index.ask()), before);
    });
}
