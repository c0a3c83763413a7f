//! Queries over an index that lost rows: what is not touched is served, the rest only to those who ask
//! for what is left.

use std::fs;
use std::path::PathBuf;

use sidx_host::{Engine, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, keys_of, on_both_engines};

fn row(series: u64, key: i64) -> Row {
    Row::new(series, key, format!("payload {key}")).tag("code", key)
}

/// Parts with keys 0..100 and series 1, and 200..300 and series 2; of the first nothing can be read any more.
fn with_lost_part(subject: &mut Subject) {
    subject.write_part(&(0..100).map(|key| row(1, key)).collect::<Vec<_>>());
    subject.write_part(&(200..300).map(|key| row(2, key)).collect::<Vec<_>>());
    let first = part_files(subject, "data.bin").remove(0);
    subject.leave();
    fs::remove_file(first).unwrap();
    subject.options().repair(false).unwrap();
    subject.enter();
}

fn part_files(subject: &Subject, name: &str) -> Vec<PathBuf> {
    let parts = fs::read_dir(subject.path().join("parts")).unwrap();
    let mut files: Vec<PathBuf> = parts.map(|part| part.unwrap().path().join(name)).collect();
    files.sort();
    files
}

#[test]
fn queries_that_do_not_touch_what_was_lost_are_whole() {
    on_both_engines(|mut subject| {
        with_lost_part(&mut subject);
        let last: Vec<i64> = (200..300).collect();
        assert_eq!(keys_of(subject.ask().keys(100..)), last);
        assert_eq!(keys_of(subject.ask().series_id(2)), last);
        assert_eq!(subject.ask().keys(100..).count().unwrap(), 100);
        assert_eq!(keys_of(subject.ask().series_ids([])), [] as [i64; 0]);
        for touching in [
            subject.ask(),
            subject.ask().keys(..=0),
            subject.ask().keys(99..=99).series_id(1),
            subject.ask().descending().limit(1),
        ] {
            let error = error_of(touching.clone());
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("keys 0 to 99"), "{error}");
            assert_eq!(touching.count().unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // What is known of the loss comes back with the next opening.
        subject.reopen();
        assert_eq!(keys_of(subject.ask().keys(100..)), last);
        assert_eq!(error_of(subject.ask()).kind(), ErrorKind::Corrupt);
        // Writes go on, and so do flushes and merges of what is left.
        subject.write_part(&[row(1, 50)]);
        subject.merge_all();
        assert_eq!(keys_of(subject.ask().allow_partial().keys(..200)), [50]);
        assert_eq!(
            error_of(subject.ask().keys(..200)).kind(),
            ErrorKind::Corrupt
        );
    });
}

#[test]
fn a_partial_result_says_so() {
    on_both_engines(|mut subject| {
        with_lost_part(&mut subject);
        let mut cursor = subject.ask().allow_partial().run().unwrap();
        let rows: usize = cursor.by_ref().map(|rows| rows.unwrap().len()).sum();
        assert_eq!(rows, 100);
        let missing = cursor.missing().unwrap();
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(
            missing[0].contains("series 1 with keys 0 to 99"),
            "{missing:?}"
        );
        let counted = subject.ask().allow_partial().count_partial().unwrap();
        assert_eq!((counted.rows, counted.partial), (100, true));
        // Where nothing is lost, a result that may be partial is whole.
        let mut cursor = subject.ask().allow_partial().keys(150..).run().unwrap();
        assert_eq!(
            cursor
                .by_ref()
                .map(|rows| rows.unwrap().len())
                .sum::<usize>(),
            100
        );
        assert!(cursor.missing().unwrap().is_empty());
        let counted = subject
            .ask()
            .allow_partial()
            .keys(150..)
            .count_partial()
            .unwrap();
        assert_eq!((counted.rows, counted.partial), (100, false));
    });
}

/// Of the rows that pass, those of the second part are there, in any order, and the others are told.
fn assert_partial(subject: &Subject, filter: &str, file: &str) {
    let asked = || subject.ask().filter(filter);
    assert_eq!(error_of(asked()).kind(), ErrorKind::Corrupt, "{file}");
    let expected: Vec<i64> = match filter.contains("75") {
        true => (50..150).filter(|key| *key != 75).collect(),
        false => (50..150).collect(),
    };
    for query in [asked(), asked().descending(), asked().any_order()] {
        let mut cursor = query.allow_partial().run().unwrap();
        let rows = cursor.by_ref().map(|rows| rows.unwrap().keys().to_vec());
        let mut keys: Vec<i64> = rows.flatten().collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "{file}, {filter}");
        let missing = cursor.missing().unwrap();
        assert_eq!(missing.len(), 1, "{file}, {filter}: {missing:?}");
    }
    let counted = asked().allow_partial().count_partial().unwrap();
    let expected = (expected.len() as u64, true);
    assert_eq!(
        (counted.rows, counted.partial),
        expected,
        "{file}, {filter}"
    );
}

/// Damage that nobody knows of yet, in each file that a query reads while it runs.
#[test]
fn damage_met_on_the_way_costs_the_rows_that_it_hit() {
    for file in [
        "data.bin",
        "keys.bin",
        "code.td",
        "code.tm",
        "primary.bin",
        "meta.bin",
    ] {
        for engine in [Engine::Native, Engine::Component] {
            let mut subject = Subject::create(engine);
            subject.write_part(&(0..100).map(|key| row(1, key)).collect::<Vec<_>>());
            subject.write_part(&(50..150).map(|key| row(2, key)).collect::<Vec<_>>());
            subject.leave();
            let path = part_files(&subject, file).remove(0);
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 0xff;
            fs::write(&path, bytes).unwrap();
            subject.enter();
            // One that limits decide, and one for which rows must be looked at.
            for filter in ["code >= 0", "not code in (-1, 75)"] {
                assert_partial(&subject, filter, file);
            }
            let asked = || subject.ask().filter("code >= 0");
            // What the manifests rule out of the damaged part is whole.
            assert_eq!(keys_of(asked().keys(100..)).len(), 50, "{file}");
        }
    }
}

#[test]
fn a_label_that_cannot_be_read_is_left_out_of_a_partial_result() {
    on_both_engines(|mut subject| {
        subject.write_part(&[row(1, 1).of("first"), row(1, 2).of("both")]);
        subject.write_part(&[row(1, 3).of("both"), row(1, 4).of("second")]);
        subject.leave();
        let path = part_files(&subject, "labels.bin").remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        subject.enter();
        let rows = || subject.ask().run().unwrap().into_rows();
        let error = rows().find_map(Result::err).expect("a label is needed");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let mut cursor = subject.ask().allow_partial().run().unwrap();
        let labels: Vec<_> = cursor
            .rows()
            .map(|row| row.unwrap().label.map(|label| label.to_string()))
            .collect();
        let missing = cursor.missing().unwrap();
        assert!(
            matches!(&missing[..], [one] if one.contains("labels.bin")),
            "{missing:?}"
        );
        let text = |label: &str| Some(label.to_owned());
        assert_eq!(labels, [None, text("both"), text("both"), text("second")]);
    });
}
