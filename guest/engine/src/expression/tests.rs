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
    let pattern = |text: &str| Literal::String(text.to_owned());
    assert_eq!(tree.patterns(), [&pattern("x"), &pattern("(")]);
}

#[test]
fn constants_stand_alone() {
    let string = |text: &str| Literal::String(text.to_owned());
    for (text, literal) in [
        ("500", Literal::Int(500)),
        (" -5 ", Literal::Int(-5)),
        ("-2.5", Literal::Float(-2.5)),
        ("1e3", Literal::Float(1000.0)),
        ("TRUE", Literal::Bool(true)),
        ("false", Literal::Bool(false)),
        (r#""500""#, string("500")),
        (r#""a\"b""#, string("a\"b")),
        (r#""""#, string("")),
        (r#"bytes ("AAH/")"#, Literal::Bytes(vec![0, 1, 255])),
        (
            r#"timestamp("1970-01-01T00:00:01Z")"#,
            Literal::Timestamp(1_000_000_000),
        ),
    ] {
        assert_eq!(parse_literal(text), Ok(Some(literal)), "{text}");
    }
    for text in [
        "",
        " ",
        "EWR",
        "10ms",
        "2013-01-01",
        "-",
        "1_000",
        "5,6",
        "1.2.3",
        "e5",
        "NaN",
        "truer",
        "true story",
        "not",
        "'x'",
        "$x",
        "timestamp",
        "bytes of x",
        "a = 1",
        "x\"",
    ] {
        assert_eq!(parse_literal(text), Ok(None), "{text}");
    }
    for (text, message) in [
        ("\"x", "filter, column 1: the string is not closed"),
        (
            r#""x" y"#,
            "filter, column 5: expected end of text, found 'y'",
        ),
        ("1e999", "filter, column 1: the float 1e999 is out of range"),
        (
            "9223372036854775808",
            "filter, column 1: the int 9223372036854775808 is outside of -9223372036854775808 to \
             9223372036854775807; with a '.0' it would be a float",
        ),
        (
            "bytes(AA)",
            "filter, column 7: expected a base64 string after 'bytes(', found 'AA'",
        ),
    ] {
        let error = parse_literal(text).expect_err(text);
        assert_eq!(error.message(), message, "{text}");
    }
    for text in ["+5", ".5", "5.", "-.5", "1e", "2.5e+", "+1e3"] {
        assert!(parse_literal(text).is_err(), "{text}");
    }
    assert!(parse_literal(r#"timestamp("2013-13-01T00:00:00Z")"#).is_err());
    assert!(parse_literal(&" ".repeat(MAX_TEXT_BYTES + 1)).is_err());
}

#[test]
fn values_that_a_test_cannot_take_are_refused_where_they_stand() {
    let text = Literal::String("x".into());
    let cases = [
        ("a = $v", vec![], "filter: 0 values for 1 parameters: $v"),
        (
            "a = $v and b in (1, $v, $w)",
            vec![text.clone()],
            "filter: 1 values for 2 parameters: $v, $w",
        ),
        (
            "a < $v",
            vec![Literal::Bool(true)],
            "filter, column 5: bools have no order: '<' can't compare with true, for the parameter '$v'",
        ),
        (
            "b = $w and a ~ $v",
            vec![text.clone(), Literal::Int(1)],
            "filter, column 16: a regular expression is a string, found 1, for the parameter '$v'",
        ),
        (
            "a starts with $v",
            vec![Literal::Float(1.5)],
            "filter, column 15: 'starts with' takes a string or bytes, found 1.5, for the parameter '$v'",
        ),
        (
            "a in (1, $v)",
            vec![Literal::Float(f64::NAN)],
            "filter, column 10: NaN is no number that tags are compared with, for the parameter '$v'",
        ),
    ];
    for (filter, values, message) in cases {
        let error = Template::parse(filter)
            .unwrap()
            .bind(&values)
            .expect_err(filter);
        assert_eq!(error.message(), message);
    }
    let long = Literal::Bytes(vec![0; MAX_TEXT_BYTES]);
    let two = Template::parse("a = $v or b = $w").unwrap();
    assert!(two.bind(&[long.clone(), Literal::Int(0)]).is_ok());
    assert!(two.bind(&[long.clone(), text]).is_err());
    let twice = Template::parse("a in ($v, 1, $v)").unwrap();
    assert!(twice.bind(&[long]).is_err());
    let many: Vec<String> = (0..=MAX_PARAMETERS)
        .map(|number| format!("$p{number}"))
        .collect();
    let most = format!("a in ({})", many[1..].join(", "));
    assert_eq!(
        Template::parse(&most).unwrap().parameters().len(),
        MAX_PARAMETERS
    );
    assert!(Template::parse(&format!("a in ({})", many.join(", "))).is_err());
}

#[test]
fn names_of_parameters() {
    for name in ["a", "_", "in", "http.status-code", "a1"] {
        assert!(is_parameter_name(name), "{name}");
        assert_eq!(
            Template::parse(&format!("x = ${name}")).map(|filter| filter.parameters().to_vec()),
            Ok(vec![name.to_owned()])
        );
    }
    for name in ["", "1a", "-a", ".a", "$a", "a b", "é", "a="] {
        assert!(!is_parameter_name(name), "{name}");
    }
}
