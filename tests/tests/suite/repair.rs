//! Repair: whatever is damaged, what is left opens, every row of it is right, and what is missing is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sidx_host::{Durability, Engine, ErrorKind};
use sidx_tests::model::{Found, Row};
use sidx_tests::subject::{Subject, error_of, keys_of, on_both_engines, part_label, read, rows_of};

/// Rows of three series, with payloads that fill several pages of a block, and tags of which one is
/// worth a membership filter.
fn rows(from: i64, count: i64) -> Vec<Row> {
    let noise = |at: i64, bytes: usize| -> Vec<u8> {
        SmallRng::seed_from_u64(at as u64)
            .random_iter::<u8>()
            .take(bytes)
            .collect()
    };
    let row = |key: i64| {
        let row = Row::new(0, key, noise(key, 60))
            .tag("peer", format!("10.0.0.{key}"))
            .tag("status", if key % 3 == 0 { 500_i64 } else { 200 });
        match key % 4 {
            0 => row.of("even"),
            1 => row.of("odd"),
            _ => row.of("other"),
        }
    };
    (from..from + count).map(row).collect()
}

const PART_ROWS: i64 = 12_000;
const LOGGED_ROWS: i64 = 50;

/// Two file parts, and rows that are only in the log; closed, with all its rows.
fn closed(subject: &mut Subject) -> Vec<Found> {
    for part in 0..2 {
        subject.write_part(&rows(part * PART_ROWS, PART_ROWS));
    }
    for at in 0..LOGGED_ROWS {
        let row = rows(2 * PART_ROWS + at, 1);
        subject.write_with(&row, Durability::Sync).unwrap();
    }
    let all = rows_of(subject.ask());
    subject.leave();
    all
}

fn parts(subject: &Subject) -> Vec<PathBuf> {
    files(&subject.path().join("parts"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Changes one byte in the middle of a file.
fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).unwrap();
}

fn repair(subject: &Subject, accept_loss: bool) -> Value {
    subject.options().repair(accept_loss).unwrap()
}

/// Whether some region of a report covers a row.
fn is_told(report: &Value, row: &Found) -> bool {
    let covers = |region: &Value| {
        let series =
            region["first_series"].as_u64().unwrap()..=region["last_series"].as_u64().unwrap();
        let keys = region["min_key"].as_i64().unwrap()..=region["max_key"].as_i64().unwrap();
        series.contains(&row.series) && keys.contains(&row.key)
    };
    report["lost"].as_array().unwrap().iter().any(covers)
}

/// After a repair: what is left is right and in order, what is missing is in the report, and queries say
/// so until the loss is accepted. Returns the number of rows that are left.
fn assert_repaired(subject: &mut Subject, all: &[Found], report: &Value) -> usize {
    subject.enter();
    let mut cursor = subject.ask().allow_partial().run().unwrap();
    let mut left = Vec::new();
    for rows in cursor.by_ref() {
        let rows = rows.unwrap();
        left.extend((0..rows.len()).map(|at| rows.row(at).unwrap().unwrap().key));
    }
    let missing = cursor.missing().unwrap();
    drop(cursor);
    let found = read(subject.ask().allow_partial().run().unwrap()).unwrap();
    let mut rest = all.iter();
    for row in &found {
        // Each row of what is left is the next of all rows, or a later one.
        assert!(
            rest.any(|other| other == row),
            "a wrong row, or out of order: {row:?}"
        );
    }
    assert_eq!(left.len(), found.len());
    let kept: BTreeSet<i64> = left.iter().copied().collect();
    for row in all.iter().filter(|row| !kept.contains(&row.key)) {
        assert!(
            is_told(report, row),
            "{row:?} is missing without a word: {report:#}"
        );
    }
    let has_loss = !report["lost"].as_array().unwrap().is_empty();
    assert!(has_loss || found.len() == all.len());
    assert_eq!(!missing.is_empty(), has_loss, "{missing:?}");
    let counted = subject.ask().allow_partial().count_partial().unwrap();
    assert_eq!(
        (counted.rows, counted.partial),
        (found.len() as u64, has_loss)
    );
    if has_loss {
        assert_eq!(error_of(subject.ask()).kind(), ErrorKind::Corrupt);
        assert_eq!(
            subject.ask().count().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
    subject.leave();
    let accepted = repair(subject, true);
    assert_eq!(accepted["ok"], true, "{accepted:#}");
    assert_eq!(accepted["lost"], serde_json::json!([]));
    subject.enter();
    assert_eq!(rows_of(subject.ask()), found);
    subject.assert_sound(found.len());
    // It goes on as an index does.
    subject.write(&rows(1_000_000, 3));
    assert_eq!(subject.ask().count().unwrap(), found.len() as u64 + 3);
    subject.flush();
    subject.reopen();
    subject.assert_sound(found.len() + 3);
    found.len()
}

#[test]
fn a_sound_index_stays_as_it_is() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        let before = (
            parts(&subject),
            files(&subject.path()),
            files(&subject.path().join("log")),
        );
        let report = repair(&subject, false);
        assert_eq!(report["ok"], true, "{report:#}");
        let after = (
            parts(&subject),
            files(&subject.path()),
            files(&subject.path().join("log")),
        );
        assert_eq!(before, after);
        subject.enter();
        assert_eq!(rows_of(subject.ask()), all);
    });
}

