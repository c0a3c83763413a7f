//! Flushes, merges and writes that are done wrong.
//!
//! What an instance of the pool does wrong in a merge is noticed by the one that writes, and costs the
//! merge. What the one that writes does wrong ends all changes until the index is reopened, because it is
//! not known what it did; reads go on.

use sidx_host::{ErrorKind, Retention};

use super::subject::{Subject, failure};

#[test]
fn a_merge_that_is_done_wrong_costs_the_merge() {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    for deed in [
        "trap",
        "recurse",
        "allocate",
        "other-job",
        "other-inputs",
        "other-output",
        "more-rows",
        "lost-rows",
        "dropped-rows",
        "last-numbers",
    ] {
        let error = failure(&mut subject, "merge", deed);
        assert!(!error.message().contains("reopen"), "{deed}: {error}");
        subject.assert_reads();
    }
    subject.write_ten().unwrap();
    subject.demand("merge", "last-bytes");
    subject.index().flush().unwrap();
    subject.assert_serves();
    subject.assert_serves_when_reopened();
}

#[test]
fn a_plan_that_is_nonsense_changes_nothing() {
    for deed in [
        "unknown-inputs",
        "no-inputs",
        "repeated-inputs",
        "many-inputs",
        "taken-output",
        "last-output",
        "unknown-job",
        "much-space",
    ] {
        for export in ["plan-flush", "plan-merge"] {
            let mut subject = Subject::new();
            if export == "plan-merge" {
                subject.index().flush().unwrap();
            }
            let error = failure(&mut subject, export, deed);
            assert!(error.message().len() < 20_000, "{export} {deed}");
            subject.assert_reads();
            subject.assert_serves_when_reopened();
        }
    }
}

/// Rows of the subject's parts, whatever they hold, that go.
fn rule(filter: &str) -> Retention {
    Retention {
        drop_where: Some(filter.to_owned()),
        drop_below: None,
    }
}

#[test]
fn a_retention_that_is_judged_wrong_drops_nothing() {
    for deed in [
        "trap",
        "recurse",
        "allocate",
        "more-dropped",
        "most-dropped",
        "all-dropped",
        "more-rows",
        "last-rows",
        "no-parts",
        "unknown-parts",
        "repeated-parts",
        "many-parts",
        "repeated-steps",
        "most-steps",
    ] {
        let mut subject = Subject::new();
        let error = failure(&mut subject, "judge-retention", deed);
        assert!(error.message().len() < 20_000, "{deed}");
        assert!(!error.message().contains("reopen"), "{deed}: {error}");
        subject.assert_serves();
        subject.assert_serves_when_reopened();
    }
    // A step less only leaves rows where they are, and a flush may take a file part along.
    for (deed, filter) in [("no-steps", "tag >= 0"), ("wrong-medium", "tag < 0")] {
        let mut subject = Subject::new();
        subject.demand("judge-retention", deed);
        assert_eq!(
            subject.index().retain(rule(filter)).unwrap().dropped_rows,
            0
        );
        subject.assert_serves();
    }
}

#[test]
fn what_a_retention_drops_is_what_was_counted() {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    // Two of ten rows are to go: one instance says one, another finds two.
    subject.demand("judge-retention", "one-fewer-dropped");
    let error = subject.index().retain(rule("tag in (3, 4)")).unwrap_err();
    assert!(error.message().contains("had been counted"), "{error}");
    subject.assert_serves();
    // One that drops all of them when it rewrites is found out as well.
    for deed in ["more-rows", "lost-rows", "dropped-rows", "last-numbers"] {
        subject.demand("merge", deed);
        let error = subject.index().retain(rule("tag in (3, 4)")).unwrap_err();
        assert!(
            error.message().contains("left as it was"),
            "{deed}: {error}"
        );
        subject.assert_serves();
    }
    subject.assert_serves_when_reopened();
}

#[test]
fn a_plan_of_a_retention_that_is_nonsense_changes_nothing() {
    for deed in [
        "unknown-inputs",
        "no-inputs",
        "repeated-inputs",
        "many-inputs",
        "taken-output",
        "last-output",
        "unknown-job",
        "much-space",
        "other-rows",
        "other-rule",
        "no-rule",
    ] {
        // Of a job that drops parts whole, that rewrites one, and that flushes.
        for filter in ["tag < 10", "tag in (3, 4)", "tag > 15"] {
            let mut subject = Subject::new();
            subject.demand("plan-retention", deed);
            let error = subject.index().retain(rule(filter)).unwrap_err();
            assert!(error.message().len() < 20_000, "{deed}");
            subject.relent();
            subject.assert_reads();
            subject.assert_serves_when_reopened();
        }
    }
    let mut subject = Subject::new();
    failure(&mut subject, "plan-retention", "trap");
    subject.assert_reads();
    assert!(subject.write_ten().is_err());
    subject.assert_serves_when_reopened();
}

