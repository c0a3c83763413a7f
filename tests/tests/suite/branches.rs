//! Branches: a second index that begins as another one is, and shares its parts.

use std::fs;

use sidx_host::{Durability, Engine, ErrorKind, Index, IndexBuilder, Retention, Staleness, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch, keys_of, on_all_forms, on_both_engines, tree};

const BRANCH: &str = "branch";

fn rows(keys: std::ops::Range<i64>) -> Vec<Row> {
    let row = |key| Row::new(key as u64 % 3, key, format!("payload {key}")).tag("n", key % 5);
    keys.map(row).collect()
}

/// How an index beside the subject is opened, with the same engine.
fn options(subject: &Subject, name: &str) -> IndexBuilder {
    { subject.store().index(name) }
        .engine(subject.engine())
        .staleness(Staleness::Opened)
        .manual()
}

fn open(subject: &Subject, name: &str) -> Index {
    options(subject, name).open().unwrap()
}

fn make(subject: &Subject, source: &str, name: &str) {
    options(subject, source).branch(name).unwrap();
}

fn write(index: &Index, keys: std::ops::Range<i64>) {
    index.write(batch(&rows(keys)).unwrap()).unwrap();
}

fn write_part(index: &Index, keys: std::ops::Range<i64>) {
    write(index, keys);
    index.flush().unwrap();
}

/// It has these rows and no others, in sound files.
#[track_caller]
fn check(index: &Index, keys: std::ops::Range<i64>) {
    let mut found = keys_of(index.query());
    found.sort_unstable();
    assert_eq!(found, Vec::from_iter(keys.clone()));
    let report = index.verify().unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["rows"], keys.count());
}

/// The same for one that nobody has open, and again after a writer had it open.
#[track_caller]
fn check_closed(subject: &Subject, name: &str, keys: std::ops::Range<i64>) {
    check(&options(subject, name).read_only().unwrap(), keys.clone());
    drop(open(subject, name));
    check(&options(subject, name).read_only().unwrap(), keys);
}

/// Two parts, and rows in the log.
fn fill(subject: &Subject) {
    subject.write_part(&rows(0..10));
    subject.write_part(&rows(10..20));
    subject.write(&rows(20..25));
}

/// Pins of branches in the place of a name that no index was dropped of.
fn pins(subject: &Subject, name: &str) -> usize {
    let files = tree(&subject.path().parent().unwrap().join(name));
    let files = files.iter();
    files.filter(|(path, _)| path.ends_with(".branch")).count()
}

#[test]
fn a_branch_begins_as_the_index_is_and_both_go_on_by_themselves() {
    on_all_forms(|mut subject| {
        fill(&subject);
        let report = options(&subject, NAME).branch(BRANCH).unwrap();
        assert_eq!((report.shared_files, report.log_entries), (2, 1));
        let branch = open(&subject, BRANCH);
        check(&branch, 0..25);
        check(subject.index(), 0..25);
        write_part(&branch, 25..40);
        subject.write_part(&rows(25..30));
        check(&branch, 0..40);
        check(subject.index(), 0..30);
        subject.merge_all();
        branch.merge_all().unwrap();
        check(&branch, 0..40);
        check(subject.index(), 0..30);
        drop(branch);
        subject.leave();
        check_closed(&subject, BRANCH, 0..40);
        check_closed(&subject, NAME, 0..30);
        let names = subject.store().index_names().unwrap();
        assert_eq!(names, [BRANCH, NAME]);
    });
}

/// Parts that the index merges or drops stay for the branch, in this process and the next, and what the
/// branch merges takes nothing from the index.
#[test]
fn what_one_merges_or_drops_stays_for_the_other() {
    on_all_forms(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        subject.merge_all();
        let rule = Retention {
            drop_below: Some(100),
            ..Retention::default()
        };
        subject.index().retain(rule).unwrap();
        check(subject.index(), 0..0);
        subject.reopen();
        check_closed(&subject, BRANCH, 0..25);
        let branch = open(&subject, BRANCH);
        branch.merge_all().unwrap();
        check(&branch, 0..25);
        write(subject.index(), 0..3);
        drop(branch);
        subject.reopen();
        check(subject.index(), 0..3);
        check_closed(&subject, BRANCH, 0..25);
    });
}

