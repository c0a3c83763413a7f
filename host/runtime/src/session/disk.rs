//! Bytes of the index in its store, how many there may be, and who may still write some.
//!
//! The engine refuses batches after which a flush of everything in memory would have no room, so a flush is
//! never refused here. Everything else leaves that room alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sidx_engine::{Error, ErrorKind, FlushNeed, Result};

use super::medium::{Medium, MediumUse};
use crate::storage::Storage;

/// Rows in memory are flushed, and the log begins a new segment, once they have this share of what the index
/// may take: log, memory and output of a flush that lags behind stay a small part of it, and parts are small
/// enough that merges, which make none larger than a twentieth, have several to merge.
const FLUSH_SHARE: u64 = 128;
const LEAST_FLUSH_BYTES: u64 = 64 << 10;

/// Disk use, known without asking the store each time: what is written is added, and after a removal
/// the store is asked again when somebody wants to know.
pub(crate) struct DiskUse {
    storage: Arc<dyn Storage>,
    /// Together with `written`, the bytes in use; less than nothing wraps around.
    base: AtomicU64,
    /// Bytes written since the index was opened.
    written: AtomicU64,
    stale: AtomicBool,
    /// Bytes that running merges may still write.
    reserved: AtomicU64,
    /// Bytes that running flushes have written.
    flushed: AtomicU64,
    /// What a flush of everything in memory takes, as the newest view says.
    flush_bytes: AtomicU64,
    flush_files: AtomicU64,
    /// The least of both bounds when they were last looked at.
    bound: AtomicU64,
    allowed: u64,
    medium: Medium,
}

/// The store as the engine's budgets see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreUse {
    /// Bytes in use without those that flushes have written, and with those that merges may still write.
    pub(crate) taken_bytes: u64,
    /// What the caller allowed; the greatest number without a bound.
    pub(crate) allowed_bytes: u64,
    /// What the medium allows; the greatest number when it is not known.
    pub(crate) medium_allowed_bytes: u64,
    /// Free bytes that the medium keeps.
    pub(crate) medium_minimum_bytes: u64,
    /// The medium itself, where it is known.
    pub(crate) medium: Option<MediumUse>,
}

/// What a job is for, which decides how much of the store it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rows in memory: was promised room when they were accepted.
    Flush,
    /// Rows are dropped: makes room in the end, so it may take all but the room of a flush. How much it
    /// needs is known only when it is done, so it begins in any case.
    Retention,
    /// Leaves a tenth of the budget and the minimum of the medium free, so that it stops no writer.
    Merge,
}

/// Room for what a job writes, given back when dropped.
pub(crate) struct Space {
    disk: Arc<DiskUse>,
    purpose: Purpose,
    /// Bytes set aside and not yet written.
    left: AtomicU64,
    /// Bytes written.
    written: AtomicU64,
}

