//! Branches: a second index in a store that begins as another one is, and shares its parts.
//!
//! Whoever makes one pins in the place of the other, and in those of which that one shares parts itself, the
//! epochs that name the files; looks whether the pinned epoch is the newest still, and not about to be
//! dropped; copies the log behind it; and puts `branch.json`, a first snapshot, `index.json` and, last, the
//! name. From the pins on nothing is removed that it shares, and a drop finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sidx_engine::{BRANCH_OBJECT, Branch, BranchContents, BranchPin, Mode};

use crate::copy::{self, Place};
use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::Name;
use crate::lenders::{self, Lenders};
use crate::open::{Open, Settings};
use crate::session::CallLimits;
use crate::storage::{Storage, Store, log};
use crate::work::Operation;

/// How often it begins anew because the index changed meanwhile.
const ATTEMPTS: usize = 32;

/// What a branch consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BranchReport {
    /// The epoch of the index that it began from.
    pub epoch: u64,
    /// Parts, and files with dead rows, that it shares.
    pub shared_files: u64,
    /// Entries of the log that were copied: writes that are in no part yet.
    pub log_entries: u64,
}

/// A branch that is being made.
struct Making<'a> {
    store: &'a dyn Store,
    source: &'a str,
    /// Of the index that it begins from.
    place: String,
    storage: Arc<dyn Storage>,
    new: &'a Place<'a>,
    settings: &'a Settings,
    /// The places in which it may have pins.
    pinned: BTreeMap<String, Arc<dyn Storage>>,
    /// A log was begun in the new place.
    has_log: bool,
    /// Something of the branch itself is there: there is no other attempt.
    has_begun: bool,
}

/// Makes a branch of an index under a name that is free.
pub(crate) fn run(
    store: &dyn Store,
    source: &str,
    target: &str,
    settings: &Settings,
) -> Result<BranchReport> {
    // Nothing is made for one that is not there.
    crate::incarnation::existing(store, source, false)?;
    let root = store.open_index(target, true)?;
    let made = make(store, source, target, settings);
    made.map_err(|error| {
        // The place itself may have been made just now.
        if copy::is_bare(store, target, root.as_ref()).unwrap_or(false) {
            let _ = store.remove_index(target);
        }
        error.at(format_args!("branch `{target}` of `{source}`"))
    })
}

fn make(
    store: &dyn Store,
    source: &str,
    target: &str,
    settings: &Settings,
) -> Result<BranchReport> {
    for _ in 0..ATTEMPTS {
        if let Some(report) = make_in_place(store, source, target, settings)? {
            return Ok(report);
        }
    }
    Err(unsteady())
}

/// Makes it in a new place. None where that is to be done in another one.
fn make_in_place(
    store: &dyn Store,
    source: &str,
    target: &str,
    settings: &Settings,
) -> Result<Option<BranchReport>> {
    let from = Name::look(store, source, false)?;
    let (Some(place), Some(storage)) = (from.place_path(), from.place()?) else {
        return Err(Error::not_found(format!("index `{source}` does not exist")));
    };
    let advice = "choose another name for the branch";
    let new = copy::free_place(store, target, settings, advice)?;
    let mut making = Making {
        store,
        source,
        place,
        storage,
        new: &new,
        settings,
        pinned: BTreeMap::new(),
        has_log: false,
        has_begun: false,
    };
    let made = making.run();
    let pinned = making.pinned;
    let (made, is_known) = match made {
        Ok(Some(report)) => {
            let published = new.publish();
            let kind = published.as_ref().err().map(Error::kind);
            let known = [ErrorKind::Conflict, ErrorKind::ResourceExhausted];
            let is_known = kind.is_none_or(|kind| known.contains(&kind));
            (published.map(|()| Some(report)), is_known)
        }
        made => (made, true),
    };
    // Where nobody knows whether it is named, it stays.
    if !matches!(made, Ok(Some(_))) && is_known {
        let location = new.storage().location();
        if let Err(error) = undo(new, &pinned) {
            tracing::warn!(place = location, %error, "an interrupted branch left files behind");
        }
    }
    made
}

/// Removes what is there of a branch that has no name. The pins go last: nobody may find it without.
fn undo(new: Place<'_>, pinned: &BTreeMap<String, Arc<dyn Storage>>) -> Result<()> {
    let path = new.path().to_owned();
    new.remove()?;
    unpin(pinned, &path)
}

fn unpin(pinned: &BTreeMap<String, Arc<dyn Storage>>, path: &str) -> Result<()> {
    { pinned.values() }.try_for_each(|storage| lenders::unpin(storage.as_ref(), path))
}

fn unsteady() -> Error {
    Error::conflict("the index changed again and again; try again")
}

