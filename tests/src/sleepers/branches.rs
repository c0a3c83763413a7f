//! Branches that were made: what each of them must show, whatever becomes of what it was made of.

use std::collections::BTreeSet;
use std::ops::Range;

use super::record::{Fate, Horizon, Record};
use crate::model::Found;

/// A branch, which one actor alone uses.
pub struct Branched {
    /// Its name in the store.
    pub name: String,
    /// From when on it was made; none where it was made of another branch.
    pub horizon: Option<Horizon>,
    /// Keys that it began with, where somebody has seen them.
    pub base: Option<BTreeSet<i64>>,
    /// Batches that were written to it.
    pub own: Vec<(Range<i64>, Fate)>,
    /// Whether it was made, and not dropped since.
    pub there: Fate,
}

/// Number of a branch.
pub type Number = usize;

impl Branched {
    /// One that is about to be made.
    pub fn begun(name: String, horizon: Option<Horizon>) -> Self {
        Self {
            name,
            horizon,
            base: None,
            own: Vec::new(),
            there: Fate::Unknown,
        }
    }

    /// Keys that must be there, and batches of which nobody knows.
    fn expected(&self) -> (BTreeSet<i64>, Vec<Range<i64>>) {
        let mut keys = self.base.clone().unwrap_or_default();
        let mut unknown = Vec::new();
        for (batch, fate) in &self.own {
            match fate {
                Fate::Acknowledged => keys.extend(batch.clone()),
                Fate::Unknown => unknown.push(batch.clone()),
                Fate::Refused => {}
            }
        }
        (keys, unknown)
    }

    fn judge(&self, mut found: BTreeSet<i64>) -> Result<(), String> {
        let (expected, unknown) = self.expected();
        for batch in unknown {
            if batch.clone().all(|key| found.contains(&key)) {
                found.retain(|key| !batch.contains(key));
            }
        }
        match found == expected {
            true => Ok(()),
            false => {
                let name = &self.name;
                Err(format!(
                    "branch {name} has {found:?} in place of {expected:?}"
                ))
            }
        }
    }
}

/// All branches of a run.
#[derive(Default)]
pub struct Branches {
    /// Those that were begun.
    pub all: Vec<Branched>,
}

impl Branches {
    /// Judges what a branch shows. What it began with is found out the first time: that is what the index may
    /// have shown to a reader while it was made, or exactly what the branch had of which it was made.
    pub fn judge(
        &mut self,
        record: &mut Record,
        number: Number,
        found: &[Found],
        is_sure: bool,
    ) -> Result<(), String> {
        let keys = record.keys_of(found)?;
        if self.all[number].base.is_none() {
            let own = self.all[number].own.clone();
            let is_own = |row: &&Found| own.iter().any(|(batch, _)| batch.contains(&row.key));
            let base: Vec<Found> = found.iter().filter(|row| !is_own(row)).cloned().collect();
            if let Some(horizon) = self.all[number].horizon.take() {
                let judged = record.judge(&horizon, &[], &base, is_sure);
                judged.map_err(|what| format!("branch {}: {what}", self.all[number].name))?;
                self.all[number].horizon = Some(horizon);
            }
            self.all[number].base = Some(base.iter().map(|row| row.key).collect());
        }
        self.all[number].judge(keys)
    }

    /// A branch is about to be made of the index, or of another branch.
    pub fn begin(&mut self, record: &mut Record, name: String, of: Option<Number>) -> Number {
        let branch = match of {
            None => {
                let horizon = record.horizon();
                Branched::begun(name, Some(horizon))
            }
            Some(of) => {
                let of = &self.all[of];
                Branched {
                    base: of.base.clone(),
                    own: of.own.clone(),
                    ..Branched::begun(name, None)
                }
            }
        };
        self.all.push(branch);
        self.all.len() - 1
    }

    /// It was made, or was not.
    pub fn end(&mut self, record: &mut Record, number: Number, fate: Fate) {
        self.all[number].there = fate;
        if let Some(mut horizon) = self.all[number].horizon.take() {
            record.settle(&mut horizon);
            self.all[number].horizon = Some(horizon);
        }
    }
}
