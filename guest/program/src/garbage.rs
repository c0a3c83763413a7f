//! What lies in the store of an index that nothing needs any more: finding it, and removing it.

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sidx_command::database::{Result, Room};

use crate::bindings::index::{self, Subject};
use crate::error::{of_engine, other};
use crate::incarnation::{self, Name};
use crate::lenders;
use crate::opened::Opened;
use crate::place::has_locks;
use crate::removal;

/// What of an index lies in its store that its newest snapshot does not need.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    parts: Vec<String>,
    snapshots: Vec<String>,
    /// Copies into this name that did not come to their end, by their places.
    copies: Vec<String>,
    /// Places of indexes of this name that were dropped while somebody read them.
    dropped: Vec<String>,
    /// Epochs that readers and branches have pinned, which keep parts where they are.
    pinned_epochs: Vec<u64>,
    /// After a removal: how many such things are still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<usize>,
}

/// What the engine says of it.
#[derive(Deserialize)]
struct Leftovers {
    parts: Vec<String>,
    snapshots: Vec<String>,
}

impl Report {
    fn count(&self) -> usize {
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

    pub(crate) fn to_json(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|cause| other(format!("the report is no JSON: {cause}")))
    }
}

/// Looks, and changes nothing.
pub(crate) fn look(store: &Rc<str>, name: &str) -> Result<Report> {
    let looked = Name::look(store, name, false)?;
    let mut report = Report::default();
    for (unnamed, is_whole) in looked.unnamed()? {
        if !is_whole {
            report.copies.push(unnamed.below);
        }
    }
    for place in looked.dropped_places()? {
        report.dropped.push(place.location().to_string());
    }
    let Some(place) = looked.place()? else {
        return Ok(report);
    };
    // Before this reader pins one itself.
    report.pinned_epochs = lenders::pinned_epochs(&place)?;
    let _index = Opened::to_read(name, place)?;
    let text = index::describe(Subject::Leftovers).map_err(of_engine)?;
    let left: Leftovers = serde_json::from_str(&text).map_err(|cause| {
        other(format!(
            "the engine's list of what is left is not JSON: {cause}"
        ))
    })?;
    report.parts = left.parts;
    report.snapshots = left.snapshots;
    Ok(report)
}

/// Removes what can go, and returns what is gone.
pub(crate) fn collect(store: &Rc<str>, name: &str, wait: Duration) -> Result<Report> {
    let before = look(store, name)?;
    let looked = Name::look(store, name, false)?;
    for (unnamed, is_whole) in looked.unnamed()? {
        // Without locks nobody can tell whether it is still being made.
        if is_whole || !has_locks(looked.root())? {
            continue;
        }
        match looked.remove_unnamed(&unnamed) {
            Err(error) if error.kind() == sidx_engine::ErrorKind::Conflict => {}
            removed => drop(removed?),
        }
    }
    removal::clear_earlier(store, name)?;
    if let Some(place) = looked.place()? {
        lenders::release_departed(store, &place)?;
        let place = incarnation::existing(store, name, true)?;
        let _index = Opened::to_write(name, place, false, Room::default(), wait)?;
        index::collect().map_err(of_engine)?;
    }
    let after = look(store, name)?;
    Ok(before.without(&after))
}
