//! Calls of imports that the host must refuse.

use super::subject::{Subject, failure};

fn assert_all_refused(export: &str, deed: &str) {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    let error = failure(&mut subject, export, deed);
    let message = error.message();
    assert!(message.contains("allowed: []"), "{message}");
    subject.assert_reads();
    if export == "log" || export == "write" {
        subject.assert_serves_when_reopened();
    } else {
        subject.assert_serves();
    }
    subject.assert_serves_when_reopened();
}

#[test]
fn a_query_reaches_nothing_but_what_is_in_the_index_and_changes_nothing() {
    assert_all_refused("query", "requests");
}

#[test]
fn a_merge_makes_files_and_changes_nothing_else() {
    let mut subject = Subject::new();
    subject.index().flush().unwrap();
    let error = failure(&mut subject, "merge", "new-files");
    assert!(error.message().contains("allowed: []"), "{error}");
    subject.assert_serves();
    subject.assert_serves_when_reopened();
}

#[test]
fn the_writer_keeps_within_its_log_and_leaves_the_index_one() {
    assert_all_refused("write", "log");
}
