//! The epoch that an index which is only read keeps in the store.

use std::sync::Arc;

use parking_lot::Mutex;

use super::views::Kept;
use crate::error::Result;
use crate::storage::{Lock, Storage};

/// What a reader has pinned.
pub(crate) struct Pinned {
    storage: Arc<dyn Storage>,
    /// The newest; older ones stay with their views.
    newest: Mutex<Option<Arc<EpochPin>>>,
}

/// An epoch that is kept in the store, unless nothing can be pinned there.
struct EpochPin {
    epoch: u64,
    lock: Option<Lock>,
}

impl EpochPin {
    fn is_held(&self) -> bool {
        self.lock.as_ref().is_none_or(|lock| lock.is_held())
    }
}

impl Pinned {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            newest: Mutex::default(),
        }
    }

    /// Keeps the parts of an epoch in the store until the index is closed, or another epoch is pinned and no
    /// view of this one is read.
    pub(crate) fn pin_epoch(&self, epoch: u64) -> Result<()> {
        let mut newest = self.newest.lock();
        let is_same = |pin: &Arc<EpochPin>| pin.epoch == epoch && pin.is_held();
        if newest.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let lock = self.storage.pin(epoch)?;
        if lock.is_none() {
            let place = self.storage.location();
            tracing::debug!(
                place,
                "nothing can be pinned here; a writer may remove what is read"
            );
        }
        let before = newest.replace(Arc::new(EpochPin { epoch, lock }));
        drop(newest);
        // Giving it up may take long.
        drop(before);
        Ok(())
    }

    /// Whether what is read is still kept, and nobody can have taken that for given up.
    pub(crate) fn is_held(&self) -> bool {
        let newest = self.newest.lock();
        let is_held = |pin: &Arc<EpochPin>| pin.lock.is_some() && pin.is_held();
        newest.as_ref().is_some_and(is_held)
    }

    /// Whether a writer may remove what is read here, because nothing could be pinned.
    pub(crate) fn is_impossible(&self) -> bool {
        let newest = self.newest.lock();
        newest.as_ref().is_some_and(|pin| pin.lock.is_none())
    }

    /// The newest pin, for a view.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let newest = self.newest.lock();
        newest.as_ref().map(|pin| Arc::clone(pin) as Kept)
    }
}
