//! Rows that die. The log says which by their arrival numbers, and so they are found in whichever part they
//! are, also when that was merged since.
//!
//! A snapshot has only those that died by entries before its log position: the row that took the place of
//! another must not be lost where that other one is not. The later ones are kept here until a flush comes by
//! them. A merge leaves out only what the snapshot has; what else is dead in its inputs is in its output, and
//! is looked for there.
//!
//! Where damage keeps a row from being found, its arrival number is kept in its place. Nobody reads rows of
//! that part then, and everything else goes on, until a salvage writes what can be read to a new one.

use super::Introducer;
use super::publish::Next;
use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::dead::{DeadRows, Deaths, PartDead, chunk, rows_of};
use crate::part::name::DeadName;
use crate::part::{Part, PartList};
use crate::parts::pressure::Demand;
use crate::types::Job;
use sidx_log::Term;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row that died by an entry of the log that no snapshot has absorbed.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaterDeath {
    /// Where the entry ends.
    position: u64,
    arrival: u64,
    /// The part that the row is in, and where; none where that is not known.
    part: u64,
    row: Option<Ordinal>,
}

/// Rows that died, by arrival number, and where the entries of the log end by which they did.
pub(crate) type Died = BTreeMap<u64, u64>;

/// Rows of parts that are to die, with their arrival numbers, by the numbers of the parts.
#[derive(Default)]
pub(super) struct Located {
    parts: BTreeMap<u64, Vec<(Ordinal, u64)>>,
    /// What is made of them in memory, and again in the store.
    pub(super) demand: Demand,
}

/// What was found in the output of a job of rows that are dead in its inputs.
struct Carried {
    /// Of those that the snapshot has, and of the later ones, how many are not in it.
    missing_stored: u64,
    missing_later: u64,
}

impl LaterDeath {
    pub(super) fn part(&self) -> u64 {
        self.part
    }

    /// The row, when a snapshot that has absorbed the log up to a position must name it.
    pub(super) fn absorbed(&self, log_position: u64) -> Option<u64> {
        (self.position <= log_position).then_some(self.arrival)
    }

    /// The row, when only the log has it.
    pub(super) fn not_absorbed(&self, log_position: u64) -> Option<u64> {
        (self.position > log_position).then_some(self.arrival)
    }
}

impl Located {
    /// Takes those of another batch in.
    pub(super) fn add(&mut self, other: Self) {
        for (part, rows) in other.parts {
            let all = self.parts.entry(part).or_default();
            all.extend(rows);
            all.sort_unstable();
        }
    }

    /// Finds the rows of a list that are to die, before it is written anywhere that they do.
    pub(super) fn find<H: Host>(host: &H, live: &PartList<H>, died: &[u64]) -> Result<Self> {
        let mut located = Self::default();
        let (mut bytes, mut files) = (0, 0);
        for part in { live.parts.iter() }.filter(|_| !died.is_empty()) {
            let dead = live.deaths.of(part.number()).cloned().unwrap_or_default();
            let rows = alive(host, part, &dead, died)?;
            if rows.is_empty() {
                continue;
            }
            let ordinals: Vec<Ordinal> = rows.iter().map(|(row, _)| *row).collect();
            let cost = dead.now.cost(part, &ordinals)?;
            (bytes, files) = (bytes + cost.0, files + cost.1);
            located.parts.insert(part.number(), rows);
        }
        located.demand = Demand {
            memory_bytes: bytes,
            disk_bytes: bytes,
            files,
        };
        Ok(located)
    }
}

/// The rows of a part that have some of these arrival numbers, which ascend, and live; with their numbers.
fn alive<H: Host>(
    host: &H,
    part: &Part<H>,
    dead: &PartDead<H>,
    died: &[u64],
) -> Result<Vec<(Ordinal, u64)>> {
    let rows = arrival::find(host, part, died)?;
    let rows = dead.now.others(part, rows)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let arrivals = arrival::of(host, part, &rows)?;
    Ok(rows.into_iter().zip(arrivals).collect())
}

