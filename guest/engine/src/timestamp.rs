//! Timestamps as text: RFC 3339, and nothing else.
//!
//! ```text
//! YYYY-MM-DD ( "T" | "t" | " " ) hh:mm:ss [ "." digits ] ( "Z" | "z" | ( "+" | "-" ) hh:mm )
//! ```
//!
//! One reader for filters and for input, so that a text means the same moment in both. It never rounds: what
//! nanoseconds since 1970 cannot hold is refused, and with it leap seconds, which have no number of their own
//! there.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use thiserror::Error;

/// Digits of a second that nanoseconds hold.
const FRACTION_DIGITS: usize = 9;

/// What is wrong with the text of a timestamp, for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Not of the form above.
    #[error("write it as 2013-01-01T10:00:00Z or 2013-01-01T10:00:00.5+02:00")]
    Form,
    /// A month or day that the calendar does not have.
    #[error("there is no such date")]
    Date,
    /// An hour above 23, or a minute or second above 59, but not a leap second.
    #[error("there is no such time of day")]
    Time,
    /// A second with the number 60.
    #[error(
        "a leap second has no number of its own among nanoseconds since 1970; write the second \
         before or after it"
    )]
    LeapSecond,
    /// An offset from UTC of a day or more.
    #[error("an offset lies between -23:59 and +23:59")]
    Offset,
    /// A digit other than 0 behind the ninth of the second.
    #[error("a second has at most nine digits behind its point; round it")]
    Precision,
    /// Before 1677 or after 2262.
    #[error(
        "it is outside of what 64 bits of nanoseconds hold, 1677-09-21T00:12:43.145224192Z to \
         2262-04-11T23:47:16.854775807Z"
    )]
    Range,
}

/// Nanoseconds since 1970-01-01T00:00:00Z of a text in RFC 3339.
///
/// # Errors
/// What of the text is not of that form, or cannot be held exactly.
pub fn parse_timestamp(text: &str) -> Result<i64, TimestampError> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    rest.one_of(b"-")?;
    let month = rest.digits(2)?;
    rest.one_of(b"-")?;
    let day = rest.digits(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.digits(2)?;
    rest.one_of(b":")?;
    let minute = rest.digits(2)?;
    rest.one_of(b":")?;
    let second = rest.digits(2)?;
    let fraction = rest.fraction()?;
    let offset = rest.offset()?;
    if !rest.0.is_empty() {
        return Err(TimestampError::Form);
    }

    let nanosecond = nanoseconds(fraction)?;
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimestampError::Time);
    }
    if second == 60 {
        return Err(TimestampError::LeapSecond);
    }
    // Two and four digits fit.
    let narrow = |number: i32| number as i8;
    let civil = DateTime::new(
        year as i16,
        narrow(month),
        narrow(day),
        narrow(hour),
        narrow(minute),
        narrow(second),
        nanosecond,
    )
    .map_err(|_| TimestampError::Date)?;
    let local = Offset::UTC
        .to_timestamp(civil)
        .map_err(|_| TimestampError::Range)?;
    let moment = local.as_nanosecond() - i128::from(offset) * 1_000_000_000;
    i64::try_from(moment).map_err(|_| TimestampError::Range)
}

/// The text of nanoseconds since 1970 in UTC, with as many digits of the second as it needs;
/// [`parse_timestamp`] reads it back.
pub fn format_timestamp(nanoseconds: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(nanoseconds)) {
        Ok(moment) => moment.to_string(),
        // Can't be: the calendar reaches further than 64 bits of nanoseconds.
        Err(_) => nanoseconds.to_string(),
    }
}

