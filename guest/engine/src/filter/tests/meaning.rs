//! The rules one by one, as a user would ask about them.

use sidx_columns::{ColumnType, OwnedValue, ValueType};
use sidx_kernels::{Step, Test, hash};

use super::{Filter, Row, check};
use crate::expression::{Template, parse};

/// The values of tag `a`, one row each, of which each text selects some.
fn assert_selects(values: &[Option<OwnedValue>], cases: &[(&str, &[usize])]) {
    let rows: Vec<Row> = values
        .iter()
        .map(|value| value.iter().map(|v| ("a", v.clone())).collect())
        .collect();
    for (text, expected) in cases {
        let selected = check(&parse(text).unwrap(), &rows, 32);
        let selected: Vec<usize> = (0..rows.len()).filter(|row| selected[*row]).collect();
        assert_eq!(selected, *expected, "{text}");
    }
}

fn some(value: impl Into<OwnedValue>) -> Option<OwnedValue> {
    Some(value.into())
}

#[test]
fn absent_tags_compare_as_false() {
    assert_selects(
        &[some(1), None, some(2)],
        &[
            ("a = 1", &[0]),
            ("a != 1", &[2]),
            ("not a = 1", &[1, 2]),
            ("not a != 1", &[0, 1]),
            ("a not in (1)", &[2]),
            ("not a in (1)", &[1, 2]),
            ("exists(a)", &[0, 2]),
            ("not exists(a)", &[1]),
            ("unheard_of != 1", &[]),
            ("not unheard_of != 1", &[0, 1, 2]),
            ("exists(unheard_of)", &[]),
        ],
    );
}

#[test]
fn numbers_compare_exactly() {
    let two_53 = 1i64 << 53;
    assert_selects(
        &[
            some(2),
            some(3),
            some(2.5),
            some(two_53 + 1),
            some(two_53 as f64),
            some(3.0),
        ],
        &[
            ("a > 2.5", &[1, 3, 4, 5]),
            ("a >= 2.5", &[1, 2, 3, 4, 5]),
            ("a = 3", &[1, 5]),
            ("a = 3.0", &[1, 5]),
            ("a != 3.0", &[0, 2, 3, 4]),
            ("a = 9007199254740993", &[3]),
            ("a = 9007199254740992", &[4]),
            ("a < 9007199254740993", &[0, 1, 2, 4, 5]),
            ("a >= 9007199254740993", &[3]),
            ("a > 9007199254740992.0", &[3]),
            ("a in (2.0, 9007199254740993, 2.5)", &[0, 2, 3]),
            ("a not in (2.0, 2.5)", &[1, 3, 4, 5]),
            ("a < 1e300", &[0, 1, 2, 3, 4, 5]),
            ("a > -1e300 and a != 1e300", &[0, 1, 2, 3, 4, 5]),
        ],
    );
}

#[test]
fn nan_equals_nothing() {
    let negative_zero = some(-0.0);
    assert_selects(
        &[
            some(f64::NAN),
            some(1.0),
            negative_zero,
            some(f64::INFINITY),
        ],
        &[
            ("a = 1", &[1]),
            ("a != 1", &[0, 2, 3]),
            ("a < 1 or a >= 1", &[1, 2, 3]),
            ("a in (1, 2.0)", &[1]),
            ("a not in (1, 2.0)", &[0, 2, 3]),
            ("a != \"x\"", &[]),
            ("a = 0", &[2]),
            ("a = 0.0", &[2]),
            ("a > 1e308", &[3]),
        ],
    );
}

#[test]
fn other_types_never_match() {
    let one_second = OwnedValue::Timestamp(1_000_000_000);
    assert_selects(
        &[
            some("1"),
            some(1),
            some(b"1".as_slice()),
            some(true),
            Some(one_second),
            some(1_000_000_000),
        ],
        &[
            ("a = 1", &[1]),
            ("a != 1", &[5]),
            ("a = \"1\"", &[0]),
            ("a != \"2\"", &[0]),
            ("a = bytes(\"MQ==\")", &[2]),
            ("a >= bytes(\"\")", &[2]),
            ("a != false", &[3]),
            ("a in (true, false)", &[3]),
            ("a not in (true, false)", &[]),
            ("a = timestamp(\"1970-01-01T00:00:01Z\")", &[4]),
            ("a > timestamp(\"1970-01-01T00:00:00Z\")", &[4]),
            ("a = 1000000000", &[5]),
            ("a in (1, \"1\", true)", &[0, 1, 3]),
            ("a not in (2, \"1\")", &[1, 5]),
            ("a starts with \"\"", &[0]),
            ("a starts with bytes(\"\")", &[2]),
            ("a ~ \"\"", &[0]),
            ("a !~ \"b$\"", &[0]),
        ],
    );
}

