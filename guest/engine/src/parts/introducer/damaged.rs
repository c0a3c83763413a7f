//! Parts that are damaged: jobs plan around them, and salvages put what can be read in their place.

use super::Introducer;
use super::next::Next;
use crate::error::{Error, Result};
use crate::host::{Host, Medium};
use crate::merge::outcome;
use crate::part::Part;
use crate::part::PartList;
use crate::part::layout::PARTS;
use crate::part::loss::Quarantined;
use crate::part::name::StoredName;
use crate::parts::quarantine;
use crate::types::Region;
use crate::types::{Damage, Job, Salvaged};
use std::ops::Range;
use std::sync::Arc;

impl<H: Host> Introducer<H> {
    /// Parts that jobs leave alone from now on; see `index.avoid`.
    pub(crate) fn avoid(&mut self, parts: &[u64]) {
        self.damaged = parts.iter().copied().collect();
    }

    /// The stretches of neighbours that a job may take, oldest first, none of them empty. What is in memory,
    /// belongs to another job or is damaged lies between them: a job takes neighbours only, because the
    /// element ids of a part must stay below those of the next.
    pub(super) fn stretches(&self, live: &PartList<H>) -> Vec<Range<usize>> {
        let is_wall = |part: &Arc<Part<H>>| {
            part.medium() == Medium::Memory
                || self.is_busy(part.number())
                || self.damaged.contains(&part.number())
        };
        let mut stretches = Vec::new();
        let mut start = 0;
        for end in 0..=live.parts.len() {
            if live.parts.get(end).is_none_or(is_wall) {
                if end > start {
                    stretches.push(start..end);
                }
                start = end + 1;
            }
        }
        stretches
    }

    /// Plans to put what can be read of a damaged part in its place; see `index.plan-salvage`.
    pub(crate) fn plan_salvage(
        &mut self,
        host: &H,
        live: &PartList<H>,
        part: u64,
    ) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host, live);
        if !self.damaged.contains(&part) {
            let text = format!("part {part} is not among those that are to be avoided");
            return Err(Error::invalid(text));
        }
        let is_it =
            |other: &Arc<Part<H>>| other.number() == part && other.medium() == Medium::Durable;
        let Some(at) = live.parts.iter().position(is_it) else {
            return Ok(None);
        };
        if self.is_busy(part) {
            return Ok(None);
        }
        let job = self.job(live, at..at + 1);
        self.salvages.insert(job.id);
        Ok(Some(job))
    }

    /// Puts what was saved of a damaged part in its place; see `index.introduce-salvaged`.
    pub(crate) fn introduce_salvaged(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        salvaged: Salvaged,
    ) -> Result<()> {
        self.check_alive()?;
        let Salvaged {
            outcome, damage, ..
        } = salvaged;
        let job = &outcome.job;
        if self.jobs.get(&job.id) != Some(job) || !self.salvages.contains(&job.id) {
            let text = format!("job {} is no salvage that was planned", job.id);
            return Err(Error::invalid(text));
        }
        let is_input = |part: &Arc<Part<H>>| job.inputs == [part.number()];
        let at = live.parts.iter().position(is_input);
        let (at, input) = at
            .and_then(|at| Some((at, live.parts.get(at)?)))
            .ok_or_else(|| Error::invalid(format!("job {} lost its input", job.id)))?;
        let lost = lost(input, &damage, outcome.rows, outcome.dropped_rows)?;
        let output = outcome::open_salvaged(host, live, &outcome)?;
        let mut next = Next::of(live, self.later.clone());
        next.parts.splice(at..=at, output.clone());
        self.deaths_salvaged(host, live, (input, output.as_ref()), &mut next)
            .map_err(|error| self.give_up_dead(&**host, job, error))?;
        let quarantined = [live.quarantined.clone(), vec![lost.clone()]].concat();
        let (version, epoch) = (live.version + 1, live.epoch + 1);
        let is_borrowed = self.borrowed.has(StoredName::Part(input.name()));
        let mut snapshot = self.snapshot(epoch, &next, self.log_position, &quarantined);
        if let Some(left) = &mut snapshot.left {
            // The part itself is named among what was set aside, where it is moved.
            let leaving = self.leaving(live, &next, epoch).into_iter();
            left.extend(leaving.filter(|left| left.part != lost.part || is_borrowed));
        }
        let published = snapshot.publish(&**host);
        self.check_published_dead(&**host, published)?;
        self.jobs.remove(&job.id);
        self.salvages.remove(&job.id);
        self.bases.remove(&job.id);
        { &mut self.garbage }.bury_damaged(lost, (version, epoch), is_borrowed);
        *live = Arc::new(PartList {
            quarantined,
            ..PartList::clone(live)
        });
        self.put_in_place(live, next, epoch);
        self.clean(&**host, live);
        self.remove_obsolete(&**host, live);
        Ok(())
    }

    /// Takes over damaged parts that an earlier process left in their place because readers in other
    /// processes still read them there.
    pub(crate) fn inherit_damaged(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        let present = host.list_files(PARTS, Medium::Durable)?;
        let (wait, moved): (Vec<Quarantined>, Vec<Quarantined>) = live
            .quarantined
            .iter()
            .cloned()
            .partition(|lost| present.contains(&lost.part));
        for lost in wait {
            { &mut self.garbage }.bury_damaged(lost, (0, live.epoch), false);
        }
        quarantine::set_aside(host, &moved)
    }
}

/// What a salvage lost, as the snapshot remembers it. The instance that did the salvage is not relied on: all
/// rows that are missing must be told, and none can have been where the part has none.
fn lost<H: Host>(
    input: &Part<H>,
    damage: &Damage,
    rows: u64,
    dropped_rows: u64,
) -> Result<Quarantined> {
    let refused = |what: &str| Error::invalid(format!("a salvage of {}: {what}", input.path()));
    if damage.part != input.number() {
        return Err(refused("it tells of the damage of another part"));
    }
    let told = damage
        .lost
        .iter()
        .try_fold(0u64, |sum, region| sum.checked_add(region.rows?));
    if told != Some(dropped_rows) {
        return Err(refused(
            "the regions that it lost do not add up to its rows",
        ));
    }
    let summary = input.summary();
    let within = |region: &Region| Region {
        min_key: region.min_key.max(summary.min_key),
        max_key: region.max_key.min(summary.max_key),
        ..region.clone()
    };
    let mut lost: Vec<Region> = damage.lost.iter().map(within).collect();
    let is_empty = |region: &Region| {
        region.min_key > region.max_key || region.first_series > region.last_series
    };
    if lost.iter().any(is_empty) {
        return Err(refused("it lost rows where there are none"));
    }
    if rows == 0 {
        // What the other instance could not read may be known here.
        lost = vec![Region::of_part(input)];
    }
    Ok(Quarantined {
        part: input.name().to_string(),
        reason: damage.reasons.first().cloned().unwrap_or_default(),
        lost,
    })
}