#[test]
fn a_writer_that_returns_nonsense_writes_no_more_and_reads_go_on() {
    for deed in [
        "trap",
        "no-receipts",
        "more-receipts",
        "many-receipts",
        "more-rows",
        "last-ids",
        "old-view",
        "old-epoch",
        "changed-view",
        "last-version",
        "garbage-view",
        "wrong-part",
        "long-view",
        "longest-view",
    ] {
        let mut subject = Subject::new();
        let rows = subject.rows();
        let error = failure(&mut subject, "write", deed);
        assert!(error.message().contains("reopen"), "{deed}: {error}");
        subject.assert_reads();
        let again = subject.write_ten().unwrap_err();
        assert!(again.message().contains("reopen"), "{deed}: {again}");
        assert!(subject.index().flush().is_err(), "{deed}");
        assert_eq!(subject.rows(), rows);
        subject.assert_serves_when_reopened();
        assert!(subject.rows() > rows, "{deed}");
    }
}

#[test]
fn an_introduction_that_goes_wrong_loses_nothing() {
    for deed in [
        "trap",
        "old-view",
        "old-epoch",
        "garbage-view",
        "last-version",
    ] {
        let mut subject = Subject::new();
        let error = failure(&mut subject, "introduce", deed);
        assert!(error.message().contains("reopen"), "{deed}: {error}");
        subject.assert_reads();
        subject.assert_serves_when_reopened();
    }
    for export in ["plan-flush", "plan-merge"] {
        let mut subject = Subject::new();
        subject.index().flush().unwrap();
        if export == "plan-flush" {
            subject.write_ten().unwrap();
        }
        failure(&mut subject, export, "trap");
        subject.assert_reads();
        assert!(subject.write_ten().is_err());
        subject.assert_serves_when_reopened();
    }
}

#[test]
fn trouble_after_the_change_is_not_trouble_of_the_change() {
    let mut subject = Subject::new();
    subject.demand("collect", "trap");
    subject.index().flush().unwrap();
    subject.relent();
    subject.assert_reads();
    subject.assert_serves_when_reopened();
}

#[test]
fn memory_that_is_said_to_be_full_makes_writes_no_more_than_slow() {
    let mut subject = Subject::new();
    subject.demand("write", "full");
    for _ in 0..20 {
        subject.write_ten().unwrap();
    }
    subject.assert_serves();
}

#[test]
fn a_flush_that_is_said_to_need_everything_hinders_neither_it_nor_writes() {
    let mut subject = Subject::new();
    subject.demand("write", "endless-flush");
    subject.write_ten().unwrap();
    subject.write_ten().unwrap();
    assert_eq!(subject.index().health().flush_bytes, u64::MAX);
    subject.index().flush().unwrap();
    subject.relent();
    subject.assert_serves();
}

#[test]
fn an_index_that_does_not_open_can_be_opened_later() {
    for deed in [
        "trap",
        "allocate",
        "spin",
        "garbage-view",
        "last-version",
        "longest-view",
    ] {
        let mut subject = Subject::new();
        subject.close();
        subject.demand("open", deed);
        assert!(subject.options().open().is_err(), "{deed}");
        subject.relent();
        subject.open();
        subject.assert_serves();
    }
}

#[test]
fn a_drop_that_goes_wrong_drops_nothing_and_one_whose_rest_does_is_ended_by_the_next() {
    for deed in ["trap", "recurse"] {
        let mut subject = Subject::new();
        subject.close();
        subject.demand("drop-index", deed);
        let error = subject.options().remove().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{deed}: {error}");
        subject.relent();
        subject.open();
        subject.assert_serves();
        subject.close();
        subject.demand("clear-dropped", deed);
        subject.options().remove().unwrap_err();
        subject.relent();
        let gone = subject.options().open().unwrap_err();
        // The first says what it still had to remove, the next that there is nothing.
        let rest = subject.options().remove();
        let nothing = rest.and_then(|_| subject.options().remove()).unwrap_err();
        for error in [gone, nothing] {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{deed}: {error}");
        }
        assert!(subject.storage().list("parts").unwrap().is_empty());
        let next = subject.options().create().unwrap();
        assert_eq!(next.query().count().unwrap(), 0);
    }
}
