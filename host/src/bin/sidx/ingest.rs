//! `sidx ingest`: reads rows on one thread and writes batches on another.

mod csv;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
pub(crate) mod mapping;
mod ndjson;
mod problem;
mod progress;
mod rows;
mod source;
mod text;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use sidx_host::{Batch, Durability, Index};

use crate::arguments::{DurabilityName, IngestArguments, InputFormat};
use crate::console::Console;
use crate::exit::{Code, Failure};
use crate::place::Place;
use csv::CsvReader;
use mapping::Mapping;
use ndjson::NdjsonReader;
use problem::Problem;
use progress::Progress;
use rows::{Pieces, Rows};
use source::Source;

/// A batch is written before it passes this size; the library refuses 64 MiB.
const BATCH_BYTES_MAX: usize = 48 << 20;

/// Batches read ahead of the one that is being written.
const BATCHES_AHEAD: usize = 1;

/// A format of input.
trait RowReader: Send {
    /// Reads the next record without looking into it; its size in bytes, or none at the end.
    fn advance(&mut self) -> problem::Result<Option<usize>>;
    /// Makes a row of the record.
    fn append(&mut self, rows: &mut Rows) -> problem::Result<Kept>;
    /// The line where the record starts, counted from 1.
    fn line(&self) -> u64;
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is a row now.
    Row,
    /// It has no key, and the user asked to skip such rows.
    Skipped,
}

/// Rows read, on their way to the writer.
struct Load {
    batch: Batch,
    rows: u64,
    first_line: u64,
    last_line: u64,
}

/// What was written.
#[derive(Default)]
struct Summary {
    ingested: u64,
    skipped: u64,
}

/// Runs the command. The last line on stdout counts what is in the index, also after a failure.
pub(crate) fn run(arguments: &IngestArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let started = Instant::now();
    let mapping = Mapping::new(arguments)?;
    let place = Place::new(&arguments.store, &arguments.index)?.with_room(arguments.room);
    let mut summary = Summary::default();
    let outcome = load(arguments, mapping, &place, console, &mut summary);
    let line = format!(
        "{{\"ingested\": {}, \"skipped\": {}, \"elapsed_ms\": {}}}",
        summary.ingested,
        summary.skipped,
        started.elapsed().as_millis()
    );
    let told = writeln!(console.out, "{line}").and_then(|()| console.out.flush());
    outcome.and(told.map_err(Failure::output))
}

fn load(
    arguments: &IngestArguments,
    mapping: Mapping,
    place: &Place,
    console: &mut Console<'_>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let source = Source::open(&arguments.file)?;
    let progress = Progress::new(
        console.err_is_terminal,
        source.size_bytes,
        std::sync::Arc::clone(&source.read_bytes),
    );
    let reader: Box<dyn RowReader> = match arguments.format {
        InputFormat::Ndjson => Box::new(NdjsonReader::new(source, mapping)),
        InputFormat::Csv => {
            Box::new(CsvReader::new(source, &mapping).map_err(|problem| problem.at_line(1))?)
        }
    };
    let index = place.create()?;
    let mut writer = Writer {
        index: &index,
        durability: durability(arguments.durability),
        ack: arguments.ack,
        progress: &progress,
        summary,
    };
    let outcome = writer.run(reader, arguments.batch as usize, console);
    progress.finish();
    let kept = outcome
        .as_ref()
        .err()
        .is_none_or(|failure| !is_fatal(failure));
    let closed = if kept { finish(index) } else { Ok(()) };
    if kept && closed.is_ok() && arguments.ack && arguments.durability == DurabilityName::None {
        acknowledge(summary.ingested, console)?;
    }
    outcome.and(closed)
}

/// Makes the next opening quick: nothing is left to replay.
fn finish(index: Index) -> Result<(), Failure> {
    index.flush()?;
    index.close()?;
    Ok(())
}

