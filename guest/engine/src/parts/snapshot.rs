//! Snapshots as they are stored: the list of live parts at one epoch.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Form, Host, Medium};
use crate::part::dead::chunk::{CHUNK_ROWS, ChunkFile};
use crate::part::dead::record::ChunkText;
use crate::part::dead::{DeadRows, Deaths, PartDead};
use crate::part::facet::Facets;
use crate::part::layout::{PARTS, part_number};
use crate::part::loss::Quarantined;
use crate::part::name::{DeadName, PartName, StoredName};
use crate::parts::fences::{Fences, Tombstone, is_tombstone};
use crate::seal::{BRANCHES, DEAD_ROWS, DROPS, FACETS, ONE_FILE, TERMS, seal, unseal};
use crate::term::{is_none, text};
use serde::{Deserialize, Serialize};
use sidx_log::Term;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The object that holds the options of the index and marks its existence.
pub const INDEX_OBJECT: &str = "index.json";
const EXTENSION: &str = ".snapshot";
/// How often the newest snapshot is looked for again because it was superseded before it could be read.
const READ_ATTEMPTS: usize = 32;

/// The content of `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The program that made the index; for people only.
    pub(crate) created_by: String,
    /// Facets that its parts have beside that of the ordered index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) facets: Vec<String>,
}

impl Settings {
    /// Those of an index that is made now.
    pub(crate) fn new<H: Host>(facets: &Facets<H>) -> Self {
        Self {
            created_by: concat!("sidx ", env!("CARGO_PKG_VERSION")).to_owned(),
            facets: facets.further().map(str::to_owned).collect(),
        }
    }

    /// The content of `index.json`.
    pub(crate) fn sealed(&self) -> Result<Vec<u8>> {
        let requires: &[&str] = if self.facets.is_empty() {
            &[]
        } else {
            &[FACETS]
        };
        seal(self, requires)
    }

    /// Refuses an index whose parts have other facets than this engine writes.
    pub(crate) fn check<H: Host>(&self, facets: &Facets<H>) -> Result<()> {
        match facets.further().eq(self.facets.iter().map(String::as_str)) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::UnsupportedVersion,
                format!(
                    "{INDEX_OBJECT}: the parts of this index have the facets {:?}, this program has {:?}; \
                     open it with the program that made it ({})",
                    self.facets,
                    facets.further().collect::<Vec<_>>(),
                    self.created_by
                ),
            )),
        }
    }
}

/// The content of `<epoch>.snapshot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) epoch: u64,
    /// Of the writer that published it; none in snapshots that were published before there were terms.
    #[serde(default, with = "text", skip_serializing_if = "is_none")]
    pub(crate) term: Term,
    /// That writer has closed the index, and every request of it was answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) closed: bool,
    /// It took over from a writer that had not closed the index, and the log of that one is to be ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unsealed: bool,
    /// The index was dropped: this is its last snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dropped: bool,
    /// Somebody is about to drop the index: no branch may begin with this snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dropping: bool,
    /// Epochs whose names stay taken; see [`Fences`].
    #[serde(default, skip_serializing_if = "Fences::is_empty")]
    pub(crate) fences: Fences,
    /// Part names in order of age: all element ids of a part are below those of the next.
    pub(crate) parts: Vec<String>,
    /// Log entries before this position are in the parts.
    pub(crate) log_position: u64,
    pub(crate) next_element_id: u64,
    /// Parts with this number or a higher one are not yet made.
    pub(crate) next_part: u64,
    /// For each part the first epoch that names it; empty in snapshots that do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) since: Vec<u64>,
    /// Parts that earlier epochs name and that were not removed yet; none in snapshots that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left: Option<Vec<LeftPart>>,
    /// Rows of the parts that died by entries of the log before its position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dead: Vec<DeadOfPart>,
    /// What facets count, by their names, as of the log position.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counters: BTreeMap<String, u64>,
    /// Parts that failed their checks and were set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) quarantined: Vec<Quarantined>,
    /// Places of other indexes in which some of its files lie, ascending; `branch.json` says which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) borrows: Vec<String>,
}

