//! Repairing a damaged index.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Result;
use crate::incarnation::{self, Name};
use crate::instance::parse_report;
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
    let mut report = run_at(name, storage, settings, accept_loss)?;
    if let (Some(found), Value::Object(report)) = (found, &mut report) {
        report.insert("ok".to_owned(), Value::Bool(false));
        if let Some(Value::Array(damage)) = report.get_mut("damage") {
            damage.insert(0, found);
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
