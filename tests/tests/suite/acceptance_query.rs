//! Order, limits and distinct payloads are exact, and a query that stops early says so.

use std::time::Duration;

use sidx_host::{CancelToken, ErrorKind, OwnedValue};
use sidx_tests::expression::literal_text;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, keys_of, on_all_forms, payloads_of};

/// Runs a test on rows in memory, flushed, in one part per batch, and merged.
fn in_every_form(batches: &[Vec<Row>], test: impl Fn(&Subject)) {
    on_all_forms(|index| {
        for batch in batches {
            index.write(batch);
        }
        test(&index);
        index.flush();
        test(&index);
    });
    on_all_forms(|index| {
        batches.iter().for_each(|batch| index.write_part(batch));
        test(&index);
        index.merge_all();
        test(&index);
    });
}

fn series(series: u64, keys: impl IntoIterator<Item = i64>) -> Vec<Row> {
    keys.into_iter()
        .map(|key| Row::new(series, key, format!("{series}@{key}")))
        .collect()
}

fn payload_rows(of: &[(i64, &str)]) -> Vec<Row> {
    of.iter()
        .map(|(key, payload)| Row::new(1, *key, payload))
        .collect()
}

#[test]
fn rows_of_several_series_are_sorted_globally() {
    let batch = [
        series(1, [300, 100, 200]),
        series(2, [250, 150, 50]),
        series(3, [350, 75, 175]),
    ];
    in_every_form(&batch, |index| {
        let all = [50, 75, 100, 150, 175, 200, 250, 300, 350];
        assert_eq!(keys_of(index.ask()), all);
        assert_eq!(keys_of(index.ask().ascending()), all);
        let mut down = all;
        down.reverse();
        assert_eq!(keys_of(index.ask().descending()), down);
        assert_eq!(keys_of(index.ask().series_id(1)), [100, 200, 300]);
        assert_eq!(
            keys_of(index.ask().series_id(3).descending()),
            [350, 175, 75]
        );
    });
}

#[test]
fn a_key_range_bounds_the_rows() {
    in_every_form(&[series(1, [100, 150, 200])], |index| {
        assert_eq!(keys_of(index.ask().keys(120..180)), [150]);
    });
}

#[test]
fn small_batches_of_a_cursor_give_the_same_rows_each_time() {
    let batches = [series(1, [50, 150, 250]), series(2, [75, 175, 275])];
    in_every_form(&batches, |index| {
        for _ in 0..2 {
            let pairs = || index.ask().rows_per_batch(2);
            assert_eq!(keys_of(pairs()), [50, 75, 150, 175, 250, 275]);
            assert_eq!(keys_of(pairs().series_id(1).descending()), [250, 150, 50]);
            assert_eq!(keys_of(pairs().series_id(2).keys(100..=200)), [175]);
        }
    });
}

#[test]
fn forty_series_with_two_keys_give_exact_first_rows() {
    let batch: Vec<Row> = (1..=40u64)
        .flat_map(|n| series(n, [n as i64, 1_000 + n as i64]))
        .collect();
    in_every_form(&[batch], |index| {
        let up: Vec<i64> = (1..=40).chain(1_001..=1_040).collect();
        let down: Vec<i64> = up.iter().rev().copied().collect();
        assert_eq!(keys_of(index.ask()), up);
        for limit in [1, 2, 10, 40, 100] {
            let most = limit.min(80);
            assert_eq!(keys_of(index.ask().limit(limit as u64)), up[..most]);
            assert_eq!(
                keys_of(index.ask().limit(limit as u64).descending()),
                down[..most]
            );
            assert_eq!(
                index.ask().limit(limit as u64).count().unwrap(),
                most as u64
            );
        }
    });
}

#[test]
fn the_first_row_is_exact_when_series_overlap() {
    in_every_form(&[series(1, [1, 1_000]), series(2, [500, 600])], |index| {
        assert_eq!(keys_of(index.ask().descending().limit(1)), [1_000]);
        assert_eq!(keys_of(index.ask().keys(100..).limit(1)), [500]);
        assert_eq!(
            keys_of(index.ask().descending().rows_per_batch(1)),
            [1_000, 600, 500, 1]
        );
    });
}

