//! What the grammar refuses, with the whole message: users read these more often than the docs.

use crate::error::ErrorKind;
use crate::expression::parse;

/// Text, and the whole message.
const REFUSED: &[(&str, &str)] = &[
    (
        "",
        "filter, column 1: expected a tag name, 'not', 'exists' or '(', found end of text",
    ),
    (
        "   ",
        "filter, column 4: expected a tag name, 'not', 'exists' or '(', found end of text",
    ),
    (
        "status = ",
        "filter, column 10: expected a value after '=', found end of text",
    ),
    (
        "status =",
        "filter, column 9: expected a value after '=', found end of text",
    ),
    (
        "`größe` = ",
        "filter, column 11: expected a value after '=', found end of text",
    ),
    (
        "a == 1",
        "filter, column 4: expected a value after '=', found '='",
    ),
    (
        "a <> 1",
        "filter, column 4: expected a value after '<', found '>'",
    ),
    (
        "a = b",
        "filter, column 5: expected a value after '=' (strings stand in double quotes), found 'b'",
    ),
    (
        "a = `b`",
        "filter, column 5: expected a value after '=', found tag name `b`",
    ),
    (
        "a = 'b'",
        "filter, column 5: strings stand in double quotes",
    ),
    (
        "5 = a",
        "filter, column 1: expected a tag name, 'not', 'exists' or '(', found number 5",
    ),
    (
        "\"a\" = 1",
        "filter, column 1: expected a tag name, 'not', 'exists' or '(', found string \"a\"",
    ),
    (
        "in = 1",
        "filter, column 1: expected a tag name, 'not', 'exists' or '(', found 'in' (a tag of that name stands in backquotes)",
    ),
    (
        "a",
        "filter, column 2: expected a comparison, 'in', 'not in', '~', '!~', 'starts with' or 'contains' after 'a', found end of text",
    ),
    (
        "a (1)",
        "filter, column 3: expected a comparison, 'in', 'not in', '~', '!~', 'starts with' or 'contains' after 'a', found '('",
    ),
    (
        "a is 1",
        "filter, column 3: expected a comparison, 'in', 'not in', '~', '!~', 'starts with' or 'contains' after 'a', found 'is'",
    ),
    (
        "a not 1",
        "filter, column 7: expected 'in' after 'a not', found number 1",
    ),
    (
        "a = 1 b = 2",
        "filter, column 7: expected 'and', 'or' or end of text, found 'b'",
    ),
    (
        "a = 1)",
        "filter, column 6: expected 'and', 'or' or end of text, found ')'",
    ),
    (
        "a = 1 and",
        "filter, column 10: expected a tag name, 'not', 'exists' or '(', found end of text",
    ),
    (
        "(a = 1",
        "filter, column 7: expected 'and', 'or' or ')' for the '(' in column 1, found end of text",
    ),
    (
        "()",
        "filter, column 2: expected a tag name, 'not', 'exists' or '(', found ')'",
    ),
    (
        "a = 1 && b = 2",
        "filter, column 7: unexpected character '&' (did you mean 'and'?)",
    ),
    (
        "a = 1 || b = 2",
        "filter, column 7: unexpected character '|' (did you mean 'or'?)",
    ),
    (
        "!a = 1",
        "filter, column 1: unexpected character '!' (did you mean '!=', '!~' or 'not'?)",
    ),
    ("größe = 1", "filter, column 3: unexpected character 'ö'"),
    (
        "a = \u{7}",
        "filter, column 5: unexpected character '\\u{7}'",
    ),
    ("a in ()", "filter, column 7: the list after 'in' is empty"),
    (
        "a not in ()",
        "filter, column 11: the list after 'in' is empty",
    ),
    (
        "a contains all ()",
        "filter, column 17: the list after 'contains all' is empty",
    ),
    (
        "a in 1",
        "filter, column 6: expected '(' after 'in', found number 1",
    ),
    (
        "a in (1,)",
        "filter, column 9: expected a value in the list, found ')'",
    ),
    (
        "a in (1 2)",
        "filter, column 9: expected ',' or ')' in the list, found number 2",
    ),
    (
        "a in (1",
        "filter, column 8: expected ',' or ')' in the list, found end of text",
    ),
    (
        "a contains (1)",
        "filter, column 12: expected 'all' or 'any' after 'contains', found '('",
    ),
    (
        "a contains all 1",
        "filter, column 16: expected '(' after 'contains all', found number 1",
    ),
    (
        "a starts \"x\"",
        "filter, column 10: expected 'with' after 'starts', found string \"x\"",
    ),
    (
        "a starts with 1",
        "filter, column 15: 'starts with' takes a string or bytes, found 1",
    ),
    (
        "a starts with",
        "filter, column 14: expected a string or bytes after 'starts with', found end of text",
    ),
    (
        "a ~ 1",
        "filter, column 5: expected a regular expression in quotes after '~', found number 1",
    ),
    (
        "a !~ true",
        "filter, column 6: expected a regular expression in quotes after '!~', found 'true'",
    ),
    (
        "exists a",
        "filter, column 8: expected '(' after 'exists', found 'a'",
    ),
    (
        "exists(1)",
        "filter, column 8: expected a tag name after 'exists(', found number 1",
    ),
    (
        "exists(a",
        "filter, column 9: expected ')' after the tag name, found end of text",
    ),
    (
        "a < true",
        "filter, column 5: bools have no order: '<' can't compare with true",
    ),
    (
        "a >= FALSE",
        "filter, column 6: bools have no order: '>=' can't compare with false",
    ),
    (
        "a = 9223372036854775808",
        "filter, column 5: the int 9223372036854775808 is outside of -9223372036854775808 to 9223372036854775807; with a '.0' it would be a float",
    ),
    (
        "a = -9223372036854775809",
        "filter, column 5: the int -9223372036854775809 is outside of -9223372036854775808 to 9223372036854775807; with a '.0' it would be a float",
    ),
    (
        "a = 1e400",
        "filter, column 5: the float 1e400 is out of range",
    ),
    (
        "a = 1e-400",
        "filter, column 5: the float 1e-400 is out of range",
    ),
    (
        "a = 10ms",
        "filter, column 5: bad number '10ms'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = .5",
        "filter, column 5: bad number '.5'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = 5.",
        "filter, column 5: bad number '5.'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = +5",
        "filter, column 5: bad number '+5'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = -inf",
        "filter, column 5: bad number '-inf'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = 1.2.3",
        "filter, column 5: bad number '1.2.3'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = 1e",
        "filter, column 5: bad number '1e'; numbers look like 12, -12, 2.5 or 1e9",
    ),
    (
        "a = nan",
        "filter, column 5: expected a value after '=' (strings stand in double quotes), found 'nan'",
    ),
    ("a = \"x", "filter, column 5: the string is not closed"),
    ("a = \"x\\", "filter, column 5: the string is not closed"),
    (
        "a = \"x\\d\"",
        "filter, column 7: unknown escape '\\d'; a backslash itself is '\\\\'",
    ),
    (
        "a = \"é\\u12\"",
        "filter, column 7: '\\u' takes four hexadecimal digits",
    ),
    (
        "a = \"\\ud800\"",
        "filter, column 6: '\\u' names half of a surrogate pair",
    ),
    (
        "a = \"\\ud800\\u0041\"",
        "filter, column 6: '\\u' names half of a surrogate pair",
    ),
    (
        "a = \"\\udc00\"",
        "filter, column 6: '\\u' names half of a surrogate pair",
    ),
    ("`a = 1", "filter, column 1: the backquote is not closed"),
    ("`` = 1", "filter, column 1: the tag name is empty"),
    (
        "a = bytes",
        "filter, column 10: expected '(' after 'bytes', found end of text",
    ),
    (
        "a = bytes(1)",
        "filter, column 11: expected a base64 string after 'bytes(', found number 1",
    ),
    (
        "a = timestamp(1)",
        "filter, column 15: expected a string such as \"2013-01-01T10:00:00Z\" after 'timestamp(', found number 1",
    ),
    (
        "a = bytes(\"AA==\"",
        "filter, column 17: expected ')' after the string of 'bytes', found end of text",
    ),
    (
        "a = timestamp(\"9999-01-01T00:00:00Z\")",
        "filter, column 15: the timestamp is outside of what 64 bits of nanoseconds hold, 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z",
    ),
];

