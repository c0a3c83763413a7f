//! A report of the library as a table, as lines, or as a document. The library says what there is
//! to tell; nothing here depends on the names in it, so that a report may grow.

use std::io::{self, Write};

use comfy_table::Cell;
use serde_json::{Map, Value};

use crate::output::{cell, grid, numeric};

/// One compact object per line: the members of a list, or the report itself.
pub(super) fn lines(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    for line in report
        .as_array()
        .map_or(std::slice::from_ref(report), Vec::as_slice)
    {
        serde_json::to_writer(&mut *out, line)?;
        writeln!(out)?;
    }
    Ok(())
}

/// One indented document.
pub(super) fn document(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// A table: lists of objects as rows under their names, an object as names and values, with the
/// lists in it as tables of their own below.
pub(super) fn table(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Value::Array(entries) => list(entries, out),
        Value::Object(fields) => object(fields, out),
        other => writeln!(out, "{}", shown(other)),
    }
}

fn list(entries: &[Value], out: &mut dyn Write) -> io::Result<()> {
    if entries.is_empty() {
        return writeln!(out, "none");
    }
    let names = columns(entries);
    if names.is_empty() {
        return entries
            .iter()
            .try_for_each(|entry| writeln!(out, "{}", shown(entry)));
    }
    let mut table = grid(names.iter().map(|name| cell(name)).collect());
    for entry in entries {
        let value = |name: &&str| entry.get(*name).map_or_else(|| cell(""), shown_cell);
        table.add_row(names.iter().map(value));
    }
    writeln!(out, "{table}")
}

/// The names in the entries: first what they are called, then what is in them.
fn columns(entries: &[Value]) -> Vec<&str> {
    const FIRST: [&str; 10] = [
        "part",
        "label",
        "medium",
        "rows",
        "blocks",
        "series",
        "min_key",
        "max_key",
        "size_bytes",
        "tags",
    ];
    let mut names: Vec<&str> = Vec::new();
    for name in entries
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
    {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let place = |name: &&str| {
        FIRST
            .iter()
            .position(|first| first == name)
            .unwrap_or(FIRST.len())
    };
    names.sort_by_key(place);
    names
}

fn object(fields: &Map<String, Value>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = grid(vec![cell("name"), cell("value")]);
    let mut lists = Vec::new();
    flatten("", fields, &mut |name, value| match value {
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            lists.push((name, entries));
        }
        value => {
            table.add_row([cell(&name), shown_cell(value)]);
        }
    });
    writeln!(out, "{table}")?;
    for (name, entries) in lists {
        writeln!(out, "{name}:")?;
        list(entries, out)?;
    }
    Ok(())
}

/// Nested objects become names with dots.
fn flatten<'v>(
    prefix: &str,
    fields: &'v Map<String, Value>,
    each: &mut impl FnMut(String, &'v Value),
) {
    for (name, value) in fields {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Object(inner) => flatten(&name, inner, each),
            value => each(name, value),
        }
    }
}

fn shown_cell(value: &Value) -> Cell {
    match value {
        Value::Number(number) => numeric(number.to_string()),
        value => cell(&shown(value)),
    }
}

/// A value as text; of a list of named things, the names.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            let name = |entry: &Value| shown(entry.get("name").unwrap_or(entry));
            entries.iter().map(name).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Whether a report of `verify` tells of no damage.
pub(super) fn is_sound(report: &Value) -> bool {
    report.get("ok").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether a report of `repair` tells of no rows that are lost and not accepted.
pub(super) fn is_without_loss(report: &Value) -> bool {
    let lost = report.get("lost").and_then(Value::as_array);
    lost.is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lists_are_lines_and_rows() {
        let parts = json!([{"part": "0a", "rows": 5}, {"part": "0b", "rows": 6, "new": true}]);
        let expected = "{\"part\":\"0a\",\"rows\":5}\n";
        assert!(text(|out| lines(&parts, out)).starts_with(expected));
        let table = text(|out| table(&parts, out));
        for word in ["part", "rows", "new", "0a", "0b", "5", "6", "true"] {
            assert!(table.contains(word), "{table}");
        }
        assert_eq!(text(|out| super::table(&json!([]), out)), "none\n");
        assert_eq!(text(|out| lines(&json!([]), out)), "");
    }

    #[test]
    fn only_a_report_without_damage_is_sound() {
        assert!(is_sound(&json!({"ok": true, "damage": []})));
        assert!(!is_sound(&json!({"ok": false})));
        assert!(!is_sound(&json!({})));
    }

    #[test]
    fn objects_are_names_and_values_with_their_lists_below() {
        let stats = json!({"rows": 5, "cache": {"hits": 1}, "damage": [{"part": "0a"}]});
        let table = text(|out| table(&stats, out));
        assert!(
            table.contains("cache.hits") && table.contains("damage:\n"),
            "{table}"
        );
        assert_eq!(text(|out| lines(&json!({"a": 1}), out)), "{\"a\":1}\n");
    }
}
