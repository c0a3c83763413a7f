//! Branches: a second index in a store that begins as another one is, and shares its parts.
//!
//! Pinned are first, in the place of the other and in those of which that one shares parts itself, the epochs
//! that name the files; then it is looked whether the pinned epoch is the newest still, and not about to be
//! dropped; the log behind it is copied; and `branch.json`, a first snapshot, `index.json` and, last, the
//! name are put. From the pins on nothing is removed that it shares, and a drop finds them.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::json;
use sidx_command::database::{BranchReport, Result};
use sidx_engine::{BRANCH_OBJECT, Branch, BranchPin, ErrorKind};

use crate::bindings::index::{self, StoredContents};
use crate::bindings::session::{Ownership, RawLog};
use crate::error::{at, conflict, not_found, of_engine, other};
use crate::incarnation::{self, Name, UNFINISHED_COPY};
use crate::lenders;
use crate::opened::Opened;
use crate::place::{Place, has_locks, nonce};
use crate::removal;
use crate::warning;

/// How often it begins anew because the index changed meanwhile.
const ATTEMPTS: usize = 32;
/// Bytes of log entries that are written together.
const APPEND_BYTES: u32 = 1 << 20;
const ADVICE: &str = "choose another name for the branch";

/// Makes a branch of an index under a name that is free.
pub(crate) fn run(store: &Rc<str>, source: &str, target: &str) -> Result<BranchReport> {
    // Nothing is made for one that is not there.
    incarnation::existing(store, source, false)?;
    let root = Place::new(store, target);
    root.make()?;
    make(store, source, target).map_err(|error| {
        // The place itself may have been made just now.
        if incarnation::is_bare(&root).unwrap_or(false) {
            let _ = root.remove_all();
        }
        at(&error, format_args!("branch `{target}` of `{source}`"))
    })
}

fn make(store: &Rc<str>, source: &str, target: &str) -> Result<BranchReport> {
    let mut last = conflict("the index changed again and again; try again");
    for _ in 0..ATTEMPTS {
        let Some(place) = Name::look(store, source, false)?.place()? else {
            return Err(not_found(format!("index `{source}` does not exist")));
        };
        let looked = free_name(store, target)?;
        let (below, new) = looked.new_place()?;
        let mut making = Making {
            store,
            source,
            place,
            new,
            pinned: Vec::new(),
            has_begun: false,
        };
        let made = making.begin().and_then(|()| making.attempt());
        let error = match made.map(|report| (report, looked.publish(&below))) {
            Ok((report, Ok(()))) => {
                making.unmark();
                return Ok(report);
            }
            // Where nobody knows whether it is named, it stays.
            Ok((_, Err(error)))
                if !matches!(
                    error.kind(),
                    ErrorKind::Conflict | ErrorKind::ResourceExhausted
                ) =>
            {
                return Err(error);
            }
            Ok((_, Err(error))) => {
                making.undo();
                return Err(error);
            }
            Err(error) => error,
        };
        making.undo();
        // The index, or its log, is another by now; whether another attempt may find what it needs.
        let is_passing = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
        if making.has_begun || !is_passing {
            return Err(error);
        }
        last = error;
    }
    Err(last)
}

/// A name that is free. What copies left there that did not come to their end is cleared away where locks
/// tell that they are not at work.
fn free_name(store: &Rc<str>, name: &str) -> Result<Name> {
    let taken = |what: &str| conflict(format!("there is {what} `{name}` already; {ADVICE}"));
    let mut looked = Name::look(store, name, true)?;
    if let Some(place) = looked.place()? {
        // Who dropped it may not have come as far as to note that.
        if !removal::is_dropped(&place) {
            return Err(taken("an index"));
        }
        looked.bury()?;
        looked = Name::look(store, name, true)?;
    }
    if looked.is_unused() && !incarnation::holds_nothing(looked.root())? {
        return Err(taken("something that is no whole index"));
    }
    let unnamed = looked.unnamed()?;
    if unnamed.iter().any(|(_, is_whole)| *is_whole) {
        return Err(taken(
            "an index that was lost, and that a repair finds again, as",
        ));
    }
    if unnamed.is_empty() || !has_locks(looked.root())? {
        return Ok(looked);
    }
    for (unnamed, _) in &unnamed {
        looked.remove_unnamed(unnamed)?;
    }
    Name::look(store, name, true)
}

/// A branch that is being made.
struct Making<'a> {
    store: &'a Rc<str>,
    source: &'a str,
    /// Of the index that it begins from.
    place: Place,
    new: Place,
    /// The places in which it may have pins.
    pinned: Vec<Place>,
    /// Something of the branch itself is there: there is no other attempt.
    has_begun: bool,
}

