//! `sidx copy`: a line for each index, nothing twice, and where damage ends it.

use super::{Place, row, sidx, sidx_with};
use serde_json::Value;
use std::fs;

/// Loads rows with these keys into an index of a place.
fn load(place: &Place, index: &str, keys: std::ops::Range<i64>) {
    let rows: String = keys.map(row).collect();
    let arguments = [
        "ingest",
        &place.store,
        "-",
        "--index",
        index,
        "--format",
        "ndjson",
    ];
    sidx_with(&arguments, rows.as_bytes()).expect(0);
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// A byte of a file of an index is turned over.
fn spoil(place: &Place, index: &str) {
    let parts = fs::read_dir(format!("{}/{index}/parts", place.store)).expect("parts");
    let part = parts
        .map(|entry| entry.expect("an entry").path())
        .next()
        .expect("a part");
    let path = part.join("data.bin");
    let mut bytes = fs::read(&path).expect("a file");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_store_is_copied_index_by_index_and_no_index_twice() {
    let (place, other) = (Place::new(), Place::new());
    load(&place, "b", 0..500);
    load(&place, "a", 0..300);
    let run = sidx(&["copy", &place.store, &other.store]).expect(0);
    let told = lines(&run.out);
    let names: Vec<_> = told
        .iter()
        .map(|line| line["index"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["a", "b"]);
    for line in &told {
        assert_eq!(
            (&line["command"], &line["already_there"]),
            (&"copy".into(), &false.into())
        );
        assert!(
            line["files"].as_u64() > Some(0) && line["copied_bytes"].as_u64() > Some(0),
            "{line}"
        );
    }
    let ask = |store: &str, index: &str| {
        sidx(&["query", store, "--index", index, "--count"])
            .expect(0)
            .out
    };
    assert_eq!(ask(&other.store, "b"), ask(&place.store, "b"));
    sidx(&["verify", &other.store, "--index", "a"]).expect(0);
    // What was written since is not brought by another one.
    load(&place, "a", 300..310);
    load(&place, "c", 0..10);
    let run = sidx(&["copy", &place.store, &other.store]).expect(0);
    let told: Vec<_> = lines(&run.out)
        .into_iter()
        .map(|line| line["already_there"].clone())
        .collect();
    assert_eq!(told, [true, true, false]);
    sidx(&["drop", &other.store, "--index", "a", "--yes"]).expect(0);
    let run = sidx(&["copy", &place.store, &other.store, "--index", "a"]).expect(0);
    assert_eq!(run.last()["already_there"], false);
    assert_eq!(ask(&other.store, "a"), ask(&place.store, "a"));
    let renamed = [
        "copy",
        &place.store,
        &place.store,
        "--index",
        "a",
        "--to",
        "a2",
    ];
    assert_eq!(sidx(&renamed).expect(0).last()["to"], "a2");
    assert_eq!(ask(&place.store, "a2"), ask(&place.store, "a"));
}

#[test]
fn a_copy_stops_at_damage_and_goes_on_behind_it() {
    let (place, other) = (Place::new(), Place::new());
    for index in ["a", "b", "c"] {
        load(&place, index, 0..500);
    }
    spoil(&place, "b");
    let run = sidx(&["copy", &place.store, &other.store]).expect(5);
    assert_eq!(lines(&run.out).len(), 1);
    for part in ["data.bin", "sidx repair", "CRC32C"] {
        assert!(run.err.contains(part), "{}", run.err);
    }
    let listed = sidx(&["indexes", &other.store]).expect(0);
    assert_eq!(lines(&listed.out).len(), 1);
    sidx(&["repair", &place.store, "--index", "b", "--accept-loss"]).expect(0);
    let run = sidx(&["copy", &place.store, &other.store]).expect(0);
    let told: Vec<_> = lines(&run.out)
        .into_iter()
        .map(|line| line["already_there"].clone())
        .collect();
    assert_eq!(told, [true, false, false]);
}

#[test]
fn what_cannot_be_copied_is_told() {
    let (place, other) = (Place::new(), Place::new());
    sidx(&["copy", &place.store, &other.store]).expect(3);
    load(&place, "a", 0..10);
    sidx(&["copy", &place.store, "ftp://x/y"]).expect(2);
    sidx(&["copy", &place.store, "memory:"]).expect(2);
    sidx(&["copy", &place.store, &other.store, "--to", "x"]).expect(2);
    let run = sidx(&["copy", &place.store, &other.store, "--index", "z"]).expect(3);
    assert!(run.err.contains("indexes there: a"), "{}", run.err);
    assert!(
        !fs::exists(&other.store).expect("looked"),
        "nothing was made"
    );
    // In its own store it is there already, and no copy.
    let run = sidx(&["copy", &place.store, &place.store]).expect(4);
    assert!(run.err.contains("already"), "{}", run.err);
    load(&other, "a", 5..6);
    sidx(&["copy", &place.store, &other.store, "--index", "a"]).expect(4);
}
