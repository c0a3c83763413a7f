//! The epoch that an index which is only read keeps in the store, and what it means when a file is gone.

use std::sync::Arc;

use parking_lot::Mutex;
use sidx_engine::{ErrorKind, epoch_of_object};

use super::views::Kept;
use crate::error::{Error, Result};
use crate::lenders::Lenders;
use crate::storage::{Lock, ReadFile, Storage};

/// What a reader has pinned.
pub(crate) struct Pinned {
    storage: Arc<dyn Storage>,
    /// The newest; older ones stay with their views.
    newest: Mutex<Option<Arc<EpochPin>>>,
    /// Whether the index is only read: who writes it pins nothing.
    is_reader: bool,
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
    pub(crate) fn new(storage: Arc<dyn Storage>, is_reader: bool) -> Arc<Self> {
        Arc::new(Self {
            storage,
            newest: Mutex::default(),
            is_reader,
        })
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

    /// Opens a file of the index, wherever it lies.
    pub(crate) fn open(
        self: &Arc<Self>,
        lenders: &Lenders,
        path: &str,
    ) -> Result<Arc<dyn ReadFile>> {
        let opened = lenders.open(path).map_err(|error| self.explained(error))?;
        if !self.is_reader {
            return Ok(opened);
        }
        Ok(Arc::new(PinnedFile {
            file: opened,
            pinned: Arc::clone(self),
        }))
    }

    /// A file that is gone was removed by a writer if the pin may have been given up and the snapshot was
    /// superseded since: no damage then.
    fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound || !self.is_reader || self.is_held() {
            return error;
        }
        let pinned = self.newest.lock().as_ref().map_or(0, |pin| pin.epoch);
        let names = match self.storage.list_objects("") {
            Ok(names) => names,
            Err(cause) => {
                let text = format!("whether the snapshot was removed cannot be seen ({cause})");
                return Error::new(ErrorKind::Io, format!("{}; {text}", error.message()));
            }
        };
        let epochs = names.iter().filter_map(|name| epoch_of_object(name));
        if epochs.max().is_none_or(|newest| newest <= pinned) {
            return error;
        }
        let text = format!(
            "{}: the snapshot that it belongs to was removed, as its pin could not be kept; open the index \
             again",
            error.message()
        );
        Error::conflict(text)
    }
}

/// A file of an index that is only read.
struct PinnedFile {
    file: Arc<dyn ReadFile>,
    pinned: Arc<Pinned>,
}

impl ReadFile for PinnedFile {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = self.file.read_at(offset, buffer);
        read.map_err(|error| self.pinned.explained(error))
    }
}
