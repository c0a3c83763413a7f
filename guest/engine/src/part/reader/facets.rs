//! What a part has of its facets: roots, which the manifest lists, and pages that are read when they are
//! first asked for.

use super::Part;
use crate::error::Result;
use crate::host::{Extent, Host, Medium};
use crate::part::layout::FacetName;
use std::any::Any;
use std::sync::OnceLock;

/// What an instance keeps of a facet of a part.
pub type FacetState = Box<dyn Any + Send + Sync>;

/// What a part has of a facet.
pub(in crate::part) struct PartFacet {
    roots: Vec<Extent>,
    /// What this instance keeps of it.
    state: OnceLock<FacetState>,
}

impl PartFacet {
    pub(in crate::part) fn new(roots: Vec<Extent>) -> Self {
        let state = OnceLock::new();
        Self { roots, state }
    }

    /// The same for who knows what is in it.
    pub(in crate::part) fn known(roots: Vec<Extent>, state: Option<FacetState>) -> Self {
        let state = state.map_or_else(OnceLock::new, OnceLock::from);
        Self { roots, state }
    }
}

impl<H: Host> Part<H> {
    /// Where the roots of a facet lie; nowhere where the part needs nothing of it.
    pub(crate) fn facet_roots(&self, name: &str) -> &[Extent] {
        self.facets.get(name).map_or(&[], |facet| &facet.roots)
    }

    /// What an instance keeps of a facet; none of one that no part has.
    pub(in crate::part) fn facet_state(&self, name: &str) -> Option<&OnceLock<FacetState>> {
        self.facets.get(name).map(|facet| &facet.state)
    }

    /// Reads pages of a facet, each by itself.
    pub(crate) fn read_facet(
        &self,
        name: FacetName,
        pages: &[Extent],
    ) -> Result<Vec<Result<Vec<u8>>>> {
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        let file = match self.medium {
            Medium::Memory => self.host.open_file(&self.path)?,
            Medium::Durable => self.open_section(name.section, name.kind)?,
        };
        let read = pages.iter().map(|page| self.page_bytes(file, *page));
        let read = read.collect();
        self.host.close_file(file);
        Ok(read)
    }
}
