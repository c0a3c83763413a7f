//! The places in which files of a branch lie, and the pins that keep them there; see [`sidx_engine::Branch`].

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};
use sidx_command::database::Result;
use sidx_engine::{BRANCH_OBJECT, Branch, BranchPin, ErrorKind, epoch_of_object, unborn};

use crate::bindings::places;
use crate::error::{at, conflict, of_storage};
use crate::place::Place;
use crate::served::{Request, ask};

/// How often what a branch shares is noted again because another one was faster.
const ATTEMPTS: usize = 16;
/// What the pins of readers end in that are objects of the place.
const READER_PIN: &str = ".pin";

/// The pins of branches in a place.
pub(crate) fn pins(place: &Place) -> Result<Vec<BranchPin>> {
    Ok(BranchPin::among(&place.objects()?))
}

/// Removes the pins that a branch has in a place.
pub(crate) fn unpin(place: &Place, branch: &str) -> Result<()> {
    for pin in pins(place)? {
        if pin.place == branch {
            place.remove_object(&pin.name())?;
        }
    }
    Ok(())
}

/// The epochs that readers and branches have pinned in a place, ascending and each once.
pub(crate) fn pinned_epochs(place: &Place) -> Result<Vec<u64>> {
    let objects = place.objects()?;
    let readers = objects.iter().filter_map(|object| {
        let (epoch, _) = object.strip_suffix(READER_PIN)?.split_once('-')?;
        u64::from_str_radix(epoch, 16).ok()
    });
    let branches = BranchPin::among(&objects);
    let branches = branches.iter().map(|pin| pin.epoch);
    let host = places::pinned_epochs(place.name()).map_err(of_storage)?;
    let all: BTreeSet<u64> = readers.chain(branches).chain(host).collect();
    Ok(all.into_iter().collect())
}

/// Gives up what an index that was dropped shares of others, which may go there.
pub(crate) fn release_all(store: &Rc<str>, place: &Place) -> Result<()> {
    let Some((bytes, _)) = place.get(BRANCH_OBJECT)? else {
        return Ok(());
    };
    let branch = read(place, &bytes)?;
    for lender in branch.lenders.keys() {
        release_from(store, place, lender)?;
    }
    Ok(())
}

fn release_from(store: &Rc<str>, place: &Place, lender: &str) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let Some((bytes, version)) = place.get(BRANCH_OBJECT)? else {
            return Ok(());
        };
        let mut branch = read(place, &bytes)?;
        if branch.lenders.remove(lender).is_some() {
            // First: whatever it names is kept.
            match place.swap(BRANCH_OBJECT, &version, &branch.document()?) {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                swapped => swapped?,
            }
        }
        return unpin(&Place::new(store, lender), &branch.place);
    }
    let text = format!(
        "{}: {BRANCH_OBJECT} changes again and again; try again",
        place.location()
    );
    Err(conflict(text))
}

/// What `branch.json` in a place says.
pub(crate) fn read(place: &Place, bytes: &[u8]) -> Result<Branch> {
    Branch::read(bytes).map_err(|error| at(&error.into(), place.location()))
}

/// Lets branches of the index in a place go that are not there: that were dropped and cleared away, that
/// never came to be, or that share nothing of it any more and died before they could say so. Returns how
/// many. A branch that is at work is left alone, and so is one of which it cannot be told.
pub(crate) fn release_departed(store: &Rc<str>, place: &Place) -> Result<u64> {
    let mut released = 0;
    for pin in pins(place)? {
        if is_over(store, place.name(), &pin.place)? {
            place.remove_object(&pin.name())?;
            released += 1;
        }
    }
    Ok(released)
}

/// Whether the branch in a place needs nothing of a lender any more, and never will.
fn is_over(store: &Rc<str>, lender: &str, branch: &str) -> Result<bool> {
    let place = Place::new(store, branch);
    // Made where it is gone: its name is taken then for whoever sleeps over making it.
    place.make()?;
    match place.check_idle() {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(false),
        idle => idle?,
    }
    let (first, bytes) = unborn()?;
    let snapshots = || -> Result<Vec<String>> {
        let mut objects = place.objects()?;
        objects.retain(|object| epoch_of_object(object).is_some());
        Ok(objects)
    };
    if snapshots()?.is_empty() {
        match place.put_if_absent(&first, &bytes) {
            // It came to be just now.
            Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
            _ => {}
        }
    }
    // It may have gone far beyond its first snapshot before that was put.
    let found = place.get(&first)?;
    if snapshots()? == [first] && found.is_some_and(|(found, _)| found == bytes) {
        return Ok(true);
    }
    match ask(&place, &Request::ClearDropped, std::time::Duration::ZERO) {
        Ok(is_clear) => Ok(is_clear),
        Err(_) => Ok(match place.get(BRANCH_OBJECT)? {
            Some((bytes, _)) => Branch::read(&bytes)
                .is_ok_and(|found| found.place == branch && !found.lenders.contains_key(lender)),
            None => false,
        }),
    }
}

/// Writes anew what says where the files of a branch lie, when that is gone or cannot be read: the pins that
/// it has in the places of others tell. None where nothing is wrong with it, else what was, as a finding.
pub(crate) fn mend(store: &Rc<str>, place: &Place) -> Result<Option<Value>> {
    let found = place.get(BRANCH_OBJECT)?;
    let problem = match &found {
        None => "it is gone".to_owned(),
        Some((bytes, _)) => match Branch::read(bytes) {
            Err(error) if error.kind() == ErrorKind::Corrupt => error.message().to_owned(),
            read => return Ok(read.map(|_| None)?),
        },
    };
    let mut branch = Branch {
        place: place.name().to_owned(),
        ..Branch::default()
    };
    for name in places::list(None).map_err(of_storage)? {
        let root = Place::new(store, name.clone());
        let below = root.below()?.into_iter();
        let below = below.map(|below| Place::new(store, format!("{name}/{below}")));
        for lender in below.chain([root.clone()]) {
            let lent = lent_by(&lender, place.name())?;
            let lender = lender.name().to_owned();
            branch.lenders.extend(lent.map(|names| (lender, names)));
        }
    }
    let bytes = branch.document()?;
    match found {
        None => place.put_if_absent(BRANCH_OBJECT, &bytes)?,
        Some((_, version)) => place.swap(BRANCH_OBJECT, &version, &bytes)?,
    }
    let action = "made up from the pins of the branch in the places of other indexes";
    Ok(Some(
        json!({"what": BRANCH_OBJECT, "problem": problem, "action": action}),
    ))
}

/// What a branch has pinned in a place, if anything.
fn lent_by(lender: &Place, branch: &str) -> Result<Option<BTreeSet<String>>> {
    let mut lent = None;
    for pin in pins(lender)? {
        if pin.place == branch
            && let Some((bytes, _)) = lender.get(&pin.name())?
        {
            let names =
                { pin.names(&bytes) }.map_err(|error| at(&error.into(), lender.location()))?;
            lent.get_or_insert_with(BTreeSet::new).extend(names);
        }
    }
    Ok(lent)
}
