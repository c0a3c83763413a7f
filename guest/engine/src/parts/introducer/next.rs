//! A list of parts that is about to take the place of another, with all that is known of its dead rows.

use crate::host::{Host, Medium};
use crate::part::block::Ordinal;
use crate::part::dead::Deaths;
use crate::part::{Part, PartList};
use std::sync::Arc;

/// A row that died by an entry of the log that no snapshot has absorbed.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaterDeath {
    /// Where the entry ends.
    pub(super) position: u64,
    pub(super) arrival: u64,
    /// The part that the row is in, and where; none where that is not known.
    pub(super) part: u64,
    pub(super) row: Option<Ordinal>,
}

impl LaterDeath {
    /// The row, when a snapshot that has absorbed the log up to a position must name it.
    pub(super) fn absorbed(&self, log_position: u64) -> Option<u64> {
        (self.position <= log_position).then_some(self.arrival)
    }

    /// The row, when only the log has it.
    pub(super) fn not_absorbed(&self, log_position: u64) -> Option<u64> {
        (self.position > log_position).then_some(self.arrival)
    }
}

/// The parts of the next epoch, and what is dead of them.
pub(crate) struct Next<H: Host> {
    pub(crate) parts: Vec<Arc<Part<H>>>,
    pub(crate) deaths: Deaths<H>,
    /// Rows that died, and are in no file of the store as such.
    pub(super) later: Vec<LaterDeath>,
}

impl<H: Host> Next<H> {
    /// Those of a list.
    pub(super) fn of(live: &PartList<H>, later: Vec<LaterDeath>) -> Self {
        Self {
            parts: live.parts.clone(),
            deaths: live.deaths.clone(),
            later,
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<Part<H>>> {
        let parts = self.parts.iter();
        parts.filter(|part| part.medium() == Medium::Durable)
    }
}
