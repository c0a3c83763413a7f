//! Pages of a part share a dictionary, and lists of where values occur narrow a query down: to the same
//! rows as without.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::{OwnedValue, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, explain_of, keys_of, on_both_engines, rows_of};

/// Rows with a key of their own, and tags whose values repeat: a rare one, an optional one and an array.
fn rows(seed: u64, first: i64, count: i64) -> Vec<Row> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (first..first + count)
        .map(|key| {
            let peer = format!("10.0.{}.{}", key % 3, rng.random_range(0..4_000));
            // Five rows of each key, some of them in one series.
            let row = Row::new(1 + key as u64 % 3, key / 5, format!("p{key}")).tag("peer", peer);
            let codes: Vec<OwnedValue> = (0..key % 3)
                .map(|_| OwnedValue::String(format!("c{}", rng.random_range(0..900))))
                .collect();
            let row = row.tag(
                "codes",
                OwnedValue::Array(sidx_columns::ValueType::String, codes),
            );
            match key % 5 {
                0 => row,
                other => row.tag("zone", format!("zone-{other}")),
            }
        })
        .collect()
}

fn text(row: &Row, name: &str) -> Option<String> {
    match row.tags.get(name) {
        Some(OwnedValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn keys_with(rows: &[Row], test: impl Fn(&Row) -> bool) -> Vec<i64> {
    let mut keys: Vec<i64> = rows
        .iter()
        .filter(|row| test(row))
        .map(|row| row.key)
        .collect();
    keys.sort_unstable();
    keys
}

/// Three parts of 10,000 rows, each with dictionaries in its pages or of its own, then merged.
fn with_shared(subject: &Subject) -> Vec<Row> {
    let mut all = Vec::new();
    for part in 0..3 {
        let rows = rows(part, part as i64 * 10_000, 10_000);
        subject.write_part(&rows);
        all.extend(rows);
    }
    let before = rows_of(subject.ask());
    subject.merge_all();
    assert_eq!(rows_of(subject.ask()), before);
    subject.assert_sound(before.len());
    all
}

/// What the newest part says of the dictionary of a tag.
fn dictionary(subject: &Subject, tag: &str) -> serde_json::Value {
    let parts = subject.parts("file");
    let tags = parts.last().unwrap()["tags"].as_array().unwrap();
    let tag = tags.iter().find(|entry| entry["name"] == tag).unwrap();
    tag["columns"][0]["dictionary"].clone()
}

#[test]
fn every_kind_of_test_finds_the_rows_of_a_naive_search() {
    on_both_engines(|subject| {
        let rows = with_shared(&subject);
        assert!(dictionary(&subject, "peer")["postings"].is_array());
        assert!(dictionary(&subject, "codes")["entries"].as_u64().unwrap() <= 900);
        let peer = |row: &Row| text(row, "peer").unwrap();
        let one = peer(&rows[12_345]);
        let other = peer(&rows[29_999]);
        let is = |row: &Row, value: &str| peer(row) == value;
        let found = |filter: &str| keys_of(subject.ask().filter(filter.to_owned()));
        assert_eq!(
            found(&format!("peer = \"{one}\"")),
            keys_with(&rows, |row| is(row, &one))
        );
        assert_eq!(
            found(&format!("peer in (\"{one}\", \"{other}\", \"nobody\")")),
            keys_with(&rows, |row| is(row, &one) || is(row, &other))
        );
        assert_eq!(
            found(&format!(
                "peer = \"{one}\" or zone = \"zone-3\" and peer = \"{other}\""
            )),
            keys_with(&rows, |row| is(row, &one)
                || is(row, &other)
                    && text(row, "zone").as_deref() == Some("zone-3"))
        );
        assert_eq!(
            found(&format!("not (peer = \"{one}\")")),
            keys_with(&rows, |row| !is(row, &one))
        );
        assert_eq!(
            found("peer starts with \"10.0.1.39\""),
            keys_with(&rows, |row| peer(row).starts_with("10.0.1.39"))
        );
        assert_eq!(
            found("peer ~ \"2[.]7.$\""),
            keys_with(&rows, |row| {
                let peer = peer(row);
                peer.len() == 9 && peer.starts_with("10.0.2.7")
            })
        );
        assert_eq!(
            found(&format!("peer > \"{one}\" and peer < \"{other}\"")),
            keys_with(&rows, |row| peer(row) > one && peer(row) < other)
        );
        assert_eq!(
            found("zone != \"zone-1\""),
            keys_with(&rows, |row| text(row, "zone")
                .is_some_and(|zone| zone != "zone-1"))
        );
        let has = |row: &Row, code: &str| match row.tags.get("codes") {
            Some(OwnedValue::Array(_, codes)) => {
                codes.contains(&OwnedValue::String(code.to_owned()))
            }
            _ => false,
        };
        assert_eq!(
            found("codes contains any (\"c17\", \"c18\")"),
            keys_with(&rows, |row| has(row, "c17") || has(row, "c18"))
        );
        assert!(found("peer = \"nobody\"").is_empty());
    });
}

#[test]
fn orders_and_limits_hold_where_postings_cut_runs_to_pieces() {
    on_both_engines(|subject| {
        let rows = with_shared(&subject);
        let (one, other) = (text(&rows[12_345], "peer"), text(&rows[29_999], "peer"));
        let (one, other) = (one.unwrap(), other.unwrap());
        for filter in [
            format!("peer in (\"{one}\", \"{other}\")"),
            "peer starts with \"10.0.1.3\"".to_owned(),
        ] {
            let ask = || subject.ask().filter(filter.clone());
            let up = rows_of(ask());
            let mut down = rows_of(ask().descending());
            down.reverse();
            assert_eq!(up, down);
            for limit in [1, 3, 50] {
                let first: Vec<_> = up.iter().take(limit).cloned().collect();
                assert_eq!(rows_of(ask().limit(limit as u64)), first);
            }
            let keys: Vec<i64> = keys_of(ask().keys(1_000..3_000));
            let expected = up.iter().map(|row| row.key);
            assert!(
                keys.into_iter()
                    .eq(expected.filter(|key| (1_000..3_000).contains(key)))
            );
        }
    });
}

#[test]
fn a_rare_value_costs_the_slices_that_it_is_in() {
    on_both_engines(|subject| {
        let rows = with_shared(&subject);
        let one = text(&rows[12_345], "peer").unwrap();
        let filter = format!("peer = \"{one}\"");
        let expected = keys_with(&rows, |row| text(row, "peer").as_deref() == Some(&one));
        let explain = explain_of(subject.ask().filter(filter.clone()));
        let considered = explain["rows"]["considered"].as_u64().unwrap();
        assert!(considered <= expected.len() as u64 * 1_024, "{explain:#}");
        let explain = explain_of(subject.ask().filter("peer = \"nobody\""));
        assert_eq!(explain["blocks"]["opened"], 0, "{explain:#}");
        assert_eq!(
            subject.ask().filter(filter).count().unwrap(),
            expected.len() as u64
        );
    });
}

/// Entries that no row refers to any more stay without harm.
#[test]
fn retention_leaves_values_with_their_rows() {
    on_both_engines(|subject| {
        let rows = with_shared(&subject);
        let rule = Retention {
            drop_where: Some("zone = \"zone-2\"".to_owned()),
            drop_below: None,
        };
        subject.index().retain(rule).unwrap();
        let kept: Vec<Row> = rows
            .into_iter()
            .filter(|row| text(row, "zone").as_deref() != Some("zone-2"))
            .collect();
        assert_eq!(keys_of(subject.ask()), keys_with(&kept, |_| true));
        subject.assert_sound(kept.len());
        let peers: BTreeSet<String> = kept.iter().filter_map(|row| text(row, "peer")).collect();
        for peer in peers.iter().step_by(997) {
            assert_eq!(
                keys_of(subject.ask().filter(format!("peer = \"{peer}\""))),
                keys_with(&kept, |row| text(row, "peer").as_ref() == Some(peer))
            );
        }
        assert!(keys_of(subject.ask().filter("zone = \"zone-2\"")).is_empty());
    });
}

fn files(subject: &Subject, ending: &str) -> Vec<PathBuf> {
    let parts = fs::read_dir(subject.path().join("parts")).unwrap();
    parts
        .flat_map(|part| fs::read_dir(part.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// Postings only spare work: what is wrong in them is found by `verify`, and no row is missed.
#[test]
fn damaged_postings_cost_no_rows() {
    on_both_engines(|mut subject| {
        let rows = with_shared(&subject);
        let one = text(&rows[777], "peer").unwrap();
        let expected = keys_with(&rows, |row| text(row, "peer").as_deref() == Some(&one));
        subject.leave();
        for file in files(&subject, "peer.tf") {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(&file, bytes).unwrap();
        }
        subject.enter();
        assert_eq!(
            keys_of(subject.ask().filter(format!("peer = \"{one}\""))),
            expected
        );
        assert_eq!(subject.index().verify().unwrap()["ok"], false);
    });
}
