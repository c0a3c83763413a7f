//! Flushes and merges of an open index, each where it can be watched, and the result of it counted.

use sidx_engine::{Choice, Job, Outcome, Pressure};

use super::Open;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::session::CallLimits;
use crate::work::{Merged, Operation, Task};

/// Most merges of one call: no list of parts needs so many.
const MAX_MERGES: usize = 4096;

impl Open {
    /// Flushes while the caller holds the right to.
    pub(crate) fn run_flush(&self, limits: &CallLimits) -> Result<Option<Outcome>> {
        self.run(Operation::Flush, limits.clone(), |introducer| {
            introducer.plan_flush()
        })
    }

    /// Flushes when nobody else does any more.
    pub(crate) fn flush(&self, limits: &CallLimits) -> Result<Option<Outcome>> {
        let _guard = limits.wait_for(&self.locks().flushing)?;
        self.run_flush(limits)
    }

    /// Whether merges may begin. Those that nobody asked for need no error, as the engine plans none.
    pub(crate) fn check_room(&self) -> Result<()> {
        let (levels, _) = self.shared().levels();
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

    /// Merges parts of similar size when nobody else merges any more.
    pub(crate) fn merge(&self, limits: &CallLimits) -> Result<Merged> {
        let _guard = limits.wait_for(&self.locks().merging)?;
        self.merge_similar(limits)
    }

    /// Merges because there may be something to merge, unless such merges pause after failures.
    pub(crate) fn merge_by_itself(&self, limits: &CallLimits) -> Result<Option<Merged>> {
        if !self.backoff().left().is_zero() {
            return Ok(None);
        }
        let _guard = limits.wait_for(&self.locks().merging)?;
        self.merge_in_passing(limits)
    }

    /// The same while the caller holds the right to.
    pub(crate) fn merge_in_passing(&self, limits: &CallLimits) -> Result<Option<Merged>> {
        self.backoff().attempt(|| self.merge_similar(limits))
    }

    fn merge_similar(&self, limits: &CallLimits) -> Result<Merged> {
        self.run_merges(limits, Choice::SimilarSize)
    }

    /// Merges until there is nothing to merge, while the caller holds the right to. A job that meets damage
    /// is planned anew around it.
    pub(crate) fn run_merges(&self, limits: &CallLimits, choice: Choice) -> Result<Merged> {
        let damages = &self.shared().damages;
        let mut merged = Merged::default();
        // Each merge leaves fewer parts, so there is an end to it; the engine is not relied on for that.
        for _ in 0..MAX_MERGES {
            let known = damages.added();
            match self.run_merge(limits, choice) {
                Ok(Some(outcome)) => merged.add(&outcome),
                Ok(None) => break,
                Err(error) if error.kind().is_damage() && damages.added() > known => {
                    let index = self.name();
                    // The report of the merge, and `health`, name the part.
                    tracing::info!(index, %error, "a merge met damage and is planned around it");
                }
                Err(error) => return Err(error),
            }
        }
        merged.left_out = damages.numbers().len() as u64;
        Ok(merged)
    }

    fn run_merge(&self, limits: &CallLimits, choice: Choice) -> Result<Option<Outcome>> {
        let limits = self.at_merge_rate(limits);
        self.run(Operation::Merge, limits, |introducer| {
            introducer.plan_merge(choice)
        })
    }

    /// The same limits, and what is written waits for the rate of merges.
    pub(crate) fn at_merge_rate(&self, limits: &CallLimits) -> CallLimits {
        let rate = self.merge_rate().cloned();
        limits.clone().with_rate(rate)
    }

    fn run(
        &self,
        operation: Operation,
        limits: CallLimits,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Outcome>> {
        self.watch(operation, |task| {
            self.writer().run(limits, task, plan, check_keeps_all)
        })
    }

    /// Does a job where it can be watched, and counts what it made.
    pub(crate) fn watch(
        &self,
        operation: Operation,
        job: impl FnOnce(&Task) -> Result<Option<Outcome>>,
    ) -> Result<Option<Outcome>> {
        let mut task = self.work().begin(operation);
        let done = job(&task);
        if let Ok(Some(outcome)) = &done {
            let mut made = Merged::default();
            made.add(outcome);
            task.made(&made);
        }
        task.end(done.as_ref().map(drop));
        done
    }
}

/// A flush or merge that was not asked to drop rows drops none.
fn check_keeps_all(job: &Job) -> Result<()> {
    if job.rule.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which drops rows unasked",
        job.id
    );
    Err(Error::new(ErrorKind::Other, text))
}
