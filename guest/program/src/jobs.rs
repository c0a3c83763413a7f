//! Flushes and merges: planned, done and introduced one after the other.

use sidx_command::database::{Error, Merged, Result};
use sidx_engine::host::Usage;
use sidx_engine::{ErrorKind, Levels, Pressure};

use crate::bindings::index::{self, Choice, Job, Outcome};
use crate::bindings::limits;
use crate::bindings::session::{self, Purpose};
use crate::error::of_engine;
use crate::opened::Opened;
use crate::pause::Pause;
use crate::warning;

/// Most merges of one call: no list of parts needs so many.
const MAX_MERGES: usize = 4096;
/// Bytes of rows in memory from which they are flushed, unless the store is small.
const FLUSH_BYTES: u64 = 64 << 20;
/// Where there is little room left, rows are flushed from this part of the threshold on.
const EARLY_FLUSHES: u64 = 4;

impl Opened {
    /// Flushes, then merges what is worth it where that was asked for.
    pub(crate) fn flush(&self) -> Result<Merged> {
        self.check_writable()?;
        let mut merged = Merged::default();
        if let Some(outcome) = self.run_flush()? {
            add(&mut merged, &outcome);
        }
        if self.merges_by_itself() {
            // The rows are durable whatever becomes of the merge.
            match self.merge_by_itself() {
                Ok(merges) => merged.left_out = merges.map_or(0, |merges| merges.left_out),
                Err(error) => self.warn("an automatic merge failed", &error),
            }
        }
        Ok(merged)
    }

    /// Merges parts of similar size until nothing is worth it.
    pub(crate) fn merge(&self) -> Result<Merged> {
        self.check_writable()?;
        check_room(self)?;
        let merged = self.run_merges(Choice::SimilarSize)?;
        self.merge_pause.set(Pause::default());
        Ok(merged)
    }

    /// Flushes, then merges everything into one part.
    pub(crate) fn merge_all(&self) -> Result<Merged> {
        self.check_writable()?;
        let flushed = self.run_flush()?;
        check_room(self)?;
        let mut merged = self.run_merges(Choice::All)?;
        // A single part that the flush made needs no merge, and rows are not told twice.
        if let Some(outcome) = flushed
            && merged.parts + merged.dropped_rows == 0
        {
            add(&mut merged, &outcome);
        }
        Ok(merged)
    }

    /// After a write: flushes when rows in memory are many, then merges what is worth it.
    pub(crate) fn flush_if_due(&self, memory_bytes: u64) {
        let mut threshold = FLUSH_BYTES.min(session::flush_threshold_bytes());
        if self.pressure.get() >= Pressure::Severe {
            threshold /= EARLY_FLUSHES;
        }
        if memory_bytes >= threshold {
            self.flush_in_passing("an automatic flush or merge failed");
        }
    }

    /// Flushes on behalf of a write. The rows are safe whatever becomes of it; the next write tries again.
    pub(crate) fn flush_in_passing(&self, warning: &str) {
        let flushed = self
            .run_flush()
            .and_then(|_| match self.merges_by_itself() {
                true => self.merge_by_itself().map(drop),
                false => Ok(()),
            });
        if let Err(error) = flushed {
            self.warn(warning, &error);
        }
    }

    /// Merges because there may be something to merge, unless such merges pause after failures.
    fn merge_by_itself(&self) -> Result<Option<Merged>> {
        let pause = self.merge_pause.get();
        if !pause.left().is_zero() {
            return Ok(None);
        }
        let merged = self.run_merges(Choice::SimilarSize);
        self.merge_pause.set(match &merged {
            Ok(_) => Pause::default(),
            Err(_) => pause.longer(),
        });
        merged.map(Some)
    }

    pub(crate) fn run_flush(&self) -> Result<Option<Outcome>> {
        self.run(index::plan_flush)
    }

    /// Merges until there is nothing to merge. A job that meets damage is planned anew around it.
    fn run_merges(&self, choice: Choice) -> Result<Merged> {
        let mut merged = Merged::default();
        for _ in 0..MAX_MERGES {
            let known = self.damages.borrow().added();
            match self.run(|| index::plan_merge(choice)) {
                Ok(Some(outcome)) => add(&mut merged, &outcome),
                Ok(None) => break,
                // It is planned around from now on.
                Err(error) if error.kind().is_damage() && self.damages.borrow().added() > known => {
                }
                Err(error) => return Err(error),
            }
        }
        merged.left_out = self.damages.borrow().numbers().len() as u64;
        Ok(merged)
    }

    /// Plans a job, does it and introduces what came of it; none when there was nothing to do. A job that
    /// fails is given up and changes nothing.
    pub(crate) fn run(
        &self,
        plan: impl FnOnce() -> Result<Option<Job>, index::Error>,
    ) -> Result<Option<Outcome>> {
        let Some(job) = self.plan(plan)? else {
            return Ok(None);
        };
        let purpose = match (job.flush, is_empty(&job.rule)) {
            (true, _) => Purpose::Flush,
            (false, true) => Purpose::Merge,
            (false, false) => Purpose::Retention,
        };
        let done = session::begin_job(purpose, job.space_bytes)
            .and_then(|()| index::merge(&job))
            .map_err(of_engine)
            .and_then(|outcome| self.introduce(outcome));
        let ended = self.end(&job, done).map(Some);
        if let Err(error) = &ended
            && error.kind().is_damage()
            && !job.flush
        {
            self.note_damage(&job.inputs);
        }
        ended
    }

