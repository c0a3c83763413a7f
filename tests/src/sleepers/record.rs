//! What was written, refused and shown: the judge of what any reader sees, and of the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use sidx_host::{Error, ErrorKind};

use super::removals::{Answer, Life, Moment, Removals, Span};
use crate::model::{Found, Row};

/// What the writer of a batch knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the answer, or will never get one.
    Unknown,
    /// It was acknowledged.
    Acknowledged,
    /// It was refused, and told that nothing was written.
    Refused,
}

struct Batch {
    keys: Range<i64>,
    writer: String,
    fate: Fate,
    /// Some reader has seen it.
    shown: bool,
    life: Life,
}

/// A retention: rows with smaller keys go.
struct Drop {
    below: i64,
    /// Batches that must be gone from its end on: those that whoever asked for it had written.
    gone: BTreeSet<usize>,
    is_done: bool,
}

/// A number of a batch.
pub type Ticket = usize;

/// See the module.
#[derive(Default)]
pub struct Record {
    batches: Vec<Batch>,
    drops: Vec<Drop>,
    next_key: i64,
    errors: BTreeMap<String, u64>,
    /// Writers that began, and those that were closed in peace.
    begun: u64,
    closed: u64,
    removals: Removals,
    /// Events so far.
    now: Moment,
}

/// What a reader must see: what was acknowledged, and what retentions had dropped, when it began.
pub struct Horizon {
    /// When it began, and when it had come as far as to be shown something.
    opening: Span,
    acknowledged: Vec<Ticket>,
    /// Retentions that were done by then.
    dropped: Vec<usize>,
}

impl Horizon {
    /// A retention was done for whoever has this horizon.
    pub fn note_drop(&mut self, drop: usize) {
        self.dropped.push(drop);
    }
}

impl Record {
    /// What holds for a query that begins now, of a reader that follows the writers and was opened at a
    /// horizon. That rows or the index were dropped it need not see; nor an index that was made in the
    /// place of a dropped one.
    pub fn horizon_of_follower(&mut self, opened: &Horizon) -> Horizon {
        let now = self.horizon();
        let is_other = !self.removals.is_empty();
        Horizon {
            opening: Span {
                begin: opened.opening.begin,
                ..now.opening
            },
            acknowledged: match is_other {
                true => opened.acknowledged.clone(),
                false => now.acknowledged,
            },
            dropped: opened.dropped.clone(),
        }
    }

    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// A drop of the index begins. Returns which it is.
    pub fn begin_removal(&mut self) -> usize {
        let now = self.tick();
        self.removals.begin(now)
    }

    /// It was answered.
    pub fn end_removal(&mut self, removal: usize, answer: Answer) {
        let now = self.tick();
        self.removals.end(removal, now, answer);
    }

    /// A batch of so many rows, unlike all others, that is about to be written through a handle that was
    /// opened at a horizon.
    pub fn submit(&mut self, writer: &str, count: i64, at: &Horizon) -> (Ticket, Vec<Row>) {
        let keys = self.next_key..self.next_key + count;
        self.next_key = keys.end;
        let rows = keys.clone().map(|key| row(writer, key)).collect();
        self.batches.push(Batch {
            keys,
            writer: writer.to_owned(),
            fate: Fate::Unknown,
            shown: false,
            life: Life {
                opening: at.opening,
                acknowledged: None,
            },
        });
        (self.batches.len() - 1, rows)
    }

    /// The answer to a batch has come.
    pub fn answer(&mut self, ticket: Ticket, fate: Fate) -> Result<(), String> {
        let now = self.tick();
        let batch = &mut self.batches[ticket];
        batch.fate = fate;
        if fate == Fate::Acknowledged {
            batch.life.acknowledged = Some(now);
        }
        if fate == Fate::Refused && batch.shown {
            return Err(format!("{batch} was refused after a reader had seen it"));
        }
        Ok(())
    }

    /// The keys that were given so far end here.
    pub fn next_key(&self) -> i64 {
        self.next_key
    }

    /// Rows with smaller keys are about to be dropped by whoever wrote these batches.
    pub fn begin_drop(&mut self, below: i64, own: &[Ticket]) -> usize {
        let batches = own.iter().copied();
        let gone = batches.filter(|at| self.batches[*at].fate == Fate::Acknowledged);
        let gone = gone.collect();
        self.drops.push(Drop {
            below,
            gone,
            is_done: false,
        });
        self.drops.len() - 1
    }

    /// They were.
    pub fn end_drop(&mut self, drop: usize) {
        self.drops[drop].is_done = true;
    }

