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
    stale: AtomicBool,
    allowed: u64,
}

impl DiskUse {
    pub(crate) fn new(storage: Arc<dyn Storage>, allowed: u64) -> Self {
        Self {
            storage,
            used: AtomicU64::new(0),
            stale: AtomicBool::new(true),
            allowed,
        }
    }

    /// Bytes that were written.
    pub(crate) fn grew(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something was removed.
    pub(crate) fn shrank(&self) {
        self.stale.store(true, Ordering::Relaxed);
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