impl Making<'_> {
    /// None where another attempt needs another place.
    fn run(&mut self) -> Result<Option<BranchReport>> {
        let mut last = unsteady();
        for _ in 0..ATTEMPTS {
            match self.attempt() {
                // The index, or its log, is another by now.
                Err(error) if is_passing(&error) && !self.has_begun => {
                    tracing::debug!(%error, "a branch starts over");
                    last = error;
                    self.unpin()?;
                    if Name::look(self.store, self.source, false)?.place_path()
                        != Some(self.place.clone())
                    {
                        return Err(Error::conflict("the index was dropped meanwhile"));
                    }
                    // What was put of the log may come once more where requests can be late.
                    if self.has_log && !self.new.storage().has_locks() {
                        return Ok(None);
                    }
                }
                attempted => return attempted.map(Some),
            }
        }
        Err(last)
    }

    fn attempt(&mut self) -> Result<BranchReport> {
        let mut settings = self.settings.clone();
        settings.mode = Mode::Read;
        settings.scrub_bytes_per_second = None;
        let reader = Open::new(self.source, Arc::clone(&self.storage), settings)?;
        let place = self.place.clone();
        let ask = || { reader.writer() }.consult(|introducer| introducer.branch(&place));
        let BranchContents { epoch, contents } = ask()?;
        let names = shared_names(&contents.files);
        let branch = self.grouped(&reader.shared().lenders, names)?;
        let pins = self.pins(&reader.shared().lenders, &branch, epoch)?;
        for (place, pin) in pins {
            self.pin(&place, &pin, &branch)?;
        }
        // Whoever publishes a later epoch finds the pins.
        ask()?;
        let mut task = reader.work().begin(Operation::Backup);
        let limits = CallLimits::default();
        if std::mem::replace(&mut self.has_log, true) {
            self.new.storage().remove(log::DIRECTORY)?;
        }
        let copied = copy::copy_log(
            (&self.storage, self.new.storage()),
            &contents,
            &limits,
            &task,
        );
        task.end(copied.as_ref().map(drop));
        let log_entries = copied?;
        // The log was that of a writer who has not been overtaken since.
        { reader.writer() }.consult(|introducer| introducer.contents())?;
        self.has_begun = true;
        self.put(BRANCH_OBJECT, &branch.document()?)?;
        for (name, bytes) in &contents.objects {
            self.put(name, bytes)?;
        }
        Ok(BranchReport {
            epoch,
            shared_files: branch
                .lenders
                .values()
                .map(|names| names.len() as u64)
                .sum(),
            log_entries,
        })
    }

    /// Which names lie in which places.
    fn grouped(&self, lenders: &Lenders, names: BTreeSet<String>) -> Result<Branch> {
        let own = match names.is_empty() {
            true => &Branch::default(),
            false => lenders.branch()?,
        };
        let mut branch = Branch {
            place: self.new.path().to_owned(),
            ..Branch::default()
        };
        for name in names {
            let place = own.lender_of(&name).unwrap_or(&self.place);
            let of_place = branch.lenders.entry(place.to_owned()).or_default();
            of_place.insert(name);
        }
        Ok(branch)
    }

    /// The pins that it needs. What the index shares itself is kept by the epoch of which it does.
    fn pins(
        &mut self,
        lenders: &Lenders,
        branch: &Branch,
        epoch: u64,
    ) -> Result<Vec<(String, BranchPin)>> {
        let mut pins = Vec::new();
        for place in branch.lenders.keys() {
            let is_own = *place == self.place;
            let storage = match is_own {
                true => Arc::clone(&self.storage),
                false => lenders.look(place)?,
            };
            let epoch = match is_own {
                true => Some(epoch),
                false => {
                    let held = lenders::pins(storage.as_ref())?.into_iter();
                    held.filter(|pin| pin.place == self.place)
                        .map(|pin| pin.epoch)
                        .max()
                }
            };
            let Some(epoch) = epoch else {
                let text = format!("the index shares parts of {place} no more");
                return Err(Error::conflict(text));
            };
            self.pinned.insert(place.clone(), storage);
            let pin = BranchPin {
                epoch,
                place: self.new.path().to_owned(),
            };
            pins.push((place.clone(), pin));
        }
        Ok(pins)
    }

    fn pin(&self, place: &str, pin: &BranchPin, branch: &Branch) -> Result<()> {
        let (Some(storage), Some(names)) = (self.pinned.get(place), branch.lenders.get(place))
        else {
            return Ok(());
        };
        match storage.put_if_absent(&pin.name(), &pin.document(names)?) {
            // That of an attempt before.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            put => put.map(drop),
        }
    }

    /// Puts an object of the branch itself. `conflict` when it was given up for dead, as who drops the index
    /// may do.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let storage = self.new.storage();
        match storage.put_if_absent(name, bytes) {
            Err(error) if error.kind() == ErrorKind::Conflict => match storage.get(name)? {
                Some((found, _)) if found == bytes => Ok(()),
                _ => Err(Error::conflict(
                    "the index was being dropped, or cleared of branches that are not there; try again",
                )),
            },
            put => put.map(drop),
        }
    }

    fn unpin(&mut self) -> Result<()> {
        unpin(&self.pinned, self.new.path())?;
        self.pinned.clear();
        Ok(())
    }
}

/// What lies in `parts/`, of paths of files.
fn shared_names(files: &[String]) -> BTreeSet<String> {
    let names = files.iter();
    let names = names.filter_map(|path| path.strip_prefix("parts/")?.split('/').next());
    names.map(str::to_owned).collect()
}

/// Whether another attempt may find what it needs.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
}
