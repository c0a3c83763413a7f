//! `sidx ingest`: reads rows while it writes batches of those before, where the driver can do both.
//!
//! A load that stops, for whatever reason, says how many of its rows are in the index and how to go on
//! behind them.

mod csv;
mod decimal;
pub mod driver;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod mapping;
mod ndjson;
mod problem;
mod pump;
mod reader;
mod rows;
mod source;
mod standing;
mod text;

use sidx_engine::Durability;

use crate::arguments::{DurabilityName, IngestArguments, InputFormat};
use crate::console::Console;
use crate::database::{Database, Index};
use crate::exit::{Code, Failure};
use crate::moment::Moment;
use crate::place::{IndexOf, Place};
use csv::CsvReader;
use driver::{Driver, Progress};
use mapping::Mapping;
use ndjson::NdjsonReader;
use pump::Load;
use reader::RowReader;
use rows::Rows;
use source::Source;
use standing::{Start, Stop, Summary};

/// Runs the command. The last line on stdout counts what is in the index, also after a failure.
pub(crate) fn run(
    arguments: &IngestArguments,
    database: &impl Database,
    driver: &impl Driver,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Moment::now();
    let mapping = Mapping::new(arguments)?;
    let place = Place::new(database, &arguments.store, &arguments.index)?;
    let place = place.with_room(arguments.room).waiting(arguments.wait);
    driver.listen().map_err(|error| {
        let message = format!("signals cannot be listened for: {error}");
        Failure::new(Code::Other, message, "run it again")
    })?;
    let mut summary = Summary::new(arguments);
    let outcome = load(arguments, mapping, &place, driver, console, &mut summary);
    let line = format!(
        "{{\"ingested\": {}, \"skipped\": {}, \"elapsed_ms\": {}}}",
        summary.ingested,
        summary.skipped,
        started.elapsed_ms()
    );
    let told = writeln!(console.out, "{line}").and_then(|()| console.out.flush());
    outcome.and(told.or_else(|error| summary.untold(error)))
}

fn load<D: Database, R: Driver>(
    arguments: &IngestArguments,
    mapping: Mapping,
    place: &Place<'_, D>,
    driver: &R,
    console: &mut Console<'_>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let opened = Source::open(&arguments.file, driver).and_then(|source| {
        let progress = driver.progress(console.err_is_terminal, source.size_bytes);
        let reader: Box<dyn RowReader> = match arguments.format {
            InputFormat::Ndjson => Box::new(NdjsonReader::new(source, mapping)),
            InputFormat::Csv => {
                let reader = CsvReader::new(source, &mapping);
                Box::new(reader.map_err(|problem| problem.at_line(1))?)
            }
        };
        Ok((progress, reader))
    });
    let (progress, reader) = opened.map_err(|failure| match driver.signal() {
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
    let outcome = writer.run(reader, rows, arguments, driver, console);
    progress.finish();
    close(index, place, outcome, &start, summary)?;
    if arguments.ack && arguments.durability == DurabilityName::None {
        acknowledge(summary.ingested, console).map_err(|stop| summary.stopped(stop))?;
    }
    Ok(())
}

/// Brings a load to its end: flushes, so that the next opening has nothing to replay, unless the index takes
/// no more changes; then the summary counts what is in it.
fn close<D: Database>(
    index: IndexOf<D>,
    place: &Place<'_, D>,
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
    let is_overtaken = outcome.as_ref().is_err_and(|stop| stop.is_overtaken);
    let in_doubt = !is_sound || (flushed.is_err() && summary.durability == DurabilityName::None);
    if in_doubt {
        // Opening it would take it over from who has it now.
        summary.count(match is_overtaken {
            true => None,
            false => start.rows_in(place),
        });
    }
    match (outcome, flushed) {
        (Ok(()), Ok(_)) => Ok(()),
        (Ok(()), Err(error)) => Err(summary.unflushed(&error)),
        (Err(stop), _) => Err(summary.stopped(stop)),
    }
}

struct Writer<'a, I, P> {
    index: &'a I,
    durability: Durability,
    ack: bool,
    progress: &'a P,
    summary: &'a mut Summary,
}

impl<I: Index, P: Progress> Writer<'_, I, P> {
    /// Writes what the reader reads, until the end or the first failure of either.
    fn run(
        &mut self,
        mut reader: Box<dyn RowReader>,
        rows: Rows,
        arguments: &IngestArguments,
        driver: &impl Driver,
        console: &mut Console<'_>,
    ) -> Result<(), Stop> {
        let mut written = Ok(());
        let read = driver.run(
            move |send| pump::read(reader.as_mut(), rows, arguments, driver, send),
            |load| {
                written = self.write(load, console);
                written.is_ok()
            },
        );
        let (skipped, read) = read.unwrap_or_else(|| {
            let message = "the thread that reads the input broke off";
            let failure = Failure::new(Code::Other, message, "report this as a bug");
            (0, Err(failure))
        });
        self.summary.skipped = skipped;
        written.and(read.map_err(Stop::of_input))
    }

    /// Writes a batch, and acknowledges it if that was asked for.
    fn write(&mut self, load: Load<I>, console: &mut Console<'_>) -> Result<(), Stop> {
        let (rows, last_line) = (load.rows, load.last_line);
        let lines = load.lines();
        if let Err(error) = self.index.write(load.batch, self.durability) {
            self.summary.doubtful = Some((rows, last_line));
            return Err(Stop::of_write(&error, &lines));
        }
        self.summary.wrote(rows, last_line);
        self.progress.set_rows(self.summary.ingested);
        if self.ack && self.durability != Durability::None {
            acknowledge(self.summary.ingested, console)?;
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