/// The files with the dead rows of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadOfPart {
    /// Its name.
    pub(crate) part: String,
    /// In the order of the blocks that they are about.
    pub(crate) files: Vec<ChunkText>,
    /// Arrival numbers of further ones, ascending, that were not in any file when it was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unplaced: Vec<u64>,
}

/// A part, or a file with dead rows, that left the list: who has pinned an epoch that names it may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftPart {
    /// Its name.
    pub(crate) part: String,
    /// The first epoch that names it, and the first after it that does not.
    pub(crate) since: u64,
    pub(crate) until: u64,
    /// What is wrong with it, where it was damaged and the loss accepted: it goes to the quarantine then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<String>,
}

/// The epoch of the snapshot, or of the tombstone of one, that an object of this name is; none for other
/// names.
pub fn epoch_of_object(name: &str) -> Option<u64> {
    part_number(name.strip_suffix(EXTENSION)?)
}

fn no_snapshot() -> Error {
    Error::corrupt(
        "the index has no snapshot (<epoch>.snapshot), which says what it holds; restore it from a \
         backup or repair the index",
    )
}

/// The snapshot that whoever clears up after a branch that never came to be puts in its place, with its name:
/// the branch's own first one finds the name taken then.
///
/// # Errors
/// None that can be expected.
pub fn unborn() -> Result<(String, Vec<u8>)> {
    let snapshot = Snapshot {
        dropped: true,
        closed: true,
        ..Snapshot::default()
    };
    Ok((Snapshot::name(0), snapshot.sealed()?))
}

impl Snapshot {
    pub(crate) fn name(epoch: u64) -> String {
        format!("{epoch:016x}{EXTENSION}")
    }

    /// The snapshot as it is stored, with the features that whoever reads it must know.
    pub(crate) fn sealed(&self) -> Result<Vec<u8>> {
        let mut requires = vec![TERMS];
        requires.extend(self.dropped.then_some(DROPS));
        requires.extend((!self.dead.is_empty()).then_some(DEAD_ROWS));
        requires.extend((!self.borrows.is_empty()).then_some(BRANCHES));
        let left = self.left.iter().flatten().map(|left| &left.part);
        let set_aside = self.quarantined.iter().map(|lost| &lost.part);
        let is_file = |name: &String| PartName::parse(name).is_some_and(|it| it.form == Form::File);
        let mut names = self.parts.iter().chain(left).chain(set_aside);
        requires.extend(names.any(is_file).then_some(ONE_FILE));
        seal(self, &requires)
    }

