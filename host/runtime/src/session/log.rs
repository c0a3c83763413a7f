//! The write-ahead log as the engine sees it: a header of its own and columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sidx_columns::{Column, log_columns};
use sidx_engine::host::{LogDurability, LogEntry, SalvagedLog};
use sidx_engine::{Error, Result};
use sidx_log::Term;

use super::Columns;
use crate::storage::Storage;
use crate::storage::log::{Log, LogAccess, LogForm, LogReport};

/// How often a reader looks for the segment with which the writer of its snapshot has ended the log of the
/// one before: there is none where that writer died in between.
const LOOKS: u32 = 32;
/// It waits this long before its second look, twice as long before the third, and so on, up to the last.
const FIRST_WAIT: Duration = Duration::from_micros(200);

/// The log of an open index.
pub(crate) struct IndexLog {
    storage: Arc<dyn Storage>,
    log: Mutex<Option<Log>>,
    /// The position after the last entry, and the one before which entries are not needed any more; kept
    /// beside the log so that asking waits for no sync.
    end: AtomicU64,
    needed_from: AtomicU64,
}

impl IndexLog {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            log: Mutex::new(None),
            end: AtomicU64::new(0),
            needed_from: AtomicU64::new(u64::MAX),
        }
    }

    /// Opens it to read from a position on.
    pub(crate) fn open(&self, position: u64, awaited: Option<Term>) -> Result<()> {
        let mut slot = self.log.lock();
        let mut looks = 1;
        let log = loop {
            let log = Log::open_from(Arc::clone(&self.storage), LogAccess::Read, position)?;
            let is_there = awaited.is_none_or(|term| log.has_segment_of(term));
            if is_there || looks == LOOKS {
                break log;
            }
            std::thread::sleep(FIRST_WAIT * looks);
            looks += 1;
        };
        self.opened(&log, position);
        *slot = Some(log);
        Ok(())
    }

    /// Takes in what came after the end of one that is read. False when it is to be opened anew.
    pub(crate) fn follow(&self) -> Result<bool> {
        self.with_log(Log::follow)
    }

    /// Ends it for writers before, and opens it to write from a position on. Whether only a look for the
    /// next epoch tells when another writer has done the same.
    pub(crate) fn take_over(&self, position: u64, term: Term, fence: bool) -> Result<bool> {
        let mut slot = self.log.lock();
        let storage = Arc::clone(&self.storage);
        let log = Log::open_from(storage, LogAccess::Write { term, seal: fence }, position)?;
        self.opened(&log, position);
        *slot = Some(log);
        Ok(self.storage.log_form() == LogForm::Growing)
    }

    /// How far it had come when it was opened, or what is before was absorbed.
    pub(crate) fn reached(&self) -> u64 {
        let end = self.end.load(Ordering::Relaxed);
        end.max(self.needed_from.load(Ordering::Relaxed))
    }

    /// Whether it is open to write.
    pub(crate) fn is_written(&self) -> bool {
        self.log
            .lock()
            .as_ref()
            .is_some_and(|log| log.term().is_some())
    }

    fn opened(&self, log: &Log, needed_from: u64) {
        self.end.store(log.end(), Ordering::Relaxed);
        self.needed_from.store(needed_from, Ordering::Relaxed);
    }

    fn with_log<T>(&self, call: impl FnOnce(&mut Log) -> crate::Result<T>) -> Result<T> {
        let mut slot = self.log.lock();
        let Some(log) = &mut *slot else {
            return Err(Error::invalid(
                "the log is not open; `open` or `take-over` comes first",
            ));
        };
        let result = call(log);
        self.end.store(log.end(), Ordering::Relaxed);
        Ok(result?)
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
        self.with_log(|log| {
            let before = log.end();
            log.limit_segments(segment_bytes);
            let end = log.append(&entries, durability)?;
            Ok((end, end.saturating_sub(before)))
        })
    }

    /// The position after the last entry.
    pub(crate) fn end(&self) -> Result<u64> {
        self.with_log(|log| Ok(log.end()))
    }

    /// The entry at a position.
    pub(crate) fn read(&self, position: u64) -> Result<Option<LogEntry<Columns>>> {
        let Some(entry) = self.with_log(|log| log.read(position))? else {
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
        let mut slot = self.log.lock();
        // Nobody knows who may still be at work.
        let write = |term| LogAccess::Write { term, seal: true };
        let access = term.map_or(LogAccess::Read, write);
        let (log, report) = Log::salvage(Arc::clone(&self.storage), access, needed_from)?;
        self.opened(&log, needed_from.unwrap_or(0));
        *slot = Some(log);
        Ok(SalvagedLog {
            spans: report.spans,
            damage: report.damage,
            term: report.term,
        })
    }

    /// Reads and checks every entry. Appends go on meanwhile; what they add is not looked at.
    pub(crate) fn check(&self) -> Result<LogReport> {
        let needed = self.with_log(|log| Ok(log.needed()))?;
        Ok(needed.check(&self.storage)?)
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
            match up_to {
                0 => Ok(()),
                _ => log.drop_before(up_to),
            }
        })?;
        self.needed_from.store(position, Ordering::Relaxed);
        Ok(())
    }

    /// Commits that are in no file part yet, where each is an object of its own; none where files grow.
    pub(crate) fn backlog_objects(&self) -> usize {
        if self.storage.log_form() == LogForm::Growing {
            return 0;
        }
        let needed_from = self.needed_from.load(Ordering::Relaxed);
        let slot = self.log.lock();
        { slot.as_ref() }.map_or(0, |log| log.commits_from(needed_from))
    }

    /// Bytes of entries that are in no file part yet. Waits for nothing.
    pub(crate) fn backlog_bytes(&self) -> u64 {
        let end = self.end.load(Ordering::Relaxed);
        end.saturating_sub(self.needed_from.load(Ordering::Relaxed))
    }
}

fn encode(columns: &Columns) -> Vec<u8> {
    let columns: Vec<&Column> = columns.all().iter().collect();
    let mut body = Vec::with_capacity(columns.iter().map(|column| column.size_bytes()).sum());
    log_columns::write(&columns, &mut body);
    body
}