    /// Fails when a write that begins now on a handle may not be acknowledged, and was.
    pub fn check_open(&mut self, at: &Horizon) -> Result<(), String> {
        let now = self.tick();
        match self.removals.has_ended(at.opening, now) {
            true => {
                Err("a write is acknowledged by an index that was dropped before it".to_owned())
            }
            false => Ok(()),
        }
    }

    /// Whoever began at a horizon has come as far as to be shown something: what may have been dropped
    /// meanwhile need not be there.
    pub fn settle(&mut self, horizon: &mut Horizon) {
        let now = self.tick();
        horizon.opening.end = now;
        let (batches, removals) = (&self.batches, &self.removals);
        let is_sure = |at: &Ticket| !removals.may_be_gone(batches[*at].life, now);
        horizon.acknowledged.retain(is_sure);
    }

    /// What holds for a reader that begins now.
    pub fn horizon(&mut self) -> Horizon {
        let opening = Span::begun(self.tick());
        let all = self.batches.iter().enumerate();
        let drops = self.drops.iter().enumerate();
        Horizon {
            opening,
            acknowledged: all
                .filter(|(_, batch)| batch.fate == Fate::Acknowledged)
                .map(|(at, _)| at)
                .collect(),
            dropped: drops
                .filter(|(_, it)| it.is_done)
                .map(|(at, _)| at)
                .collect(),
        }
    }

    /// Judges what somebody was shown who began at a horizon, and who must also see these batches.
    /// Whatever was shown must stay, where that `is_sure`.
    pub fn judge(
        &mut self,
        horizon: &Horizon,
        own: &[Ticket],
        found: &[Found],
        is_sure: bool,
    ) -> Result<(), String> {
        let keys = self.keys_of(found)?;
        // Of rows that were being dropped any may be gone.
        let below = self.drops.iter().map(|drop| drop.below).max();
        for (at, batch) in self.batches.iter().enumerate() {
            let end = batch.keys.end;
            let kept = batch.keys.start.max(below.unwrap_or(i64::MIN)).min(end)..end;
            let there = keys.range(kept.clone()).count() as i64;
            let all = kept.end - kept.start;
            let is_needed = horizon.acknowledged.contains(&at) || own.contains(&at);
            let is_there = keys.range(batch.keys.clone()).next().is_some();
            if is_there && self.removals.is_gone(batch.life, horizon.opening.begin) {
                return Err(format!("{batch} is there although the index was dropped"));
            }
            if batch.fate == Fate::Refused && keys.range(batch.keys.clone()).next().is_some() {
                return Err(format!("{batch} was refused and is shown"));
            }
            if there != all && is_needed {
                return Err(format!("{batch} is lost: {there} of {all} rows"));
            }
            if there != all && there > 0 {
                return Err(format!("{batch} is shown in part: {there} of {all} rows"));
            }
            let drops = horizon.dropped.iter().map(|drop| &self.drops[*drop]);
            for drop in drops.filter(|drop| drop.gone.contains(&at)) {
                let end = batch.keys.end.min(drop.below);
                if batch.keys.start < end && keys.range(batch.keys.start..end).next().is_some() {
                    return Err(format!("{batch} is there although it was dropped"));
                }
            }
        }
        for batch in &mut self.batches {
            batch.shown |= is_sure && keys.range(batch.keys.clone()).next().is_some();
        }
        Ok(())
    }

    /// Judges what is there when all have come to their end: all of that must be there as well that
    /// anybody was ever shown.
    pub fn judge_end(&mut self, found: &[Found]) -> Result<(), String> {
        let mut horizon = self.horizon();
        self.settle(&mut horizon);
        let may_be_gone = |life| self.removals.may_be_gone(life, Moment::MAX);
        let shown: Vec<Ticket> = (0..self.batches.len())
            .filter(|at| self.batches[*at].shown && !may_be_gone(self.batches[*at].life))
            .collect();
        self.judge(&horizon, &shown, found, true)
    }

    /// Each row once, and as it was submitted.
    pub(super) fn keys_of(&self, found: &[Found]) -> Result<BTreeSet<i64>, String> {
        let mut keys = BTreeSet::new();
        for row in found {
            let batches = self.batches.iter();
            let batch = batches.rev().find(|batch| batch.keys.contains(&row.key));
            let Some(batch) = batch else {
                return Err(format!("{row:?} was never submitted"));
            };
            let payload = payload(&batch.writer, row.key);
            if row.payload.as_deref() != Some(payload.as_bytes()) {
                return Err(format!("{row:?} is not what was submitted in {batch}"));
            }
            if !keys.insert(row.key) {
                return Err(format!("row {} of {batch} is there twice", row.key));
            }
        }
        Ok(keys)
    }