impl DiskUse {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        allowed: u64,
        min_free_bytes: Option<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            medium: Medium::new(Arc::clone(&storage), min_free_bytes),
            storage,
            base: AtomicU64::new(0),
            written: AtomicU64::new(0),
            stale: AtomicBool::new(true),
            reserved: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
            flush_bytes: AtomicU64::new(0),
            flush_files: AtomicU64::new(0),
            bound: AtomicU64::new(allowed),
            allowed,
        })
    }

    /// Bytes that were written.
    pub(crate) fn grew(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something was removed.
    pub(crate) fn shrank(&self) {
        self.stale.store(true, Ordering::Relaxed);
        self.medium.forget();
    }

    /// What a flush of everything in memory takes from now on, at most.
    pub(crate) fn set_flush_need(&self, need: FlushNeed) {
        self.flush_bytes.store(need.bytes, Ordering::Relaxed);
        self.flush_files.store(need.files, Ordering::Relaxed);
    }

    /// See [`set_flush_need`](Self::set_flush_need).
    pub(crate) fn flush_need(&self) -> FlushNeed {
        FlushNeed {
            bytes: self.flush_bytes.load(Ordering::Relaxed),
            files: self.flush_files.load(Ordering::Relaxed),
        }
    }

    /// Bytes that were written since the index was opened: log, files, objects.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes that the caller allowed.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// Bytes in use. A store that cannot tell now leaves the last figure.
    pub(crate) fn used(&self) -> u64 {
        if self.stale.swap(false, Ordering::Relaxed) {
            // What is written while the sizes are added up may count twice, until the next removal.
            let written = self.written();
            match self.storage.size_bytes() {
                Ok(bytes) => self
                    .base
                    .store(bytes.wrapping_sub(written), Ordering::Relaxed),
                Err(_) => self.stale.store(true, Ordering::Relaxed),
            }
        }
        self.last_used()
    }

    /// The last figure, and what was written since.
    fn last_used(&self) -> u64 {
        let base = self.base.load(Ordering::Relaxed);
        base.wrapping_add(self.written())
    }

    /// How the store is now.
    pub(crate) fn now(&self) -> StoreUse {
        let medium = self.medium.now(self.written());
        // Where nothing has a bound a write need not wait until everything was added up.
        let used = match self.allowed == u64::MAX && medium.is_none() {
            true => self.last_used(),
            false => self.used(),
        };
        let flushed = self.flushed.load(Ordering::Relaxed);
        let reserved = self.reserved.load(Ordering::Relaxed);
        let (medium_allowed_bytes, medium_minimum_bytes) = match medium {
            None => (u64::MAX, 0),
            Some(medium) => {
                let all = used.saturating_add(medium.free_bytes);
                let minimum = medium.minimum_bytes.min(all);
                (all - minimum, minimum)
            }
        };
        let bound = self.allowed.min(medium_allowed_bytes);
        self.bound.store(bound, Ordering::Relaxed);
        StoreUse {
            taken_bytes: used.saturating_sub(flushed).saturating_add(reserved),
            allowed_bytes: self.allowed,
            medium_allowed_bytes,
            medium_minimum_bytes,
            medium,
        }
    }

    /// Bytes of rows in memory from which they should be flushed, and of a segment of the log.
    pub(crate) fn flush_threshold_bytes(&self) -> u64 {
        let bound = self.bound.load(Ordering::Relaxed);
        (bound / FLUSH_SHARE).max(LEAST_FLUSH_BYTES)
    }

    /// Room for a job that writes at most so many bytes. No batch may be accepted meanwhile.
    pub(crate) fn begin(self: &Arc<Self>, purpose: Purpose, bytes: u64) -> Result<Arc<Space>> {
        let reserved = match (purpose, self.refusal(purpose, bytes)) {
            (Purpose::Flush, _) | (Purpose::Retention, Some(_)) => 0,
            (Purpose::Merge, Some(error)) => return Err(error),
            (_, None) => bytes,
        };
        self.reserved.fetch_add(reserved, Ordering::Relaxed);
        Ok(Arc::new(Space {
            disk: Arc::clone(self),
            purpose,
            left: AtomicU64::new(reserved),
            written: AtomicU64::new(0),
        }))
    }

    /// Why so many bytes more may not be taken.
    fn refusal(&self, purpose: Purpose, bytes: u64) -> Option<Error> {
        let now = self.now();
        let flush_bytes = self.flush_need().bytes;
        let wanted = now
            .taken_bytes
            .saturating_add(flush_bytes)
            .saturating_add(bytes);
        let (allowed, medium) = match purpose {
            Purpose::Flush => return None,
            Purpose::Retention => (
                now.allowed_bytes,
                now.medium_allowed_bytes
                    .saturating_add(now.medium_minimum_bytes),
            ),
            Purpose::Merge => {
                let kept = match now.allowed_bytes {
                    u64::MAX => 0,
                    allowed => allowed / 10,
                };
                (now.allowed_bytes - kept, now.medium_allowed_bytes)
            }
        };
        let (what, bound) = if wanted > allowed && now.allowed_bytes < u64::MAX {
            ("the disk budget", now.allowed_bytes)
        } else if wanted > medium && now.medium_allowed_bytes < u64::MAX {
            ("the medium", now.medium_allowed_bytes)
        } else {
            return None;
        };
        let text = format!(
            "a merge may write {bytes} bytes more, but {what} leaves the index {bound}, of which {} are taken \
             and {flush_bytes} are kept for a flush; flush the index, then remove rows with a retention \
             rule, or make room",
            now.taken_bytes
        );
        Some(Error::new(ErrorKind::ResourceExhausted, text))
    }
}

