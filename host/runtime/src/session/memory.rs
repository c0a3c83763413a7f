//! Memory that files of medium `memory` take, and what one holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::OpenPage;

/// Bytes taken from the memory budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

/// Memory that files of medium `memory` may take together.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: AtomicU64,
    allowed: u64,
}

impl MemoryBudget {
    pub(crate) fn new(allowed: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            allowed,
        })
    }

    /// Bytes taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken.
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed
    }

    /// An empty reservation.
    pub(crate) fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Reservation {
    /// Takes more bytes; `resource-exhausted` when the budget does not have them.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.allowed {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            let text = format!(
                "{bytes} more bytes of memory files do not fit: {before} of {} bytes are in use; \
                 flush the index or raise its memory limit",
                self.budget.allowed
            );
            return Err(Error::new(ErrorKind::ResourceExhausted, text));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The content of one file. Pages that were opened stay with it, because a page shares the file's
/// allocation: in the page cache it would keep the whole file alive after its removal.
pub(crate) struct MemoryFile {
    pub(crate) bytes: Bytes,
    /// By the offset of the page.
    pub(crate) opened: Mutex<HashMap<u64, Arc<OpenPage>>>,
    _reservation: Reservation,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Bytes, reservation: Reservation) -> Self {
        Self {
            bytes,
            opened: Mutex::default(),
            _reservation: reservation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_bounded_and_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reserve();
        first.grow(80).unwrap();
        let mut second = budget.reserve();
        assert_eq!(
            second.grow(21).unwrap_err().kind(),
            ErrorKind::ResourceExhausted
        );
        second.grow(20).unwrap();
        drop(first);
        assert_eq!(budget.used(), 20);
    }
}
