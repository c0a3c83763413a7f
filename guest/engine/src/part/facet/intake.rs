//! All facets of an index, and a batch on its way in.

use super::{FacetIntake, FacetName, Facets, LiveParts, NewBatch};
use crate::error::Result;
use crate::host::Host;

/// What the facets of an index know of it as a whole. It belongs to who writes the index.
pub(crate) struct Intake<H: Host>(Vec<(FacetName, Box<dyn FacetIntake<H>>)>);

impl<H: Host> Intake<H> {
    pub(crate) fn of(facets: &Facets<H>) -> Self {
        let facets = facets.iter();
        Self(facets.map(|it| (it.name(), it.intake())).collect())
    }

    /// Lets all facets look at a batch before it is logged, each at the parts as `live` gives it them: the
    /// arrival numbers of rows that die by it, ascending.
    pub(crate) fn accept<'l>(
        &mut self,
        host: &H,
        live: impl Fn(FacetName) -> LiveParts<'l, H>,
        batch: &NewBatch<'_, H>,
    ) -> Result<Vec<u64>>
    where
        H: 'l,
    {
        let mut died = Vec::new();
        for (name, facet) in &mut self.0 {
            died.extend(facet.accept(host, &live(*name), batch)?);
        }
        died.sort_unstable();
        died.dedup();
        Ok(died)
    }

    /// The batch that they looked at last will be logged.
    pub(crate) fn keep(&mut self) {
        self.0.iter_mut().for_each(|(_, facet)| facet.keep());
    }

    /// The batches that were kept are in parts.
    pub(crate) fn added(&mut self) {
        self.0.iter_mut().for_each(|(_, facet)| facet.added());
    }

    /// Batches that were kept were never logged.
    pub(crate) fn forget(&mut self) {
        self.0.iter_mut().for_each(|(_, facet)| facet.forget());
    }

    /// By how much the counters in the snapshot grow with a batch.
    pub(crate) fn counts(&self, rows: u64, died: u64) -> impl Iterator<Item = (&'static str, u64)> {
        let facets = self.0.iter();
        let counts = facets.map(move |(name, facet)| (name.name, facet.counts(rows, died)));
        counts.filter(|(_, count)| *count > 0)
    }
}