impl Making<'_> {
    /// Makes the place, and marks it as one that has no name yet.
    fn begin(&self) -> Result<()> {
        self.new.make()?;
        let marker = json!({
            "what": "a copy into this place has no name yet",
            "copier": format!("{:032x}", nonce()),
        });
        let marker = format!("{marker}\n");
        self.new.put_if_absent(UNFINISHED_COPY, marker.as_bytes())
    }

    fn unmark(&self) {
        if let Err(error) = self.new.remove_object(UNFINISHED_COPY) {
            // It has a name, whatever becomes of the marker.
            let place = warning::quoted(&self.new.location().to_string());
            warning::tell(
                "the marker of a finished copy could not be removed",
                &[("place", &place), ("error", &error)],
            );
        }
    }

    fn attempt(&mut self) -> Result<BranchReport> {
        let _reader = Opened::to_read(self.source, self.place.clone())?;
        let place = self.place.clone();
        let ask = || index::branch(place.name()).map_err(of_engine);
        let stored = ask()?;
        let branch = self.grouped(shared_names(&stored.contents.files))?;
        for (lender, names) in &branch.lenders {
            self.pin(lender, names, stored.epoch)?;
        }
        // Whoever publishes a later epoch finds the pins.
        ask()?;
        let log_entries = self.copy_log(&stored.contents)?;
        // The log was that of a writer who has not been overtaken since.
        index::contents().map_err(of_engine)?;
        self.has_begun = true;
        self.put(BRANCH_OBJECT, &branch.document()?)?;
        for object in &stored.contents.objects {
            self.put(&object.name, &object.bytes)?;
        }
        let shared = branch.lenders.values().map(|names| names.len() as u64);
        Ok(BranchReport {
            epoch: stored.epoch,
            shared_files: shared.sum(),
            log_entries,
        })
    }

    /// Which names lie in which places.
    fn grouped(&self, names: BTreeSet<String>) -> Result<Branch> {
        let own = match names.is_empty() {
            true => None,
            false => self.place.get(BRANCH_OBJECT)?,
        };
        let own = match own {
            Some((bytes, _)) => lenders::read(&self.place, &bytes)?,
            None => Branch::default(),
        };
        let mut branch = Branch {
            place: self.new.name().to_owned(),
            ..Branch::default()
        };
        for name in names {
            let place = own.lender_of(&name).unwrap_or(self.place.name());
            let of_place = branch.lenders.entry(place.to_owned()).or_default();
            of_place.insert(name);
        }
        Ok(branch)
    }

    /// Pins what is shared in a place. What the index shares itself is kept by the epoch of which it does.
    fn pin(&mut self, lender: &str, names: &BTreeSet<String>, epoch: u64) -> Result<()> {
        let place = Place::new(self.store, lender);
        let epoch = match lender == self.place.name() {
            true => Some(epoch),
            false => {
                let held = lenders::pins(&place)?.into_iter();
                let held = held.filter(|pin| pin.place == self.place.name());
                held.map(|pin| pin.epoch).max()
            }
        };
        let Some(epoch) = epoch else {
            let text = format!("the index shares parts of {lender} no more");
            return Err(conflict(text));
        };
        let pin = BranchPin {
            epoch,
            place: self.new.name().to_owned(),
        };
        self.pinned.push(place.clone());
        place.put_if_absent(&pin.name(), &pin.document(names)?)
    }

    /// Copies the log behind the snapshot, and returns how many entries that are.
    fn copy_log(&self, contents: &StoredContents) -> Result<u64> {
        let start = contents.log_position;
        let from = RawLog::open(self.place.name(), start, None).map_err(of_engine)?;
        let owner = Ownership {
            term: contents.term,
            fence: false,
        };
        let to = RawLog::open(self.new.name(), start, Some(owner)).map_err(of_engine)?;
        let (mut entries, mut end) = (0, start);
        loop {
            let read = from.read(end, APPEND_BYTES).map_err(of_engine)?;
            let Some(last) = read.last() else {
                to.append(&[], true).map_err(of_engine)?;
                return Ok(entries);
            };
            end = last.next_position;
            let copied = to.append(&read, false).map_err(of_engine)?;
            if copied != end {
                let text = format!("the copied log ends at {copied}, the original at {end}");
                return Err(other(text));
            }
            entries += read.len() as u64;
        }
    }

    /// Puts an object of the branch itself. `conflict` when it was given up for dead, as who drops the index
    /// may do.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self.new.put_if_absent(name, bytes) {
            Err(error) if error.kind() == ErrorKind::Conflict => match self.new.get(name)? {
                Some((found, _)) if found == bytes => Ok(()),
                _ => Err(conflict(
                    "the index was being dropped, or cleared of branches that are not there; try again",
                )),
            },
            put => put,
        }
    }

    /// Removes what is there of a branch that has no name. The pins go last: nobody may find it without.
    fn undo(&self) {
        let undone = self.new.remove_all().and_then(|()| {
            { self.pinned.iter() }.try_for_each(|place| lenders::unpin(place, self.new.name()))
        });
        if let Err(error) = undone {
            let place = warning::quoted(&self.new.location().to_string());
            warning::tell(
                "an interrupted branch left files behind",
                &[("place", &place), ("error", &error)],
            );
        }
    }
}

/// What lies in `parts/`, of paths of files.
fn shared_names(files: &[String]) -> BTreeSet<String> {
    let names = files.iter();
    let names = names.filter_map(|path| path.strip_prefix("parts/")?.split('/').next());
    names.map(str::to_owned).collect()
}
