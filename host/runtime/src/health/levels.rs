//! File parts by size, as `stats` shows them.

use serde_json::{Value, json};

/// Level 0 holds parts below this size; each further level is four times as large, since merges take at
/// least four parts of similar size.
const FIRST_LEVEL_BYTES: u64 = 1 << 20;
const FACTOR: u64 = 4;

#[derive(Clone, Copy, Default)]
struct Level {
    parts: u64,
    rows: u64,
    bytes: u64,
}

/// The levels of a list of parts as `Index::parts` returns it, smallest first, up to the last that has
/// any. Parts in memory are not among them.
pub(crate) fn levels(parts: &Value) -> Value {
    let mut levels: Vec<Level> = Vec::new();
    for part in parts.as_array().map(Vec::as_slice).unwrap_or_default() {
        let number = |name: &str| part.get(name).and_then(Value::as_u64).unwrap_or(0);
        if part.get("medium").is_none_or(|medium| medium != "file") {
            continue;
        }
        let at = level_of(number("size_bytes"));
        if levels.len() <= at {
            levels.resize(at + 1, Level::default());
        }
        if let Some(level) = levels.get_mut(at) {
            level.parts += 1;
            level.rows += number("rows");
            level.bytes += number("size_bytes");
        }
    }
    let mut below = FIRST_LEVEL_BYTES;
    let reports = levels.iter().enumerate().map(|(at, level)| {
        let report = json!({
            "level": at,
            "below_bytes": below,
            "parts": level.parts,
            "rows": level.rows,
            "bytes": level.bytes,
        });
        below = below.saturating_mul(FACTOR);
        report
    });
    reports.collect()
}

fn level_of(bytes: u64) -> usize {
    let (mut below, mut level) = (FIRST_LEVEL_BYTES, 0);
    while bytes >= below && below < u64::MAX {
        below = below.saturating_mul(FACTOR);
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fall_into_levels_by_powers_of_four() {
        let part =
            |medium: &str, bytes: u64| json!({"medium": medium, "rows": 2, "size_bytes": bytes});
        let parts = json!([
            part("file", 0),
            part("file", (1 << 20) - 1),
            part("file", 4 << 20),
            part("memory", 7),
        ]);
        let levels = levels(&parts);
        let told = |at: usize| (levels[at]["parts"].as_u64(), levels[at]["rows"].as_u64());
        assert_eq!(levels.as_array().unwrap().len(), 3);
        assert_eq!(
            [told(0), told(1), told(2)],
            [(Some(2), Some(4)), (Some(0), Some(0)), (Some(1), Some(2)),]
        );
        assert_eq!(levels[1]["below_bytes"], 4 << 20);
        assert_eq!(level_of(u64::MAX), level_of(u64::MAX - 1));
        assert_eq!(super::levels(&json!([])), json!([]));
    }
}
