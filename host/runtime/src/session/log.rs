//! The write-ahead log as the engine sees it: a header of its own and columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sidx_columns::{Column, log_columns};
use sidx_engine::host::{LogDurability, LogEntry, SalvagedLog};
use sidx_engine::{Error, Result};

use super::Columns;
use crate::storage::Storage;
use crate::storage::log::{Log, LogAccess, LogReport};

/// The log of an open index. It is opened when it is first used, which for a writer is after the lock
/// was taken.
pub(crate) struct IndexLog {
    storage: Arc<dyn Storage>,
    access: LogAccess,
    log: Mutex<Option<Log>>,
    /// The position after the last entry, and the one before which entries are not needed any more; kept
    /// beside the log so that asking waits for no sync.
    end: AtomicU64,
    needed_from: AtomicU64,
}

impl IndexLog {
    pub(crate) fn new(storage: Arc<dyn Storage>, read_only: bool) -> Self {
        let access = if read_only {
            LogAccess::Read
        } else {
            LogAccess::Write
        };
        Self {
            storage,
            access,
            log: Mutex::new(None),
            end: AtomicU64::new(0),
            needed_from: AtomicU64::new(u64::MAX),
        }
    }

    /// Calls the log. The first call opens it, from the position that it is about: nothing before the one
    /// that opening an index asks for is needed.
    fn with_log<T>(
        &self,
        needed_from: u64,
        call: impl FnOnce(&mut Log) -> crate::Result<T>,
    ) -> Result<T> {
        let mut slot = self.log.lock();
        let log = match &mut *slot {
            Some(log) => log,
            None => {
                let storage = Arc::clone(&self.storage);
                slot.insert(Log::open_from(storage, self.access, needed_from)?)
            }
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
        self.with_log(0, |log| {
            let before = log.end();
            log.limit_segments(segment_bytes);
            let end = log.append(&entries, durability)?;
            Ok((end, end.saturating_sub(before)))
        })
    }

    /// The position after the last entry.
    pub(crate) fn end(&self) -> Result<u64> {
        self.with_log(0, |log| Ok(log.end()))
    }

    /// The entry at a position.
    pub(crate) fn read(&self, position: u64) -> Result<Option<LogEntry<Columns>>> {
        // What is read first is what the newest snapshot lacks.
        let _ = self.needed_from.compare_exchange(
            u64::MAX,
            position,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        let Some(entry) = self.with_log(position, |log| log.read(position))? else {
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
    /// beginning.
    pub(crate) fn salvage(&self, needed_from: Option<u64>) -> Result<SalvagedLog> {
        let mut slot = self.log.lock();
        if slot.is_some() {
            return Err(Error::invalid(
                "the log is open already; salvage comes first",
            ));
        }
        if self.access == LogAccess::Read {
            return Err(Error::invalid(
                "an index that is open for reading is not repaired",
            ));
        }
        let (log, report) = Log::salvage(Arc::clone(&self.storage), needed_from)?;
        *slot = Some(log);
        Ok(SalvagedLog {
            spans: report.spans,
            damage: report.damage,
        })
    }

    /// Reads and checks every entry. Appends go on meanwhile; what they add is not looked at.
    pub(crate) fn check(&self) -> Result<LogReport> {
        let needed = self.with_log(0, |log| Ok(log.needed()))?;
        Ok(needed.check(&self.storage)?)
    }

    /// Gives up the entries before a position.
    pub(crate) fn drop_before(&self, position: u64) -> Result<()> {
        self.with_log(position, |log| log.drop_before(position))?;
        self.needed_from.store(position, Ordering::Relaxed);
        Ok(())
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
