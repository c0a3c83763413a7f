//! Reopening a store that was damaged: it opens, parts without a manifest are set aside, others stay where a
//! repair can save their rows, all is reported, and queries say `corrupt` rather than give fewer rows.

use std::fs;
use std::path::PathBuf;

use sidx_host::{ErrorKind, Index};
use sidx_tests::model::{Found, Row};
use sidx_tests::subject::{
    Subject, error_of, keys_of, on_both_engines, part_folder, part_label, read, rows_of,
};

/// An index with two parts of three rows each, closed.
fn two_parts(index: &mut Subject) -> [PathBuf; 2] {
    for first in [0, 3] {
        let row = |key: i64| {
            Row::new(1, key, format!("payload {key}"))
                .tag("name", "a")
                .tag("code", key)
                .of("one")
        };
        index.write_part(&(first..first + 3).map(row).collect::<Vec<_>>());
    }
    let parts = index.parts("file");
    index.leave();
    [0, 1].map(|at| part_folder(&index.path(), parts[at]["part"].as_str().unwrap()))
}

fn name(part: &std::path::Path) -> String {
    part.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Checks that a part of which nothing is known was isolated and that everybody who asks is told.
fn assert_set_aside(index: &Subject, part: &std::path::Path) {
    let aside = index.path().join("quarantine");
    let reason = aside.join(format!("{}.reason", name(part)));
    let name = part_label(part);
    assert!(!part.exists(), "{name} is still among the parts");
    assert!(!fs::read_to_string(reason).unwrap().trim().is_empty());
    let report = index.index().verify().unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["damage"][0]["part"], name);
    assert_eq!(
        index.index().stats().unwrap()["quarantined"][0]["part"],
        name
    );
    let elsewhere = index.ask().keys(100..);
    for query in [index.ask(), index.ask().limit(1), elsewhere] {
        let error = error_of(query.clone());
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains(&name), "{error}");
        assert_eq!(query.count().unwrap_err().kind(), ErrorKind::Corrupt);
    }
    // What is left can still be saved.
    assert_eq!(index.dump().len(), 3);
}

/// Takes the manifest of the first part, and checks that it is set aside now and after another opening.
fn without_manifest(damage: impl Fn(&std::path::Path)) {
    on_both_engines(|mut index| {
        let [part, other] = two_parts(&mut index);
        damage(&part);
        index.enter();
        assert_set_aside(&index, &part);
        assert!(other.exists());
        index.reopen();
        assert_set_aside(&index, &part);
    });
}

/// Damages a file of the first part, and checks that openings of all kinds leave the part where it is, that
/// everybody is told, that what does not need the file goes on, and that a repair saves every row unless they
/// are in the file.
fn without_file(file: &str, holds_rows: bool, damage: impl Fn(&std::path::Path)) {
    on_both_engines(|mut index| {
        let [part, _] = two_parts(&mut index);
        damage(&part.join(file));
        for round in [9, 10] {
            index.enter();
            let known = index.index().damaged();
            assert_eq!(known.len(), 1, "{known:?}");
            assert_eq!(
                (&known[0].part, &known[0].files[..]),
                (&part_label(&part), &[file.to_owned()][..])
            );
            match index.ask().run().and_then(read) {
                Ok(rows) => assert!(!holds_rows && rows.len() > 5),
                Err(error) => assert!(holds_rows && error.kind() == ErrorKind::Corrupt, "{error}"),
            }
            assert_eq!(keys_of(index.ask().keys(3..9)), [3, 4, 5]);
            index.write(&[Row::new(1, round, "later")]);
            index.index().flush().unwrap();
            let merged = index.index().merge_all().unwrap();
            assert_eq!(merged.left_out, 1, "{merged:?}");
            index.leave();
        }
        assert!(part.exists() && !index.path().join("quarantine").exists());
        let reader = index.options().read_only().unwrap();
        assert_eq!(reader.damaged().len(), 1);
        assert_eq!(reader.verify().unwrap()["ok"], false);
        drop(reader);
        let report = index.options().repair(false).unwrap();
        let saved = if holds_rows { 0 } else { 3 };
        assert_eq!(report["saved_rows"], saved, "{report}");
        index.enter();
        assert!(index.index().damaged().is_empty());
        match holds_rows {
            false => assert_eq!(keys_of(index.ask()), [0, 1, 2, 3, 4, 5, 9, 10]),
            true => assert_eq!(error_of(index.ask()).kind(), ErrorKind::Corrupt),
        }
    });
}

