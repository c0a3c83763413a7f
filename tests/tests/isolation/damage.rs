//! Damage that is only said to be there, or done wrong by: it can keep parts from being merged, and no more.

use sidx_host::storage::Storage;

use super::subject::{Subject, call, failure};

/// Changes a byte of the payloads of the oldest part.
fn spoil(storage: &dyn Storage) -> String {
    let part = storage.list("parts").unwrap().remove(0);
    let path = format!("parts/{part}/data.bin");
    let file = storage.open(&path).unwrap();
    let mut bytes = vec![0; file.size() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    drop(file);
    storage.remove(&path).unwrap();
    let mut file = storage.create(&path).unwrap();
    file.append(&bytes).unwrap();
    file.finish().unwrap();
    part
}

/// An index with two file parts of which the older is damaged.
fn damaged() -> Subject {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    subject.close();
    spoil(subject.storage());
    subject.open();
    subject
}

#[test]
fn damage_that_is_not_there_costs_the_merge() {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    let error = failure(&mut subject, "merge", "says-corrupt");
    assert!(error.message().contains("nothing is as it was"), "{error}");
    // The parts were looked at, and nothing is wrong with them.
    assert!(subject.index().damaged().is_empty());
    subject.assert_serves();
    subject.assert_serves_when_reopened();
}

#[test]
fn surveys_that_are_nonsense_cost_the_instance() {
    for deed in [
        "trap",
        "other-parts",
        "repeated-parts",
        "no-reasons",
        "long-reasons",
        "most-parts",
    ] {
        let mut subject = Subject::new();
        subject.index().flush().unwrap();
        let error = failure(&mut subject, "survey", deed);
        assert!(error.message().len() < 20_000, "{deed}");
        assert!(subject.index().damaged().is_empty(), "{deed}");
        subject.assert_serves();
    }
}

#[test]
fn parts_that_are_said_to_be_damaged_are_left_alone_and_nothing_else() {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    subject.demand("survey", "sound-parts");
    subject.index().scrub().unwrap();
    subject.relent();
    assert_eq!(subject.index().damaged().len(), 2);
    subject.assert_reads();
    assert_eq!(subject.index().merge_all().unwrap().left_out, 2);
    subject.assert_reads();
    // Who looks again finds nothing, and forgets it.
    assert!(subject.index().salvage().unwrap().parts.is_empty());
    assert!(subject.index().damaged().is_empty());
    subject.assert_serves();
}

/// What an opening says is told, and parts of it that are there are left alone.
#[test]
fn files_that_an_opening_says_are_damaged_cost_nothing_else() {
    for (deed, known) in [("says-damaged", 1), ("says-all-damaged", 0)] {
        let mut subject = Subject::new();
        subject.index().flush().unwrap();
        subject.close();
        subject.demand("open", deed);
        subject.open();
        subject.relent();
        assert_eq!(subject.index().damaged().len(), known, "{deed}");
        let told = format!("{:?}", subject.index().damaged());
        assert!(told.len() < 10_000, "{deed}");
        subject.assert_reads();
        subject.index().merge_all().unwrap();
        subject.assert_reads();
        subject.index().salvage().unwrap();
        assert!(subject.index().damaged().is_empty(), "{deed}");
        subject.assert_serves();
    }
}

#[test]
fn a_salvage_that_is_done_wrong_costs_the_salvage() {
    for deed in [
        "trap",
        "other-part",
        "untold-loss",
        "loss-elsewhere",
        "unknown-loss",
        "last-loss",
        "other-job",
        "other-inputs",
        "other-output",
        "more-rows",
        "last-numbers",
    ] {
        let mut subject = damaged();
        let error = failure(&mut subject, "salvage", deed);
        assert!(!error.message().contains("reopen"), "{deed}: {error}");
        assert_eq!(subject.index().damaged().len(), 1, "{deed}");
        let left = subject.index().query().keys(10..).count().unwrap();
        assert_eq!(left, 10, "{deed}");
        let report = subject.index().salvage().unwrap();
        assert_eq!(report.parts.len(), 1, "{deed}");
        assert_eq!(subject.index().merge_all().unwrap().left_out, 0);
    }
}

#[test]
fn a_salvage_that_is_planned_or_introduced_wrong_changes_nothing() {
    for (export, deed) in [
        ("plan-salvage", "unknown-inputs"),
        ("plan-salvage", "no-inputs"),
        ("plan-salvage", "repeated-inputs"),
        ("plan-salvage", "taken-output"),
        ("plan-salvage", "unknown-job"),
        ("plan-salvage", "trap"),
        ("introduce-salvaged", "trap"),
        ("introduce-salvaged", "old-view"),
        ("introduce-salvaged", "garbage-view"),
        ("avoid", "trap"),
    ] {
        let mut subject = damaged();
        failure(&mut subject, export, deed);
        let left = subject.index().query().keys(10..).count().unwrap();
        assert_eq!(left, 10, "{export} {deed}");
        subject.close();
        subject.open();
        let left = subject.index().query().keys(10..).count().unwrap();
        assert_eq!(left, 10, "{export} {deed}");
        subject.index().salvage().unwrap();
        subject.index().merge_all().unwrap();
    }
}

#[test]
fn files_that_are_no_files_of_parts_are_not_read() {
    for deed in ["outside", "the-log", "most-files", "trap"] {
        let mut subject = Subject::new();
        failure(&mut subject, "part-files", deed);
        subject.assert_serves();
    }
    // A size that is not that of the file is damage, and no reason to read so much.
    let mut subject = Subject::new();
    subject.demand("part-files", "last-size");
    subject.index().scrub().unwrap();
    subject.relent();
    assert_eq!(subject.index().damaged().len(), 1);
    assert!(subject.index().scrub().unwrap().damaged.is_empty());
    subject.assert_serves();
}

#[test]
fn parts_that_are_said_not_to_open_are_looked_at() {
    let mut subject = Subject::new();
    for deed in ["unknown-parts", "many-parts"] {
        let busy: Vec<_> = (0..8)
            .map(|_| subject.index().query().rows_per_batch(1).run().unwrap())
            .collect();
        subject.demand("attach", deed);
        let _ = call(&mut subject, "attach");
        subject.relent();
        drop(busy);
        assert!(subject.index().damaged().is_empty(), "{deed}");
        subject.assert_serves();
    }
}
