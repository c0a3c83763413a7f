//! Bytes of the index in its store, how many there may be, and who may still write some.
//!
//! The engine refuses batches after which a flush of everything in memory would have no room, so a flush is
//! never refused here. Everything else leaves that room alone.

use std::cell::Cell;
use std::rc::Rc;

use sidx_engine::{Error, ErrorKind, FlushNeed, Result};

use crate::medium::{Medium, MediumUse};
use crate::place::Place;
use crate::storage::Storage;

/// Rows in memory are flushed, and the log begins a new segment, once they have this share of what the index
/// may take: log, memory and output of a flush that lags behind stay a small part of it, and parts are small
/// enough that merges, which make none larger than a twentieth, have several to merge.
const FLUSH_SHARE: u64 = 128;
const FLUSH_BYTES_MIN: u64 = 64 << 10;

/// Disk use, known without asking the store each time: what is written is added, and after a removal
/// the store is asked again when somebody wants to know.
pub(crate) struct DiskUse<S> {
    place: Place<S>,
    /// Together with `written`, the bytes in use; less than nothing wraps around.
    base: Cell<u64>,
    /// Bytes written since the index was entered.
    written: Cell<u64>,
    stale: Cell<bool>,
    /// Bytes that a running merge may still write.
    reserved: Cell<u64>,
    /// Bytes that a running flush has written.
    flushed: Cell<u64>,
    /// What a flush of everything in memory takes, as the newest view says.
    flush_need: Cell<FlushNeed>,
    /// The least of both bounds when they were last looked at.
    bound: Cell<u64>,
    allowed: u64,
    medium: Medium<S>,
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
pub enum JobPurpose {
    /// Rows in memory: was promised room when they were accepted.
    Flush,
    /// Rows are dropped: makes room in the end, so it may take all but the room of a flush. How much it
    /// needs is known only when it is done, so it begins in any case.
    Retention,
    /// Leaves a tenth of the budget and the minimum of the medium free, so that it stops no writer.
    Merge,
}

/// Room for what a job writes, given back when dropped.
pub(crate) struct Space<S: Storage> {
    disk: Rc<DiskUse<S>>,
    purpose: JobPurpose,
    /// Bytes set aside and not yet written.
    left: Cell<u64>,
    /// Bytes written.
    written: Cell<u64>,
}

fn add(cell: &Cell<u64>, bytes: u64) {
    cell.set(cell.get().saturating_add(bytes));
}

fn subtract(cell: &Cell<u64>, bytes: u64) {
    cell.set(cell.get().saturating_sub(bytes));
}

impl<S: Storage> DiskUse<S> {
    pub(crate) fn new(place: Place<S>, allowed: u64, min_free_bytes: Option<u64>) -> Rc<Self> {
        Rc::new(Self {
            medium: Medium::new(place.clone(), min_free_bytes),
            place,
            base: Cell::new(0),
            written: Cell::new(0),
            stale: Cell::new(true),
            reserved: Cell::new(0),
            flushed: Cell::new(0),
            flush_need: Cell::default(),
            bound: Cell::new(allowed),
            allowed,
        })
    }

    /// Bytes that were written.
    pub(crate) fn grew(&self, bytes: u64) {
        add(&self.written, bytes);
    }

    /// Something was removed.
    pub(crate) fn shrank(&self) {
        self.stale.set(true);
        self.medium.forget();
    }

    /// What a flush of everything in memory takes from now on, at most.
    pub(crate) fn set_flush_need(&self, need: FlushNeed) {
        self.flush_need.set(need);
    }

    /// Bytes that were written since the index was entered: log, files, objects.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Bytes in use. A store that cannot tell now leaves the last figure.
    pub(crate) fn used(&self) -> u64 {
        if self.stale.replace(false) {
            match self.place.size_bytes() {
                Ok(bytes) => self.base.set(bytes.wrapping_sub(self.written())),
                Err(_) => self.stale.set(true),
            }
        }
        self.last_used()
    }

