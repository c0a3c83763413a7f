//! The part list as an instance holds it, and the view that carries it to other instances.

use super::Part;
use super::dead::chunk::ChunkFile;
use super::dead::record::{self, ChunkRecord};
use super::dead::{DeadRows, Deaths, PartDead};
use super::facet::{FacetName, Facets, LiveParts};
use super::layout::MANIFEST;
use super::loss::Quarantined;
use super::name::PartName;
use crate::error::{Error, Result};
use crate::host::{Form, Host, Medium};
use crate::types::Region;
use crate::types::{Damage, FlushNeed, View};
use crate::wire::{self, Bytes, Reader, Sequence};
use serde::{Deserialize, Serialize};
use sidx_log::Term;
use std::sync::Arc;

/// The place of a part in a list. Lists are in order of age: of rows that are equal in series and key, those
/// of the part of lower rank are the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u32);

impl Rank {
    pub(crate) const FIRST: Self = Self(0);

    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// As a number of the same order.
    #[inline]
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

/// Parts in order of age, with their ranks.
pub(crate) fn ranked<H: Host>(
    parts: &[Arc<Part<H>>],
) -> impl Iterator<Item = (Rank, &Arc<Part<H>>)> {
    (0u32..).zip(parts).map(|(place, part)| (Rank(place), part))
}

/// What is kept of each part of a list, in its order.
pub(crate) struct PerPart<T>(Vec<T>);

impl<T> PerPart<T> {
    pub(crate) fn get(&self, rank: Rank) -> Option<&T> {
        self.0.get(rank.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, rank: Rank) -> Option<&mut T> {
        self.0.get_mut(rank.0 as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T> FromIterator<T> for PerPart<T> {
    fn from_iter<I: IntoIterator<Item = T>>(of_parts: I) -> Self {
        Self(of_parts.into_iter().collect())
    }
}

/// PartList parts in order of age; immutable, readers keep the one they began with.
pub(crate) struct PartList<H: Host> {
    /// What its parts hold beyond columns.
    pub(crate) facets: Facets<H>,
    /// Grows with every change in this process.
    pub(crate) version: u64,
    /// Grows with every change of the durable list.
    pub(crate) epoch: u64,
    /// Under which file parts are made now.
    pub(crate) term: Term,
    pub(crate) parts: Vec<Arc<Part<H>>>,
    /// Which of their rows are dead.
    pub(crate) deaths: Deaths<H>,
    /// Parts that are missing because they were damaged.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Parts of the list that this instance could not open because they are damaged.
    pub(crate) unreadable: Vec<Quarantined>,
}

impl<H: Host> Clone for PartList<H> {
    fn clone(&self) -> Self {
        Self {
            facets: self.facets.clone(),
            version: self.version,
            epoch: self.epoch,
            term: self.term,
            parts: self.parts.clone(),
            deaths: self.deaths.clone(),
            quarantined: self.quarantined.clone(),
            unreadable: self.unreadable.clone(),
        }
    }
}

impl<H: Host> PartList<H> {
    pub(crate) fn empty(facets: Facets<H>) -> Self {
        Self {
            facets,
            version: 0,
            epoch: 0,
            term: Term::NONE,
            parts: Vec::new(),
            deaths: Deaths::default(),
            quarantined: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    pub(crate) fn get(&self, rank: Rank) -> Option<&Arc<Part<H>>> {
        self.parts.get(rank.0 as usize)
    }

    /// The parts as a facet sees them.
    pub(crate) fn of_facet(&self, name: FacetName) -> LiveParts<'_, H> {
        LiveParts::new(&self.parts, &self.deaths, name)
    }

    /// The parts with their ranks.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = (Rank, &Arc<Part<H>>)> {
        ranked(&self.parts)
    }

    /// Everything that is missing in the parts.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Quarantined> {
        self.quarantined.iter().chain(&self.unreadable)
    }

    /// The list as bytes for [`PartList::attach`], and what a flush of what is in memory takes.
    pub(crate) fn view(&self, flush_need: FlushNeed) -> View {
        let parts = self.parts.iter();
        let names = PartNames {
            term: self.term,
            parts: parts.map(|part| (part.name(), part.medium())).collect(),
            dead: { self.deaths.iter() }
                .map(|(part, dead)| PartDeadFiles {
                    part,
                    stored: dead.stored.files().collect(),
                    now: dead.now.files().collect(),
                    unplaced: dead.unplaced.clone(),
                })
                .collect(),
            quarantined: self.quarantined.clone(),
        };
        View {
            version: self.version,
            epoch: self.epoch,
            bytes: names.write(),
            flush_need,
        }
    }

    /// The list of a view; parts that `known` has already are shared, others are opened. One whose manifest
    /// is damaged must not keep the others from being read.
    pub(crate) fn attach(host: &Arc<H>, known: &Self, view: &View) -> Result<Self> {
        let names = PartNames::read(&view.bytes)?;
        let mut parts = Vec::with_capacity(names.parts.len());
        let mut unreadable = Vec::new();
        for (name, medium) in names.parts {
            let same = |part: &&Arc<Part<H>>| (part.name(), part.medium()) == (name, medium);
            let found = known.parts.iter().find(same);
            if let Some(part) = found {
                parts.push(Arc::clone(part));
                continue;
            }
            match Part::open(host, name, medium) {
                Ok(part) => parts.push(Arc::new(part)),
                Err(error) if medium == Medium::Durable && error.kind().is_damage() => {
                    unreadable.push(Quarantined {
                        part: name.to_string(),
                        reason: error.to_string(),
                        lost: vec![Region::everywhere(None)],
                    });
                }
                Err(error) => return Err(error),
            }
        }
        let mut deaths = Deaths::default();
        for dead in names.dead {
            let known = known.deaths.of(dead.part);
            let of_part = PartDead {
                stored: DeadRows::of_files(host, &dead.stored, known),
                now: DeadRows::of_files(host, &dead.now, known),
                unplaced: dead.unplaced,
            };
            deaths.set(dead.part, of_part);
        }
        Ok(Self {
            facets: known.facets.clone(),
            deaths,
            version: view.version,
            epoch: view.epoch,
            term: names.term,
            parts,
            quarantined: names.quarantined,
            unreadable,
        })
    }

    /// An input of a job.
    pub(crate) fn input(&self, job: u64, number: u64) -> Result<&Arc<Part<H>>> {
        if let Some(part) = self.part(number) {
            return Ok(part);
        }
        match self.unreadable(number) {
            Some(lost) => Err(Error::corrupt(lost.reason.clone())),
            None => Err(Error::invalid(format!(
                "job {job} names part {number}, which is not live"
            ))),
        }
    }

    /// Bytes of the parts, and of what is known of dead rows, that are only in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let parts = self.parts.iter();
        let memory = parts.filter(|part| part.medium() == Medium::Memory);
        let bytes: u64 = memory.map(|part| part.summary().size_bytes).sum();
        bytes + self.deaths.in_memory().1
    }

    /// What is known of a part whose manifest cannot be read; none of one that is not in the list.
    pub(crate) fn unreadable_damage(&self, number: u64) -> Option<Damage> {
        let lost = self.unreadable(number)?;
        Some(Damage {
            part: number,
            files: vec![MANIFEST.to_owned()],
            reasons: vec![lost.reason.clone()],
            lost: lost.lost.clone(),
        })
    }

    fn unreadable(&self, number: u64) -> Option<&Quarantined> {
        let has_number = |lost: &&Quarantined| {
            PartName::parse(&lost.part).is_some_and(|name| name.number == number)
        };
        self.unreadable.iter().find(has_number)
    }

    /// The name of a file part that is to be made now.
    pub(crate) fn new_name(&self, host: &H, number: u64) -> PartName {
        PartName {
            number,
            term: self.term,
            form: host.part_form(),
        }
    }

    /// The part with a name that lies in the store.
    pub(crate) fn stored(&self, name: PartName) -> Option<&Arc<Part<H>>> {
        let is_it = |part: &&Arc<Part<H>>| part.name() == name && part.medium() == Medium::Durable;
        self.parts.iter().find(is_it)
    }

    /// The part with a number.
    pub(crate) fn part(&self, number: u64) -> Option<&Arc<Part<H>>> {
        self.parts.iter().find(|part| part.number() == number)
    }
}

/// What the bytes of a view say.
#[derive(Debug, PartialEq)]
pub(crate) struct PartNames {
    /// Under which file parts are made now.
    pub(crate) term: Term,
    /// Names and media of the parts, in order of age.
    pub(crate) parts: Vec<(PartName, Medium)>,
    /// The files of dead rows.
    pub(crate) dead: Vec<PartDeadFiles>,
    pub(crate) quarantined: Vec<Quarantined>,
}

/// The files of the dead rows of a part, stored and now.
#[derive(Debug, PartialEq)]
pub(crate) struct PartDeadFiles {
    /// The number of the part.
    pub(crate) part: u64,
    pub(crate) stored: Vec<ChunkFile>,
    pub(crate) now: Vec<ChunkFile>,
    /// Arrival numbers of others.
    pub(crate) unplaced: Vec<u64>,
}

/// A view as bytes.
#[derive(Serialize, Deserialize)]
struct ViewRecord<'a, P, D> {
    term: Term,
    parts: P,
    dead: D,
    /// Rare and short, so its format is that of the snapshot; nothing when there are none.
    #[serde(borrow)]
    quarantined: Bytes<'a>,
}

/// A part in a view. Most have the term of the one before them.
#[derive(Serialize, Deserialize)]
enum PartRecord {
    InMemory(u64),
    /// Of the term of the part in the store before it, or of the list; whether it is one file.
    Durable(u64, bool),
    OfAnotherTerm(u64, bool, Term),
}

/// What is dead of a part, as it is read.
type DeadRecord = record::PartRecord<Vec<ChunkRecord>, Vec<ChunkRecord>, Vec<u64>>;

impl PartNames {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut last = self.term;
        let is_file = |name: &PartName| name.form == Form::File;
        let record_of = move |(name, medium): &(PartName, Medium)| match medium {
            Medium::Memory => PartRecord::InMemory(name.number),
            Medium::Durable if name.term == last => PartRecord::Durable(name.number, is_file(name)),
            Medium::Durable => {
                last = name.term;
                PartRecord::OfAnotherTerm(name.number, is_file(name), name.term)
            }
        };
        let quarantined = match self.quarantined.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&self.quarantined).unwrap_or_default(),
        };
        wire::write(&ViewRecord {
            term: self.term,
            parts: Sequence(self.parts.iter().map(record_of)),
            dead: Sequence(self.dead.iter().map(|dead| record::PartRecord {
                part: dead.part,
                stored: Sequence(dead.stored.iter().copied().map(ChunkRecord::from)),
                now: Sequence(dead.now.iter().copied().map(ChunkRecord::from)),
                unplaced: Sequence(dead.unplaced.iter()),
            })),
            quarantined: Bytes(&quarantined),
        })
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "view");
        let view: ViewRecord<'_, Vec<PartRecord>, Vec<DeadRecord>> = reader.read()?;
        reader.finish()?;
        let mut last = view.term;
        let stored = |number, is_file, term| {
            let form = match is_file {
                false => Form::Folder,
                true => Form::File,
            };
            (PartName { number, term, form }, Medium::Durable)
        };
        let part_of = |record| match record {
            PartRecord::InMemory(number) => (PartName::in_memory(number), Medium::Memory),
            PartRecord::Durable(number, is_file) => stored(number, is_file, last),
            PartRecord::OfAnotherTerm(number, is_file, term) => {
                last = term;
                stored(number, is_file, term)
            }
        };
        let parts = view.parts.into_iter().map(part_of).collect();
        let quarantined = match view.quarantined.0 {
            [] => Vec::new(),
            json => serde_json::from_slice(json).map_err(|cause| {
                reader.fault(&format!("the list of lost parts is broken: {cause}"))
            })?,
        };
        let dead = view.dead.into_iter().map(|dead| {
            let files = |records: Vec<ChunkRecord>| {
                let records = records.into_iter();
                records.map(|record| record.file(dead.part)).collect()
            };
            PartDeadFiles {
                part: dead.part,
                stored: files(dead.stored),
                now: files(dead.now),
                unplaced: dead.unplaced,
            }
        });
        Ok(Self {
            term: view.term,
            parts,
            dead: dead.collect(),
            quarantined,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::name::DeadName;
    use crate::wire::with_huge_numbers;

    #[test]
    fn names_return() {
        let term = |number| Term { number, nonce: 7 };
        let of = |number, term| {
            let form = match number % 2 {
                0 => Form::Folder,
                _ => Form::File,
            };
            (PartName { number, term, form }, Medium::Durable)
        };
        let file = |serial, medium| ChunkFile {
            number: 5,
            name: DeadName {
                part: 2,
                term: term(3),
                serial,
            },
            medium,
            rows: 300,
            size_bytes: 70_000,
            checksum: u32::MAX,
        };
        let names = PartNames {
            term: term(3),
            parts: vec![
                of(1, Term::NONE),
                of(2, Term::NONE),
                of(u64::MAX, term(3)),
                (PartName::in_memory(300), Medium::Memory),
                of(5, term(3)),
            ],
            dead: vec![PartDeadFiles {
                part: 2,
                stored: vec![file(7, Medium::Durable)],
                now: vec![file(8, Medium::Memory)],
                unplaced: vec![3, u64::MAX],
            }],
            quarantined: vec![Quarantined {
                part: "log".to_owned(),
                reason: "torn".to_owned(),
                lost: vec![Region::everywhere(None)],
            }],
        };
        let bytes = names.write();
        assert_eq!(PartNames::read(&bytes).unwrap(), names);
        for cut in 0..bytes.len() {
            assert!(PartNames::read(&bytes[..cut]).is_err());
        }
        for damaged in with_huge_numbers(&bytes) {
            let _ = PartNames::read(&damaged);
        }
    }
}
