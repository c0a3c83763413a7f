//! Repairing a damaged index.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sidx_command::database::{Result, Room};
use sidx_engine::ErrorKind;

use crate::bindings::index;
use crate::error::{at, of_engine};
use crate::incarnation::{self, Name};
use crate::lenders;
use crate::opened::parse_report;
use crate::place::Place;
use crate::served::Served;

/// Repairs an index that nobody has open.
pub(crate) fn run(store: &Rc<str>, name: &str, accept_loss: bool, wait: Duration) -> Result<Value> {
    let found = Name::mend(store, name)?;
    let named = Name::look(store, name, false)?.place_to_write()?;
    let is_named = named.is_some();
    let place = match named {
        Some(place) => place,
        // Maybe its `index.json` is gone.
        None => incarnation::unmarked(store, name)?,
    };
    let mut found = Vec::from_iter(found);
    let mut repaired = run_at(name, &place, accept_loss, wait);
    if let Err(error) = &repaired
        && is_named
        && error.kind() == ErrorKind::Corrupt
        && let Some(mended) = lenders::mend(store, &place)?
    {
        found.push(mended);
        repaired = run_at(name, &place, accept_loss, wait);
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
fn run_at(name: &str, place: &Place, accept_loss: bool, wait: Duration) -> Result<Value> {
    let _served = Served::to_write(place, Room::default(), wait)?;
    let report = index::repair(accept_loss)
        .map_err(|error| at(&of_engine(error), format_args!("index `{name}`")))?;
    parse_report(&report)
}
