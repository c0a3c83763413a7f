//! The labels of a part that is being written: those of a batch, of the series that stay of parts that are
//! merged, or what can be read of a damaged part.

use super::{Labels, has_any, of, page, readable};
use crate::error::{OrDamage, Result};
use crate::host::Host;
use crate::part::facet::{FacetMade, FacetPart, FacetTarget, FacetWriter, NewRows, Origin};

/// Labels that go into a part.
pub(super) struct LabelWriter<'a, H: Host> {
    kept: Labels,
    /// Labels of the parts that are merged whose series were not written yet.
    known: Labels,
    /// Parts beside those that may know labels which they lack.
    advisers: Vec<FacetPart<'a, H>>,
    /// All parts beside those, whose rows may need labels that they lack.
    others: Vec<FacetPart<'a, H>>,
    is_lossy: bool,
}

impl<'a, H: Host> LabelWriter<'a, H> {
    pub(super) fn new(origin: Origin<'a, H>) -> Result<Self> {
        let mut writer = Self {
            kept: Labels::new(),
            known: Labels::new(),
            advisers: Vec::new(),
            others: Vec::new(),
            is_lossy: false,
        };
        match origin {
            Origin::Batch(batch) => writer.kept = batch.labels.clone(),
            Origin::Merge { inputs, others } => writer.merge(&inputs, &others)?,
            Origin::Salvage(part) => {
                let (labels, damage) = readable(part.part)?;
                writer.kept = labels;
                writer.is_lossy = !damage.is_empty();
            }
        }
        Ok(writer)
    }

    fn merge(&mut self, inputs: &[FacetPart<'a, H>], others: &[FacetPart<'a, H>]) -> Result<()> {
        let mut is_bare = false;
        for part in inputs {
            let labels = of(part.part)?;
            is_bare |= (labels.len() as u64) < part.part.summary().series;
            self.known
                .extend(labels.iter().map(|(id, label)| (*id, label.clone())));
        }
        self.others = others.to_vec();
        // A series may have been written by its number only. A part so comes to know the labels of all its
        // series, as far as there are any, and older parts can be dropped without taking them along.
        for part in others.iter().filter(|_| is_bare) {
            // What is damaged elsewhere does not stop this job.
            if has_any(part.part) && of(part.part).or_damage()?.is_ok() {
                self.advisers.push(*part);
            }
        }
        Ok(())
    }

    /// Keeps the labels of series of which no row was written, because all died, where rows elsewhere that
    /// were written by their number may need them. What cannot be read may.
    fn keep_for_others(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let is_bare = |part: &FacetPart<'_, H>| {
            let labels = of(part.part).map(|labels| labels.len() as u64);
            labels.map_or(true, |labels| labels < part.part.summary().series)
        };
        if self.others.iter().any(is_bare) {
            self.kept.append(&mut self.known);
        }
    }

    /// Takes the labels of written series over, so that dropped series lose theirs.
    fn keep(&mut self, series: &[u64]) {
        if self.known.is_empty() && self.advisers.is_empty() {
            return;
        }
        for run in series.chunk_by(|one, other| one == other) {
            let Some(series) = run.first() else { continue };
            if let Some(found) = self.known.remove_entry(series) {
                self.kept.extend([found]);
            } else if !self.advisers.is_empty() && !self.kept.contains_key(series) {
                let known = |part: &FacetPart<'_, H>| of(part.part).ok()?.get(series).cloned();
                let found = self.advisers.iter().rev().find_map(known);
                self.kept.extend(found.map(|label| (*series, label)));
            }
        }
    }
}

impl<H: Host> FacetWriter<H> for LabelWriter<'_, H> {
    fn block(&mut self, _target: &FacetTarget<'_, H>, rows: &NewRows<'_>) -> Result<()> {
        self.keep(rows.series);
        Ok(())
    }

    fn finish(mut self: Box<Self>, target: &FacetTarget<'_, H>) -> Result<FacetMade> {
        self.keep_for_others();
        let mut roots = Vec::new();
        for page in page::encode(&self.kept) {
            roots.push(target.append(&page)?);
        }
        Ok(FacetMade {
            roots,
            state: Some(Box::new(self.kept)),
            is_lossy: self.is_lossy,
        })
    }
}
