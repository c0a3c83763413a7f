//! Filters as the query language writes them.

use sidx_columns::OwnedValue;

use super::{Expression, Op};

impl Op {
    fn text(self) -> &'static str {
        match self {
            Op::Eq => "=",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        }
    }
}

impl Expression {
    /// The filter as the query language writes it.
    pub fn text(&self) -> String {
        match self {
            Self::Compare(tag, op, literal) => {
                format!("{} {} {}", name(tag), op.text(), literal_text(literal))
            }
            Self::In(tag, literals, negated) => {
                let not = if *negated { "not " } else { "" };
                format!("{} {not}in {}", name(tag), list(literals))
            }
            Self::Matches(tag, pattern, negated) => {
                let op = if *negated { "!~" } else { "~" };
                format!("{} {op} {}", name(tag), quoted(pattern))
            }
            Self::StartsWith(tag, prefix) => {
                format!("{} starts with {}", name(tag), literal_text(prefix))
            }
            Self::ContainsAny(tag, literals) => {
                format!("{} contains any {}", name(tag), list(literals))
            }
            Self::ContainsAll(tag, literals) => {
                format!("{} contains all {}", name(tag), list(literals))
            }
            Self::Exists(tag) => format!("exists({})", name(tag)),
            Self::And(parts) => joined(parts, " and "),
            Self::Or(parts) => joined(parts, " or "),
            Self::Not(part) => format!("not ({})", part.text()),
        }
    }
}

fn joined(parts: &[Expression], between: &str) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|part| format!("({})", part.text()))
        .collect();
    parts.join(between)
}

fn list(literals: &[OwnedValue]) -> String {
    let literals: Vec<String> = literals.iter().map(literal_text).collect();
    format!("({})", literals.join(", "))
}

/// A name in backquotes, which is allowed for every name; some plain words stand bare.
fn name(tag: &str) -> String {
    const BARE: [&str; 4] = ["code", "name", "codes", "ratio"];
    if BARE.contains(&tag) {
        tag.to_owned()
    } else {
        format!("`{}`", tag.replace('`', "``"))
    }
}

/// A literal as the query language writes it.
pub fn literal_text(literal: &OwnedValue) -> String {
    match literal {
        OwnedValue::String(text) => quoted(text),
        OwnedValue::Int(value) => value.to_string(),
        OwnedValue::Float(value) => format!("{value:?}"),
        OwnedValue::Bool(value) => value.to_string(),
        OwnedValue::Bytes(bytes) => format!("bytes(\"{}\")", base64(bytes)),
        OwnedValue::Timestamp(nanoseconds) => format!("timestamp(\"{}\")", rfc3339(*nanoseconds)),
        OwnedValue::Array(..) => panic!("arrays can't be written as literals"),
    }
}

/// JSON text is exactly what a string literal looks like.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            out.push(if digit > group.len() {
                '='
            } else {
                DIGITS[index as usize] as char
            });
        }
    }
    out
}

/// Nanoseconds since 1970 as `1970-01-01T00:00:00.000000000Z`.
fn rfc3339(nanoseconds: i64) -> String {
    const DAY: i128 = 86_400_000_000_000;
    let nanoseconds = i128::from(nanoseconds);
    let mut days = nanoseconds.div_euclid(DAY);
    let rest = nanoseconds.rem_euclid(DAY);
    let leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += if leap(year) { 366 } else { 365 };
    }
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let seconds = rest / 1_000_000_000;
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        days + 1,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        rest % 1_000_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_written_as_documented() {
        let text = |value: OwnedValue| literal_text(&value);
        assert_eq!(text(OwnedValue::Bytes(vec![])), "bytes(\"\")");
        assert_eq!(text(OwnedValue::Bytes(vec![0])), "bytes(\"AA==\")");
        assert_eq!(text(OwnedValue::Bytes(vec![0, 1])), "bytes(\"AAE=\")");
        assert_eq!(text(OwnedValue::Bytes(vec![0, 1, 255])), "bytes(\"AAH/\")");
        assert_eq!(
            text(OwnedValue::Timestamp(1_357_034_400_000_000_001)),
            "timestamp(\"2013-01-01T10:00:00.000000001Z\")"
        );
        assert_eq!(
            text(OwnedValue::Timestamp(i64::MIN)),
            "timestamp(\"1677-09-21T00:12:43.145224192Z\")"
        );
        assert_eq!(
            text(OwnedValue::Timestamp(i64::MAX)),
            "timestamp(\"2262-04-11T23:47:16.854775807Z\")"
        );
        assert_eq!(text(OwnedValue::Float(1e300)), "1e300");
        assert_eq!(text(OwnedValue::Float(-0.0)), "-0.0");
    }
}