#[test]
fn a_limit_over_eighty_series_is_exact() {
    let batch: Vec<Row> = (1..=80u64).flat_map(|n| series(n, [n as i64])).collect();
    in_every_form(&[batch], |index| {
        assert_eq!(keys_of(index.ask().limit(10)), (1..=10).collect::<Vec<_>>());
        assert!(keys_of(index.ask().limit(0)).is_empty());
    });
}

#[test]
fn equal_keys_come_in_order_of_arrival_and_in_its_exact_reverse() {
    let batches = ["abc", "de", "fg"].map(|names| {
        names
            .chars()
            .map(|name| Row::new(1, 7, name.to_string()))
            .collect::<Vec<_>>()
    });
    in_every_form(&batches, |index| {
        let up = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(payloads_of(index.ask()), up);
        let down: Vec<&str> = up.into_iter().rev().collect();
        assert_eq!(
            payloads_of(index.ask().descending().rows_per_batch(1)),
            down
        );
    });
}

#[test]
fn all_rows_of_a_payload_are_returned_unless_distinct_is_asked_for() {
    let rows = payload_rows(&[(10, "t1"), (11, "t2"), (12, "t3"), (13, "t4"), (14, "t1")]);
    in_every_form(&[rows], |index| {
        assert_eq!(payloads_of(index.ask()), ["t1", "t2", "t3", "t4", "t1"]);
        let distinct = || index.ask().distinct_payload();
        assert_eq!(keys_of(distinct()), [10, 11, 12, 13]);
        assert_eq!(keys_of(distinct().descending()), [14, 13, 12, 11]);
        assert_eq!(distinct().count().unwrap(), 4);
    });
}

#[test]
fn distinct_keeps_the_first_row_in_result_order_across_parts() {
    let batches = [
        payload_rows(&[(100, "d1"), (101, "d2"), (102, "d1")]),
        payload_rows(&[(103, "d2"), (104, "d3")]),
    ];
    in_every_form(&batches, |index| {
        let distinct = || index.ask().distinct_payload();
        assert_eq!(keys_of(distinct()), [100, 101, 104]);
        assert_eq!(keys_of(distinct().descending()), [104, 103, 102]);
        assert_eq!(payloads_of(distinct().descending()), ["d3", "d2", "d1"]);
    });
}

#[test]
fn distinct_holds_across_batches_of_the_cursor_and_counts_before_the_limit() {
    let rows = payload_rows(&[(100, "d1"), (101, "d2"), (102, "d1"), (103, "d3")]);
    in_every_form(&[rows], |index| {
        let distinct = || index.ask().distinct_payload().rows_per_batch(2);
        assert_eq!(payloads_of(distinct()), ["d1", "d2", "d3"]);
        assert_eq!(payloads_of(distinct().limit(3)), ["d1", "d2", "d3"]);
        assert_eq!(distinct().limit(2).count().unwrap(), 2);
    });
}

#[test]
fn one_payload_in_seventy_series_is_one_row() {
    let batch: Vec<Row> = (0..70).map(|n| Row::new(n, n as i64 % 5, "same")).collect();
    in_every_form(&[batch], |index| {
        assert_eq!(keys_of(index.ask().distinct_payload()), [0]);
        assert_eq!(index.ask().distinct_payload().count().unwrap(), 1);
    });
}

#[test]
fn distinct_sees_only_rows_that_passed_the_filter() {
    let row = |key, status, payload| Row::new(1, key, payload).tag("status", status);
    let batch = vec![
        row(100, 200, "d1"),
        row(101, 404, "d2"),
        row(102, 200, "d2"),
        row(103, 200, "d3"),
        row(104, 404, "d1"),
        row(105, 200, "d3"),
    ];
    in_every_form(&[batch], |index| {
        let query = index.ask().distinct_payload().filter("status = 200");
        assert_eq!(payloads_of(query), ["d1", "d2", "d3"]);
    });
}

