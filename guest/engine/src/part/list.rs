//! The part list as an instance holds it, and the view that carries it to other instances.

use super::Part;
use super::layout::MANIFEST;
use super::loss::Quarantined;
use super::name::PartName;
use crate::error::{Error, Result};
use crate::host::{Form, Host, Medium};
use crate::types::Region;
use crate::types::{Damage, FlushNeed, View};
use crate::wire::{Reader, put, put_bytes, put_term};
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
    /// Grows with every change in this process.
    pub(crate) version: u64,
    /// Grows with every change of the durable list.
    pub(crate) epoch: u64,
    /// Under which file parts are made now.
    pub(crate) term: Term,
    pub(crate) parts: Vec<Arc<Part<H>>>,
    /// Parts that are missing because they were damaged.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Parts of the list that this instance could not open because they are damaged.
    pub(crate) unreadable: Vec<Quarantined>,
}

impl<H: Host> PartList<H> {
    pub(crate) fn empty() -> Self {
        Self {
            version: 0,
            epoch: 0,
            term: Term::NONE,
            parts: Vec::new(),
            quarantined: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    pub(crate) fn get(&self, rank: Rank) -> Option<&Arc<Part<H>>> {
        self.parts.get(rank.0 as usize)
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
        Ok(Self {
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

    /// Bytes of the parts that are only in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let parts = self.parts.iter();
        let memory = parts.filter(|part| part.medium() == Medium::Memory);
        memory.map(|part| part.summary().size_bytes).sum()
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
    pub(crate) quarantined: Vec<Quarantined>,
}

impl PartNames {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.parts.len() * 4);
        put_term(self.term, &mut bytes);
        put(self.parts.len() as u64, &mut bytes);
        // Most parts have the term of the one before them.
        let mut last = self.term;
        for (name, medium) in &self.parts {
            let is_durable = u64::from(*medium == Medium::Durable);
            let is_file = u64::from(is_durable == 1 && name.form == Form::File);
            let changes = *medium == Medium::Durable && name.term != last;
            put(
                is_durable | u64::from(changes) << 1 | is_file << 2,
                &mut bytes,
            );
            put(name.number, &mut bytes);
            if changes {
                put_term(name.term, &mut bytes);
                last = name.term;
            }
        }
        // Rare and short, so its format is that of the snapshot.
        let quarantined = match self.quarantined.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&self.quarantined).unwrap_or_default(),
        };
        put_bytes(&quarantined, &mut bytes);
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "view");
        let term = reader.term()?;
        let count = reader.count(2)?;
        let mut parts = Vec::with_capacity(count);
        let mut last = term;
        for _ in 0..count {
            let code = reader.number()?;
            let number = reader.number()?;
            let name = match code {
                0 => (PartName::in_memory(number), Medium::Memory),
                1 | 3 | 5 | 7 => {
                    if code & 2 != 0 {
                        last = reader.term()?;
                    }
                    let form = match code & 4 {
                        0 => Form::Folder,
                        _ => Form::File,
                    };
                    let term = last;
                    (PartName { number, term, form }, Medium::Durable)
                }
                _ => {
                    return Err(Error::invalid(format!(
                        "a view has no parts of kind {code}"
                    )));
                }
            };
            parts.push(name);
        }
        let quarantined = match reader.bytes()? {
            [] => Vec::new(),
            json => serde_json::from_slice(json).map_err(|cause| {
                Error::invalid(format!("the view's list of lost parts is broken: {cause}"))
            })?,
        };
        reader.finish()?;
        Ok(Self {
            term,
            parts,
            quarantined,
        })
    }
}