impl<H: Host> Introducer<H> {
    fn dead_name(&mut self, part: u64, medium: Medium) -> DeadName {
        let name = DeadName {
            part,
            term: match medium {
                Medium::Memory => Term::NONE,
                Medium::Durable => self.term,
            },
            serial: self.take_part_number(),
        };
        self.made_dead.push((name, medium));
        name
    }

    /// Removes the files with dead rows that were made for a change which did not come about.
    pub(super) fn undo_dead(&mut self, host: &H) {
        for (name, medium) in std::mem::take(&mut self.made_dead) {
            // What cannot be removed now belongs to nobody, and goes with the next opening.
            let _ = host.remove_files(&name.path(medium), medium);
        }
    }

    /// Dead rows of a part and some more, as files under new names.
    fn more_dead(
        &mut self,
        host: &Arc<H>,
        part: &Part<H>,
        dead: &DeadRows<H>,
        rows: &[Ordinal],
        medium: Medium,
    ) -> Result<DeadRows<H>> {
        let number = part.number();
        dead.with(host, part, rows, medium, || self.dead_name(number, medium))
    }

    /// Lets rows of a part die that were found in it.
    fn kill(
        &mut self,
        host: &Arc<H>,
        part: &Part<H>,
        mut dead: PartDead<H>,
        (rows, died): (&[(Ordinal, u64)], &Died),
    ) -> Result<PartDead<H>> {
        let ordinals: Vec<Ordinal> = rows.iter().map(|(row, _)| *row).collect();
        dead.now = self.more_dead(host, part, &dead.now, &ordinals, Medium::Memory)?;
        let later = rows.iter().map(|(row, arrival)| LaterDeath {
            position: died.get(arrival).copied().unwrap_or_default(),
            arrival: *arrival,
            part: part.number(),
            row: Some(*row),
        });
        self.later.extend(later);
        Ok(dead)
    }

    /// Lets rows of a list die by batches that are in the log: those that were found before that, and those
    /// in parts whose rows are as new as the batches.
    pub(super) fn let_die(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        (located, first_new): (Located, u64),
        died: &Died,
    ) -> Result<()> {
        if died.is_empty() {
            return Ok(());
        }
        let arrivals: Vec<u64> = died.keys().copied().collect();
        let mut deaths = live.deaths.clone();
        for part in &live.parts {
            let dead = deaths.of(part.number()).cloned().unwrap_or_default();
            let rows = match part.summary().first_id >= first_new {
                true => alive(&**host, part, &dead, &arrivals)?,
                false => located
                    .parts
                    .get(&part.number())
                    .cloned()
                    .unwrap_or_default(),
            };
            if !rows.is_empty() {
                let dead = self.kill(host, part, dead, (&rows, died))?;
                deaths.set(part.number(), dead);
            }
        }
        self.put_deaths(live, deaths);
        Ok(())
    }

    /// The same for all rows of a list, of entries that are read back. Damage of a part is its own matter.
    pub(crate) fn let_die_again(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        died: &Died,
    ) -> Result<()> {
        let arrivals: Vec<u64> = died.keys().copied().collect();
        let mut deaths = live.deaths.clone();
        for part in { live.parts.iter() }.filter(|_| !died.is_empty()) {
            let number = part.number();
            let dead = deaths.of(number).cloned().unwrap_or_default();
            let rows = alive(&**host, part, &dead, &arrivals).or_damage()?;
            let killed = match rows {
                Ok(rows) if rows.is_empty() => continue,
                Ok(rows) => self
                    .kill(host, part, dead.clone(), (&rows, died))
                    .or_damage()?,
                Err(error) => Err(error),
            };
            let dead = killed.unwrap_or_else(|_| self.unplace(part, dead, died));
            deaths.set(number, dead);
        }
        self.put_deaths(live, deaths);
        Ok(())
    }

    /// Tries again to find rows that could not be found because of damage; the snapshot goes on to name them
    /// until their files are in the store.
    pub(crate) fn place_again(&mut self, host: &Arc<H>, live: &mut Arc<PartList<H>>) -> Result<()> {
        let mut deaths = live.deaths.clone();
        for part in &live.parts {
            let number = part.number();
            let Some(known) = deaths.of(number).filter(|dead| !dead.unplaced.is_empty()) else {
                continue;
            };
            let mut dead = known.clone();
            let arrivals = std::mem::take(&mut dead.unplaced);
            let died = arrivals.iter().map(|arrival| (*arrival, 0)).collect();
            let rows = alive(&**host, part, &dead, &arrivals);
            let killed = rows.and_then(|rows| self.kill(host, part, dead, (&rows, &died)));
            if let Ok(dead) = killed.or_damage()? {
                deaths.set(number, dead);
            }
        }
        if !live.deaths.is_empty() {
            self.put_deaths(live, deaths);
        }
        Ok(())
    }

