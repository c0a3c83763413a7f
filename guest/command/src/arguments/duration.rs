//! `--timeout`: a duration with its unit.

use std::time::Duration;

const MICROSECONDS_PER_UNIT: [(&str, u64); 4] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
];

/// Reads `500ms`, `2s`, `1.5s`, `1m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at(unit_at);
    let scale = MICROSECONDS_PER_UNIT
        .iter()
        .find(|(name, _)| *name == unit.trim());
    let amount = amount
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|a| a.is_finite() && *a >= 0.0);
    let (Some((_, microseconds)), Some(amount)) = (scale, amount) else {
        return Err("expected a number with a unit: 500us, 20ms, 2s, 1m".into());
    };
    Duration::try_from_secs_f64(amount * *microseconds as f64 / 1e6)
        .map_err(|_| String::from("the duration is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "2", "s", "-1s", "1h", "NaNs", "infs", "1 s x", "1e300m"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
