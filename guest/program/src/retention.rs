//! Retention: rows that a rule names leave the index, part by part.

use std::fmt::Write as _;

use sidx_command::database::{Error, Merged, Result, RetentionPreview};
use sidx_engine::ErrorKind;

use crate::bindings::index::{self, Outcome, Retention, RetentionStep};
use crate::damages::part_name;
use crate::error::{of_engine, other};
use crate::jobs::add;
use crate::opened::Opened;

/// Most parts that an error names.
const PARTS_NAMED: usize = 8;

/// The rule as the engine takes it.
pub(crate) fn rule(rule: sidx_engine::Retention) -> Retention {
    Retention {
        drop_where: rule.drop_where,
        drop_below: rule.drop_below,
    }
}

/// What a retention would do to an index as it is now. Changes nothing.
pub(crate) fn preview(rule: &Retention) -> Result<RetentionPreview> {
    let mut preview = RetentionPreview::default();
    for step in index::judge_retention(rule).map_err(of_engine)? {
        note(&mut preview, &step);
    }
    Ok(preview)
}

fn note(preview: &mut RetentionPreview, step: &RetentionStep) {
    let dropped = match &step.dropped_rows {
        Ok(rows) => *rows,
        Err(error) => {
            let error = of_engine(error.clone());
            preview.unreadable.push(error.to_string());
            0
        }
    };
    preview.rows = preview.rows.saturating_add(step.rows);
    preview.dropped_rows = preview.dropped_rows.saturating_add(dropped);
    if step.in_memory {
        preview.memory_rows = preview.memory_rows.saturating_add(step.rows);
        preview.memory_dropped_rows = preview.memory_dropped_rows.saturating_add(dropped);
        return;
    }
    let bytes = step.size_bytes.saturating_sub(kept_bytes(step));
    preview.dropped_bytes = preview.dropped_bytes.saturating_add(bytes);
    let parts = step.parts.len() as u64;
    match step.dropped_rows {
        Ok(rows) if rows == step.rows => preview.parts_dropped += parts,
        Ok(0) | Err(_) => preview.parts_untouched += parts,
        Ok(rows) => {
            preview.parts_rewritten += parts;
            let kept = step.rows.saturating_sub(rows);
            preview.rows_rewritten = preview.rows_rewritten.saturating_add(kept);
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

/// Drops the rows that a rule names.
pub(crate) fn apply(index: &Opened, rule: Retention) -> Result<Merged> {
    index.check_writable()?;
    let steps = index::judge_retention(&rule).map_err(of_engine)?;
    let mut run = Run {
        index,
        rule,
        done: Merged::default(),
        left: Vec::new(),
    };
    match run.apply(steps) {
        Ok(()) if run.left.is_empty() => Ok(run.done),
        Ok(()) => Err(run.unfinished(None)),
        Err(error) => Err(run.unfinished(Some(error))),
    }
}

/// A retention under way.
struct Run<'a> {
    index: &'a Opened,
    rule: Retention,
    done: Merged,
    /// What could not be done, each with its reason.
    left: Vec<(Vec<u64>, Error)>,
}

impl Run<'_> {
    /// Does all jobs, one after the other: first those that free most and need least. An error ends all; what
    /// concerns one part only is noted.
    fn apply(&mut self, steps: Vec<RetentionStep>) -> Result<()> {
        let (memory, files): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.in_memory);
        let is_whole =
            |step: &RetentionStep| matches!(step.dropped_rows, Ok(rows) if rows == step.rows);
        let (whole, partial): (Vec<_>, Vec<_>) = files.into_iter().partition(is_whole);
        if !whole.is_empty() {
            let dropped = { self.index }.drop_parts(|| index::plan_retention(&self.rule, &whole));
            self.note(&whole, dropped)?;
        }
        let mut waiting = Vec::new();
        for step in memory {
            match self.run(&step) {
                // What is freed below may be the room that it needs.
                Err(error) if error.kind() == ErrorKind::ResourceExhausted => waiting.push(step),
                flushed => self.note(&[step], flushed)?,
            }
        }
        let mut rewritten = Vec::new();
        for step in partial {
            match &step.dropped_rows {
                Ok(0) => {}
                Ok(_) => rewritten.push(step),
                Err(error) => {
                    let error = of_engine(error.clone());
                    if error.kind().is_damage() {
                        self.index.note_damage(&step.parts);
                    }
                    self.leave(&[step], error)?;
                }
            }
        }
        rewritten.sort_by_key(kept_bytes);
        for step in rewritten.into_iter().chain(waiting) {
            let done = self.run(&step);
            self.note(&[step], done)?;
        }
        Ok(())
    }

    /// Rewrites a part without the rows that go, or flushes what is in memory without them.
    fn run(&self, step: &RetentionStep) -> Result<Option<Outcome>> {
        let steps = [step.clone()];
        { self.index }.run(|| index::plan_retention(&self.rule, &steps))
    }

    /// Counts what a job did, or notes the parts when it failed for reasons of their own.
    fn note(&mut self, steps: &[RetentionStep], done: Result<Option<Outcome>>) -> Result<()> {
        match done {
            Ok(outcome) => {
                if let Some(outcome) = outcome {
                    add(&mut self.done, &outcome);
                }
                Ok(())
            }
            Err(error) => self.leave(steps, error),
        }
    }

    fn leave(&mut self, steps: &[RetentionStep], error: Error) -> Result<()> {
        if self.index.check_sound().is_err() {
            return Err(error);
        }
        let parts = steps.iter().flat_map(|step| step.parts.iter().copied());
        self.left.push((parts.collect(), error));
        Ok(())
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
            return other("the retention is not finished");
        };
        let mut text = format!("{}; the retention is not finished: ", cause.message());
        let parts = self.left.iter().flat_map(|(parts, _)| parts);
        let parts: Vec<String> = parts.map(|part| part_name(*part)).collect();
        if !parts.is_empty() {
            let named = parts.get(..PARTS_NAMED).unwrap_or(&parts);
            // Writing to a string cannot fail.
            let _ = write!(text, "left as it was: part {}", named.join(", "));
            let more = parts.len() - named.len();
            if more > 0 {
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