#[test]
fn refused_texts_say_where_and_why() {
    for (text, message) in REFUSED {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        assert_eq!(error.message(), *message, "{text}");
    }
}

/// These end with the words of a library, which are not ours to pin.
#[test]
fn bad_constants_are_refused() {
    for (text, start) in [
        (
            "a = bytes(\"AA\")",
            "filter, column 11: bad base64 in 'bytes': ",
        ),
        (
            "a = bytes(\"A-_=\")",
            "filter, column 11: bad base64 in 'bytes': ",
        ),
        (
            "a = timestamp(\"yesterday\")",
            "filter, column 15: bad RFC 3339 in 'timestamp': ",
        ),
        (
            "a = timestamp(\"2013-01-01\")",
            "filter, column 15: bad RFC 3339 in 'timestamp': ",
        ),
        (
            "a = timestamp(\"2013-01-01T10:00:00\")",
            "filter, column 15: bad RFC 3339 in 'timestamp': ",
        ),
        (
            "a = timestamp(\"2013-02-30T10:00:00Z\")",
            "filter, column 15: bad RFC 3339 in 'timestamp': ",
        ),
        (
            "a = timestamp(\"\n\")",
            "filter, column 15: bad RFC 3339 in 'timestamp': ",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.message().starts_with(start), "{text}: {error}");
        assert!(!error.message().contains('\n'), "{text}: {error}");
    }
}

/// The manual shows the messages as they are.
#[test]
fn the_manual_quotes_messages() {
    let manual = include_str!("../../../../../docs/query.md");
    let quoted: Vec<&str> = manual
        .lines()
        .filter(|l| l.starts_with("filter, column "))
        .collect();
    assert!(quoted.len() >= 6);
    let said = |line: &str| {
        ["a = ok", "status = "]
            .iter()
            .any(|text| parse(text).is_err_and(|e| e.message() == line))
            || REFUSED.iter().any(|(_, message)| *message == line)
    };
    for line in quoted {
        assert!(said(line), "{line}");
    }
}
