//! Values written as JSON: what type they have, and how they get into a column.

mod walk;

use std::borrow::Cow;

use serde_json::value::RawValue;
use sidx_columns::{ColumnBuilder, ColumnType, ValueType};

use super::problem::{Problem, Result, excerpt};
use super::text;
pub(super) use walk::each_field;
use walk::{each_element, syntax};

/// One JSON value, its inner structure not yet looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written: only that tells an int from a float.
    Number(&'a str),
    /// A string with its escapes resolved.
    Text(Cow<'a, str>),
    /// An array as it is written.
    Array(&'a str),
    /// An object as it is written.
    Object(&'a str),
}

impl<'a> Token<'a> {
    /// Looks at a value that the JSON parser has delimited.
    pub(super) fn new(raw: &'a RawValue) -> Result<Token<'a>> {
        let text = raw.get();
        Ok(match text.bytes().next() {
            Some(b'"') => Token::Text(string(text)?),
            Some(b'[') => Token::Array(text),
            Some(b'{') => Token::Object(text),
            Some(b'n') => Token::Null,
            Some(b't') => Token::Bool(true),
            Some(b'f') => Token::Bool(false),
            _ => Token::Number(text),
        })
    }

    /// How messages call it.
    pub(super) fn described(&self) -> String {
        match self {
            Token::Null => String::from("null"),
            Token::Bool(value) => format!("the bool {value}"),
            Token::Number(text) => format!("the number {}", excerpt(text)),
            Token::Text(text) => format!("the string \"{}\"", excerpt(text)),
            Token::Array(_) => String::from("an array"),
            Token::Object(_) => String::from("an object"),
        }
    }
}

fn string(text: &str) -> Result<Cow<'_, str>> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if !inner.as_bytes().contains(&b'\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(text)
        .map(Cow::Owned)
        .map_err(|error| syntax(&error))
}

/// The type of a value that nobody declared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inferred {
    /// `null`: no value.
    Absent,
    /// `[]`, which could be an array of anything.
    EmptyArray,
    /// A value of this type.
    Known(ColumnType),
}

/// Takes the type wrapper off, as in `{"timestamp": "2013-01-01T10:00:00Z"}`.
pub(super) fn unwrap(token: Token<'_>) -> Result<(Option<ValueType>, Token<'_>)> {
    const REMEDY: &str = "write {\"TYPE\": value} with one of string, int, float, bool, \
                          timestamp or base64, or leave the object out";
    let Token::Object(text) = token else {
        return Ok((None, token));
    };
    let mut found = None;
    each_field(text, |name, raw| {
        let kind = match &*name {
            "base64" => Some(ValueType::Bytes),
            name => name
                .parse::<ColumnType>()
                .ok()
                .filter(|kind| !kind.array)
                .map(|k| k.value),
        };
        match kind {
            Some(kind) if found.is_none() => found = Some((kind, Token::new(raw)?)),
            _ => return Err(Problem::new("an object is not a tag value", REMEDY)),
        }
        Ok(())
    })?;
    match found {
        Some((_, Token::Object(_) | Token::Null)) | None => {
            Err(Problem::new("an object is not a tag value", REMEDY))
        }
        Some((kind, inner)) => Ok((Some(kind), inner)),
    }
}

/// The type of a value from how it is written.
pub(super) fn infer(wrapped: Option<ValueType>, token: &Token<'_>) -> Result<Inferred> {
    let Token::Array(text) = token else {
        let kind = wrapped.or_else(|| scalar_type(token));
        return Ok(kind.map_or(Inferred::Absent, |kind| Inferred::Known(kind.into())));
    };
    if let Some(kind) = wrapped {
        return Ok(Inferred::Known(ColumnType::array(kind)));
    }
    let mut kind = None;
    each_element(text, |raw| {
        let (wrapped, token) = unwrap(Token::new(raw)?)?;
        let Some(next) = wrapped.or_else(|| scalar_type(&token)) else {
            let what = format!("an array element can't be {}", token.described());
            return Err(Problem::new(what, "leave the element out"));
        };
        kind = Some(match (kind, next) {
            (None, next) => next,
            (Some(kind), next) if kind == next => next,
            (Some(ValueType::Int), ValueType::Float) | (Some(ValueType::Float), ValueType::Int) => {
                ValueType::Float
            }
            (Some(kind), next) => {
                let what = format!("an array can't mix {kind} and {next}");
                return Err(Problem::new(what, "give all elements one type"));
            }
        });
        Ok(())
    })?;
    Ok(kind.map_or(Inferred::EmptyArray, |kind| {
        Inferred::Known(ColumnType::array(kind))
    }))
}

fn scalar_type(token: &Token<'_>) -> Option<ValueType> {
    match token {
        Token::Bool(_) => Some(ValueType::Bool),
        Token::Number(text) if is_float(text) => Some(ValueType::Float),
        Token::Number(_) => Some(ValueType::Int),
        Token::Text(_) => Some(ValueType::String),
        Token::Null | Token::Array(_) | Token::Object(_) => None,
    }
}

fn is_float(number: &str) -> bool {
    number
        .bytes()
        .any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Appends a value of the type of its column. `declared` when the user named the type, who then may
/// write numbers as text and ints with an empty fraction.
pub(super) fn push(column: &mut ColumnBuilder, token: &Token<'_>) -> Result<()> {
    match (column.kind().array, token) {
        (true, Token::Array(text)) => push_array(column, text),
        (false, Token::Array(_)) | (true, _) => Err(mismatch(column.kind(), token)),
        (false, _) => push_scalar(column, token),
    }
}

/// Appends an array that stands in a text field.
pub(super) fn push_text_array(column: &mut ColumnBuilder, field: &str) -> Result<()> {
    push_array(column, field).map_err(|_| {
        let kind = text::described(column.kind());
        let what = format!("expected {kind} in JSON, found \"{}\"", excerpt(field));
        Problem::new(what, "write it as [1, 2] or [\"a\", \"b\"]")
    })
}

fn push_array(column: &mut ColumnBuilder, array: &str) -> Result<()> {
    let kind = ColumnType::scalar(column.kind().value);
    column.begin_array().map_err(text::refused)?;
    let pushed = each_element(array, |raw| {
        let (wrapped, token) = unwrap(Token::new(raw)?)?;
        if wrapped.is_some_and(|wrapped| wrapped != kind.value) {
            return Err(mismatch(kind, &token));
        }
        push_scalar(column, &token)
    });
    // Ended also after an error, so that the column can go on.
    column.end_array().map_err(text::refused)?;
    pushed
}

fn push_scalar(column: &mut ColumnBuilder, token: &Token<'_>) -> Result<()> {
    let kind = column.kind().value;
    match (kind, token) {
        (ValueType::String, Token::Text(text)) => column.push_string(text),
        (ValueType::Int, Token::Number(number)) => column.push_int(text::int(number.as_bytes())?),
        (ValueType::Int, Token::Text(text)) => column.push_int(text::int(text.as_bytes())?),
        (ValueType::Float, Token::Number(text)) => column.push_float(text::float(text)?),
        (ValueType::Float, Token::Text(text)) => column.push_float(text::float(text)?),
        (ValueType::Bool, Token::Bool(value)) => column.push_bool(*value),
        (ValueType::Bytes, Token::Text(text)) => column.push_bytes(&text::bytes(text.as_bytes())?),
        (ValueType::Timestamp, Token::Text(text)) => column.push_timestamp(text::timestamp(text)?),
        (ValueType::Timestamp, Token::Number(number)) => {
            column.push_timestamp(text::timestamp(number)?)
        }
        (kind, token) => return Err(mismatch(kind.into(), token)),
    }
    .map_err(text::refused)
}

fn mismatch(kind: ColumnType, found: &Token<'_>) -> Problem {
    let what = format!(
        "expected {}, found {}",
        text::described(kind),
        found.described()
    );
    Problem::new(what, "correct the line or the type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::{OwnedValue, ValueType as T};

    fn read(json: &str) -> Result<Option<OwnedValue>> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let (wrapped, token) = unwrap(Token::new(raw)?)?;
        match infer(wrapped, &token)? {
            Inferred::Known(kind) => {
                let mut column = ColumnBuilder::new(kind);
                push(&mut column, &token)?;
                Ok(column.finish().value(0).map(|value| value.to_owned_value()))
            }
            Inferred::EmptyArray => Ok(Some(OwnedValue::Array(T::String, vec![]))),
            Inferred::Absent => Ok(None),
        }
    }

    #[test]
    fn types_come_from_how_a_value_is_written() {
        let cases: [(&str, OwnedValue); 12] = [
            ("1", 1.into()),
            ("-0", 0.into()),
            ("-9223372036854775808", i64::MIN.into()),
            ("1.0", 1.0.into()),
            ("1e3", 1000.0.into()),
            ("true", true.into()),
            (r#""a\u00e9\n""#, "a\u{e9}\n".into()),
            (r#"{"base64": "AAEC"}"#, vec![0u8, 1, 2].into()),
            (r#"{"timestamp": 5}"#, OwnedValue::Timestamp(5)),
            (r#"{"float": "-inf"}"#, f64::NEG_INFINITY.into()),
            (
                "[1, 2.5]",
                OwnedValue::Array(T::Float, vec![1.0.into(), 2.5.into()]),
            ),
            (r#"{"int": []}"#, OwnedValue::Array(T::Int, vec![])),
        ];
        for (json, expected) in cases {
            assert_eq!(read(json), Ok(Some(expected)), "{json}");
        }
        assert_eq!(read("null"), Ok(None));
        assert_eq!(
            read("-0.0").unwrap().map(|v| v == (-0.0).into()),
            Some(true)
        );
    }

    #[test]
    fn what_has_no_type_is_refused() {
        for json in [
            "9223372036854775808",
            "1e999",
            r#"["a", 1]"#,
            "[1, null]",
            "[[1]]",
            "[9007199254740993, 0.5]",
            "{}",
            r#"{"a": 1}"#,
            r#"{"int": 1, "float": 1}"#,
            r#"{"int": {"int": 1}}"#,
            r#"{"int": "x"}"#,
            r#"{"timestamp": "yesterday"}"#,
            r#"[{"timestamp": 1}, 2]"#,
            r#""\ud800""#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn objects_are_walked_and_faults_have_a_column() {
        let mut names = Vec::new();
        let walked = each_field(r#"{"a": 1, "b\u0063": [}"#, |name, _| {
            names.push(name.into_owned());
            Ok(())
        });
        assert_eq!(names, ["a"]);
        let Err(problem) = walked else {
            panic!("accepted")
        };
        let message = format!("{:?}", problem.at_line(1));
        assert!(message.contains("not valid JSON at column 22"), "{message}");
        assert!(each_field("[]", |_, _| Ok(())).is_err());
        assert!(each_field("{} {}", |_, _| Ok(())).is_err());
    }
}
