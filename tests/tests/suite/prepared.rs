//! Prepared queries: every run returns what the same query returns that was not prepared.

use std::thread;

use sidx_host::{BoundQuery, Cursor, ErrorKind, Query, Timestamp};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, on_all_forms};

type Found = Vec<(i64, u64, Option<Vec<u8>>, Vec<String>)>;

fn row(series: u64, key: i64) -> Row {
    let row = Row::new(series, key, format!("payload {key}"));
    row.tag("status", key % 3)
        .tag("origin", ["EWR", "JFK"][(key % 2) as usize])
}

/// Parts in files and in memory, with keys that interleave.
fn fill(subject: &mut Subject) {
    for part in 0..3 {
        let rows = (0..60).map(|key| row(1 + key as u64 % 4, key * 3 + part));
        subject.write_part(&rows.collect::<Vec<_>>());
    }
    subject.write(&(0..30).map(|key| row(2, key * 7)).collect::<Vec<_>>());
}

fn found(cursor: sidx_host::Result<Cursor>) -> Found {
    let rows = cursor.unwrap().into_rows().map(|row| {
        let row = row.unwrap();
        let tags = row
            .tags
            .iter()
            .map(|(name, value)| format!("{name} {value:?}"));
        (row.key, row.series, row.payload, tags.collect())
    });
    rows.collect()
}

/// The bounds, series and limits that runs differ in; each changes both forms alike.
fn narrowed(query: Query, number: i64) -> Query {
    let query = match number % 4 {
        0 => query,
        1 => query.series_id(2),
        2 => query.series_ids([1, 3]),
        _ => query.series_ids([]),
    };
    let query = match number % 3 {
        0 => query,
        1 => query.keys(10..90),
        _ => query.keys(..=40),
    };
    if number % 5 < 3 {
        query.limit((number % 5) as u64 * 9 + 1)
    } else {
        query
    }
}

fn narrowed_run(run: BoundQuery<'_>, number: i64) -> BoundQuery<'_> {
    let run = match number % 4 {
        0 => run,
        1 => run.series_id(2),
        2 => run.series_id(1).series_id(3),
        _ => run.series_ids([]),
    };
    let run = match number % 3 {
        0 => run,
        1 => run.keys(10..90),
        _ => run.keys(..=40),
    };
    if number % 5 < 3 {
        run.limit((number % 5) as u64 * 9 + 1)
    } else {
        run
    }
}

#[test]
fn every_run_returns_what_the_query_returns() {
    on_all_forms(|mut subject| {
        fill(&mut subject);
        let forms: [fn(Query) -> Query; 6] = [
            |query| query,
            Query::descending,
            |query| query.select(["origin", "none", "status"]).rows_per_batch(4),
            |query| query.payload(false).select([""; 0]),
            Query::any_order,
            |query| query.distinct_payload().descending(),
        ];
        for form in forms {
            let filter = "status = $s and not origin = $o";
            let prepared = form(subject.ask()).filter(filter).prepare().unwrap();
            assert_eq!(prepared.parameters(), ["s", "o"]);
            for number in 0..60 {
                let (status, origin) = (number % 3, ["EWR", "JFK"][(number / 20) as usize % 2]);
                let text = format!("status = {status} and not origin = \"{origin}\"");
                let query = narrowed(form(subject.ask()).filter(text), number);
                let run = prepared.bind().value("o", origin).value("s", status);
                let run = narrowed_run(run, number);
                assert_eq!(run.clone().count().unwrap(), query.clone().count().unwrap());
                assert_eq!(found(run.run()), found(query.run()), "run {number}");
                if number == 30 {
                    // Another tag, with which there is a column more.
                    subject.write(&[row(2, 11).tag("late", 1)]);
                }
                if number == 40 {
                    subject.merge_all();
                }
            }
        }
    });
}

#[test]
fn without_parameters_nothing_need_be_given() {
    on_all_forms(|mut subject| {
        fill(&mut subject);
        let plain = subject.ask().keys(5..50).limit(7);
        let prepared = plain.clone().prepare().unwrap();
        assert_eq!(prepared.parameters(), [""; 0]);
        for _ in 0..3 {
            assert_eq!(found(prepared.run()), found(plain.clone().run()));
            assert_eq!(prepared.count().unwrap(), 7);
        }
    });
}

#[test]
fn values_are_compared_with_the_type_that_they_have() {
    on_all_forms(|subject| {
        subject.write(&[
            Row::new(1, 1, "a").tag("t", 500),
            Row::new(1, 2, "b").tag("t", "500"),
            Row::new(1, 3, "c").tag("t", true),
        ]);
        let prepared = subject.ask().filter("t in ($v, $v)").prepare().unwrap();
        let keys = |run: BoundQuery<'_>| -> Vec<i64> {
            found(run.run()).into_iter().map(|row| row.0).collect()
        };
        assert_eq!(keys(prepared.bind().value("v", 500)), [1]);
        assert_eq!(keys(prepared.bind().value("v", 500.0)), [1]);
        assert_eq!(keys(prepared.bind().value("v", "500")), [2]);
        assert_eq!(keys(prepared.bind().value("v", true)), [3]);
        assert_eq!(keys(prepared.bind().value("v", Timestamp(500))), [0; 0]);
        // Nothing of a string is read as a filter.
        assert_eq!(
            keys(prepared.bind().value("v", "x\") or exists(t) or t in (\"")),
            [0; 0]
        );
        let beginning = subject
            .ask()
            .filter("t starts with $p or t ~ $r")
            .prepare()
            .unwrap();
        assert_eq!(
            keys(beginning.bind().value("p", "50").value("r", "^$")),
            [2]
        );
        assert_eq!(
            keys(beginning.bind().value("p", "x").value("r", "0+$")),
            [2]
        );
    });
}

