//! One index that is served: `session` of `wit/adapter`, whose documents are the contract.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sidx_columns::Column;
use sidx_engine::host::{ColumnFacts, RowKeys, TopFacts};
use sidx_engine::{Error, FlushNeed, Result};
use sidx_executor::{Columns, RowSeries, dictionary};
use sidx_kernels::Program;
use sidx_log::Cut;

use crate::activity::Counts;
use crate::disk::{JobPurpose, Space};
use crate::handles::{FirstNumbers, Handles};
use crate::log::{LogCounts, LogReport};
use crate::medium::MediumUse;
use crate::names::check_place;
use crate::new_file::NewFile;
use crate::pages::{CallPages, Target};
use crate::pins::PinState;
use crate::place::Place;
use crate::shared::{DamagedFile, Settings, Shared};
use crate::storage::Storage;

/// A compiled filter program.
#[derive(Clone, Debug)]
pub struct Filter(pub(crate) Arc<Program>);

/// A shared dictionary under construction.
pub struct NewDictionary(pub(crate) RefCell<dictionary::NewDictionary>);

/// What `scan.top` found: the rows until they become part of an answer.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) columns: Option<Columns>,
    pub(crate) facts: TopFacts,
}

/// How the served index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Bytes in the store now.
    pub used_bytes: u64,
    /// Bytes handed to the store.
    pub written_bytes: u64,
    /// Bytes that pages in memory take.
    pub cached_bytes: u64,
    /// How many these are.
    pub cached_pages: u64,
    /// Uses of pages that were in memory.
    pub cache_hits: u64,
    /// Uses of others.
    pub cache_misses: u64,
    /// The position after the last entry of the log.
    pub log_end: u64,
    /// Bytes of the log that are in no part in the store yet.
    pub log_backlog_bytes: u64,
    /// What was done with the log.
    pub log: LogCounts,
    /// What the medium said last.
    pub medium: Option<MediumUse>,
}

/// An index that is served, until dropped.
pub struct Session<S: Storage> {
    pub(crate) shared: Rc<Shared<S>>,
    pub(crate) handles: RefCell<Handles<S>>,
    /// What `scan.top` found last.
    pub(crate) found: RefCell<Found>,
    /// Room for the current job.
    job: RefCell<Option<Rc<Space<S>>>>,
    /// No view was published yet.
    pub(crate) is_opening: Cell<bool>,
    lock: Option<u32>,
}

impl<S: Storage> Session<S> {
    /// Begins to serve the index in a place; to write it takes the lock, where there are locks.
    ///
    /// # Errors
    /// `conflict` while the lock is held, `not-found` where there is no such place to write to,
    /// `invalid-argument` for a name that cannot be one.
    pub fn enter(
        storage: &Rc<S>,
        place: &str,
        to_write: bool,
        settings: Settings,
        first: FirstNumbers,
    ) -> Result<Self> {
        check_place(place)?;
        let lock = match to_write {
            true => storage.lock(place)?,
            false => None,
        };
        let place = Place::new(storage, place);
        let shared = Shared::new(place, settings, !to_write, lock.is_some());
        Ok(Self {
            shared,
            handles: RefCell::new(Handles::new(first)),
            found: RefCell::default(),
            job: RefCell::default(),
            is_opening: Cell::new(true),
            lock,
        })
    }

    /// The least numbers of handles for the session that follows.
    pub fn next_numbers(&self) -> FirstNumbers {
        self.handles.borrow().next()
    }

    /// Takes note of a view that the engine returned.
    pub fn published(&self, version: u64, flush_need: FlushNeed) {
        self.is_opening.set(false);
        self.shared.settling.note(self.shared.now_ms(), version);
        self.shared.disk.set_flush_need(flush_need);
        self.shared.pins.forget_older();
    }

    /// Whether what is read stays in the store.
    pub fn pin_state(&self) -> PinState {
        self.shared.pins.state()
    }

    /// Renews what is pinned, where that is due.
    pub fn renew(&self) {
        self.shared.pins.renew(self.shared.now_ms());
    }

