//! How far the scrubs of an index are.

use parking_lot::Mutex;
use serde::Serialize;

/// How far scrubs are, since the index was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScrubHealth {
    /// Whether one is at work.
    pub running: bool,
    /// Parts that the present pass, or the last one, has checked so far. Passes beside each other share the
    /// count.
    pub checked_parts: u64,
    /// Parts that there were when it began.
    pub parts: u64,
    /// Bytes that all passes have read.
    pub bytes: u64,
    /// Damaged parts that were not known before.
    pub found: u64,
    /// Passes that came to their end.
    pub passes: u64,
    /// When the last one did, in milliseconds since 1970.
    pub last_finished_unix_ms: Option<u64>,
}

/// The progress of the scrubs of an index.
#[derive(Default)]
pub(crate) struct Scrubs(Mutex<ScrubHealth>);

impl Scrubs {
    /// As it is now.
    pub(crate) fn health(&self) -> ScrubHealth {
        *self.0.lock()
    }

    /// Notes what a pass did.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ScrubHealth)) {
        change(&mut self.0.lock());
    }
}
