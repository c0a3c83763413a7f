//! Whole numbers written in decimal, read digit by digit: nothing is ever rounded.
//!
//! ```text
//! [ "+" | "-" ] ( digits [ "." [ digits ] ] | "." digits ) [ ( "e" | "E" ) [ "+" | "-" ] digits ]
//! ```
//!
//! Spreadsheets and data frames write whole numbers as `517.0` or `9.007199254740993e15`. Such a text is read
//! when what it says is a whole number, whatever its length; the cost is linear in the text, however large
//! the exponent.

/// Digits of 2^64, the least number that is too large.
const DIGITS_MAX: i128 = 20;

/// Why a text is no whole number that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalError {
    /// No number in decimal.
    Form,
    /// A digit other than 0 stands behind the point, once the exponent has moved it.
    Fraction,
    /// Too large or too small for its type.
    Range,
}

/// A signed 64-bit number.
pub(crate) fn int(text: &str) -> Result<i64, DecimalError> {
    // Most are plain digits, which the standard library reads faster, and as exactly.
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    let (negative, magnitude) = whole(text)?;
    let magnitude = i128::from(magnitude);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| DecimalError::Range)
}

/// An unsigned 64-bit number.
pub(crate) fn unsigned(text: &str) -> Result<u64, DecimalError> {
    match whole(text)? {
        (true, magnitude) if magnitude > 0 => Err(DecimalError::Range),
        (_, magnitude) => Ok(magnitude),
    }
}

/// Whether a text is a number of the form above.
pub(crate) fn is_decimal(text: &str) -> bool {
    Parts::of(text).is_some()
}

/// Whether a number is zero as it is written, whatever its exponent.
pub(crate) fn is_zero(text: &str) -> bool {
    Parts::of(text).is_some_and(|parts| parts.digits().all(|digit| digit == b'0'))
}

/// The sign and the magnitude of a whole number.
fn whole(text: &str) -> Result<(bool, u64), DecimalError> {
    let parts = Parts::of(text).ok_or(DecimalError::Form)?;
    let Some(first) = parts.digits().position(|digit| digit != b'0') else {
        return Ok((parts.negative, 0));
    };
    // Where the point stands among the digits. A slice is never longer than 2^63 bytes, so that no sum
    // of a length and a saturated exponent overflows.
    let point = parts.whole.len() as i128 + i128::from(parts.exponent);
    let last = parts
        .digits()
        .enumerate()
        .filter(|(_, digit)| *digit != b'0')
        .last();
    if last.is_some_and(|(at, _)| at as i128 >= point) {
        return Err(DecimalError::Fraction);
    }
    let count = point - first as i128;
    if count > DIGITS_MAX {
        return Err(DecimalError::Range);
    }
    // Where the digits end before the point there are zeros.
    let digits = parts.digits().chain(std::iter::repeat(b'0'));
    let digits = digits.skip(first).take(usize::try_from(count).unwrap_or(0));
    let magnitude = digits.fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    match u64::try_from(magnitude) {
        Ok(magnitude) => Ok((parts.negative, magnitude)),
        Err(_) => Err(DecimalError::Range),
    }
}