#[test]
fn an_index_with_branches_is_not_dropped_and_goes_on() {
    on_all_forms(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        make(&subject, NAME, "other");
        subject.leave();
        let error = options(&subject, NAME).remove().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.message().contains("branch, other"), "{error}");
        check_closed(&subject, NAME, 0..25);
        // Another branch can be made of it.
        make(&subject, NAME, "third");
        for name in ["third", "other"] {
            options(&subject, name).remove().unwrap();
        }
        check_closed(&subject, BRANCH, 0..25);
        let error = options(&subject, NAME).remove().unwrap_err();
        assert!(error.message().contains("drop branch first"), "{error}");
        options(&subject, BRANCH).remove().unwrap();
        options(&subject, NAME).remove().unwrap();
        assert!(subject.store().index_names().unwrap().is_empty());
    });
}

/// When a branch needs nothing of the index any more, that is free of it, and its files go.
#[test]
fn a_branch_that_has_merged_everything_lets_the_index_go() {
    on_both_engines(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let branch = open(&subject, BRANCH);
        branch.flush().unwrap();
        assert_eq!(pins(&subject, NAME), 1);
        // Somebody reads it meanwhile.
        let reader = options(&subject, BRANCH).read_only().unwrap();
        branch.merge_all().unwrap();
        subject.merge_all();
        subject.reopen();
        assert_eq!(pins(&subject, NAME), 1);
        check(&reader, 0..25);
        drop(reader);
        write_part(&branch, 25..30);
        assert_eq!(pins(&subject, NAME), 0);
        write_part(subject.index(), 25..26);
        subject.leave();
        options(&subject, NAME).remove().unwrap();
        check(&branch, 0..30);
        drop(branch);
        check_closed(&subject, BRANCH, 0..30);
    });
}

#[test]
fn a_branch_of_a_branch_shares_with_both() {
    on_all_forms(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let branch = open(&subject, BRANCH);
        write_part(&branch, 25..40);
        write(&branch, 40..41);
        make(&subject, BRANCH, "leaf");
        // The one between needs nothing of the first any more.
        branch.merge_all().unwrap();
        write_part(&branch, 100..101);
        drop(branch);
        subject.merge_all();
        subject.leave();
        drop(open(&subject, NAME));
        check_closed(&subject, "leaf", 0..41);
        let leaf = open(&subject, "leaf");
        write_part(&leaf, 41..50);
        check(&leaf, 0..50);
        for name in [NAME, BRANCH] {
            let error = options(&subject, name).remove().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        leaf.merge_all().unwrap();
        drop(leaf);
        drop(open(&subject, "leaf"));
        options(&subject, BRANCH).remove().unwrap();
        options(&subject, NAME).remove().unwrap();
        check_closed(&subject, "leaf", 0..50);
    });
}

#[test]
fn names_are_used_again_on_both_sides() {
    on_all_forms(|mut subject| {
        for round in 0..3 {
            fill(&subject);
            make(&subject, NAME, BRANCH);
            make(&subject, BRANCH, "other");
            let error = options(&subject, NAME).branch(BRANCH).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            check_closed(&subject, "other", 0..25);
            subject.leave();
            for name in ["other", BRANCH, NAME] {
                options(&subject, name).remove().unwrap();
            }
            let error = options(&subject, NAME).branch(BRANCH).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "round {round}: {error}");
            drop(subject.options().create().unwrap());
            subject.enter();
        }
        assert_eq!(subject.store().index_names().unwrap(), [NAME]);
    });
}

#[test]
fn a_copy_of_a_branch_is_whole_by_itself() {
    on_all_forms(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let branch = open(&subject, BRANCH);
        write_part(&branch, 25..30);
        let target = Store::memory();
        let report = branch.backup(&target, "copy").unwrap();
        assert_eq!(report.missing_files, 0);
        branch.backup(subject.store(), "beside").unwrap();
        branch.copy_to(&target, "compared").unwrap();
        drop(branch);
        subject.leave();
        options(&subject, BRANCH).remove().unwrap();
        options(&subject, NAME).remove().unwrap();
        check_closed(&subject, "beside", 0..30);
        for name in ["copy", "compared"] {
            let copy = target.index(name).engine(subject.engine()).manual();
            check(&copy.open().unwrap(), 0..30);
        }
        // Nothing stands in the way of that one.
        options(&subject, "beside").remove().unwrap();
    });
}