#[test]
fn junk_beside_the_parts_is_left_alone() {
    on_both_engines(|mut index| {
        let [part, _] = two_parts(&mut index);
        let parts = part.parent().unwrap();
        fs::create_dir(parts.join("junk directory")).unwrap();
        fs::write(parts.join("junk directory").join("notes"), "mine").unwrap();
        fs::write(parts.join("junk.file"), "mine").unwrap();
        fs::write(index.path().join("README"), "mine").unwrap();
        index.enter();
        assert_eq!(keys_of(index.ask()), [0, 1, 2, 3, 4, 5]);
        index.assert_sound(6);
        index.merge_all();
        index.reopen();
        assert_eq!(fs::read_to_string(parts.join("junk.file")).unwrap(), "mine");
        assert!(parts.join("junk directory").join("notes").exists());
        assert!(index.path().join("README").exists());
    });
}

#[test]
fn a_part_that_no_snapshot_names_is_removed() {
    on_both_engines(|mut index| {
        let [part, _] = two_parts(&mut index);
        let orphan = part.with_file_name("00000000000fffff");
        fs::create_dir(&orphan).unwrap();
        for file in fs::read_dir(&part).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, orphan.join(file.file_name().unwrap())).unwrap();
        }
        index.enter();
        assert_eq!(keys_of(index.ask()), [0, 1, 2, 3, 4, 5]);
        assert!(!orphan.exists());
        index.assert_sound(6);
    });
}

#[test]
fn a_part_without_its_manifest() {
    without_manifest(|part| fs::remove_file(part.join("manifest.json")).unwrap());
}

