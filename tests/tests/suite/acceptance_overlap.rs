//! Which parts a query reads: those whose key range, and tag ranges, overlap with what is asked.

use std::ops::Bound;

use sidx_host::{OwnedValue, Query};
use sidx_tests::expression::literal_text;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, explain_of, keys_of, on_all_forms};

/// How many parts a query read, and how many keys or tags ruled out.
fn parts_read(query: Query) -> u64 {
    let parts = &explain_of(query)["parts"];
    let number = |name: &str| parts[name].as_u64().unwrap();
    let dropped = number("dropped_by_key_range") + number("dropped_by_tag_range");
    assert_eq!(
        number("total"),
        dropped + number("not_due") + number("read")
    );
    number("read")
}

fn write_part(index: &Subject, keys: impl IntoIterator<Item = i64>) {
    let rows: Vec<Row> = keys.into_iter().map(|key| Row::new(1, key, "x")).collect();
    index.write_part(&rows);
}

#[test]
fn a_part_is_read_only_when_its_keys_overlap_with_the_range() {
    on_all_forms(|index| {
        write_part(&index, [10, 20]);
        let table = [
            (5, 25, true),
            (15, 25, true),
            (5, 15, true),
            (10, 20, true),
            (5, 10, true),
            (20, 25, true),
            (12, 18, true),
            (1, 9, false),
            (21, 30, false),
            (25, 15, false),
            (15, 12, false),
        ];
        for (low, high, overlaps) in table {
            let query = || {
                index
                    .ask()
                    .keys((Bound::Included(low), Bound::Included(high)))
            };
            assert_eq!(
                parts_read(query()),
                u64::from(overlaps),
                "keys {low}..={high}"
            );
            let expected: Vec<i64> = [10, 20]
                .into_iter()
                .filter(|key| (low..=high).contains(key))
                .collect();
            assert_eq!(keys_of(query()), expected, "keys {low}..={high}");
            assert_eq!(query().count().unwrap(), expected.len() as u64);
        }
    });
}

#[test]
fn a_range_inside_of_a_part_overlaps() {
    on_all_forms(|index| {
        write_part(&index, [5, 25]);
        assert_eq!(parts_read(index.ask().keys(10..=20)), 1);
        assert!(keys_of(index.ask().keys(10..=20)).is_empty());
    });
}

#[test]
fn exclusive_bounds_do_not_touch() {
    on_all_forms(|index| {
        write_part(&index, [10, 20]);
        assert_eq!(parts_read(index.ask().keys(5..10)), 0);
        assert_eq!(
            parts_read(index.ask().keys((Bound::Excluded(20), Bound::Unbounded))),
            0
        );
        assert_eq!(parts_read(index.ask().keys(..11)), 1);
        assert_eq!(
            keys_of(index.ask().keys((Bound::Excluded(10), Bound::Unbounded))),
            [20]
        );
    });
}

#[test]
fn of_four_parts_those_in_the_range_are_read() {
    on_all_forms(|index| {
        for start in [100, 200, 300, 400] {
            write_part(&index, start..start + 100);
        }
        let read = |low, high| parts_read(index.ask().keys(low..=high));
        assert_eq!(read(150, 350), 3);
        assert_eq!(read(199, 200), 2);
        assert_eq!(read(50, 99), 0);
        assert_eq!(read(50, 550), 4);
        assert_eq!(keys_of(index.ask().keys(199..=200)), [199, 200]);
    });
}

/// What a part-level time range is for: here every tag of an ordered type has one.
#[test]
fn a_part_is_read_only_when_its_timestamps_overlap_with_the_filter() {
    on_all_forms(|index| {
        let row = |key, at| Row::new(1, key, "x").tag("at", OwnedValue::Timestamp(at));
        index.write_part(&[row(1, 100), row(2, 200)]);
        let between = |low, high| {
            let [low, high] = [low, high].map(|at| literal_text(&OwnedValue::Timestamp(at)));
            format!("at >= {low} and at <= {high}")
        };
        for (low, high, read) in [(50, 150, 1), (1, 50, 0), (250, 300, 0), (100, 200, 1)] {
            let filter = between(low, high);
            assert_eq!(
                parts_read(index.ask().filter(filter.as_str())),
                read,
                "{filter}"
            );
        }
        assert_eq!(index.keys_where(&between(50, 150)), [1]);
        assert_eq!(index.keys_where(&between(200, 900)), [2]);
    });
}

/// A comparison with an absent tag is false, so the part has nothing to offer; its negation is true.
#[test]
fn a_part_without_the_tag_is_read_only_for_filters_that_absence_passes() {
    on_all_forms(|index| {
        write_part(&index, [1, 2]);
        assert_eq!(parts_read(index.ask().filter("at >= 5")), 0);
        assert_eq!(parts_read(index.ask().filter("not (at >= 5)")), 1);
        assert_eq!(index.keys_where("not (at >= 5)"), [1, 2]);
    });
}
