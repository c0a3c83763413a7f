//! A part, and all parts of an index, as a facet reads them.

use super::{FacetName, FacetState};
use crate::error::{Error, Result};
use crate::host::{Extent, Host, PageSource};
use crate::part::Part;
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::column::PAYLOAD;
use crate::part::dead::Deaths;
use sidx_columns::Column;
use std::sync::Arc;

/// A part as a facet reads it.
pub struct FacetPart<'a, H: Host> {
    pub(crate) part: &'a Part<H>,
    name: FacetName,
}

impl<H: Host> Clone for FacetPart<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for FacetPart<'_, H> {}

impl<'a, H: Host> FacetPart<'a, H> {
    pub(crate) fn new(part: &'a Part<H>, name: FacetName) -> Self {
        Self { part, name }
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.part.summary().rows
    }

    /// The least and greatest arrival number that a row of it may have.
    #[must_use]
    pub fn arrivals(&self) -> (u64, u64) {
        let summary = self.part.summary();
        (summary.first_id, summary.last_id)
    }

    /// Where the roots of the facet lie; nowhere in a part that needs nothing of it.
    #[must_use]
    pub fn roots(&self) -> &'a [Extent] {
        self.part.facet_roots(self.name.name)
    }

    /// Reads pages of the facet, each by itself: damage of one is that of no other.
    ///
    /// # Errors
    /// Where the section cannot be opened; what is wrong with a page stands in its place.
    pub fn read(&self, pages: &[Extent]) -> Result<Vec<Result<Vec<u8>>>> {
        self.part.read_facet(self.name, pages)
    }

    /// What an instance keeps of the facet of this part, which `make` makes when it is first asked for.
    ///
    /// # Errors
    /// Those of `make`; `corrupt` where another type is kept.
    pub fn state<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<&'a T> {
        let wrong = || Error::corrupt(format!("{}: no such facet", self.part.path()));
        let slot = self.part.facet_state(self.name.name);
        let slot = slot.ok_or_else(wrong)?;
        if slot.get().is_none() {
            let made: FacetState = Box::new(make()?);
            let _ = slot.set(made);
        }
        let state = slot.get().and_then(|state| state.downcast_ref());
        state.ok_or_else(wrong)
    }

    /// What a message about the part says of where it is.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.part.path()
    }

    /// The payloads of some rows.
    ///
    /// # Errors
    /// Everything that reading may bring.
    pub fn payloads(&self, host: &H, rows: &[Ordinal]) -> Result<Column> {
        let mut source = PageSource {
            kind: PAYLOAD,
            pages: Vec::with_capacity(rows.len()),
            rows: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            let (frame, place, row) = self.part.row(*row)?;
            let open = frame.block(place);
            let open = open.ok_or_else(|| Error::corrupt("a block left its frame"))?;
            let (page, row) = open.payload_of(row, &mut 0);
            source.pages.push(page);
            source.rows.push(row);
        }
        let columns = host.gather(&[source.source()], None)?;
        host.read_column(&columns, 0)
    }
}

/// The parts of an index as a facet reads them, in order of age.
pub struct LiveParts<'a, H: Host> {
    pub(crate) parts: &'a [Arc<Part<H>>],
    deaths: &'a Deaths<H>,
    name: FacetName,
}

impl<'a, H: Host> LiveParts<'a, H> {
    pub(crate) fn new(parts: &'a [Arc<Part<H>>], deaths: &'a Deaths<H>, name: FacetName) -> Self {
        Self {
            parts,
            deaths,
            name,
        }
    }

    /// The parts.
    pub fn parts(&self) -> impl Iterator<Item = FacetPart<'a, H>> {
        let name = self.name;
        let parts = self.parts.iter();
        parts.map(move |part| FacetPart::new(part, name))
    }

    /// Those of some rows of a part, ascending, that are not dead.
    ///
    /// # Errors
    /// Everything that reading may bring; `corrupt` where damage keeps from being known who is dead.
    pub fn alive(&self, part: &FacetPart<'_, H>, rows: Vec<Ordinal>) -> Result<Vec<Ordinal>> {
        match self.deaths.of(part.part.number()) {
            Some(dead) if !rows.is_empty() => {
                dead.check_placed(part.part.number())?;
                dead.now.others(part.part, rows)
            }
            _ => Ok(rows),
        }
    }

    /// The arrival numbers of some rows of a part, in their order, where they are kept.
    ///
    /// # Errors
    /// Everything that reading may bring.
    pub fn arrivals(
        &self,
        host: &H,
        part: &FacetPart<'_, H>,
        rows: &[Ordinal],
    ) -> Result<Vec<u64>> {
        match rows.is_empty() {
            true => Ok(Vec::new()),
            false => arrival::of(host, part.part, rows),
        }
    }
}
