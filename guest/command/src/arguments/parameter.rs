//! `--param`: the value of a parameter of a filter.

use sidx_columns::OwnedValue;
use sidx_engine::expression::{Literal, is_parameter_name, parse_literal};

use crate::database::Parameter;

/// `NAME=VALUE`. A value that is written as a constant of the filter language has its type; any other is a
/// string as it stands.
pub(crate) fn parse(text: &str) -> Result<Parameter, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("expected NAME=VALUE".into());
    };
    if let Some(name) = name.strip_prefix('$')
        && is_parameter_name(name)
    {
        return Err(format!(
            "the name stands without its '$' here: {name}=VALUE"
        ));
    }
    if !is_parameter_name(name) {
        let name = if name.is_empty() {
            "an empty text"
        } else {
            name
        };
        return Err(format!(
            "{name} is no name of a parameter: letters, digits, '_', '.' and '-', a letter or '_' first"
        ));
    }
    let literal = parse_literal(value).map_err(|error| {
        // The text is not a whole filter.
        let message = error.message();
        let message = message.strip_prefix("filter, ").unwrap_or(message);
        let hint = match value.trim_start().starts_with('"') {
            true => "",
            false => "; in double quotes it is a string",
        };
        format!("the value, {message}{hint}")
    })?;
    Ok(Parameter {
        name: name.to_owned(),
        value: literal.map_or_else(|| OwnedValue::from(value), owned),
    })
}

fn owned(literal: Literal) -> OwnedValue {
    match literal {
        Literal::Int(value) => OwnedValue::Int(value),
        Literal::Float(value) => OwnedValue::Float(value),
        Literal::String(text) => OwnedValue::String(text),
        Literal::Bool(value) => OwnedValue::Bool(value),
        Literal::Bytes(bytes) => OwnedValue::Bytes(bytes),
        Literal::Timestamp(nanoseconds) => OwnedValue::Timestamp(nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_their_type_and_anything_else_is_a_string() {
        for (text, name, value) in [
            ("a=500", "a", OwnedValue::Int(500)),
            ("a=-2.5", "a", OwnedValue::Float(-2.5)),
            ("a=true", "a", OwnedValue::Bool(true)),
            ("a=\"500\"", "a", OwnedValue::from("500")),
            ("a=EWR", "a", OwnedValue::from("EWR")),
            ("a=", "a", OwnedValue::from("")),
            ("a=10ms", "a", OwnedValue::from("10ms")),
            ("a= b=c ", "a", OwnedValue::from(" b=c ")),
            (
                "a=x\" or exists(y)",
                "a",
                OwnedValue::from("x\" or exists(y)"),
            ),
            ("http.status-code=1", "http.status-code", OwnedValue::Int(1)),
            ("in=1", "in", OwnedValue::Int(1)),
            (
                "a=timestamp(\"1970-01-01T00:00:01Z\")",
                "a",
                OwnedValue::Timestamp(1_000_000_000),
            ),
            ("a=bytes(\"AAH/\")", "a", OwnedValue::Bytes(vec![0, 1, 255])),
        ] {
            let name = name.to_owned();
            assert_eq!(parse(text), Ok(Parameter { name, value }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, part) in [
            ("a", "expected NAME=VALUE"),
            ("=1", "an empty text is no name"),
            ("1a=1", "1a is no name"),
            ("a b=1", "a b is no name"),
            ("$a=1", "without its '$' here: a=VALUE"),
            ("$=1", "$ is no name"),
            ("a=\"x", "the value, column 1: the string is not closed"),
            ("a=5.", "in double quotes it is a string"),
            ("a=1e999", "out of range; in double quotes it is a string"),
            ("a=timestamp(\"yesterday\")", "bad RFC 3339"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
