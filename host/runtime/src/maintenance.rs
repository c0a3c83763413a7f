//! Long work on an index that may be stopped: flushes, merges, salvages, checks, dumps, backups.
//! Retention has a file of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sidx_engine::{Choice, Job, Outcome, Pressure};

use crate::backup::{self, BackupReport};
use crate::damage::part_name;
use crate::dump::Dump;
use crate::error::{Error, ErrorKind, Result};
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

/// A flush, merge, retention, salvage, scrub, check, dump or backup that is being put together;
/// [`Index::maintain`] begins one, and the
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
    pub(crate) index: Index,
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

    pub(crate) fn limits(&self) -> CallLimits {
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
        self.check_room()?;
        let merged = self.merge_within(&self.limits())?;
        self.index.backoff().succeeded();
        Ok(merged)
    }

    /// Whether merges may begin. Those that nobody asked for need no error, as the engine plans none.
    fn check_room(&self) -> Result<()> {
        let (levels, _) = self.index.shared().levels();
        if levels.highest() < Pressure::Severe {
            return Ok(());
        }
        let advice = if levels.memory >= Pressure::Severe {
            "memory is nearly used up; flush the index first"
        } else {
            "the store is nearly full; remove rows with a retention rule, or make room"
        };
        Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("no merge begins at this level of pressure: {advice}"),
        ))
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
        self.run_merges(limits, Choice::SimilarSize)
    }

    /// Merges until there is nothing to merge. A job that meets damage is planned anew around it.
    fn run_merges(&self, limits: &CallLimits, choice: Choice) -> Result<Merged> {
        let damages = &self.index.shared().damages;
        let mut merged = Merged::default();
        // Each merge leaves fewer parts, so there is an end to it; the engine is not relied on for that.
        for _ in 0..MAX_MERGES {
            let known = damages.added();
            match self.run_merge(limits, choice) {
                Ok(Some(outcome)) => merged.add(&outcome),
                Ok(None) => break,
                Err(error) if error.kind().is_damage() && damages.added() > known => {
                    let index = self.index.name();
                    // The report of the merge, and `health`, name the part.
                    tracing::info!(index, %error, "a merge met damage and is planned around it");
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
        self.index.check_writable()?;
        let limits = self.limits();
        let _merging = limits.wait_for(&self.index.locks().merging)?;
        // A flush beside the merge would leave a part that the merge does not know.
        let _flushing = limits.wait_for(&self.index.locks().flushing)?;
        let flushed = self.run_flush(&limits)?;
        self.check_room()?;
        let mut merged = self.run_merges(&limits, Choice::All)?;
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

    fn run_merge(&self, limits: &CallLimits, choice: Choice) -> Result<Option<Outcome>> {
        let limits = self.at_merge_rate(limits);
        self.run(Operation::Merge, limits, |introducer| {
            introducer.plan_merge(choice)
        })
    }

    /// The same limits, and what is written waits for the rate of merges.
    pub(crate) fn at_merge_rate(&self, limits: &CallLimits) -> CallLimits {
        let rate = self.index.merge_rate().cloned();
        limits.clone().with_rate(rate)
    }

    fn run(
        &self,
        operation: Operation,
        limits: CallLimits,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Outcome>> {
        self.watch(operation, |task| {
            self.index.writer().run(limits, task, plan, check_keeps_all)
        })
    }

    /// Does a job where it can be watched, and counts what it made.
    pub(crate) fn watch(
        &self,
        operation: Operation,
        job: impl FnOnce(&Task) -> Result<Option<Outcome>>,
    ) -> Result<Option<Outcome>> {
        let mut task = self.index.work().begin(operation);
        let done = job(&task);
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
            let merge = || self.merge_similar(limits);
            self.index.backoff().attempt(merge)?;
        }
        Ok(())
    }
}

/// A report of a check with what was found in the log.
fn with_log(mut report: Value, log: &LogReport) -> Value {
    if let Some(report) = report.as_object_mut() {
        report.insert("log_entries".into(), log.entries.into());
        if log.torn_bytes > 0 {
            report.insert("log_torn_bytes".into(), log.torn_bytes.into());
        }
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

/// A flush or merge that was not asked to drop rows drops none.
fn check_keeps_all(job: &Job) -> Result<()> {
    if job.drop_where.is_none() && job.drop_below.is_none() {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which drops rows unasked",
        job.id
    );
    Err(Error::new(ErrorKind::Other, text))
}

pub(crate) fn end<T>(task: &mut Task, result: &Result<T, Error>) {
    task.end(result.as_ref().map(drop));
}