/// What a crash in a flush leaves lies where the repair's new part is to be.
#[test]
fn leftovers_of_a_crash_are_no_hindrance() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        let [first, last] = parts(&subject).try_into().unwrap();
        spoil(&first.join("data.bin"));
        for number in 1..9 {
            let number = u64::from_str_radix(&part_label(&last), 16).unwrap() + number;
            let left = subject.path().join(format!("parts/{number:016x}"));
            fs::create_dir(&left).unwrap();
            fs::write(left.join("data.bin"), "half").unwrap();
        }
        let report = repair(&subject, false);
        assert_repaired(&mut subject, &all, &report);
    });
}

#[test]
fn an_index_that_does_not_exist_is_not_made() {
    let mut subject = Subject::create(Engine::Native);
    subject.leave();
    let other = subject.store().index("nothing").repair(false);
    assert_eq!(other.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_open_index_is_not_repaired() {
    let subject = Subject::create(Engine::Native);
    let error = subject.options().repair(false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// Each kind of file of a part, and how many of its rows may be lost with one bad byte: none where rows
/// do not need the file, a page's or a block's share where they do.
#[test]
fn one_bad_byte_in_a_file_of_a_part_costs_what_it_must_and_no_more() {
    let part_rows = PART_ROWS as usize;
    for (file, most_lost) in [
        ("data.bin", 2_500),
        ("keys.bin", 8_192),
        ("peer.td", 8_192),
        ("status.td", 8_192),
        ("peer.tf", 0),
        ("labels.bin", part_rows),
        ("peer.tm", part_rows),
        ("primary.bin", part_rows),
        ("meta.bin", part_rows),
        ("manifest.json", part_rows),
    ] {
        for engine in [Engine::Native, Engine::Component] {
            let mut subject = Subject::create(engine);
            let all = closed(&mut subject);
            let part = parts(&subject).remove(0);
            let name = part.file_name().unwrap().to_str().unwrap().to_owned();
            let damaged = fs::read(part.join(file)).unwrap();
            spoil(&part.join(file));
            let spoiled = fs::read(part.join(file)).unwrap();
            assert_ne!(damaged, spoiled);
            let report = repair(&subject, false);
            assert_eq!(report["ok"], false, "{file}: {report:#}");
            assert_eq!(
                report["damage"][0]["what"],
                part_label(&part),
                "{file}: {report:#}"
            );
            let aside = subject.path().join("quarantine").join(&name);
            assert_eq!(fs::read(aside.join(file)).unwrap(), spoiled, "{file}");
            assert!(aside.with_extension("reason").exists(), "{file}");
            if file == "labels.bin" {
                // Rows are whole, series may have lost their labels.
                subject.enter();
                assert_eq!(rows_of(subject.ask()).len(), all.len());
                continue;
            }
            let left = assert_repaired(&mut subject, &all, &report);
            assert!(
                all.len() - left <= most_lost,
                "{file}: {} rows lost",
                all.len() - left
            );
            if !["peer.tf", "labels.bin"].contains(&file) {
                assert!(left < all.len(), "{file}: nothing was lost");
            }
        }
    }
}

#[test]
fn a_part_that_is_gone_is_told_and_the_other_serves() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        fs::remove_dir_all(&parts(&subject)[0]).unwrap();
        let report = repair(&subject, false);
        let left = assert_repaired(&mut subject, &all, &report);
        assert_eq!(left, all.len() - PART_ROWS as usize);
    });
}

fn snapshot(subject: &Subject) -> PathBuf {
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|it| it == "snapshot");
    files(&subject.path())
        .into_iter()
        .rfind(is_snapshot)
        .unwrap()
}

