//! Dropping an index.

use std::rc::Rc;
use std::time::Duration;

use sidx_command::database::{Error, Result};
use sidx_engine::{BRANCH_OBJECT, ErrorKind, INDEX_OBJECT};

use crate::error::{at, conflict, not_found};
use crate::incarnation::Name;
use crate::lenders;
use crate::place::Place;
use crate::served::{Request, ask};
use crate::warning;

/// Drops an index that nobody has open for writing. Returns the bytes that it took.
pub(crate) fn run(store: &Rc<str>, name: &str, wait: Duration) -> Result<u64> {
    let looked = match Name::look(store, name, false) {
        // What it said can be found out.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            Name::mend(store, name)?;
            Name::look(store, name, false)?
        }
        looked => looked?,
    };
    let place = match looked.place() {
        Ok(Some(place)) => place,
        Ok(None) => return remove_rest(store, &looked, name),
        // It is gone.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            looked.bury()?;
            clear_earlier(store, name)?;
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let before = place.size_bytes()?;
    let dropped = drop_index(store, &place, wait);
    let is_first = dropped.map_err(|error| at(&error, format_args!("index `{name}`")))?;
    // Decided: whatever fails from here on must not be taken for a drop that did not happen.
    remove_dropped(store, &looked, &place, name).map_err(|error| {
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
fn drop_index(store: &Rc<str>, place: &Place, wait: Duration) -> Result<bool> {
    match ask(place, &Request::DropIndex, wait) {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            match lenders::release_departed(store, place) {
                Ok(released) if released > 0 => ask(place, &Request::DropIndex, wait),
                _ => Err(error),
            }
        }
        asked => asked,
    }
}

/// Notes that an index was dropped, and removes its files, and those of others before it.
fn remove_dropped(store: &Rc<str>, looked: &Name, place: &Place, name: &str) -> Result<()> {
    match looked.bury() {
        // What is left of the index makes room.
        Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
            clear_files(place)?;
            looked.bury()?;
        }
        buried => buried?,
    }
    clear(store, place, name)?;
    clear_earlier(store, name).map(drop)
}

/// Where no index is: removes what is left of one that was dropped while somebody read it, and of copies that
/// did not come to their end.
fn remove_rest(store: &Rc<str>, looked: &Name, name: &str) -> Result<u64> {
    let mut bytes = 0;
    let mut is_nothing = true;
    for (unnamed, _) in looked.unnamed()? {
        bytes += looked.remove_unnamed(&unnamed)?;
        is_nothing = false;
    }
    if let Some(cleared) = clear_all(store, looked, name)? {
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
            Err(conflict(text))
        }
    }
}

/// Removes what is left of an index that was dropped, unless somebody reads it; whether it did.
/// `invalid-argument` for one that was not; nothing has changed then.
pub(crate) fn clear(store: &Rc<str>, place: &Place, name: &str) -> Result<bool> {
    let index = warning::quoted(name);
    if !clear_files(place)? {
        warning::tell(
            "readers have the dropped index open, so its files stay; drop it again when they have ended",
            &[("index", &index)],
        );
        return Ok(false);
    }
    // What it shared of others may go there.
    match lenders::release_all(store, place) {
        // What it has pinned goes when its lenders are dropped, or cleared of what nothing needs.
        Err(error) if error.kind() == ErrorKind::Corrupt => warning::tell(
            "pins of the dropped index stay in other places for now",
            &[("index", &index), ("error", &error)],
        ),
        released => released?,
    }
    place.remove_object(BRANCH_OBJECT)?;
    for directory in ["parts", "quarantine"] {
        place.remove(directory)?;
    }
    // Last: it shows that something is left.
    place.remove_object(INDEX_OBJECT).map(|()| true)
}

/// Whether an index was dropped for certain. If so, what the engine knows of it is cleared away.
pub(crate) fn is_dropped(place: &Place) -> bool {
    clear_files(place).is_ok()
}

/// The same for all that were dropped under a name; see [`clear_all`].
pub(crate) fn clear_earlier(store: &Rc<str>, name: &str) -> Result<Option<u64>> {
    clear_all(store, &Name::look(store, name, false)?, name)
}

/// Clears all that were dropped under a name. One whose last snapshot is damaged keeps its files. Returns the
/// bytes of those that went, none where none did.
fn clear_all(store: &Rc<str>, looked: &Name, name: &str) -> Result<Option<u64>> {
    let mut cleared = None;
    for place in looked.dropped_places()? {
        let before = place.size_bytes()?;
        match clear(store, &place, name) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidArgument | ErrorKind::Corrupt
                ) =>
            {
                let index = warning::quoted(name);
                warning::tell(
                    "files of an index that was dropped stay",
                    &[("index", &index), ("error", &error)],
                );
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

fn absent(store: &str, name: &str) -> Error {
    let text = format!("store {store} has no index {name}; it was dropped before");
    not_found(text)
}

/// Removes of a dropped index what the engine knows; whether that was all.
fn clear_files(place: &Place) -> Result<bool> {
    ask(place, &Request::ClearDropped, Duration::ZERO)
}
