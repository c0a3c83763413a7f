//! Retention: rows that a rule names leave the index, part by part.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use parking_lot::MutexGuard;
use serde::Serialize;
use sidx_engine::{Job, Outcome, Retention, RetentionStep};

use crate::damage::part_name;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::maintenance::Maintenance;
use crate::open::Open;
use crate::session::CallLimits;
use crate::work::{Merged, Operation, Task};

/// Most parts that an error names.
const PARTS_NAMED: usize = 8;

/// What a retention would do to an index as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetentionPreview {
    /// Rows of the index.
    pub rows: u64,
    /// Those of them that would be dropped.
    pub dropped_rows: u64,
    /// Bytes of files that would go: all of a part that is dropped whole; of one that is rewritten the share
    /// of its dropped rows, which is an estimate, as rows differ in size.
    pub dropped_bytes: u64,
    /// File parts that would be dropped whole.
    pub parts_dropped: u64,
    /// File parts that would be rewritten without the rows that go.
    pub parts_rewritten: u64,
    /// File parts that would stay as they are.
    pub parts_untouched: u64,
    /// Rows that would be written again for that, those that a flush writes not included.
    pub rows_rewritten: u64,
    /// Rows in memory, which the flush would write.
    pub memory_rows: u64,
    /// Of the rows in memory, those that would be dropped.
    pub memory_dropped_rows: u64,
    /// Parts that cannot be judged because they are damaged or could not be read, each with the reason; their
    /// rows count as staying.
    pub unreadable: Vec<String>,
}

impl RetentionPreview {
    fn of(steps: &[RetentionStep]) -> Self {
        let mut preview = Self::default();
        for step in steps {
            preview.add(step);
        }
        preview
    }

    fn add(&mut self, step: &RetentionStep) {
        let dropped = match &step.dropped_rows {
            Ok(rows) => *rows,
            Err(error) => {
                self.unreadable.push(error.to_string());
                0
            }
        };
        self.rows = self.rows.saturating_add(step.rows);
        self.dropped_rows = self.dropped_rows.saturating_add(dropped);
        if step.in_memory {
            self.memory_rows = self.memory_rows.saturating_add(step.rows);
            self.memory_dropped_rows = self.memory_dropped_rows.saturating_add(dropped);
            return;
        }
        let bytes = step.size_bytes - kept_bytes(step);
        self.dropped_bytes = self.dropped_bytes.saturating_add(bytes);
        let parts = step.parts.len() as u64;
        match step.dropped_rows {
            Ok(rows) if rows == step.rows => self.parts_dropped += parts,
            Ok(0) | Err(_) => self.parts_untouched += parts,
            Ok(rows) => {
                self.parts_rewritten += parts;
                self.rows_rewritten = self.rows_rewritten.saturating_add(step.rows - rows);
            }
        }
    }
}

