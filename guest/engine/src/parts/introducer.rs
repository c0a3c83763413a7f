//! The introducer: the only code that changes the part list. It gives element ids, writes the log and
//! memory parts, and publishes snapshots.

mod carried;
mod counters;
mod damaged;
mod deaths;
mod following;
mod intake;
mod keeping;
mod next;
mod publish;
mod saved;
mod tenure;
mod unnamed;

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Form, Host, Medium};
use crate::merge;
use crate::merge::outcome;
use crate::merge::policy;
use crate::merge::retention;
use crate::merge::space::space_bytes;
use crate::part::Part;
use crate::part::PartList;
use crate::part::dead::Deaths;
use crate::part::facet::Intake;
use crate::part::loss::Quarantined;
use crate::part::name::{DeadName, PartName, StoredName};
use crate::parts::borrowed::Borrowed;
use crate::parts::fences::Fences;
use crate::parts::garbage::Garbage;
use crate::parts::pressure::merge_bytes;
use crate::parts::snapshot::Snapshot;
use crate::parts::unflushed::Unflushed;
use crate::parts::views::Views;
use crate::types::{Choice, FlushNeed, Job, Outcome, Retention, RetentionStep, View};
use sidx_log::Term;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::counters::Counters;
pub(crate) use self::deaths::Died;
use self::next::LaterDeath;

/// What only the writer of an index knows.
pub(crate) struct Introducer<H: Host> {
    /// Its own, or when it only reads that of the writer that published the snapshot.
    term: Term,
    /// The snapshot that it goes on from says that somebody is about to drop the index.
    is_dropping: bool,
    fences: Fences,
    /// See [`Claim::must_look`](crate::parts::takeover::Claim).
    must_look: bool,
    /// The index is not taken over yet, because the medium had no room for that: nothing may be changed.
    is_pending: bool,
    next_id: u64,
    next_part: u64,
    next_job: u64,
    /// Log position that the durable parts have absorbed.
    log_position: u64,
    /// The same as of each epoch that may be read, as far as that is known.
    positions: BTreeMap<u64, u64>,
    /// Entries before this position were given up.
    given_up: u64,
    /// Log position after the last entry of each memory part.
    log_ends: BTreeMap<u64, u64>,
    /// Jobs that were planned and neither introduced nor abandoned.
    jobs: BTreeMap<u64, Job>,
    /// Parts that jobs leave alone, and jobs that salvage one.
    damaged: BTreeSet<u64>,
    salvages: BTreeSet<u64>,
    /// The first epoch that names each file part.
    since: BTreeMap<u64, u64>,
    /// The same of files with dead rows.
    dead_since: BTreeMap<DeadName, u64>,
    /// Rows that died by entries of the log behind the position of the snapshot.
    later: Vec<LaterDeath>,
    /// What was dead in the snapshot when a job was planned.
    bases: BTreeMap<u64, Deaths<H>>,
    /// Files with dead rows of a change that is not done yet.
    made_dead: Vec<(DeadName, Medium)>,
    counters: Counters,
    garbage: Garbage,
    /// What cursors of this instance read.
    views: Views<H>,
    /// What of all that lies in the places of other indexes.
    borrowed: Borrowed,
    /// There are no other parts that left the list and are still there.
    knows_garbage: bool,
    /// What those before it left is still there: the opening did not wait for its removal.
    is_untidy: bool,
    unflushed: Unflushed,
    /// Of the parts that are made.
    form: Form,
    /// What facets know of the whole index, from the first batch on.
    intake: Option<Intake<H>>,
    /// Why no more writes are accepted.
    poisoned: Option<Error>,
}

