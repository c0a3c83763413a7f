//! Long work on an index that may be stopped: flushes, merges, retention, checks, dumps, backups.

use std::time::Duration;

use serde_json::{Value, json};
use sidx_engine::{Choice, Job, Outcome, Retention};

use crate::backup::{self, BackupReport};
use crate::dump::Dump;
use crate::error::{Error, Result};
use crate::index::{Index, Merged, parse};
use crate::instance::Instance;
use crate::session::{CallLimits, CancelToken};
use crate::storage::log::LogReport;
use crate::store::Store;
use crate::work::{Operation, Task};

/// Most merges of one call: no list of parts needs so many.
const MAX_MERGES: usize = 4096;

/// A flush, merge, check, dump or backup that is being put together; [`Index::maintain`] begins one, and the
/// methods of the same names on [`Index`] are short for one without limits.
///
/// Stopping is without harm: what was written for a job that was not introduced is removed, and the index
/// is as if the job had never begun.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use std::time::Duration;
/// use sidx_host::{CancelToken, ErrorKind, Store};
///
/// let index = Store::memory().index("delays").create()?;
/// let token = CancelToken::new();
/// let merged = index.maintain().cancel(token.clone()).timeout(Duration::from_secs(60)).merge()?;
/// assert_eq!(merged.parts, 0);
/// token.cancel();
/// let error = index.maintain().cancel(token).verify().expect_err("it was cancelled");
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is done until `flush`, `merge` or another of the last steps"]
pub struct Maintenance {
    index: Index,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
}

impl Maintenance {
    pub(crate) fn new(index: Index) -> Self {
        Self {
            index,
            timeout: None,
            cancel: None,
        }
    }