/// Whether the index can't be expected to take a flush after this.
fn is_fatal(failure: &Failure) -> bool {
    !matches!(
        failure,
        Failure::Told {
            // What was refused for want of room changed nothing.
            code: Code::Usage | Code::Resource,
            ..
        }
    )
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
        batch_rows: usize,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let reading = scope.spawn(move || read(reader.as_mut(), batch_rows, &sender));
            let written = self.write_all(receiver, console);
            let (skipped, read) = reading.join().unwrap_or_else(|_| {
                let message = "the thread that reads the input broke off";
                (
                    0,
                    Err(Failure::new(Code::Other, message, "report this as a bug")),
                )
            });
            self.summary.skipped = skipped;
            written.and(read)
        })
    }

    /// Takes the receiver, so that a failure here stops the reader at its next batch.
    fn write_all(
        &mut self,
        loads: Receiver<Load>,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        for load in loads {
            let Load {
                batch,
                rows,
                first_line,
                last_line,
            } = load;
            self.index
                .write_with(batch, self.durability)
                .map_err(|error| Failure::from(error).at(lines(first_line, last_line)))?;
            self.summary.ingested += rows;
            self.progress.set_rows(self.summary.ingested);
            if self.ack && self.durability != Durability::None {
                acknowledge(self.summary.ingested, console)?;
            }
        }
        Ok(())
    }
}

fn lines(first: u64, last: u64) -> String {
    if first == last {
        format!("line {first}")
    } else {
        format!("lines {first} to {last}")
    }
}

/// Tells how many rows are safe. A reader that left does not stop a load.
fn acknowledge(rows: u64, console: &mut Console<'_>) -> Result<(), Failure> {
    writeln!(console.out, "{{\"acknowledged\": {rows}}}")
        .and_then(|()| console.out.flush())
        .or_else(|error| match Failure::output(error) {
            Failure::ReaderGone => Ok(()),
            other => Err(other),
        })
}

/// Sends everything up to the first bad record; gives the number of skipped rows.
fn read(
    reader: &mut dyn RowReader,
    batch_rows: usize,
    loads: &SyncSender<Load>,
) -> (u64, Result<(), Failure>) {
    let mut pump = Pump {
        rows: Rows::new(),
        skipped: 0,
        first_line: 1,
        loads,
    };
    let end = pump.run(reader, batch_rows);
    // What came before a bad record is good.
    let last = pump.send(reader.line());
    (pump.skipped, end.and(last))
}

/// Gathers rows into batches.
struct Pump<'a> {
    rows: Rows,
    skipped: u64,
    first_line: u64,
    loads: &'a SyncSender<Load>,
}

impl Pump<'_> {
    fn run(&mut self, reader: &mut dyn RowReader, batch_rows: usize) -> Result<(), Failure> {
        let fault = |reader: &dyn RowReader, problem: Problem| problem.at_line(reader.line());
        while let Some(size) = reader.advance().map_err(|problem| fault(reader, problem))? {
            // A record takes at most four times its size as columns.
            let size = size.saturating_mul(4);
            if self.rows.kept() > 0 && self.rows.bytes().saturating_add(size) > BATCH_BYTES_MAX {
                self.send(reader.line().saturating_sub(1))?;
            }
            let mut kept = reader.append(&mut self.rows);
            if kept.as_ref().is_err_and(Problem::is_of_batch) && self.rows.kept() > 0 {
                self.rows.discard();
                self.send(reader.line().saturating_sub(1))?;
                kept = reader.append(&mut self.rows);
            }
            match kept {
                Ok(Kept::Row) => {}
                Ok(Kept::Skipped) => self.skipped += 1,
                Err(problem) => {
                    self.rows.discard();
                    return Err(fault(reader, problem));
                }
            }
            if self.rows.len() >= batch_rows {
                self.send(reader.line())?;
            }
        }
        Ok(())
    }

    fn send(&mut self, last_line: u64) -> Result<(), Failure> {
        let first_line = std::mem::replace(&mut self.first_line, last_line + 1);
        let kept = self.rows.kept() as u64;
        let pieces = self
            .rows
            .take()
            .map_err(|problem| problem.at_line(last_line))?;
        if kept == 0 {
            return Ok(());
        }
        let batch = batch(pieces).map_err(|failure| failure.at(lines(first_line, last_line)))?;
        // When the writer is gone it has the failure to tell.
        let _ = self.loads.send(Load {
            batch,
            rows: kept,
            first_line,
            last_line,
        });
        Ok(())
    }
}

fn batch(pieces: Pieces) -> Result<Batch, Failure> {
    let Pieces {
        series,
        keys,
        labels,
        payloads,
        tags,
    } = pieces;
    let mut batch = Batch::from_columns(series, keys, payloads, tags)?;
    for label in &labels {
        batch.add_label(label);
    }
    Ok(batch)
}

fn durability(name: DurabilityName) -> Durability {
    match name {
        DurabilityName::Sync => Durability::Sync,
        DurabilityName::Os => Durability::Os,
        DurabilityName::None => Durability::None,
    }
}