    /// Publishes the snapshot as the next epoch. `conflict` when another writer was first.
    pub(crate) fn publish<H: Host>(&self, host: &H) -> Result<()> {
        let name = Self::name(self.epoch);
        match host.put_object_if_absent(&name, &self.sealed()?) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{name} exists: another writer published epoch {}; reopen the index",
                    self.epoch
                ),
            )),
            Err(error) => Err(error),
        }
    }

    /// Publishes the empty list that an index begins with, so that an index whose snapshot was lost is
    /// not taken for one that never had rows.
    pub(crate) fn publish_first<H: Host>(host: &H) -> Result<()> {
        if !Self::epochs(host)?.is_empty() {
            return Ok(());
        }
        if !host.list_files(PARTS, Medium::Durable)?.is_empty() {
            // Another creator may have come as far as that since.
            return match Self::epochs(host)?.is_empty() {
                true => Err(no_snapshot()),
                false => Ok(()),
            };
        }
        // Nobody writes under it.
        let first = Self {
            closed: true,
            ..Self::default()
        };
        match host.put_object_if_absent(&Self::name(0), &seal(&first, &[TERMS])?) {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            // Another creator was first and wrote the same.
            _ => Ok(()),
        }
    }

    /// The newest snapshot; `corrupt` when there is none, `not-found` when the index was dropped.
    pub(crate) fn current<H: Host>(host: &H) -> Result<Self> {
        let newest = Self::newest(host)?.ok_or_else(no_snapshot)?;
        newest.check_lives()?;
        Ok(newest)
    }

    /// Fails with `not-found` when the index was dropped.
    pub(crate) fn check_lives(&self) -> Result<()> {
        match self.dropped {
            true => Err(Error::new(ErrorKind::NotFound, "the index was dropped")),
            false => Ok(()),
        }
    }

    /// The newest snapshot; `None` when there is none, which is damage.
    pub(crate) fn newest<H: Host>(host: &H) -> Result<Option<Self>> {
        // A writer may publish and clean up between the listing and the reading: list again then.
        let mut buried = None;
        for _ in 0..READ_ATTEMPTS {
            let epoch = Self::epochs(host)?.pop();
            // A tombstone stands only where there is a later one, unless that was lost.
            let Some(epoch) = epoch.filter(|epoch| buried != Some(*epoch)) else {
                return Ok(None);
            };
            let name = Self::name(epoch);
            if let Some(object) = host.get_object(&name)? {
                let snapshot = match unseal::<Self>(&object.bytes, &name) {
                    Err(_) if is_tombstone(&object.bytes) => {
                        buried = Some(epoch);
                        continue;
                    }
                    unsealed => unsealed?,
                };
                snapshot.check(epoch).map_err(|error| error.at(&name))?;
                return Ok(Some(snapshot));
            }
        }
        Err(Error::new(
            ErrorKind::Io,
            "the newest snapshot vanishes each time it is read; try again",
        ))
    }

    /// The same content as the next epoch, published by the writer of a term, which takes the index over. The
    /// name of that epoch is a fence unless the writer before has closed the index.
    pub(crate) fn taken_over(&self, term: Term) -> Self {
        let epoch = self.epoch + 1;
        let mut fences = self.fences.clone();
        if !self.closed {
            fences.add(epoch);
        }
        Self {
            epoch,
            term,
            closed: false,
            dropping: false,
            // Whoever came in between may not have come as far as the log.
            unsealed: self.unsealed || !self.closed,
            fences,
            ..self.clone()
        }
    }

    /// The writer who may not have ended the log of the one before yet, so that this one's entries may
    /// still be appended and left out.
    pub(crate) fn awaited(&self) -> Option<Term> {
        (self.unsealed && !self.closed).then_some(self.term)
    }

    /// The names of all its files that are there, also of those that left its list.
    pub(crate) fn stored_names(&self) -> BTreeSet<StoredName> {
        let left = self.left.iter().flatten().map(|left| &left.part);
        let dead = self.dead.iter().flat_map(|dead| &dead.files);
        let dead = dead.map(|chunk| &chunk.file);
        let names = self.parts.iter().chain(left).chain(dead);
        names.filter_map(|name| StoredName::parse(name)).collect()
    }

    /// The names of the parts.
    pub(crate) fn part_names(&self) -> Result<Vec<PartName>> {
        let parse = |name: &String| {
            let parsed = PartName::parse(name);
            parsed.ok_or_else(|| Error::corrupt(format!("{name:?} is not a part name")))
        };
        self.parts.iter().map(parse).collect()
    }

    /// Refuses what can't be the snapshot of `epoch`.
    pub(crate) fn check(&self, epoch: u64) -> Result<()> {
        if self.epoch != epoch {
            return Err(Error::corrupt(format!("it says epoch {}", self.epoch)));
        }
        if epoch == u64::MAX || self.term.number == u64::MAX {
            return Err(Error::corrupt("no epoch and no term is that high"));
        }
        let names = self.part_names()?;
        let epochs = self.since.len();
        if epochs != 0 && epochs != names.len() {
            return Err(Error::corrupt(format!(
                "it has {epochs} first epochs for {} parts",
                names.len()
            )));
        }
        let mut numbers = BTreeSet::new();
        for name in names {
            let problem = match () {
                () if name.number >= self.next_part => "is not below next_part",
                () if name.term > self.term => "is of a later term than the snapshot",
                () if !numbers.insert(name.number) => "is named twice",
                () => continue,
            };
            return Err(Error::corrupt(format!("part {} {problem}", name.number)));
        }
        self.check_dead()
    }

    /// Refuses files of dead rows that can't be those of its parts.
    fn check_dead(&self) -> Result<()> {
        let mut parts = BTreeSet::new();
        for dead in &self.dead {
            let part = PartName::parse(&dead.part);
            let part = part.filter(|_| self.parts.contains(&dead.part) && parts.insert(&dead.part));
            let files: Option<Vec<ChunkFile>> = dead.files.iter().map(ChunkText::file).collect();
            let (Some(part), Some(files)) = (part, files) else {
                let text = format!("it has dead rows of {:?}, under no such names", dead.part);
                return Err(Error::corrupt(text));
            };
            let fits = |file: &ChunkFile| {
                let name = file.name;
                let is_known = name.serial < self.next_part && name.term <= self.term;
                let rows = 1..=CHUNK_ROWS;
                name.part == part.number && is_known && rows.contains(&file.rows)
            };
            let ascend = |pair: &[ChunkFile]| matches!(pair, [one, two] if one.number < two.number);
            let is_empty = files.is_empty() && dead.unplaced.is_empty();
            let is_sorted = dead.unplaced.is_sorted_by(|one, two| one < two);
            if is_empty || !is_sorted || !files.iter().all(fits) || !files.windows(2).all(ascend) {
                let text = format!("its files of dead rows of {} are not in order", dead.part);
                return Err(Error::corrupt(text));
            }
        }
        Ok(())
    }

    /// The first epoch that names each of its files of dead rows.
    pub(crate) fn dead_since(&self) -> BTreeMap<DeadName, u64> {
        let files = self.dead.iter().flat_map(|dead| &dead.files);
        files
            .filter_map(|file| Some((DeadName::parse(&file.file)?, file.since)))
            .collect()
    }

    /// What is dead of its parts.
    pub(crate) fn deaths<H: Host>(&self, host: &Arc<H>) -> Deaths<H> {
        let mut deaths = Deaths::default();
        for dead in &self.dead {
            let files: Vec<ChunkFile> = dead.files.iter().filter_map(ChunkText::file).collect();
            if let Some(part) = PartName::parse(&dead.part) {
                let stored = DeadRows::of_files(host, &files, None);
                let mut of_part = PartDead::of_stored(stored);
                of_part.unplace(dead.unplaced.iter().copied());
                deaths.set(part.number, of_part);
            }
        }
        deaths
    }

    /// The term under an epoch, of a snapshot or a tombstone; none where nothing can be read.
    pub(crate) fn term_of<H: Host>(host: &H, epoch: u64) -> Result<Term> {
        let name = Self::name(epoch);
        let object = host.get_object(&name)?;
        Ok(object.map_or(Term::NONE, |object| {
            let snapshot = unseal::<Self>(&object.bytes, &name).map(|found| found.term);
            snapshot
                .or_else(|_| unseal::<Tombstone>(&object.bytes, &name).map(|found| found.term))
                .unwrap_or(Term::NONE)
        }))
    }

    /// Epochs of the stored snapshots, ascending.
    pub(crate) fn epochs<H: Host>(host: &H) -> Result<Vec<u64>> {
        let names = host.list_objects("")?;
        let epochs = names.iter().filter_map(|name| epoch_of_object(name));
        let mut epochs: Vec<u64> = epochs.collect();
        epochs.sort_unstable();
        Ok(epochs)
    }
}