    /// Ends the work with `deadline-exceeded` when it is not done after this long, the time it waits for
    /// others included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends the work with `cancelled` once the token is cancelled.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    fn limits(&self) -> CallLimits {
        CallLimits::new(self.timeout, self.cancel.clone())
    }

    /// As [`Index::flush`]. When it is stopped during the merges that follow a flush, the flush has
    /// happened and is what is returned.
    ///
    /// # Errors
    /// As [`Index::flush`], `deadline-exceeded`, `cancelled`.
    pub fn flush(self) -> Result<Merged> {
        self.index.check_writable()?;
        let limits = self.limits();
        let mut merged = Merged::default();
        {
            let _guard = limits.wait_for(&self.index.locks().flushing)?;
            if let Some(outcome) = self.run_flush(&limits)? {
                merged.add(&outcome);
            }
        }
        if self.index.settings().automatic_merge {
            // The rows are durable whatever becomes of the merge.
            if let Err(error) = self.merge_within(&limits) {
                let index = self.index.name();
                tracing::warn!(index, %error, "an automatic merge failed");
            }
        }
        Ok(merged)
    }

    /// As [`Index::merge`]. What was merged before it was stopped stays so.
    ///
    /// # Errors
    /// As [`Index::merge`], `deadline-exceeded`, `cancelled`.
    pub fn merge(self) -> Result<Merged> {
        self.index.check_writable()?;
        self.merge_within(&self.limits())
    }

    fn merge_within(&self, limits: &CallLimits) -> Result<Merged> {
        let _guard = limits.wait_for(&self.index.locks().merging)?;
        self.merge_similar(limits)
    }

    /// Merges while the caller holds the right to.
    fn merge_similar(&self, limits: &CallLimits) -> Result<Merged> {
        let mut merged = Merged::default();
        // Each merge leaves fewer parts, so there is an end to it; the engine is not relied on for that.
        for _ in 0..MAX_MERGES {
            match self.run_merge(limits, Choice::SimilarSize, None)? {
                Some(outcome) => merged.add(&outcome),
                None => break,
            }
        }
        Ok(merged)
    }

    /// As [`Index::merge_all`].
    ///
    /// # Errors
    /// As [`Index::merge_all`], `deadline-exceeded`, `cancelled`.
    pub fn merge_all(self) -> Result<Merged> {
        self.rewrite(None)
    }

    /// As [`Index::retain`].
    ///
    /// # Errors
    /// As [`Index::retain`], `deadline-exceeded`, `cancelled`.
    pub fn retain(self, rule: Retention) -> Result<Merged> {
        self.rewrite(Some(rule))
    }

    fn rewrite(&self, rule: Option<Retention>) -> Result<Merged> {
        self.index.check_writable()?;
        let limits = self.limits();
        let _merging = limits.wait_for(&self.index.locks().merging)?;
        // A flush beside the merge would leave a part that the merge does not know.
        let _flushing = limits.wait_for(&self.index.locks().flushing)?;
        let flushed = self.run_flush(&limits)?;
        let rewritten = self.run_merge(&limits, Choice::All, rule)?;
        let mut merged = Merged::default();
        // A single part that the flush made needs no merge, and rows are not told twice.
        if let Some(outcome) = rewritten.or(flushed) {
            merged.add(&outcome);
        }
        Ok(merged)
    }

    fn run_flush(&self, limits: &CallLimits) -> Result<Option<Outcome>> {
        self.run(Operation::Flush, limits.clone(), |introducer| {
            introducer.plan_flush()
        })
    }

    fn run_merge(
        &self,
        limits: &CallLimits,
        choice: Choice,
        rule: Option<Retention>,
    ) -> Result<Option<Outcome>> {
        let rate = self.index.merge_rate().cloned();
        let limits = limits.clone().with_rate(rate);
        self.run(Operation::Merge, limits, |introducer| {
            introducer.plan_merge(choice, rule)
        })
    }

    fn run(
        &self,
        operation: Operation,
        limits: CallLimits,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Outcome>> {
        let mut task = self.index.work().begin(operation);
        let done = self.index.writer().run(limits, &task, plan);
        if let Ok(Some(outcome)) = &done {
            let mut made = Merged::default();
            made.add(outcome);
            task.made(&made);
        }
        end(&mut task, &done);
        done
    }

    /// As [`Index::verify`].
    ///
    /// # Errors
    /// As [`Index::verify`], `deadline-exceeded`, `cancelled`.
    pub fn verify(self) -> Result<Value> {
        let mut task = self.index.work().begin(Operation::Verify);
        let report = self.verify_as(&task);
        end(&mut task, &report);
        report
    }

    fn verify_as(&self, task: &Task) -> Result<Value> {
        let limits = self.limits();
        let mut lease = self.index.pool().lease(limits.clone())?;
        let instance = lease.instance()?;
        task.follow(instance.session().activity());
        let report = parse(&instance.verify()?);
        let report = lease.whole(report)?;
        limits.check()?;
        Ok(with_log(report, &self.index.shared().log.check()?))
    }

    /// As [`Index::backup`]. Stopped, it leaves no index in the other store.
    ///
    /// # Errors
    /// As [`Index::backup`], `deadline-exceeded`, `cancelled`.
    pub fn backup(self, target: &Store, name: &str) -> Result<BackupReport> {
        let limits = self.limits();
        if !self.index.is_read_only() {
            let _guard = limits.wait_for(&self.index.locks().flushing)?;
            self.run_flush(&limits)?;
        }
        let mut task = self.index.work().begin(Operation::Backup);
        let report = backup::run(&self.index, target, name, &limits, &task);
        end(&mut task, &report);
        report
    }

    /// As [`Index::dump`]; the limits hold until the last row.
    ///
    /// # Errors
    /// As [`Index::dump`], `deadline-exceeded`, `cancelled`.
    pub fn dump(self) -> Result<Dump> {
        let mut task = self.index.begin_query(Operation::Dump)?;
        match self.index.pool().lease(self.limits()) {
            Ok(lease) => Dump::start(self.index, lease, task),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
    }

    /// Flushes, for the thread that does so in the background.
    pub(crate) fn flush_now(&self, limits: &CallLimits) -> Result<()> {
        let _guard = limits.wait_for(&self.index.locks().flushing)?;
        self.run_flush(limits).map(drop)
    }

    /// Merges what is worth it, for the thread that does so in the background.
    pub(crate) fn merge_now(&self, limits: &CallLimits) -> Result<()> {
        self.merge_within(limits).map(drop)
    }

    /// Flushes on behalf of a write, unless another thread does so already, then merges likewise, where
    /// there is no thread for that. Waits for that other flush as long as one `is_overdue`.
    pub(crate) fn flush_in_passing(
        &self,
        limits: &CallLimits,
        is_overdue: impl Fn() -> bool,
    ) -> Result<()> {
        let (settings, locks) = (self.index.settings(), self.index.locks());
        let guard = match locks.flushing.try_lock() {
            Some(guard) => guard,
            None if is_overdue() => {
                let guard = limits.wait_for(&locks.flushing)?;
                if !is_overdue() {
                    return Ok(());
                }
                guard
            }
            None => return Ok(()),
        };
        self.run_flush(limits)?;
        drop(guard);
        if !settings.automatic_merge || self.index.merge_soon() {
            return Ok(());
        }
        if let Some(_guard) = locks.merging.try_lock() {
            self.merge_similar(limits)?;
        }
        Ok(())
    }
}

/// A report of a check with what was found in the log.
fn with_log(mut report: Value, log: &LogReport) -> Value {
    if let Some(report) = report.as_object_mut() {
        report.insert("log_entries".into(), log.entries.into());
        if let Some(Value::Array(damage)) = report.get_mut("damage") {
            let found = log.damage.iter();
            damage.extend(found.map(|what| json!({ "part": "log", "what": what })));
        }
        if !log.damage.is_empty() {
            report.insert("ok".into(), false.into());
        }
    }
    report
}

fn end<T>(task: &mut Task, result: &Result<T, Error>) {
    task.end(result.as_ref().map(drop));
}
