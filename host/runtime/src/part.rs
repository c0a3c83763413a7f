//! The parts of an index in numbers, for programs that decide by them.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// A part: rows that were written, flushed or merged together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartInfo {
    /// Its name, by which reports and the store call it.
    pub name: String,
    /// Where it lies.
    pub medium: Medium,
    /// Rows in it.
    pub rows: u64,
    /// Different series in it.
    pub series: u64,
    /// The least and the greatest key.
    pub keys: RangeInclusive<i64>,
    /// Bytes that it takes, in memory or in the store.
    pub size_bytes: u64,
}

/// Where a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// In memory: its rows are in the log, or will be gone with the process.
    Memory,
    /// In files of the store.
    File,
}

/// The parts of a report.
pub(crate) fn list(parts: &Value) -> Result<Vec<PartInfo>> {
    let parts = parts.as_array();
    let parts = parts.ok_or_else(|| broken("the parts are no list"))?;
    parts.iter().map(info).collect()
}

/// The engine may be of the caller's own: nothing is taken for granted.
fn info(part: &Value) -> Result<PartInfo> {
    let text = |name: &str| {
        let value = part.get(name).and_then(Value::as_str);
        value.ok_or_else(|| broken(&format!("a part has no {name}")))
    };
    let number = |name: &str| {
        let value = part.get(name).and_then(Value::as_u64);
        value.ok_or_else(|| broken(&format!("a part has no {name}")))
    };
    let key = |name: &str| {
        let value = part.get(name).and_then(Value::as_i64);
        value.ok_or_else(|| broken(&format!("a part has no {name}")))
    };
    Ok(PartInfo {
        name: text("part")?.to_owned(),
        medium: match text("medium")? {
            "memory" => Medium::Memory,
            "file" => Medium::File,
            other => return Err(broken(&format!("a part lies in {other:?}"))),
        },
        rows: number("rows")?,
        series: number("series")?,
        keys: key("min_key")?..=key("max_key")?,
        size_bytes: number("size_bytes")?,
    })
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Other, format!("the engine's report: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_taken_as_it_is_or_not_at_all() {
        let part = json!({
            "part": "0000000000000003", "medium": "file", "rows": 7, "series": 2, "blocks": 1,
            "min_key": i64::MIN, "max_key": i64::MAX, "size_bytes": 900, "tags": [],
        });
        let expected = PartInfo {
            name: "0000000000000003".to_owned(),
            medium: Medium::File,
            rows: 7,
            series: 2,
            keys: i64::MIN..=i64::MAX,
            size_bytes: 900,
        };
        assert_eq!(list(&json!([part.clone()])).unwrap(), [expected]);
        assert!(list(&json!({})).is_err());
        for (name, wrong) in [
            ("rows", json!(-1)),
            ("medium", json!("tape")),
            ("min_key", json!(1.5)),
            ("part", Value::Null),
        ] {
            let mut part = part.clone();
            part[name] = wrong;
            let error = list(&json!([part])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Other, "{error}");
        }
    }
}