#[test]
fn filters_select_by_tag_and_rows_without_tags_never_match() {
    let row = |key, status: i64, service, method| {
        Row::new(1, key, "x")
            .tag("status", status)
            .tag("service", service)
            .tag("method", method)
    };
    let batch = vec![
        row(200, 200, "user", "GET"),
        row(404, 404, "user", "GET"),
        row(201, 200, "order", "POST"),
        row(500, 500, "payment", "GET"),
        Row::new(1, 1, "untagged"),
    ];
    in_every_form(&[batch], |index| {
        assert_eq!(index.keys_where("status = 200"), [200, 201]);
        assert_eq!(index.keys_where(r#"service = "user""#), [200, 404]);
        assert_eq!(index.keys_where("status = 500"), [500]);
        assert!(index.keys_where("status = 999").is_empty());
        assert_eq!(keys_of(index.ask()).len(), 5);
        assert_eq!(
            index.keys_where(r#"status = 200 and method = "GET""#),
            [200]
        );
    });
}

#[test]
fn rows_in_memory_and_in_files_are_one_index() {
    on_all_forms(|index| {
        index.write_part(&series(2, [100, 200]));
        index.write(&series(1, [5, 15]));
        assert_eq!(keys_of(index.ask()), [5, 15, 100, 200]);
    });
}

#[test]
fn a_filter_on_time_is_exact_inside_of_a_part() {
    let row = |key, at| Row::new(1, key, "x").tag("at", OwnedValue::Timestamp(at));
    in_every_form(
        &[vec![row(1, 1_000), row(2, 2_000), row(3, 3_000)]],
        |index| {
            let [low, high] = [1_500, 2_500].map(|at| literal_text(&OwnedValue::Timestamp(at)));
            assert_eq!(
                index.keys_where(&format!("at >= {low} and at < {high}")),
                [2]
            );
            let late = literal_text(&OwnedValue::Timestamp(5_000));
            assert!(index.keys_where(&format!("at >= {late}")).is_empty());
        },
    );
}

#[test]
fn a_query_over_its_memory_fails_and_never_ends_short() {
    let batch: Vec<Row> = (0..2_000u32)
        .map(|n| Row::new(1, n.into(), format!("{n:0160}")))
        .collect();
    in_every_form(&[batch], |index| {
        let tight = |bytes| index.ask().distinct_payload().memory_bytes(bytes);
        for bytes in [0, 160, 10_000, 200_000] {
            let error = error_of(tight(bytes));
            assert_eq!(
                error.kind(),
                ErrorKind::LimitExceeded,
                "{bytes} bytes: {error}"
            );
        }
        assert_eq!(keys_of(tight(16 << 20)).len(), 2_000);
    });
}

#[test]
fn a_cancelled_cursor_ends_with_an_error() {
    in_every_form(&[series(1, [1, 2, 3, 4, 5])], |index| {
        let token = CancelToken::new();
        let mut cursor = index
            .ask()
            .rows_per_batch(1)
            .cancel(token.clone())
            .run()
            .unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().keys(), [1]);
        token.cancel();
        let error = cursor.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(cursor.next().is_none());
    });
}

#[test]
fn a_query_that_was_cancelled_or_late_before_its_start_is_an_error() {
    in_every_form(&[series(1, [1])], |index| {
        let token = CancelToken::new();
        token.cancel();
        assert_eq!(
            error_of(index.ask().cancel(token.clone())).kind(),
            ErrorKind::Cancelled
        );
        let late = index.ask().timeout(Duration::ZERO);
        assert_eq!(error_of(late).kind(), ErrorKind::DeadlineExceeded);
        let late = index.ask().timeout(Duration::ZERO).count().unwrap_err();
        assert_eq!(late.kind(), ErrorKind::DeadlineExceeded);
    });
}
