//! An instance with the rights of an opening, for what is done to an index that nobody has open.

use std::sync::Arc;

use crate::error::Result;
use crate::instance::Instance;
use crate::open::Settings;
use crate::pool::Pool;
use crate::session::{Role, Shared};
use crate::storage::Storage;

/// Asks an instance of its own. Returns with the answer whether the log was opened for writing: then whoever
/// was at work before is kept out.
pub(crate) fn ask<T>(
    place: &Arc<dyn Storage>,
    settings: &Settings,
    call: impl FnOnce(&mut dyn Instance) -> Result<T>,
) -> Result<(T, bool)> {
    let shared = Shared::new(
        Arc::clone(place),
        Some(Arc::clone(&settings.beside.0)),
        settings.budgets,
        false,
    );
    let sandbox = settings.sandbox.clone();
    let pool = Pool::new(
        Arc::clone(&shared),
        (settings.engine, settings.native),
        sandbox,
    );
    let mut instance = pool.start(true)?;
    instance.session().set_role(Role::Opener);
    let answer = call(instance.as_mut())?;
    Ok((answer, shared.log.is_written()))
}