#[test]
fn a_part_with_a_truncated_manifest() {
    without_manifest(|part| {
        let path = part.join("manifest.json");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_part_with_a_truncated_data_file() {
    without_file("data.bin", true, |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    });
}

#[test]
fn a_part_with_a_missing_tag_file() {
    without_file("code.td", true, |path| fs::remove_file(path).unwrap());
}

#[test]
fn a_part_with_a_missing_filter_file() {
    without_file("name.tf", false, |path| fs::remove_file(path).unwrap());
}

#[test]
fn a_part_with_a_label_file_that_is_longer() {
    without_file("labels.bin", false, |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.push(0);
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_part_that_is_gone() {
    without_manifest(|part| fs::remove_dir_all(part).unwrap());
}

#[test]
fn a_part_that_is_a_file() {
    without_manifest(|part| {
        fs::remove_dir_all(part).unwrap();
        fs::write(part, "not a directory").unwrap();
    });
}

#[test]
fn a_reader_reports_damage_and_moves_nothing() {
    on_both_engines(|mut index| {
        let [part, _] = two_parts(&mut index);
        fs::remove_file(part.join("manifest.json")).unwrap();
        let reader = index.options().read_only().unwrap();
        assert_eq!(error_of(reader.query()).kind(), ErrorKind::Corrupt);
        assert_eq!(reader.verify().unwrap()["ok"], false);
        assert!(part.exists() && !index.path().join("quarantine").exists());
        drop(reader);
        index.enter();
        assert_set_aside(&index, &part);
    });
}

/// The rows that an index gives, if it gives any: they must be all and the right ones.
fn rows_or_corrupt(index: &Index, expected: &[Found], what: &str) -> bool {
    match index.query().run().and_then(read) {
        Ok(rows) => {
            assert_eq!(rows, expected, "{what}");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
            true
        }
    }
}

/// One byte at a time, all over every file of a part: nothing may panic, no row may change, and the full
/// check must notice.
#[test]
fn a_flipped_byte_anywhere_in_a_part_is_noticed() {
    on_both_engines(|mut index| {
        let [part, _] = two_parts(&mut index);
        index.enter();
        let expected = rows_of(index.ask());
        index.leave();
        let mut missed = Vec::new();
        for file in fs::read_dir(&part).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            // Every byte of a header, where each has a meaning of its own, then every fifth.
            for at in (0..bytes.len()).filter(|at| *at < 16 || at % 5 == 0) {
                let what = format!("byte {at} of {}", name(&path));
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x10;
                fs::write(&path, &flipped).unwrap();
                let reader = index.options().read_only().unwrap();
                let failed = rows_or_corrupt(&reader, &expected, &what);
                match reader.verify() {
                    Ok(report) if report["ok"] == false => {}
                    Ok(_) if !failed && is_space(bytes[at]) => {}
                    Ok(_) => missed.push(what),
                    Err(error) => missed.push(format!("{what}: verify failed: {error}")),
                }
            }
            fs::write(&path, &bytes).unwrap();
        }
        assert!(
            missed.is_empty(),
            "not in the report:\n{}",
            missed.join("\n")
        );
        index.enter();
        assert_eq!(rows_of(index.ask()), expected);
        index.assert_sound(6);
    });
}

/// The line end behind a JSON document carries no meaning.
fn is_space(byte: u8) -> bool {
    byte == b'\n'
}

#[test]
fn a_damaged_snapshot_or_settings_file_is_an_error_and_not_an_empty_index() {
    on_both_engines(|mut index| {
        two_parts(&mut index);
        let files = fs::read_dir(index.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let extensions = ["snapshot", "json"];
        let matters = |path: &PathBuf| {
            path.extension()
                .is_some_and(|e| extensions.iter().any(|x| e == *x))
        };
        for path in files.filter(matters).collect::<Vec<_>>() {
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            // One flipped bit.
            let newer = text.replace("\"format_version\":1", "\"format_version\":3");
            for damage in [&bytes[..bytes.len() / 2], &b""[..], newer.as_bytes()] {
                fs::write(&path, damage).unwrap();
                let error = index.options().open().unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Corrupt,
                    "{}: {error}",
                    path.display()
                );
                let file = name(&path);
                assert!(error.message().contains(&file), "no {file} in: {error}");
            }
            fs::write(&path, bytes).unwrap();
        }
        index.enter();
        assert_eq!(keys_of(index.ask()), [0, 1, 2, 3, 4, 5]);
    });
}

/// A write that was cut by a crash was never acknowledged.
#[test]
fn half_an_entry_at_the_end_of_the_log_is_ignored() {
    on_both_engines(|mut index| {
        index.write(&[Row::new(1, 1, "acknowledged")]);
        index.leave();
        let log = index.path().join("log");
        for torn in [&[0u8; 3][..], &[0xff; 5], &[9, 0, 0, 0, 1, 2, 3, 4, 5]] {
            // Each opening begins one, and leaves the torn end of the one before where it is.
            let segments = fs::read_dir(&log)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let segment = segments.max().unwrap();
            let whole = fs::read(&segment).unwrap();
            fs::write(&segment, [&whole, torn].concat()).unwrap();
            let reader = index.options().read_only().unwrap();
            let report = reader.verify().unwrap();
            assert_eq!(
                (&report["ok"], &report["log_torn_bytes"]),
                (&true.into(), &torn.len().into())
            );
            drop(reader);
            index.enter();
            assert!(
                index
                    .index()
                    .verify()
                    .unwrap()
                    .get("log_torn_bytes")
                    .is_none()
            );
            assert_eq!(keys_of(index.ask()), [1]);
            index.assert_sound(1);
            index.leave();
        }
        index.enter();
        index.write(&[Row::new(1, 2, "next")]);
        index.reopen();
        assert_eq!(keys_of(index.ask()), [1, 2]);
    });
}
