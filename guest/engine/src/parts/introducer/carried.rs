//! What becomes of dead rows when one part takes the place of others. A merge leaves out only what the
//! snapshot has that it began with; what else is dead in its inputs is in its output, and is looked for
//! there.

use super::Introducer;
use super::next::{LaterDeath, Next};
use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::dead::{DeadRows, Deaths, PartDead, chunk};
use crate::part::{Part, PartList};
use crate::types::Job;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows that are to be dead in the output of a job, by their arrival numbers.
#[derive(Default)]
pub(super) struct Dying {
    /// Each with the position of the log behind its death, and none where a snapshot has it.
    pub(super) rows: BTreeMap<u64, Option<u64>>,
    /// Those of them that may be no rows at all, as nobody could look for them.
    pub(super) unplaced: BTreeSet<u64>,
}

/// What was found in the output of a job of rows that are dead in its inputs.
pub(super) struct Carried {
    /// Of those that the snapshot has, and of the later ones, how many are not in it.
    missing_stored: u64,
    missing_later: u64,
}

impl Carried {
    /// The count that a row belongs to which died at a position.
    fn missing(&mut self, position: Option<u64>) -> &mut u64 {
        match position {
            Some(_) => &mut self.missing_later,
            None => &mut self.missing_stored,
        }
    }
}

impl<H: Host> Introducer<H> {
    /// The arrival numbers of rows of some parts that are dead now and were not in the snapshot that a job
    /// began with.
    fn dead_arrivals(
        &self,
        host: &H,
        live: &PartList<H>,
        parts: &[u64],
        base: &Deaths<H>,
    ) -> Result<Dying> {
        let mut found = BTreeMap::new();
        let mut unplaced = BTreeSet::new();
        for number in parts {
            let (Some(part), Some(dead)) = (live.part(*number), live.deaths.of(*number)) else {
                continue;
            };
            let rows = match base.of(*number) {
                Some(base) => dead.now.ordinals_beyond(part, &base.stored)?,
                None => dead.now.ordinals(part)?,
            };
            let placed = match rows.is_empty() {
                true => Vec::new(),
                false => arrival::of(host, part, &rows)?,
            };
            unplaced.extend({ dead.unplaced.iter() }.filter(|arrival| !placed.contains(arrival)));
            let arrivals = placed.iter().chain(&dead.unplaced);
            found.extend(arrivals.map(|arrival| (*arrival, None)));
        }
        for later in { self.later.iter() }.filter(|later| parts.contains(&later.part)) {
            if let Some(position) = found.get_mut(&later.arrival) {
                // The first death of a row is the one that counts.
                let first = position.map_or(later.position, |known: u64| known.min(later.position));
                *position = Some(first);
            }
        }
        Ok(Dying {
            rows: found,
            unplaced,
        })
    }

    /// What becomes of dead rows when the output of a job, if it has one, takes the place of its inputs, and
    /// the snapshot absorbs the log up to a position. Writes the files that the snapshot will name. A failure
    /// changes nothing.
    pub(super) fn deaths_after(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        (job, output): (&Job, Option<&Arc<Part<H>>>),
        parts: Vec<Arc<Part<H>>>,
        log_position: u64,
    ) -> Result<Next<H>> {
        let mut next = Next {
            parts,
            deaths: live.deaths.clone(),
            later: self.later.clone(),
        };
        if live.deaths.is_empty() {
            return Ok(next);
        }
        let done = self.put_output(host, live, (job, output), &mut next, log_position);
        let done = done.and_then(|()| self.store_all(host, live, &mut next, log_position));
        done.map_err(|error| self.give_up_dead(&**host, job, error))?;
        Ok(next)
    }

    /// Nothing comes of a change because of an error.
    pub(super) fn give_up_dead(&mut self, host: &H, job: &Job, error: Error) -> Error {
        self.undo_dead(host);
        refused(job, error)
    }

    fn put_output(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        (job, output): (&Job, Option<&Arc<Part<H>>>),
        next: &mut Next<H>,
        log_position: u64,
    ) -> Result<()> {
        let mut has_dead = false;
        for input in &job.inputs {
            has_dead |= live.deaths.of(*input).is_some();
            next.deaths.remove(*input);
        }
        next.later.retain(|later| !job.inputs.contains(&later.part));
        let Some(output) = output.filter(|_| has_dead) else {
            return Ok(());
        };
        let base = match job.rule.is_empty() {
            true => self.bases.get(&job.id).cloned().unwrap_or_default(),
            // What the rule dropped cannot be told from what the snapshot had by counts.
            false => Deaths::default(),
        };
        let dead = self.dead_arrivals(&**host, live, &job.inputs, &base)?;
        let carried = self.carry(host, output, &dead, log_position, next)?;
        check_left_out(live, job, output, base.stored_rows(&job.inputs), &carried)
    }

