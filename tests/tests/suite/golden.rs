//! Stores written by released versions of the format are read as they were meant.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sidx_host::{Engine, Index, Row, Store};

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
