//! An introducer that only reads: what it has in memory when it goes over to a newer snapshot.

use super::Introducer;
use crate::host::{Host, Medium};
use crate::part::PartList;

impl<H: Host> Introducer<H> {
    /// The same, whose numbers are none below one.
    pub(crate) fn numbering_from(self, first_number: u64) -> Self {
        Self {
            next_part: self.next_part.max(first_number),
            ..self
        }
    }

    /// Takes the place of one that read a list, and whose parts in memory left it with the next version.
    pub(crate) fn succeed(&mut self, before: &mut Self, live: &PartList<H>) {
        self.form = before.form;
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
        self.garbage.remove_memory(host);
    }
}
