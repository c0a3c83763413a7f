//! What lies in the store of an index that nothing needs any more: finding it, and removing it.
//!
//! A writer removes what it replaces, and every opening for writing what those before it left. What is
//! seen here is what came after that: what readers kept until now, copies and drops that did not come to
//! their end, and what a writer left that died.

use serde::{Deserialize, Serialize};
use sidx_engine::{Mode, Subject};

use crate::departed;
use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::{self, Name};
use crate::lenders;
use crate::open::{Open, Settings};
use crate::removal;
use crate::storage::Store;

/// What of an index lies in its store that its newest snapshot does not need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GarbageReport {
    /// Parts, and files with dead rows, by their names in `parts/`.
    pub parts: Vec<String>,
    /// Snapshots that are not the newest, and no tombstones.
    pub snapshots: Vec<String>,
    /// Copies into this name that did not come to their end, by their places.
    pub copies: Vec<String>,
    /// Places of indexes of this name that were dropped while somebody read them.
    pub dropped: Vec<String>,
    /// Epochs that readers and branches have pinned, which keep parts where they are.
    pub pinned_epochs: Vec<u64>,
    /// After a removal: how many such things are still there, because somebody reads or makes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<usize>,
}

impl GarbageReport {
    /// How many things there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.len() + self.snapshots.len() + self.copies.len() + self.dropped.len()
    }

    /// What was here, and is not there.
    fn without(&self, left: &Self) -> Self {
        let rest = |all: &[String], left: &[String]| {
            let gone = all.iter().filter(|name| !left.contains(name));
            gone.cloned().collect()
        };
        Self {
            parts: rest(&self.parts, &left.parts),
            snapshots: rest(&self.snapshots, &left.snapshots),
            copies: rest(&self.copies, &left.copies),
            dropped: rest(&self.dropped, &left.dropped),
            pinned_epochs: left.pinned_epochs.clone(),
            remaining: Some(left.count()),
        }
    }
}

/// What the engine says of it.
#[derive(Deserialize)]
struct Leftovers {
    parts: Vec<String>,
    snapshots: Vec<String>,
}

/// Looks, and changes nothing.
pub(crate) fn look(store: &dyn Store, name: &str, settings: &Settings) -> Result<GarbageReport> {
    let looked = Name::look(store, name, false)?;
    let mut report = GarbageReport::default();
    for (unnamed, is_whole) in looked.unnamed()? {
        if !is_whole {
            report.copies.push(unnamed.place().to_owned());
        }
    }
    for place in looked.dropped_places()? {
        report.dropped.push(place.location());
    }
    let Some(place) = looked.place()? else {
        return Ok(report);
    };
    // Before this reader pins one itself.
    report.pinned_epochs = lenders::pinned_epochs(place.as_ref())?;
    let mut settings = settings.clone();
    settings.mode = Mode::Read;
    settings.scrub_bytes_per_second = None;
    let index = Open::new(name, place, settings)?;
    let text = { index.writer() }.consult(|instance| instance.describe(Subject::Leftovers))?;
    let left: Leftovers = serde_json::from_str(&text).map_err(|cause| {
        let text = format!("the engine's list of what is left is not JSON: {cause}");
        Error::new(ErrorKind::Other, text)
    })?;
    report.parts = left.parts;
    report.snapshots = left.snapshots;
    Ok(report)
}

/// Removes what can go, and returns what is gone.
pub(crate) fn collect(store: &dyn Store, name: &str, settings: &Settings) -> Result<GarbageReport> {
    let before = look(store, name, settings)?;
    let looked = Name::look(store, name, false)?;
    for (unnamed, is_whole) in looked.unnamed()? {
        if is_whole {
            continue;
        }
        match looked.remove_unnamed(&unnamed) {
            // It is still being made.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            removed => drop(removed?),
        }
    }
    removal::clear_earlier(&looked, name, settings)?;
    if let (Some(path), Some(place)) = (looked.place_path(), looked.place()?) {
        departed::release(store, &path, place.as_ref(), settings)?;
        let place = incarnation::existing(store, name, true)?;
        let mut settings = settings.clone();
        settings.mode = Mode::Write;
        settings.automatic_merge = false;
        settings.background = false;
        let index = Open::new(name, place, settings)?;
        index.writer().consult(|instance| instance.collect())?;
    }
    let after = look(store, name, settings)?;
    Ok(before.without(&after))
}
