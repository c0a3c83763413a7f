//! Long work on an index that may be stopped: flushes, merges, retention, salvages, checks, dumps, backups.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sidx_engine::{Choice, Job, Outcome, Retention};

use crate::backup::{self, BackupReport};
use crate::damage::{is_damage, part_name};
use crate::dump::Dump;
use crate::error::{Error, Result};
use crate::index::{Index, Merged, parse};
use crate::instance::Instance;
use crate::pool::Lease;
use crate::salvage::{self, SalvageReport};
use crate::scrub::{self, ScrubReport};
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
            match self.merge_by_itself(&limits) {
                Ok(merges) => merged.left_out = merges.map_or(0, |merges| merges.left_out),
                Err(error) => {
                    let index = self.index.name();
                    tracing::warn!(index, %error, "an automatic merge failed");
                }
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
        let merged = self.merge_within(&self.limits())?;
        self.index.backoff().succeeded();
        Ok(merged)
    }

    fn merge_within(&self, limits: &CallLimits) -> Result<Merged> {
        let _guard = limits.wait_for(&self.index.locks().merging)?;
        self.merge_similar(limits)
    }

    /// Merges because there may be something to merge, unless such merges pause after failures.
    fn merge_by_itself(&self, limits: &CallLimits) -> Result<Option<Merged>> {
        if !self.index.backoff().left().is_zero() {
            return Ok(None);
        }
        let _guard = limits.wait_for(&self.index.locks().merging)?;
        let merge = || self.merge_similar(limits);
        self.index.backoff().attempt(merge)
    }

    /// Merges while the caller holds the right to.
    fn merge_similar(&self, limits: &CallLimits) -> Result<Merged> {
        self.run_merges(limits, Choice::SimilarSize, None)
    }

    /// Merges until there is nothing to merge. A job that meets damage is planned anew around it.
    fn run_merges(
        &self,
        limits: &CallLimits,
        choice: Choice,
        rule: Option<&Retention>,
    ) -> Result<Merged> {
        let damages = &self.index.shared().damages;
        let mut merged = Merged::default();
        // Each merge leaves fewer parts, so there is an end to it; the engine is not relied on for that.
        for _ in 0..MAX_MERGES {
            let known = damages.added();
            match self.run_merge(limits, choice, rule.cloned()) {
                Ok(Some(outcome)) => merged.add(&outcome),
                Ok(None) => break,
                Err(error) if is_damage(error.kind()) && damages.added() > known => {
                    let index = self.index.name();
                    tracing::warn!(index, %error, "a merge met damage and is planned around it");
                }
                Err(error) => return Err(error),
            }
        }
        merged.left_out = damages.numbers().len() as u64;
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
        let mut merged = self.run_merges(&limits, Choice::All, rule.as_ref())?;
        self.index.backoff().succeeded();
        // A single part that the flush made needs no merge, and rows are not told twice.
        if let Some(outcome) = flushed
            && merged.parts + merged.dropped_rows == 0
        {
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
        if !self.index.is_read_only() {
            self.note_damage(&mut lease, &report)?;
        }
        limits.check()?;
        Ok(with_log(report, &self.index.shared().log.check()?))
    }

    /// Notes which parts a check of everything found damaged, and forgets those that it found sound.
    fn note_damage(&self, lease: &mut Lease, report: &Value) -> Result<()> {
        let damages = &self.index.shared().damages;
        let told = report.get("damage").and_then(Value::as_array);
        let name = |damage: &Value| damage.get("part")?.as_str().map(str::to_owned);
        let told: BTreeSet<String> = told.into_iter().flatten().filter_map(name).collect();
        let sound = damages.numbers().into_iter();
        damages.forget(sound.filter(|part| !told.contains(&part_name(*part))));
        let number = |name: &String| u64::from_str_radix(name, 16).ok();
        let parts: Vec<u64> = told.iter().filter_map(number).collect();
        if !parts.is_empty() {
            for damage in lease.instance()?.survey(&parts, true)? {
                damages.note(damage);
            }
        }
        Ok(())
    }

    /// As [`Index::scrub`].
    ///
    /// # Errors
    /// As [`Index::scrub`], `deadline-exceeded`, `cancelled`.
    pub fn scrub(self) -> Result<ScrubReport> {
        scrub::pass(&self.index, &self.limits(), None)
    }

    /// As [`Index::salvage`]. Parts that were salvaged before it was stopped stay so.
    ///
    /// # Errors
    /// As [`Index::salvage`], `deadline-exceeded`, `cancelled`.
    pub fn salvage(self) -> Result<SalvageReport> {
        self.index.check_writable()?;
        let limits = self.limits();
        scrub::pass(&self.index, &limits, None)?;
        let _merging = limits.wait_for(&self.index.locks().merging)?;
        salvage::run(&self.index, &limits)
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
        self.merge_by_itself(limits).map(drop)
    }

    /// Flushes unless another thread does so already, then merges likewise; waits for that one only when
    /// memory fills up faster than it flushes.
    pub(crate) fn flush_in_passing(&self, memory_bytes: Option<u64>) -> Result<()> {
        let (settings, locks) = (self.index.settings(), self.index.locks());
        let overdue = settings.flush_bytes.saturating_mul(2);
        let guard = match locks.flushing.try_lock() {
            Some(guard) => guard,
            None if memory_bytes.is_some_and(|bytes| bytes >= overdue) => locks.flushing.lock(),
            None => return Ok(()),
        };
        let limits = CallLimits::default();
        self.run_flush(&limits)?;
        drop(guard);
        if settings.automatic_merge
            && let Some(_guard) = locks.merging.try_lock()
        {
            let merge = || self.merge_similar(&limits);
            self.index.backoff().attempt(merge)?;
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
