//! Facets: what a part holds beyond plain columns to answer one kind of question.
//!
//! A facet has a name, and in each part a section with pages of its own: the manifest lists some of them, its
//! *roots*, which tell of the others. It takes rows in as a part is written, whatever they come from, reads
//! what it wrote, and checks it against the rows. Of the index as a whole it says what becomes of a batch:
//! whether it is accepted, and which older rows die by it; these it finds by what it has of the parts.
//!
//! All addresses are [ordinals](Ordinal). A merge says of each row of its output which row of which input it
//! is, so that what is known of the inputs need not be made anew.
//!
//! The engine asks all facets of an index alike, and none knows of another.

mod intake;
mod part;
mod target;

use super::Part;
use super::block::Ordinal;
use crate::error::Result;
use crate::host::{Extent, Host};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::layout::FacetName;
pub use super::reader::FacetState;
pub(crate) use intake::Intake;
pub use part::{FacetPart, LiveParts};
pub(in crate::part) use target::FacetPlace;
pub use target::FacetTarget;

/// What a part holds to answer one kind of question.
pub trait Facet<H: Host>: Send + Sync {
    /// What it is called.
    fn name(&self) -> FacetName;

    /// Begins what a new part has of it.
    ///
    /// # Errors
    /// What reading the origin may bring.
    fn writer<'a>(
        &self,
        host: &'a H,
        origin: Origin<'a, H>,
    ) -> Result<Box<dyn FacetWriter<H> + 'a>>;

    /// Compares what a part has of it with the rows of the part. Reads all of it.
    ///
    /// # Errors
    /// `corrupt` where they differ; everything that reading may bring.
    fn check(&self, host: &H, part: &FacetPart<'_, H>) -> Result<()>;

    /// What it knows of the whole index while somebody writes.
    fn intake(&self) -> Box<dyn FacetIntake<H>>;

    /// Whether the arrival numbers of rows are kept, as those need who say that rows die.
    fn keeps_arrivals(&self) -> bool {
        false
    }

    /// The arrival numbers of all rows that are dead, found out from the parts alone, after a repair of an
    /// index of which that was lost. None where rows do not die by this facet.
    ///
    /// # Errors
    /// Everything that reading may bring.
    fn find_dead(&self, _host: &H, _live: &LiveParts<'_, H>) -> Result<Option<Vec<u64>>> {
        Ok(None)
    }
}

/// Where the rows of a new part come from.
pub enum Origin<'a, H: Host> {
    /// A batch on its way in.
    Batch(NewBatch<'a, H>),
    /// Parts of which it is merged, in order of age.
    Merge {
        /// The parts.
        inputs: Vec<FacetPart<'a, H>>,
        /// Those beside them, where anything of them may matter.
        others: Vec<FacetPart<'a, H>>,
    },
    /// A damaged part of which not everything can be read.
    Salvage(FacetPart<'a, H>),
}

/// A batch that was accepted.
pub struct NewBatch<'a, H: Host> {
    /// The payloads, then the tags.
    pub columns: &'a H::Columns,
    /// Labels by series.
    pub labels: &'a BTreeMap<u64, String>,
    /// The arrival number of its first row.
    pub first_arrival: u64,
    /// How many rows it has.
    pub rows: u32,
}

/// Rows of a block that is being written, in their order.
pub struct NewRows<'a> {
    /// The ordinal of the first of them in the new part.
    pub first: Ordinal,
    /// The series of each.
    pub series: &'a [u64],
    /// The key of each.
    pub keys: &'a [i64],
    /// Which input, and which ordinal in it; see [`NewRows::source`].
    pub(crate) source: &'a dyn Fn(usize) -> Option<(usize, Ordinal)>,
}

impl NewRows<'_> {
    /// Where one of these rows comes from: which input, and which row of it. Rows of a batch, and of a part
    /// that is salvaged, come from input 0; those of a batch are counted as they arrived.
    #[must_use]
    pub fn source(&self, row: usize) -> Option<(usize, Ordinal)> {
        (self.source)(row)
    }
}

/// Writes what one part has of a facet.
pub trait FacetWriter<H: Host> {
    /// Takes the rows of the next block.
    ///
    /// # Errors
    /// What reading and writing may bring; the part is given up then.
    fn block(&mut self, target: &FacetTarget<'_, H>, rows: &NewRows<'_>) -> Result<()>;

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`FacetWriter::block`].
    fn finish(self: Box<Self>, target: &FacetTarget<'_, H>) -> Result<FacetMade>;
}

/// What a part got of a facet.
#[derive(Default)]
pub struct FacetMade {
    /// The pages that its manifest lists; none where the part needs nothing of it.
    pub roots: Vec<Extent>,
    /// What is known of it, for whoever reads the new part in this instance.
    pub state: Option<FacetState>,
    /// Something of it could not be read of a damaged part, and is lost.
    pub is_lossy: bool,
}