#[test]
fn what_cannot_be_is_refused_and_does_no_harm() {
    on_all_forms(|mut subject| {
        fill(&mut subject);
        let refused = |filter: &str, needle: &str| {
            let error = subject
                .ask()
                .filter(filter)
                .prepare()
                .map(drop)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{filter}");
            assert!(error.message().contains(needle), "{filter}: {error}");
        };
        refused("status = $", "begins the name of a parameter");
        refused("status = $s and", "found end of text");
        refused("$s = 1", "parameter '$s'");
        refused("origin ~ \"(\" and status = $s", "pattern");
        let unbound = subject
            .ask()
            .filter("status = $s")
            .run()
            .map(drop)
            .unwrap_err();
        assert!(
            unbound
                .message()
                .contains("the parameter '$s' has no value"),
            "{unbound}"
        );

        let prepared = subject
            .ask()
            .filter("status >= $s")
            .limit(3)
            .prepare()
            .unwrap();
        let whole = found(prepared.bind().value("s", 1).run());
        for (run, needle) in [
            (prepared.bind(), "`$s` has no value"),
            (prepared.bind().value("s", vec![1, 2]), "not an array"),
            (prepared.bind().value("x", 1), "it has `$s`"),
            (prepared.bind().value("s", true), "bools have no order"),
            (prepared.bind().value("s", f64::NAN), "NaN"),
        ] {
            let error = run.clone().run().map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{needle}");
            assert!(error.message().contains(needle), "{error}");
            assert_eq!(run.count().unwrap_err().kind(), ErrorKind::InvalidArgument);
            assert_eq!(found(prepared.bind().value("s", 1).run()), whole);
        }
    });
}

#[test]
fn threads_share_a_query_and_instances_forget_those_that_are_gone() {
    on_all_forms(|mut subject| {
        fill(&mut subject);
        let prepared = subject.ask().filter("status = $s").prepare().unwrap();
        let alone: Vec<Found> = (0..3)
            .map(|s| found(prepared.bind().value("s", s).run()))
            .collect();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..30 {
                        let status = number % 3;
                        let run = prepared.bind().value("s", status);
                        assert_eq!(found(run.run()), alone[status as usize]);
                    }
                });
            }
        });
        for number in 0..200 {
            let query = subject.ask().filter(format!("status = {}", number % 3));
            let other = query.prepare().unwrap();
            assert_eq!(found(other.run()), alone[number % 3]);
        }
        assert_eq!(found(prepared.bind().value("s", 1).run()), alone[1]);
    });
}