    /// Sets or takes away the timeout of calls, which counts from now.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        self.shared.deadline.set(self.shared.now_ms(), timeout);
    }

    /// Sets room aside for a job, in place of that of the one before.
    ///
    /// # Errors
    /// `resource-exhausted` when there is not as much.
    pub fn begin_job(&self, purpose: JobPurpose, bytes: u64) -> Result<()> {
        self.end_job();
        *self.job.borrow_mut() = Some(self.shared.disk.begin(purpose, bytes)?);
        Ok(())
    }

    /// Gives back what is left of it.
    pub fn end_job(&self) {
        self.job.borrow_mut().take();
    }

    /// Room for a file. Outside of jobs files are made while the index is opened or repaired, where rows of
    /// the log were promised room.
    pub(crate) fn space(&self) -> Result<Rc<Space<S>>> {
        if let Some(space) = &*self.job.borrow() {
            return Ok(Rc::clone(space));
        }
        let purpose = match self.is_opening.get() {
            true => JobPurpose::Flush,
            false => JobPurpose::Retention,
        };
        self.shared.disk.begin(purpose, 0)
    }

    /// Bytes of rows in memory from which a flush is due.
    pub fn flush_threshold_bytes(&self) -> u64 {
        self.shared.disk.flush_threshold_bytes()
    }

    /// Takes the rows that `scan.top` found last, if nobody did.
    pub fn take_found(&self) -> Option<Columns> {
        self.found.borrow_mut().columns.take()
    }

    /// Forgets what `scan.top` found last.
    pub fn forget_found(&self) {
        *self.found.borrow_mut() = Found::default();
    }

    /// Starts counting anew, with or without time measurement.
    pub fn begin_activity(&self, timed: bool) {
        self.shared.activity.reset(timed);
    }

    /// What was done since.
    pub fn activity(&self) -> Counts {
        self.shared.activity.counts()
    }

    /// Files with damage that were met since this was last asked.
    pub fn take_damaged(&self) -> Vec<DamagedFile> {
        self.shared.damaged.take()
    }

    /// How the index is.
    pub fn state(&self) -> State {
        let shared = &self.shared;
        let cache = shared.cache.stats();
        State {
            used_bytes: shared.disk.used(),
            written_bytes: shared.disk.written(),
            cached_bytes: cache.bytes,
            cached_pages: cache.pages,
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            log_end: shared.log.end().unwrap_or(0),
            log_backlog_bytes: shared.log.backlog_bytes(),
            log: shared.log.counts(),
            medium: shared.disk.now().medium,
        }
    }

    /// What the opening of the log left out: a write that a crash interrupted.
    pub fn torn_write_of_log(&self) -> Option<Cut> {
        self.shared.log.cut()
    }

    /// Reads and checks every entry of the log that is needed.
    ///
    /// # Errors
    /// Those of a store that cannot be read. Damage is in the report.
    pub fn check_log(&self) -> Result<LogReport> {
        self.shared.log.check()
    }

    /// The pages, for the current call.
    pub(crate) fn pages(&self) -> CallPages<'_, S> {
        CallPages {
            shared: &self.shared,
            handles: self.handles.borrow(),
            held: RefCell::default(),
        }
    }

    /// A file under construction, for the current call.
    pub(crate) fn target<'s>(&'s self, file: &'s NewFile<S>) -> Target<'s, S> {
        Target {
            shared: &self.shared,
            file,
        }
    }

    /// Counts a call of the engine, and its time until the result is dropped.
    pub(crate) fn crossing(&self) -> Crossing<'_, S> {
        let activity = &self.shared.activity;
        activity.crossing();
        let start_ms = activity.is_timed().then(|| self.shared.now_ms());
        Crossing {
            shared: &self.shared,
            start_ms,
        }
    }
}

impl<S: Storage> Drop for Session<S> {
    fn drop(&mut self) {
        // Files under construction may live on, and hold what is shared.
        self.shared.pins.forget_all();
        // Nobody else may write before the log is let go.
        self.shared.log.close();
        if let Some(lock) = self.lock {
            self.shared.place.storage().unlock(lock);
        }
    }
}

/// A call of the engine that is being served.
pub(crate) struct Crossing<'s, S: Storage> {
    shared: &'s Shared<S>,
    start_ms: Option<u64>,
}

impl<S: Storage> Drop for Crossing<'_, S> {
    fn drop(&mut self) {
        if let Some(start) = self.start_ms {
            let served = self.shared.now_ms().saturating_sub(start);
            self.shared.activity.served(served);
        }
    }
}

/// The key and series of each row of columns that are an answer.
pub fn keys_of(columns: &Columns) -> Option<RowKeys> {
    // Clones share the columns.
    let (keys, series) = columns.clone().take_keys()?;
    let series = match series {
        RowSeries::Each(series) => series,
        RowSeries::Runs(runs) => {
            let mut each = Vec::with_capacity(keys.len());
            for (series, end) in runs.series.iter().zip(&runs.ends) {
                each.resize(*end as usize, *series);
            }
            each
        }
    };
    Some(RowKeys { keys, series })
}

/// Columns for a batch, which must be of as many rows each.
///
/// # Errors
/// `invalid-argument` when they are not.
pub fn columns_of(columns: Vec<Column>) -> Result<Columns> {
    let rows = columns.first().map_or(0, Column::rows);
    Columns::from_columns(rows, columns).map_err(Error::from)
}

/// What limits and budgets need to know of columns.
pub fn facts_of(columns: &Columns) -> ColumnFacts {
    let all = columns.all();
    let longest = |column: &Column| saturated(column.max_value_bytes());
    ColumnFacts {
        rows: columns.rows(),
        kinds: all.iter().map(Column::kind).collect(),
        size_bytes: columns.size_bytes(),
        longest_bytes: all.iter().map(longest).collect(),
    }
}

/// The bytes of each row's value in a column; none of a column that does not exist.
pub fn lengths_of(columns: &Columns, column: u32) -> Vec<u32> {
    let of_column = |column: &Column| -> Vec<u32> {
        let bytes = (0..column.rows()).map(|row| column.value_bytes(row));
        bytes.map(saturated).collect()
    };
    columns.get(column).map_or_else(|_| Vec::new(), of_column)
}

/// Bytes of a value, as the boundary counts them.
fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
