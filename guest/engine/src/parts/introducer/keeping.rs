//! What readers in other processes need, and what goes because nobody does.

use super::Introducer;
use crate::error::Result;
use crate::host::{Host, Readers};
use crate::part::PartList;
use std::sync::Arc;

impl Readers {
    /// The epochs whose files somebody needs.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = u64> {
        self.epochs.iter().chain(&self.branches).copied()
    }

    /// Whether somebody needs files of an epoch before one.
    pub(crate) fn need_before(&self, epoch: u64) -> bool {
        self.pinned().any(|pinned| pinned < epoch)
    }
}

impl<H: Host> Introducer<H> {
    /// Removes parts that left the list, and entries of the log, that no reader can need. Who was taken over,
    /// or has not taken over, removes nothing.
    pub(crate) fn remove_obsolete(&mut self, host: &H, live: &PartList<H>) {
        if self.poisoned.is_some() || self.is_pending {
            return;
        }
        if !self.tidy_up(host, live) {
            return;
        }
        let held = self.views.oldest();
        let borrowed = &mut self.borrowed;
        let found = self.garbage.remove(host, held, &self.fences, borrowed);
        self.borrowed.let_go(host);
        if self.given_up < self.log_position && self.asks_by_request() {
            // Asked after the snapshots of earlier epochs are gone; who cannot be asked may be reading.
            let readers = found.or_else(|| host.find_readers().ok());
            if let Some(readers) = readers {
                let _ = self.give_up_log(host, live.epoch, Some(&readers));
            }
        }
    }

    /// Notes the list that queries read, before it may change.
    pub(crate) fn note_view(&mut self, live: &Arc<PartList<H>>) {
        self.views.note(live);
    }

    /// Gives up entries of the log that are in the parts. Where each commit is an object of its own, a reader
    /// asks for the next one by its name: what its epoch had not absorbed stays as long as that is pinned, so
    /// that it is not taken for never written. Where it is not known who reads all of it stays.
    pub(crate) fn give_up_log(
        &mut self,
        host: &H,
        epoch: u64,
        readers: Option<&Readers>,
    ) -> Result<()> {
        let kept_from = match (self.asks_by_request(), readers) {
            (false, _) => self.log_position,
            (true, Some(readers)) => self.kept_from(epoch, readers),
            (true, None) => 0,
        };
        host.drop_log_before(self.log_position, kept_from)?;
        self.given_up = kept_from;
        Ok(())
    }

    /// The position from which on readers may need the log. Branches have taken what they need of it.
    fn kept_from(&mut self, epoch: u64, readers: &Readers) -> u64 {
        let pinned = || {
            readers
                .epochs
                .iter()
                .copied()
                .filter(|pinned| *pinned < epoch)
        };
        let oldest = pinned().next().unwrap_or(epoch);
        self.positions.retain(|known, _| *known >= oldest);
        // Of what others published it is not known.
        let needed = pinned().map(|pinned| self.positions.get(&pinned).copied().unwrap_or(0));
        needed
            .min()
            .unwrap_or(self.log_position)
            .min(self.log_position)
    }

    /// Notes what an epoch has absorbed of the log.
    pub(super) fn note_position(&mut self, epoch: u64) {
        self.positions.insert(epoch, self.log_position);
    }
}