/// The share of a step's bytes that belongs to the rows that stay, rounded up.
fn kept_bytes(step: &RetentionStep) -> u64 {
    let dropped = step.dropped_rows.as_ref().map_or(0, |rows| *rows);
    let kept = u128::from(step.rows.saturating_sub(dropped));
    let share = (u128::from(step.size_bytes) * kept).div_ceil(u128::from(step.rows.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

impl Maintenance {
    /// As [`Index::retain`](crate::Index::retain). Stopped, it leaves what was done until then.
    ///
    /// # Errors
    /// As [`Index::retain`](crate::Index::retain), `deadline-exceeded`, `cancelled`.
    pub fn retain(self, rule: Retention) -> Result<Merged> {
        self.index.check_writable()?;
        let limits = self.limits();
        let index = self.index.clone();
        let _merging = limits.wait_for(&index.locks().merging)?;
        // A flush beside it would make parts that are not judged.
        let flushing = limits.wait_for(&index.locks().flushing)?;
        self.index.writer().check(&limits)?;
        let steps = self.judge(&rule, &limits)?;
        let mut run = Run {
            index: &index,
            limits,
            rule,
            done: Merged::default(),
            left: Vec::new(),
        };
        match run.apply(steps, flushing) {
            Ok(()) if run.left.is_empty() => Ok(run.done),
            Ok(()) => Err(run.unfinished(None)),
            Err(error) => Err(run.unfinished(Some(error))),
        }
    }

    /// What [`retain`](Self::retain) would do now. Changes nothing, and may be asked of an index that was
    /// opened read-only. Like it, it reads no page of a part about which metadata decides, and of the others
    /// the pages that the rule needs.
    ///
    /// # Errors
    /// `invalid-argument` for an expression that cannot be read; those of a read, except damage, which the
    /// preview names; `deadline-exceeded`, `cancelled`.
    pub fn preview_retention(self, rule: Retention) -> Result<RetentionPreview> {
        let steps = self.judge(&rule, &self.limits())?;
        Ok(RetentionPreview::of(&steps))
    }

    /// What the rule means for each part.
    fn judge(&self, rule: &Retention, limits: &CallLimits) -> Result<Vec<RetentionStep>> {
        let mut task = self.index.work().begin(Operation::Retention);
        let judged = self.judge_as(rule, limits, &task);
        task.end(judged.as_ref().map(drop));
        judged
    }

    fn judge_as(
        &self,
        rule: &Retention,
        limits: &CallLimits,
        task: &Task,
    ) -> Result<Vec<RetentionStep>> {
        let mut lease = self.index.pool().lease(limits.clone())?;
        let instance = lease.instance()?;
        task.follow(instance.session().activity());
        let steps = instance.judge_retention(rule)?;
        let checked = check_steps(&steps);
        lease.whole(checked)?;
        limits.check()?;
        Ok(steps)
    }
}

/// Steps about parts of their own, none of which loses more rows than it has.
fn check_steps(steps: &[RetentionStep]) -> Result<()> {
    let broken = |what: String| {
        Err(Error::new(
            ErrorKind::Other,
            format!("the engine judged {what}"),
        ))
    };
    let mut parts = BTreeSet::new();
    for step in steps {
        if step.parts.is_empty() {
            return broken("no part".to_owned());
        }
        if let Some(part) = step.parts.iter().find(|part| !parts.insert(**part)) {
            return broken(format!("part {part} twice"));
        }
        if let Ok(dropped) = step.dropped_rows
            && dropped > step.rows
        {
            let rows = step.rows;
            return broken(format!("that {dropped} of {rows} rows are to be dropped"));
        }
    }
    Ok(())
}

/// A retention under way.
struct Run<'a> {
    index: &'a Open,
    limits: CallLimits,
    rule: Retention,
    done: Merged,
    /// What could not be done, each with its reason.
    left: Vec<(Vec<u64>, Error)>,
}

impl Run<'_> {
    /// Does all jobs, one after the other: first those that free most and need least. An error ends all; what
    /// concerns one part only is noted.
    fn apply(&mut self, steps: Vec<RetentionStep>, flushing: MutexGuard<'_, ()>) -> Result<()> {
        let (memory, files): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.in_memory);
        let is_whole = |step: &RetentionStep| step.dropped_rows == Ok(step.rows);
        let (whole, partial): (Vec<_>, Vec<_>) = files.into_iter().partition(is_whole);
        self.attempt(&whole, |run| run.drop_whole(&whole))?;
        let mut flushing = Some(flushing);
        let mut waiting = Vec::new();
        for step in memory {
            match self.flush(&step) {
                // What is freed below may be the room that it needs.
                Err(error) if error.kind() == ErrorKind::ResourceExhausted => waiting.push(step),
                Err(error) => self.leave(&[step], error)?,
                Ok(()) => {}
            }
        }
        if waiting.is_empty() {
            // Whatever is flushed from here on was written after the call.
            flushing.take();
        }
        let mut rewritten = Vec::new();
        for step in partial {
            match &step.dropped_rows {
                Ok(0) => {}
                Ok(_) => rewritten.push(step),
                Err(error) => {
                    let error: Error = error.clone().into();
                    if error.kind().is_damage() {
                        let writer = self.index.writer();
                        writer.note_damage(&step.parts, &self.limits);
                    }
                    self.leave(&[step], error)?;
                }
            }
        }
        rewritten.sort_by_key(kept_bytes);
        for step in rewritten {
            let step = [step];
            self.attempt(&step, |run| run.rewrite(&step))?;
        }
        for step in waiting {
            self.attempt(std::slice::from_ref(&step), |run| run.flush(&step))?;
        }
        drop(flushing);
        Ok(())
    }

    /// Does a job, and notes the parts when it fails for reasons of their own.
    fn attempt(
        &mut self,
        steps: &[RetentionStep],
        job: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        match job(self) {
            Err(error) => self.leave(steps, error),
            Ok(()) => Ok(()),
        }
    }

    fn leave(&mut self, steps: &[RetentionStep], error: Error) -> Result<()> {
        let is_stopped = [ErrorKind::Cancelled, ErrorKind::DeadlineExceeded];
        let writes = self.index.writer().check(&CallLimits::default());
        if is_stopped.contains(&error.kind()) || writes.is_err() {
            return Err(error);
        }
        let parts = steps.iter().flat_map(|step| step.parts.iter().copied());
        self.left.push((parts.collect(), error));
        Ok(())
    }

    fn drop_whole(&mut self, steps: &[RetentionStep]) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let (limits, rule) = (&self.limits, &self.rule);
        let index = self.index;
        let dropped = index.watch(Operation::Merge, |_| {
            let plan = |introducer: &mut dyn Instance| introducer.plan_retention(rule, steps);
            index.writer().drop_parts(limits, steps, plan)
        })?;
        self.note(dropped.as_ref());
        Ok(())
    }

    /// Writes the rows in memory to a part, without those that go.
    fn flush(&mut self, step: &RetentionStep) -> Result<()> {
        let steps = std::slice::from_ref(step);
        let flushed = self.run(Operation::Flush, self.limits.clone(), steps)?;
        self.note(flushed.as_ref());
        Ok(())
    }

    fn rewrite(&mut self, step: &[RetentionStep; 1]) -> Result<()> {
        let limits = self.index.at_merge_rate(&self.limits);
        let rewritten = self.run(Operation::Merge, limits, step)?;
        self.note(rewritten.as_ref());
        Ok(())
    }

    fn run(
        &self,
        operation: Operation,
        limits: CallLimits,
        steps: &[RetentionStep],
    ) -> Result<Option<Outcome>> {
        let rule = &self.rule;
        let plan = |introducer: &mut dyn Instance| introducer.plan_retention(rule, steps);
        let check = |job: &Job| check_rewriting(job, rule, steps);
        self.index.watch(operation, |task| {
            let writer = self.index.writer();
            writer.run(limits, task, plan, check)
        })
    }

    fn note(&mut self, outcome: Option<&Outcome>) {
        if let Some(outcome) = outcome {
            self.done.add(outcome);
        }
    }

    /// The error of a retention that is not finished: why, what is left, and what was done.
    fn unfinished(&self, stopped: Option<Error>) -> Error {
        let done = &self.done;
        if self.left.is_empty()
            && *done == Merged::default()
            && let Some(error) = stopped
        {
            return error;
        }
        let first = self.left.first().map(|(_, error)| error.clone());
        let Some(cause) = stopped.or(first) else {
            return Error::new(ErrorKind::Other, "the retention is not finished");
        };
        let mut text = format!("{}; the retention is not finished: ", cause.message());
        let parts: Vec<u64> = self
            .left
            .iter()
            .flat_map(|(parts, _)| parts.clone())
            .collect();
        if !parts.is_empty() {
            let names = parts.iter().take(PARTS_NAMED);
            let names: Vec<String> = names.map(|part| part_name(*part)).collect();
            let _ = write!(text, "left as it was: part {}", names.join(", "));
            if let Some(more) = parts
                .len()
                .checked_sub(PARTS_NAMED)
                .filter(|more| *more > 0)
            {
                let _ = write!(text, " and {more} more");
            }
            text.push_str("; ");
        }
        let _ = write!(
            text,
            "done: {} rows dropped, parts dropped whole: {}, parts written: {}; once the cause is mended \
             the same call does the rest",
            done.dropped_rows, done.dropped_parts, done.parts
        );
        if cause.kind().is_damage() {
            text.push_str(
                "; a salvage or a repair puts what can be read in the place of a damaged part",
            );
        }
        Error::new(cause.kind(), text)
    }
}

