//! Calls that end in a trap: by themselves, because they take too long, or because they take too much.

use std::thread;
use std::time::{Duration, Instant};

use sidx_host::{CancelToken, ErrorKind, Staleness};

use super::subject::{CALL_TIMEOUT, Subject, call, failure};

/// Exports that instances of the pool serve.
const READS: [&str; 23] = [
    "query",
    "offer-query",
    "query-share",
    "next",
    "explain",
    "count",
    "offer-count",
    "count-share",
    "prepare",
    "parameters",
    "forget",
    "run",
    "run-outcome",
    "run-names",
    "count-run",
    "offer-run",
    "offer-count-run",
    "run-filter",
    "labels",
    "dump",
    "dump-next",
    "verify",
    "describe",
];

#[test]
fn a_trap_in_any_read_costs_that_call_only() {
    let mut subject = Subject::new();
    for export in READS {
        let error = failure(&mut subject, export, "trap");
        assert_eq!(error.kind(), ErrorKind::Other, "{export}: {error}");
        assert!(error.message().contains("trapped"), "{export}: {error}");
        subject.assert_reads();
    }
    subject.assert_serves();
}

#[test]
fn a_trap_while_a_resource_is_dropped_or_a_view_attached_costs_the_instance_only() {
    let mut subject = Subject::new();
    subject.demand("drop", "trap");
    call(&mut subject, "drop").unwrap();
    subject.assert_serves();
    // All instances that know the view are in use, so another one must be told.
    let busy: Vec<_> = (0..8)
        .map(|_| subject.index().query().rows_per_batch(1).run().unwrap())
        .collect();
    let error = failure(&mut subject, "attach", "trap");
    assert!(error.message().contains("`attach`"), "{error}");
    drop(busy);
    subject.assert_serves();
}

/// What it was about to read is read by the next query, by another instance.
#[test]
fn a_trap_while_a_reader_follows_costs_that_query_only() {
    let mut subject = Subject::new();
    let options = subject.options().staleness(Staleness::Latest);
    let reader = options.read_only().unwrap();
    let mut used = Vec::new();
    for round in 0..6 {
        let before = reader.query().rows_per_batch(7).run().unwrap();
        if round % 3 == 2 {
            subject.index().flush().unwrap();
        }
        subject.write_ten().unwrap();
        subject.demand("refresh", "trap");
        let error = reader.query().count().unwrap_err();
        assert!(error.message().contains("`refresh`"), "{error}");
        subject.relent();
        for _ in 0..2 {
            let found = reader.query().filter("tag >= 0").count().unwrap();
            assert_eq!(found as i64, subject.rows(), "round {round}");
        }
        // What was begun before goes on with what is in memory.
        let rows: usize = before.map(|rows| rows.unwrap().len()).sum();
        assert_eq!(rows as i64, subject.rows() - 10, "round {round}");
        used.push(reader.health().memory.used_bytes);
    }
    assert!(reader.stats().unwrap().is_object());
    subject.index().flush().unwrap();
    for _ in 0..3 {
        subject.write_ten().unwrap();
        assert_eq!(reader.query().count().unwrap() as i64, subject.rows());
    }
    used.push(reader.health().memory.used_bytes);
    // It holds the rows of three batches at most, whatever instances before it left.
    let most = used[0] * 2;
    assert!(used.iter().all(|used| *used <= most), "{used:?}");
    subject.assert_serves();
}

#[test]
fn handles_that_do_not_exist_and_a_stack_without_end_are_traps() {
    let mut subject = Subject::new();
    for deed in ["recurse", "bad-handle", "drop-twice"] {
        let error = failure(&mut subject, "query", deed);
        assert_eq!(error.kind(), ErrorKind::Other, "{deed}: {error}");
        subject.assert_reads();
    }
    subject.assert_serves();
}

#[test]
fn memory_and_resources_of_an_instance_are_bounded() {
    let mut subject = Subject::new();
    for export in ["query", "verify"] {
        let error = failure(&mut subject, export, "allocate");
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
        assert!(error.message().contains("instance_memory_bytes"), "{error}");
    }
    for deed in ["hold-handles", "hold-values"] {
        failure(&mut subject, "query", deed);
    }
    subject.assert_serves();
    let error = failure(&mut subject, "write", "allocate");
    assert!(error.message().contains("instance_memory_bytes"), "{error}");
    subject.assert_reads();
    subject.assert_serves_when_reopened();
}

#[test]
fn a_loop_ends_with_the_time_of_the_call() {
    let mut subject = Subject::new();
    for (export, deed) in [
        ("query", "spin"),
        ("count", "spin-calling"),
        ("drop", "spin"),
    ] {
        subject.demand(export, deed);
        let start = Instant::now();
        let result = call(&mut subject, export);
        assert!(start.elapsed() >= CALL_TIMEOUT, "{export} did not loop");
        if export != "drop" {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
            assert!(error.message().contains("call_timeout"), "{error}");
        }
    }
    subject.assert_serves();
}

#[test]
fn a_loop_ends_with_the_timeout_of_the_query_or_when_it_is_cancelled() {
    let mut subject = Subject::new();
    for deed in ["spin", "spin-calling"] {
        subject.demand("query", deed);
        let query = subject.index().query().timeout(Duration::from_millis(200));
        let error = query.run().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
        assert!(error.message().contains("200ms"), "{error}");

        let token = CancelToken::new();
        let query = subject.index().query().cancel(token.clone());
        let (error, waited) = thread::scope(|scope| {
            let running = scope.spawn(|| query.run().map(drop).unwrap_err());
            thread::sleep(Duration::from_millis(200));
            let start = Instant::now();
            token.cancel();
            (running.join().unwrap(), start.elapsed())
        });
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        // Told, not judged: how long it takes is up to the machine as well.
        println!("{deed}: cancelled after {waited:?}");
    }
    subject.assert_serves();
}

#[test]
fn a_loop_of_the_writer_ends_its_changes_and_not_its_reads() {
    let mut subject = Subject::new();
    let error = failure(&mut subject, "write", "spin");
    assert!(error.message().contains("call_timeout"), "{error}");
    subject.assert_reads();
    let again = subject.write_ten().unwrap_err();
    assert!(again.message().contains("reopen"), "{again}");
    subject.assert_serves_when_reopened();
}
