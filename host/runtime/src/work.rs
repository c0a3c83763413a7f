//! What an open index is doing, has done, and failed at.

mod merged;
mod scrubs;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use sidx_engine::Receipt;

pub use self::merged::Merged;
pub use self::scrubs::ScrubHealth;

pub(crate) use self::scrubs::Scrubs;

use crate::activity::Activity;
use crate::error::{Error, ErrorKind, Result};

/// Failures that are remembered.
const FAILURES_KEPT: usize = 16;

/// Kinds of work that take long enough to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operation {
    /// A cursor, until it is dropped or at its end.
    Query,
    /// A count.
    Count,
    /// A dump, until it is dropped or at its end.
    Dump,
    /// Memory parts being written to a file part.
    Flush,
    /// File parts being merged, or rewritten or dropped by retention.
    Merge,
    /// Parts being judged by a retention rule, also for a preview; its jobs are merges and a flush.
    Retention,
    /// A check of everything.
    Verify,
    /// Files being read to see whether they are as they were written.
    Scrub,
    /// What can be read of a damaged part being written in its place.
    Salvage,
    /// A copy into another store.
    Backup,
    /// A copy that is compared with what was written.
    Copy,
    /// A batch being written; only failures of it are told.
    Write,
}

/// A piece of work that is not over yet.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunningWork {
    /// What it is.
    pub operation: Operation,
    /// When it began, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// How long it has been running, in milliseconds.
    pub running_ms: u64,
    /// Rows returned so far, or written for a flush or merge.
    pub rows: u64,
    /// Bytes read from the store so far, or written for a flush, merge, backup or copy.
    pub bytes: u64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// At what.
    pub operation: Operation,
    /// The kind of the error, as in its text.
    pub kind: &'static str,
    /// What was wrong, where, and what to do.
    pub text: String,
}

/// Queries, counts and dumps by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueryCounters {
    /// Every row was returned.
    pub completed: u64,
    /// The cursor was dropped before its end.
    pub closed_early: u64,
    /// Ended with `cancelled`.
    pub cancelled: u64,
    /// Ended with `deadline-exceeded`.
    pub deadline_exceeded: u64,
    /// Ended with `limit-exceeded`.
    pub limit_exceeded: u64,
    /// Not begun, with `resource-exhausted`.
    pub refused: u64,
    /// Ended with any other error.
    pub failed: u64,
}

/// What was done since the index was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Batches that were acknowledged, and their rows.
    pub batches: u64,
    /// Rows of acknowledged batches.
    pub rows: u64,
    /// Batches that were refused or failed.
    pub batches_failed: u64,
    /// Appends to the log, each for all batches that waited (group commits).
    pub log_appends: u64,
    /// Batches in them; the others were of durability `none`.
    pub log_batches: u64,
    /// Appends that were also brought to the medium.
    pub log_syncs: u64,
    /// Bytes handed to the store: log, finished files, objects.
    pub bytes_written: u64,
    /// Flushes that wrote a part.
    pub flushes: u64,
    /// Rows that they wrote.
    pub flushed_rows: u64,
    /// Merges that were introduced.
    pub merges: u64,
    /// Rows that they wrote.
    pub merged_rows: u64,
    /// Rows that they left out: those that retention dropped, and dead ones.
    pub dropped_rows: u64,
    /// Parts that retention dropped without writing anything in their place.
    pub dropped_parts: u64,
    /// Flushes and merges that were stopped or failed.
    pub jobs_failed: u64,
    /// Queries, counts and dumps.
    pub queries: QueryCounters,
}

/// The work of one open index. Its locks are held for a few instructions each.
#[derive(Default)]
pub(crate) struct Work {
    running: Mutex<BTreeMap<u64, Arc<Progress>>>,
    next: AtomicU64,
    counters: Mutex<Counters>,
    failures: Mutex<VecDeque<Failure>>,
}

struct Progress {
    operation: Operation,
    start: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
    activity: OnceLock<Arc<Activity>>,
}

