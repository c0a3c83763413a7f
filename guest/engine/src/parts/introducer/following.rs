//! An introducer that only reads: what it has in memory when it goes over to a newer snapshot.

use super::Introducer;
use super::next::LaterDeath;
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::name::StoredName;
use crate::parts::unflushed::Unflushed;
use std::collections::BTreeMap;

/// What one knew before it read on.
pub(crate) struct Known {
    next_id: u64,
    next_part: u64,
    log_ends: BTreeMap<u64, u64>,
    later: Vec<LaterDeath>,
    /// So many of each, in their order.
    counted: usize,
    buried: usize,
}

impl<H: Host> Introducer<H> {
    /// The same, whose numbers are none below one.
    pub(crate) fn numbering_from(self, first_number: u64) -> Self {
        Self {
            next_part: self.next_part.max(first_number),
            ..self
        }
    }

    /// The log position after the last entry that is in the parts.
    pub(crate) fn read_to(&self) -> u64 {
        let ends = self.log_ends.values().copied();
        ends.fold(self.log_position, u64::max)
    }

    /// What it knows now, to go back to.
    pub(crate) fn known(&self) -> Known {
        Known {
            next_id: self.next_id,
            next_part: self.next_part,
            log_ends: self.log_ends.clone(),
            later: self.later.clone(),
            counted: self.counters.count(),
            buried: self.garbage.count(),
        }
    }

    /// Goes back to what it knew of a list, where nothing came of reading on. The numbers that were given
    /// since are given again.
    pub(crate) fn go_back(&mut self, known: Known, live: &PartList<H>) {
        self.next_id = known.next_id;
        self.next_part = known.next_part;
        self.log_ends = known.log_ends;
        self.later = known.later;
        self.counters.truncate(known.counted);
        self.garbage.truncate(known.buried);
        self.unflushed = Unflushed::of(&live.parts);
        self.intake = None;
        self.made_dead.clear();
    }

    /// Takes over what others have left in memory, whoever may still read it: all of it leaves a list with
    /// the next version.
    pub(crate) fn inherit_memory(&mut self, names: &[StoredName], live: &PartList<H>) {
        let numbers = names.iter().map(|name| name.number().saturating_add(1));
        self.next_part = numbers.fold(self.next_part, u64::max);
        self.garbage
            .inherit_memory(names, live.version + 1, live.epoch);
    }

    /// Takes the place of one that read a list, and whose parts in memory left it with the next version.
    pub(crate) fn succeed(&mut self, before: &mut Self, live: &PartList<H>) {
        self.form = before.form;
        self.views = std::mem::take(&mut before.views);
        let in_memory = { live.parts.iter() }.filter(|part| part.medium() == Medium::Memory);
        let numbers: Vec<u64> = in_memory.map(|part| part.number()).collect();
        self.garbage.take_memory(&mut before.garbage);
        self.garbage
            .bury(live, &numbers, |_| live.epoch, live.epoch);
        let dead = live.deaths.files().into_values();
        let dead = dead.filter(|file| file.medium == Medium::Memory);
        let version = live.version + 1;
        { &mut self.garbage }.bury_dead(dead, version, |_| live.epoch, live.epoch);
    }

    /// Removes what left the list and lies in memory, and nobody reads.
    pub(crate) fn forget_memory(&mut self, host: &H) {
        self.garbage.remove_memory(host, self.views.oldest());
    }
}
