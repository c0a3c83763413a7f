//! An index whose log was cut, lost or changed: who verifies, reads, writes and repairs it agree, and what
//! was promised is there or its absence is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sidx_host::{Durability, Engine, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, keys_of, on_both_engines};

fn row(key: i64) -> Row {
    Row::new(1, key, format!("row {key}")).tag("code", key)
}

fn segments(subject: &Subject) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(subject.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn cut(path: &Path, bytes: usize) {
    let mut content = fs::read(path).unwrap();
    content.truncate(bytes);
    fs::write(path, content).unwrap();
}

/// Whether a check finds nothing wrong; that it cannot even begin is something wrong.
fn is_verified(subject: &Subject) -> bool {
    let reader = match subject.options().read_only() {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            return false;
        }
    };
    reader.verify().unwrap()["ok"] == true
}

/// A log whose head is cut after its rows went into a part: they are all there, whatever is done next.
#[test]
fn the_head_of_an_absorbed_log_may_be_cut_at_any_byte() {
    for (engine, step) in [(Engine::Native, 1), (Engine::Component, 8)] {
        for bytes in (0..32).step_by(step) {
            let mut subject = Subject::create(engine);
            subject.write_with(&[row(1)], Durability::Sync).unwrap();
            subject.flush();
            subject.leave();
            cut(&segments(&subject)[0], bytes);
            assert!(is_verified(&subject), "cut to {bytes} bytes");
            for key in 2..4 {
                subject.enter();
                subject.write_with(&[row(key)], Durability::Sync).unwrap();
                subject.leave();
                assert!(is_verified(&subject), "cut to {bytes} bytes, row {key}");
                let report = subject.options().repair(false).unwrap();
                assert_eq!(report["ok"], true, "{report:#}");
            }
            subject.enter();
            assert_eq!(keys_of(subject.ask()), [1, 2, 3], "cut to {bytes} bytes");
        }
    }
}

/// What an older version left behind when it went on after such a cut.
#[test]
fn a_cut_segment_before_one_that_follows_nothing_is_no_damage() {
    on_both_engines(|mut subject| {
        subject.write_part(&[row(1)]);
        subject.write(&[row(2)]);
        subject.leave();
        let [absorbed] = segments(&subject).try_into().unwrap();
        // The log goes on in a segment that follows nothing, as after a power loss.
        cut(&absorbed, 0);
        subject.enter();
        subject.write_with(&[row(3)], Durability::Sync).unwrap();
        subject.leave();
        fs::write(&absorbed, b"").unwrap();
        assert!(is_verified(&subject));
        subject.enter();
        assert_eq!(keys_of(subject.ask()), [1, 3]);
    });
}

/// Any cut, any wrong byte, and the file gone, of a log with absorbed and needed entries.
#[test]
fn everybody_agrees_on_every_state_of_the_log() {
    for (engine, step) in [(Engine::Native, 3), (Engine::Component, 60)] {
        let mut subject = Subject::create(engine);
        subject.write_part(&[row(1), row(2)]);
        for key in 3..6 {
            subject.write_with(&[row(key)], Durability::Sync).unwrap();
        }
        subject.leave();
        let [path] = segments(&subject).try_into().unwrap();
        let image = tree(&subject.path());
        let bytes = fs::read(&path).unwrap();
        let changes = (0..bytes.len()).step_by(step).flat_map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            [Some(bytes[..at].to_vec()), Some(flipped)]
        });
        for (number, change) in changes.chain([None]).enumerate() {
            for repairs in [false, true] {
                restore(&subject.path(), &image);
                match &change {
                    Some(bytes) => fs::write(&path, bytes).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                judge(&mut subject, repairs, number);
            }
        }
    }
}

fn judge(subject: &mut Subject, repairs: bool, number: usize) {
    let all: BTreeSet<i64> = (1..6).collect();
    let verified = is_verified(subject);
    let read = subject.options().read_only().map(|it| keys_of(it.query()));
    assert_eq!(verified, read.is_ok(), "change {number}: {read:?}");
    let mut kept: BTreeSet<i64> = match &read {
        Ok(keys) => keys.iter().copied().collect(),
        Err(_) => BTreeSet::from([1, 2]),
    };
    assert!(kept.is_subset(&all) && kept.contains(&2), "{kept:?}");
    if repairs {
        let report = subject.options().repair(false).unwrap();
        assert_eq!(report["ok"], verified, "change {number}: {report:#}");
        for lost in report["lost"].as_array().unwrap() {
            assert_ne!(lost["reason"], "", "{report:#}");
        }
        subject.options().repair(true).unwrap();
    } else if !verified {
        let error = subject.options().open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "change {number}: {error}");
        return;
    }
    subject.enter();
    let opened: BTreeSet<i64> = keys_of(subject.ask()).into_iter().collect();
    if verified {
        assert_eq!(opened, kept, "change {number}");
    }
    assert!(opened.is_superset(&kept), "change {number}: {opened:?}");
    kept = opened;
    subject.write_with(&[row(9)], Durability::Sync).unwrap();
    kept.insert(9);
    subject.reopen();
    let after: BTreeSet<i64> = keys_of(subject.ask()).into_iter().collect();
    assert_eq!(after, kept, "change {number}");
    subject.leave();
    assert!(is_verified(subject), "change {number}");
}

/// All files of an index by their paths.
fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    sidx_tests::subject::tree(path)
        .into_iter()
        .map(|(path, bytes)| (PathBuf::from(path), bytes))
        .collect()
}

fn restore(path: &Path, image: &[(PathBuf, Vec<u8>)]) {
    fs::remove_dir_all(path).unwrap();
    for (file, bytes) in image {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

/// Opening takes the memory that its writer took, not one part in memory for each entry that was ever
/// written.
#[test]
fn replaying_many_small_batches_keeps_no_more_than_writing_them() {
    for (engine, batches) in [(Engine::Native, 20_000), (Engine::Component, 4_000)] {
        let mut subject = Subject::create(engine);
        for key in 0..batches {
            subject.write(&[row(key)]);
        }
        let used = |index: &sidx_host::Index| index.health().memory.used_bytes;
        let written = used(subject.index());
        let all = keys_of(subject.ask());
        subject.leave();
        let reader = subject.options().read_only().unwrap();
        let read = used(&reader);
        assert!(
            read <= 2 * written,
            "{read} bytes, the writer took {written}"
        );
        assert_eq!(keys_of(reader.query()), all);
        drop(reader);
        subject.enter();
        let opened = used(subject.index());
        assert!(
            opened <= 2 * written,
            "{opened} bytes, the writer took {written}"
        );
        assert_eq!(keys_of(subject.ask()), all);
        assert!(subject.parts("memory").len() <= 64);
    }
}