impl Progress {
    fn report(&self) -> RunningWork {
        let running_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut rows = self.rows.load(Ordering::Relaxed);
        let mut bytes = self.bytes.load(Ordering::Relaxed);
        if let Some(activity) = self.activity.get() {
            match self.operation {
                Operation::Flush | Operation::Merge | Operation::Salvage => {
                    (rows, bytes) = activity.written()
                }
                _ => bytes = activity.bytes_read(),
            }
        }
        RunningWork {
            operation: self.operation,
            since_unix_ms: unix_ms(SystemTime::now()).saturating_sub(running_ms),
            running_ms,
            rows,
            bytes,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

impl Work {
    /// Notes that something began.
    pub(crate) fn begin(self: &Arc<Self>, operation: Operation) -> Task {
        let task = self.task(operation);
        let progress = Arc::clone(&task.progress);
        self.running.lock().insert(task.number, progress);
        task
    }

    /// Notes that a query, count or dump began, unless as many as `most` run already.
    pub(crate) fn begin_query(self: &Arc<Self>, operation: Operation, most: u32) -> Result<Task> {
        let mut task = self.task(operation);
        let count = {
            let mut running = self.running.lock();
            let queries = running.values().filter(|other| is_query(other.operation));
            let count = queries.count();
            if count < most as usize {
                running.insert(task.number, Arc::clone(&task.progress));
                return Ok(task);
            }
            count
        };
        let text = format!(
            "{count} queries, counts and dumps run already and no more are allowed; end one, drop \
             cursors that are no longer read, or raise `max_queries`"
        );
        let error = Error::new(ErrorKind::ResourceExhausted, text);
        task.end(Err(&error));
        Err(error)
    }

    fn task(self: &Arc<Self>, operation: Operation) -> Task {
        let progress = Progress {
            operation,
            start: Instant::now(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            activity: OnceLock::new(),
        };
        Task {
            work: Arc::clone(self),
            number: self.next.fetch_add(1, Ordering::Relaxed),
            progress: Arc::new(progress),
            is_over: false,
        }
    }

    /// Counts batches that went to the log in one append.
    pub(crate) fn logged(&self, batches: u64, synced: bool) {
        let mut counters = self.counters.lock();
        counters.log_appends += 1;
        counters.log_batches += batches;
        counters.log_syncs += u64::from(synced);
    }

    /// Counts a batch.
    pub(crate) fn wrote(&self, written: Result<&Receipt, &Error>) {
        match written {
            Ok(receipt) => {
                let mut counters = self.counters.lock();
                counters.batches += 1;
                counters.rows += u64::from(receipt.rows);
            }
            Err(error) => {
                self.counters.lock().batches_failed += 1;
                self.failed(Operation::Write, error);
            }
        }
    }

    /// Remembers a failure, except what is its caller's own doing: bad arguments and cancellation.
    pub(crate) fn failed(&self, operation: Operation, error: &Error) {
        if matches!(
            error.kind(),
            ErrorKind::InvalidArgument | ErrorKind::Cancelled
        ) {
            return;
        }
        let mut failures = self.failures.lock();
        if failures.len() >= FAILURES_KEPT {
            failures.pop_front();
        }
        failures.push_back(Failure {
            unix_ms: unix_ms(SystemTime::now()),
            operation,
            kind: error.kind().name(),
            text: error.message().to_owned(),
        });
    }

    /// What runs now, oldest first.
    pub(crate) fn running(&self) -> Vec<RunningWork> {
        let running: Vec<Arc<Progress>> = self.running.lock().values().cloned().collect();
        running.iter().map(|progress| progress.report()).collect()
    }

    /// The counters, without the bytes written.
    pub(crate) fn counters(&self) -> Counters {
        *self.counters.lock()
    }

    /// The last failures, oldest first.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.failures.lock().iter().cloned().collect()
    }
}

fn is_query(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Query | Operation::Count | Operation::Dump
    )
}

/// Work that has begun; it is over when [`end`](Self::end) was called or this is dropped.
pub(crate) struct Task {
    work: Arc<Work>,
    number: u64,
    progress: Arc<Progress>,
    is_over: bool,
}

impl Task {
    /// The counters of the session that does the work; the first one stays.
    pub(crate) fn follow(&self, activity: &Arc<Activity>) {
        let _ = self.progress.activity.set(Arc::clone(activity));
    }

    /// Adds rows that were returned.
    pub(crate) fn add_rows(&self, rows: u64) {
        self.progress.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.progress.rows.load(Ordering::Relaxed)
    }

    /// Adds bytes that were moved.
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes how it ended, once.
    pub(crate) fn end(&mut self, result: Result<(), &Error>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.work.running.lock().remove(&self.number);
        let operation = self.progress.operation;
        if let Err(error) = result {
            self.work.failed(operation, error);
        }
        let mut counters = self.work.counters.lock();
        if is_query(operation) {
            let queries = &mut counters.queries;
            *match result.map_err(Error::kind) {
                Ok(()) => &mut queries.completed,
                Err(ErrorKind::Cancelled) => &mut queries.cancelled,
                Err(ErrorKind::DeadlineExceeded) => &mut queries.deadline_exceeded,
                Err(ErrorKind::LimitExceeded) => &mut queries.limit_exceeded,
                Err(ErrorKind::ResourceExhausted) => &mut queries.refused,
                Err(_) => &mut queries.failed,
            } += 1;
        } else if matches!(operation, Operation::Flush | Operation::Merge) {
            counters.jobs_failed += u64::from(result.is_err());
        }
    }

    /// Counts what a flush or merge made.
    pub(crate) fn made(&self, made: &Merged) {
        let mut counters = self.work.counters.lock();
        if self.progress.operation == Operation::Flush {
            counters.flushes += 1;
            counters.flushed_rows += made.rows;
        } else {
            counters.merges += 1;
            counters.merged_rows += made.rows;
        }
        counters.dropped_rows += made.dropped_rows;
        counters.dropped_parts += made.dropped_parts;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.work.running.lock().remove(&self.number);
        if is_query(self.progress.operation) {
            self.work.counters.lock().queries.closed_early += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, format!("a failure of kind {}", kind.name()))
    }

    #[test]
    fn work_is_seen_until_it_ends_or_is_dropped() {
        let work: Arc<Work> = Arc::default();
        let mut query = work.begin_query(Operation::Query, 9).unwrap();
        let merge = work.begin(Operation::Merge);
        query.add_rows(7);
        let running = work.running();
        let told: Vec<_> = running
            .iter()
            .map(|run| (run.operation, run.rows))
            .collect();
        assert_eq!(told, [(Operation::Query, 7), (Operation::Merge, 0)]);
        query.end(Ok(()));
        query.end(Err(&error(ErrorKind::Io)));
        drop((query, merge));
        assert!(work.running().is_empty() && work.failures().is_empty());
        assert_eq!(work.counters().queries.completed, 1);
        drop(work.begin_query(Operation::Count, 9).unwrap());
        assert_eq!(work.counters().queries.closed_early, 1);
    }

    #[test]
    fn queries_beyond_the_allowed_number_are_refused_and_jobs_do_not_count() {
        let work: Arc<Work> = Arc::default();
        let _jobs = [Operation::Flush, Operation::Merge].map(|operation| work.begin(operation));
        let first = work.begin_query(Operation::Query, 1).unwrap();
        let refused = work.begin_query(Operation::Count, 1).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted);
        assert!(refused.message().contains("`max_queries`"), "{refused}");
        assert_eq!(work.counters().queries.refused, 1);
        drop(first);
        assert!(work.begin_query(Operation::Count, 1).is_ok());
    }

    #[test]
    fn the_last_failures_are_kept_but_not_those_of_the_caller() {
        let work: Arc<Work> = Arc::default();
        for kind in [ErrorKind::InvalidArgument, ErrorKind::Cancelled] {
            work.failed(Operation::Query, &error(kind));
        }
        assert!(work.failures().is_empty());
        for at in 0..40 {
            let text = format!("failure {at}");
            work.failed(Operation::Flush, &Error::new(ErrorKind::Io, text));
        }
        let texts: Vec<_> = work.failures().into_iter().map(|told| told.text).collect();
        assert_eq!(texts.len(), FAILURES_KEPT);
        assert_eq!(texts.first().map(String::as_str), Some("failure 24"));
        assert_eq!(texts.last().map(String::as_str), Some("failure 39"));
    }

    #[test]
    fn outcomes_of_queries_are_told_apart() {
        let work: Arc<Work> = Arc::default();
        for kind in [
            ErrorKind::Cancelled,
            ErrorKind::DeadlineExceeded,
            ErrorKind::LimitExceeded,
            ErrorKind::Corrupt,
        ] {
            let mut query = work.begin_query(Operation::Query, 9).unwrap();
            query.end(Err(&error(kind)));
        }
        let queries = work.counters().queries;
        let told = [
            queries.cancelled,
            queries.deadline_exceeded,
            queries.limit_exceeded,
        ];
        assert_eq!((told, queries.failed), ([1; 3], 1));
        assert_eq!(queries.completed + queries.closed_early, 0);
    }
}
