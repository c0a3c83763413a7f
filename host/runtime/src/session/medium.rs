//! The medium below a store: how much of it is free, asked for only now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::storage::{MediumSpace, Storage};

/// What stays free unless the caller says otherwise: so many bytes, or that share of a small medium.
const MINIMUM_BYTES: u64 = 256 << 20;
const MINIMUM_SHARE: u64 = 50;

/// An answer is used for so long, and while the index writes no more than that: another program may fill the
/// medium meanwhile. With less room than `NEAR_BYTES` it is asked for each time, which costs a microsecond.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_BYTES: u64 = 64 << 20;
const NEAR_BYTES: u64 = 256 << 20;
/// The same for files: more than a flush of a thousand tags makes, twice.
const NEAR_FILES: u64 = 8_192;

/// See the module.
pub(crate) struct Medium {
    storage: Arc<dyn Storage>,
    /// Bytes that stay free, where the caller chose them.
    chosen_bytes: Option<u64>,
    known: Mutex<Known>,
}

enum Known {
    /// Nothing, or nothing that still holds.
    Nothing,
    /// The storage does not tell.
    Never,
    Answer {
        space: MediumSpace,
        at: Instant,
        /// What the index had written by then.
        written: u64,
    },
}

/// The free bytes of the medium, how many of them should stay free, and how many files it still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediumUse {
    pub(crate) free_bytes: u64,
    pub(crate) minimum_bytes: u64,
    /// None where their number has no bound.
    pub(crate) free_files: Option<u64>,
}

impl Medium {
    pub(crate) fn new(storage: Arc<dyn Storage>, chosen_bytes: Option<u64>) -> Self {
        Self {
            storage,
            chosen_bytes,
            known: Mutex::new(Known::Nothing),
        }
    }

    /// Something was removed.
    pub(crate) fn forget(&self) {
        let mut known = self.known.lock();
        if matches!(*known, Known::Answer { .. }) {
            *known = Known::Nothing;
        }
    }

    /// How it is now, when the index has written so many bytes since it was opened. None where the storage
    /// cannot tell.
    pub(crate) fn now(&self, written: u64) -> Option<MediumUse> {
        let mut known = self.known.lock();
        match &*known {
            Known::Never => return None,
            Known::Answer {
                space,
                at,
                written: before,
            } => {
                let since = written.saturating_sub(*before);
                let free = space.free_bytes.saturating_sub(since);
                let found = self.judge(MediumSpace {
                    free_bytes: free,
                    ..*space
                });
                let room = free.saturating_sub(found.minimum_bytes);
                let is_near =
                    room < NEAR_BYTES || found.free_files.is_some_and(|free| free < NEAR_FILES);
                if !is_near && since < PATIENCE_BYTES && at.elapsed() < PATIENCE {
                    return Some(found);
                }
            }
            Known::Nothing => {}
        }
        match self.storage.space() {
            Ok(Some(space)) => {
                let at = Instant::now();
                *known = Known::Answer { space, at, written };
                Some(self.judge(space))
            }
            Ok(None) => {
                *known = Known::Never;
                None
            }
            // Not known for now: the index goes on as if it were large enough.
            Err(error) => {
                tracing::debug!(%error, "the medium does not say how much is free");
                *known = Known::Nothing;
                None
            }
        }
    }

    fn judge(&self, space: MediumSpace) -> MediumUse {
        let usual = (space.total_bytes / MINIMUM_SHARE).min(MINIMUM_BYTES);
        MediumUse {
            free_bytes: space.free_bytes,
            free_files: space.free_files,
            minimum_bytes: self.chosen_bytes.unwrap_or(usual),
        }
    }
}
