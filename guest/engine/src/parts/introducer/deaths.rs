//! Rows that die. The log says which by their arrival numbers, and so they are found in whichever part they
//! are, also when that was merged since.
//!
//! A snapshot has only those that died by entries before its log position: the row that took the place of
//! another must not be lost where that other one is not. The later ones are kept here until a flush comes by
//! them. A merge leaves out only what the snapshot has; what else is dead in its inputs is in its output, and
//! is looked for there.

use super::Introducer;
use super::publish::Next;
use crate::error::{Error, OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::dead::chunk::{self, ChunkFile};
use crate::part::dead::{DeadRows, Deaths, PartDead};
use crate::part::name::DeadName;
use crate::part::{Part, PartList};
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
    /// The part that the row is in, and where.
    part: u64,
    row: Ordinal,
}

/// Rows that died, by arrival number, and where the entries of the log end by which they did.
pub(crate) type Died = BTreeMap<u64, u64>;

/// What becomes of dead rows with a change of the list.
pub(super) struct DeathChange<H: Host> {
    pub(super) deaths: Deaths<H>,
    pub(super) later: Vec<LaterDeath>,
}

impl<H: Host> Introducer<H> {
    fn dead_name(&mut self, part: u64, medium: Medium) -> DeadName {
        DeadName {
            part,
            term: match medium {
                Medium::Memory => Term::NONE,
                Medium::Durable => self.term,
            },
            serial: self.take_part_number(),
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

    /// Lets rows of a list die. Those of no part are dead already.
    pub(crate) fn let_die(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        died: &Died,
    ) -> Result<()> {
        if died.is_empty() {
            return Ok(());
        }
        let arrivals: Vec<u64> = died.keys().copied().collect();
        let mut deaths = live.deaths.clone();
        for part in &live.parts {
            let dead = deaths.of(part.number()).cloned().unwrap_or_default();
            let rows = arrival::find(&**host, part, &arrivals)?;
            let rows = dead.now.others(part, rows)?;
            if rows.is_empty() {
                continue;
            }
            let now = self.more_dead(host, part, &dead.now, &rows, Medium::Memory)?;
            for (row, arrival) in rows.iter().zip(arrival::of(&**host, part, &rows)?) {
                self.later.push(LaterDeath {
                    position: died.get(&arrival).copied().unwrap_or_default(),
                    arrival,
                    part: part.number(),
                    row: *row,
                });
            }
            let stored = dead.stored;
            deaths.set(part.number(), PartDead { stored, now });
        }
        self.bury_dead_files(live, &deaths, live.epoch);
        *live = Arc::new(PartList {
            version: live.version + 1,
            deaths,
            ..PartList::clone(live)
        });
        Ok(())
    }

    /// The arrival numbers of the rows of some parts that are dead now, each with the position of the log
    /// behind it, and none where the snapshot has it.
    fn dead_arrivals(
        &self,
        host: &H,
        live: &PartList<H>,
        parts: &[u64],
    ) -> Result<BTreeMap<u64, Option<u64>>> {
        let mut found = BTreeMap::new();
        for number in parts {
            let (Some(part), Some(dead)) = (live.part(*number), live.deaths.of(*number)) else {
                continue;
            };
            let rows = dead.now.ordinals(part)?;
            let arrivals = arrival::of(host, part, &rows)?;
            found.extend(arrivals.into_iter().map(|arrival| (arrival, None)));
        }
        for later in { self.later.iter() }.filter(|later| parts.contains(&later.part)) {
            if let Some(position) = found.get_mut(&later.arrival) {
                *position = Some(later.position);
            }
        }
        Ok(found)
    }

    /// What becomes of dead rows when the output of a job, if it has one, takes the place of its inputs, and
    /// the snapshot absorbs the log up to a position. Writes the files that the snapshot will name.
    pub(super) fn deaths_after(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        job: &Job,
        output: Option<&Arc<Part<H>>>,
        (parts, log_position): (&[Arc<Part<H>>], u64),
    ) -> Result<DeathChange<H>> {
        let mut change = DeathChange {
            deaths: live.deaths.clone(),
            later: self.later.clone(),
        };
        if live.deaths.is_empty() {
            return Ok(change);
        }
        let has_dead = job
            .inputs
            .iter()
            .any(|input| live.deaths.of(*input).is_some());
        for input in &job.inputs {
            change.deaths.remove(*input);
        }
        change
            .later
            .retain(|later| !job.inputs.contains(&later.part));
        if let Some(output) = output.filter(|_| has_dead) {
            let dead = self.dead_arrivals(&**host, live, &job.inputs)?;
            let left_out = self.carry(host, output, &dead, log_position, &mut change)?;
            check_left_out(live, job, output, left_out)?;
        }
        for part in parts.iter().filter(|part| part.medium() == Medium::Durable) {
            self.store_later(host, part, log_position, &mut change)?;
        }
        let is_new = |file: &&ChunkFile| !live.deaths.files().contains_key(&file.name);
        let files = change.deaths.files();
        if { files.values().filter(is_new) }.any(|file| file.medium == Medium::Durable) {
            chunk::sync(&**host)?;
        }
        Ok(change)
    }

    /// Finds rows by their arrival numbers in the output of a job, in which they are dead too. Returns how
    /// many are not there: of those that a snapshot has, and of the others.
    fn carry(
        &mut self,
        host: &Arc<H>,
        output: &Arc<Part<H>>,
        dead: &BTreeMap<u64, Option<u64>>,
        log_position: u64,
        change: &mut DeathChange<H>,
    ) -> Result<(u64, u64)> {
        let arrivals: Vec<u64> = dead.keys().copied().collect();
        let rows = arrival::find(&**host, output, &arrivals)?;
        let (mut stored, mut found) = (Vec::new(), (0, 0));
        let mut all = Vec::with_capacity(rows.len());
        for (row, arrival) in rows.iter().zip(arrival::of(&**host, output, &rows)?) {
            let position = dead.get(&arrival).copied().flatten();
            match position {
                Some(position) if position > log_position => change.later.push(LaterDeath {
                    position,
                    arrival,
                    part: output.number(),
                    row: *row,
                }),
                _ => stored.push(*row),
            }
            match position {
                Some(_) => found.1 += 1,
                None => found.0 += 1,
            }
            all.push(*row);
        }
        let none = DeadRows::default();
        let medium = output.medium();
        let stored_rows = match medium {
            // What is in memory has no snapshot.
            Medium::Memory => none.clone(),
            Medium::Durable => self.more_dead(host, output, &none, &stored, medium)?,
        };
        let now = match stored.len() == all.len() && medium == Medium::Durable {
            true => stored_rows.clone(),
            false => self.more_dead(host, output, &none, &all, Medium::Memory)?,
        };
        let dead_rows = PartDead {
            stored: stored_rows,
            now,
        };
        change.deaths.set(output.number(), dead_rows);
        let later = dead.values().flatten().count() as u64;
        let all = dead.len() as u64;
        Ok((all - later - found.0, later - found.1))
    }

    /// Lets the snapshot have the dead rows of a part that died by entries before a position.
    fn store_later(
        &mut self,
        host: &Arc<H>,
        part: &Arc<Part<H>>,
        log_position: u64,
        change: &mut DeathChange<H>,
    ) -> Result<()> {
        let number = part.number();
        let is_absorbed = |later: &LaterDeath| later.position <= log_position;
        let of_part = || change.later.iter().filter(|later| later.part == number);
        let rows = |absorbed: bool| {
            let rows = of_part().filter(|later| is_absorbed(later) == absorbed);
            let mut rows: Vec<Ordinal> = rows.map(|later| later.row).collect();
            rows.sort_unstable();
            rows
        };
        let (absorbed, others) = (rows(true), rows(false));
        if absorbed.is_empty() {
            return Ok(());
        }
        let dead = change.deaths.of(number).cloned().unwrap_or_default();
        let stored = self.more_dead(host, part, &dead.stored, &absorbed, Medium::Durable)?;
        let dead = dead.with_stored(part, stored, &others)?;
        change.deaths.set(number, dead);
        change
            .later
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
    ) -> Result<DeathChange<H>> {
        let mut change = DeathChange {
            deaths: live.deaths.clone(),
            later: self.later.clone(),
        };
        if !inputs.iter().any(|input| live.deaths.of(*input).is_some()) {
            return Ok(change);
        }
        let dead = self.dead_arrivals(&**host, live, inputs)?;
        for input in inputs {
            change.deaths.remove(*input);
        }
        change.later.retain(|later| !inputs.contains(&later.part));
        // Nothing of it is absorbed by any snapshot.
        self.carry(host, output, &dead, 0, &mut change)?;
        Ok(change)
    }

    /// What becomes of dead rows when what could be saved of a damaged part takes its place. Rows of which
    /// the arrival number cannot be read were not saved. Where it cannot be read who is dead, facets find it
    /// out from all parts.
    pub(super) fn deaths_salvaged(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        input: &Part<H>,
        next: &mut Next<H>,
        output: Option<&Arc<Part<H>>>,
    ) -> Result<Vec<LaterDeath>> {
        let number = input.number();
        let mut change = DeathChange {
            deaths: std::mem::take(&mut next.deaths),
            later: self.later.clone(),
        };
        let had = change.deaths.remove(number);
        change.later.retain(|later| later.part != number);
        if let (Some(had), Some(output)) = (had, output) {
            let dead = match readable_arrivals(&**host, input, &had.now)? {
                Some(arrivals) => arrivals,
                None => found_dead(
                    host,
                    &PartList {
                        parts: next.parts.clone(),
                        ..live.clone()
                    },
                )?,
            };
            let mut dead: BTreeMap<u64, Option<u64>> =
                dead.into_iter().map(|arrival| (arrival, None)).collect();
            for later in { self.later.iter() }.filter(|later| later.part == number) {
                dead.insert(later.arrival, Some(later.position));
            }
            self.carry(host, output, &dead, self.log_position, &mut change)?;
            chunk::sync(&**host)?;
        }
        next.deaths = change.deaths;
        Ok(change.later)
    }

    /// Finds out again which rows of a list are dead, after a repair of an index of which that was lost, and
    /// writes it to the store.
    pub(crate) fn find_dead_again(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
    ) -> Result<()> {
        let arrivals = found_dead(host, live)?;
        let mut deaths = Deaths::default();
        let parts = live.parts.clone();
        for part in parts.iter().filter(|part| part.medium() == Medium::Durable) {
            let rows = match arrivals.is_empty() {
                true => Vec::new(),
                false => arrival::find(&**host, part, &arrivals)?,
            };
            let stored =
                self.more_dead(host, part, &DeadRows::default(), &rows, Medium::Durable)?;
            let now = stored.clone();
            deaths.set(part.number(), PartDead { stored, now });
        }
        if !deaths.is_empty() {
            chunk::sync(&**host)?;
        }
        *live = Arc::new(PartList {
            deaths,
            ..PartList::clone(live)
        });
        Ok(())
    }
}

/// A merge that left out other rows than the snapshot says are dead, without being told to, would lose them.
fn check_left_out<H: Host>(
    live: &PartList<H>,
    job: &Job,
    output: &Part<H>,
    (stored, later): (u64, u64),
) -> Result<()> {
    let inputs = job.inputs.iter().filter_map(|input| live.part(*input));
    let given: u64 = inputs.map(|part| part.summary().rows).sum();
    let missing = given.saturating_sub(output.summary().rows);
    if !job.rule.is_empty() || (missing == stored && later == 0) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "job {}: {missing} rows were left out, {stored} of which are dead in the snapshot and {later} died \
         since",
        job.id
    )))
}

/// The arrival numbers of dead rows of a damaged part, as far as they can be read; none where it cannot be
/// read which rows are dead.
fn readable_arrivals<H: Host>(
    host: &H,
    part: &Part<H>,
    dead: &DeadRows<H>,
) -> Result<Option<Vec<u64>>> {
    let Ok(rows) = dead.ordinals(part).or_damage()? else {
        return Ok(None);
    };
    if let Ok(all) = arrival::of(host, part, &rows).or_damage()? {
        return Ok(Some(all));
    }
    let mut found = Vec::new();
    for row in rows {
        found.extend(
            arrival::of(host, part, &[row])
                .or_damage()?
                .unwrap_or_default(),
        );
    }
    Ok(Some(found))
}

/// What all facets find out from the parts of a list, ascending.
fn found_dead<H: Host>(host: &Arc<H>, live: &PartList<H>) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for facet in live.facets.iter() {
        let dead = facet.find_dead(&**host, &live.of_facet(facet.name()))?;
        found.extend(dead.unwrap_or_default());
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