/// What a branch pins are parts: it has a log of its own.
#[test]
fn a_branch_keeps_nothing_of_the_log() {
    let subject = Subject::create_in_bucket(Engine::Native);
    fill(&subject);
    make(&subject, NAME, BRANCH);
    (25..40).for_each(|key| write_part(subject.index(), key..key + 1));
    let place = subject.store().backend().open_index(NAME, false).unwrap();
    let log = place.list("log").unwrap();
    assert!(log.len() < 5, "{log:?}");
    check_closed(&subject, BRANCH, 0..25);
}

#[test]
fn an_empty_index_has_branches_that_share_nothing() {
    on_all_forms(|mut subject| {
        make(&subject, NAME, BRANCH);
        subject.write(&rows(0..5));
        make(&subject, NAME, "other");
        check_closed(&subject, BRANCH, 0..0);
        check_closed(&subject, "other", 0..5);
        subject.leave();
        options(&subject, NAME).remove().unwrap();
        check_closed(&subject, "other", 0..5);
    });
}

/// What is not acknowledged as being anywhere but in memory is not in a branch; all else is.
#[test]
fn rows_of_every_durability_but_none_are_in_it() {
    on_both_engines(|subject| {
        let durabilities = [Durability::Os, Durability::Sync, Durability::None];
        for (at, durability) in (0..).zip(durabilities) {
            let rows = rows(at * 10..at * 10 + 10);
            subject.write_with(&rows, durability).unwrap();
        }
        make(&subject, NAME, BRANCH);
        check_closed(&subject, BRANCH, 0..20);
        check(subject.index(), 0..30);
    });
}

/// A damaged part that is shared is set aside by each for itself, where it lies.
#[test]
fn damage_of_a_shared_part_is_repaired_by_each_for_itself() {
    on_both_engines(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        make(&subject, NAME, "other");
        subject.leave();
        let folder = subject.path();
        let files = tree(&folder);
        let damaged = files.iter().find(|(path, _)| path.ends_with("/keys.bin"));
        let path = folder.join(&damaged.unwrap().0);
        let path = match path.exists() {
            true => path,
            false => damaged.unwrap().0.clone().into(),
        };
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        for name in [BRANCH, NAME, "other"] {
            let report = options(&subject, name).repair(false).unwrap();
            assert_eq!(report["ok"], false, "{report:#}");
            assert_eq!(report["lost"][0]["rows"], 10, "{report:#}");
            let report = options(&subject, name).repair(true).unwrap();
            assert_eq!(report["accepted"][0]["rows"], 10, "{report:#}");
            assert!(path.exists(), "{name} moved it");
            let index = open(&subject, name);
            assert_eq!(index.query().count().unwrap(), 15);
            assert!(path.exists(), "{name} moved it");
        }
        for name in [BRANCH, "other", NAME] {
            options(&subject, name).remove().unwrap();
        }
    });
}

/// Without a snapshot a branch is made up from its own parts, from what it shares, and from the log.
#[test]
fn a_branch_that_lost_its_snapshot_is_made_up_with_what_it_shares() {
    on_both_engines(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let branch = open(&subject, BRANCH);
        write_part(&branch, 25..30);
        write(&branch, 30..33);
        subject.merge_all();
        subject.reopen();
        subject.leave();
        drop(branch);
        let root = subject.path().parent().unwrap().join(BRANCH);
        for merged in [false, true] {
            if merged {
                open(&subject, BRANCH).merge_all().unwrap();
            }
            let mut removed = 0;
            for (path, _) in tree(&root) {
                let path = match root.join(&path).exists() {
                    true => root.join(&path),
                    false => path.into(),
                };
                if path.extension().is_some_and(|it| it == "snapshot") {
                    fs::remove_file(path).unwrap();
                    removed += 1;
                }
            }
            assert!(removed > 0);
            let report = options(&subject, BRANCH).repair(false).unwrap();
            assert_eq!(report["ok"], false, "{report:#}");
            assert_eq!(report["lost"].as_array().unwrap().len(), 0, "{report:#}");
            check_closed(&subject, BRANCH, 0..33);
        }
        check_closed(&subject, NAME, 0..25);
    });
}

