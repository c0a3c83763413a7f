//! `sidx ingest`: reads rows on one thread and writes batches on another.
//!
//! A load that stops, for whatever reason, says how many of its rows are in the index and how to go on
//! behind them.

mod csv;
mod decimal;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod interruption;
mod json;
mod mapping;
mod ndjson;
mod problem;
mod progress;
mod pump;
mod rows;
mod source;
mod standing;
mod text;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Instant;

use sidx_host::{Durability, Index};

use crate::arguments::{DurabilityName, IngestArguments, InputFormat};
use crate::console::Console;
use crate::exit::{Code, Failure};
use crate::place::Place;
use csv::CsvReader;
use interruption::Interruption;
use mapping::Mapping;
use ndjson::NdjsonReader;
use progress::Progress;
use pump::Load;
use rows::Rows;
use source::Source;
use standing::{Start, Stop, Summary};

/// Batches read ahead of the one that is being written.
const BATCHES_AHEAD: usize = 1;

/// A format of input.
trait RowReader: Send {
    /// Reads the next record without looking into it; waits for input until `until` at most, for ever
    /// without.
    fn advance(&mut self, until: Option<Instant>) -> problem::Result<Advance>;
    /// Makes a row of the record.
    fn append(&mut self, rows: &mut Rows) -> problem::Result<Kept>;
    /// The line where the record starts, counted from 1.
    fn line(&self) -> u64;
    /// Whether the input ended before its end. What it ended with is left out unless it was a whole record.
    fn is_cut(&self) -> bool;
}

/// What reading on came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Advance {
    /// A record of so many bytes.
    Record(usize),
    /// No whole record in time.
    Idle,
    /// There are no more records.
    End,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is a row now.
    Row,
    /// It has no key, and the user asked to skip such rows.
    Skipped,
}

/// Runs the command. The last line on stdout counts what is in the index, also after a failure.
pub(crate) fn run(arguments: &IngestArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let started = Instant::now();
    let mapping = Mapping::new(arguments)?;
    let place = Place::new(&arguments.store, &arguments.index)?.with_room(arguments.room);
    let interruption = Interruption::of_signals().map_err(|error| {
        let message = format!("signals cannot be listened for: {error}");
        Failure::new(Code::Other, message, "run it again")
    })?;
    let mut summary = Summary::new(arguments);
    let outcome = load(
        arguments,
        mapping,
        &place,
        &interruption,
        console,
        &mut summary,
    );
    let line = format!(
        "{{\"ingested\": {}, \"skipped\": {}, \"elapsed_ms\": {}}}",
        summary.ingested,
        summary.skipped,
        started.elapsed().as_millis()
    );
    let told = writeln!(console.out, "{line}").and_then(|()| console.out.flush());
    outcome.and(told.or_else(|error| summary.untold(error)))
}

fn load(
    arguments: &IngestArguments,
    mapping: Mapping,
    place: &Place,
    interruption: &Arc<Interruption>,
    console: &mut Console<'_>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let opened = Source::open(&arguments.file, interruption).and_then(|source| {
        let progress = Progress::new(
            console.err_is_terminal,
            source.size_bytes,
            Arc::clone(&source.read_bytes),
        );
        let reader: Box<dyn RowReader> = match arguments.format {
            InputFormat::Ndjson => Box::new(NdjsonReader::new(source, mapping)),
            InputFormat::Csv => {
                let reader = CsvReader::new(source, &mapping);
                Box::new(reader.map_err(|problem| problem.at_line(1))?)
            }
        };
        Ok((progress, reader))
    });
    let (progress, reader) = opened.map_err(|failure| match interruption.signal() {
        // What came so far was no header, which is the signal's doing.
        Some(signal) => summary.stopped(Stop::of_signal(signal)),
        None => failure,
    })?;
    let index = place.create()?;
    let start = Start::of(&index)?;
    let mut rows = Rows::new();
    for (tag, kind) in start.array_types() {
        rows.know_array(tag, kind);
    }
    let mut writer = Writer {
        index: &index,
        durability: durability(arguments.durability),
        ack: arguments.ack,
        progress: &progress,
        summary,
    };
    let outcome = writer.run(reader, rows, arguments, interruption, console);
    progress.finish();
    close(index, place, outcome, &start, summary)?;
    if arguments.ack && arguments.durability == DurabilityName::None {
        acknowledge(summary.ingested, console).map_err(|stop| summary.stopped(stop))?;
    }
    Ok(())
}

