//! Where a load stands when it stops: what is in the index, and how to go on.

use std::io;

use serde_json::Value;
use sidx_columns::{ColumnType, ValueType};
use sidx_engine::ErrorKind;

use super::driver::Signal;
use crate::arguments::{DurabilityName, IngestArguments};
use crate::database::{self, Database, Error, Index};
use crate::exit::Failure;
use crate::place::Place;

/// Why a load stops early.
pub(super) struct Stop {
    failure: Failure,
    /// Whether it came from the index, which then takes no more changes, and may or may not have what was
    /// written to it last.
    pub(super) is_of_index: bool,
    /// Another writer has the index now: how many rows are in it tells nothing of this load.
    pub(super) is_overtaken: bool,
}

impl Stop {
    /// Because of the input.
    pub(super) fn of_input(failure: Failure) -> Stop {
        Stop {
            failure,
            is_of_index: false,
            is_overtaken: false,
        }
    }

    /// Because of standard output.
    pub(super) fn of_output(failure: Failure) -> Stop {
        // Without its usual advice, which is to do it again.
        Stop::of_input(failure.with_next(""))
    }

    /// Because of a signal.
    pub(super) fn of_signal(signal: Signal) -> Stop {
        Stop::of_input(stopped_by(signal))
    }

    /// Because of a write to the index of the rows on these lines.
    pub(super) fn of_write(error: &Error, lines: &str) -> Stop {
        use ErrorKind::{
            Cancelled, Conflict, DeadlineExceeded, InvalidArgument, LimitExceeded,
            ResourceExhausted, Unknown,
        };
        // These refuse a batch and nothing else.
        let is_refused = matches!(
            error.kind(),
            InvalidArgument | ResourceExhausted | LimitExceeded | DeadlineExceeded | Cancelled
        );
        Stop {
            failure: told(error).at(lines),
            is_of_index: !is_refused,
            is_overtaken: matches!(error.root().kind(), Conflict | Unknown),
        }
    }
}

/// The failure of a load that a signal ended.
pub(super) fn stopped_by(signal: Signal) -> Failure {
    Failure::new(signal.code(), format!("ended by {}", signal.name()), "")
}

/// What the library says, without advice that is not for a load. After a failed change it refuses to go on
/// and says so to programs; what counts here is what failed.
fn told(error: &Error) -> Failure {
    let failure = Failure::from(error.root().clone()).with_next("");
    match failure {
        Failure::Told { code, message, .. } => {
            // Whoever loads again from the start has rows twice.
            let message = message.strip_suffix(", then retry").unwrap_or(&message);
            Failure::new(code, message, "")
        }
        other => other,
    }
}

/// What was there when the load began.
pub(super) struct Start {
    next_element_id: Option<u64>,
    tags: Value,
}

impl Start {
    /// Of an index that this load alone writes.
    pub(super) fn of(index: &impl Index) -> database::Result<Start> {
        let mut stats = index.stats()?;
        Ok(Start {
            next_element_id: next_element_id(&stats),
            tags: stats.get_mut("tags").map(Value::take).unwrap_or_default(),
        })
    }

    /// Tags whose arrays are all of one type, with the type of their elements.
    pub(super) fn array_types(&self) -> impl Iterator<Item = (&str, ValueType)> {
        let tags = self.tags.as_object().into_iter().flatten();
        tags.filter_map(|(name, kinds)| {
            let kinds = kinds.as_array()?.iter().filter_map(Value::as_str);
            let kinds = kinds.filter_map(|kind| kind.parse::<ColumnType>().ok());
            let mut arrays = kinds.filter(|kind| kind.array);
            match (arrays.next(), arrays.next()) {
                (Some(kind), None) => Some((name.as_str(), kind.value)),
                _ => None,
            }
        })
    }

