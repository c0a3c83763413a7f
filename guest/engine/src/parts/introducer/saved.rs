//! What becomes of dead rows when what could be saved of damaged parts takes their place.

use super::Introducer;
use super::carried::Dying;
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
        let Readable {
            mut arrivals,
            is_all,
        } = readable_arrivals(&**host, input, &had.now)?;
        if !is_all {
            arrivals.extend(within(input, &found_dead(host, live, &next.parts)?));
        }
        arrivals.extend(&had.unplaced);
        let mut dead = of_snapshot(arrivals);
        for later in { self.later.iter() }.filter(|later| later.part == number) {
            let known = dead.rows.entry(later.arrival).or_default();
            let first = known.map_or(later.position, |known| known.min(later.position));
            *known = Some(first);
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
        let mut found: Option<Arc<Vec<u64>>> = None;
        let mut find = |next: &Next<H>| match &found {
            Some(found) => Ok(Arc::clone(found)),
            None => {
                let new = Arc::new(found_dead(host, live, &next.parts)?);
                Ok::<_, Error>(Arc::clone(found.insert(new)))
            }
        };
        let mut wanted: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (old, dead, output) in replaced {
            let Readable {
                mut arrivals,
                is_all,
            } = readable_arrivals(&**host, old, &dead.stored)?;
            if !is_all {
                arrivals.extend(within(old, &find(&next)?));
            }
            arrivals.extend(&dead.unplaced);
            wanted.insert(*output, arrivals);
        }
        let parts = next.parts.clone();
        for part in &parts {
            let number = part.number();
            let has_unplaced =
                { next.deaths.of(number) }.is_some_and(|dead| !dead.unplaced.is_empty());
            if is_lost || has_unplaced || unreadable.contains(&number) {
                let mut arrivals = within(part, &find(&next)?).to_vec();
                // Facets do not know of rows that were to be dead without a younger one.
                if let Some(dead) = next.deaths.of(number) {
                    arrivals.extend(readable_arrivals(&**host, part, &dead.stored)?.arrivals);
                    arrivals.extend(&dead.unplaced);
                }
                wanted.insert(number, arrivals);
            }
        }
        for part in &parts {
            if let Some(arrivals) = wanted.remove(&part.number()) {
                next.deaths.remove(part.number());
                let dead = of_snapshot(arrivals);
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

/// Those of some arrival numbers, which ascend, that a part may have.
fn within<'a, H: Host>(part: &Part<H>, arrivals: &'a [u64]) -> &'a [u64] {
    let summary = part.summary();
    let from = arrivals.partition_point(|arrival| *arrival < summary.first_id);
    let end = arrivals.partition_point(|arrival| *arrival <= summary.last_id);
    arrivals.get(from..end).unwrap_or_default()
}

/// Rows that the snapshot is to have.
fn of_snapshot(arrivals: Vec<u64>) -> Dying {
    Dying {
        rows: { arrivals.into_iter() }
            .map(|arrival| (arrival, None))
            .collect(),
        ..Dying::default()
    }
}

/// What can be read of who is dead.
struct Readable {
    arrivals: Vec<u64>,
    /// Whether that is all.
    is_all: bool,
}

/// The arrival numbers of dead rows of a part, damaged or not, as far as they can be read.
fn readable_arrivals<H: Host>(host: &H, part: &Part<H>, dead: &DeadRows<H>) -> Result<Readable> {
    let mut readable = Readable {
        arrivals: Vec::new(),
        is_all: true,
    };
    for chunk in dead.chunks() {
        let Ok(bitmaps) = chunk.bitmaps().or_damage()? else {
            readable.is_all = false;
            continue;
        };
        for (number, bitmap) in bitmaps {
            let rows = rows_of(part, number, &bitmap);
            let found = rows.and_then(|rows| arrival::of(host, part, &rows));
            match found.or_damage()? {
                Ok(found) => readable.arrivals.extend(found),
                // Whoever saved the rows of the block may have been able to read it.
                Err(_) => readable.is_all = false,
            }
        }
    }
    Ok(readable)
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
