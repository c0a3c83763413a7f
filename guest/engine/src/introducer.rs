//! The introducer: the only code that changes the part list. It gives element ids, writes the log and
//! memory parts, and publishes snapshots.

mod damaged;

use crate::batch::{Checked, label_conflict, write_header};
use crate::error::{Error, ErrorKind, Result};
use crate::fold;
use crate::host::{Host, LogDurability, Medium};
use crate::live::Live;
use crate::loss::Quarantined;
use crate::memory_part::write_memory_part;
use crate::merge;
use crate::merge_policy;
use crate::obsolete::Obsolete;
use crate::outcome;
use crate::part::Part;
use crate::part::layout::part_directory;
use crate::pressure::{check_memory, check_room, level, needed_bytes};
use crate::snapshot::Snapshot;
use crate::types::{Batch, Choice, Durability, Job, Outcome, Receipt, Retention, Written};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What only the writer of an index knows.
pub(crate) struct Introducer {
    next_id: u64,
    next_part: u64,
    next_job: u64,
    /// Log position that the durable parts have absorbed.
    log_position: u64,
    /// Log position after the last entry of each memory part.
    log_ends: BTreeMap<u64, u64>,
    /// Jobs that were planned and neither introduced nor abandoned.
    jobs: BTreeMap<u64, Job>,
    /// Parts that jobs leave alone, and jobs that salvage one.
    damaged: BTreeSet<u64>,
    salvages: BTreeSet<u64>,
    /// The last retention rule, and the parts that jobs made by it.
    retained: (Retention, BTreeSet<u64>),
    obsolete: Obsolete,
    /// Labels of all series, read when the first labelled batch comes.
    labels: Option<BTreeMap<u64, String>>,
    /// Why no more writes are accepted.
    poisoned: Option<String>,
}

impl Introducer {
    /// Goes on from a snapshot.
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        Self {
            next_id: snapshot.next_element_id,
            next_part: snapshot.next_part,
            next_job: 1,
            log_position: snapshot.log_position,
            log_ends: BTreeMap::new(),
            jobs: BTreeMap::new(),
            damaged: BTreeSet::new(),
            salvages: BTreeSet::new(),
            retained: Default::default(),
            obsolete: Obsolete::default(),
            labels: None,
            poisoned: None,
        }
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

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    // ---- write ----