    /// Notes rows of a damaged part that died, as nobody can tell where they are.
    fn unplace(&mut self, part: &Part<H>, mut dead: PartDead<H>, died: &Died) -> PartDead<H> {
        let summary = part.summary();
        let own = died.range(summary.first_id..=summary.last_id);
        for (arrival, position) in own {
            dead.unplace([*arrival]);
            self.later.push(LaterDeath {
                position: *position,
                arrival: *arrival,
                part: part.number(),
                row: None,
            });
        }
        dead
    }

    /// The next version of a list, in which other rows are dead.
    fn put_deaths(&mut self, live: &mut Arc<PartList<H>>, deaths: Deaths<H>) {
        self.made_dead.clear();
        self.bury_dead_files(live, &deaths, live.epoch);
        *live = Arc::new(PartList {
            version: live.version + 1,
            deaths,
            ..PartList::clone(live)
        });
    }

    /// The arrival numbers of rows of some parts that are dead now and were not in the snapshot that a job
    /// began with, each with the position of the log behind it, and none where a snapshot has it.
    fn dead_arrivals(
        &self,
        host: &H,
        live: &PartList<H>,
        parts: &[u64],
        base: &Deaths<H>,
    ) -> Result<BTreeMap<u64, Option<u64>>> {
        let mut found = BTreeMap::new();
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
            let arrivals = placed.iter().chain(&dead.unplaced);
            found.extend(arrivals.map(|arrival| (*arrival, None)));
        }
        for later in { self.later.iter() }.filter(|later| parts.contains(&later.part)) {
            if let Some(position) = found.get_mut(&later.arrival) {
                *position = Some(later.position);
            }
        }
        Ok(found)
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
    fn carry(
        &mut self,
        host: &Arc<H>,
        output: &Arc<Part<H>>,
        dead: &BTreeMap<u64, Option<u64>>,
        log_position: u64,
        next: &mut Next<H>,
    ) -> Result<Carried> {
        let later = dead.values().flatten().count() as u64;
        let mut carried = Carried {
            missing_stored: dead.len() as u64 - later,
            missing_later: later,
        };
        let arrivals: Vec<u64> = dead.keys().copied().collect();
        let rows = arrival::find(&**host, output, &arrivals)?;
        let found = match rows.is_empty() {
            true => Vec::new(),
            false => arrival::of(&**host, output, &rows)?,
        };
        let mut stored = Vec::new();
        for (row, arrival) in rows.iter().zip(found) {
            let position = dead.get(&arrival).copied().flatten();
            let missing = match position {
                Some(_) => &mut carried.missing_later,
                None => &mut carried.missing_stored,
            };
            *missing = missing.saturating_sub(1);
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
        let stored = self.more_dead(host, part, &dead.stored, &rows(&absorbed), Medium::Durable);
        let stored = stored.and_then(|stored| dead.with_stored(part, stored, &rows(&others)));
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

    /// What becomes of dead rows when what could be saved of a damaged part takes its place. Rows of which
    /// the arrival number cannot be read were not saved. Where it cannot be read who is dead, facets find it
    /// out from all parts.
    pub(super) fn deaths_salvaged(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        (input, output): (&Part<H>, Option<&Arc<Part<H>>>),
        next: &mut Next<H>,
    ) -> Result<()> {
        let number = input.number();
        next.deaths.remove(number);
        next.later.retain(|later| later.part != number);
        let (Some(had), Some(output)) = (live.deaths.of(number), output) else {
            return Ok(());
        };
        let stored = match readable_arrivals(&**host, input, &had.now)? {
            Some(arrivals) => arrivals,
            None => found_dead(host, live, &next.parts)?,
        };
        let stored = stored.iter().chain(&had.unplaced);
        let mut dead: BTreeMap<u64, Option<u64>> = stored.map(|arrival| (*arrival, None)).collect();
        for later in { self.later.iter() }.filter(|later| later.part == number) {
            dead.insert(later.arrival, Some(later.position));
        }
        self.carry(host, output, &dead, self.log_position, next)?;
        chunk::sync(&**host)
    }

    /// What is dead of the parts of a repaired index: what the snapshot has of parts that stayed, the same
    /// rows in what was saved of others, and where it cannot be read, what facets find out. `replaced` are
    /// the parts that others took the place of, `is_lost` says that the snapshot itself is gone.
    pub(crate) fn repair_deaths(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        replaced: &[(Part<H>, PartDead<H>, u64)],
        (unreadable, is_lost): (&[u64], bool),
    ) -> Result<()> {
        let mut next = Next::of(live, Vec::new());
        let mut found: Option<Vec<u64>> = None;
        let mut find = |next: &Next<H>| match &found {
            Some(found) => Ok(found.clone()),
            None => {
                let new = found_dead(host, live, &next.parts)?;
                Ok::<_, Error>(found.insert(new).clone())
            }
        };
        let mut wanted: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (old, dead, output) in replaced {
            let mut arrivals = match readable_arrivals(&**host, old, &dead.stored)? {
                Some(arrivals) => arrivals,
                None => find(&next)?,
            };
            arrivals.extend(&dead.unplaced);
            wanted.insert(*output, arrivals);
        }
        let parts = next.parts.clone();
        for part in &parts {
            let number = part.number();
            let has_unplaced =
                { next.deaths.of(number) }.is_some_and(|dead| !dead.unplaced.is_empty());
            if is_lost || has_unplaced || unreadable.contains(&number) {
                let mut arrivals = find(&next)?;
                arrivals.extend(
                    next.deaths
                        .of(number)
                        .iter()
                        .flat_map(|dead| &dead.unplaced),
                );
                wanted.insert(number, arrivals);
            }
        }
        for part in &parts {
            if let Some(mut arrivals) = wanted.remove(&part.number()) {
                arrivals.sort_unstable();
                let dead = arrivals
                    .into_iter()
                    .map(|arrival| (arrival, None))
                    .collect();
                next.deaths.remove(part.number());
                self.carry(host, part, &dead, self.log_position, &mut next)?;
            }
        }
        if !next.deaths.is_empty() {
            chunk::sync(&**host)?;
        }
        self.made_dead.clear();
        *live = Arc::new(PartList {
            deaths: next.deaths,
            ..PartList::clone(live)
        });
        Ok(())
    }
}

/// Damage that is met while an outcome is looked at is a reason to refuse it: nothing was changed.
fn refused(job: &Job, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::NotFound => Error::invalid(format!(
            "job {}: what is dead in its output cannot be told: {error}",
            job.id
        )),
        _ => error,
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

/// The arrival numbers of dead rows of a damaged part, as far as they can be read; none where it cannot be
/// read which rows are dead.
fn readable_arrivals<H: Host>(
    host: &H,
    part: &Part<H>,
    dead: &DeadRows<H>,
) -> Result<Option<Vec<u64>>> {
    let mut found = Vec::new();
    for chunk in dead.chunks() {
        let Ok(bitmaps) = chunk.bitmaps().or_damage()? else {
            return Ok(None);
        };
        for (number, bitmap) in bitmaps {
            // What cannot be read of the part was not saved either.
            if let Ok(rows) = rows_of(part, number, &bitmap).or_damage()? {
                found.extend(
                    arrival::of(host, part, &rows)
                        .or_damage()?
                        .unwrap_or_default(),
                );
            }
        }
    }
    Ok(Some(found))
}

/// What all facets find out from some parts, ascending.
fn found_dead<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    parts: &[Arc<Part<H>>],
) -> Result<Vec<u64>> {
    let list = PartList {
        parts: parts.to_vec(),
        ..live.clone()
    };
    let mut found = Vec::new();
    for facet in list.facets.iter() {
        let dead = facet.find_dead(&**host, &list.of_facet(facet.name()))?;
        found.extend(dead.unwrap_or_default());
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
