//! Copies of an index in another store.
//!
//! A copy is made of part files, the log, the snapshot, and `index.json` last, in a place of its own below
//! that of its name. Only when it is whole is it named there, if nobody else made an index of that name
//! meanwhile: a copy that was interrupted is none, and two that meet do not mix.
//!
//! There are two kinds. A backup takes what is there as it is, damage included, by hard links where it can,
//! and leaves nothing behind when it fails. A copy proper compares every byte with what was written, stops at
//! damage, and when it is made again goes on where one before stopped. Either makes one file of parts that
//! are folders for stores that take no folders, and the other way round, without a look into any section.

mod log;
mod making;
mod marker;
mod place;
mod source;
mod stream;
mod transfer;

use std::fs;
use std::sync::Arc;

use serde::Serialize;
use sidx_engine::Contents;

use crate::error::{Error, ErrorKind, Result};
use crate::open::{Open, Settings};
use crate::session::CallLimits;
use crate::storage::{Storage, Store};
use crate::work::Task;
use log::LogCopy;
use making::{Making, Outcome};
use marker::Origin;
pub(crate) use place::Place;
use place::holds_nothing;

/// What a backup consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// Part files in the copy.
    pub files: u64,
    /// Those of them that share their bytes with the index by a hard link.
    pub linked_files: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Entries of the log: writes that are in no part file yet.
    pub log_entries: u64,
    /// Files that are missing in the index, and so in the copy: what they belong to is damaged in both.
    pub missing_files: u64,
}

/// What a copy consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// An earlier copy of the same index was there whole, and was left as it is; all else is 0 then.
    pub already_there: bool,
    /// Part files in the copy.
    pub files: u64,
    /// Those of them that an earlier copy, which was interrupted, had brought.
    pub kept_files: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Bytes that were copied now.
    pub copied_bytes: u64,
    /// Entries of the log: writes that are in no part file yet.
    pub log_entries: u64,
}

/// What is to be done about damage, and about what an earlier copy left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Backup,
    Copy,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Copy => "copy",
        }
    }
}

/// What was made, of either kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) copy: CopyReport,
    pub(crate) linked_files: u64,
    pub(crate) missing_files: u64,
}

impl From<Report> for BackupReport {
    fn from(report: Report) -> Self {
        Self {
            files: report.copy.files,
            linked_files: report.linked_files,
            copied_bytes: report.copy.copied_bytes,
            log_entries: report.copy.log_entries,
            missing_files: report.missing_files,
        }
    }
}

/// Copies an index to a store under a name that is free there.
pub(crate) fn run(
    index: &Open,
    target: &dyn Store,
    name: &str,
    kind: Kind,
    limits: &CallLimits,
    task: &Task,
) -> Result<Report> {
    limits.check()?;
    let root = target.open_index(name, true)?;
    let at = |error: Error| error.at(format_args!("{} to {}", kind.name(), root.location()));
    let made = match is_inside(&root.location(), &index.shared().storage.location()) {
        true => {
            let text = "it lies in the index that is to be copied; choose a store outside of it";
            Err(Error::invalid(text))
        }
        false => copy(index, target, name, kind, limits, task),
    };
    made.map_err(|error| {
        // The place itself may have been made just now.
        if is_bare(target, name, root.as_ref()).unwrap_or(false) {
            let _ = target.remove_index(name);
        }
        at(error)
    })
}

/// Makes the copy in a place that nobody else has, and then that the place of the index.
fn copy(
    index: &Open,
    target: &dyn Store,
    name: &str,
    kind: Kind,
    limits: &CallLimits,
    task: &Task,
) -> Result<Report> {
    if let Some(reason) = index
        .shared()
        .damages
        .left_out()
        .filter(|_| kind == Kind::Copy)
    {
        return Err(Error::new(ErrorKind::Corrupt, reason));
    }
    let origin = (kind == Kind::Copy).then(|| Origin::of(index));
    // What an earlier copy left is given up at most once.
    for _ in 0..2 {
        let (settings, advice) = (index.settings(), "choose another store for the copy");
        let found = place::find(target, name, settings, origin.as_ref(), advice)?;
        let Some(mut place) = found else {
            let mut report = Report::default();
            report.copy.already_there = true;
            return Ok(report);
        };
        let made = Making::new(index, &mut place, origin.as_ref(), limits, task).run();
        match made {
            Ok(Outcome::Unfit) => place.give_up()?,
            Ok(Outcome::Whole(report)) => return publish(place, kind).map(|()| report),
            Err(error) => {
                if kind == Kind::Backup {
                    remove(place);
                }
                return Err(error);
            }
        }
    }
    let text = "somebody else copies an index to this name at the same time; try again";
    Err(Error::conflict(text))
}

/// A place for an index that is to be made under a name, which is free, after what interrupted copies left
/// there was cleared away. `conflict` with an advice when it is taken.
pub(crate) fn free_place<'a>(
    target: &'a dyn Store,
    name: &'a str,
    settings: &Settings,
    advice: &str,
) -> Result<Place<'a>> {
    let found = place::find(target, name, settings, None, advice)?;
    // Only a copy is found to be there.
    found.ok_or_else(|| Error::conflict(format!("there is an index `{name}` already; {advice}")))
}

/// Copies the log of an index alone. Returns how many entries that are; `not-found` when they are gone.
pub(crate) fn copy_log(
    (from, to): (&Arc<dyn Storage>, &Arc<dyn Storage>),
    contents: &Contents,
    limits: &CallLimits,
    task: &Task,
) -> Result<u64> {
    let log = LogCopy {
        from,
        to,
        limits,
        count: &|bytes| task.add_bytes(bytes),
    };
    Ok(log.make(contents)?.entries)
}

/// Gives a whole copy its name.
fn publish(place: Place<'_>, kind: Kind) -> Result<()> {
    let published = place.publish();
    let is_known = match &published {
        Ok(()) => return Ok(()),
        // Somebody else has the name, so this copy will never have it.
        Err(error) if error.kind() == ErrorKind::Conflict => true,
        Err(error) => kind == Kind::Backup && error.kind() == ErrorKind::ResourceExhausted,
    };
    // Where nobody knows whether it is named, it stays.
    if is_known {
        remove(place);
    }
    published
}

/// Removes a copy that has no name.
fn remove(place: Place<'_>) {
    let location = place.storage().location();
    if let Err(error) = place.remove() {
        // It is in nobody's way; a later copy clears it away.
        tracing::warn!(place = location, %error, "an interrupted backup left files behind");
    }
}

/// Whether a folder lies in another; places that are no folders lie nowhere.
fn is_inside(inner: &str, outer: &str) -> bool {
    match (fs::canonicalize(inner), fs::canonicalize(outer)) {
        (Ok(inner), Ok(outer)) => inner != outer && inner.starts_with(outer),
        _ => false,
    }
}

/// Whether neither an index nor anything of one is in a place or below.
pub(crate) fn is_bare(target: &dyn Store, name: &str, root: &dyn Storage) -> Result<bool> {
    Ok(holds_nothing(root)? && target.places_below(name)?.is_empty())
}
