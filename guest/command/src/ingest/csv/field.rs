//! Fields of records, on their way into columns.

use sidx_columns::{ColumnBuilder, ValueType};

use crate::ingest::problem::Result;
use crate::ingest::{json, text};

/// Appends a field of the type of its column. Arrays are JSON arrays.
pub(super) fn push(column: &mut ColumnBuilder, field: &[u8]) -> Result<()> {
    let kind = column.kind();
    if kind.array {
        return json::push_text_array(column, text::utf8(field)?);
    }
    match kind.value {
        ValueType::String => column.push_string(text::utf8(field)?),
        ValueType::Int => column.push_int(text::int(field)?),
        ValueType::Float => column.push_float(text::float(text::utf8(field)?)?),
        ValueType::Bool => column.push_bool(text::boolean(field)?),
        ValueType::Bytes => column.push_bytes(&text::bytes(field)?),
        ValueType::Timestamp => column.push_timestamp(text::timestamp(text::utf8(field)?)?),
    }
    .map_err(text::refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::Value;

    fn check(kind: &str, field: &[u8], expected: Option<Value<'_>>) {
        let mut column = ColumnBuilder::new(kind.parse().unwrap());
        let result = push(&mut column, field);
        let column = column.finish();
        assert_eq!(
            result.is_ok(),
            expected.is_some(),
            "{kind} {field:?}: {result:?}"
        );
        assert_eq!(column.value(0), expected, "{kind} {field:?}");
    }

    #[test]
    fn ints_may_come_from_a_float_column_of_an_export() {
        check("int", b"517.0", Some(Value::Int(517)));
        check("int", b"-2.", Some(Value::Int(-2)));
        check("int", b"1e3", Some(Value::Int(1000)));
        check("int", b" 7 ", Some(Value::Int(7)));
        check("int", b"9223372036854775807", Some(Value::Int(i64::MAX)));
        check("int", b"-9223372036854775808.0", Some(Value::Int(i64::MIN)));
        check(
            "int",
            b"9007199254740993e0",
            Some(Value::Int(9_007_199_254_740_993)),
        );
        for bad in [
            "9007199254740992.5",
            "4503599627370496.4",
            "0.99999999999999999999",
            "1e-400",
            "1e999999999",
            "9223372036854775808",
            "1.5",
            "1e300",
            "",
            ".",
            "x",
            "NaN",
            "0x10",
            "--1",
        ] {
            check("int", bad.as_bytes(), None);
        }
    }

    #[test]
    fn other_scalars() {
        check("float", b"1e-3", Some(Value::Float(0.001)));
        check("float", b"-inf", Some(Value::Float(f64::NEG_INFINITY)));
        check("float", b"1e999", None);
        check("float", b"1e-999", None);
        check("float", b"0e-999", Some(Value::Float(0.0)));
        check(
            "float",
            b"9007199254740992",
            Some(Value::Float(9_007_199_254_740_992.0)),
        );
        check("float", b"9007199254740993", None);
        check(
            "float",
            b"-18446744073709551616",
            Some(Value::Float(-18_446_744_073_709_551_616.0)),
        );
        check("float", b"100000000000000000000000", None);
        // As a program prints a double: the shortest digits that read back.
        check(
            "float",
            b"9007199254740993.0",
            Some(Value::Float(9_007_199_254_740_992.0)),
        );
        check(
            "float",
            b"1.2345678901234568e18",
            Some(Value::Float(1.234_567_890_123_456_8e18)),
        );
        check("float", b"1,5", None);
        check("bool", b"TRUE", Some(Value::Bool(true)));
        check("bool", b"0", Some(Value::Bool(false)));
        check("bool", b"yes", None);
        check("bytes", b"AAEC", Some(Value::Bytes(&[0, 1, 2])));
        check("bytes", b"AAE", None);
        check(
            "string",
            "caf\u{e9}".as_bytes(),
            Some(Value::String("caf\u{e9}")),
        );
        check("string", b"caf\xe9", None);
    }

    #[test]
    fn timestamps_are_rfc_3339_or_nanoseconds() {
        let expected = Some(Value::Timestamp(1_357_034_400_000_000_001));
        check("timestamp", b"2013-01-01T10:00:00.000000001Z", expected);
        check(
            "timestamp",
            b"2013-01-01T11:00:00.000000001+01:00",
            expected,
        );
        check("timestamp", b"1357034400000000001", expected);
        check("timestamp", b"1357034400000000001.0", expected);
        check("timestamp", b"1357034400000000001.5", None);
        check("timestamp", b"2013-01-01T10:00:00.0000000011Z", None);
        check("timestamp", b"1998-12-31T23:59:60.1Z", None);
        check("timestamp", b"2013-01-01T10:00:00+25:00", None);
        check("timestamp", b"20130101T100000Z", None);
        check("timestamp", b"2013-01-01", None);
        check("timestamp", b"9999-01-01T00:00:00Z", None);
    }

    #[test]
    fn arrays_are_json() {
        let mut column = ColumnBuilder::new("int[]".parse().unwrap());
        push(&mut column, b"[1, 2.0]").unwrap();
        push(&mut column, b"[]").unwrap();
        let mut refusing = column.clone();
        assert!(push(&mut refusing, b"1").is_err());
        assert!(push(&mut refusing, b"[\"a\"]").is_err());
        let column = column.finish();
        assert_eq!((column.rows(), column.element_range(0).len()), (2, 2));
    }
}
