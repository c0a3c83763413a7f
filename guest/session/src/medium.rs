//! The medium below a place: how much of it is free, asked for only now and then.

use std::cell::Cell;

use crate::place::Place;
use crate::storage::{Capacity, Storage};

/// What stays free unless the caller says otherwise: so many bytes, or that share of a small medium.
const MINIMUM_BYTES: u64 = 256 << 20;
const MINIMUM_SHARE: u64 = 50;

/// An answer is used for so long, and while the index writes no more than that: another program may fill the
/// medium meanwhile. With less room than `NEAR_BYTES` it is asked for each time.
const PATIENCE_MS: u64 = 1_000;
const PATIENCE_BYTES: u64 = 64 << 20;
const NEAR_BYTES: u64 = 256 << 20;
/// The same for files: more than a flush of a thousand tags makes, twice.
const NEAR_FILES: u64 = 8_192;

/// See the module.
pub(crate) struct Medium<S> {
    place: Place<S>,
    /// Bytes that stay free, where the caller chose them.
    chosen_bytes: Option<u64>,
    known: Cell<Known>,
}

#[derive(Clone, Copy)]
enum Known {
    /// Nothing, or nothing that still holds.
    Nothing,
    /// The store does not tell.
    Never,
    Answer {
        space: Capacity,
        at_ms: u64,
        /// What the index had written by then.
        written: u64,
    },
}

/// The free bytes of the medium, how many of them should stay free, and how many files it still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediumUse {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes that stay free.
    pub minimum_bytes: u64,
    /// None where their number has no bound.
    pub free_files: Option<u64>,
}

impl<S: Storage> Medium<S> {
    pub(crate) fn new(place: Place<S>, chosen_bytes: Option<u64>) -> Self {
        Self {
            place,
            chosen_bytes,
            known: Cell::new(Known::Nothing),
        }
    }

    /// Something was removed.
    pub(crate) fn forget(&self) {
        if matches!(self.known.get(), Known::Answer { .. }) {
            self.known.set(Known::Nothing);
        }
    }

    /// How it is now, when the index has written so many bytes since it was entered. None where the store
    /// does not tell.
    pub(crate) fn now(&self, written: u64) -> Option<MediumUse> {
        let now_ms = self.place.storage().now_ms();
        match self.known.get() {
            Known::Never => return None,
            Known::Answer {
                space,
                at_ms,
                written: before,
            } => {
                let since = written.saturating_sub(before);
                let free_bytes = space.free_bytes.saturating_sub(since);
                let found = self.judge(Capacity {
                    free_bytes,
                    ..space
                });
                let room = free_bytes.saturating_sub(found.minimum_bytes);
                let few = found.free_files.is_some_and(|free| free < NEAR_FILES);
                let is_new = now_ms.saturating_sub(at_ms) < PATIENCE_MS && since < PATIENCE_BYTES;
                if room >= NEAR_BYTES && !few && is_new {
                    return Some(found);
                }
            }
            Known::Nothing => {}
        }
        match self.place.space() {
            Ok(Some(space)) => {
                self.known.set(Known::Answer {
                    space,
                    at_ms: now_ms,
                    written,
                });
                Some(self.judge(space))
            }
            Ok(None) => {
                self.known.set(Known::Never);
                None
            }
            // Not known for now: the index goes on as if it were large enough.
            Err(_) => {
                self.known.set(Known::Nothing);
                None
            }
        }
    }

    fn judge(&self, space: Capacity) -> MediumUse {
        let usual = (space.total_bytes / MINIMUM_SHARE).min(MINIMUM_BYTES);
        MediumUse {
            free_bytes: space.free_bytes,
            free_files: space.free_files,
            minimum_bytes: self.chosen_bytes.unwrap_or(usual),
        }
    }
}