/// What says where the parts of a branch lie is made up from the pins that it has there.
#[test]
fn a_branch_that_lost_its_object_finds_its_parts_again() {
    on_both_engines(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let branch = open(&subject, BRANCH);
        write_part(&branch, 25..30);
        make(&subject, BRANCH, "leaf");
        drop(branch);
        subject.leave();
        for name in [BRANCH, "leaf"] {
            let root = subject.path().parent().unwrap().join(name);
            let below = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
            let objects = below.map(|place| place.join("branch.json"));
            let object = objects.into_iter().find(|path| path.exists()).unwrap();
            let whole = fs::read(&object).unwrap();
            for damaged in [None, Some(&whole[..whole.len() / 2])] {
                match damaged {
                    None => fs::remove_file(&object).unwrap(),
                    Some(bytes) => fs::write(&object, bytes).unwrap(),
                }
                for error in [
                    options(&subject, name).open().unwrap_err(),
                    options(&subject, name).read_only().unwrap_err(),
                ] {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert!(error.message().contains("branch.json"), "{error}");
                }
                let report = options(&subject, name).repair(false).unwrap();
                assert_eq!(report["damage"][0]["what"], "branch.json", "{report:#}");
                assert_eq!(report["damage"].as_array().unwrap().len(), 1, "{report:#}");
                assert_eq!(fs::read(&object).unwrap(), whole);
                check_closed(&subject, name, 0..30);
            }
        }
    });
}

/// A reader of the branch has pinned nothing in the index, and needs nothing there but the pin of the branch.
#[test]
fn a_reader_of_a_branch_keeps_what_that_shares() {
    on_all_forms(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        let reader = options(&subject, BRANCH).read_only().unwrap();
        subject.merge_all();
        subject.reopen();
        let branch = open(&subject, BRANCH);
        branch.merge_all().unwrap();
        write_part(&branch, 25..26);
        subject.reopen();
        check(&reader, 0..25);
        check(&branch, 0..26);
    });
}

/// Whoever died over a branch leaves pins; they keep nobody from dropping the index.
#[test]
fn pins_of_a_branch_that_never_came_to_be_keep_nobody_from_a_drop() {
    on_both_engines(|mut subject| {
        fill(&subject);
        make(&subject, NAME, BRANCH);
        subject.leave();
        // As if it had died before its first snapshot.
        let pin = fs::read_dir(subject.path()).unwrap();
        let pin = pin.map(|entry| entry.unwrap().path());
        let mut found = pin.filter(|path| path.extension().is_some_and(|it| it == "branch"));
        let pin = found.next().unwrap();
        options(&subject, BRANCH).remove().unwrap();
        assert!(!pin.exists());
        let name = pin.file_name().unwrap().to_str().unwrap();
        let digit = usize::from(name.contains("%2F00000001-0"));
        let at = name.find("%2F00000001-").unwrap() + 12;
        let other = format!("{}{digit}{}", &name[..at], &name[at + 1..]);
        fs::write(subject.path().join(&other), "x").unwrap();
        options(&subject, NAME).collect_garbage().unwrap();
        assert_eq!(pins(&subject, NAME), 0);
        fs::write(subject.path().join(other), "x").unwrap();
        options(&subject, NAME).remove().unwrap();
        assert!(subject.store().index_names().unwrap().is_empty());
    });
}

/// Rows that died before are dead in the branch, and each lets rows die for itself.
#[test]
fn dead_rows_are_shared_and_rows_die_for_one_only() {
    let store: fn() -> Subject = || Subject::create_with_latest(Engine::Native);
    let mut subject = store();
    let row = |key, payload: &str| Row::new(1, key, payload).tag("n", "a tag of some length");
    subject.write_part(&[row(1, "a"), row(2, "b"), row(3, "c")]);
    subject.write_part(&[row(4, "a")]);
    let latest = |name: &str| sidx_tests::subject::latest(options(&subject, name));
    latest(NAME).branch(BRANCH).unwrap();
    let branch = latest(BRANCH).open().unwrap();
    let keys = |index: &Index| {
        let mut keys = keys_of(index.query());
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(&branch), [2, 3, 4]);
    branch.write(batch(&[row(5, "b")]).unwrap()).unwrap();
    branch.flush().unwrap();
    assert_eq!(keys(&branch), [3, 4, 5]);
    assert_eq!(keys(subject.index()), [2, 3, 4]);
    subject.write_part(&[row(6, "c")]);
    subject.merge_all();
    assert_eq!(keys(subject.index()), [2, 4, 6]);
    drop(branch);
    let branch = latest(BRANCH).open().unwrap();
    assert_eq!(keys(&branch), [3, 4, 5]);
    let report = branch.verify().unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    branch.merge_all().unwrap();
    assert_eq!(keys(&branch), [3, 4, 5]);
    subject.leave();
}