/// What a facet knows of the whole index while somebody writes: it belongs to the one who does.
pub trait FacetIntake<H: Host>: Send {
    /// Looks at a batch before it is logged: the arrival numbers of rows that die by it, older ones and some
    /// of its own. Batches of one write come one after the other before any of them is in a part. What it
    /// learns of the batch counts from [`FacetIntake::keep`] on: the batch may yet be refused, and then the
    /// next one begins with the same arrival number.
    ///
    /// # Errors
    /// `invalid-argument` for a batch that is refused.
    fn accept(
        &mut self,
        host: &H,
        live: &LiveParts<'_, H>,
        batch: &NewBatch<'_, H>,
    ) -> Result<Vec<u64>>;

    /// The batch that it looked at last will be logged.
    fn keep(&mut self);

    /// The batches that were kept are in parts.
    fn added(&mut self) {}

    /// Batches that were kept were never logged.
    fn forget(&mut self);

    /// By how much its counter in the snapshot grows with a batch of so many rows by which others died. Only
    /// where arrival numbers are kept: other indexes take rows that no log has.
    fn counts(&self, _rows: u64, _died: u64) -> u64 {
        0
    }
}

/// Facets for engines over whatever host: those that an index has beside that of the ordered index.
pub trait FacetSet {
    /// New ones.
    fn facets<H: Host>() -> Vec<Box<dyn Facet<H>>>;
}

/// The facets that the parts of an index have.
pub struct Facets<H: Host>(Arc<Vec<Box<dyn Facet<H>>>>);

impl<H: Host> Clone for Facets<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Host> Facets<H> {
    pub(crate) fn new(facets: Vec<Box<dyn Facet<H>>>) -> Self {
        Self(Arc::new(facets))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn Facet<H>> {
        self.0.iter().map(|facet| &**facet)
    }

    /// Whether parts keep the arrival numbers of their rows.
    pub(crate) fn keep_arrivals(&self) -> bool {
        self.iter().any(|facet| facet.keeps_arrivals())
    }

    /// Those that not every index has: `index.json` names them.
    pub(crate) fn further(&self) -> impl Iterator<Item = &'static str> {
        self.iter().skip(1).map(|facet| facet.name().name)
    }
}

/// The facets of a part that is being written.
pub(crate) struct FacetWriters<'a, H: Host> {
    host: &'a H,
    writers: Vec<OneWriter<'a, H>>,
}

struct OneWriter<'a, H: Host> {
    name: FacetName,
    writer: Box<dyn FacetWriter<H> + 'a>,
    /// Of a part in the store, from its first page on.
    section: OnceCell<H::NewFile>,
}

/// What a part that was written has of a facet.
pub(crate) struct FacetWritten<H: Host> {
    pub(crate) name: FacetName,
    pub(crate) made: FacetMade,
    pub(crate) section: Option<H::NewFile>,
}

impl<'a, H: Host> FacetWriters<'a, H> {
    /// Begins all of them; `origin` says for each where the rows come from.
    pub(crate) fn begin(
        host: &'a H,
        facets: &Facets<H>,
        origin: impl Fn(FacetName) -> Origin<'a, H>,
    ) -> Result<Self> {
        let begun = facets.iter().map(|facet| {
            let name = facet.name();
            Ok(OneWriter {
                name,
                writer: facet.writer(host, origin(name))?,
                section: OnceCell::new(),
            })
        });
        let writers = begun.collect::<Result<_>>()?;
        Ok(Self { host, writers })
    }

    /// Those of a part that is merged of others.
    pub(crate) fn of_merge(
        host: &'a H,
        facets: &Facets<H>,
        inputs: &[&'a Part<H>],
        others: &[&'a Part<H>],
    ) -> Result<Self> {
        let named = |parts: &[&'a Part<H>], name| {
            let parts = parts.iter();
            parts.map(|part| FacetPart::new(*part, name)).collect()
        };
        Self::begin(host, facets, |name| Origin::Merge {
            inputs: named(inputs, name),
            others: named(others, name),
        })
    }

    /// Takes a block in.
    pub(in crate::part) fn block(
        &mut self,
        place: FacetPlace<'_, H>,
        rows: &NewRows<'_>,
    ) -> Result<()> {
        for one in &mut self.writers {
            let target = FacetTarget::new(self.host, place, one.name, &one.section);
            one.writer.block(&target, rows)?;
        }
        Ok(())
    }

    /// Completes them.
    pub(in crate::part) fn finish(self, place: FacetPlace<'_, H>) -> Result<Vec<FacetWritten<H>>> {
        let host = self.host;
        let finish = |one: OneWriter<'a, H>| {
            let OneWriter {
                name,
                writer,
                section,
            } = one;
            let target = FacetTarget::new(host, place, name, &section);
            let made = writer.finish(&target)?;
            Ok(FacetWritten {
                name,
                made,
                section: section.into_inner(),
            })
        };
        self.writers.into_iter().map(finish).collect()
    }
}
