//! Labels on their way through a merge: those of the series that stay, and no others.

use crate::error::{OrDamage, Result};
use crate::host::Host;
use crate::part::Part;
use crate::part::PartList;
use crate::part::labels::Labels;
use std::sync::Arc;

/// What is known of labels while a part is being written.
pub(super) struct MergedLabels<H: Host> {
    /// Labels of the inputs whose series were not written yet.
    known: Labels,
    kept: Labels,
    /// Parts beside the inputs that may know labels which the inputs lack.
    advisers: Vec<Arc<Part<H>>>,
}

impl<H: Host> MergedLabels<H> {
    pub(super) fn new(live: &PartList<H>, inputs: &[Arc<Part<H>>]) -> Result<Self> {
        let mut known = Labels::new();
        let mut is_bare = false;
        for part in inputs {
            let labels = part.labels()?;
            is_bare |= (labels.len() as u64) < part.summary().series;
            known.extend(labels.iter().map(|(id, label)| (*id, label.clone())));
        }
        Ok(Self {
            known,
            kept: Labels::new(),
            // A series may have been written by its number only.
            advisers: if is_bare {
                advisers(live, inputs)?
            } else {
                Vec::new()
            },
        })
    }

    /// Takes the labels of written series over, so that dropped series lose theirs.
    pub(super) fn keep(&mut self, series: &[u64]) {
        if self.known.is_empty() && self.advisers.is_empty() {
            return;
        }
        for run in series.chunk_by(|one, other| one == other) {
            let Some(series) = run.first() else { continue };
            if let Some(found) = self.known.remove_entry(series) {
                self.kept.extend([found]);
            } else if !self.advisers.is_empty() && !self.kept.contains_key(series) {
                let known = |part: &Arc<Part<H>>| part.labels().ok()?.get(series).cloned();
                let found = self.advisers.iter().rev().find_map(known);
                self.kept.extend(found.map(|label| (*series, label)));
            }
        }
    }

    pub(super) fn kept(&self) -> &Labels {
        &self.kept
    }
}

/// The other parts of the list that have labels. A part so comes to know the labels of all its series, as far
/// as there are any, and older parts can be dropped without taking them along.
fn advisers<H: Host>(live: &PartList<H>, inputs: &[Arc<Part<H>>]) -> Result<Vec<Arc<Part<H>>>> {
    let mut advisers = Vec::new();
    for part in &live.parts {
        let is_input = inputs.iter().any(|input| input.number() == part.number());
        if is_input || !part.summary().has_labels {
            continue;
        }
        // What is damaged elsewhere does not stop this job.
        if part.labels().or_damage()?.is_ok() {
            advisers.push(Arc::clone(part));
        }
    }
    Ok(advisers)
}
