//! Long work on an index that may be stopped: flushes, merges, salvages, checks, dumps, backups and copies.
//! Retention has a file of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sidx_engine::Choice;

use crate::copy::{self, BackupReport, CopyReport, Kind, Report};
use crate::damage::part_name;
use crate::dump::Dump;
use crate::error::Result;
use crate::handle::Handle;
use crate::instance::parse_report;
use crate::pool::Lease;
use crate::salvage::{self, SalvageReport};
use crate::scrub::{self, ScrubReport};
use crate::session::{CallLimits, CancelToken};
use crate::storage::log::LogReport;
use crate::store::Store;
use crate::work::{Merged, Operation, Task};

/// A flush, merge, retention, salvage, scrub, check, dump, backup or copy that is being put together;
/// [`Index::maintain`](crate::Index::maintain) begins one, and the methods of the same names on
/// [`Index`](crate::Index) are short for one without limits.
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
    pub(crate) index: Handle,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
}

impl Maintenance {
    pub(crate) fn new(index: Handle) -> Self {
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

    /// As [`Index::flush`](crate::Index::flush). When it is stopped during the merges that follow a flush,
    /// the flush has happened and is what is returned.
    ///
    /// # Errors
    /// As [`Index::flush`](crate::Index::flush), `deadline-exceeded`, `cancelled`.
    pub fn flush(self) -> Result<Merged> {
        self.index.check_writable()?;
        let limits = self.limits();
        let mut merged = Merged::default();
        if let Some(outcome) = self.index.flush(&limits)? {
            merged.add(&outcome);
        }
        if self.index.settings().automatic_merge {
            // The rows are durable whatever becomes of the merge.
            match self.index.merge_by_itself(&limits) {
                Ok(merges) => merged.left_out = merges.map_or(0, |merges| merges.left_out),
                Err(error) => {
                    let index = self.index.name();
                    tracing::warn!(index, %error, "an automatic merge failed");
                }
            }
        }
        Ok(merged)
    }

    /// As [`Index::merge`](crate::Index::merge). What was merged before it was stopped stays so.
    ///
    /// # Errors
    /// As [`Index::merge`](crate::Index::merge), `deadline-exceeded`, `cancelled`.
    pub fn merge(self) -> Result<Merged> {
        self.index.check_writable()?;
        self.index.check_room()?;
        let merged = self.index.merge(&self.limits())?;
        self.index.backoff().succeeded();
        Ok(merged)
    }

    /// As [`Index::merge_all`](crate::Index::merge_all).
    ///
    /// # Errors
    /// As [`Index::merge_all`](crate::Index::merge_all), `deadline-exceeded`, `cancelled`.
    pub fn merge_all(self) -> Result<Merged> {
        self.index.check_writable()?;
        let limits = self.limits();
        let _merging = limits.wait_for(&self.index.locks().merging)?;
        // A flush beside the merge would leave a part that the merge does not know.
        let _flushing = limits.wait_for(&self.index.locks().flushing)?;
        let flushed = self.index.run_flush(&limits)?;
        self.index.check_room()?;
        let mut merged = self.index.run_merges(&limits, Choice::All)?;
        self.index.backoff().succeeded();
        // A single part that the flush made needs no merge, and rows are not told twice.
        if let Some(outcome) = flushed
            && merged.parts + merged.dropped_rows == 0
        {
            merged.add(&outcome);
        }
        Ok(merged)
    }

    /// As [`Index::verify`](crate::Index::verify).
    ///
    /// # Errors
    /// As [`Index::verify`](crate::Index::verify), `deadline-exceeded`, `cancelled`.
    pub fn verify(self) -> Result<Value> {
        let mut task = self.index.work().begin(Operation::Verify);
        let report = self.verify_as(&task);
        task.end(report.as_ref().map(drop));
        report
    }

    fn verify_as(&self, task: &Task) -> Result<Value> {
        let limits = self.limits();
        let mut lease = self.index.pool().lease(limits.clone())?;
        let instance = lease.instance()?;
        task.follow(instance.session().activity());
        let report = parse_report(&instance.verify()?);
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

    /// As [`Index::scrub`](crate::Index::scrub).
    ///
    /// # Errors
    /// As [`Index::scrub`](crate::Index::scrub), `deadline-exceeded`, `cancelled`.
    pub fn scrub(self) -> Result<ScrubReport> {
        scrub::pass(&self.index, &self.limits(), None)
    }

    /// As [`Index::salvage`](crate::Index::salvage). Parts that were salvaged before it was stopped stay so.
    ///
    /// # Errors
    /// As [`Index::salvage`](crate::Index::salvage), `deadline-exceeded`, `cancelled`.
    pub fn salvage(self) -> Result<SalvageReport> {
        self.index.check_writable()?;
        let limits = self.limits();
        scrub::pass(&self.index, &limits, None)?;
        let _merging = limits.wait_for(&self.index.locks().merging)?;
        salvage::run(&self.index, &limits)
    }

    /// As [`Index::backup`](crate::Index::backup). Stopped, it leaves no index in the other store.
    ///
    /// # Errors
    /// As [`Index::backup`](crate::Index::backup), `deadline-exceeded`, `cancelled`.
    pub fn backup(self, target: &Store, name: &str) -> Result<BackupReport> {
        self.run_copy(target, name, Kind::Backup).map(Into::into)
    }

    /// As [`Index::copy_to`](crate::Index::copy_to). Stopped, it leaves no index in the other store, and the
    /// next one goes on where it stopped.
    ///
    /// # Errors
    /// As [`Index::copy_to`](crate::Index::copy_to), `deadline-exceeded`, `cancelled`.
    pub fn copy_to(self, target: &Store, name: &str) -> Result<CopyReport> {
        self.run_copy(target, name, Kind::Copy)
            .map(|report| report.copy)
    }

    fn run_copy(self, target: &Store, name: &str, kind: Kind) -> Result<Report> {
        let limits = self.limits();
        if !self.index.is_read_only() {
            self.index.flush(&limits)?;
        }
        let mut task = self.index.work().begin(match kind {
            Kind::Backup => Operation::Backup,
            Kind::Copy => Operation::Copy,
        });
        let report = copy::run(&self.index, target.backend(), name, kind, &limits, &task);
        task.end(report.as_ref().map(drop));
        report
    }

    /// As [`Index::dump`](crate::Index::dump); the limits hold until the last row.
    ///
    /// # Errors
    /// As [`Index::dump`](crate::Index::dump), `deadline-exceeded`, `cancelled`.
    pub fn dump(self) -> Result<Dump> {
        let mut task = self.index.begin_query(Operation::Dump, &self.limits())?;
        match self.index.pool().lease(self.limits()) {
            Ok(lease) => Dump::start(self.index, lease, task),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
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
