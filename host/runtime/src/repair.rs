//! Repairing a damaged index.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Result;
use crate::instance::parse_report;
use crate::open::Settings;
use crate::pool::Pool;
use crate::session::{Role, Shared};
use crate::storage::Storage;

/// Repairs an index that nobody has open, with an instance of its own.
pub(crate) fn run(
    name: &str,
    storage: Arc<dyn Storage>,
    settings: &Settings,
    accept_loss: bool,
) -> Result<Value> {
    let _lock = storage.lock()?;
    let shared = Shared::new(Arc::clone(&storage), settings.budgets, false);
    let pool = Pool::new(
        Arc::clone(&shared),
        settings.engine,
        settings.sandbox.clone(),
    );
    let mut instance = pool.start(true)?;
    instance.session().set_role(Role::Opener);
    let report = instance
        .repair(accept_loss)
        .map_err(|error| error.at(format_args!("index `{name}`")))?;
    if shared.log.is_written() {
        storage.clear_unfinished()?;
    }
    parse_report(&report)
}
