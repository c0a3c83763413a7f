//! Stores written by released versions of the format are read as they were meant.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use regex::Regex;
use sidx_columns::{ColumnType, OwnedValue};
use sidx_host::{Durability, Engine, Index, IndexBuilder, Row, Store};
use sidx_tests::model::{self, Query};
use sidx_tests::subject::{ask, batch, latest, read};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}

/// A row as `rows.txt` writes it.
fn line(row: &Row) -> String {
    let series = match &row.label {
        Some(label) => label.to_string(),
        None => row.series.to_string(),
    };
    let payload: String = row
        .payload
        .iter()
        .flatten()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
    let mut tags: Vec<String> = row
        .tags
        .iter()
        .map(|(name, value)| format!("{name}:{}={value}", value.kind()))
        .collect();
    tags.sort();
    format!("{series} {} {payload} {}", row.key, tags.join(" "))
}

fn lines(index: &Index) -> Vec<String> {
    let mut lines: Vec<String> = index
        .query()
        .run()
        .unwrap()
        .into_rows()
        .map(|row| line(&row.unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn version_1_holds_what_was_put_in_before_and_after_it_is_rewritten() {
    let text = fs::read_to_string(format!("{GOLDEN}/rows.txt")).unwrap();
    let mut expected: Vec<&str> = text.lines().collect();
    expected.sort_unstable();
    assert_eq!(expected.len(), 320);
    for engine in [Engine::Component, Engine::Native] {
        let directory = tempfile::tempdir().unwrap();
        copy(Path::new(&format!("{GOLDEN}/store")), directory.path());
        let store = Store::open(directory.path().to_str().unwrap()).unwrap();
        let golden = || store.index("golden").engine(engine);

        let index = golden().read_only().unwrap();
        assert_eq!(lines(&index), expected);
        drop(index);

        let index = golden().open().unwrap();
        assert_eq!(index.verify().unwrap()["ok"], true);
        index.flush().unwrap();
        index.merge_all().unwrap();
        assert_eq!(index.parts().unwrap().as_array().unwrap().len(), 1);
        assert_eq!(lines(&index), expected);
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}

// ---- writing them ----

/// A row as a line of `rows.txt` says.
fn parsed(line: &str, tag: &Regex) -> model::Row {
    let mut fields = line.splitn(4, ' ');
    let mut field = || fields.next().unwrap();
    let (series, key, payload, tags) = (field(), field(), field(), field());
    let row = match series.parse() {
        Ok(id) => model::Row::new(id, key.parse().unwrap(), unhexed(payload)),
        Err(_) => model::Row::new(0, key.parse().unwrap(), unhexed(payload)).of(series),
    };
    let starts: Vec<usize> = tag.find_iter(tags).map(|found| found.start()).collect();
    let ends = starts.iter().skip(1).copied().chain([tags.len()]);
    let texts = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| tags[*start..end].trim_start());
    texts.fold(row, |row, text| {
        let (name, rest) = text.split_once(':').unwrap();
        let (kind, value) = rest.split_once('=').unwrap();
        row.tag(name, typed(kind, value))
    })
}

fn unhexed(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn typed(kind: &str, text: &str) -> OwnedValue {
    if let Some(kind) = kind.strip_suffix("[]") {
        let text = text.strip_prefix('[').unwrap().strip_suffix(']').unwrap();
        let elements = text.split(", ").filter(|_| !text.is_empty());
        let elements = elements.map(|element| typed(kind, element)).collect();
        return OwnedValue::Array(kind.parse::<ColumnType>().unwrap().value, elements);
    }
    match kind {
        "int" => OwnedValue::Int(text.parse().unwrap()),
        "float" => OwnedValue::Float(text.parse().unwrap()),
        "bool" => OwnedValue::Bool(text.parse().unwrap()),
        "string" => OwnedValue::String(text.to_owned()),
        "bytes" => OwnedValue::Bytes(unhexed(text)),
        "timestamp" => OwnedValue::Timestamp(text.parse().unwrap()),
        _ => panic!("no type {kind}"),
    }
}

/// Batches of an index of which of rows with equal payloads the latest lives: those that are flushed, and one
/// that is only in the log.
fn replacing() -> [Vec<model::Row>; 3] {
    let row = |key: i64| {
        model::Row::new(key as u64 % 5, key, format!("payload {}", key % 60)).tag("n", key % 3)
    };
    [0..60, 100..130, 200..220].map(|keys| keys.map(row).collect())
}

/// Makes the stores of this version of the format again: only before it is released.
#[test]
#[ignore = "the stores are made once"]
fn write_golden_stores() {
    let text = fs::read_to_string(format!("{GOLDEN}/rows.txt")).unwrap();
    let tag = Regex::new(r"(?:^| )[A-Za-z]+:[a-z]+(?:\[\])?=").unwrap();
    let rows: Vec<model::Row> = text.lines().map(|line| parsed(line, &tag)).collect();
    let path = format!("{GOLDEN}/store");
    fs::remove_dir_all(&path).unwrap();
    let store = Store::open(&path).unwrap();
    let write = |options: IndexBuilder, rows: &[model::Row], flush: bool| {
        let index = options.background(false).create().unwrap();
        for rows in rows.chunks(100) {
            let written = index.write_with(batch(rows).unwrap(), Durability::Sync);
            written.unwrap();
        }
        if flush {
            index.flush().unwrap();
        }
    };
    let golden = |one_file| store.index("golden").one_file_parts(one_file);
    write(golden(false), &rows[..100], true);
    write(golden(true), &rows[100..200], true);
    write(golden(false), &rows[200..], false);
    for (rows, is_last) in replacing().iter().zip([false, false, true]) {
        write(latest(store.index("latest")), rows, !is_last);
    }
    for lock in ["golden", "latest"]
        .map(|name| ["lock", "~swap.lock"].map(|lock| format!("{path}/{name}/{lock}")))
    {
        lock.iter().for_each(|lock| fs::remove_file(lock).unwrap());
    }
}

#[test]
fn version_1_has_rows_that_died_and_forgets_them_when_it_is_rewritten() {
    let mut wanted = model::Model::default();
    let rows = replacing().concat();
    for (at, row) in rows.iter().enumerate() {
        let is_latest = rows[at + 1..]
            .iter()
            .all(|later| later.payload != row.payload);
        if is_latest {
            wanted.write(std::slice::from_ref(row));
        }
    }
    let wanted = wanted.query(&Query::default());
    assert_eq!(wanted.len(), 60);
    for engine in [Engine::Component, Engine::Native] {
        let directory = tempfile::tempdir().unwrap();
        copy(Path::new(&format!("{GOLDEN}/store")), directory.path());
        let store = Store::open(directory.path().to_str().unwrap()).unwrap();
        let index = latest(store.index("latest").engine(engine)).open().unwrap();
        let all = || read(ask(&index, &Query::default()).run().unwrap()).unwrap();
        assert_eq!(all(), wanted);
        assert_eq!(index.stats().unwrap()["counters"]["latest"], 50);
        assert_eq!(index.verify().unwrap()["ok"], true);
        index.flush().unwrap();
        index.merge_all().unwrap();
        assert_eq!(all(), wanted);
        assert_eq!(index.stats().unwrap()["rows"], 60);
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}
