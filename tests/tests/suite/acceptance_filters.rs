//! Filters skip what they can and never what they must not.

use serde_json::Value;
use sidx_columns::ValueType;
use sidx_host::OwnedValue;
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, explain_of, on_all_forms};

fn strings(values: &[&str]) -> OwnedValue {
    let values = values
        .iter()
        .map(|value| OwnedValue::from(*value))
        .collect();
    OwnedValue::Array(ValueType::String, values)
}

fn skipped(index: &Subject, filter: &str) -> bool {
    let explain: Value = explain_of(index.ask().filter(filter));
    explain["blocks"]["opened"] == 0
}

#[test]
fn an_int_range_skips_what_lies_outside_of_the_column() {
    on_all_forms(|index| {
        index.write_part(&[100, 300, 500].map(|n| Row::new(1, n, "x").tag("code", n)));
        let table = [
            ("code >= 10 and code <= 50", true),
            ("code >= 600 and code <= 800", true),
            ("code >= 200 and code <= 300", false),
            ("code >= 50 and code <= 600", false),
            ("code > 500", true),
            ("code < 100", true),
            ("code >= 500 and code <= 600", false),
            ("code >= 50 and code <= 100", false),
            ("code > 500.5", true),
            ("code >= 499.5", false),
        ];
        for (filter, expected) in table {
            assert_eq!(skipped(&index, filter), expected, "{filter}");
        }
        assert_eq!(index.keys_where("code >= 50 and code <= 100"), [100]);
        assert_eq!(index.keys_where("code > 99.5 and code < 300"), [100]);
    });
}

/// The filter is well formed, so it is no error: a string is just never a number.
#[test]
fn a_number_never_matches_a_string_column_nor_its_negation() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("code", "200")]);
        for filter in ["code = 200", "code != 200", "code < 900", "code in (200)"] {
            assert!(index.keys_where(filter).is_empty(), "{filter}");
        }
        assert_eq!(index.keys_where("code not in (200, \"404\")"), [1]);
        assert_eq!(index.keys_where("not (code = 200)"), [1]);
    });
}