/// Brings a load to its end: flushes, so that the next opening has nothing to replay, unless the index takes
/// no more changes; then the summary counts what is in it.
fn close(
    index: Index,
    place: &Place,
    outcome: Result<(), Stop>,
    start: &Start,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let is_sound = outcome.as_ref().err().is_none_or(|stop| !stop.is_of_index);
    let flushed = if is_sound {
        index.flush().map(drop)
    } else {
        Ok(())
    };
    // The index can be counted only after it was let go of.
    drop(index);
    let in_doubt = !is_sound || (flushed.is_err() && summary.durability == DurabilityName::None);
    if in_doubt {
        summary.count(start.rows_in(place));
    }
    match (outcome, flushed) {
        (Ok(()), Ok(_)) => Ok(()),
        (Ok(()), Err(error)) => Err(summary.unflushed(&error)),
        (Err(stop), _) => Err(summary.stopped(stop)),
    }
}

struct Writer<'a> {
    index: &'a Index,
    durability: Durability,
    ack: bool,
    progress: &'a Progress,
    summary: &'a mut Summary,
}

impl Writer<'_> {
    /// Writes what the reader reads, until the end or the first failure of either.
    fn run(
        &mut self,
        mut reader: Box<dyn RowReader>,
        rows: Rows,
        arguments: &IngestArguments,
        interruption: &Interruption,
        console: &mut Console<'_>,
    ) -> Result<(), Stop> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let reading = scope
                .spawn(move || pump::read(reader.as_mut(), rows, arguments, interruption, &sender));
            let written = self.write_all(receiver, console);
            if written.is_err() {
                interruption.end_input();
            }
            let (skipped, read) = reading.join().unwrap_or_else(|_| {
                let message = "the thread that reads the input broke off";
                let failure = Failure::new(Code::Other, message, "report this as a bug");
                (0, Err(failure))
            });
            self.summary.skipped = skipped;
            written.and(read.map_err(Stop::of_input))
        })
    }

    /// Takes the receiver, so that a failure here stops the reader at its next batch.
    fn write_all(&mut self, loads: Receiver<Load>, console: &mut Console<'_>) -> Result<(), Stop> {
        for load in loads {
            let (rows, last_line) = (load.rows, load.last_line);
            let lines = load.lines();
            if let Err(error) = self.index.write_with(load.batch, self.durability) {
                self.summary.doubtful = Some((rows, last_line));
                return Err(Stop::of_write(&error, &lines));
            }
            self.summary.wrote(rows, last_line);
            self.progress.set_rows(self.summary.ingested);
            if self.ack && self.durability != Durability::None {
                acknowledge(self.summary.ingested, console)?;
            }
        }
        Ok(())
    }
}

/// Tells how many rows are safe. A reader that left does not stop a load.
fn acknowledge(rows: u64, console: &mut Console<'_>) -> Result<(), Stop> {
    writeln!(console.out, "{{\"acknowledged\": {rows}}}")
        .and_then(|()| console.out.flush())
        .or_else(|error| match Failure::output(error) {
            Failure::ReaderGone => Ok(()),
            failure => Err(Stop::of_output(failure)),
        })
}

fn durability(name: DurabilityName) -> Durability {
    match name {
        DurabilityName::Sync => Durability::Sync,
        DurabilityName::Os => Durability::Os,
        DurabilityName::None => Durability::None,
    }
}