#[test]
fn a_damaged_or_missing_snapshot_is_made_up_without_loss() {
    for engine in [Engine::Native, Engine::Component] {
        for damage in [spoil, |path: &Path| fs::remove_file(path).unwrap()] {
            let mut subject = Subject::create(engine);
            let all = closed(&mut subject);
            damage(&snapshot(&subject));
            let report = repair(&subject, false);
            assert_eq!(report["ok"], false);
            assert_eq!(assert_repaired(&mut subject, &all, &report), all.len());
        }
    }
}

/// The log was given up before what a flush absorbed, so it does not begin at 0: element ids tell that
/// nothing is missing.
#[test]
fn a_made_up_snapshot_knows_what_the_parts_absorbed_of_the_log() {
    for engine in [Engine::Native, Engine::Component] {
        for logged in [false, true] {
            let mut subject = Subject::create(engine);
            // Enough for the log to begin a new segment with the flush.
            subject.write_part(&rows(0, 30_000));
            subject.write_part(&rows(30_000, 1));
            if logged {
                subject.write(&rows(30_001, 2));
            }
            let all = rows_of(subject.ask());
            subject.leave();
            fs::write(snapshot(&subject), b"").unwrap();
            let report = repair(&subject, false);
            assert_eq!(report["lost"], serde_json::json!([]), "{report:#}");
            assert_eq!(assert_repaired(&mut subject, &all, &report), all.len());
        }
    }
}

/// What neither the parts nor the log have is told, with a reason.
#[test]
fn rows_between_the_parts_and_the_log_are_told_with_a_made_up_snapshot() {
    on_both_engines(|mut subject| {
        subject.write_part(&rows(0, 30_000));
        subject.write_part(&rows(30_000, 10));
        subject.write(&rows(30_010, 2));
        let all = rows_of(subject.ask());
        subject.leave();
        fs::remove_dir_all(&parts(&subject)[1]).unwrap();
        // The log still has what the second flush absorbed: it was too little for a new segment.
        fs::write(snapshot(&subject), b"").unwrap();
        let report = repair(&subject, false);
        assert_eq!(report["lost"], serde_json::json!([]), "{report:#}");
        assert_eq!(assert_repaired(&mut subject, &all, &report), all.len());
    });
    on_both_engines(|mut subject| {
        subject.write_part(&rows(0, 10));
        subject.write_part(&rows(10, 30_000));
        subject.write(&rows(30_010, 2));
        let all = rows_of(subject.ask());
        subject.leave();
        fs::remove_dir_all(&parts(&subject)[1]).unwrap();
        fs::write(snapshot(&subject), b"").unwrap();
        let report = repair(&subject, false);
        assert_eq!(report["lost"][0]["rows"], 30_000, "{report:#}");
        let reason = report["lost"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("element ids 10 to 30009"), "{reason}");
        assert_eq!(assert_repaired(&mut subject, &all, &report), 12);
    });
}

/// A part whose manifest nobody can read may have been one of those that the snapshot named.
#[test]
fn a_part_that_cannot_be_read_is_told_with_a_made_up_snapshot() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        spoil(&parts(&subject)[1].join("manifest.json"));
        spoil(&snapshot(&subject));
        let report = repair(&subject, false);
        let left = assert_repaired(&mut subject, &all, &report);
        assert_eq!(left, all.len() - PART_ROWS as usize);
    });
}

/// What a crash between a merge and its clean-up leaves: a snapshot that is made up must not take both
/// the merged part and those that it was made of.
#[test]
fn a_made_up_snapshot_takes_no_row_twice() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        let kept = tempfile::tempdir().unwrap();
        for part in parts(&subject) {
            copy(&part, &kept.path().join(part.file_name().unwrap()));
        }
        subject.enter();
        subject.merge_all();
        subject.leave();
        for part in files(kept.path()) {
            copy(
                &part,
                &subject.path().join("parts").join(part.file_name().unwrap()),
            );
        }
        spoil(&snapshot(&subject));
        let report = repair(&subject, false);
        assert_eq!(assert_repaired(&mut subject, &all, &report), all.len());
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn the_settings_are_written_anew() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        spoil(&subject.path().join("index.json"));
        assert_eq!(
            subject.options().open().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        let report = repair(&subject, false);
        assert_eq!(report["damage"][0]["what"], "index.json");
        assert_eq!(assert_repaired(&mut subject, &all, &report), all.len());
    });
}

