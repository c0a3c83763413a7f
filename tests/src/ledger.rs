//! What was written to an index and how much of it was promised to survive: the judge of what is
//! found after a crash.

use std::collections::HashSet;

use sidx_host::Durability;

use crate::model::{Found, Model, Row};
use crate::simulated_disk::Crash;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    batches: Vec<Batch>,
    /// Rows with smaller keys are being dropped, part by part, and nobody knows how far that came.
    dropping_below: Option<i64>,
}

#[derive(Clone, Debug)]
struct Batch {
    rows: Vec<Row>,
    durability: Durability,
    survives: Survives,
    /// Whether it may be missing now.
    doubtful: bool,
}

/// What a batch was promised to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Survives {
    Nothing,
    Kill,
    Power,
}

impl Ledger {
    /// Notes a batch that is about to be written. Payloads must be unique over all batches.
    pub fn begin(&mut self, rows: &[Row], durability: Durability) {
        self.batches.push(Batch {
            rows: rows.to_vec(),
            durability,
            survives: Survives::Nothing,
            doubtful: true,
        });
    }

    /// The batch begun last was acknowledged.
    pub fn acknowledge(&mut self) {
        let Some(last) = self.batches.last_mut() else {
            return;
        };
        last.doubtful = false;
        last.survives = match last.durability {
            Durability::None => Survives::Nothing,
            Durability::Os => Survives::Kill,
            Durability::Sync => Survives::Power,
        };
        if last.durability == Durability::Sync {
            // The log reaches the medium in order.
            for batch in &mut self.batches {
                if batch.durability != Durability::None && !batch.doubtful {
                    batch.survives = Survives::Power;
                }
            }
        }
    }

    /// The batch begun last was refused before anything of it was written.
    pub fn refused(&mut self) {
        self.batches.pop();
    }

    /// A flush was acknowledged.
    pub fn flushed(&mut self) {
        for batch in self.batches.iter_mut().filter(|batch| !batch.doubtful) {
            batch.survives = Survives::Power;
        }
    }

    /// Rows with smaller keys are about to be dropped.
    pub fn begin_drop(&mut self, below: i64) {
        self.dropping_below = Some(below);
    }

    /// They were, which begins with a flush.
    pub fn dropped(&mut self) {
        self.flushed();
        if let Some(below) = self.dropping_below.take() {
            self.drop_rows(below);
        }
    }

    fn drop_rows(&mut self, below: i64) {
        for batch in &mut self.batches {
            batch.rows.retain(|row| row.key >= below);
        }
    }

    /// The machine came to its end.
    pub fn crashed(&mut self, crash: Crash) {
        let needed = match crash {
            Crash::Kill => Survives::Kill,
            Crash::Power => Survives::Power,
        };
        for batch in &mut self.batches {
            batch.doubtful |= batch.survives < needed;
        }
    }

    /// The rows that must be in the index, and what a batch that is not may bring along.
    pub fn certain_rows(&self) -> usize {
        let certain = self.batches.iter().filter(|batch| !batch.doubtful);
        certain.map(|batch| batch.rows.len()).sum()
    }

    /// Judges what an index shows now. The model that it must agree with in everything, or what is
    /// wrong with it.
    pub fn judge(&self, found: &[Found]) -> Result<Model, String> {
        self.judged(found).map(|ledger| ledger.model())
    }

    /// Judges what another reader of the index shows, who sees nothing that is only in memory.
    pub fn judge_reader(&self, found: &[Found]) -> Result<(), String> {
        let mut ledger = self.clone();
        for batch in &mut ledger.batches {
            batch.doubtful |= batch.survives == Survives::Nothing;
        }
        ledger.judge(found).map(|_| ())
    }

    /// Judges what was found after an opening for writing, which brings everything to the medium, so
    /// that from now on exactly that is certain.
    pub fn settle(&mut self, found: &[Found]) -> Result<Model, String> {
        let mut ledger = self.judged(found)?;
        for batch in &mut ledger.batches {
            batch.survives = Survives::Power;
        }
        *self = ledger;
        Ok(self.model())
    }

    /// The ledger of what is there. Of rows that were being dropped any may be gone.
    fn judged(&self, found: &[Found]) -> Result<Ledger, String> {
        let mut ledger = self.clone();
        if let Some(below) = ledger.dropping_below.take() {
            let payloads = payloads(found);
            for batch in &mut ledger.batches {
                let is_kept = |row: &Row| row.key >= below || payloads.contains(&row.payload[..]);
                batch.rows.retain(is_kept);
            }
        }
        ledger.without_missing(found)
    }

