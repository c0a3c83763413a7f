//! Repairing a damaged index.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use sidx_engine::{BRANCH_OBJECT, Branch};

use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::{self, Name};
use crate::instance::parse_report;
use crate::lenders;
use crate::lock;
use crate::open::Settings;
use crate::opener;
use crate::storage::{Storage, Store};

/// Repairs an index that nobody has open, with an instance of its own.
pub(crate) fn run(
    store: &dyn Store,
    name: &str,
    settings: &Settings,
    accept_loss: bool,
) -> Result<Value> {
    let found = Name::mend(store, name)?;
    let storage = match Name::look(store, name, false)?.place_to_write()? {
        Some(place) => place,
        // Maybe its `index.json` is gone.
        None => incarnation::unmarked(store, name)?,
    };
    let place = Name::look(store, name, false)?.place_path();
    let mut found = Vec::from_iter(found);
    let mut repaired = run_at(name, Arc::clone(&storage), settings, accept_loss);
    if let (Err(error), Some(place)) = (&repaired, place)
        && error.kind() == ErrorKind::Corrupt
        && let Some(mended) = mend_branch(store, &place, storage.as_ref())?
    {
        found.push(mended);
        repaired = run_at(name, storage, settings, accept_loss);
    }
    let mut report = repaired?;
    if let (false, Value::Object(report)) = (found.is_empty(), &mut report) {
        report.insert("ok".to_owned(), Value::Bool(false));
        if let Some(Value::Array(damage)) = report.get_mut("damage") {
            damage.splice(0..0, found);
        }
    }
    Ok(report)
}

/// The same for one in a place.
fn run_at(
    name: &str,
    storage: Arc<dyn Storage>,
    settings: &Settings,
    accept_loss: bool,
) -> Result<Value> {
    let _lock = lock::take(storage.as_ref(), settings.lock_wait)?;
    let unfinished = storage.unfinished()?;
    let (report, is_written) =
        opener::ask(&storage, settings, |instance| instance.repair(accept_loss))
            .map_err(|error| error.at(format_args!("index `{name}`")))?;
    if is_written {
        storage.clear_unfinished(&unfinished)?;
    }
    parse_report(&report)
}

/// Writes anew what says where the files of a branch lie, when that is gone or cannot be read: the pins that
/// it has in the places of others tell. None where nothing is wrong with it, else what was, as a finding.
fn mend_branch(store: &dyn Store, place: &str, storage: &dyn Storage) -> Result<Option<Value>> {
    let found = storage.get(BRANCH_OBJECT)?;
    let problem = match &found {
        None => "it is gone".to_owned(),
        Some((bytes, _)) => match Branch::read(bytes) {
            Err(error) if error.kind() == ErrorKind::Corrupt => error.message().to_owned(),
            read => return read.map(|_| None).map_err(Error::from),
        },
    };
    let mut branch = Branch {
        place: place.to_owned(),
        ..Branch::default()
    };
    for name in store.index_names()? {
        let below = store.places_below(&name)?.into_iter();
        let places = below.map(|below| format!("{name}/{below}"));
        for lender in places.chain([name.clone()]) {
            let lent = lent_by(store, &lender, place)?;
            branch.lenders.extend(lent.map(|names| (lender, names)));
        }
    }
    let bytes = branch.document()?;
    match found {
        None => drop(storage.put_if_absent(BRANCH_OBJECT, &bytes)?),
        Some((_, version)) => drop(storage.compare_and_swap(BRANCH_OBJECT, &version, &bytes)?),
    }
    let action = "made up from the pins of the branch in the places of other indexes";
    Ok(Some(
        json!({"what": BRANCH_OBJECT, "problem": problem, "action": action}),
    ))
}

/// What a branch has pinned in a place, if anything.
fn lent_by(store: &dyn Store, lender: &str, branch: &str) -> Result<Option<BTreeSet<String>>> {
    let storage = match store.open_index(lender, false) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut lent = None;
    for pin in lenders::pins(storage.as_ref())? {
        if pin.place == branch
            && let Some((bytes, _)) = storage.get(&pin.name())?
        {
            let names = pin.names(&bytes);
            let names = names.map_err(|error| Error::from(error).at(storage.location()))?;
            lent.get_or_insert_with(BTreeSet::new).extend(names);
        }
    }
    Ok(lent)
}