/// A job that applies this rule and no other, to the parts of the step; a flush takes what is in memory.
fn check_rewriting(job: &Job, rule: &Retention, steps: &[RetentionStep]) -> Result<()> {
    let in_memory = steps.iter().any(|step| step.in_memory);
    let of_steps = || steps.iter().flat_map(|step| &step.parts).eq(&job.inputs);
    if job.rule == *rule && job.flush == in_memory && (in_memory || of_steps()) {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which is not the one that the retention asked for",
        job.id
    );
    Err(Error::new(ErrorKind::Other, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(part: u64, rows: u64, dropped: u64) -> RetentionStep {
        RetentionStep {
            parts: vec![part],
            in_memory: false,
            rows,
            size_bytes: 1_000,
            dropped_rows: Ok(dropped),
        }
    }

    #[test]
    fn a_preview_adds_up_what_the_steps_say() {
        let mut memory = step(4, 8, 3);
        memory.in_memory = true;
        let mut damaged = step(5, 7, 0);
        damaged.dropped_rows = Err(Error::corrupt("page 3").into());
        let steps = [
            step(1, 10, 10),
            step(2, 10, 0),
            step(3, 10, 4),
            memory,
            damaged,
        ];
        let preview = RetentionPreview::of(&steps);
        assert_eq!((preview.rows, preview.dropped_rows), (45, 17));
        assert_eq!(preview.dropped_bytes, 1_400);
        let parts = (
            preview.parts_dropped,
            preview.parts_rewritten,
            preview.parts_untouched,
        );
        assert_eq!(parts, (1, 1, 2));
        assert_eq!(preview.rows_rewritten, 6);
        assert_eq!((preview.memory_rows, preview.memory_dropped_rows), (8, 3));
        assert_eq!(preview.unreadable, ["corrupt: page 3"]);
    }

    #[test]
    fn steps_that_cannot_be_are_noticed() {
        assert!(check_steps(&[step(1, 10, 10), step(2, 0, 0)]).is_ok());
        for steps in [
            vec![step(1, 10, 11)],
            vec![step(1, 10, 1), step(1, 10, 1)],
            vec![RetentionStep {
                parts: Vec::new(),
                ..step(1, 10, 1)
            }],
        ] {
            assert!(check_steps(&steps).is_err(), "{steps:?}");
        }
    }
}
