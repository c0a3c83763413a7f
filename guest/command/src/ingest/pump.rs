//! From records to batches.

use std::time::Duration;

use super::driver::Driver;
use super::problem::Problem;
use super::reader::{Advance, Kept, RowReader};
use super::rows::Rows;
use super::standing::stopped_by;
use crate::arguments::IngestArguments;
use crate::database::Index;
use crate::exit::Failure;
use crate::moment::Moment;

/// A batch is written before it passes this size; the library refuses 64 MiB.
const BATCH_BYTES_MAX: usize = 48 << 20;

/// Longest that a row waits for others while no input comes.
const WAIT: Duration = Duration::from_secs(1);

/// Rows read, on their way to the writer.
pub(super) struct Load<I: Index> {
    pub(super) batch: I::Batch,
    pub(super) rows: u64,
    pub(super) first_line: u64,
    pub(super) last_line: u64,
}

impl<I: Index> Load<I> {
    /// Where its rows begin, for messages.
    pub(super) fn lines(&self) -> String {
        lines(self.first_line, self.last_line)
    }
}

fn lines(first: u64, last: u64) -> String {
    if first == last {
        format!("line {first}")
    } else {
        format!("lines {first} to {last}")
    }
}

/// Sends everything up to the first bad record; gives the number of skipped rows. `send` says whether more is
/// wanted.
pub(super) fn read<I: Index>(
    reader: &mut dyn RowReader,
    rows: Rows,
    arguments: &IngestArguments,
    driver: &impl Driver,
    send: &mut dyn FnMut(Load<I>) -> bool,
) -> (u64, Result<(), Failure>) {
    let mut pump = Pump {
        rows,
        batch_rows: arguments.batch as usize,
        passed: 0,
        pass: arguments.skip_rows,
        skipped: 0,
        lines: None,
        since: None,
        is_wanted: true,
        send,
    };
    let end = pump.run(reader);
    // What came before a bad record is good.
    let last = pump.send();
    let cut = match driver.signal() {
        Some(signal) if reader.is_cut() => Err(stopped_by(signal)),
        _ => Ok(()),
    };
    let short = match pump.passed < pump.pass {
        true => Err(Failure::usage(
            format!(
                "--skip-rows {}: the input has only {} rows",
                pump.pass, pump.passed
            ),
            "it is not the input of the load before, or that was written whole",
        )),
        false => Ok(()),
    };
    (pump.skipped, end.and(last).and(cut).and(short))
}

/// Gathers rows into batches.
struct Pump<'a, I: Index> {
    rows: Rows,
    batch_rows: usize,
    /// Rows that an earlier load wrote: how many were gone over, of how many.
    passed: u64,
    pass: u64,
    skipped: u64,
    /// Lines where the first and the last row of the batch begin.
    lines: Option<(u64, u64)>,
    /// When the batch got its first row.
    since: Option<Moment>,
    /// Whether the writer takes more.
    is_wanted: bool,
    send: &'a mut dyn FnMut(Load<I>) -> bool,
}

impl<I: Index> Pump<'_, I> {
    fn run(&mut self, reader: &mut dyn RowReader) -> Result<(), Failure> {
        let fault = |reader: &dyn RowReader, problem: Problem| problem.at_line(reader.line());
        while self.is_wanted {
            let until = self.since.map(|since| since + WAIT);
            match reader
                .advance(until)
                .map_err(|problem| fault(reader, problem))?
            {
                Advance::Record(size) => {
                    self.take(reader, size)
                        .map_err(|problem| fault(reader, problem))??;
                }
                Advance::Idle => self.send()?,
                Advance::End => break,
            }
        }
        Ok(())
    }

    /// Takes the reader's record. The outer error is the record's, the inner one that of the batch before it.
    fn take(
        &mut self,
        reader: &mut dyn RowReader,
        size: usize,
    ) -> super::problem::Result<Result<(), Failure>> {
        // A record takes at most four times its size as columns.
        let size = size.saturating_mul(4);
        if self.rows.kept() > 0
            && self.rows.bytes().saturating_add(size) > BATCH_BYTES_MAX
            && let Err(failure) = self.send()
        {
            return Ok(Err(failure));
        }
        let mut kept = reader.append(&mut self.rows);
        if kept.as_ref().is_err_and(Problem::is_of_batch) && self.rows.kept() > 0 {
            self.rows.discard();
            if let Err(failure) = self.send() {
                return Ok(Err(failure));
            }
            kept = reader.append(&mut self.rows);
        }
        let kept = kept.inspect_err(|_| self.rows.discard())?;
        let is_passing = self.passed < self.pass;
        match kept {
            Kept::Row if is_passing => self.passed += 1,
            Kept::Row => {
                let line = reader.line();
                self.lines = Some((self.lines.map_or(line, |(first, _)| first), line));
                self.since.get_or_insert_with(Moment::now);
            }
            Kept::Skipped => self.skipped += u64::from(!is_passing),
        }
        // The last row that is passed over takes the others before it along.
        if self.rows.len() >= self.batch_rows || (is_passing && self.passed == self.pass) {
            return Ok(self.send());
        }
        Ok(Ok(()))
    }

    /// Sends the rows to the writer, or drops them when an earlier load wrote them.
    fn send(&mut self) -> Result<(), Failure> {
        self.since = None;
        let kept = self.rows.kept() as u64;
        let lines_of_batch = self.lines.take();
        let (first_line, last_line) = lines_of_batch.unwrap_or_default();
        let pieces = self
            .rows
            .take()
            .map_err(|problem| problem.at_line(last_line))?;
        if kept == 0 || lines_of_batch.is_none() {
            return Ok(());
        }
        let batch = I::batch(pieces)
            .map_err(|error| Failure::from(error).at(lines(first_line, last_line)))?;
        let load = Load {
            batch,
            rows: kept,
            first_line,
            last_line,
        };
        // When the writer is gone it has the failure to tell.
        self.is_wanted = (self.send)(load);
        Ok(())
    }
}
