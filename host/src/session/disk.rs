//! Bytes of the index in its store, and how many there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sidx_engine::{Error, ErrorKind, Result};

use crate::storage::Storage;

/// Disk use, known without asking the store each time: what is written is added, and after a removal
/// the store is asked again when somebody wants to know.
pub(crate) struct DiskUse {
    storage: Arc<dyn Storage>,
    used: AtomicU64,
    /// Bytes written since the index was opened.
    written: AtomicU64,
    stale: AtomicBool,
    /// Bytes that running jobs may still write.
    reserved: AtomicU64,
    allowed: u64,
}

/// Room for what a job writes, given back when dropped.
pub(crate) struct Reservation<'a> {
    reserved: &'a AtomicU64,
    bytes: u64,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl DiskUse {
    pub(crate) fn new(storage: Arc<dyn Storage>, allowed: u64) -> Self {
        Self {
            storage,
            used: AtomicU64::new(0),
            written: AtomicU64::new(0),
            stale: AtomicBool::new(true),
            reserved: AtomicU64::new(0),
            allowed,
        }
    }

    /// Bytes that were written.
    pub(crate) fn grew(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something was removed.
    pub(crate) fn shrank(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Bytes that were written since the index was opened: log, finished files, objects.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes that may be used.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// Bytes in use. A store that cannot tell now leaves the last figure.
    pub(crate) fn used(&self) -> u64 {
        if self.stale.swap(false, Ordering::Relaxed) {
            match self.storage.size_bytes() {
                Ok(bytes) => self.used.store(bytes, Ordering::Relaxed),
                Err(_) => self.stale.store(true, Ordering::Relaxed),
            }
        }
        self.used.load(Ordering::Relaxed)
    }

    /// Sets room for a job aside. An urgent one may use all there is; others leave a tenth of the budget
    /// free, so that it does not stop writers.
    pub(crate) fn reserve(&self, bytes: u64, is_urgent: bool) -> Result<Reservation<'_>> {
        let reservation = |bytes| {
            let reserved = &self.reserved;
            Reservation { reserved, bytes }
        };
        if self.allowed == u64::MAX {
            return Ok(reservation(0));
        }
        let allowed = match is_urgent {
            true => self.allowed,
            false => self.allowed - self.allowed / 10,
        };
        // The engine says how many; the sum must not wrap.
        let bytes = bytes.min(self.allowed.saturating_add(1));
        let before = self.reserved.fetch_add(bytes, Ordering::Relaxed);
        let reserved = reservation(bytes);
        let used = self.used();
        if used.saturating_add(before).saturating_add(bytes) <= allowed {
            return Ok(reserved);
        }
        let text = format!(
            "a flush or merge may write {bytes} bytes, but {used} of {} bytes on disk are in use and {before} are \
             reserved; remove rows with a retention rule or raise the disk limit",
            self.allowed
        );
        Err(Error::new(ErrorKind::ResourceExhausted, text))
    }

    /// `resource-exhausted` when a file of this size would not fit.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<()> {
        if self.allowed == u64::MAX {
            return Ok(());
        }
        let used = self.used();
        if used.saturating_add(bytes) > self.allowed {
            let text = format!(
                "a file of {bytes} bytes does not fit: {used} of {} bytes on disk are in use; \
                 remove rows with a retention rule or raise the disk limit",
                self.allowed
            );
            return Err(Error::new(ErrorKind::ResourceExhausted, text));
        }
        Ok(())
    }
}