#[test]
fn a_list_selects_when_any_of_its_values_is_stored() {
    let services = ["order-service", "payment-service", "inventory-service"];
    on_all_forms(|index| {
        let row = |(key, name): (i64, &str)| Row::new(1, key, "x").tag("name", name);
        index.write_part(&(0..).zip(services).map(row).collect::<Vec<_>>());
        let found = |filter: &str| index.keys_where(filter);
        assert_eq!(
            found(r#"name in ("order-service", "payment-service")"#),
            [0, 1]
        );
        assert_eq!(found(r#"name in ("order-service", "x")"#), [0]);
        assert!(found(r#"name in ("x", "y")"#).is_empty());
        assert_eq!(found(r#"name in ("x", "y", "inventory-service")"#), [2]);
    });
}

/// Ten thousand different values have no dictionary, so a membership filter decides.
#[test]
fn membership_filters_skip_absent_values_and_keep_present_ones() {
    let address = |n: u32| {
        format!(
            "10.{}.{}.9:{}",
            n % 7,
            n % 251,
            n.wrapping_mul(2_654_435_761)
        )
    };
    on_all_forms(|index| {
        let row = |n: u32| Row::new(1, n.into(), "x").tag("peer", address(n).as_str());
        index.write_part(&(0..10_000).map(row).collect::<Vec<_>>());
        for n in [0, 1, 4_999, 9_999] {
            let filter = format!("peer = \"{}\"", address(n));
            assert_eq!(index.keys_where(&filter), [i64::from(n)], "{filter}");
        }
        let absent = |n: u32| format!("\"10.3.77.9:{n}x\"");
        let dropped = |filter: &str| {
            let explain = explain_of(index.ask().filter(filter));
            explain["blocks"]["dropped_by_filter"].as_u64().unwrap()
        };
        // Each block lets one absent value in 200 through, so a hundred of them skip most blocks.
        let skips: u64 = (0..100)
            .map(|n| dropped(&format!("peer = {}", absent(n))))
            .sum();
        assert!(
            skips >= 150,
            "{skips} blocks skipped in 100 queries over two blocks"
        );
        let mut list: Vec<String> = (0..999).map(absent).collect();
        list.push(format!("\"{}\"", address(123)));
        assert_eq!(
            index.keys_where(&format!("peer in ({})", list.join(", "))),
            [123]
        );
        list.pop();
        assert!(
            index
                .keys_where(&format!("peer in ({})", list.join(", ")))
                .is_empty()
        );
    });
}

#[test]
fn membership_filters_serve_numbers_and_arrays_too() {
    on_all_forms(|index| {
        let row = |n: i64| {
            let codes = [n * 1_000_003, n * 7 + 1].map(OwnedValue::Int).to_vec();
            Row::new(1, n, "x")
                .tag("ratio", 1.0 / (n as f64 + 3.0))
                .tag("codes", OwnedValue::Array(ValueType::Int, codes))
        };
        index.write_part(&(0..9_000).map(row).collect::<Vec<_>>());
        assert_eq!(
            index.keys_where("codes contains any (5000015, 5000016)"),
            [5]
        );
        assert_eq!(index.keys_where("codes contains any (5000015.0)"), [5]);
        assert_eq!(index.keys_where("codes contains all (5000015, 36)"), [5]);
        assert!(
            index
                .keys_where("codes contains all (5000015, 37)")
                .is_empty()
        );
        assert_eq!(index.keys_where(&format!("ratio = {:?}", 1.0 / 8.0)), [5]);
    });
}

#[test]
fn an_int_is_found_by_equality_in_every_form_of_storage() {
    on_all_forms(|index| {
        let rows = |range: std::ops::Range<i64>| -> Vec<Row> {
            range
                .map(|n| Row::new(1, n, "x").tag("duration", n * 100))
                .collect()
        };
        index.write(&rows(0..10));
        assert_eq!(index.keys_where("duration = 500"), [5]);
        index.flush();
        assert_eq!(index.keys_where("duration = 500"), [5]);
        index.write_part(&rows(10..20));
        index.merge_all();
        assert_eq!(index.keys_where("duration = 500"), [5]);
        assert_eq!(index.keys_where("duration = 500.0"), [5]);
    });
}

#[test]
fn equality_finds_the_same_rows_after_a_merge_of_conflicting_types() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("status", "500")]);
        index.write_part(&[Row::new(1, 2, "x").tag("status", 500)]);
        for _ in 0..2 {
            assert_eq!(index.keys_where(r#"status = "500""#), [1]);
            assert_eq!(index.keys_where("status = 500"), [2]);
            assert_eq!(index.keys_where("exists(status)"), [1, 2]);
            index.merge_all();
        }
    });
}

#[test]
fn contains_all_ignores_order_and_takes_any_character() {
    on_all_forms(|index| {
        index.write_part(&[
            Row::new(1, 1, "x").tag("names", strings(&["a|b", "c"])),
            Row::new(1, 2, "x").tag("names", strings(&["c", "\\"])),
            Row::new(1, 3, "x").tag("names", strings(&[])),
        ]);
        assert_eq!(index.keys_where(r#"names contains all ("a|b", "c")"#), [1]);
        assert_eq!(index.keys_where(r#"names contains all ("c", "a|b")"#), [1]);
        assert_eq!(index.keys_where(r#"names contains all ("\\", "c")"#), [2]);
        assert_eq!(
            index.keys_where(r#"names contains any ("c", "zzz")"#),
            [1, 2]
        );
        assert!(index.keys_where(r#"names contains all ("a")"#).is_empty());
        assert_eq!(index.keys_where("exists(names)"), [1, 2, 3]);
    });
}

#[test]
fn arrays_are_never_equal_to_a_scalar() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("names", strings(&["a"]))]);
        for filter in [
            r#"names = "a""#,
            r#"names != "b""#,
            r#"names in ("a")"#,
            r#"names ~ "a""#,
        ] {
            assert!(index.keys_where(filter).is_empty(), "{filter}");
        }
    });
}

#[test]
fn and_skips_when_one_side_is_impossible_and_or_only_when_both_are() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("code", 5).tag("name", "a")]);
        assert!(skipped(&index, r#"code = 5 and name = "zzz""#));
        assert!(skipped(&index, r#"name = "zzz" and code = 5"#));
        assert!(!skipped(&index, r#"code = 5 or name = "zzz""#));
        assert!(skipped(&index, r#"code = 6 or name = "zzz""#));
        assert_eq!(index.keys_where(r#"code = 5 or name = "zzz""#), [1]);
    });
}

#[test]
fn an_absent_tag_fails_every_test_and_passes_its_plain_negation() {
    on_all_forms(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("code", 5), Row::new(1, 2, "x")]);
        for filter in ["code != 9", "code not in (9)", "code >= 0", "exists(code)"] {
            assert_eq!(index.keys_where(filter), [1], "{filter}");
            assert_eq!(
                index.keys_where(&format!("not ({filter})")),
                [2],
                "{filter}"
            );
        }
        for filter in ["none != 9", "none = 9", "exists(none)", r#"none ~ """#] {
            assert!(index.keys_where(filter).is_empty(), "{filter}");
            assert_eq!(
                index.keys_where(&format!("not ({filter})")),
                [1, 2],
                "{filter}"
            );
        }
    });
}

#[test]
fn nan_equals_nothing_and_differs_from_every_number() {
    on_all_forms(|index| {
        let floats = [f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY];
        let row = |(key, value): (i64, f64)| Row::new(1, key, "x").tag("ratio", value);
        index.write_part(&(0..).zip(floats).map(row).collect::<Vec<_>>());
        assert_eq!(index.keys_where("ratio = 0"), [1, 2]);
        assert_eq!(index.keys_where("ratio = -0.0"), [1, 2]);
        assert_eq!(index.keys_where("ratio != 0.0"), [0, 3, 4]);
        assert_eq!(
            index.keys_where("ratio <= 0.0 or ratio > 0.0"),
            [1, 2, 3, 4]
        );
        assert_eq!(index.keys_where("ratio not in (0)"), [0, 3, 4]);
        assert_eq!(index.keys_where("ratio > 1e308"), [3]);
    });
}

#[test]
fn ints_and_floats_compare_without_rounding() {
    on_all_forms(|index| {
        let edge = 1i64 << 53;
        let ints = [edge, edge + 1, i64::MAX, i64::MIN];
        let row = |(key, value): (i64, i64)| Row::new(1, key, "x").tag("code", value);
        index.write_part(&(0..).zip(ints).map(row).collect::<Vec<_>>());
        assert_eq!(index.keys_where("code = 9007199254740992.0"), [0]);
        assert_eq!(index.keys_where("code > 9007199254740992.0"), [1, 2]);
        assert!(index.keys_where("code >= 9223372036854775808.0").is_empty());
        assert_eq!(index.keys_where("code <= -9223372036854775808.0"), [3]);
        assert_eq!(index.keys_where("code < 1e300 and code > 9.1e18"), [2]);
        index.write_part(&[Row::new(2, 9, "x").tag("code", 9_007_199_254_740_992.0)]);
        assert!(index.keys_where("code = 9007199254740993").contains(&1));
        assert!(!index.keys_where("code = 9007199254740993").contains(&9));
        assert_eq!(index.keys_where("code < 9007199254740993"), [0, 3, 9]);
    });
}
