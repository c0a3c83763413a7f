//! From when to when an introducer is the one that may change its index: taking over, being taken over,
//! closing.

use super::Introducer;
use super::next::Next;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::part::PartList;
use crate::parts::snapshot::Snapshot;
use crate::parts::takeover::{self, Claim, LogEnd};
use sidx_log::Term;
use std::sync::Arc;

impl<H: Host> Introducer<H> {
    /// Goes on from a snapshot that was published to take the index over.
    pub(crate) fn of_claim(claim: &Claim) -> Self {
        let mut introducer = Self::new(&claim.snapshot);
        introducer.must_look = claim.must_look;
        // The one before has the same content.
        let before = claim.snapshot.epoch.saturating_sub(1);
        introducer.note_position(before);
        introducer
    }

    /// Goes on from the newest snapshot without having taken over yet: with the first change, under a term.
    pub(crate) fn pending(snapshot: &Snapshot, term: Term) -> Self {
        Self {
            term,
            is_pending: true,
            ..Self::new(snapshot)
        }
    }

    /// Under which file parts are made now.
    pub(crate) fn term(&self) -> Term {
        self.term
    }

    /// Before a change: takes the index over where the medium had no room for that when it was opened.
    /// `resource-exhausted` when there still is none; nothing was changed then.
    pub(crate) fn take_over(&mut self, host: &Arc<H>, live: &mut Arc<PartList<H>>) -> Result<()> {
        if !self.is_pending {
            return Ok(());
        }
        self.check_alive()?;
        let taken = self.claim(&**host, live);
        let claim = self.check_published(taken)?;
        self.is_pending = false;
        self.must_look = claim.must_look;
        self.fences = claim.snapshot.fences;
        *live = Arc::new(PartList {
            version: live.version + 1,
            epoch: claim.snapshot.epoch,
            term: self.term,
            ..PartList::clone(live)
        });
        self.note_position(live.epoch.saturating_sub(1));
        self.note_position(live.epoch);
        let tidied = self.tidy(&**host, live);
        self.clean_log(&**host);
        tidied
    }

    fn claim(&self, host: &H, live: &PartList<H>) -> Result<Claim> {
        let overtaken = || {
            let text = "another writer has taken the index over since it was opened; open it again";
            Error::new(ErrorKind::Conflict, text)
        };
        let log_end = host.log_end()?;
        let before = Snapshot::current(host)?;
        // An attempt before may have come as far as the claim.
        if before.epoch != live.epoch && before.term != self.term {
            return Err(overtaken());
        }
        let claim = takeover::claim(host, &before, self.term)?.ok_or_else(overtaken)?;
        // What was added to the log since it was read is not in the part list.
        match host.log_end()? == log_end.max(self.log_position) {
            true => Ok(claim),
            false => {
                let _ = takeover::close(host, claim.snapshot.epoch, self.term, LogEnd::Ended);
                Err(overtaken())
            }
        }
    }

    /// Whether the medium has no files that grow, as each look at it is a request.
    pub(super) fn asks_by_request(&self) -> bool {
        !self.must_look
    }

    /// After an append: whether this is still the writer. Who is not may not say that anything was written.
    pub(crate) fn look(&self, host: &H, live: &PartList<H>) -> Result<()> {
        match self.must_look {
            true => takeover::look(host, live.epoch),
            false => Ok(()),
        }
    }

    /// Gives the index back, and changes nothing any more. Rows that are in memory only are gone.
    pub(crate) fn close(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        self.check_alive()?;
        if self.is_untidy {
            self.remove_obsolete(host, live);
        }
        let text = "the index was closed";
        self.poisoned = Some(Error::new(ErrorKind::Other, text));
        match self.is_pending {
            true => Ok(()),
            false => takeover::close(host, live.epoch, self.term, LogEnd::Ended),
        }
    }

    /// The newest snapshot of a part list as a branch of the index in a place begins with it, under a term.
    /// `conflict` when the index is about to be dropped.
    pub(crate) fn branched(&self, live: &PartList<H>, place: &str, term: Term) -> Result<Snapshot> {
        if self.is_dropping {
            let text = "somebody is about to drop the index, or tried to; where that is over, open it for \
                 writing and close it, then branch from it again";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let mut snapshot = Snapshot {
            epoch: 0,
            left: Some(Vec::new()),
            borrows: self.borrowed.places_of(live, place),
            ..self.copied(live, term)
        };
        // There were no epochs before.
        snapshot.since.fill(0);
        for file in snapshot.dead.iter_mut().flat_map(|dead| &mut dead.files) {
            file.since = 0;
        }
        Ok(snapshot)
    }

    /// The newest snapshot of a part list as a copy of the index begins with it: nobody writes there, and
    /// nobody who sleeps ever did, and all files are its own. Its log is written under a term.
    pub(crate) fn copied(&self, live: &PartList<H>, term: Term) -> Snapshot {
        Snapshot {
            term,
            closed: true,
            fences: Default::default(),
            borrows: Vec::new(),
            ..self.snapshot(
                live.epoch,
                &Next::of(live, self.later.clone()),
                self.log_position,
                &live.quarantined,
            )
        }
    }
}
