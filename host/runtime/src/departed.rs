//! Branches that are not there any more, and whose pins are.

use sidx_engine::{BRANCH_OBJECT, Branch, epoch_of_object, unborn};

use crate::error::{ErrorKind, Result};
use crate::lenders;
use crate::open::Settings;
use crate::opener;
use crate::storage::{Storage, Store};

/// Lets branches of the index in a place go that are not there: that were dropped and cleared away, that
/// never came to be, or that share nothing of it any more and died before they could say so. Returns how
/// many. A branch that is at work is left alone, and so is one of which it cannot be told.
pub(crate) fn release(
    store: &dyn Store,
    path: &str,
    place: &dyn Storage,
    settings: &Settings,
) -> Result<u64> {
    let mut released = 0;
    for pin in lenders::pins(place)? {
        if is_over(store, path, &pin.place, settings)? {
            place.remove_object(&pin.name())?;
            released += 1;
        }
    }
    Ok(released)
}

/// Whether the branch in a place needs nothing of a lender any more, and never will.
fn is_over(store: &dyn Store, lender: &str, branch: &str, settings: &Settings) -> Result<bool> {
    // Made where it is gone: its name is taken then for whoever sleeps over making it.
    let storage = store.open_index(branch, true)?;
    let _lock = match storage.lock() {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(false),
        lock => lock?,
    };
    let snapshots = || -> Result<Vec<String>> {
        let mut objects = storage.list_objects("")?;
        objects.retain(|object| epoch_of_object(object).is_some());
        Ok(objects)
    };
    let (first, bytes) = unborn()?;
    let is_unborn = || -> Result<bool> {
        let found = storage.get(&first)?;
        Ok(snapshots()? == [first.clone()] && found.is_some_and(|(found, _)| found == bytes))
    };
    if snapshots()?.is_empty() {
        match storage.put_if_absent(&first, &bytes) {
            // It came to be just now.
            Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
            _ => {}
        }
    }
    // It may have gone far beyond its first snapshot before that was put.
    if is_unborn()? {
        return Ok(true);
    }
    match opener::ask(&storage, settings, |instance| instance.clear_dropped()) {
        Ok((is_clear, _)) => Ok(is_clear),
        Err(_) => Ok(match storage.get(BRANCH_OBJECT)? {
            Some((bytes, _)) => Branch::read(&bytes)
                .is_ok_and(|found| found.place == branch && !found.lenders.contains_key(lender)),
            None => false,
        }),
    }
}