impl Space {
    /// Takes bytes that are about to be written; `resource-exhausted` when the job needs more than was set
    /// aside and there are no more.
    pub(crate) fn take(&self, bytes: u64) -> Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        let more = bytes.saturating_sub(left);
        if more > 0
            && let Some(error) = self.disk.refusal(self.purpose, more)
        {
            return Err(error);
        }
        // One instance does the job, so nobody else takes of it.
        let kept = left.min(bytes);
        self.left.fetch_sub(kept, Ordering::Relaxed);
        self.disk.reserved.fetch_sub(kept, Ordering::Relaxed);
        self.written.fetch_add(bytes, Ordering::Relaxed);
        if self.purpose == Purpose::Flush {
            self.disk.flushed.fetch_add(bytes, Ordering::Relaxed);
        }
        self.disk.grew(bytes);
        Ok(())
    }

    /// The job is over: what it wrote counts like all else, and what it did not write is free again.
    pub(crate) fn settle(&self) {
        let left = self.left.swap(0, Ordering::Relaxed);
        self.disk.reserved.fetch_sub(left, Ordering::Relaxed);
        let written = self.written.swap(0, Ordering::Relaxed);
        if self.purpose == Purpose::Flush {
            self.disk.flushed.fetch_sub(written, Ordering::Relaxed);
        }
        // It may have come to nothing. The store need not be asked anew for what was settled before.
        if written > 0 {
            self.disk.shrank();
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    fn disk(allowed: u64) -> Arc<DiskUse> {
        let disk = DiskUse::new(Arc::new(MemoryStorage::new("x")), allowed, None);
        // Asks the store, once.
        assert_eq!(disk.used(), 0);
        disk
    }

    #[test]
    fn what_a_merge_may_write_counts_once_however_far_it_has_come() {
        let disk = disk(1_000);
        disk.grew(100);
        let space = disk.begin(Purpose::Merge, 300).unwrap();
        assert_eq!(disk.now().taken_bytes, 400);
        space.take(200).unwrap();
        assert_eq!((disk.used(), disk.now().taken_bytes), (300, 400));
        space.take(150).unwrap();
        assert_eq!(disk.now().taken_bytes, 450);
        assert_eq!(
            space.take(451).unwrap_err().kind(),
            ErrorKind::ResourceExhausted
        );
        drop(space);
        // The store is asked again, and holds nothing.
        assert_eq!(disk.now().taken_bytes, 0);
    }

    #[test]
    fn merges_leave_a_tenth_and_the_room_of_a_flush() {
        let disk = disk(1_000);
        disk.set_flush_need(FlushNeed {
            bytes: 500,
            files: 0,
        });
        assert!(disk.begin(Purpose::Merge, 401).is_err());
        let merge = disk.begin(Purpose::Merge, 400).unwrap();
        assert!(disk.begin(Purpose::Merge, 1).is_err());
        // A flush has its room and is never refused.
        let flush = disk.begin(Purpose::Flush, 0).unwrap();
        flush.take(2_000).unwrap();
        assert_eq!((disk.used(), disk.now().taken_bytes), (2_000, 400));
        drop((merge, flush));
    }

    #[test]
    fn retention_begins_without_room_and_takes_what_there_is() {
        let disk = disk(1_000);
        disk.grew(800);
        disk.set_flush_need(FlushNeed {
            bytes: 100,
            files: 0,
        });
        let space = disk.begin(Purpose::Retention, 800).unwrap();
        assert_eq!(disk.now().taken_bytes, 800);
        space.take(100).unwrap();
        assert!(space.take(1).is_err());
    }
}