/// Nanoseconds of the digits behind the point of a second.
fn nanoseconds(fraction: &[u8]) -> Result<i32, TimestampError> {
    let (held, beyond) = fraction.split_at(fraction.len().min(FRACTION_DIGITS));
    if beyond.iter().any(|digit| *digit != b'0') {
        return Err(TimestampError::Precision);
    }
    let padded = held.iter().copied().chain(std::iter::repeat(b'0'));
    let digits = padded.take(FRACTION_DIGITS);
    Ok(digits.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
}

/// What is not yet read of the text.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn one_of(&mut self, wanted: &[u8]) -> Result<u8, TimestampError> {
        match self.0.split_first() {
            Some((byte, rest)) if wanted.contains(byte) => {
                self.0 = rest;
                Ok(*byte)
            }
            _ => Err(TimestampError::Form),
        }
    }

    /// A number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Result<i32, TimestampError> {
        let (digits, rest) = self.0.split_at_checked(count).ok_or(TimestampError::Form)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(TimestampError::Form);
        }
        self.0 = rest;
        Ok(digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
    }

    /// The digits behind a point, at least one; none when there is no point.
    fn fraction(&mut self) -> Result<&'a [u8], TimestampError> {
        let Some(behind) = self.0.strip_prefix(b".") else {
            return Ok(&[]);
        };
        let count = behind.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = behind.split_at(count);
        self.0 = rest;
        if digits.is_empty() {
            return Err(TimestampError::Form);
        }
        Ok(digits)
    }

    /// Seconds that local time is ahead of UTC.
    fn offset(&mut self) -> Result<i32, TimestampError> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Ok(0),
        };
        let hours = self.digits(2)?;
        self.one_of(b":")?;
        let minutes = self.digits(2)?;
        if hours > 23 || minutes > 59 {
            return Err(TimestampError::Offset);
        }
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_rfc_3339_names_is_taken() {
        for (text, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01 00:00:00Z", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("1970-01-01T00:00:00.0000000010000Z", 1),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("1970-01-01T23:59:00+23:59", 0),
            ("1969-12-31T00:01:00-23:59", 0),
            ("2013-01-01T11:00:00+01:00", 1_357_034_400_000_000_000),
            ("2012-02-29T00:00:00Z", 1_330_473_600_000_000_000),
            ("1677-09-21T00:12:43.145224192Z", i64::MIN),
            ("2262-04-11T23:47:16.854775807Z", i64::MAX),
        ] {
            assert_eq!(parse_timestamp(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_for_what_it_is() {
        use TimestampError::{Date, Form, LeapSecond, Offset, Precision, Range, Time};
        for (text, error) in [
            ("", Form),
            ("2013-01-01", Form),
            ("2013-01-01T10:00:00", Form),
            ("2013-01-01T10:00Z", Form),
            ("20130101T100000Z", Form),
            ("2013-01-01T100000Z", Form),
            ("2013-001T10:00:00Z", Form),
            ("2013-W01-1T10:00:00Z", Form),
            ("+002013-01-01T10:00:00Z", Form),
            ("2013-1-1T10:00:00Z", Form),
            ("2013-01-01T10:00:00,5Z", Form),
            ("2013-01-01T10:00:00.Z", Form),
            ("2013-01-01T10:00:00+02", Form),
            ("2013-01-01T10:00:00+0200", Form),
            ("2013-01-01T10:00:00+02:00:30", Form),
            ("2013-01-01T10:00:00Z[UTC]", Form),
            ("2013-01-01T10:00:00[Europe/Berlin]", Form),
            (" 2013-01-01T10:00:00Z", Form),
            ("2013-01-01T10:00:00Z ", Form),
            ("2013\u{2212}01-01T10:00:00Z", Form),
            ("2013-00-01T10:00:00Z", Date),
            ("2013-13-01T10:00:00Z", Date),
            ("2013-02-29T10:00:00Z", Date),
            ("2013-01-00T10:00:00Z", Date),
            ("2013-01-01T24:00:00Z", Time),
            ("2013-01-01T10:60:00Z", Time),
            ("2013-01-01T10:00:61Z", Time),
            ("2013-01-01T10:00:60Z", LeapSecond),
            ("1998-12-31T23:59:60.1Z", LeapSecond),
            ("2013-01-01T10:00:00+24:00", Offset),
            ("2013-01-01T10:00:00-25:00", Offset),
            ("2013-01-01T10:00:00+10:60", Offset),
            ("2013-01-01T10:00:00.1234567891Z", Precision),
            ("2013-01-01T10:00:00.00000000000000000001Z", Precision),
            ("0000-01-01T00:00:00Z", Range),
            ("9999-12-31T23:59:59Z", Range),
            ("1677-09-21T00:12:43.145224191Z", Range),
            ("2262-04-11T23:47:16.854775808Z", Range),
        ] {
            assert_eq!(parse_timestamp(text), Err(error), "{text}");
        }
    }

    /// Days before a date in the calendar since 0000, counted year by year and month by month.
    fn days_before(year: i64, month: i64, day: i64) -> i64 {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let years: i64 = (0..year).map(|year| 365 + i64::from(leap(year))).sum();
        let lengths = [
            31,
            28 + i64::from(leap(year)),
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        years + lengths.iter().take(month as usize - 1).sum::<i64>() + day - 1
    }

    proptest! {
        #[test]
        fn every_moment_prints_and_reads_back(nanoseconds: i64) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(nanoseconds)), Ok(nanoseconds));
        }

        #[test]
        fn moments_are_counted_from_1970(
            (year, month, day) in (1700i64..2200, 1i64..=12, 1i64..=28),
            (hour, minute, second) in (0i64..24, 0i64..60, 0i64..60),
            (fraction, digits) in (0i64..1_000_000_000, 1usize..=9),
            offset in -1439i64..=1439,
        ) {
            let fraction = format!("{fraction:09}").split_off(9 - digits);
            let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
            let sign = if offset < 0 { '-' } else { '+' };
            let date = format!("{year:04}-{month:02}-{day:02}");
            let time = format!("{hour:02}:{minute:02}:{second:02}.{fraction}");
            let text = format!("{date}T{time}{sign}{hours:02}:{minutes:02}");
            let days = days_before(year, month, day) - days_before(1970, 1, 1);
            let minutes = (days * 24 + hour) * 60 + minute - offset;
            let part: i64 = format!("{fraction:0<9}").parse().unwrap();
            let expected = (minutes * 60 + second) * 1_000_000_000 + part;
            prop_assert_eq!(parse_timestamp(&text), Ok(expected), "{}", text);
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[0-9TtZz :.+-]{0,40}", any in ".{0,40}") {
            let _ = (parse_timestamp(&text), parse_timestamp(&any));
        }
    }
}
