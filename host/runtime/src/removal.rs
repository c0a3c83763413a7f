//! Dropping an index.

use std::sync::Arc;

use sidx_engine::{BRANCH_OBJECT, INDEX_OBJECT};

use crate::departed;
use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::Name;
use crate::lenders::{self, Lenders};
use crate::lock;
use crate::open::Settings;
use crate::opener;
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
        // What it said can be found out.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            Name::mend(store, name)?;
            Name::look(store, name, false)?
        }
        looked => looked?,
    };
    let place = match looked.place() {
        Ok(Some(place)) => place,
        Ok(None) => return remove_rest(store, &looked, name, settings),
        // It is gone.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            looked.bury()?;
            clear_earlier(&Name::look(store, name, false)?, name, settings)?;
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let lock = lock::take(place.as_ref(), settings.lock_wait)?;
    let before = place.size_bytes()?;
    let path = looked.place_path().unwrap_or_default();
    let is_first = match drop_index(store, &path, &place, settings) {
        // There is no room to note it. Nobody is at work while the lock is held.
        Err(error)
            if error.kind() == ErrorKind::ResourceExhausted
                && place.has_locks()
                && lenders::pins(place.as_ref())?.is_empty() =>
        {
            // One in the place of the name has that lock itself.
            let is_here = place.location() == looked.root().location();
            let _kept = (!is_here).then_some(lock);
            return store.remove_index(name).map(|()| before);
        }
        dropped => dropped.map_err(|error| error.at(format_args!("index `{name}`")))?,
    };
    // Decided: whatever fails from here on must not be taken for a drop that did not happen.
    let rest = remove_dropped(store, &looked, &place, name, settings);
    drop(lock);
    rest.map_err(|error| {
        let text = format!(
            "index `{name}` was dropped, but not all that is left of it is removed ({error}); drop it again"
        );
        Error::new(ErrorKind::Io, text)
    })?;
    match is_first {
        true => Ok(before.saturating_sub(place.size_bytes().unwrap_or(0))),
        false => Err(absent(store, name)),
    }
}

/// Publishes the last snapshot of an index; whether it is the first to do so. Branches that are not there any
/// more are no reason to refuse it.
fn drop_index(
    store: &dyn Store,
    path: &str,
    place: &Arc<dyn Storage>,
    settings: &Settings,
) -> Result<bool> {
    let ask = || opener::ask(place, settings, |instance| instance.drop_index());
    let dropped = match ask() {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let released = departed::release(store, path, place.as_ref(), settings);
            match released {
                Ok(released) if released > 0 => ask()?,
                _ => return Err(error),
            }
        }
        asked => asked?,
    };
    Ok(dropped.0)
}

/// Notes that an index was dropped, and removes its files, and those of others before it.
fn remove_dropped(
    store: &dyn Store,
    looked: &Name<'_>,
    place: &Arc<dyn Storage>,
    name: &str,
    settings: &Settings,
) -> Result<()> {
    match looked.bury() {
        // What is left of the index makes room.
        Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
            clear_files(place, settings)?;
            looked.bury()?;
        }
        buried => buried?,
    }
    clear(place, name, settings)?;
    clear_earlier(&Name::look(store, name, false)?, name, settings).map(drop)
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
    if let Some(cleared) = clear_earlier(looked, name, settings)? {
        bytes += cleared;
        is_nothing = false;
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

/// Removes what is left of an index that was dropped, unless somebody reads it; whether it did.
/// `invalid-argument` for one that was not; nothing has changed then.
pub(crate) fn clear(place: &Arc<dyn Storage>, name: &str, settings: &Settings) -> Result<bool> {
    let is_clear = clear_files(place, settings)?;
    if !is_clear {
        tracing::warn!(
            index = name,
            "readers have the dropped index open, so its files stay; drop it again when they have ended"
        );
        return Ok(false);
    }
    // What it shared of others may go there.
    let lenders = Lenders::new(Arc::clone(place), Some(Arc::clone(&settings.beside.0)));
    match lenders.release_all() {
        // What it has pinned goes when its lenders are dropped, or cleared of what nothing needs.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::warn!(index = name, %error, "pins of the dropped index stay in other places for now");
        }
        released => released?,
    }
    place.remove_object(BRANCH_OBJECT)?;
    for directory in ["parts", "quarantine"] {
        place.remove(directory)?;
    }
    place.clear_unfinished(&place.unfinished()?)?;
    // Last: it shows that something is left.
    place.remove_object(INDEX_OBJECT).map(|()| true)
}

/// Whether an index was dropped for certain. If so, what the engine knows of it is cleared away.
pub(crate) fn is_dropped(place: &Arc<dyn Storage>, settings: &Settings) -> bool {
    clear_files(place, settings).is_ok()
}

/// The same for all that were dropped under a name. One whose last snapshot is damaged keeps its files.
/// Returns the bytes of those that went, none where none did.
pub(crate) fn clear_earlier(
    looked: &Name<'_>,
    name: &str,
    settings: &Settings,
) -> Result<Option<u64>> {
    let mut cleared = None;
    for place in looked.dropped_places()? {
        let before = place.size_bytes()?;
        match clear(&place, name, settings) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidArgument | ErrorKind::Corrupt
                ) =>
            {
                tracing::warn!(index = name, %error, "files of an index that was dropped stay");
            }
            is_clear => {
                if is_clear? {
                    let bytes = before.saturating_sub(place.size_bytes()?);
                    cleared = Some(cleared.unwrap_or(0) + bytes);
                }
            }
        }
    }
    Ok(cleared)
}

fn absent(store: &dyn Store, name: &str) -> Error {
    let text = format!(
        "store {} has no index {name}; it was dropped before",
        store.location()
    );
    Error::not_found(text)
}

/// Removes of a dropped index what the engine knows; whether that was all.
fn clear_files(place: &Arc<dyn Storage>, settings: &Settings) -> Result<bool> {
    opener::ask(place, settings, |instance| instance.clear_dropped()).map(|(is_clear, _)| is_clear)
}