impl<H: Host> Introducer<H> {
    /// Goes on from a snapshot, to read.
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let names = { snapshot.parts.iter() }.map(|name| Some(PartName::parse(name)?.number));
        let since = names.zip(&snapshot.since);
        Self {
            term: snapshot.term,
            is_dropping: snapshot.dropping,
            fences: snapshot.fences.clone(),
            must_look: false,
            is_pending: false,
            next_id: snapshot.next_element_id,
            next_part: snapshot.next_part,
            next_job: 1,
            log_position: snapshot.log_position,
            positions: BTreeMap::from([(snapshot.epoch, snapshot.log_position)]),
            given_up: 0,
            log_ends: BTreeMap::new(),
            jobs: BTreeMap::new(),
            damaged: BTreeSet::new(),
            salvages: BTreeSet::new(),
            since: since
                .filter_map(|(number, epoch)| Some((number?, *epoch)))
                .collect(),
            dead_since: snapshot.dead_since(),
            later: Vec::new(),
            bases: BTreeMap::new(),
            made_dead: Vec::new(),
            counters: Counters::of(&snapshot.counters),
            views: Views::default(),
            garbage: Garbage::of(snapshot.left.as_deref().unwrap_or_default()),
            borrowed: Borrowed::default(),
            knows_garbage: snapshot.left.is_some(),
            is_untidy: false,
            unflushed: Unflushed::default(),
            form: Form::default(),
            intake: None,
            poisoned: None,
        }
    }

    /// Finds out what the index borrows, before any of its parts is opened.
    pub(crate) fn know_borrowed(&mut self, host: &H, snapshot: &Snapshot) -> Result<()> {
        let (borrowed, unlisted) = Borrowed::of(host, snapshot)?;
        for name in unlisted {
            self.inherit(name, snapshot.epoch);
        }
        self.borrowed = borrowed;
        Ok(())
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    pub(crate) fn next_part(&self) -> u64 {
        self.next_part
    }

    pub(crate) fn log_position(&self) -> u64 {
        self.log_position
    }

    /// What facets count, now.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.at(u64::MAX)
    }

    pub(crate) fn poisoned(&self) -> Option<String> {
        self.poisoned.as_ref().map(ToString::to_string)
    }

    /// The part list for other instances and the host.
    pub(crate) fn view(&self, live: &PartList<H>) -> View {
        live.view(self.flush_need(live))
    }

    /// What a flush of everything in memory will take, at most.
    fn flush_need(&self, live: &PartList<H>) -> FlushNeed {
        self.unflushed.flush_need(live, self.form)
    }

    /// In which form parts are made: always the same while the index is open.
    pub(crate) fn know_form(&mut self, form: Form) {
        self.form = form;
    }

    fn check_alive(&self) -> Result<()> {
        let Some(cause) = &self.poisoned else {
            return Ok(());
        };
        let kind = match cause.kind() {
            ErrorKind::Conflict | ErrorKind::Unknown => ErrorKind::Conflict,
            _ => ErrorKind::Io,
        };
        let text = format!(
            "the index refuses changes since a failure ({cause}); close it and open it again"
        );
        Err(Error::new(kind, text))
    }

    fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poisoned = Some(error.clone());
        }
        result
    }

    // ---- flush and merge ----

    /// Flushes at once, in this instance.
    pub(crate) fn flush(&mut self, host: &Arc<H>, live: &mut Arc<PartList<H>>) -> Result<()> {
        match self.plan_flush(&**host, live)? {
            Some(job) => {
                let outcome = merge::run(host, live, &job)?;
                self.introduce(host, live, outcome)
            }
            None => Ok(()),
        }
    }

    /// Plans to fold all memory parts into one file part.
    pub(crate) fn plan_flush(&mut self, host: &H, live: &PartList<H>) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host, live);
        let range = self.free_tail(live, Medium::Memory);
        let earlier = live.parts.iter().take(range.start);
        // While an older flush is under way the younger rows wait: the log is given up in order.
        let waits = earlier.clone().any(|part| part.medium() == Medium::Memory);
        if range.is_empty() || waits {
            return Ok(None);
        }
        Ok(Some(self.job(live, range)))
    }

    /// Plans a merge of file parts; see `index.plan-merge`.
    pub(crate) fn plan_merge(
        &mut self,
        host: &H,
        live: &PartList<H>,
        choice: Choice,
    ) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host, live);
        let mut stretches = self.stretches(live).into_iter();
        let range = match choice {
            Choice::All => stretches.find(|stretch| stretch.len() > 1),
            Choice::SimilarSize => {
                let most_bytes = merge_bytes(&host.usage(), self.flush_need(live));
                stretches.find_map(|stretch| {
                    let parts = live.parts.get(stretch.clone()).unwrap_or_default();
                    let sizes: Vec<u64> =
                        parts.iter().map(|part| part.summary().size_bytes).collect();
                    policy::choose(&sizes, most_bytes)
                        .map(|range| stretch.start + range.start..stretch.start + range.end)
                })
            }
        };
        Ok(range.map(|range| self.job(live, range)))
    }

    /// Plans one job of a retention; see `index.plan-retention`.
    pub(crate) fn plan_retention(
        &mut self,
        host: &H,
        live: &PartList<H>,
        rule: &Retention,
        steps: &[RetentionStep],
    ) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host, live);
        let Some(plan) = retention::plan(host, live, rule, steps, |part| self.is_busy(part))?
        else {
            return Ok(None);
        };
        let id = self.next_job;
        self.next_job += 1;
        let job = plan.job(id, self.take_part_number(), rule.clone());
        self.jobs.insert(id, job.clone());
        Ok(Some(job))
    }

    fn is_busy(&self, number: u64) -> bool {
        self.jobs.values().any(|job| job.inputs.contains(&number))
    }

    /// The parts at the end of the list that are of one medium and belong to no job.
    fn free_tail(&self, live: &PartList<H>, medium: Medium) -> std::ops::Range<usize> {
        let other = |part: &Arc<Part<H>>| part.medium() != medium || self.is_busy(part.number());
        let start = live
            .parts
            .iter()
            .rposition(other)
            .map_or(0, |index| index + 1);
        start..live.parts.len()
    }

    fn job(&mut self, live: &PartList<H>, range: std::ops::Range<usize>) -> Job {
        let parts = || live.parts.iter().skip(range.start).take(range.len());
        let job = Job {
            id: self.next_job,
            inputs: parts().map(|part| part.number()).collect(),
            output: self.take_part_number(),
            rule: Retention::default(),
            dropped_rows: None,
            rows: parts().map(|part| part.summary().rows).sum(),
            space_bytes: space_bytes(parts().map(|part| part.summary().size_bytes).sum()),
            flush: parts().any(|part| part.medium() == Medium::Memory),
        };
        self.next_job += 1;
        self.jobs.insert(job.id, job.clone());
        self.bases.insert(job.id, live.deaths.clone());
        job
    }

    pub(crate) fn take_part_number(&mut self) -> u64 {
        let number = self.next_part;
        self.next_part += 1;
        number
    }

    /// Puts the output of a job in place of its inputs.
    pub(crate) fn introduce(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        outcome: Outcome,
    ) -> Result<()> {
        self.check_alive()?;
        let job = &outcome.job;
        if self.jobs.get(&job.id) != Some(job) || self.salvages.contains(&job.id) {
            return Err(Error::invalid(format!(
                "job {} was not planned or is over",
                job.id
            )));
        }
        let output = outcome::open_output(host, live, &outcome)?;
        let parts = outcome::replaced(live, job, output.clone())?;
        let log_end = job
            .inputs
            .iter()
            .filter_map(|input| self.log_ends.get(input))
            .max()
            .copied();
        let log_position = self.log_position.max(log_end.unwrap_or(0));
        let made = (job, output.as_ref());
        let next = self.deaths_after(host, live, made, parts, log_position)?;
        let epoch = live.epoch + 1;
        let published = self.publish(host, live, &next, log_position);
        self.check_published_dead(&**host, published)?;
        let since = |part| self.since.get(&part).copied().unwrap_or_default();
        self.garbage.bury(live, &job.inputs, since, epoch);
        for input in &job.inputs {
            self.log_ends.remove(input);
        }
        self.jobs.remove(&job.id);
        self.bases.remove(&job.id);
        if job.flush {
            self.unflushed = Unflushed::of(&next.parts);
        }
        self.put_in_place(live, next, epoch);
        self.clean(&**host, live);
        self.remove_obsolete(&**host, live);
        Ok(())
    }

    /// Removes what the newest snapshot made superfluous. What cannot be removed now is harmless, and
    /// goes with the next epoch or opening.
    pub(crate) fn clean(&mut self, host: &H, live: &PartList<H>) {
        self.clean_parts(host, live);
        self.clean_log(host);
    }

    /// The same of the log, where it grows.
    pub(crate) fn clean_log(&self, host: &H) {
        if !self.asks_by_request() {
            let _ = host.drop_log_before(self.log_position, self.log_position);
        }
    }

    /// As [`clean`](Self::clean), but leaves the log.
    pub(crate) fn clean_parts(&mut self, host: &H, live: &PartList<H>) {
        self.garbage
            .forget_snapshots(host, live.epoch, &self.fences);
    }

    /// Everything in the log before a position is in the parts, or lost.
    pub(crate) fn absorb_log(&mut self, position: u64) {
        self.log_position = self.log_position.max(position);
    }

    /// Gives up a job and removes what it wrote.
    pub(crate) fn abandon(&mut self, host: &H, job: &Job) -> Result<()> {
        // After a publish that failed in doubt, the newest snapshot may name the output.
        let planned = self.jobs.remove(&job.id);
        self.bases.remove(&job.id);
        self.salvages.remove(&job.id);
        // What is removed is what was planned: the caller might name a live part.
        let (Some(job), None) = (planned, &self.poisoned) else {
            return Ok(());
        };
        let name = PartName {
            number: job.output,
            term: self.term,
            form: self.form,
        };
        host.remove_files(&name.path(Medium::Durable), Medium::Durable)
    }

    pub(crate) fn replace(
        &self,
        live: &mut Arc<PartList<H>>,
        parts: Vec<Arc<Part<H>>>,
        epoch: u64,
    ) {
        *live = Arc::new(PartList {
            version: live.version + 1,
            epoch,
            term: self.term,
            parts,
            unreadable: Vec::new(),
            ..PartList::clone(live)
        });
    }

    /// Whether a part left the list, and waits for readers.
    pub(crate) fn is_garbage(&self, name: StoredName) -> bool {
        self.garbage.has(name)
    }

    /// Notes a part that an earlier process left and a reader in another one may still need: of any epoch
    /// before this one, as nobody says which name it.
    pub(crate) fn inherit(&mut self, name: StoredName, epoch: u64) {
        self.garbage.inherit(name, 0, epoch);
    }

    /// Notes what was set aside and stays in its place, as readers or branches read it there: it goes to the
    /// quarantine when they have gone.
    pub(crate) fn leave(&mut self, lost: &[Quarantined], epoch: u64) {
        for lost in lost {
            if let Some(name) = StoredName::parse(&lost.part) {
                self.garbage.leave(name, lost.clone(), epoch);
            }
        }
    }

    /// Whether all parts are known that left the list and are still there.
    pub(crate) fn knows_garbage(&self) -> bool {
        self.knows_garbage
    }

    /// Notes whether all parts are known that left the list and are still there. As long as they are not, no
    /// snapshot says so.
    pub(crate) fn know_garbage(&mut self, all: bool) {
        self.knows_garbage = all;
    }
}
