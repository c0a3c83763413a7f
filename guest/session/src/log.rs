//! The write-ahead log as the engine sees it: a header of its own and columns.

use std::cell::{Cell, RefCell};

use sidx_columns::{Column, log_columns};
use sidx_engine::host::{LogDurability, LogEntry, SalvagedLog};
use sidx_engine::{Error, Result};
use sidx_executor::Columns;
use sidx_log::{Access, Cut, Durability, Form, Log, Segments, Term};

use crate::place::Place;
use crate::segments::{Files, told};
use crate::storage::Storage;

/// How often a reader looks for the segment with which the writer of its snapshot has ended the log of the
/// one before: there is none where that writer died in between.
const LOOKS: u64 = 32;

/// What was done with the log since it was entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Appends that had entries.
    pub appends: u64,
    /// Entries in them.
    pub entries: u64,
    /// Appends that were synced.
    pub syncs: u64,
}

/// What a check of a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Entries that can be read.
    pub entries: u64,
    /// What is damaged, with file and offset.
    pub damage: Vec<String>,
    /// Bytes behind the last entry that are no whole one.
    pub torn_bytes: u64,
}

/// The log of an index.
pub(crate) struct IndexLog<S: Storage> {
    place: Place<S>,
    log: RefCell<Option<Log<Files<S>>>>,
    needed_from: Cell<u64>,
    counts: Cell<LogCounts>,
}

impl<S: Storage> IndexLog<S> {
    pub(crate) fn new(place: Place<S>) -> Self {
        Self {
            place,
            log: RefCell::new(None),
            needed_from: Cell::new(u64::MAX),
            counts: Cell::default(),
        }
    }

    fn files(&self) -> Files<S> {
        Files::new(self.place.clone())
    }

    /// Opens it to read from a position on.
    pub(crate) fn open(&self, position: u64, awaited: Option<Term>) -> Result<()> {
        let mut looks = 1;
        let log = loop {
            let log = Log::open_from(self.files(), Access::Read, position).map_err(told)?;
            let is_there = awaited.is_none_or(|term| log.has_segment_of(term));
            if is_there || looks == LOOKS {
                break log;
            }
            self.pause(looks);
            looks += 1;
        };
        self.opened(log, position);
        Ok(())
    }

    /// Lets a moment pass, a bit longer each time. There is no way to sleep here.
    fn pause(&self, looks: u64) {
        let storage = self.place.storage();
        let end = storage.now_ms().saturating_add(1 + looks / 8);
        while storage.now_ms() < end {
            std::hint::spin_loop();
        }
    }

    fn opened(&self, log: Log<Files<S>>, needed_from: u64) {
        self.needed_from.set(needed_from);
        *self.log.borrow_mut() = Some(log);
    }

    /// Takes in what came after the end of one that is read. False when it is to be opened anew.
    pub(crate) fn follow(&self) -> Result<bool> {
        self.with_log(|log| log.follow().map_err(told))
    }

    /// Ends it for writers before, and opens it to write from a position on. Whether only a look for the
    /// next epoch tells when another writer has done the same.
    pub(crate) fn take_over(&self, position: u64, term: Term, fence: bool) -> Result<bool> {
        let files = self.files();
        let grows = files.form() == Form::Growing;
        let access = Access::Write { term, seal: fence };
        let log = Log::open_from(files, access, position).map_err(told)?;
        self.opened(log, position);
        Ok(grows)
    }

    fn with_log<T>(&self, call: impl FnOnce(&mut Log<Files<S>>) -> Result<T>) -> Result<T> {
        match &mut *self.log.borrow_mut() {
            Some(log) => call(log),
            None => Err(Error::invalid(
                "the log is not open; `open` or `take-over` comes first",
            )),
        }
    }

