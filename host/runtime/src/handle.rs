//! A handle of an open index with its threads, and what the index does by itself: flushes and merges that
//! writes bring about.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sidx_engine::Pressure;

use crate::background::{FOLLOWS_EVERY, Stopper};
use crate::error::Result;
use crate::open::Open;
use crate::rate::Rate;
use crate::session::CallLimits;

/// Writes wait for a flush from so many times the threshold on.
const OVERDUE_FLUSHES: u64 = 4;
/// Where there is little room left, rows are flushed from this part of the threshold on.
const EARLY_FLUSHES: u64 = 4;

/// Where each commit is an object of its own, rows are flushed from so many of them on, or so many bytes,
/// so that opening stays bounded.
const LOG_OBJECTS: usize = 256;
const LOG_BYTES: u64 = 16 << 20;

/// A handle of an open index. The index stays open, and its threads go on, as long as there is one.
#[derive(Clone)]
pub(crate) struct Handle {
    /// Dropped first: the threads of the index end before the index is closed. They have no handle.
    threads: Option<Arc<Stopper>>,
    open: Arc<Open>,
}

impl Handle {
    /// The first handle of an index that was opened. Starts what runs from the beginning.
    pub(crate) fn new(open: Arc<Open>) -> Self {
        let settings = open.settings();
        let threads = settings.background.then(Stopper::new);
        if let (Some(threads), Some(bytes)) = (&threads, settings.scrub_bytes_per_second)
            && let Err(error) = threads.scrub_always(&open, Rate::new(bytes))
        {
            tracing::warn!(index = open.name(), %error, "no thread for scrubs");
        }
        if let Some(threads) = threads
            .as_ref()
            .filter(|_| !open.is_read_only() && !open.shared().storage.has_locks())
            && let Err(error) = threads.collect_always(&open)
        {
            tracing::warn!(index = open.name(), %error, "no thread to collect what nobody needs");
        }
        if let Some(threads) =
            { threads.as_ref() }.filter(|_| open.follows() && !open.shared().storage.has_locks())
            && let Err(error) = threads.follow_always(&open, FOLLOWS_EVERY)
        {
            tracing::warn!(index = open.name(), %error, "no thread to follow while nobody asks");
        }
        Self { threads, open }
    }

    /// Whether writes see to it that rows in memory are flushed.
    fn flushes_by_itself(&self) -> bool {
        self.settings().flush_bytes < u64::MAX
    }

    /// Bytes of rows in memory from which they are flushed: what the caller chose, unless the store is small.
    fn flush_threshold_bytes(&self) -> u64 {
        match self.settings().flush_bytes {
            u64::MAX => u64::MAX,
            chosen => chosen.min(self.shared().disk.flush_threshold_bytes()),
        }
    }

    /// Whether memory fills up faster than it is flushed.
    fn is_flush_overdue(&self) -> bool {
        let settings = self.settings();
        let overdue = self.flush_threshold_bytes().saturating_mul(OVERDUE_FLUSHES);
        let overdue = overdue.min(settings.budgets.memory_bytes / 4 * 3);
        let is_overdue = self.writer().congestion().memory_bytes() >= overdue;
        self.flushes_by_itself() && (is_overdue || self.is_log_long(OVERDUE_FLUSHES))
    }

    /// Whether the log is so many times as long as one that is to be flushed, where that is bounded.
    fn is_log_long(&self, times: u64) -> bool {
        let log = &self.shared().log;
        let objects = log.backlog_objects() as u64;
        let is_long = objects >= LOG_OBJECTS as u64 * times;
        is_long || (objects > 0 && log.backlog_bytes() >= LOG_BYTES * times)
    }

    /// Flushes before a write, or waits for the flush that runs, when memory fills up faster than it is
    /// flushed. An error only when the write must stop.
    pub(crate) fn catch_up(&self, limits: &CallLimits) -> Result<()> {
        if self.is_flush_overdue() {
            let is_overdue = || self.is_flush_overdue();
            let flushed = self.flush_in_passing(limits, is_overdue);
            limits.check()?;
            if let Err(error) = flushed {
                // The budgets decide whether there is room for the write all the same.
                tracing::warn!(index = self.name(), %error, "an automatic flush or merge failed");
            }
        }
        Ok(())
    }

    /// Asks the threads of the index for the merges that are worth it; false where there are none.
    fn merge_soon(&self) -> bool {
        let Some(threads) = &self.threads else {
            return false;
        };
        match threads.merge_soon(&self.open) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(index = self.name(), %error, "no thread for merges");
                false
            }
        }
    }

    /// Flushes after a write that was refused, so that the next one may find room.
    pub(crate) fn flush_for_room(&self, limits: &CallLimits) {
        if self.flushes_by_itself()
            && let Err(error) = self.flush_in_passing(limits, || false)
        {
            tracing::warn!(index = self.name(), %error, "a flush to make room failed");
        }
    }

    /// Sees to it, after a write, that rows in memory are flushed when they are many: by the threads of the
    /// index, or by this one when there are none.
    pub(crate) fn flush_soon(&self, memory_bytes: u64, limits: &CallLimits) {
        let threshold = match self.flush_threshold_bytes() {
            u64::MAX => return,
            bytes if self.writer().congestion().pressure() >= Pressure::Severe => {
                bytes / EARLY_FLUSHES
            }
            bytes => bytes,
        };
        if memory_bytes < threshold && !self.is_log_long(1) {
            return;
        }
        if let Some(threads) = &self.threads {
            match threads.flush_soon(&self.open) {
                Ok(()) => return,
                Err(error) => tracing::warn!(index = self.name(), %error, "no thread for flushes"),
            }
        }
        // The rows are safe whatever becomes of the flush; the next write tries again.
        if let Err(error) = self.flush_in_passing(limits, || false)
            && limits.check().is_ok()
        {
            tracing::warn!(index = self.name(), %error, "an automatic flush or merge failed");
        }
    }

    /// Flushes on behalf of a write, unless another thread does so already, then merges likewise, where
    /// there is no thread for that. Waits for that other flush as long as one `is_overdue`.
    fn flush_in_passing(&self, limits: &CallLimits, is_overdue: impl Fn() -> bool) -> Result<()> {
        let (settings, locks) = (self.settings(), self.locks());
        let guard = match locks.flushing.try_lock() {
            Some(guard) => guard,
            None if is_overdue() => {
                let guard = limits.wait_for(&locks.flushing)?;
                if !is_overdue() {
                    return Ok(());
                }
                guard
            }
            None => return Ok(()),
        };
        self.run_flush(limits)?;
        drop(guard);
        if !settings.automatic_merge || self.merge_soon() {
            return Ok(());
        }
        if let Some(_guard) = locks.merging.try_lock() {
            self.merge_in_passing(limits)?;
        }
        Ok(())
    }
}

impl Deref for Handle {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.open
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("name", &self.name())
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}
