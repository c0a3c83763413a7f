//! Counters of what was done for the engine.

use std::cell::Cell;

/// What was done since counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of the engine that were served.
    pub crossings: u64,
    /// Pages that were asked for.
    pub pages_used: u64,
    /// Those of them that came from the store.
    pub pages_loaded: u64,
    /// Bytes read from the store.
    pub bytes_read: u64,
    /// Rows whose keys were written to a file.
    pub rows_written: u64,
    /// Bytes written to files.
    pub bytes_written: u64,
    /// Time of the calls, where it was asked for.
    pub served_ms: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Activity {
    counts: Cell<Counts>,
    timed: Cell<bool>,
}

impl Activity {
    /// Starts anew, with or without time measurement.
    pub(crate) fn reset(&self, timed: bool) {
        self.counts.set(Counts::default());
        self.timed.set(timed);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timed.get()
    }

    fn add(&self, add: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        add(&mut counts);
        self.counts.set(counts);
    }

    pub(crate) fn crossing(&self) {
        self.add(|counts| counts.crossings += 1);
    }

    pub(crate) fn served(&self, ms: u64) {
        self.add(|counts| counts.served_ms += ms);
    }

    pub(crate) fn page_used(&self) {
        self.add(|counts| counts.pages_used += 1);
    }

    pub(crate) fn page_loaded(&self) {
        self.add(|counts| counts.pages_loaded += 1);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.add(|counts| counts.bytes_read += bytes);
    }

    pub(crate) fn wrote_rows(&self, rows: u64) {
        self.add(|counts| counts.rows_written += rows);
    }

    pub(crate) fn wrote(&self, bytes: u64) {
        self.add(|counts| counts.bytes_written += bytes);
    }
}