    /// Appends entries as one write and returns the position after the last, and the bytes added. Segments
    /// have at most about `segment_bytes`.
    pub(crate) fn append(
        &self,
        headers: &[&[u8]],
        columns: &[&Columns],
        durability: LogDurability,
        segment_bytes: u64,
    ) -> Result<(u64, u64)> {
        if headers.len() != columns.len() {
            let (given, needed) = (columns.len(), headers.len());
            return Err(Error::invalid(format!(
                "{given} columns for {needed} headers of the log"
            )));
        }
        let bodies: Vec<Vec<u8>> = columns.iter().map(|columns| encode(columns)).collect();
        let entries: Vec<(&[u8], &[u8])> = headers
            .iter()
            .zip(&bodies)
            .map(|(header, body)| (*header, body.as_slice()))
            .collect();
        let durability = match durability {
            LogDurability::Os => Durability::Os,
            LogDurability::Sync => Durability::Sync,
        };
        let appended = self.with_log(|log| {
            let before = log.end();
            log.limit_segments(segment_bytes);
            let end = log.append(&entries, durability).map_err(told)?;
            Ok((end, end.saturating_sub(before)))
        })?;
        let mut counts = self.counts.get();
        counts.appends += u64::from(!entries.is_empty());
        counts.entries += entries.len() as u64;
        counts.syncs += u64::from(durability == Durability::Sync);
        self.counts.set(counts);
        Ok(appended)
    }

    /// The position after the last entry.
    pub(crate) fn end(&self) -> Result<u64> {
        self.with_log(|log| Ok(log.end()))
    }

    /// The entry at a position.
    pub(crate) fn read(&self, position: u64) -> Result<Option<LogEntry<Columns>>> {
        let Some(entry) = self.with_log(|log| log.read(position).map_err(told))? else {
            return Ok(None);
        };
        let at = |text: String| Error::corrupt(text).at(format_args!("log position {position}"));
        let columns = log_columns::read(&entry.body).map_err(|cause| at(cause.to_string()))?;
        let rows = columns.first().map_or(0, Column::rows);
        let columns =
            Columns::from_columns(rows, columns).map_err(|cause| at(cause.to_string()))?;
        Ok(Some(LogEntry {
            next_position: entry.next_position,
            header: entry.header,
            columns,
        }))
    }

    /// Opens the log although it may be damaged, and says what can be read from a position on, or from its
    /// beginning; with a term, to write.
    pub(crate) fn salvage(
        &self,
        needed_from: Option<u64>,
        term: Option<Term>,
    ) -> Result<SalvagedLog> {
        // Nobody knows who may still be at work.
        let write = |term| Access::Write { term, seal: true };
        let access = term.map_or(Access::Read, write);
        let salvaged = Log::salvage(self.files(), access, needed_from);
        let (log, report) = salvaged.map_err(told)?;
        self.opened(log, needed_from.unwrap_or(0));
        Ok(SalvagedLog {
            spans: report.spans,
            damage: report.damage,
            term: report.term,
        })
    }

    /// Reads and checks every entry.
    pub(crate) fn check(&self) -> Result<LogReport> {
        let needed = self.with_log(|log| Ok(log.needed()))?;
        let report = needed.check(&self.files()).map_err(told)?;
        Ok(LogReport {
            entries: report.entries,
            damage: report.damage,
            torn_bytes: report.torn_bytes,
        })
    }

    /// Notes that entries before a position are in the parts, and gives up those before another one, which is
    /// not behind it.
    pub(crate) fn drop_before(&self, position: u64, kept_from: u64) -> Result<()> {
        if kept_from > position {
            let text = format!("log.drop-before {position} gives up entries up to {kept_from}");
            return Err(Error::invalid(text));
        }
        self.with_log(|log| {
            // Positions that were absorbed are not used again, whoever reads what was before them.
            let up_to = if log.end() < position {
                position
            } else {
                kept_from
            };
            if up_to > 0 {
                log.drop_before(up_to).map_err(told)?;
            }
            self.needed_from.set(position);
            Ok(())
        })
    }

    /// Bytes of entries that are in no file part yet.
    pub(crate) fn backlog_bytes(&self) -> u64 {
        let end = self.end().unwrap_or(0);
        end.saturating_sub(self.needed_from.get())
    }

    /// Lets go of it.
    pub(crate) fn close(&self) {
        self.log.borrow_mut().take();
    }

    pub(crate) fn counts(&self) -> LogCounts {
        self.counts.get()
    }

    /// What its opening left out.
    pub(crate) fn cut(&self) -> Option<Cut> {
        self.log.borrow().as_ref()?.cut().cloned()
    }
}

fn encode(columns: &Columns) -> Vec<u8> {
    let columns: Vec<&Column> = columns.all().iter().collect();
    let mut body = Vec::with_capacity(columns.iter().map(|column| column.size_bytes()).sum());
    log_columns::write(&columns, &mut body);
    body
}
