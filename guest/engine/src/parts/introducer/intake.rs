//! Batches on their way in: room, ids, log, parts in memory.

use super::deaths::Located;
use super::{Died, Introducer};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, LogDurability, Medium};
use crate::merge::fold;
use crate::ordered::batch::{self, Checked, write_header};
use crate::part::Part;
use crate::part::PartList;
use crate::part::facet::{Facets, Intake};
use crate::part::name::PartName;
use crate::parts::pressure::{Demand, Levels, check_memory, check_room};
use crate::parts::unflushed::Unflushed;
use crate::types::{Batch, Durability, Receipt, Written};
use std::sync::Arc;

/// A batch that was accepted, and is not in the log yet.
struct Accepted<C> {
    first_id: u64,
    batch: Checked<C>,
    /// The arrival numbers of the rows that die by it, ascending.
    died: Vec<u64>,
    /// Where those of them are that were there before.
    located: Located,
}

impl<H: Host> Introducer<H> {
    /// Adds batches in order; see `index.write`.
    pub(crate) fn write(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        batches: Vec<Batch<H::Columns>>,
    ) -> Result<Written> {
        self.check_alive()?;
        match self.take_over(host, live) {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                let receipts = batches.iter().map(|_| Err(error.clone())).collect();
                return Ok(self.written(&**host, live, receipts));
            }
            taken => taken?,
        }
        if self.garbage.is_worth_removing() {
            self.remove_obsolete(&**host, live);
        }
        let first_id = self.next_id;
        let mut receipts = Vec::with_capacity(batches.len());
        let mut accepted = Vec::new();
        let mut promised = Demand::default();
        for batch in batches {
            match self.accept(&**host, live, batch, (promised, first_id)) {
                Ok((receipt, batch, demand)) => {
                    promised = demand;
                    accepted.push(batch);
                    receipts.push(Ok(receipt));
                }
                Err(error) => receipts.push(Err(error)),
            }
        }
        if !accepted.is_empty() {
            match self.log(&**host, live, &accepted) {
                Ok(log_end) => {
                    let added = self.add_all(host, live, accepted, log_end);
                    self.poison_on_error(added)?;
                    self.intake(live).added();
                }
                // Nothing of it counts, and the log goes on: the batches were never here.
                Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                    self.next_id = first_id;
                    self.intake(live).forget();
                    for receipt in receipts.iter_mut().filter(|receipt| receipt.is_ok()) {
                        *receipt = Err(error.clone());
                    }
                }
                Err(error) => self.poison_on_error(Err(error))?,
            }
        }
        Ok(self.written(&**host, live, receipts))
    }

    /// What came of a write.
    fn written(&self, host: &H, live: &PartList<H>, receipts: Vec<Result<Receipt>>) -> Written {
        let view = self.view(live);
        let levels = Levels::of(&host.usage(), view.flush_need);
        Written {
            receipts,
            memory_bytes: live.memory_bytes(),
            pressure: levels.highest(),
            delay_ms: levels.delay_ms,
            view,
        }
    }

    /// Checks a batch and gives it its ids. `promised` is what batches of the same call need, which is
    /// returned with what this one needs; rows from `first_new` on are theirs.
    fn accept(
        &mut self,
        host: &H,
        live: &PartList<H>,
        batch: Batch<H::Columns>,
        (promised, first_new): (Demand, u64),
    ) -> Result<(Receipt, Accepted<H::Columns>, Demand)> {
        let checked = batch::check(host, batch)?;
        if live.facets.keep_arrivals() && checked.durability == Durability::None {
            return Err(Error::invalid(
                "rows of this index may replace others, which its log must tell: write with os or sync",
            ));
        }
        let columns = self.unflushed.new_columns(&checked.names, &checked.kinds);
        let demand = promised.and(Demand::of(checked.size_bytes, columns, self.form));
        check_room(&host.usage(), self.flush_need(live), demand)?;
        let rows = u32::try_from(checked.keys.len())
            .map_err(|_| Error::invalid("the batch has more rows than 32 bits count; split it"))?;
        let next_id = self.next_id;
        let end = next_id.checked_add(u64::from(rows));
        let end = end.ok_or_else(|| Error::invalid("element ids are used up"))?;
        let parts = |name| live.of_facet(name);
        let batch = checked.of_facets(next_id);
        let died = self.intake(live).accept(host, parts, &batch)?;
        let older = died.partition_point(|arrival| *arrival < first_new);
        let located = Located::find(host, live, died.get(..older).unwrap_or_default())?;
        let demand = demand.and(located.demand);
        check_room(&host.usage(), self.flush_need(live), demand)?;
        self.intake(live).keep();
        let receipt = Receipt {
            first_id: self.next_id,
            rows,
        };
        self.next_id = end;
        let accepted = Accepted {
            first_id: receipt.first_id,
            batch: checked,
            died,
            located,
        };
        Ok((receipt, accepted, demand))
    }

    /// What facets know of the whole index.
    fn intake(&mut self, live: &PartList<H>) -> &mut Intake<H> {
        self.intake.get_or_insert_with(|| Intake::of(&live.facets))
    }

    /// Appends batches to the log, as far as they want that, and returns where it ends then.
    fn log(&self, host: &H, live: &PartList<H>, accepted: &[Accepted<H::Columns>]) -> Result<u64> {
        let logged: Vec<&Accepted<H::Columns>> = accepted
            .iter()
            .filter(|it| it.batch.durability != Durability::None)
            .collect();
        if logged.is_empty() {
            let ends = self.log_ends.values().copied();
            return Ok(ends.max().unwrap_or(self.log_position));
        }
        let headers: Vec<Vec<u8>> = logged
            .iter()
            .map(|it| write_header(&it.batch, it.first_id, &it.died))
            .collect();
        let columns: Vec<&H::Columns> = logged.iter().map(|it| &it.batch.columns).collect();
        let sync = logged
            .iter()
            .any(|it| it.batch.durability == Durability::Sync);
        let durability = if sync {
            LogDurability::Sync
        } else {
            LogDurability::Os
        };
        let end = host.append_log(&headers, &columns, durability)?;
        self.look(host, live)?;
        Ok(end)
    }

    fn add_all(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        accepted: Vec<Accepted<H::Columns>>,
        log_end: u64,
    ) -> Result<()> {
        let (mut died, mut located) = (Died::new(), Located::default());
        let first_new = accepted.first().map_or(u64::MAX, |first| first.first_id);
        for one in accepted {
            self.add(host, live, one.first_id, &one.batch, log_end)?;
            let rows = one.batch.keys.len() as u64;
            self.count(live, log_end, rows, one.died.len() as u64);
            died.extend(one.died.iter().map(|arrival| (*arrival, log_end)));
            located.add(one.located);
        }
        self.let_die(host, live, (located, first_new), &died)?;
        self.fold(host, live);
        Ok(())
    }

    /// Counts a batch, whose entry of the log ends at a position, and by which so many rows died.
    pub(crate) fn count(&mut self, live: &PartList<H>, position: u64, rows: u64, died: u64) {
        if !live.facets.keep_arrivals() {
            return;
        }
        let counts: Vec<_> = self.intake(live).counts(rows, died).collect();
        for (name, count) in counts {
            self.counters.add(position, name, count);
        }
    }

    /// Makes a memory part of a batch and puts it at the end of the list.
    fn add(
        &mut self,
        host: &Arc<H>,
        live: &mut Arc<PartList<H>>,
        first_id: u64,
        batch: &Checked<H::Columns>,
        log_end: u64,
    ) -> Result<()> {
        let number = self.take_part_number();
        let part = batch::part::write(host, &live.facets, number, first_id, batch)?;
        self.log_ends.insert(number, log_end);
        self.unflushed.add(&part);
        let mut parts = live.parts.clone();
        parts.push(Arc::new(part));
        self.replace(live, parts, live.epoch);
        Ok(())
    }

    /// Folds small memory parts, so that many small batches stay cheap to read.
    pub(crate) fn fold(&mut self, host: &Arc<H>, live: &mut Arc<PartList<H>>) {
        loop {
            let free = self.free_tail(live, Medium::Memory);
            let tail = live.parts.get(free.clone()).unwrap_or_default();
            let Some((range, part)) = self.fold_some(host, &live.facets, tail) else {
                return;
            };
            let range = free.start + range.start..free.start + range.end;
            let mut parts = live.parts.clone();
            let part = Arc::new(part);
            let inputs: Vec<u64> = { parts.splice(range, [Arc::clone(&part)]) }
                .map(|input| input.number())
                .collect();
            // Whatever hinders it, as before.
            let folded = self.deaths_folded(host, live, &inputs, &part, parts);
            let Ok(next) = folded else {
                if let Some(end) = self.log_ends.remove(&part.number()) {
                    let ends = inputs.iter().map(|input| (*input, end));
                    self.log_ends.extend(ends);
                }
                let path = part.name().path(Medium::Memory);
                drop(part);
                let _ = host.remove_files(&path, Medium::Memory);
                return;
            };
            self.garbage.bury(live, &inputs, |_| live.epoch, live.epoch);
            self.put_in_memory(live, next);
        }
    }

    /// Folds some neighbours of a list of memory parts, if that is worth it: which they are, and the part
    /// that takes their place.
    pub(crate) fn fold_some(
        &mut self,
        host: &Arc<H>,
        facets: &Facets<H>,
        parts: &[Arc<Part<H>>],
    ) -> Option<(std::ops::Range<usize>, Part<H>)> {
        let weights: Vec<u64> = parts.iter().map(|part| fold::weight(part)).collect();
        let range = fold::choose(&weights)?;
        let inputs = parts.get(range.clone()).unwrap_or_default();
        let bytes = inputs.iter().map(|part| part.summary().raw_bytes).sum();
        check_memory(&**host, bytes).ok()?;
        let number = self.take_part_number();
        // A fold only saves time: whatever hinders it, the parts just stay as they are.
        let Ok(part) = fold::run(host, facets, inputs, number) else {
            let path = PartName::in_memory(number).path(Medium::Memory);
            let _ = host.remove_files(&path, Medium::Memory);
            return None;
        };
        let ends = inputs
            .iter()
            .filter_map(|input| self.log_ends.remove(&input.number()));
        if let Some(end) = ends.max() {
            self.log_ends.insert(number, end);
        }
        Some((range, part))
    }

    /// Notes that a memory part holds the rows of a log entry up to an element id.
    pub(crate) fn replayed(&mut self, number: u64, end_id: u64, log_end: u64) {
        // The snapshot may know of younger ids: those given while it was being written.
        self.next_id = self.next_id.max(end_id);
        self.log_ends.insert(number, log_end);
    }

    /// Puts replayed parts at the end of the list.
    pub(crate) fn append_replayed(
        &mut self,
        live: &mut Arc<PartList<H>>,
        replayed: &mut Vec<Arc<Part<H>>>,
    ) {
        let mut parts = live.parts.clone();
        parts.append(replayed);
        self.unflushed = Unflushed::of(&parts);
        self.replace(live, parts, live.epoch);
    }
}