#[test]
fn strings_order_bytewise() {
    assert_selects(
        &[some("Z"), some("a"), some("é"), some(""), some("ab")],
        &[
            ("a < \"a\"", &[0, 3]),
            ("a > \"a\"", &[2, 4]),
            ("a <= \"\"", &[3]),
            ("a < \"\"", &[]),
            ("a starts with \"a\"", &[1, 4]),
            ("a ~ \"[bé]\"", &[2, 4]),
            ("a !~ \"[bé]\"", &[0, 1, 3]),
            ("a ~ \"^$\"", &[3]),
        ],
    );
}

#[test]
fn arrays_only_contain() {
    let ints = |elements: &[i64]| {
        let elements = elements
            .iter()
            .map(|value| OwnedValue::Int(*value))
            .collect();
        Some(OwnedValue::Array(ValueType::Int, elements))
    };
    let floats = OwnedValue::Array(
        ValueType::Float,
        vec![OwnedValue::Float(f64::NAN), OwnedValue::Float(2.0)],
    );
    assert_selects(
        &[
            ints(&[1, 2]),
            ints(&[]),
            None,
            ints(&[2]),
            some(2),
            Some(floats),
        ],
        &[
            ("a = 2", &[4]),
            ("a != 3", &[4]),
            ("a not in (3)", &[4]),
            ("exists(a)", &[0, 1, 3, 4, 5]),
            ("a contains any (1, 7)", &[0]),
            ("a contains any (2.0)", &[0, 3, 5]),
            ("a contains all (1, 2)", &[0]),
            ("a contains all (2, 2.0)", &[0, 3, 5]),
            ("a contains all (2, \"x\")", &[]),
            ("a contains any (2, \"x\")", &[0, 3, 5]),
            ("a contains all (2, 2.5)", &[]),
            ("not a contains any (1, 2)", &[1, 2, 4]),
        ],
    );
}

/// Plans with an int, a string and an int array column for tag `a`, and none for other tags.
fn plan(text: &str) -> Filter {
    let kinds = [
        ColumnType::scalar(ValueType::Int),
        ColumnType::scalar(ValueType::String),
        ColumnType::array(ValueType::Int),
    ];
    Filter::plan(&parse(text).unwrap(), &mut |tag| {
        if tag == "a" {
            kinds.to_vec()
        } else {
            Vec::new()
        }
    })
}

#[test]
fn what_can_not_match_folds_away() {
    for text in [
        "a = true",
        "b = 1",
        "b != 1",
        "a = 1 and b = 1",
        "a = 2.5",
        "a contains all (1, true)",
    ] {
        let filter = plan(text);
        assert_eq!(filter.steps(), [Step::False], "{text}");
        assert!(filter.slots().is_empty(), "{text}");
    }
    assert_eq!(plan("not b = 1").steps(), [Step::True]);
    let leaf = |test| Step::Leaf {
        slot: 0,
        elements: false,
        test,
    };
    assert_eq!(
        plan("b = 1 or a = 5").steps(),
        [leaf(Test::IntRange { low: 5, high: 5 })]
    );
    assert_eq!(plan("a != 2.5").steps(), [leaf(Test::Exists)]);
    let range = leaf(Test::IntRange { low: 1, high: 3 });
    assert_eq!(plan("a in (3, 1.0, 2, 2.5, 1)").steps(), [range]);
}

