//! A report of the library for people, as lines, or as a document. The library says what there is to tell;
//! little here depends on the names in it, so that a report may grow.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::arguments::ReportFormat;
use crate::console::Console;
use crate::exit::Failure;
use crate::output::number::{grouped, size};
use crate::output::{cell, grid, tame, whole_cell};

/// The format that was asked for, or that of the place where the output goes.
pub(crate) fn format(
    asked: Option<ReportFormat>,
    console: &Console<'_>,
    elsewhere: ReportFormat,
) -> ReportFormat {
    let usual = if console.out_is_terminal {
        ReportFormat::Table
    } else {
        elsewhere
    };
    asked.unwrap_or(usual)
}

/// Writes a report; for people with what it comes to in front.
pub(crate) fn print(
    report: &Value,
    gist: Option<String>,
    format: ReportFormat,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let out = &mut *console.out;
    match format {
        ReportFormat::Table => gist
            .map_or(Ok(()), |gist| writeln!(out, "{gist}\n"))
            .and_then(|()| table(report, out)),
        ReportFormat::Ndjson => lines(report, out),
        ReportFormat::Json => document(report, out),
    }
    .map_err(Failure::output)
}

/// One compact object per line: the members of a list, or the report itself.
fn lines(report: &Value, out: &mut dyn Write) -> io::Result<()> {
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
fn document(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// Lists of objects as rows under their names; an object as an outline of names and values, with the lists
/// in it as tables of their own below.
fn table(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    match report {
        Value::Array(entries) => list(entries, out),
        Value::Object(fields) => object(fields, out),
        other => writeln!(out, "{}", shown("", other)),
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
            .try_for_each(|entry| writeln!(out, "{}", shown("", entry)));
    }
    let mut table = grid(names.iter().map(|name| cell(name)).collect());
    for entry in entries {
        let value = |name: &&str| {
            entry
                .get(*name)
                .map_or_else(|| cell(""), |it| value_cell(name, it))
        };
        table.add_row(names.iter().map(value));
    }
    writeln!(out, "{table}")
}

/// Names that say little to people; machines get them.
const HIDDEN: [&str; 3] = ["first_id", "last_id", "raw_bytes"];

/// The names in the entries: first what they are called, then what is in them.
fn columns(entries: &[Value]) -> Vec<&str> {
    const FIRST: [&str; 12] = [
        "index",
        "kind",
        "part",
        "label",
        "medium",
        "rows",
        "blocks",
        "series",
        "min_key",
        "max_key",
        "size_bytes",
        "bytes",
    ];
    const LAST: [&str; 6] = ["tags", "text", "error", "problem", "action", "reason"];
    let mut names: Vec<&str> = Vec::new();
    for name in entries
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
    {
        if !names.contains(&name.as_str()) && !HIDDEN.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let place = |name: &&str| {
        let at = |names: &[&str]| names.iter().position(|other| other == name);
        let last = at(&LAST).map(|at| FIRST.len() + 1 + at);
        at(&FIRST).or(last).unwrap_or(FIRST.len())
    };
    names.sort_by_key(place);
    names
}

/// A line of an outline: how deep it lies, its name, and its value unless it is a heading.
type Line = (usize, String, Option<String>);

fn object(fields: &Map<String, Value>, out: &mut dyn Write) -> io::Result<()> {
    let (mut entries, mut lists) = (Vec::new(), Vec::new());
    outline(0, "", fields, &mut entries, &mut lists);
    let label = |(depth, name, _): &Line| 2 * depth + name.chars().count();
    let widest = entries.iter().map(label).max().unwrap_or(0);
    for entry in &entries {
        let (depth, name, value) = entry;
        let indent = 2 * depth;
        match value {
            Some(value) => {
                let gap = widest - label(entry) + 2;
                writeln!(out, "{:indent$}{name}{:gap$}{value}", "", "")?;
            }
            None => writeln!(out, "{:indent$}{name}", "")?,
        }
    }
    for (name, entries) in lists {
        writeln!(out, "\n{name}")?;
        list(entries, out)?;
    }
    Ok(())
}

/// What there is to say of an object, the plain values first; lists of objects are left for later.
fn outline<'v>(
    depth: usize,
    path: &str,
    fields: &'v Map<String, Value>,
    lines: &mut Vec<Line>,
    lists: &mut Vec<(String, &'v Vec<Value>)>,
) {
    let path_of = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, value) in fields {
        match value {
            Value::Object(_) => {}
            Value::Array(entries) if entries.iter().any(Value::is_object) => {
                lists.push((path_of(name), entries));
            }
            value => lines.push((depth, tame(name.chars()), Some(shown(name, value)))),
        }
    }
    for (name, value) in fields {
        if let Value::Object(inner) = value {
            lines.push((depth, tame(name.chars()), None));
            outline(depth + 1, &path_of(name), inner, lines, lists);
        }
    }
}

fn value_cell(name: &str, value: &Value) -> Cell {
    let cell = whole_cell(&shown(name, value));
    match value {
        Value::Number(_) => cell.set_alignment(CellAlignment::Right),
        _ => cell,
    }
}

/// A value as text without control characters; of a list of named things, the names.
fn shown(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Null => String::from("none"),
        Value::Bool(true) => String::from("yes"),
        Value::Bool(false) => String::from("no"),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(number) => shown_number(name, number),
            None => number.to_string(),
        },
        Value::Array(entries) if entries.is_empty() => String::from("none"),
        Value::Array(entries) => {
            let each = |entry: &Value| shown(name, entry.get("name").unwrap_or(entry));
            entries.iter().map(each).collect::<Vec<_>>().join(", ")
        }
        Value::Object(_) => value.to_string(),
    };
    tame(text.chars())
}

