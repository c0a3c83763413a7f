//! Where a facet writes its pages: a section of a part in the store, made with its first page, or the one
//! file of a part in memory.

use super::FacetName;
use crate::error::{Error, Result};
use crate::host::{Codec, Extent, Host};
use crate::part::draft::Draft;
use std::cell::OnceCell;

/// Where the pages of the facets of a part go.
pub(in crate::part) enum FacetPlace<'a, H: Host> {
    /// The file of a part in memory.
    Memory(&'a H::NewFile),
    /// Sections of a part in the store.
    Store(&'a Draft<'a, H>),
}

impl<H: Host> Clone for FacetPlace<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for FacetPlace<'_, H> {}

/// Where the pages of a facet of one part go.
pub struct FacetTarget<'a, H: Host> {
    host: &'a H,
    place: FacetPlace<'a, H>,
    name: FacetName,
    section: &'a OnceCell<H::NewFile>,
}

impl<'a, H: Host> FacetTarget<'a, H> {
    pub(super) fn new(
        host: &'a H,
        place: FacetPlace<'a, H>,
        name: FacetName,
        section: &'a OnceCell<H::NewFile>,
    ) -> Self {
        Self {
            host,
            place,
            name,
            section,
        }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &'a H {
        self.host
    }

    /// The file that pages go to, for what the host encodes itself.
    ///
    /// # Errors
    /// Everything that making a file may bring.
    pub fn file(&self) -> Result<&'a H::NewFile> {
        let draft = match self.place {
            FacetPlace::Memory(file) => return Ok(file),
            FacetPlace::Store(draft) => draft,
        };
        if self.section.get().is_none() {
            let made = draft.section(self.name.section, self.name.kind)?;
            let _ = self.section.set(made);
        }
        let made = self.section.get();
        made.ok_or_else(|| Error::corrupt("a section was not made"))
    }

    /// Appends a page of metadata, of less than 4 GiB.
    ///
    /// # Errors
    /// Everything that writing may bring.
    pub fn append(&self, page: &[u8]) -> Result<Extent> {
        let codec = match self.place {
            FacetPlace::Memory(_) => Codec::None,
            FacetPlace::Store(_) => Codec::Zstd,
        };
        let length = u32::try_from(page.len())
            .map_err(|_| Error::invalid("a page of a facet has more than 4 GiB"))?;
        let extents = self.host.append(self.file()?, page, &[length], codec)?;
        let extent = extents.first().copied();
        extent.ok_or_else(|| Error::corrupt("the host returned no extent"))
    }
}
