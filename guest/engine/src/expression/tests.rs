//! What the grammar accepts, and how large it may be.

mod refused;
mod round_trip;

use super::*;

/// Text and its canonical form; parsing either gives the same tree.
const ACCEPTED: &[(&str, &str)] = &[
    ("status=500", "status = 500"),
    ("  status\n\t=  500 ", "status = 500"),
    ("a != -9223372036854775808", "a != -9223372036854775808"),
    ("a <= 9223372036854775807", "a <= 9223372036854775807"),
    ("a < 007 AND b > -0", "a < 7 and b > 0"),
    ("a >= 2.50", "a >= 2.5"),
    ("a = 1E3", "a = 1000.0"),
    ("a = 1e-7 or a = -1.5e+300", "a = 1e-7 or a = -1.5e300"),
    ("a = 9223372036854775808.0", "a = 9.223372036854776e18"),
    ("a = TRUE or a != false", "a = true or a != false"),
    (
        r#"a = "x\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00""#,
        r#"a = "x\"\\/\u0008\u000c\n\r\téé😀""#,
    ),
    ("a = \"two\nlines\"", r#"a = "two\nlines""#),
    (r#"a = """#, r#"a = """#),
    (r#"a = bytes("AAH/")"#, r#"a = bytes("AAH/")"#),
    (r#"bytes = BYTES ( "" )"#, r#"bytes = bytes("")"#),
    (
        r#"timestamp > Timestamp("2013-01-01T12:00:00.5+02:00")"#,
        r#"timestamp > timestamp("2013-01-01T10:00:00.5Z")"#,
    ),
    ("a in (1)", "a in (1)"),
    (
        r#"a Not In (1, 2.0, "x",true)"#,
        r#"a not in (1, 2.0, "x", true)"#,
    ),
    (
        r#"a ~ "^x[0-9]+$" and b !~ "(""#,
        r#"a ~ "^x[0-9]+$" and b !~ "(""#,
    ),
    (r#"a Starts With "/api""#, r#"a starts with "/api""#),
    (
        r#"a starts with bytes("AA==")"#,
        r#"a starts with bytes("AA==")"#,
    ),
    (
        "a contains all (1, 2) or a contains ANY (3)",
        "a contains all (1, 2) or a contains any (3)",
    ),
    ("exists ( a )", "exists(a)"),
    ("exists(`exists`)", "exists(`exists`)"),
    ("`plain` = 1", "plain = 1"),
    (
        "`two words` = 1 and `a``b` = 2",
        "`two words` = 1 and `a``b` = 2",
    ),
    (
        "`in` = 1 and `AND` = 2 and `1st` = 3",
        "`in` = 1 and `AND` = 2 and `1st` = 3",
    ),
    ("http.status-code_2 = 1", "http.status-code_2 = 1"),
    ("`größe` = 1", "`größe` = 1"),
    ("a=1 or b=2 and not c=3", "a = 1 or b = 2 and not c = 3"),
    (
        "(a=1 or b=2) and not (c=3)",
        "(a = 1 or b = 2) and not c = 3",
    ),
    ("((a=1)) and (b=2 and c=3)", "a = 1 and (b = 2 and c = 3)"),
    ("a=1 or (b=2 or c=3)", "a = 1 or (b = 2 or c = 3)"),
    ("not not (not a=1 and b=2)", "not not (not a = 1 and b = 2)"),
    (
        "not(a=1)or not(b=2 or c=3)",
        "not a = 1 or not (b = 2 or c = 3)",
    ),
];

#[test]
fn accepted_texts_have_one_canonical_form() {
    for (text, canonical) in ACCEPTED {
        let tree = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(tree.to_string(), *canonical, "{text}");
        assert_eq!(parse(canonical), Ok(tree), "{text}");
    }
}

#[test]
fn trees_are_as_written() {
    let compare = |tag: &str, value| Expression::Compare {
        tag: tag.to_owned(),
        op: Comparison::Eq,
        value,
    };
    let text = r#"a = 1 or b = "é" and not c = timestamp("1970-01-01T00:00:01Z")"#;
    let negated = Expression::Not(Box::new(compare("c", Literal::Timestamp(1_000_000_000))));
    let both = Expression::And(vec![compare("b", Literal::String("é".to_owned())), negated]);
    assert_eq!(
        parse(text),
        Ok(Expression::Or(vec![compare("a", Literal::Int(1)), both]))
    );
    let text = "`x y` = bytes(\"AAH/\")";
    assert_eq!(
        parse(text),
        Ok(compare("x y", Literal::Bytes(vec![0, 1, 255])))
    );
}

#[test]
fn limits_hold() {
    let nested = |levels: usize| format!("{}a = 1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    for text in [
        nested(MAX_DEPTH + 1),
        nested(300_000),
        "not ".repeat(MAX_DEPTH + 1),
    ] {
        let error = parse(&text).expect_err("too deep");
        assert!(
            error
                .message()
                .ends_with("more than 200 levels of parentheses and 'not'")
        );
    }
    // Levels beside each other do not add up.
    assert!(parse(&["(not a = 1)"; 1000].join(" and ")).is_ok());

    let list = |count: usize| format!("a in ({})", vec!["1"; count].join(","));
    assert!(parse(&list(MAX_LIST_VALUES)).is_ok());
    let error = parse(&list(MAX_LIST_VALUES + 1)).expect_err("too many");
    assert_eq!(
        error.message(),
        "filter, column 200007: more than 100000 values in one list"
    );

    let padded = |bytes: usize| format!("a = 1{}", " ".repeat(bytes - 5));
    assert!(parse(&padded(MAX_TEXT_BYTES)).is_ok());
    let error = parse(&padded(MAX_TEXT_BYTES + 1)).expect_err("too long");
    assert_eq!(
        error.message(),
        "filter: the text has 1048577 bytes, the limit is 1048576"
    );
}

#[test]
fn every_timestamp_prints() {
    for nanoseconds in [i64::MIN, -1, 0, 1, i64::MAX] {
        let text = format!("a = {}", Literal::Timestamp(nanoseconds));
        let Ok(Expression::Compare { value, .. }) = parse(&text) else {
            panic!("{text}")
        };
        assert_eq!(value, Literal::Timestamp(nanoseconds));
    }
}

#[test]
fn patterns_are_found_everywhere() {
    let tree = parse(r#"a ~ "x" and (b = "y" or not c !~ "(") or exists(d)"#).unwrap();
    assert_eq!(tree.patterns(), ["x", "("]);
}
