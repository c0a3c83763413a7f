//! Commands over a database that keeps what is written in memory, run in turn on one thread.

use std::cell::RefCell;
use std::fs;
use std::ops::RangeBounds;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use sidx_columns::{Column, OwnedValue};
use sidx_engine::{Counted, Durability, ErrorKind, Retention, series_id};

use crate::arguments::Arguments;
use crate::console::Console;
use crate::database::{
    Absence, BackupReport, BranchReport, CopyReport, Cursor, DamagedPart, Database, Dumped, Error,
    Index, Merged, Parameter, Pieces, Query, Result, RetentionPreview, Room, Rows, Store,
};
use crate::driver::InTurn;
use crate::exit::Failure;

/// One store with one index, `i`, which refuses batches behind the first ones.
#[derive(Clone, Default)]
struct Kept {
    batches: Rc<RefCell<Vec<Pieces>>>,
    exists: Rc<RefCell<bool>>,
    refused: Option<(usize, Error)>,
    /// Values of parameters that came with counts.
    asked: Rc<RefCell<Vec<Parameter>>>,
    /// Whether rows are missing.
    lost: bool,
}

impl Database for Kept {
    type Store = Kept;

    fn store(&self, _location: &str) -> Result<Kept> {
        Ok(self.clone())
    }
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "nothing there")
}

fn unasked<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Other, "no test asks for this"))
}

impl Store for Kept {
    type Index = Kept;

    fn exists(&self) -> Result<bool> {
        Ok(*self.exists.borrow())
    }

    fn absence(&self, _index: &str) -> Absence {
        Absence::Nothing
    }

    fn index_names(&self) -> Result<Vec<String>> {
        Ok(vec!["i".to_owned()])
    }

    fn create(&self, index: &str, room: Room, wait: Duration) -> Result<Kept> {
        *self.exists.borrow_mut() = true;
        self.open(index, room, wait)
    }

    fn open(&self, index: &str, _room: Room, _wait: Duration) -> Result<Kept> {
        self.read(index)
    }

    fn read(&self, index: &str) -> Result<Kept> {
        match index {
            "i" => Ok(self.clone()),
            _ => Err(missing()),
        }
    }

    fn repair(&self, _index: &str, _accept_loss: bool, _wait: Duration) -> Result<Value> {
        unasked()
    }

    fn garbage(&self, _index: &str, _apply: Option<Duration>) -> Result<Value> {
        unasked()
    }

    fn remove(&self, _index: &str, _wait: Duration) -> Result<u64> {
        unasked()
    }

    fn branch(&self, _index: &str, _name: &str) -> Result<BranchReport> {
        unasked()
    }
}

impl Index for Kept {
    type Store = Kept;
    type Batch = Pieces;
    type Cursor = Rest;
    type Rows = Pieces;

    fn batch(pieces: Pieces) -> Result<Pieces> {
        Ok(pieces)
    }

    fn write(&self, batch: Pieces, _durability: Durability) -> Result<()> {
        let mut batches = self.batches.borrow_mut();
        match &self.refused {
            Some((from, error)) if batches.len() >= *from => Err(error.clone()),
            _ => {
                batches.push(batch);
                Ok(())
            }
        }
    }

    fn flush(&self) -> Result<Merged> {
        Ok(Merged::default())
    }

    fn merge(&self) -> Result<Merged> {
        unasked()
    }

    fn merge_all(&self) -> Result<Merged> {
        unasked()
    }

    fn retain(&self, _rule: Retention) -> Result<Merged> {
        unasked()
    }

    fn preview_retention(&self, _rule: Retention) -> Result<RetentionPreview> {
        unasked()
    }

    fn backup(&self, _store: &Kept, _name: &str) -> Result<BackupReport> {
        unasked()
    }

    fn copy_to(&self, _store: &Kept, _name: &str) -> Result<CopyReport> {
        unasked()
    }

    fn damaged(&self) -> Vec<DamagedPart> {
        Vec::new()
    }

    fn stats(&self) -> Result<Value> {
        let batches = self.batches.borrow();
        let rows: usize = batches.iter().map(|batch| batch.keys.len()).sum();
        Ok(json!({"rows": rows, "next_element_id": rows, "tags": {}}))
    }

    fn parts(&self) -> Result<Value> {
        unasked()
    }

    fn verify(&self) -> Result<Value> {
        unasked()
    }

    /// Whole batches whose first key is wanted.
    fn query(&self, query: &Query<'_>) -> Result<Rest> {
        let is_wanted = |batch: &Pieces| {
            batch
                .keys
                .first()
                .is_some_and(|key| query.keys.contains(key))
        };
        let mut batches = self.batches.borrow().clone();
        batches.retain(is_wanted);
        batches.reverse();
        Ok(Rest(batches))
    }