    fn without_missing(mut self, found: &[Found]) -> Result<Ledger, String> {
        let payloads = payloads(found);
        let is_there = |row: &Row| payloads.contains(row.payload.as_slice());
        let mut hole = None;
        for (at, batch) in self.batches.iter().enumerate() {
            let there = batch.rows.iter().filter(|row| is_there(row)).count();
            if there != batch.rows.len() && !(there == 0 && batch.doubtful) {
                let (rows, survives) = (batch.rows.len(), batch.survives);
                return Err(format!(
                    "of batch {at}, written with {:?} and promised to survive {survives:?}, {there} of \
                     {rows} rows are there",
                    batch.durability
                ));
            }
            let is_logged = batch.durability != Durability::None;
            if is_logged && there == 0 && !batch.rows.is_empty() {
                hole.get_or_insert(at);
            }
            if let Some(hole) = hole
                && is_logged
                && there > 0
            {
                return Err(format!(
                    "batch {at} is there, batch {hole} before it is not"
                ));
            }
        }
        self.batches
            .retain(|batch| batch.rows.is_empty() || batch.rows.iter().any(is_there));
        for batch in &mut self.batches {
            batch.doubtful = false;
        }
        let mut wanted = self.model().dump();
        let mut sorted = found.to_vec();
        wanted.sort_unstable();
        sorted.sort_unstable();
        if wanted != sorted {
            let extra: Vec<_> = sorted.iter().filter(|row| !wanted.contains(row)).collect();
            let (rows, expected) = (sorted.len(), wanted.len());
            return Err(format!(
                "{rows} rows are there, {expected} were written; not written so: {extra:?}"
            ));
        }
        Ok(self)
    }

    fn model(&self) -> Model {
        let mut model = Model::default();
        for batch in &self.batches {
            model.write(&batch.rows);
        }
        model
    }
}

fn payloads(found: &[Found]) -> HashSet<&[u8]> {
    let payloads = found.iter().filter_map(|row| row.payload.as_deref());
    payloads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Query;

    fn batch(name: &str) -> Vec<Row> {
        vec![
            Row::new(1, 1, format!("{name}1")),
            Row::new(1, 5, format!("{name}5")),
        ]
    }

    fn found(batches: &[&[Row]]) -> Vec<Found> {
        let mut model = Model::default();
        batches.iter().for_each(|rows| model.write(rows));
        model.query(&Query::default())
    }

    #[test]
    fn what_was_promised_must_be_there_and_the_rest_whole_or_not() {
        let (a, b, c) = (batch("a"), batch("b"), batch("c"));
        let mut ledger = Ledger::default();
        ledger.begin(&a, Durability::Sync);
        ledger.acknowledge();
        ledger.begin(&b, Durability::Os);
        ledger.acknowledge();
        ledger.begin(&c, Durability::Os);
        ledger.crashed(Crash::Kill);
        assert!(ledger.judge(&found(&[&a, &b])).is_ok());
        assert!(ledger.judge(&found(&[&a, &b, &c])).is_ok());
        assert!(ledger.judge(&found(&[&a])).is_err(), "os survives a kill");
        assert!(ledger.judge(&found(&[&a, &b, &c[..1]])).is_err(), "half");
        assert!(ledger.judge(&found(&[&a, &b, &b])).is_err(), "twice");
        ledger.crashed(Crash::Power);
        assert!(ledger.judge(&found(&[&a])).is_ok());
        assert!(
            ledger.judge(&found(&[&a, &c])).is_err(),
            "a hole in the log"
        );
        assert!(ledger.judge(&found(&[&b])).is_err(), "sync survives all");
        ledger.settle(&found(&[&a, &b])).unwrap();
        ledger.crashed(Crash::Power);
        assert!(ledger.judge(&found(&[&a])).is_err(), "opening syncs");
        assert!(ledger.judge(&found(&[&a, &b, &c])).is_err(), "c came back");
    }

    #[test]
    fn a_drop_that_broke_off_took_some_of_its_rows_and_no_others() {
        let (a, b) = (batch("a"), batch("b"));
        let mut ledger = Ledger::default();
        for rows in [&a, &b] {
            ledger.begin(rows, Durability::Sync);
            ledger.acknowledge();
        }
        ledger.begin_drop(3);
        ledger.crashed(Crash::Power);
        assert!(ledger.judge(&found(&[&a, &b])).is_ok());
        assert!(ledger.judge(&found(&[&a[1..], &b[1..]])).is_ok());
        assert!(ledger.judge(&found(&[&a[1..], &b])).is_ok());
        assert!(
            ledger.judge(&found(&[&a[..1], &b])).is_err(),
            "one that stays"
        );
        assert!(ledger.judge(&found(&[&a])).is_err(), "another batch");
        ledger.dropped();
        assert!(ledger.judge(&found(&[&a[1..], &b[1..]])).is_ok());
        assert!(ledger.judge(&found(&[&a, &b])).is_err());
    }
}
