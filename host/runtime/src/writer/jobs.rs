//! Flushes, merges, retention and salvages: planned by the introducer, done by another instance, introduced.

use std::sync::Arc;

use sidx_engine::{Job, Outcome, RetentionStep, Salvaged, View};

use super::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::pool::Lease;
use crate::session::{CallLimits, Space, SpacePurpose};
use crate::work::Task;

impl Writer {
    /// Plans a job, which must pass a check, does it on another instance and introduces what came of it; none
    /// when there was nothing to do. A job that fails or is stopped is given up and changes nothing.
    pub(crate) fn run(
        &self,
        limits: CallLimits,
        task: &Task,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
        check: impl FnOnce(&Job) -> Result<()>,
    ) -> Result<Option<Outcome>> {
        let Some(job) = self.plan(&limits, plan)? else {
            return Ok(None);
        };
        let merged = check_job(&job)
            .and_then(|()| check(&job))
            .and_then(|()| self.set_space_aside(&job))
            .and_then(|space| {
                let outcome = self.merge(&job, &space, limits.clone(), task)?;
                self.introduce(check_outcome(&job, outcome)?, &space)
            });
        let ended = self.end(&job, merged).map(Some);
        if let Err(error) = &ended
            && error.kind().is_damage()
            && !job.flush
        {
            self.note_damage(&job.inputs, &limits);
        }
        ended
    }

    /// Plans that parts leave the list with all of their rows, and introduces that: there is nothing to do in
    /// between. The parts and rows are compared with those of the steps.
    pub(crate) fn drop_parts(
        &self,
        limits: &CallLimits,
        steps: &[RetentionStep],
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Outcome>> {
        let Some(job) = self.plan(limits, plan)? else {
            return Ok(None);
        };
        let dropped = check_job(&job)
            .and_then(|()| check_drop(&job, steps))
            // The last moment to stop it.
            .and_then(|()| Ok(limits.check()?))
            .and_then(|()| Ok(self.shared.disk.begin(SpacePurpose::Retention, 0)?))
            .and_then(|space| {
                let outcome = Outcome {
                    job: job.clone(),
                    rows: 0,
                    dropped_rows: job.rows,
                    bytes_written: 0,
                };
                self.introduce(outcome, &space)
            });
        self.end(&job, dropped).map(Some)
    }

    /// Whether changes are still accepted.
    pub(crate) fn check(&self, limits: &CallLimits) -> Result<()> {
        limits.wait_for(&self.introducer)?.check()
    }

    /// Plans a job around the parts that are known to be damaged.
    fn plan(
        &self,
        limits: &CallLimits,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Job>> {
        limits.wait_for(&self.introducer)?.check()?;
        self.consult_within(limits, |introducer| {
            introducer.avoid(&self.shared.damages.numbers())?;
            plan(introducer)
        })
    }

    /// Cleans up after a job, whether it came to its end or not.
    fn end<T>(&self, job: &Job, done: Result<T>) -> Result<T> {
        match done {
            Ok(outcome) => {
                // Idle instances that know the old parts would keep their memory and files.
                self.pool.drop_outdated(self.shared.views.newest_version());
                // The change is done whatever becomes of this; the next one tries again.
                if let Err(error) = self.consult(|introducer| introducer.collect()) {
                    tracing::warn!(%error, "files of replaced parts could not be removed");
                }
                self.forget_gone();
                Ok(outcome)
            }
            // Another writer is at work, though the lock should not let it: it made a part of this number, or
            // published first. What is in the way is its own, so nothing is removed.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(self.introducer.lock().fail(error, &self.pool))
            }
            Err(error) => {
                if let Err(second) = self.consult(|introducer| introducer.abandon(job)) {
                    tracing::warn!(job = job.id, error = %second, "a failed job left files behind");
                }
                Err(error)
            }
        }
    }

    /// Forgets the damage of parts that are not in the list any more.
    fn forget_gone(&self) {
        let damages = &self.shared.damages;
        if damages.numbers().is_empty() {
            return;
        }
        if let Ok(files) = self.consult(|introducer| introducer.part_files()) {
            let live: Vec<u64> = files.into_iter().map(|file| file.part).collect();
            damages.keep(&live);
        }
    }

    /// Finds out which of the parts that a job took are damaged, so that the next plan goes around them.
    /// The instance that
    /// looks is not relied on beyond that: it can keep parts from being merged, and no more.
    pub(crate) fn note_damage(&self, parts: &[u64], limits: &CallLimits) {
        let look = || {
            let mut lease = self.pool.lease(limits.clone())?;
            lease.instance()?.survey(parts, true)
        };
        match look() {
            Ok(found) => {
                for damage in found {
                    self.shared.damages.note(damage);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the inputs of a failed job could not be checked");
            }
        }
    }

    /// Puts what can be read of a part that is known to be damaged in its place; none when the part is no
    /// longer in the list or is sound after all.
    pub(crate) fn salvage(
        &self,
        part: u64,
        limits: CallLimits,
        task: &Task,
    ) -> Result<Option<Salvaged>> {
        let planned = self.plan(&limits, |introducer| introducer.plan_salvage(part))?;
        let Some(job) = planned else {
            return Ok(None);
        };
        let salvaged = check_job(&job)
            .and_then(|()| check_salvage(&job, part))
            .and_then(|()| self.set_space_aside(&job))
            .and_then(|space| {
                let salvaged = self.work(limits, task, |lease| lease.salvage(&job, &space))?;
                let outcome = check_outcome(&job, salvaged.outcome.clone())?;
                let introduced = salvaged.clone();
                self.introduce_as(&space, |introducer| {
                    introducer.introduce_salvaged(introduced)
                })?;
                Ok(Salvaged {
                    outcome,
                    ..salvaged
                })
            });
        self.end(&job, salvaged).map(Some)
    }

    /// Room for what a job writes.
    fn set_space_aside(&self, job: &Job) -> Result<Arc<Space>> {
        let purpose = if job.flush {
            SpacePurpose::Flush
        } else if !job.rule.is_empty() {
            SpacePurpose::Retention
        } else {
            SpacePurpose::Merge
        };
        // A batch that is being accepted has looked at what is free.
        let _introducer = self.introducer.lock();
        Ok(self.shared.disk.begin(purpose, job.space_bytes)?)
    }

    fn merge(
        &self,
        job: &Job,
        space: &Arc<Space>,
        limits: CallLimits,
        task: &Task,
    ) -> Result<Outcome> {
        self.work(limits, task, |lease| lease.merge(job, space))
    }

    /// Does a job on another instance.
    fn work<T>(
        &self,
        limits: CallLimits,
        task: &Task,
        work: impl FnOnce(&mut Lease) -> Result<T>,
    ) -> Result<T> {
        let mut lease = self.pool.lease(limits.clone())?;
        task.follow(lease.instance()?.session().activity());
        let done = work(&mut lease)?;
        // The last moment to stop it.
        limits.check()?;
        Ok(done)
    }

    /// Puts the outcome of a job into the part list. An outcome that is refused, because the instance
    /// that did the job did it wrong, or because the medium has no room for the snapshot, changes nothing.
    fn introduce(&self, outcome: Outcome, space: &Arc<Space>) -> Result<Outcome> {
        let introduced = outcome.clone();
        let is_flush = outcome.job.flush;
        self.introduce_as(space, |introducer| {
            let view = introducer.introduce(introduced)?;
            self.congestion.ease(is_flush);
            Ok(view)
        })?;
        Ok(outcome)
    }

    fn introduce_as(
        &self,
        space: &Arc<Space>,
        introduce: impl FnOnce(&mut dyn Instance) -> Result<View>,
    ) -> Result<()> {
        let refused = self.change(|introducer| {
            // What is known of dead rows is written now, as a part of the job.
            introducer.session().set_space(Some(Arc::clone(space)));
            let introduced = introduce(introducer);
            introducer.session().set_space(None);
            match introduced {
                Ok(view) => {
                    // Before another batch is looked at: what was flushed is no longer in memory.
                    space.settle();
                    Ok((None, view))
                }
                Err(error) if changes_nothing(error.kind()) && introducer.is_usable() => {
                    let view = self.shared.views.newest();
                    Ok((Some(error), View::clone(&view)))
                }
                Err(error) => Err(error),
            }
        })?;
        refused.map_or(Ok(()), Err)
    }
}

/// Whether an outcome was refused before anything was changed.
fn changes_nothing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidArgument | ErrorKind::ResourceExhausted
    )
}