    /// The last figure, and what was written since.
    fn last_used(&self) -> u64 {
        self.base.get().wrapping_add(self.written())
    }

    /// How the store is now.
    pub(crate) fn now(&self) -> StoreUse {
        let medium = self.medium.now(self.written());
        // Where nothing has a bound a write need not wait until everything was added up.
        let used = match self.allowed == u64::MAX && medium.is_none() {
            true => self.last_used(),
            false => self.used(),
        };
        let (medium_allowed_bytes, medium_minimum_bytes) = match medium {
            None => (u64::MAX, 0),
            Some(medium) => {
                let all = used.saturating_add(medium.free_bytes);
                let minimum = medium.minimum_bytes.min(all);
                (all - minimum, minimum)
            }
        };
        self.bound.set(self.allowed.min(medium_allowed_bytes));
        let kept = used.saturating_sub(self.flushed.get());
        StoreUse {
            taken_bytes: kept.saturating_add(self.reserved.get()),
            allowed_bytes: self.allowed,
            medium_allowed_bytes,
            medium_minimum_bytes,
            medium,
        }
    }

    /// Bytes of rows in memory from which they should be flushed, and of a segment of the log.
    pub(crate) fn flush_threshold_bytes(&self) -> u64 {
        (self.bound.get() / FLUSH_SHARE).max(FLUSH_BYTES_MIN)
    }

    /// Room for a job that writes at most so many bytes. No batch may be accepted meanwhile.
    pub(crate) fn begin(self: &Rc<Self>, purpose: JobPurpose, bytes: u64) -> Result<Rc<Space<S>>> {
        use JobPurpose as P;
        let reserved = match (purpose, self.refusal(purpose, bytes)) {
            (P::Flush, _) | (P::Retention, Some(_)) => 0,
            (P::Merge, Some(error)) => return Err(error),
            (_, None) => bytes,
        };
        add(&self.reserved, reserved);
        Ok(Rc::new(Space {
            disk: Rc::clone(self),
            purpose,
            left: Cell::new(reserved),
            written: Cell::new(0),
        }))
    }

    /// Why so many bytes more may not be taken.
    fn refusal(&self, purpose: JobPurpose, bytes: u64) -> Option<Error> {
        let now = self.now();
        let flush_bytes = self.flush_need.get().bytes;
        let wanted = { now.taken_bytes }
            .saturating_add(flush_bytes)
            .saturating_add(bytes);
        let (allowed, medium) = match purpose {
            JobPurpose::Flush => return None,
            JobPurpose::Retention => {
                let medium = now.medium_allowed_bytes;
                let medium = medium.saturating_add(now.medium_minimum_bytes);
                (now.allowed_bytes, medium)
            }
            JobPurpose::Merge => {
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

impl<S: Storage> Space<S> {
    /// Takes bytes that are about to be written; `resource-exhausted` when the job needs more than was set
    /// aside and there are no more.
    pub(crate) fn take(&self, bytes: u64) -> Result<()> {
        let left = self.left.get();
        let more = bytes.saturating_sub(left);
        if more > 0
            && let Some(error) = self.disk.refusal(self.purpose, more)
        {
            return Err(error);
        }
        let kept = left.min(bytes);
        subtract(&self.left, kept);
        subtract(&self.disk.reserved, kept);
        add(&self.written, bytes);
        if self.purpose == JobPurpose::Flush {
            add(&self.disk.flushed, bytes);
        }
        self.disk.grew(bytes);
        Ok(())
    }

    /// The job is over: what it wrote counts like all else, and what it did not write is free again.
    fn settle(&self) {
        subtract(&self.disk.reserved, self.left.take());
        let written = self.written.take();
        if self.purpose == JobPurpose::Flush {
            subtract(&self.disk.flushed, written);
        }
        // It may have come to nothing. The store need not be asked anew for what was settled before.
        if written > 0 {
            self.disk.shrank();
        }
    }
}

impl<S: Storage> Drop for Space<S> {
    fn drop(&mut self) {
        self.settle();
    }
}
