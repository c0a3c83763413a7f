//! One JSON object per row, in the shape that `sidx ingest` reads.

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sidx_columns::{Array, Value, ValueType};

use super::{Page, RowWriter, Shape, non_finite_name, write_float, write_timestamp};

/// Writes NDJSON.
pub(crate) struct NdjsonRows {
    shape: Shape,
}

impl NdjsonRows {
    /// A writer of rows of a shape.
    pub(crate) fn new(shape: Shape) -> NdjsonRows {
        NdjsonRows { shape }
    }
}

impl RowWriter for NdjsonRows {
    fn write(&mut self, page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
        for row in 0..page.len() {
            out.write_all(b"{")?;
            write_row(page, row, &self.shape, out)?;
            out.write_all(b"}\n")?;
        }
        Ok(())
    }

    fn finish(&mut self, _whole: bool, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the fields of a row without the braces around them.
pub(crate) fn write_row(
    page: &Page<'_>,
    row: usize,
    shape: &Shape,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"\"series\":")?;
    match page.series(row) {
        Ok(label) => write_string(label, out)?,
        Err(id) => write!(out, "{id}")?,
    }
    write!(out, ",\"key\":{}", page.key(row))?;
    if shape.with_tags {
        out.write_all(b",\"tags\":{")?;
        let tags = page.tags.iter();
        let present = tags.filter_map(|(name, column)| Some((name, column.value(row)?)));
        for (at, (name, value)) in present.enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            write_string(name, out)?;
            out.write_all(b":")?;
            write_value(value, out)?;
        }
        out.write_all(b"}")?;
    }
    if shape.with_payload {
        out.write_all(b",\"payload\":")?;
        write_payload(page.payload(row), out)?;
    }
    Ok(())
}

fn write_payload(payload: &[u8], out: &mut dyn Write) -> io::Result<()> {
    match std::str::from_utf8(payload) {
        Ok(text) => write_string(text, out),
        Err(_) => write_value(Value::Bytes(payload), out),
    }
}

/// Writes a value so that reading it gives the same value of the same type. What JSON can't tell
/// apart is wrapped in its type; for an array the wrapper stands around the whole.
fn write_value(value: Value<'_>, out: &mut dyn Write) -> io::Result<()> {
    match wrapper(&value) {
        None => write_plain(value, out),
        Some(name) => {
            write!(out, "{{\"{name}\":")?;
            write_plain(value, out)?;
            out.write_all(b"}")
        }
    }
}

fn wrapper(value: &Value<'_>) -> Option<&'static str> {
    match value {
        Value::Timestamp(_) => Some("timestamp"),
        Value::Bytes(_) => Some("base64"),
        Value::Float(value) => (!value.is_finite()).then_some("float"),
        Value::Array(array) => array_wrapper(array),
        Value::String(_) | Value::Int(_) | Value::Bool(_) => None,
    }
}

fn array_wrapper(array: &Array<'_>) -> Option<&'static str> {
    if array.is_empty() && array.element_type() != ValueType::Bytes {
        return Some(array.element_type().name());
    }
    array
        .iter()
        .find_map(|element| wrapper(&element))
        .or_else(|| (array.element_type() == ValueType::Bytes).then_some("base64"))
}

fn write_plain(value: Value<'_>, out: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::String(text) => write_string(text, out),
        Value::Int(value) => write!(out, "{value}"),
        Value::Float(value) if value.is_finite() => write_float(value, out),
        Value::Float(value) => write!(out, "\"{}\"", non_finite_name(value)),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Bytes(bytes) => write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD)),
        Value::Timestamp(value) => {
            out.write_all(b"\"")?;
            write_timestamp(value, out)?;
            out.write_all(b"\"")
        }
        Value::Array(array) => write_array(&array, out),
    }
}

/// Writes the elements of an array without type wrappers.
pub(super) fn write_array(array: &Array<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, element) in array.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write_plain(element, out)?;
    }
    out.write_all(b"]")
}

fn write_string(text: &str, out: &mut dyn Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::{ColumnBuilder, OwnedValue, ValueType as T};

    fn written(value: &OwnedValue) -> String {
        let mut column = ColumnBuilder::new(value.kind());
        column.push_value(value).unwrap();
        let column = column.finish();
        let mut out = Vec::new();
        write_value(column.value(0).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_keep_their_type() {
        let array = |kind, values: Vec<OwnedValue>| OwnedValue::Array(kind, values);
        let cases: [(OwnedValue, &str); 14] = [
            (i64::MIN.into(), "-9223372036854775808"),
            (1.0.into(), "1.0"),
            (f64::NAN.into(), r#"{"float":"NaN"}"#),
            (true.into(), "true"),
            ("a\"\n".into(), r#""a\"\n""#),
            (vec![0u8, 1].into(), r#"{"base64":"AAE="}"#),
            (
                OwnedValue::Timestamp(1),
                r#"{"timestamp":"1970-01-01T00:00:00.000000001Z"}"#,
            ),
            (array(T::Int, vec![1.into(), 2.into()]), "[1,2]"),
            (array(T::Int, vec![]), r#"{"int":[]}"#),
            (array(T::String, vec![]), r#"{"string":[]}"#),
            (array(T::Bytes, vec![]), r#"{"base64":[]}"#),
            (
                array(T::Float, vec![1.0.into(), f64::INFINITY.into()]),
                r#"{"float":[1.0,"inf"]}"#,
            ),
            (
                array(T::Bytes, vec![vec![0u8].into()]),
                r#"{"base64":["AA=="]}"#,
            ),
            (
                array(T::Timestamp, vec![OwnedValue::Timestamp(0)]),
                r#"{"timestamp":["1970-01-01T00:00:00Z"]}"#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(written(&value), expected);
        }
    }

    #[test]
    fn payloads_are_text_when_they_can_be() {
        let written = |payload: &[u8]| {
            let mut out = Vec::new();
            write_payload(payload, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(b"\x00a"), "\"\\u0000a\"");
        assert_eq!(written(b""), "\"\"");
        assert_eq!(written(b"\xff"), r#"{"base64":"/w=="}"#);
    }
}
