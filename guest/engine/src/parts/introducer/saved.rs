//! What becomes of dead rows when what could be saved of damaged parts takes their place.

use super::Introducer;
use super::next::Next;
use crate::error::{Error, OrDamage, Result};
use crate::host::Host;
use crate::part::arrival;
use crate::part::dead::{DeadRows, PartDead, chunk, rows_of};
use crate::part::{Part, PartList};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<H: Host> Introducer<H> {
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