    /// Plans that parts leave the list with all of their rows, and introduces that: there is nothing to do in
    /// between.
    pub(crate) fn drop_parts(
        &self,
        plan: impl FnOnce() -> Result<Option<Job>, index::Error>,
    ) -> Result<Option<Outcome>> {
        let Some(job) = self.plan(plan)? else {
            return Ok(None);
        };
        let outcome = Outcome {
            job: job.clone(),
            rows: 0,
            dropped_rows: job.rows,
            bytes_written: 0,
        };
        let dropped = session::begin_job(Purpose::Retention, 0).map_err(of_engine);
        let dropped = dropped.and_then(|()| self.introduce(outcome));
        self.end(&job, dropped).map(Some)
    }

    /// Plans a job around the parts that are known to be damaged.
    fn plan(
        &self,
        plan: impl FnOnce() -> Result<Option<Job>, index::Error>,
    ) -> Result<Option<Job>> {
        self.check_sound()?;
        let mut damages = self.damages.borrow_mut();
        damages.note_met();
        index::avoid(&damages.numbers())
            .and_then(|()| plan())
            .map_err(of_engine)
    }

    /// Puts the outcome of a job into the part list. One that is refused changes nothing.
    fn introduce(&self, outcome: Outcome) -> Result<Outcome> {
        match index::introduce(&outcome).map_err(of_engine) {
            Ok(view) => {
                self.publish(&view);
                if outcome.job.flush {
                    self.pressure.set(Pressure::None);
                }
                Ok(outcome)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidArgument | ErrorKind::ResourceExhausted
                ) =>
            {
                Err(error)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Cleans up after a job, whether it came to its end or not.
    fn end<T>(&self, job: &Job, done: Result<T>) -> Result<T> {
        let done = match done {
            Ok(outcome) => {
                // The change is done whatever becomes of this; the next one tries again.
                if let Err(error) = index::collect().map_err(of_engine) {
                    warning::tell(
                        "files of replaced parts could not be removed",
                        &[("error", &error)],
                    );
                }
                self.forget_gone();
                Ok(outcome)
            }
            // Another writer is at work: it made a part of this number, or published first. What is in the
            // way is its own, so nothing is removed.
            Err(error) if error.kind() == ErrorKind::Conflict => Err(self.fail(error)),
            Err(error) => {
                if let Err(second) = index::abandon(job).map_err(of_engine) {
                    let fields: [(&str, &dyn std::fmt::Display); 2] =
                        [("job", &job.id), ("error", &second)];
                    warning::tell("a failed job left files behind", &fields);
                }
                Err(error)
            }
        };
        session::end_job();
        done
    }

    /// Forgets the damage of parts that are not in the list any more.
    fn forget_gone(&self) {
        let mut damages = self.damages.borrow_mut();
        if damages.numbers().is_empty() {
            return;
        }
        if let Ok(files) = index::part_files() {
            let live: Vec<u64> = files.into_iter().map(|file| file.part).collect();
            damages.keep(&live);
        }
    }

    /// Finds out which of the parts that a job took are damaged, so that the next plan goes around them.
    pub(crate) fn note_damage(&self, parts: &[u64]) {
        match index::survey(parts, true).map_err(of_engine) {
            Ok(found) => {
                let mut damages = self.damages.borrow_mut();
                for damage in found {
                    damages.note(damage);
                }
            }
            Err(error) => warning::tell(
                "the inputs of a failed job could not be checked",
                &[("error", &error)],
            ),
        }
    }

    fn warn(&self, message: &str, error: &Error) {
        let name = warning::quoted(self.name());
        warning::tell(message, &[("index", &name), ("error", error)]);
    }
}

/// Adds what a job did.
pub(crate) fn add(merged: &mut Merged, outcome: &Outcome) {
    merged.parts += u64::from(outcome.rows > 0);
    merged.rows = merged.rows.saturating_add(outcome.rows);
    merged.dropped_rows = merged.dropped_rows.saturating_add(outcome.dropped_rows);
    merged.bytes_written = merged.bytes_written.saturating_add(outcome.bytes_written);
    if outcome.rows == 0 && !outcome.job.flush {
        merged.dropped_parts += outcome.job.inputs.len() as u64;
    }
}

fn is_empty(rule: &index::Retention) -> bool {
    rule.drop_where.is_none() && rule.drop_below.is_none()
}

/// How near everything is to its budget, and what there is of them.
pub(crate) fn levels(index: &Opened) -> (Levels, Usage) {
    let budgets = limits::usage();
    let usage = Usage {
        memory_used_bytes: budgets.memory_used_bytes,
        memory_allowed_bytes: budgets.memory_allowed_bytes,
        disk_used_bytes: budgets.disk_used_bytes,
        disk_allowed_bytes: budgets.disk_allowed_bytes,
        medium_allowed_bytes: budgets.medium_allowed_bytes,
        medium_minimum_bytes: budgets.medium_minimum_bytes,
        medium_free_files: budgets.medium_free_files,
    };
    (Levels::of(&usage, index.flush_need()), usage)
}

/// Whether merges may begin. Those that nobody asked for need no error, as the engine plans none.
fn check_room(index: &Opened) -> Result<()> {
    let (levels, _) = levels(index);
    if levels.highest() < Pressure::Severe {
        return Ok(());
    }
    let advice = match levels.memory >= Pressure::Severe {
        true => "memory is nearly used up; flush the index first",
        false => "the store is nearly full; remove rows with a retention rule, or make room",
    };
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!("no merge begins at this level of pressure: {advice}"),
    ))
}