    /// Counts an error of somebody's task.
    pub fn note_error(&mut self, task: &str, error: &Error) {
        let text = without_numbers(error.message());
        let line = format!("{task}: {}: {text}", error.kind().name());
        *self.errors.entry(line).or_default() += 1;
    }

    /// Errors by their text.
    pub fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    /// A writer begins to open the index. Returns which opening it is.
    pub fn open(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// A writer that was alone since its opening has closed the index.
    pub fn close(&mut self, opening: u64) {
        if opening == self.begun {
            self.closed += 1;
        }
    }

    /// Openings that did not end with a clean close.
    pub fn unclean(&self) -> u64 {
        self.begun - self.closed
    }

    /// Batches by what became of them: acknowledged, refused, unknown.
    pub fn counts(&self) -> [u64; 3] {
        [Fate::Acknowledged, Fate::Refused, Fate::Unknown].map(|fate| {
            let batches = self.batches.iter();
            batches.filter(|batch| batch.fate == fate).count() as u64
        })
    }
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            keys, writer, fate, ..
        } = self;
        let (first, last) = (keys.start, keys.end - 1);
        write!(f, "batch {first}..={last} of {writer} ({fate:?})")
    }
}

fn payload(writer: &str, key: i64) -> String {
    format!("{writer} wrote {key}")
}

fn row(writer: &str, key: i64) -> Row {
    Row::new(key as u64 % 3, key, payload(writer, key)).tag("n", key)
}

/// What the answer to a write tells of the batch. Kinds that promise that nothing was written are
/// few.
pub fn fate_of(error: &Error) -> Fate {
    match error.kind() {
        ErrorKind::Conflict
        | ErrorKind::InvalidArgument
        | ErrorKind::ResourceExhausted
        | ErrorKind::Cancelled
        | ErrorKind::DeadlineExceeded => Fate::Refused,
        _ => Fate::Unknown,
    }
}

/// So that errors which differ in a number only count as one.
fn without_numbers(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_inclusive(|sign: char| !sign.is_ascii_alphanumeric()) {
        let (body, end) = match word.char_indices().last() {
            Some((at, sign)) if !sign.is_ascii_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        let is_number = body.chars().any(|sign| sign.is_ascii_digit());
        short.push_str(if is_number { "#" } else { body });
        short.push_str(end);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Query};

    fn found(batches: &[&[Row]]) -> Vec<Found> {
        let mut model = Model::default();
        batches.iter().for_each(|rows| model.write(rows));
        model.query(&Query::default())
    }

    #[test]
    fn lost_refused_foreign_and_doubled_rows_are_told() {
        let mut record = Record::default();
        let start = record.horizon();
        let (first, a) = record.submit("a", 2, &start);
        let (second, b) = record.submit("b", 2, &start);
        let (third, c) = record.submit("c", 1, &start);
        record.answer(first, Fate::Acknowledged).unwrap();
        record.answer(second, Fate::Refused).unwrap();
        let now = record.horizon();
        assert!(record.judge(&now, &[], &found(&[&a]), true).is_ok());
        assert!(record.judge(&now, &[], &found(&[&a, &c]), true).is_ok());
        for wrong in [
            found(&[]),
            found(&[&a[..1]]),
            found(&[&a, &a]),
            found(&[&a, &b]),
            found(&[&a, &[row("a", 9)]]),
            found(&[&a, &[row("x", 4)]]),
        ] {
            assert!(record.judge(&now, &[], &wrong, true).is_err(), "{wrong:?}");
        }
        // What was shown must stay, whatever its writer knows of it.
        assert!(record.judge_end(&found(&[&a])).is_err());
        assert!(record.judge_end(&found(&[&a, &c])).is_ok());
        assert!(record.answer(third, Fate::Refused).is_err());
    }

    #[test]
    fn what_is_dropped_may_be_gone_from_the_beginning_and_must_be_at_the_end() {
        let mut record = Record::default();
        let start = record.horizon();
        let (first, a) = record.submit("a", 2, &start);
        record.answer(first, Fate::Acknowledged).unwrap();
        let drop = record.begin_drop(1, &[first]);
        for any in [found(&[&a]), found(&[&a[1..]])] {
            let now = record.horizon();
            assert!(record.judge(&now, &[], &any, true).is_ok());
        }
        record.end_drop(drop);
        let now = record.horizon();
        assert!(record.judge(&now, &[], &found(&[&a[1..]]), true).is_ok());
        assert!(record.judge(&now, &[], &found(&[&a]), true).is_err());
    }
}
