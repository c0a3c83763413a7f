//! Rows of several series, blocks and parts come out in one order, and filters skip blocks.

use serde_json::Value;
use sidx_host::ErrorKind;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, explain_of, keys_of, on_all_forms, rows_of};

/// Series and key of all rows, both ways, checked against the expected ascending order.
fn assert_order(index: &Subject, expected: &[(u64, i64)]) {
    let mut found: Vec<_> = rows_of(index.ask())
        .iter()
        .map(|row| (row.series, row.key))
        .collect();
    assert_eq!(found, expected, "ascending");
    let down = rows_of(index.ask().descending());
    found.reverse();
    assert_eq!(
        down.iter()
            .map(|row| (row.series, row.key))
            .collect::<Vec<_>>(),
        found
    );
}

fn rows(of: &[(u64, i64)]) -> Vec<Row> {
    of.iter()
        .map(|(series, key)| Row::new(*series, *key, "x"))
        .collect()
}

fn number(explain: &Value, of: &str, name: &str) -> u64 {
    explain[of][name]
        .as_u64()
        .unwrap_or_else(|| panic!("{of}.{name} in {explain:#}"))
}

#[test]
fn series_of_one_part_are_ordered_by_key() {
    on_all_forms(|index| {
        index.write_part(&rows(&[(1, 100), (2, 50), (3, 150)]));
        assert_order(&index, &[(2, 50), (1, 100), (3, 150)]);
    });
}

#[test]
fn equal_keys_are_ordered_by_series() {
    on_all_forms(|index| {
        index.write_part(&rows(&[(2, 100), (1, 100)]));
        assert_order(&index, &[(1, 100), (2, 100)]);
    });
}

#[test]
fn ranges_of_series_that_overlap_are_merged_row_by_row() {
    on_all_forms(|index| {
        index.write_part(&rows(&[(1, 100), (1, 180), (2, 120), (2, 220), (3, 400)]));
        assert_order(&index, &[(1, 100), (2, 120), (1, 180), (2, 220), (3, 400)]);
    });
}

#[test]
fn parts_that_interleave_are_merged_row_by_row() {
    on_all_forms(|index| {
        index.write_part(&rows(&[(1, 100), (3, 300), (5, 500)]));
        index.write_part(&rows(&[(2, 200), (4, 400), (6, 600)]));
        assert_order(&index, &[1, 2, 3, 4, 5, 6].map(|n| (n, n as i64 * 100)));
    });
}

#[test]
fn series_and_key_range_select_rows() {
    on_all_forms(|index| {
        index.write_part(&rows(&[(1, 100), (2, 50), (3, 150)]));
        assert_eq!(keys_of(index.ask().series_id(1).series_id(3)), [100, 150]);
        assert_eq!(keys_of(index.ask().keys(120..=200)), [150]);
        assert!(keys_of(index.ask().keys(1_000..=2_000)).is_empty());
        assert!(keys_of(index.ask().series_ids([])).is_empty());
        assert_eq!(index.ask().series_ids([]).count().unwrap(), 0);
    });
}

#[test]
fn a_filter_that_nothing_can_pass_opens_no_block() {
    on_all_forms(|index| {
        index.write_part(&[
            Row::new(1, 1, "x").tag("code", 5),
            Row::new(2, 2, "x").tag("code", 9),
        ]);
        let explain = explain_of(index.ask().filter("code > 9"));
        assert_eq!(number(&explain, "blocks", "opened"), 0);
        assert_eq!(number(&explain, "parts", "dropped_by_tag_range"), 1);
        assert_eq!(number(&explain, "rows", "returned"), 0);
    });
}

#[test]
fn a_filter_that_cannot_be_compiled_is_an_error() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("name", "a")]);
        let error = error_of(index.ask().filter(r#"name ~ "a(""#));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("a("), "{error}");
    });
}

#[test]
fn blocks_that_the_filter_rules_out_are_skipped() {
    on_all_forms(|index| {
        let state = |row: Row, state: &str| row.tag("state", state);
        let mut batch: Vec<Row> = (0..8_202)
            .map(|key| state(Row::new(1, key, "x"), "pending"))
            .collect();
        batch.extend((20_000..28_202).map(|key| state(Row::new(1, key, "x"), "success")));
        batch.push(state(Row::new(2, 5, "x"), "success"));
        index.write_part(&batch);
        let filter = r#"state = "success""#;
        let found = rows_of(index.ask().filter(filter));
        assert_eq!(found.len(), 8_203);
        assert!(found.iter().all(|row| row.series == 2 || row.key >= 20_000));
        let explain = explain_of(index.ask().filter(filter));
        assert!(
            number(&explain, "blocks", "dropped_by_tag_range") > 0,
            "{explain:#}"
        );
    });
}

#[test]
fn a_series_of_more_rows_than_a_block_has_blocks_in_key_order() {
    on_all_forms(|index| {
        let keys = (0..8_202).chain(50_000..50_016);
        index.write_part(&keys.map(|key| Row::new(1, key, "x")).collect::<Vec<_>>());
        let blocks = index.index().dump().unwrap();
        let ranges: Vec<(i64, i64)> = blocks
            .map(|block| {
                let rows = block.unwrap().rows;
                (rows.keys()[0], *rows.keys().last().unwrap())
            })
            .collect();
        assert!(ranges.len() >= 2);
        assert!(
            ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{ranges:?}"
        );
    });
}
