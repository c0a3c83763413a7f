//! Answers that cannot be: each costs its call, and the instance that gave it.

use sidx_host::ErrorKind;

use super::subject::{Subject, failure};

fn assert_refused(cases: &[(&str, &[&str])]) {
    let mut subject = Subject::new();
    for (export, deeds) in cases {
        for deed in *deeds {
            let error = failure(&mut subject, export, deed);
            // Lists beyond all measure may be too much for the component itself.
            let kinds = [ErrorKind::Other, ErrorKind::ResourceExhausted];
            assert!(kinds.contains(&error.kind()), "{export} {deed}: {error}");
            assert!(
                error.message().len() < 20_000,
                "{export} {deed}: a message of {} bytes",
                error.message().len()
            );
            subject.assert_reads();
        }
    }
    subject.assert_serves();
}

#[test]
fn rows_are_as_many_and_as_wide_as_they_say() {
    let rows: &[&str] = &[
        "fewer-keys",
        "fewer-series",
        "more-rows",
        "many-rows",
        "most-keys",
        "most-series",
        "no-columns",
        "no-keys",
        "wrong-payload",
        "absent-payload",
        "fewer-columns",
        "more-columns",
        "no-names",
        "fewer-names",
        "more-names",
        "many-names",
        "most-names",
        "foreign-columns",
        "dropped-columns",
        "not-found",
    ];
    assert_refused(&[("query", rows), ("next", rows), ("dump-next", rows)]);
    assert_refused(&[("offer-query", rows), ("query-share", rows)]);
    // The names of a run are asked for where its rows come without.
    let of_runs: Vec<&str> = rows
        .iter()
        .copied()
        .filter(|deed| *deed != "no-names")
        .collect();
    assert_refused(&[("offer-run", &of_runs), ("run-outcome", &of_runs)]);
}

#[test]
fn runs_come_to_what_they_say() {
    let ran: &[&str] = &[
        "claims-found",
        "claims-otherwise",
        "found-nothing",
        "found-more",
        "untold-outcome",
    ];
    let names: &[&str] = &["fewer-names", "more-names", "many-names", "most-names"];
    assert_refused(&[("run", ran), ("run-names", names)]);
    assert_refused(&[("run-outcome", &["found-more"])]);
    // A number that nobody gave is refused by whoever did not give it.
    let mut subject = Subject::new();
    for deed in ["other-number", "last-number"] {
        let error = failure(&mut subject, "prepare", deed);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{deed}: {error}");
        subject.assert_reads();
    }
    subject.assert_serves();
}

#[test]
fn listed_rows_have_a_series_for_each_key_and_are_no_more_than_were_asked_for() {
    let mut subject = Subject::new();
    for deed in ["fewer-keys", "fewer-series", "more-rows", "many-rows"] {
        subject.demand("next", deed);
        let query = subject.index().query().payload(false).select([""; 0]);
        let mut rows = query.rows_per_batch(5).run().unwrap();
        let first = rows.next().expect("there are rows").unwrap();
        assert_eq!(first.len(), 5, "{deed}");
        let error = rows.next().expect("there are more rows").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{deed}: {error}");
        drop(rows);
        subject.relent();
        subject.assert_reads();
    }
    subject.assert_serves();
}

#[test]
fn cursors_exist_and_come_to_an_end() {
    assert_refused(&[
        ("query", &["foreign-cursor"]),
        ("offer-query", &["foreign-cursor"]),
        ("query-share", &["foreign-cursor"]),
        ("next", &["endless"]),
    ]);
    let subject = Subject::new();
    subject.demand("query", "never-complete");
    let query = subject.index().query().limit(5).rows_per_batch(2);
    let cursor = query.run().unwrap();
    subject.relent();
    assert!(cursor.count() <= 2, "a cursor returned more than its limit");
}

#[test]
fn no_answer_is_longer_than_its_limit() {
    let subject = Subject::new();
    subject.demand("query", "more-rows");
    let error = subject
        .index()
        .query()
        .limit(5)
        .payload(false)
        .select([""; 0])
        .run();
    assert_eq!(error.map(drop).unwrap_err().kind(), ErrorKind::Other);
    subject.demand("count", "last-rows");
    let error = subject.index().query().limit(5).count().unwrap_err();
    assert!(error.message().contains("at most 5 rows"), "{error}");
}

#[test]
fn a_filter_that_the_component_told_is_read_like_any_other() {
    let mut subject = Subject::new();
    for (deed, kind) in [
        ("no-json", ErrorKind::InvalidArgument),
        ("empty", ErrorKind::InvalidArgument),
        ("deep-json", ErrorKind::InvalidArgument),
        ("long-json", ErrorKind::Other),
    ] {
        let error = failure(&mut subject, "run-filter", deed);
        assert_eq!(error.kind(), kind, "{deed}: {error}");
        subject.assert_reads();
    }
    subject.assert_serves();
}

#[test]
fn parameters_are_distinct_and_not_without_end() {
    let mut subject = Subject::new();
    for deed in ["twice", "many-parameters", "most-parameters"] {
        subject.demand("parameters", deed);
        let prepared = subject.index().query().filter("tag = $t").prepare();
        let error = prepared.map(drop).unwrap_err();
        let kinds = [ErrorKind::Other, ErrorKind::ResourceExhausted];
        assert!(kinds.contains(&error.kind()), "{deed}: {error}");
        subject.relent();
    }
    subject.assert_serves();
}

#[test]
fn shares_are_as_many_as_were_offered() {
    let shares: &[&str] = &["no-shares", "one-share", "many-shares"];
    assert_refused(&[("offer-query", shares), ("offer-count", shares)]);
    assert_refused(&[("offer-run", shares), ("offer-count-run", shares)]);
}

#[test]
fn counts_are_whole() {
    assert_refused(&[
        ("count", &["last-rows", "partial"]),
        ("offer-count", &["partial"]),
        ("count-share", &["partial"]),
    ]);
}

#[test]
fn reports_are_json_of_a_reasonable_length() {
    let wrong: &[&str] = &["no-json", "empty", "deep-json", "long-json"];
    assert_refused(&[("explain", wrong), ("verify", wrong), ("describe", wrong)]);
}

#[test]
fn labels_belong_to_their_series() {
    let wrong: &[&str] = &["wrong-label", "fewer-labels", "more-labels", "most-labels"];
    assert_refused(&[("labels", wrong)]);
}

#[test]
fn messages_are_cut() {
    let mut subject = Subject::new();
    let error = failure(&mut subject, "query", "long-message");
    assert!(error.message().len() < 20_000);
    subject.assert_serves();
}
