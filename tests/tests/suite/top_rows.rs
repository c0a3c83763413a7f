//! The first rows of many runs, which come with one call: against the model, over parts that overlap and
//! with ties of keys and series between them, however the result is cut into batches.

use serde_json::Value;
use sidx_host::OwnedValue;
use sidx_tests::model::{Model, Query, Row, SeriesName};
use sidx_tests::subject::{Subject, explain_of, on_all_forms};

/// Writes rows of `series` series in overlapping file parts and memory parts. Few different keys, so that
/// ties are common.
fn overlapping(index: &Subject, series: u64, rows: u64) -> Model {
    let mut model = Model::default();
    for part in 0..5u64 {
        let row = |at: u64| {
            let at = at + part * rows;
            let key = (at.wrapping_mul(2_654_435_761) >> 7) % 37;
            let row = Row::new(at % series * 3, key as i64 - 9, at.to_string());
            row.tag("code", (at % 7) as i64)
        };
        let batch: Vec<Row> = (0..rows).map(row).collect();
        index.write(&batch);
        model.write(&batch);
        if part < 3 {
            index.flush();
        }
    }
    model
}

fn assert_same(index: &Subject, model: &Model, query: &Query) {
    let expected = model.query(query);
    for batch_rows in [1, 3, 64, 10_000] {
        let found = index.rows_by(query, batch_rows).unwrap();
        assert_eq!(found, expected, "batches of {batch_rows} rows of {query:?}");
    }
    assert_eq!(index.count(query), expected.len() as u64, "{query:?}");
}

#[test]
fn limits_cut_exactly_in_both_orders() {
    on_all_forms(|index| {
        let model = overlapping(&index, 23, 400);
        for descending in [false, true] {
            for limit in [
                None,
                Some(1),
                Some(2),
                Some(20),
                Some(61),
                Some(500),
                Some(9_999),
            ] {
                let query = Query {
                    descending,
                    limit,
                    ..Query::default()
                };
                assert_same(&index, &model, &query);
            }
        }
    });
}

#[test]
fn bounds_series_and_filters_hold_in_both_orders() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    on_all_forms(|index| {
        let model = overlapping(&index, 11, 300);
        let wanted = |ids: &[u64]| Some(ids.iter().map(|id| SeriesName::Id(*id)).collect());
        let series: [Option<Vec<SeriesName>>; 4] = [
            None,
            wanted(&[6]),
            wanted(&[27, 3, 3, 1, 12]),
            wanted(&[u64::MAX]),
        ];
        let bounds = [
            (Unbounded, Included(-3)),
            (Included(-2), Excluded(5)),
            (Excluded(20), Unbounded),
            (Included(5), Included(4)),
        ];
        for series in &series {
            for (low, high) in bounds {
                for descending in [false, true] {
                    for limit in [None, Some(7), Some(100)] {
                        let query = Query {
                            series: series.clone(),
                            low,
                            high,
                            descending,
                            limit,
                            ..Query::default()
                        };
                        assert_same(&index, &model, &query);
                    }
                }
            }
        }
    });
}

#[test]
fn filtered_rows_come_in_order() {
    on_all_forms(|index| {
        overlapping(&index, 11, 300);
        for descending in [false, true] {
            let ask = || match descending {
                true => index.ask().descending(),
                false => index.ask(),
            };
            let keys = |query: sidx_host::Query| -> Vec<(i64, u64)> {
                let rows = query.run().unwrap().into_rows().map(Result::unwrap);
                rows.filter(|row| {
                    row.tag("code")
                        .is_some_and(|code| *code == OwnedValue::from(3i64))
                })
                .map(|row| (row.key, row.series))
                .collect()
            };
            let expected = keys(ask());
            for limit in [1, 9, 100, 1_000] {
                let found = keys(ask().filter("code = 3").limit(limit));
                assert_eq!(found, expected[..expected.len().min(limit as usize)]);
            }
            assert_eq!(keys(ask().filter("code = 3")), expected);
        }
    });
}

fn number(explain: &Value, path: &str) -> u64 {
    explain.pointer(path).and_then(Value::as_u64).unwrap()
}

#[test]
fn a_warm_query_of_few_rows_is_one_crossing() {
    on_all_forms(|index| {
        overlapping(&index, 50, 2_000);
        index.merge_all();
        let queries = || {
            [
                index.ask().limit(20),
                index.ask().limit(20).descending(),
                index.ask().series_id(3).limit(20).select([""; 0]),
                index.ask().keys(3..=4),
                index
                    .ask()
                    .series_id(3)
                    .filter("code = 3")
                    .limit(9)
                    .descending(),
            ]
        };
        // Opens metadata and compiles the filter.
        queries()
            .into_iter()
            .for_each(|query| drop(explain_of(query)));
        for query in queries() {
            let explain = explain_of(query);
            let crossings = number(&explain, "/host/crossings");
            assert_eq!(crossings, 1, "{explain:#}");
            assert_eq!(number(&explain, "/calls/top"), 1, "{explain:#}");
        }
    });
}

#[test]
fn the_greatest_keys_of_many_series_open_no_more_blocks_than_rows() {
    on_all_forms(|index| {
        // Blocks of 8,192 rows hold about 80 series each.
        let row = |at: u64| {
            let (series, nth) = (at / 100, at % 100);
            Row::new(series, (nth * 1_000 + series * 7 % 1_000) as i64, "x")
        };
        index.write_part(&(0..60_000).map(row).collect::<Vec<_>>());
        for query in [index.ask().limit(3), index.ask().limit(3).descending()] {
            let explain = explain_of(query);
            assert_eq!(number(&explain, "/rows/returned"), 3);
            let opened = number(&explain, "/blocks/opened");
            assert!(opened <= 3, "{explain:#}");
        }
    });
}

#[test]
fn a_query_asks_for_as_many_runs_as_the_one_before_needed() {
    on_all_forms(|index| {
        // First a hundred series of one row each; then one of many rows with the least and greatest keys.
        let single = |at: u64| Row::new(at + 1, 1_000 + at as i64, "x");
        index.write_part(&(0..100).map(single).collect::<Vec<_>>());
        let calls = |descending: bool| {
            let query = index.ask().limit(20);
            let explain = explain_of(if descending {
                query.descending()
            } else {
                query
            });
            assert_eq!(number(&explain, "/rows/returned"), 20);
            number(&explain, "/calls/top")
        };
        for descending in [false, true] {
            assert_eq!([calls(descending), calls(descending)], [2, 1]);
        }
        let long = |at: u64| {
            let key = if at < 30 {
                at as i64
            } else {
                9_000 + at as i64
            };
            Row::new(0, key, "y")
        };
        index.write_part(&(0..60).map(long).collect::<Vec<_>>());
        // What was needed before is more than enough; later queries need one run and get by with few.
        for descending in [false, true, false, true] {
            assert_eq!(calls(descending), 1);
        }
    });
}
