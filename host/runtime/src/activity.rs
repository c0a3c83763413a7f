//! Counters of one session, for `explain` and for telling how far a call has come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

/// What the host did for the engine since the last [`reset`](Self::reset). The counters are atomic only
/// because a session may move between threads.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    crossings: AtomicU64,
    pages_used: AtomicU64,
    pages_loaded: AtomicU64,
    bytes_read: AtomicU64,
    rows_written: AtomicU64,
    bytes_written: AtomicU64,
    nanoseconds: AtomicU64,
    /// Reading the clock twice costs as much as an empty crossing, so it is done on request.
    timed: AtomicBool,
}

impl Activity {
    /// Starts anew, with or without time measurement.
    pub(crate) fn reset(&self, timed: bool) {
        for counter in [
            &self.crossings,
            &self.pages_used,
            &self.pages_loaded,
            &self.bytes_read,
            &self.rows_written,
            &self.bytes_written,
            &self.nanoseconds,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.timed.store(timed, Ordering::Relaxed);
    }

    /// Counts a call of the engine, and its time until the result is dropped.
    pub(crate) fn crossing(&self) -> Crossing<'_> {
        self.crossings.fetch_add(1, Ordering::Relaxed);
        let start = self.timed.load(Ordering::Relaxed).then(Instant::now);
        Crossing {
            activity: self,
            start,
        }
    }

    /// Counts a page that was asked for.
    pub(crate) fn page_used(&self) {
        self.pages_used.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a page that came from storage.
    pub(crate) fn page_loaded(&self) {
        self.pages_loaded.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes read from storage.
    pub(crate) fn read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts rows whose keys were written to a file.
    pub(crate) fn wrote_rows(&self, rows: u64) {
        self.rows_written.fetch_add(rows, Ordering::Relaxed);
    }

    /// Counts bytes written to files.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.bytes_written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows written to files, and bytes.
    pub(crate) fn written(&self) -> (u64, u64) {
        let rows = self.rows_written.load(Ordering::Relaxed);
        (rows, self.bytes_written.load(Ordering::Relaxed))
    }

    /// Bytes read from storage.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The counters as a JSON object. `total_nanoseconds` is the time of the calls into the engine; what
    /// is not the host's of it is the engine's.
    pub(crate) fn to_json(&self, total_nanoseconds: u64) -> Value {
        let used = self.pages_used.load(Ordering::Relaxed);
        let loaded = self.pages_loaded.load(Ordering::Relaxed);
        let mut report = json!({
            "crossings": self.crossings.load(Ordering::Relaxed),
            "pages_used": used,
            "pages_loaded": loaded,
            "cache_hits": used.saturating_sub(loaded),
            "bytes_read": self.bytes_read.load(Ordering::Relaxed),
        });
        if self.timed.load(Ordering::Relaxed)
            && let Some(report) = report.as_object_mut()
        {
            let host = self.nanoseconds.load(Ordering::Relaxed);
            report.insert("host_ns".into(), host.into());
            report.insert(
                "engine_ns".into(),
                total_nanoseconds.saturating_sub(host).into(),
            );
        }
        report
    }
}

/// A call of the engine that is being served.
pub(crate) struct Crossing<'a> {
    activity: &'a Activity,
    start: Option<Instant>,
}

impl Drop for Crossing<'_> {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.activity
                .nanoseconds
                .fetch_add(spent, Ordering::Relaxed);
        }
    }
}
