//! `--memory`, `--disk`, `--min-free`: bytes with a unit.

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `4096`, `64MiB`, `1.5GB`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at(unit_at);
    let scale = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    if let (Some((_, bytes)), Ok(amount)) = (scale, amount.trim().parse::<u64>()) {
        // Saturates: more than there can be is no limit.
        return Ok(amount.saturating_mul(*bytes));
    }
    let amount = amount
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|a| a.is_finite() && *a >= 0.0);
    let (Some((_, bytes)), Some(amount)) = (scale, amount) else {
        return Err(
            "expected a number of bytes, with or without a unit: 4096, 64MiB, 1.5GB".into(),
        );
    };
    // Saturates as well.
    Ok((amount * *bytes as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("64MiB"), Ok(64 << 20));
        assert_eq!(parse("1.5 gb"), Ok(1_500_000_000));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("9007199254740993"), Ok(9_007_199_254_740_993));
        assert_eq!(parse("99999999999999999999GiB"), Ok(u64::MAX));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "MiB", "-1", "1TB", "1e3", "NaN", "inf", "1 MiB x", "0x10",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
