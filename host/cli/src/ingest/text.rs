//! Values written as plain text, as CSV fields are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidx_columns::{ColumnBuilder, ColumnError, ColumnType, ValueType};
use sidx_engine::{TimestampError, parse_timestamp};

use super::decimal::{self, DecimalError};
use super::json;
use super::problem::{Problem, Result, excerpt};

/// Appends a field of the type of its column. Arrays are JSON arrays.
pub(super) fn push(column: &mut ColumnBuilder, field: &[u8]) -> Result<()> {
    let kind = column.kind();
    if kind.array {
        return json::push_text_array(column, utf8(field)?);
    }
    match kind.value {
        ValueType::String => column.push_string(utf8(field)?),
        ValueType::Int => column.push_int(int(field)?),
        ValueType::Float => column.push_float(float(utf8(field)?)?),
        ValueType::Bool => column.push_bool(boolean(field)?),
        ValueType::Bytes => column.push_bytes(&bytes(field)?),
        ValueType::Timestamp => column.push_timestamp(timestamp(utf8(field)?)?),
    }
    .map_err(refused)
}

/// The field as text.
pub(super) fn utf8(field: &[u8]) -> Result<&str> {
    std::str::from_utf8(field).map_err(|error| {
        let what = format!("byte {} is not valid UTF-8", error.valid_up_to() + 1);
        Problem::new(
            what,
            "convert the input to UTF-8, or give the tag the type bytes in base64",
        )
    })
}

/// An integer, also with a fraction of zeros or an exponent, as spreadsheets and data frames write.
pub(super) fn int(field: &[u8]) -> Result<i64> {
    let text = utf8(field)?.trim_ascii();
    decimal::int(text).map_err(|error| {
        let remedy = match error {
            DecimalError::Form => "correct the line, or use the type string",
            DecimalError::Fraction => "it has a fraction; use the type float",
            DecimalError::Range => {
                "an int lies between -9223372036854775808 and 9223372036854775807"
            }
        };
        mismatch(ValueType::Int, text, remedy)
    })
}

/// A series id.
pub(super) fn series_id(field: &[u8]) -> Result<u64> {
    let text = utf8(field)?.trim_ascii();
    decimal::unsigned(text).map_err(|_| {
        let what = format!("expected an id, found \"{}\"", excerpt(text));
        Problem::new(
            what,
            "a series id is a number from 0 to 18446744073709551615",
        )
    })
}

/// A float: the nearest double of a number with a point or an exponent, `NaN`, `inf` and `-inf` in any
/// case, and a number of digits only if a double holds it exactly.
pub(super) fn float(text: &str) -> Result<f64> {
    let text = text.trim_ascii();
    let refuse = |remedy| Err(mismatch(ValueType::Float, text, remedy));
    let Ok(value) = text.parse::<f64>() else {
        return refuse("correct the line, or use the type string");
    };
    if !decimal::is_decimal(text) {
        return Ok(value);
    }
    if value.is_infinite() || (value == 0.0 && !decimal::is_zero(text)) {
        return refuse("it is beyond the range of a float");
    }
    let digits_only = !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if digits_only && !is_exact(text, value) {
        return refuse(
            "a float would round it: use the type int or string, or write it with a point",
        );
    }
    Ok(value)
}

/// Whether a double is exactly the number that digits say. Beyond 2^64 the digits of the double tell.
fn is_exact(digits: &str, value: f64) -> bool {
    let plain = |text: &str| {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches(['+', '-']).trim_start_matches('0');
        (negative && !text.is_empty(), text.to_owned())
    };
    // Without a precision a double prints all of its digits, never an exponent.
    plain(digits) == plain(&format!("{value:.0}"))
}

fn boolean(field: &[u8]) -> Result<bool> {
    let field = field.trim_ascii();
    if field.eq_ignore_ascii_case(b"true") || field == b"1" {
        Ok(true)
    } else if field.eq_ignore_ascii_case(b"false") || field == b"0" {
        Ok(false)
    } else {
        Err(mismatch(
            ValueType::Bool,
            &String::from_utf8_lossy(field),
            "write true or false",
        ))
    }
}

/// Bytes from base64 of the standard alphabet with padding.
pub(super) fn bytes(field: &[u8]) -> Result<Vec<u8>> {
    STANDARD.decode(field.trim_ascii()).map_err(|error| {
        let what = format!("not base64: {error}");
        Problem::new(what, "use the standard alphabet with padding")
    })
}

/// Nanoseconds since 1970, from RFC 3339 or from a whole number of nanoseconds.
pub(super) fn timestamp(text: &str) -> Result<i64> {
    let text = text.trim_ascii();
    let refuse = |remedy| Err(mismatch(ValueType::Timestamp, text, remedy));
    match decimal::int(text) {
        Ok(nanoseconds) => return Ok(nanoseconds),
        Err(DecimalError::Fraction) => {
            return refuse("nanoseconds since 1970 are a whole number; round it");
        }
        Err(DecimalError::Range) => return refuse(TIMESTAMP_RANGE),
        Err(DecimalError::Form) => {}
    }
    parse_timestamp(text).or_else(|error| {
        refuse(match error {
            TimestampError::Form => {
                "write RFC 3339, as 2013-01-01T10:00:00Z, or integer nanoseconds since 1970"
            }
            TimestampError::Date => "there is no such date",
            TimestampError::Time => "there is no such time of day",
            TimestampError::LeapSecond => {
                "a leap second has no place among nanoseconds since 1970; write the second before \
                 or after it"
            }
            TimestampError::Offset => "an offset lies between -23:59 and +23:59",
            TimestampError::Precision => {
                "a second has at most nine digits behind its point; round it"
            }
            TimestampError::Range => TIMESTAMP_RANGE,
        })
    })
}

const TIMESTAMP_RANGE: &str = "a timestamp lies between the years 1677 and 2262";

/// The problem of a text that is not of the wanted type.
fn mismatch(wanted: ValueType, found: &str, remedy: &'static str) -> Problem {
    let article = if wanted == ValueType::Int { "an" } else { "a" };
    Problem::new(
        format!("expected {article} {wanted}, found \"{}\"", excerpt(found)),
        remedy,
    )
}

/// A value that the column itself refuses.
pub(super) fn refused(error: ColumnError) -> Problem {
    Problem::new(error.to_string(), "correct the line")
}

/// The name of a type with its article, for messages.
pub(super) fn described(kind: ColumnType) -> String {
    match (kind.value, kind.array) {
        (ValueType::Int, false) => String::from("an int"),
        (value, false) => format!("a {value}"),
        (value, true) => format!("an array of {value}"),
    }
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
