//! Values written as plain text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidx_columns::{ColumnError, ColumnType, ValueType};
use sidx_engine::{TimestampError, parse_timestamp};

use super::decimal::{self, DecimalError};
use super::problem::{Problem, Result, excerpt};

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
    integer(field, |error| match error {
        DecimalError::Form => "correct the line, or use the type string",
        DecimalError::Fraction => "it has a fraction; use the type float",
        DecimalError::Range => "an int lies between -9223372036854775808 and 9223372036854775807",
    })
}

/// A key: as [`int`], but its type is no choice.
pub(super) fn key(field: &[u8]) -> Result<i64> {
    integer(field, |error| match error {
        DecimalError::Form => "correct the line: a key is an int",
        DecimalError::Fraction => "it has a fraction; a key is an int, of a smaller unit",
        DecimalError::Range => "a key lies between -9223372036854775808 and 9223372036854775807",
    })
}

fn integer(field: &[u8], remedy: impl Fn(DecimalError) -> &'static str) -> Result<i64> {
    let text = utf8(field)?.trim_ascii();
    decimal::int(text).map_err(|error| mismatch(ValueType::Int, text, remedy(error)))
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

/// A bool: `true` and `false` in any case, 1 and 0.
pub(super) fn boolean(field: &[u8]) -> Result<bool> {
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