    /// Finds rows by their arrival numbers in the output of a job, in which they are dead too.
    pub(super) fn carry(
        &mut self,
        host: &Arc<H>,
        output: &Arc<Part<H>>,
        dead: &Dying,
        log_position: u64,
        next: &mut Next<H>,
    ) -> Result<Carried> {
        let placed = { dead.rows.iter() }.filter(|(arrival, _)| !dead.unplaced.contains(arrival));
        let mut carried = Carried {
            missing_stored: 0,
            missing_later: 0,
        };
        for (_, position) in placed {
            *carried.missing(*position) += 1;
        }
        let arrivals: Vec<u64> = dead.rows.keys().copied().collect();
        let rows = arrival::find(&**host, output, &arrivals)?;
        let found = match rows.is_empty() {
            true => Vec::new(),
            false => arrival::of(&**host, output, &rows)?,
        };
        let mut stored = Vec::new();
        for (row, arrival) in rows.iter().zip(found) {
            let position = dead.rows.get(&arrival).copied().flatten();
            if !dead.unplaced.contains(&arrival) {
                let missing = carried.missing(position);
                *missing = missing.saturating_sub(1);
            }
            match position.filter(|position| *position > log_position) {
                Some(position) => next.later.push(LaterDeath {
                    position,
                    arrival,
                    part: output.number(),
                    row: Some(*row),
                }),
                None => stored.push(*row),
            }
        }
        let (none, medium) = (DeadRows::default(), output.medium());
        let stored_rows = match medium {
            // What is in memory has no snapshot.
            Medium::Memory => none.clone(),
            Medium::Durable => self.more_dead(host, output, &none, &stored, medium)?,
        };
        let mut dead = PartDead::of_stored(stored_rows);
        if stored.len() < rows.len() || medium == Medium::Memory {
            dead.now = self.more_dead(host, output, &none, &rows, Medium::Memory)?;
        }
        next.deaths.set(output.number(), dead);
        Ok(carried)
    }

    /// Lets the snapshot have all dead rows that died by entries before a position.
    fn store_all(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        next: &mut Next<H>,
        log_position: u64,
    ) -> Result<()> {
        let parts = next.parts.clone();
        for part in parts.iter().filter(|part| part.medium() == Medium::Durable) {
            self.store_later(host, part, next, log_position)?;
        }
        let made = next.deaths.files_beside(&live.deaths);
        match made.iter().any(|file| file.medium == Medium::Durable) {
            true => chunk::sync(&**host),
            false => Ok(()),
        }
    }

    fn store_later(
        &mut self,
        host: &Arc<H>,
        part: &Arc<Part<H>>,
        next: &mut Next<H>,
        log_position: u64,
    ) -> Result<()> {
        let number = part.number();
        let is_absorbed = |later: &LaterDeath| later.position <= log_position;
        let of_part = { next.later.iter() }.filter(|later| later.part == number);
        let (absorbed, others): (Vec<LaterDeath>, Vec<LaterDeath>) =
            of_part.copied().partition(is_absorbed);
        if absorbed.is_empty() {
            return Ok(());
        }
        let rows = |deaths: &[LaterDeath]| {
            let mut rows: Vec<Ordinal> = deaths.iter().filter_map(|later| later.row).collect();
            rows.sort_unstable();
            rows
        };
        let mut dead = next.deaths.of(number).cloned().unwrap_or_default();
        let (absorbed_rows, other_rows) = (rows(&absorbed), rows(&others));
        // What is dead now has all of it, in memory: a stored file that is damaged costs nothing.
        let stored = self.renewed_dead(host, part, &dead, (&absorbed_rows, &other_rows));
        let stored = stored.and_then(|stored| dead.with_stored(part, stored, &other_rows));
        match stored.or_damage()? {
            Ok(stored) => dead = stored,
            // A flush makes room for others, whatever is damaged.
            Err(_) => dead.unplace(absorbed.iter().map(|later| later.arrival)),
        }
        next.deaths.set(number, dead);
        next.later
            .retain(|later| later.part != number || !is_absorbed(later));
        Ok(())
    }

    /// What becomes of dead rows when some parts in memory are folded into one.
    pub(super) fn deaths_folded(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        inputs: &[u64],
        output: &Arc<Part<H>>,
        parts: Vec<Arc<Part<H>>>,
    ) -> Result<Next<H>> {
        let mut next = Next {
            parts,
            deaths: live.deaths.clone(),
            later: self.later.clone(),
        };
        if !inputs.iter().any(|input| live.deaths.of(*input).is_some()) {
            return Ok(next);
        }
        let none = Deaths::default();
        let dead = self.dead_arrivals(&**host, live, inputs, &none)?;
        for input in inputs {
            next.deaths.remove(*input);
        }
        next.later.retain(|later| !inputs.contains(&later.part));
        // Nothing of it is absorbed by any snapshot.
        let carried = self.carry(host, output, &dead, 0, &mut next);
        if carried.is_err() {
            self.undo_dead(&**host);
        }
        carried?;
        Ok(next)
    }
}

/// Whatever is met while an outcome is looked at is a reason to refuse it: nothing was changed.
fn refused(job: &Job, error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::ResourceExhausted => error,
        _ => Error::invalid(format!(
            "job {}: what is dead in its output cannot be told: {error}",
            job.id
        )),
    }
}

/// A merge that left out other rows than the snapshot says are dead, without being told to, would lose them.
/// `base` of them were dead when it was planned.
fn check_left_out<H: Host>(
    live: &PartList<H>,
    job: &Job,
    output: &Part<H>,
    base: u64,
    carried: &Carried,
) -> Result<()> {
    let inputs = job.inputs.iter().filter_map(|input| live.part(*input));
    let given: u64 = inputs.map(|part| part.summary().rows).sum();
    let missing = given.saturating_sub(output.summary().rows);
    let stored = base.saturating_add(carried.missing_stored);
    if !job.rule.is_empty() || (missing == stored && carried.missing_later == 0) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "job {}: {missing} rows were left out, {stored} of which are dead in the snapshot and {} died since",
        job.id, carried.missing_later
    )))
}
