//! Dropping an index.

use std::sync::Arc;

use sidx_engine::INDEX_OBJECT;

use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::Name;
use crate::instance::Instance;
use crate::open::Settings;
use crate::pool::Pool;
use crate::session::{Role, Shared};
use crate::storage::{Storage, Store};

/// Drops an index that nobody has open for writing; see
/// [`IndexBuilder::remove`](crate::IndexBuilder::remove). Returns the bytes that it took.
pub(crate) fn run(store: &dyn Store, name: &str, settings: &Settings) -> Result<u64> {
    let looked = match Name::look(store, name, false) {
        // Maybe a removal by an older program broke off, whose rest goes now.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            store.remove_index(name)?;
            return Err(error);
        }
        looked => looked?,
    };
    let Some(place) = looked.place()? else {
        return remove_rest(store, &looked, name, settings);
    };
    let lock = place.lock()?;
    let before = place.size_bytes()?;
    let is_first = match with_instance(&place, settings, |instance| instance.drop_index()) {
        // There is no room to note it. Nobody is at work while the lock is held.
        Err(error) if error.kind() == ErrorKind::ResourceExhausted && place.has_locks() => {
            drop(lock);
            return store.remove_index(name).map(|()| before);
        }
        dropped => dropped.map_err(|error| error.at(format_args!("index `{name}`")))?,
    };
    looked.bury()?;
    clear(&place, name, settings)?;
    drop(lock);
    match is_first {
        true => Ok(before.saturating_sub(place.size_bytes()?)),
        false => Err(absent(store, name)),
    }
}

/// Where no index is: removes what is left of one that was dropped while somebody read it, and of copies that
/// did not come to their end.
fn remove_rest(
    store: &dyn Store,
    looked: &Name<'_>,
    name: &str,
    settings: &Settings,
) -> Result<u64> {
    let mut bytes = 0;
    let mut is_nothing = true;
    for (unnamed, _) in looked.unnamed()? {
        bytes += looked.remove_unnamed(&unnamed)?;
        is_nothing = false;
    }
    if let Some(place) = looked.dropped_place()? {
        clear(&place, name, settings)?;
    }
    match (is_nothing, looked.is_unused()) {
        (false, _) => Ok(bytes),
        (true, false) => Err(absent(store, name)),
        (true, true) => {
            let text = format!(
                "{} holds no index, as it has no {INDEX_OBJECT}: nothing was removed; `sidx repair` makes \
                 one of a damaged index, and what is none you can remove by hand",
                looked.root().location()
            );
            Err(Error::conflict(text))
        }
    }
}

/// Removes what is left of an index that was dropped, unless somebody reads it. `invalid-argument` for one
/// that was not; nothing has changed then.
pub(crate) fn clear(place: &Arc<dyn Storage>, name: &str, settings: &Settings) -> Result<()> {
    let is_clear = with_instance(place, settings, |instance| instance.clear_dropped())?;
    if !is_clear {
        tracing::warn!(
            index = name,
            "readers have the dropped index open, so its files stay; drop it again when they have ended"
        );
        return Ok(());
    }
    place.remove_object(INDEX_OBJECT)?;
    for directory in ["parts", "quarantine"] {
        place.remove(directory)?;
    }
    place.clear_unfinished(&place.unfinished()?)
}

/// Whether an index was dropped for certain.
pub(crate) fn was_dropped(place: &Arc<dyn Storage>, settings: &Settings) -> bool {
    with_instance(place, settings, |instance| instance.clear_dropped()).is_ok()
}

fn absent(store: &dyn Store, name: &str) -> Error {
    let text = format!(
        "store {} has no index {name}; it was dropped before",
        store.location()
    );
    Error::not_found(text)
}

/// Asks an instance that opens nothing.
fn with_instance<T>(
    place: &Arc<dyn Storage>,
    settings: &Settings,
    ask: impl FnOnce(&mut dyn Instance) -> Result<T>,
) -> Result<T> {
    let shared = Shared::new(Arc::clone(place), settings.budgets, false);
    let pool = Pool::new(shared, settings.engine, settings.sandbox.clone());
    let mut instance = pool.start(true)?;
    instance.session().set_role(Role::Opener);
    ask(instance.as_mut())
}
