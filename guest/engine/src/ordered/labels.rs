//! The facet of the ordered index: labels of series. In which order rows lie is a matter of the part, which
//! has blocks and runs by it; what a part holds beyond that to answer questions about series are the labels
//! of those that have one.

pub(crate) mod page;
mod writer;

use self::writer::LabelWriter;
use crate::error::{Error, OrDamage, Result};
use crate::host::Host;
use crate::part::facet::{
    Facet, FacetIntake, FacetName, FacetPart, FacetWriter, LiveParts, NewBatch, Origin,
};
use crate::part::layout::FileKind;
use crate::part::manifest::ORDERED;
use crate::part::{Part, PartList};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Labels by series id.
pub(crate) type Labels = BTreeMap<u64, String>;

const NAME: FacetName = FacetName {
    name: ORDERED,
    section: "labels.bin",
    kind: FileKind::Labels,
};

/// The id of a labelled series: XXH3-64 of the label, seed 0.
#[must_use]
pub fn series_id(label: &str) -> u64 {
    xxh3_64(label.as_bytes())
}

/// Two labels with one id.
pub(crate) fn label_conflict(id: u64, one: &str, two: &str) -> Error {
    Error::invalid(format!(
        "labels {one:?} and {two:?} have the same series id {id:016x}; rename one of them"
    ))
}

/// The facet of the ordered index.
pub(crate) struct Ordered;

impl<H: Host> Facet<H> for Ordered {
    fn name(&self) -> FacetName {
        NAME
    }

    fn writer<'a>(&self, _: &'a H, origin: Origin<'a, H>) -> Result<Box<dyn FacetWriter<H> + 'a>> {
        Ok(Box::new(LabelWriter::new(origin)?))
    }

    fn check(&self, _: &H, part: &FacetPart<'_, H>) -> Result<()> {
        let wrong = of(part.part)?
            .iter()
            .find(|(id, label)| series_id(label) != **id);
        match wrong {
            None => Ok(()),
            Some((id, label)) => Err(Error::corrupt(format!(
                "{}: label {label:?} is not that of series {id}",
                part.path()
            ))),
        }
    }

    fn intake(&self) -> Box<dyn FacetIntake<H>> {
        Box::new(KnownLabels::default())
    }
}

/// What is known of labels while somebody writes.
#[derive(Default)]
struct KnownLabels {
    /// Those of all series, read when the first labelled batch comes.
    all: Option<Labels>,
    /// Those of the batch that was looked at last.
    new: Labels,
}

impl<H: Host> FacetIntake<H> for KnownLabels {
    /// Refuses labels that meet another one under the same id.
    fn accept(
        &mut self,
        _: &H,
        live: &LiveParts<'_, H>,
        batch: &NewBatch<'_, H>,
    ) -> Result<Vec<u64>> {
        self.new.clear();
        if batch.labels.is_empty() {
            return Ok(Vec::new());
        }
        if self.all.is_none() {
            let mut all = Labels::new();
            for part in live.parts() {
                // Damaged labels of one part must not refuse the rows of all others.
                all.extend(readable(part.part)?.0);
            }
            self.all = Some(all);
        }
        let known = self.all.get_or_insert_default();
        for (id, label) in batch.labels {
            if let Some(other) = known.get(id)
                && other != label
            {
                return Err(label_conflict(*id, other, label));
            }
        }
        self.new.clone_from(batch.labels);
        Ok(Vec::new())
    }

    fn keep(&mut self) {
        let new = std::mem::take(&mut self.new);
        if let Some(all) = &mut self.all {
            all.extend(new);
        }
    }

    fn forget(&mut self) {
        self.all = None;
    }
}

/// Whether some series of a part has a label.
pub(crate) fn has_any<H: Host>(part: &Part<H>) -> bool {
    !part.facet_roots(NAME.name).is_empty()
}

/// The labels of the series of a part, read when they are first asked for.
pub(crate) fn of<H: Host>(part: &Part<H>) -> Result<&Labels> {
    static NONE: Labels = Labels::new();
    if !has_any(part) {
        return Ok(&NONE);
    }
    FacetPart::new(part, NAME).state(|| {
        let mut labels = Labels::new();
        for read in part.read_facet(NAME, part.facet_roots(NAME.name))? {
            read.and_then(|bytes| page::decode(&bytes, &mut labels))
                .map_err(|error| error.at(part.path()))?;
        }
        Ok(labels)
    })
}

/// The labels that can be read, and what cannot.
pub(crate) fn readable<H: Host>(part: &Part<H>) -> Result<(Labels, Vec<Error>)> {
    let (mut labels, mut damage) = (Labels::new(), Vec::new());
    let read = part.read_facet(NAME, part.facet_roots(NAME.name));
    let pages = match read.or_damage()? {
        Ok(pages) => pages,
        Err(error) => {
            damage.push(error);
            return Ok((labels, damage));
        }
    };
    for read in pages {
        let mut these = Labels::new();
        let read = read.and_then(|bytes| page::decode(&bytes, &mut these));
        match read.or_damage()? {
            Ok(()) => labels.extend(these),
            Err(error) => damage.push(error.at(part.path())),
        }
    }
    Ok((labels, damage))
}

/// The label of a series, of whichever part knows it.
pub(crate) fn find<H: Host>(live: &PartList<H>, series: u64) -> Result<Option<String>> {
    let mut damage = None;
    for part in &live.parts {
        match of(part).or_damage()? {
            Ok(labels) => {
                if let Some(label) = labels.get(&series) {
                    return Ok(Some(label.clone()));
                }
            }
            // Another part may know it too.
            Err(error) => damage = Some(error),
        }
    }
    damage.map_or(Ok(None), Err)
}