/// A flush or merge makes a file part of something.
fn check_job(job: &Job) -> Result<()> {
    if !job.inputs.is_empty() {
        return Ok(());
    }
    let text = format!("the engine planned job {} without inputs", job.id);
    Err(Error::new(ErrorKind::Other, text))
}

/// A job that drops the parts of these steps and no other, with all of their rows.
fn check_drop(job: &Job, steps: &[RetentionStep]) -> Result<()> {
    let mut parts: Vec<u64> = steps.iter().flat_map(|step| step.parts.clone()).collect();
    let mut inputs = job.inputs.clone();
    parts.sort_unstable();
    inputs.sort_unstable();
    let rows = steps
        .iter()
        .fold(0u64, |sum, step| sum.saturating_add(step.rows));
    if parts == inputs && rows == job.rows {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which drops {} rows of {} parts, where {rows} rows of {} parts were to go",
        job.id,
        job.rows,
        inputs.len(),
        parts.len()
    );
    Err(Error::new(ErrorKind::Other, text))
}

/// A salvage has the part as its input that it was asked for, and drops nothing that it could keep.
fn check_salvage(job: &Job, part: u64) -> Result<()> {
    if job.inputs == [part] && job.rule.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which is no salvage of part {part}",
        job.id
    );
    Err(Error::new(ErrorKind::Other, text))
}

/// The outcome of this job and no other.
fn check_outcome(job: &Job, outcome: Outcome) -> Result<Outcome> {
    if outcome.job == *job {
        return Ok(outcome);
    }
    let (found, needed) = (outcome.job.id, job.id);
    Err(Error::new(
        ErrorKind::Other,
        format!("the engine returned an outcome of job {found} for job {needed}"),
    ))
}
