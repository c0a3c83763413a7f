//! `--keys`: a range of keys in Rust's notation, and single keys.

use std::ops::Bound;
use std::str::FromStr;

/// Keys from `low` to `high`; both ends may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// Least key: included, or unbounded.
    pub(crate) low: Bound<i64>,
    /// Greatest key: included, excluded, or unbounded.
    pub(crate) high: Bound<i64>,
}

impl FromStr for KeyRange {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyRange, String> {
        let (low, high) = text.split_once("..").ok_or_else(|| {
            String::from(
                "expected a range: A..B without B, A..=B with B, A.. from A on, ..B below B, or ..",
            )
        })?;
        let low = if low.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Included(key(low)?)
        };
        let high = match high.strip_prefix('=') {
            Some("") => return Err("expected a key after ..=".into()),
            Some(last) => Bound::Included(key(last)?),
            None if high.is_empty() => Bound::Unbounded,
            None => Bound::Excluded(key(high)?),
        };
        Ok(KeyRange { low, high })
    }
}

/// Reads one key.
pub(crate) fn key(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "{text:?} is not a key: expected an integer from {} to {}",
            i64::MIN,
            i64::MAX
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Excluded, Included, Unbounded};

    fn range(text: &str) -> (Bound<i64>, Bound<i64>) {
        let range: KeyRange = text.parse().unwrap();
        (range.low, range.high)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(range("1..2"), (Included(1), Excluded(2)));
        assert_eq!(range("-5..=-2"), (Included(-5), Included(-2)));
        assert_eq!(range(".."), (Unbounded, Unbounded));
        assert_eq!(range("7.."), (Included(7), Unbounded));
        assert_eq!(range("..7"), (Unbounded, Excluded(7)));
        assert_eq!(range("..=7"), (Unbounded, Included(7)));
        let whole = (Included(i64::MIN), Included(i64::MAX));
        assert_eq!(range("-9223372036854775808..=9223372036854775807"), whole);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "a..b",
            "1...3",
            "..=",
            "1..9223372036854775808",
            "1.5..2",
            "1..-",
        ] {
            assert!(text.parse::<KeyRange>().is_err(), "{text}");
        }
    }
}