    /// Adds batches in order; see `index.write`.
    pub(crate) fn write<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
        batches: Vec<Batch<H::Columns>>,
    ) -> Result<Written> {
        self.check_alive()?;
        if self.obsolete.is_worth_removing() {
            self.remove_obsolete(&**host);
        }
        let mut receipts = Vec::with_capacity(batches.len());
        let mut accepted = Vec::new();
        let mut promised_bytes = 0;
        for batch in batches {
            match self.accept(&**host, live, batch, promised_bytes) {
                Ok((receipt, checked)) => {
                    promised_bytes += needed_bytes(checked.size_bytes);
                    accepted.push((receipt.first_id, checked));
                    receipts.push(Ok(receipt));
                }
                Err(error) => receipts.push(Err(error)),
            }
        }
        if !accepted.is_empty() {
            let added = self.log_and_add(host, live, &accepted);
            self.poison_on_error(added)?;
        }
        let (pressure, delay_ms) = level(&host.usage());
        Ok(Written {
            receipts,
            view: live.view(),
            memory_bytes: memory_bytes(live),
            pressure,
            delay_ms,
        })
    }

    fn check_alive(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(Error::new(
                ErrorKind::Io,
                format!(
                    "the index refuses changes since a failure ({reason}); close it and open it again"
                ),
            )),
        }
    }

    fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    /// Checks a batch and gives it its ids.
    fn accept<H: Host>(
        &mut self,
        host: &H,
        live: &Live<H>,
        batch: Batch<H::Columns>,
        promised_bytes: u64,
    ) -> Result<(Receipt, Checked<H::Columns>)> {
        let checked = crate::batch::check(host, batch)?;
        let is_logged = checked.durability != Durability::None;
        check_room(host, checked.size_bytes, promised_bytes, is_logged)?;
        self.remember_labels(live, &checked.labels)?;
        let rows = u32::try_from(checked.keys.len())
            .map_err(|_| Error::invalid("the batch has more rows than 32 bits count; split it"))?;
        let receipt = Receipt {
            first_id: self.next_id,
            rows,
        };
        self.next_id = self
            .next_id
            .checked_add(u64::from(rows))
            .ok_or_else(|| Error::invalid("element ids are used up"))?;
        Ok((receipt, checked))
    }

    /// Refuses labels that meet another one under the same id.
    fn remember_labels<H: Host>(
        &mut self,
        live: &Live<H>,
        labels: &BTreeMap<u64, String>,
    ) -> Result<()> {
        if labels.is_empty() {
            return Ok(());
        }
        if self.labels.is_none() {
            let mut all = BTreeMap::new();
            for part in &live.parts {
                // Damaged labels of one part must not refuse the rows of all others.
                all.extend(part.readable_labels()?.0);
            }
            self.labels = Some(all);
        }
        let known = self.labels.get_or_insert_default();
        for (id, label) in labels {
            if let Some(other) = known.get(id)
                && other != label
            {
                return Err(label_conflict(*id, other, label));
            }
        }
        known.extend(labels.iter().map(|(id, label)| (*id, label.clone())));
        Ok(())
    }

    fn log_and_add<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
        accepted: &[(u64, Checked<H::Columns>)],
    ) -> Result<()> {
        let logged: Vec<&(u64, Checked<H::Columns>)> = accepted
            .iter()
            .filter(|(_, batch)| batch.durability != Durability::None)
            .collect();
        let log_end = if logged.is_empty() {
            self.log_ends
                .values()
                .copied()
                .max()
                .unwrap_or(self.log_position)
        } else {
            let headers: Vec<Vec<u8>> = logged
                .iter()
                .map(|(first_id, batch)| write_header(batch, *first_id))
                .collect();
            let columns: Vec<&H::Columns> =
                logged.iter().map(|(_, batch)| &batch.columns).collect();
            let sync = logged
                .iter()
                .any(|(_, batch)| batch.durability == Durability::Sync);
            let durability = if sync {
                LogDurability::Sync
            } else {
                LogDurability::Os
            };
            host.append_log(&headers, &columns, durability)?
        };
        for (first_id, batch) in accepted {
            self.add(host, live, *first_id, batch, log_end)?;
        }
        self.fold(host, live);
        Ok(())
    }

    /// Makes a memory part of a batch and puts it at the end of the list.
    fn add<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
        first_id: u64,
        batch: &Checked<H::Columns>,
        log_end: u64,
    ) -> Result<()> {
        let number = self.take_part_number();
        let part = write_memory_part(host, number, first_id, batch)?;
        self.log_ends.insert(number, log_end);
        let mut parts = live.parts.clone();
        parts.push(Arc::new(part));
        self.replace(live, parts, live.epoch);
        Ok(())
    }

    /// Folds small memory parts, so that many small batches stay cheap to read.
    fn fold<H: Host>(&mut self, host: &Arc<H>, live: &mut Arc<Live<H>>) {
        loop {
            let free = self.free_tail(live, Medium::Memory);
            let parts = live.parts.get(free.clone()).unwrap_or_default();
            let weights: Vec<u64> = parts.iter().map(|part| fold::weight(part)).collect();
            let Some(range) = fold::choose(&weights) else {
                return;
            };
            let inputs = parts.get(range.clone()).unwrap_or_default();
            let bytes = inputs.iter().map(|part| part.manifest().raw_bytes).sum();
            if check_memory(&**host, bytes).is_err() {
                return;
            }
            let number = self.take_part_number();
            // A fold only saves time: whatever hinders it, the parts just stay as they are.
            let Ok(part) = fold::run(host, inputs, number) else {
                let directory = part_directory(number, Medium::Memory);
                let _ = host.remove_files(&directory, Medium::Memory);
                return;
            };
            let inputs: Vec<u64> = inputs.iter().map(|part| part.number()).collect();
            let range = free.start + range.start..free.start + range.end;
            let mut parts = live.parts.clone();
            parts.splice(range, [Arc::new(part)]);
            self.obsolete.bury(live, &inputs, live.epoch);
            let ends = inputs
                .iter()
                .filter_map(|input| self.log_ends.remove(input));
            if let Some(end) = ends.max() {
                self.log_ends.insert(number, end);
            }
            self.replace(live, parts, live.epoch);
        }
    }

    /// Replays one log entry into a memory part. With `may_flush`, what was replayed before is flushed
    /// when memory runs out: a log may hold more than memory does.
    pub(crate) fn replay<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
        first_id: u64,
        batch: Batch<H::Columns>,
        log_end: u64,
        may_flush: bool,
    ) -> Result<()> {
        let checked = crate::batch::check(&**host, batch)?;
        if may_flush && check_memory(&**host, checked.size_bytes).is_err() {
            self.flush(host, live)?;
        }
        let end = first_id.checked_add(checked.keys.len() as u64);
        let least = live
            .parts
            .last()
            .map_or(0, |part| part.manifest().last_id.saturating_add(1));
        let (true, Some(end)) = (first_id >= least, end) else {
            return Err(Error::corrupt(format!(
                "log: an entry begins with element id {first_id}, at least {least} was expected"
            )));
        };
        // The snapshot may know of younger ids: those given while it was being written.
        self.next_id = self.next_id.max(end);
        self.add(host, live, first_id, &checked, log_end)?;
        self.fold(host, live);
        Ok(())
    }

    // ---- flush and merge ----

    /// Flushes at once, in this instance.
    pub(crate) fn flush<H: Host>(&mut self, host: &Arc<H>, live: &mut Arc<Live<H>>) -> Result<()> {
        match self.plan_flush(&**host, live)? {
            Some(job) => {
                let outcome = merge::run(host, live, &job)?;
                self.introduce(host, live, outcome)
            }
            None => Ok(()),
        }
    }

    /// Plans to fold all memory parts into one file part.
    pub(crate) fn plan_flush<H: Host>(&mut self, host: &H, live: &Live<H>) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host);
        let range = self.free_tail(live, Medium::Memory);
        let earlier = live.parts.iter().take(range.start);
        // While an older flush is under way the younger rows wait: the log is given up in order.
        let waits = earlier.clone().any(|part| part.medium() == Medium::Memory);
        if range.is_empty() || waits {
            return Ok(None);
        }
        Ok(Some(self.job(live, range, Retention::default())))
    }

    /// Plans a merge of file parts; see `index.plan-merge`.
    pub(crate) fn plan_merge<H: Host>(
        &mut self,
        host: &H,
        live: &Live<H>,
        choice: Choice,
        retention: Option<Retention>,
    ) -> Result<Option<Job>> {
        self.check_alive()?;
        self.remove_obsolete(host);
        let mut stretches = self.stretches(live).into_iter();
        let range = match (choice, &retention) {
            (_, Some(rule)) => {
                self.begin_retention(rule);
                stretches.find(|stretch| !self.is_retained(live, stretch))
            }
            (Choice::All, None) => stretches.find(|stretch| stretch.len() > 1),
            (Choice::SimilarSize, None) => stretches.find_map(|stretch| {
                let parts = live.parts.get(stretch.clone()).unwrap_or_default();
                let sizes: Vec<u64> = parts
                    .iter()
                    .map(|part| part.manifest().size_bytes())
                    .collect();
                merge_policy::choose(&sizes)
                    .map(|range| stretch.start + range.start..stretch.start + range.end)
            }),
        };
        Ok(range.map(|range| self.job(live, range, retention.unwrap_or_default())))
    }

    fn is_busy(&self, number: u64) -> bool {
        self.jobs.values().any(|job| job.inputs.contains(&number))
    }

    /// The parts at the end of the list that are of one medium and belong to no job.
    fn free_tail<H: Host>(&self, live: &Live<H>, medium: Medium) -> std::ops::Range<usize> {
        let other = |part: &Arc<Part<H>>| part.medium() != medium || self.is_busy(part.number());
        let start = live
            .parts
            .iter()
            .rposition(other)
            .map_or(0, |index| index + 1);
        start..live.parts.len()
    }

    fn job<H: Host>(
        &mut self,
        live: &Live<H>,
        range: std::ops::Range<usize>,
        retention: Retention,
    ) -> Job {
        let parts = || live.parts.iter().skip(range.start).take(range.len());
        let job = Job {
            id: self.next_job,
            inputs: parts().map(|part| part.number()).collect(),
            output: self.take_part_number(),
            durable: true,
            drop_where: retention.drop_where,
            drop_below: retention.drop_below,
            rows: parts().map(|part| part.manifest().rows).sum(),
            space_bytes: space_bytes(parts().map(|part| part.manifest().size_bytes()).sum()),
            flush: parts().any(|part| part.medium() == Medium::Memory),
        };
        self.next_job += 1;
        self.jobs.insert(job.id, job.clone());
        job
    }

    pub(crate) fn take_part_number(&mut self) -> u64 {
        let number = self.next_part;
        self.next_part += 1;
        number
    }

    /// Puts the output of a job in place of its inputs.
    pub(crate) fn introduce<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
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
        let first = job.inputs.first().copied();
        let at = live
            .parts
            .iter()
            .position(|part| Some(part.number()) == first);
        let at = at.ok_or_else(|| Error::invalid(format!("job {} lost its inputs", job.id)))?;
        let output = outcome::open_output(host, live, &outcome)?;
        let mut parts = live.parts.clone();
        parts.splice(at..at + job.inputs.len(), output);
        let log_end = job
            .inputs
            .iter()
            .filter_map(|input| self.log_ends.get(input))
            .max()
            .copied();
        let published = self.publish(host, live, &parts, log_end);
        self.poison_on_error(published)?;
        let epoch = live.epoch + 1;
        self.obsolete.bury(live, &job.inputs, epoch);
        for input in &job.inputs {
            self.log_ends.remove(input);
        }
        self.jobs.remove(&job.id);
        self.note_retained(job);
        self.replace(live, parts, epoch);
        self.clean(&**host, live);
        self.remove_obsolete(&**host);
        Ok(())
    }

    /// Makes the file parts of a list durable as the next epoch.
    fn publish<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &Live<H>,
        parts: &[Arc<Part<H>>],
        log_end: Option<u64>,
    ) -> Result<()> {
        let log_position = self.log_position.max(log_end.unwrap_or(0));
        self.snapshot(live.epoch + 1, parts, log_position, &live.quarantined)
            .publish(&**host)?;
        self.log_position = log_position;
        Ok(())
    }

    /// The snapshot of a part list.
    pub(crate) fn snapshot<H: Host>(
        &self,
        epoch: u64,
        parts: &[Arc<Part<H>>],
        log_position: u64,
        quarantined: &[Quarantined],
    ) -> Snapshot {
        let files = parts.iter().filter(|part| part.medium() == Medium::Durable);
        Snapshot {
            epoch,
            parts: files.map(|part| part.name()).collect(),
            log_position,
            next_element_id: self.next_id,
            next_part: self.next_part,
            quarantined: quarantined.to_vec(),
        }
    }

    /// Removes what the newest snapshot made superfluous. What cannot be removed now is harmless, and
    /// goes with the next epoch or opening.
    pub(crate) fn clean<H: Host>(&mut self, host: &H, live: &Live<H>) {
        self.clean_parts(host, live);
        let _ = host.drop_log_before(self.log_position);
    }

    /// As [`clean`](Self::clean), but leaves the log.
    pub(crate) fn clean_parts<H: Host>(&mut self, host: &H, live: &Live<H>) {
        self.obsolete.forget_snapshots(host, live.epoch);
    }

    /// Everything in the log before a position is in the parts, or lost.
    pub(crate) fn absorb_log(&mut self, position: u64) {
        self.log_position = self.log_position.max(position);
    }

    /// Gives up a job and removes what it wrote.
    pub(crate) fn abandon<H: Host>(&mut self, host: &H, job: &Job) -> Result<()> {
        // After a publish that failed in doubt, the newest snapshot may name the output.
        let planned = self.jobs.remove(&job.id);
        self.salvages.remove(&job.id);
        // What is removed is what was planned: the caller might name a live part.
        let (Some(job), None) = (planned, &self.poisoned) else {
            return Ok(());
        };
        let directory = part_directory(job.output, Medium::Durable);
        host.remove_files(&directory, Medium::Durable)
    }

    fn replace<H: Host>(&self, live: &mut Arc<Live<H>>, parts: Vec<Arc<Part<H>>>, epoch: u64) {
        let (version, quarantined) = (live.version + 1, live.quarantined.clone());
        *live = Arc::new(Live {
            version,
            epoch,
            parts,
            quarantined,
            unreadable: Vec::new(),
        });
    }

    /// Removes parts that left the list and that no reader can need.
    pub(crate) fn remove_obsolete<H: Host>(&mut self, host: &H) {
        self.obsolete.remove(host);
    }

    /// Notes a part that an earlier process left and a reader in another one may still need.
    pub(crate) fn inherit<H: Host>(&mut self, live: &Live<H>, number: u64) {
        self.obsolete.inherit(live, number);
    }

    /// Publishes the part list with another list of what was set aside.
    pub(crate) fn publish_quarantine<H: Host>(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<Live<H>>,
        quarantined: Vec<Quarantined>,
    ) -> Result<()> {
        let (version, epoch) = (live.version, live.epoch);
        let parts = live.parts.clone();
        *live = Arc::new(Live {
            version,
            epoch,
            parts,
            quarantined,
            unreadable: Vec::new(),
        });
        let parts = live.parts.clone();
        self.publish(host, live, &parts, None)?;
        self.replace(live, parts, epoch + 1);
        self.clean(&**host, live);
        Ok(())
    }
}

/// Bytes that the output of a job may take, at most: that of its inputs, and room for the membership
/// filters that parts in memory lack.
fn space_bytes(input_bytes: u64) -> u64 {
    input_bytes
        .saturating_add(input_bytes / 4)
        .saturating_add(64 << 10)
}

/// Raw bytes of the parts that are only in memory.
pub(crate) fn memory_bytes<H: Host>(live: &Live<H>) -> u64 {
    let memory = live
        .parts
        .iter()
        .filter(|part| part.medium() == Medium::Memory);
    memory.map(|part| part.manifest().size_bytes()).sum()
}