    fn count(&self, query: &Query<'_>) -> Result<Counted> {
        self.asked.borrow_mut().extend_from_slice(query.parameters);
        let found = self.query(query)?;
        let rows = found.0.iter().map(|batch| batch.keys.len());
        Ok(Counted {
            rows: rows.sum::<usize>() as u64,
            partial: query.allow_partial && self.lost,
        })
    }

    fn dump(&self) -> Result<impl Iterator<Item = Result<Dumped<Pieces>>>> {
        let batches = self.batches.borrow().clone();
        Ok(batches.into_iter().enumerate().map(|(part, rows)| {
            Ok(Dumped {
                part: part.to_string(),
                first_row: 0,
                rows,
            })
        }))
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// What is left of a query, the next batch last.
struct Rest(Vec<Pieces>);

impl Cursor for Rest {
    type Rows = Pieces;

    fn next(&mut self) -> Result<Option<Pieces>> {
        Ok(self.0.pop())
    }

    fn explain(&mut self) -> Result<Value> {
        unasked()
    }

    fn missing(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Rows for Pieces {
    fn keys(&self) -> &[i64] {
        &self.keys
    }

    fn series(&self) -> &[u64] {
        &self.series
    }

    fn label(&self, row: usize) -> Result<Option<Arc<str>>> {
        let is_named = |label: &&String| series_id(label) == self.series[row];
        Ok(self
            .labels
            .iter()
            .find(is_named)
            .map(|label| label.as_str().into()))
    }

    fn payloads(&self) -> Option<&Column> {
        Some(&self.payloads)
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.tags
            .iter()
            .map(|(name, column)| (name.as_str(), column))
    }
}

/// What a command prints, and its failure.
fn run(database: &Kept, words: &[&str]) -> (String, std::result::Result<(), Failure>) {
    let words = ["sidx"].iter().chain(words);
    let arguments = <Arguments>::try_parse_from(words).unwrap();
    let mut out = Vec::new();
    let mut console = Console {
        out: &mut out,
        err: &mut Vec::new(),
        in_is_terminal: false,
        out_is_terminal: false,
        err_is_terminal: false,
    };
    let outcome = crate::run(&arguments.command, database, &InTurn, &mut console);
    (String::from_utf8(out).unwrap(), outcome)
}

/// Loads lines, a batch each.
fn ingest(database: &Kept, lines: &[&str]) -> (String, std::result::Result<(), Failure>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.ndjson");
    fs::write(&file, lines.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let command = ["ingest", "s", file, "--index", "i", "--format", "ndjson"];
    run(
        database,
        &[&command[..], &["--batch", "1", "--ack"]].concat(),
    )
}

const LINES: [&str; 3] = [
    r#"{"series":"UA","key":-1,"tags":{"a":1},"payload":"x"}"#,
    r#"{"series":"UA","key":5,"tags":{"a":{"timestamp":"1970-01-01T00:00:00Z"}},"payload":""}"#,
    r#"{"series":7,"key":9,"tags":{},"payload":{"base64":"/w=="}}"#,
];

#[test]
fn what_is_loaded_in_turn_is_queried_and_dumped() {
    let database = Kept::default();
    let (out, outcome) = ingest(&database, &LINES);
    assert_eq!(outcome, Ok(()));
    let acknowledged: String = (1..4)
        .map(|rows| format!("{{\"acknowledged\": {rows}}}\n"))
        .collect();
    assert!(out.starts_with(&acknowledged), "{out}");
    assert!(out.contains("{\"ingested\": 3, \"skipped\": 0,"), "{out}");
    let (out, outcome) = run(&database, &["query", "s", "--index", "i"]);
    assert_eq!(
        (out.lines().collect::<Vec<_>>(), outcome),
        (LINES.to_vec(), Ok(()))
    );
    let (out, _) = run(&database, &["query", "s", "--index", "i", "--keys", "5..9"]);
    assert_eq!(out.lines().collect::<Vec<_>>(), [LINES[1]]);
    let (out, outcome) = run(&database, &["dump", "s", "--index", "i"]);
    assert_eq!(outcome, Ok(()));
    let first = LINES[0].replacen('{', "{\"part\":\"0\",\"row\":0,", 1);
    assert_eq!(out.lines().next(), Some(first.as_str()));
}

#[test]
fn a_load_that_is_refused_says_where_it_stands() {
    let full = Error::new(ErrorKind::ResourceExhausted, "no room");
    let database = Kept {
        refused: Some((1, full)),
        ..Kept::default()
    };
    let (out, outcome) = ingest(&database, &LINES);
    assert!(out.contains("{\"ingested\": 1, "), "{out}");
    let message = "line 2: no room";
    let next =
        "1 row is in, up to line 1; to go on behind them, load the same input with --skip-rows 1";
    let expected = Failure::new(crate::Code::Resource, message, next);
    assert_eq!(outcome, Err(expected));
}

#[test]
fn what_failed_first_is_told() {
    let first = Error::new(ErrorKind::Io, "the medium is gone, then retry");
    let last = Error::new(ErrorKind::Other, "open the index again").because_of(first);
    let database = Kept {
        refused: Some((0, last)),
        ..Kept::default()
    };
    let (_, outcome) = ingest(&database, &LINES);
    let Err(Failure::Told { code, message, .. }) = outcome else {
        panic!("not told")
    };
    assert_eq!(
        (code, &*message),
        (crate::Code::Other, "line 1: the medium is gone")
    );
}

#[test]
fn an_index_that_is_not_there_is_told_with_those_that_are() {
    let database = Kept::default();
    let command = ["stats", "s", "--index", "j"];
    let (_, outcome) = run(&database, &command);
    let next = "check STORE; `sidx ingest` makes one";
    let expected = Failure::new(crate::Code::NotFound, "there is no store at s", next);
    assert_eq!(outcome, Err(expected));
    *database.exists.borrow_mut() = true;
    let (_, outcome) = run(&database, &command);
    let message = "there is no index \"j\" in s";
    let expected = Failure::new(crate::Code::NotFound, message, "indexes there: i");
    assert_eq!(outcome, Err(expected));
}

#[test]
fn a_count_is_one_line() {
    let mut database = Kept::default();
    let (_, outcome) = ingest(&database, &LINES);
    assert_eq!(outcome, Ok(()));
    let command = ["query", "s", "--index", "i", "--count"];
    let count = |database: &Kept, more: &[&str]| run(database, &[&command, more].concat());
    assert_eq!(count(&database, &[]), ("3\n".to_owned(), Ok(())));
    let some = count(
        &database,
        &["--keys", "5..9", "--select", "none", "--no-payload"],
    );
    assert_eq!(some, ("1\n".to_owned(), Ok(())));
    assert_eq!(count(&database, &["--keys", "100.."]).0, "0\n");
    database.lost = true;
    let (out, outcome) = count(&database, &["--allow-partial"]);
    let code = outcome.unwrap_err().code();
    assert_eq!((&*out, code), ("3\n", Some(crate::Code::Corrupt)));
}

#[test]
fn values_of_parameters_come_with_the_query() {
    let database = Kept::default();
    *database.exists.borrow_mut() = true;
    let command = ["query", "s", "--index", "i", "--count"];
    let without = run(&database, &[&command[..], &["--param", "o=1"]].concat());
    let message = "--param: there is no filter that has parameters";
    let expected = Failure::usage(message, "give one with --where or --where-file");
    assert_eq!(without.1, Err(expected));
    let count = |more: &[&str]| run(&database, &[&command[..], &["--where"], more].concat());
    let filter = "origin = $o and status in (200, $s)";
    let (_, outcome) = count(&[filter, "--param", "s=500", "--param", "o=EWR"]);
    assert_eq!(outcome, Ok(()));
    let asked = database.asked.borrow().clone();
    let asked: Vec<_> = asked.into_iter().map(|it| (it.name, it.value)).collect();
    let expected = [("s", OwnedValue::Int(500)), ("o", OwnedValue::from("EWR"))];
    assert_eq!(
        asked,
        expected.map(|(name, value)| (name.to_owned(), value))
    );
    for (words, message, next) in [
        (
            &[filter, "--param", "s=500"][..],
            "the parameter $o of the filter has no value",
            "give it one with --param o=VALUE",
        ),
        (
            &[filter, "--param", "s=1", "--param", "o=1", "--param", "p=1"],
            "--param: the filter has no parameter $p",
            "its parameters are $o, $s",
        ),
        (
            &["origin = 1", "--param", "o=1"],
            "--param: the filter has no parameter $o",
            "a parameter stands in it as $ and a name, in place of a value",
        ),
        (
            &[filter, "--param", "s=500", "--param", "s=501"],
            "--param: the parameter $s has two values",
            "give each parameter one value",
        ),
    ] {
        let (out, outcome) = count(words);
        assert_eq!((&*out, outcome), ("", Err(Failure::usage(message, next))));
    }
    // What is no parameter is left alone, and what is no filter for the database to tell.
    for text in ["origin = \"$o\"", "origin = = $o"] {
        assert_eq!(count(&[text]).1, Ok(()), "{text}");
    }
}