/// A number taken apart.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point.
    whole: &'a [u8],
    /// Digits behind it.
    fraction: &'a [u8],
    /// Saturated: a text is too short to bring a point back from there.
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Parts<'a>> {
        let (negative, text) = sign(text.as_bytes());
        let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
            Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
            None => (mantissa, &[][..]),
        };
        let are_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let has_digits = !(whole.is_empty() && fraction.is_empty());
        (has_digits && are_digits(whole) && are_digits(fraction)).then_some(Parts {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// All digits, in order.
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0i64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_exact_however_they_are_written() {
        let long = format!("{}e-{}", "5".repeat(3) + &"0".repeat(5_000), 5_000);
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("517.0", 517),
            ("-2.", -2),
            (".5e1", 5),
            ("0.05e2", 5),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("1000e-3", 1),
            ("9007199254740993e0", 9_007_199_254_740_993),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9.007199254740993e15", 9_007_199_254_740_993),
            ("900719925474099300e-2", 9_007_199_254_740_993),
            ("9223372036854775807.000", i64::MAX),
            ("-9.223372036854775808e18", i64::MIN),
            ("0e999999999999999999999999", 0),
            ("0.000e-999999999999999999999999", 0),
            ("000000000000000000000000000000000000007", 7),
            (&long, 555),
        ] {
            assert_eq!(int(text), Ok(value), "{text}");
        }
        assert_eq!(unsigned("18446744073709551615.0"), Ok(u64::MAX));
        assert_eq!(unsigned("-0"), Ok(0));
    }

    #[test]
    fn what_would_have_to_be_rounded_is_refused() {
        use DecimalError::{Form, Fraction, Range};
        for (text, error) in [
            ("9007199254740992.5", Fraction),
            ("4503599627370496.4", Fraction),
            ("0.99999999999999999999", Fraction),
            ("1e-400", Fraction),
            ("1e-999999999999999999999", Fraction),
            (
                "9223372036854775807.00000000000000000000000000001",
                Fraction,
            ),
            ("15e-1", Fraction),
            ("9223372036854775808", Range),
            ("-9223372036854775809", Range),
            ("1e19", Range),
            ("1e999999999", Range),
            ("1e99999999999999999999999999", Range),
            ("100000000000000000000000000000", Range),
            ("", Form),
            (".", Form),
            ("-", Form),
            ("e5", Form),
            (".e5", Form),
            ("1e", Form),
            ("1e+", Form),
            ("1e1.5", Form),
            ("1.2.3", Form),
            ("--1", Form),
            ("1_000", Form),
            ("0x10", Form),
            ("NaN", Form),
            ("inf", Form),
            ("\u{661}", Form),
            (" 1", Form),
        ] {
            assert_eq!(int(text), Err(error), "{text}");
        }
        assert_eq!(unsigned("18446744073709551616"), Err(Range));
        assert_eq!(unsigned("-1"), Err(Range));
        assert_eq!(unsigned("0.5"), Err(Fraction));
    }

    /// The value by shifting a string of digits, as on paper: the exact text of the number, which is whole
    /// when nothing is left behind the point.
    fn on_paper(whole: &str, fraction: &str, exponent: i32) -> Option<String> {
        let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
        for _ in 0..exponent.max(0) {
            let next = if fraction.is_empty() {
                '0'
            } else {
                fraction.remove(0)
            };
            whole.push(next);
        }
        for _ in exponent.min(0)..0 {
            fraction.insert(0, whole.pop().unwrap_or('0'));
        }
        let is_whole = fraction.chars().all(|digit| digit == '0');
        let whole = whole.trim_start_matches('0');
        is_whole.then(|| {
            if whole.is_empty() {
                "0".into()
            } else {
                whole.to_owned()
            }
        })
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_long_arithmetic(
            (negative, whole, fraction) in (any::<bool>(), "[0-9]{1,25}", "[0-9]{0,12}0{0,12}"),
            exponent in -40i32..40,
        ) {
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{whole}.{fraction}e{exponent}");
            let expected = on_paper(&whole, &fraction, exponent).map(|digits| format!("{sign}{digits}"));
            match expected {
                None => prop_assert_eq!(int(&text), Err(DecimalError::Fraction), "{}", text),
                Some(digits) => {
                    // The standard library reads plain digits exactly or not at all.
                    let value = digits.parse::<i64>().map_err(|_| DecimalError::Range);
                    prop_assert_eq!(int(&text), value, "{}", text);
                    let value = digits.trim_start_matches('-').parse::<u64>();
                    let value = value.ok().filter(|value| !negative || *value == 0);
                    prop_assert_eq!(unsigned(&text), value.ok_or(DecimalError::Range), "{}", text);
                }
            }
        }

        #[test]
        fn every_int_reads_back(value: i64, zeros in 0usize..30) {
            let zeros = "0".repeat(zeros);
            prop_assert_eq!(int(&format!("{value}.{zeros}")), Ok(value));
            prop_assert_eq!(int(&format!("{value}{zeros}e-{}", zeros.len())), Ok(value));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[0-9eE.+-]{0,40}", any in ".{0,20}") {
            let _ = (int(&text), int(&any), unsigned(&text), is_zero(&text), is_decimal(&any));
        }
    }
}