/// A number as its name says what it is: bytes, a time, a name of its own, or so many of something.
fn shown_number(name: &str, number: u64) -> String {
    const NAMES: [&str; 6] = ["key", "id", "part", "first_series", "last_series", "level"];
    let is_name = |end: &&str| name.ends_with(*end);
    if name.ends_with("bytes") {
        return size(number);
    }
    if name.ends_with("unix_ms") {
        let time = i64::try_from(number).map(Timestamp::from_millisecond);
        return match time {
            Ok(Ok(time)) => time.to_string(),
            _ => number.to_string(),
        };
    }
    match NAMES.iter().any(is_name) {
        true => number.to_string(),
        false => grouped(number),
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
        for word in ["part", "rows", "new", "0a", "0b", "5", "6", "yes"] {
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
    fn objects_are_outlines_with_their_lists_below() {
        let stats = json!({
            "cache": {"hits": 1, "deep": {"capacity_bytes": 268_435_456}},
            "rows": 26_483,
            "min_key": 26_483,
            "allowed": null,
            "since_unix_ms": 1_700_000_000_000_u64,
            "damage": [{"part": "0a", "what": "x".repeat(90)}],
            "quarantined": [],
            "te\u{1b}xt": "a\u{1b}[2J",
        });
        let expected = "rows                     26,483\n\
             min_key                  26483\n\
             allowed                  none\n\
             since_unix_ms            2023-11-14T22:13:20Z\n\
             quarantined              none\n\
             te\\u{1b}xt                a\\u{1b}[2J\n\
             cache\n\
             \u{20} hits                   1\n\
             \u{20} deep\n\
             \u{20}   capacity_bytes       256 MiB\n\
             \ndamage\n";
        let found = text(|out| table(&stats, out));
        let (outline, damage) = found.split_at(found.find("\ndamage\n").unwrap() + 8);
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            let words = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.into_iter().map(words).collect::<Vec<_>>()
        };
        assert_eq!(lines(outline), lines(expected), "{found}");
        assert!(damage.contains(&"x".repeat(90)), "{found}");
        assert_eq!(
            text(|out| super::lines(&json!({"a": 1}), out)),
            "{\"a\":1}\n"
        );
    }
}