#[test]
fn damage_in_the_middle_of_the_log_costs_the_entries_that_it_hit() {
    on_both_engines(|mut subject| {
        let all = closed(&mut subject);
        let log = files(&subject.path().join("log")).pop().unwrap();
        spoil(&log);
        let spoiled = fs::read(&log).unwrap();
        assert_eq!(
            subject.options().open().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(
            subject.options().read_only().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        let report = repair(&subject, false);
        assert_eq!(report["damage"][0]["what"], "log", "{report:#}");
        let aside = subject.path().join("quarantine");
        let kept = files(&aside)
            .into_iter()
            .any(|path| fs::read(path).unwrap() == spoiled);
        assert!(kept, "the damaged file is gone");
        let left = assert_repaired(&mut subject, &all, &report);
        assert_eq!(left, all.len() - 1);
    });
}

/// Any byte, bytes or file damaged anywhere: the index opens after a repair, no row is wrong, none is
/// missing without a word.
#[test]
fn random_damage_never_makes_a_wrong_row() {
    for seed in 0..40_u64 {
        let mut random = SmallRng::seed_from_u64(seed);
        let engine = match seed % 8 {
            0 => Engine::Component,
            _ => Engine::Native,
        };
        let mut subject = Subject::create(engine);
        let count = random.random_range(10..3_000);
        subject.write_part(&rows(0, count));
        subject.write_part(&rows(count, 500));
        for at in 0..10 {
            let row = rows(count + 500 + at, 1);
            subject.write_with(&row, Durability::Sync).unwrap();
        }
        let all = rows_of(subject.ask());
        subject.leave();
        let mut damaged: Vec<PathBuf> = parts(&subject)
            .iter()
            .flat_map(|part| files(part))
            .collect();
        damaged.push(snapshot(&subject));
        damaged.push(subject.path().join("index.json"));
        for _ in 0..random.random_range(1..4) {
            let path = &damaged[random.random_range(0..damaged.len())];
            let Ok(mut bytes) = fs::read(path) else {
                continue;
            };
            match random.random_range(0..10) {
                0 => fs::remove_file(path).unwrap(),
                1 => fs::write(path, &bytes[..random.random_range(0..bytes.len())]).unwrap(),
                _ => {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] ^= 1 << random.random_range(0..8);
                    fs::write(path, bytes).unwrap();
                }
            }
        }
        let report = repair(&subject, false);
        subject.enter();
        let found = read(subject.ask().allow_partial().run().unwrap()).unwrap();
        let strip = |row: &Found| (row.series, row.key, row.payload.clone(), row.tags.clone());
        let mut rest = all.iter().map(strip);
        for row in &found {
            let row = strip(row);
            assert!(
                rest.any(|other| other == row),
                "seed {seed}: wrong row {row:?}"
            );
        }
        let kept: BTreeSet<i64> = found.iter().map(|row| row.key).collect();
        for row in all.iter().filter(|row| !kept.contains(&row.key)) {
            assert!(
                is_told(&report, row),
                "seed {seed}: {row:?} is missing: {report:#}"
            );
        }
        subject.leave();
        let again = repair(&subject, true);
        assert_eq!(again["ok"], true, "seed {seed}: {again:#}");
        subject.enter();
        subject.assert_sound(found.len());
    }
}

/// Pinned is pinned: what is damaged waits with its move until nobody reads it.
#[test]
fn a_reader_keeps_what_it_pinned_over_a_repair_that_accepts_the_loss() {
    on_both_engines(|mut subject| {
        closed(&mut subject);
        let reader = subject.options().read_only().unwrap();
        let part = parts(&subject).remove(0);
        spoil(&part.join("data.bin"));
        let report = repair(&subject, false);
        assert_eq!(report["ok"], false, "{report:#}");
        let report = repair(&subject, true);
        assert_ne!(report["accepted"], serde_json::json!([]), "{report:#}");
        // It has opened no file of it so far.
        assert!(part.exists());
        let keys = keys_of(reader.query().payload(false));
        assert_eq!(keys.len() as i64, 2 * PART_ROWS + LOGGED_ROWS);
        drop(reader);
        subject.enter();
        subject.index().collect_garbage().unwrap();
        assert!(!part.exists());
        let aside = subject.path().join("quarantine");
        assert!(aside.join(part.file_name().unwrap()).exists());
        subject.leave();
    });
}