    /// How many rows of this load are in the index now that nobody has it open; none if it cannot be told.
    pub(super) fn rows_in<D: Database>(&self, place: &Place<'_, D>) -> Option<u64> {
        // Opening it to write settles what a failed write left behind.
        let index = place.open().or_else(|_| place.read()).ok()?;
        let now = next_element_id(&index.stats().ok()?)?;
        now.checked_sub(self.next_element_id?)
    }
}

fn next_element_id(stats: &Value) -> Option<u64> {
    stats.get("next_element_id")?.as_u64()
}

/// What was written.
pub(super) struct Summary {
    /// Rows of this load that are in the index.
    pub(super) ingested: u64,
    /// Rows without a key.
    pub(super) skipped: u64,
    /// Rows of the batch whose write failed, and the line where its last row begins.
    pub(super) doubtful: Option<(u64, u64)>,
    /// What the load asked for.
    pub(super) durability: DurabilityName,
    /// Rows that earlier loads wrote.
    passed: u64,
    /// Line where the last row of those begins, if that is known.
    last_line: Option<u64>,
    /// Whether `ingested` could not be counted.
    is_least: bool,
}

impl Summary {
    /// Nothing yet.
    pub(super) fn new(arguments: &IngestArguments) -> Summary {
        Summary {
            ingested: 0,
            skipped: 0,
            doubtful: None,
            durability: arguments.durability,
            passed: arguments.skip_rows,
            last_line: None,
            is_least: false,
        }
    }

    /// Notes a batch that is in the index.
    pub(super) fn wrote(&mut self, rows: u64, last_line: u64) {
        self.ingested += rows;
        self.last_line = Some(last_line);
    }

    /// Notes how many rows the index really has.
    pub(super) fn count(&mut self, rows: Option<u64>) {
        let Some(rows) = rows else {
            // What was only in memory is gone.
            if self.durability == DurabilityName::None {
                (self.ingested, self.last_line) = (0, None);
            }
            self.is_least = true;
            return;
        };
        if rows == self.ingested {
            return;
        }
        self.last_line = match self.doubtful {
            Some((batch, line)) if self.ingested + batch == rows => Some(line),
            _ => None,
        };
        self.ingested = rows;
    }

    /// The failure of a load that stopped, with what is in and how to go on.
    pub(super) fn stopped(&self, stop: Stop) -> Failure {
        stop.failure.and(self.standing())
    }

    /// The failure of a load that is in, but for its last flush.
    pub(super) fn unflushed(&self, error: &Error) -> Failure {
        let failure = told(error).at("the flush at the end");
        if self.durability == DurabilityName::None {
            return failure.and(self.standing());
        }
        let rows = self.all();
        failure.and(format!(
            "{rows} and safe in the log, do not load them again; `sidx flush` writes them to a part later"
        ))
    }

    /// What a load comes to whose summary could not be printed.
    pub(super) fn untold(&self, error: io::Error) -> Result<(), Failure> {
        match Failure::output(error) {
            Failure::ReaderGone => Ok(()),
            failure => {
                let rows = self.all();
                Err(failure.with_next(format!("{rows}, do not load them again")))
            }
        }
    }

    fn all(&self) -> String {
        match self.ingested {
            1 => String::from("the row is in"),
            rows => format!("all {rows} rows are in"),
        }
    }

    fn standing(&self) -> String {
        let passed = self.passed.saturating_add(self.ingested);
        let go_on = format!("to go on behind them, load the same input with --skip-rows {passed}");
        let line = self.last_line;
        let up_to = line.map_or(String::new(), |line| format!(", up to line {line}"));
        match (self.is_least, self.ingested) {
            (true, rows) => format!(
                "at least {rows} rows are in{up_to}; how many more is not known: see \
                 \"rows\" of `sidx stats` before loading any again"
            ),
            (false, 0) if passed > 0 => format!("no more rows are in; {go_on}"),
            (false, 0) => String::from("no row is in"),
            (false, 1) => format!("1 row is in{up_to}; {go_on}"),
            (false, rows) => format!("{rows} rows are in{up_to}; {go_on}"),
        }
    }
}