#[test]
fn slots_are_columns_in_order_of_use() {
    let filter = plan("a ~ \"x\" and (a contains any (1) or exists(a)) and b = 1 or a = 7");
    let kinds: Vec<String> = filter
        .slots()
        .iter()
        .map(|slot| slot.kind.to_string())
        .collect();
    assert_eq!(kinds, ["int"], "the conjunction is false for want of 'b'");
    let filter = plan("a ~ \"x\" and (a contains any (1) or exists(a)) or a = 7");
    let kinds: Vec<String> = filter
        .slots()
        .iter()
        .map(|slot| slot.kind.to_string())
        .collect();
    assert_eq!(kinds, ["string", "int[]", "int"]);
    assert_eq!(filter.tag_names().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn probes_are_of_listed_values() {
    let hashes = |text: &str| -> Vec<Vec<u64>> {
        plan(text)
            .probes()
            .iter()
            .map(|probe| probe.hashes.clone())
            .collect()
    };
    let of = |text: &str| hash::of_bytes(text.as_bytes());
    assert_eq!(hashes("a = \"x\""), [[of("x")]]);
    let mut both = vec![of("x"), of("y")];
    both.sort_unstable();
    assert_eq!(hashes("a in (\"x\", 5, \"y\", \"x\")"), [both]);
    assert_eq!(hashes("a != \"x\""), [[of("x")]]);
    assert_eq!(
        hashes("a contains all (5, 7.0)"),
        [[hash::of_int(5)], [hash::of_int(7)]]
    );
    for text in [
        "a = 5",
        "a > \"x\"",
        "a starts with \"x\"",
        "a ~ \"x\"",
        "exists(a)",
    ] {
        assert!(hashes(text).is_empty(), "{text}");
    }
    let many: Vec<String> = (0..2000).map(|n| format!("\"{n}\"")).collect();
    assert!(hashes(&format!("a in ({})", many.join(","))).is_empty());
    let many: Vec<String> = (0..2000).map(|n| format!("{}", n * 2)).collect();
    assert_eq!(
        hashes(&format!("a contains all ({})", many.join(","))).len(),
        64
    );
}

#[test]
fn kinds_are_asked_once_per_tag() {
    let mut asked = Vec::new();
    Filter::plan(
        &parse("b = 1 and a = 2 or not b = 3 or a = 4").unwrap(),
        &mut |tag| {
            asked.push(tag.to_owned());
            vec![ColumnType::scalar(ValueType::Int); 3]
        },
    );
    assert_eq!(asked, ["b", "a"]);
}

/// The deepest and the longest texts that parse also run.
#[test]
fn the_largest_filters_compile() {
    let deep = format!(
        "{}a != 1{}",
        "(a = 1 or not (a = 2 and ".repeat(66),
        "))".repeat(66)
    );
    let long = vec!["a = 1 and exists(a)"; 40_000].join(" or ");
    for text in [deep, long] {
        let rows: Vec<Row> = vec![vec![("a", OwnedValue::Int(1))], Vec::new()];
        check(&parse(&text).unwrap(), &rows, 32);
    }
}

const MANUAL: &str = include_str!("../../../../../docs/query.md");

/// The examples of the manual parse, and its table of four elements is what happens.
#[test]
fn the_manual_is_right() {
    let examples = MANUAL.split("```filter\n").skip(1);
    let texts = examples.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines());
    let parsed: Vec<_> = texts.map(|text| Template::parse(text).unwrap()).collect();
    assert!(parsed.len() >= 8, "found {} examples", parsed.len());

    let array = vec![OwnedValue::Int(5), OwnedValue::Int(6)];
    let rows: Vec<Row> = vec![
        vec![("x", OwnedValue::Int(5))],
        vec![("x", OwnedValue::from("5"))],
        vec![("x", OwnedValue::Array(ValueType::Int, array))],
        Vec::new(),
    ];
    let mut lines = 0;
    for line in MANUAL.lines() {
        let Some(cells) = line.strip_prefix("| `") else {
            continue;
        };
        let cells: Vec<&str> = cells.trim_end_matches([' ', '|']).split(" | ").collect();
        if let [text, expected @ ..] = cells.as_slice()
            && expected
                .iter()
                .all(|cell| matches!(*cell, "true" | "false"))
        {
            let text = text.trim_end_matches('`');
            let selected = check(&parse(text).unwrap(), &rows, 32).into_iter();
            let selected: Vec<String> = selected.map(|passes| passes.to_string()).collect();
            assert_eq!(selected, expected, "{text}");
            lines += 1;
        }
    }
    assert_eq!(lines, 12);
}
