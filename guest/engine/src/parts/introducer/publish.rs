//! Snapshots on their way out: the part list as the next epoch.

use super::Introducer;
use super::next::Next;
use crate::error::{ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::dead::Deaths;
use crate::part::dead::record::ChunkText;
use crate::part::loss::Quarantined;
use crate::part::name::DeadName;
use crate::part::{Part, PartList};
use crate::parts::snapshot::{DeadOfPart, LeftPart, Snapshot};
use std::collections::BTreeSet;
use std::sync::Arc;

impl<H: Host> Introducer<H> {
    /// After a publish that failed nobody knows whether there is such a snapshot, unless the medium had no
    /// room for it: then nothing has changed.
    pub(super) fn check_published<T>(&mut self, published: Result<T>) -> Result<T> {
        match published {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => Err(error),
            published => self.poison_on_error(published),
        }
    }

    /// The same for a list with files of dead rows of its own: they go where it is sure that nobody names
    /// them.
    pub(super) fn check_published_dead<T>(&mut self, host: &H, published: Result<T>) -> Result<T> {
        let checked = self.check_published(published);
        if self.poisoned.is_none() && checked.is_err() {
            self.undo_dead(host);
        }
        checked
    }

    /// Makes a list durable as the next epoch, which has absorbed the log up to a position.
    pub(super) fn publish(
        &mut self,
        host: &Arc<H>,
        live: &PartList<H>,
        next: &Next<H>,
        log_position: u64,
    ) -> Result<()> {
        let epoch = live.epoch + 1;
        let mut snapshot = self.snapshot(epoch, next, log_position, &live.quarantined);
        if let Some(left) = &mut snapshot.left {
            left.extend(self.leaving(live, next, epoch));
        }
        snapshot.publish(&**host)?;
        self.log_position = log_position;
        self.note_position(epoch);
        self.counters.absorb(log_position);
        Ok(())
    }

    /// Files of `live` that an epoch is the first to lack.
    pub(super) fn leaving(&self, live: &PartList<H>, next: &Next<H>, epoch: u64) -> Vec<LeftPart> {
        let stays = |one: &Part<H>| next.parts.iter().any(|part| part.number() == one.number());
        let files = live.parts.iter();
        let files = files.filter(|part| part.medium() == Medium::Durable);
        let parts = files.filter(|part| !stays(part)).map(|part| LeftPart {
            part: part.name().to_string(),
            since: self.since.get(&part.number()).copied().unwrap_or_default(),
            until: epoch,
            damage: None,
        });
        let dead = live.deaths.files_beside(&next.deaths).into_iter();
        let dead = dead.filter(|file| file.medium == Medium::Durable);
        let dead = dead.map(|file| LeftPart {
            part: file.name.to_string(),
            since: self.dead_since(file.name),
            until: epoch,
            damage: None,
        });
        parts.chain(dead).collect()
    }

    /// The first epoch that names a file of dead rows.
    pub(super) fn dead_since(&self, name: DeadName) -> u64 {
        self.dead_since.get(&name).copied().unwrap_or_default()
    }

    /// Notes which files an epoch was the first to name.
    pub(super) fn note_epoch(&mut self, next: &Next<H>, epoch: u64) {
        let since = next.files().map(|part| {
            let number = part.number();
            (number, self.since.get(&number).copied().unwrap_or(epoch))
        });
        self.since = since.collect();
        let files = next.deaths.files().into_values();
        let stored = files.filter(|file| file.medium == Medium::Durable);
        let known = |name| self.dead_since.get(&name).copied().unwrap_or(epoch);
        self.dead_since = stored.map(|file| (file.name, known(file.name))).collect();
    }

    /// The snapshot of a list.
    pub(super) fn snapshot(
        &self,
        epoch: u64,
        next: &Next<H>,
        log_position: u64,
        quarantined: &[Quarantined],
    ) -> Snapshot {
        let since = |part: &Arc<Part<H>>| self.since.get(&part.number()).copied();
        Snapshot {
            epoch,
            term: self.term,
            closed: false,
            unsealed: false,
            dropping: false,
            dropped: false,
            fences: self.fences.clone(),
            parts: next.files().map(|part| part.name().to_string()).collect(),
            since: { next.files() }
                .map(|part| since(part).unwrap_or(epoch))
                .collect(),
            left: self.knows_garbage.then(|| self.garbage.left().collect()),
            log_position,
            next_element_id: self.next_id,
            next_part: self.next_part,
            dead: self.stored_dead(epoch, next, log_position),
            counters: self.counters.at(log_position),
            quarantined: quarantined.to_vec(),
            borrows: self.borrowed.places(),
        }
    }

    fn stored_dead(&self, epoch: u64, next: &Next<H>, log_position: u64) -> Vec<DeadOfPart> {
        let of_part = |part: &Arc<Part<H>>| {
            let dead = next.deaths.of(part.number())?;
            let since = |name| self.dead_since.get(&name).copied().unwrap_or(epoch);
            let files = dead.stored.files();
            let later = { next.later.iter() }.filter(|later| later.part == part.number());
            // Those that the log still has are found again with its entries.
            let in_log = later.clone().filter_map(|it| it.not_absorbed(log_position));
            let mut in_log: BTreeSet<u64> = in_log.collect();
            for absorbed in later.clone().filter_map(|it| it.absorbed(log_position)) {
                in_log.remove(&absorbed);
            }
            let unplaced = dead.unplaced.iter().copied();
            let unplaced = unplaced.filter(|arrival| !in_log.contains(arrival));
            let unplaced = unplaced.chain(later.filter_map(|it| it.absorbed(log_position)));
            let dead = DeadOfPart {
                part: part.name().to_string(),
                files: files
                    .map(|file| ChunkText::new(file, since(file.name)))
                    .collect(),
                unplaced: unplaced.collect::<BTreeSet<u64>>().into_iter().collect(),
            };
            (!dead.files.is_empty() || !dead.unplaced.is_empty()).then_some(dead)
        };
        next.files().filter_map(of_part).collect()
    }

    /// Puts a list in place of another one as an epoch that was published, and notes what left it.
    pub(super) fn put_in_place(&mut self, live: &mut Arc<PartList<H>>, next: Next<H>, epoch: u64) {
        self.made_dead.clear();
        self.bury_dead_files(live, &next.deaths, epoch);
        self.note_epoch(&next, epoch);
        self.later = next.later;
        *live = Arc::new(PartList {
            version: live.version + 1,
            epoch,
            term: self.term,
            parts: next.parts,
            deaths: next.deaths,
            unreadable: Vec::new(),
            ..PartList::clone(live)
        });
    }

    /// The same of a list that differs in memory only.
    pub(super) fn put_in_memory(&mut self, live: &mut Arc<PartList<H>>, next: Next<H>) {
        self.made_dead.clear();
        self.bury_dead_files(live, &next.deaths, live.epoch);
        self.later = next.later;
        *live = Arc::new(PartList {
            version: live.version + 1,
            parts: next.parts,
            deaths: next.deaths,
            unreadable: Vec::new(),
            ..PartList::clone(live)
        });
    }

    /// Notes files of dead rows that a list has, and its next version, of an epoch, does not.
    pub(super) fn bury_dead_files(&mut self, live: &PartList<H>, next: &Deaths<H>, epoch: u64) {
        let gone = live.deaths.files_beside(next);
        let dead_since = &self.dead_since;
        let since = |name| dead_since.get(&name).copied().unwrap_or_default();
        self.garbage.bury_dead(gone, live.version + 1, since, epoch);
    }

    /// Publishes the part list with another list of what was set aside.
    pub(crate) fn publish_quarantine(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        quarantined: Vec<Quarantined>,
    ) -> Result<()> {
        let epoch = live.epoch;
        *live = Arc::new(PartList {
            term: self.term,
            quarantined,
            unreadable: Vec::new(),
            ..PartList::clone(live)
        });
        let next = Next::of(live, self.later.clone());
        self.publish(host, live, &next, self.log_position)?;
        self.put_in_place(live, next, epoch + 1);
        self.clean(&**host, live);
        Ok(())
    }
}
