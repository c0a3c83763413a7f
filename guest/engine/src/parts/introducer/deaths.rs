//! Rows that die. The log says which by their arrival numbers, and so they are found in whichever part they
//! are, also when that was merged since.
//!
//! A snapshot has only those that died by entries before its log position: the row that took the place of
//! another must not be lost where that other one is not. The later ones are kept until a flush comes by them.
//!
//! Where damage keeps a row from being found, its arrival number is kept in its place. Nobody reads rows of
//! that part then, and everything else goes on, until a salvage writes what can be read to a new one.

use super::Introducer;
use super::next::LaterDeath;
use crate::error::{OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::dead::{DeadRows, Deaths, PartDead};
use crate::part::name::DeadName;
use crate::part::{Part, PartList};
use crate::parts::pressure::Demand;
use sidx_log::Term;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows that died, by arrival number, and where the entries of the log end by which they did.
pub(crate) type Died = BTreeMap<u64, u64>;

/// Rows of parts that are to die, with their arrival numbers, by the numbers of the parts.
#[derive(Default)]
pub(super) struct Located {
    parts: BTreeMap<u64, Vec<(Ordinal, u64)>>,
    /// What is made of them in memory, and again in the store.
    pub(super) demand: Demand,
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
    pub(super) fn more_dead(
        &mut self,
        host: &Arc<H>,
        part: &Part<H>,
        dead: &DeadRows<H>,
        rows: &[Ordinal],
        medium: Medium,
    ) -> Result<DeadRows<H>> {
        let (number, made) = (part.number(), self.made_dead.len());
        let more = dead.with(host, part, rows, medium, || self.dead_name(number, medium));
        self.undo_on_error(&**host, made, more)
    }

    /// What the snapshot is to have of the dead rows of a part when it absorbs the deaths of some of them,
    /// and not yet those of others; as files under new names.
    pub(super) fn renewed_dead(
        &mut self,
        host: &Arc<H>,
        part: &Part<H>,
        dead: &PartDead<H>,
        (rows, later): (&[Ordinal], &[Ordinal]),
    ) -> Result<DeadRows<H>> {
        let (number, made) = (part.number(), self.made_dead.len());
        let name = || self.dead_name(number, Medium::Durable);
        let renewed = { &dead.stored }.renewed(host, part, (rows, &dead.now, later), name);
        self.undo_on_error(&**host, made, renewed)
    }

    /// Removes the files that were made from a number on where nothing came of them.
    fn undo_on_error<T>(&mut self, host: &H, made: usize, result: Result<T>) -> Result<T> {
        if result.is_err() {
            let before = self.made_dead.drain(..made).collect();
            self.undo_dead(host);
            self.made_dead = before;
        }
        result
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
}
