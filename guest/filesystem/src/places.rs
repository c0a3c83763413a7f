//! The interface `sidx:storage/places`.

use sidx_stores::{ErrorKind, Storage as _, Store as _, check_place};

use crate::Component;
use crate::bindings::exports::sidx::storage::places::{Capacity, Description, Guest};
use crate::bindings::exports::sidx::storage::types::Error;
use crate::state;

impl Guest for Component {
    fn describe() -> Description {
        let location = state::with(|state| Ok(state.store()?.location()));
        Description {
            location: location.unwrap_or_default(),
            files_grow: true,
            // There are no locks, under which alone two steps are one.
            swaps_exact: false,
        }
    }

    fn list(below: Option<String>) -> Result<Vec<String>, Error> {
        state::with(|state| match below {
            None => state.store()?.index_names(),
            Some(above) => state.store()?.places_below(&above),
        })
    }

    fn make(place: String) -> Result<(), Error> {
        state::with(|state| state.store()?.open_index(&place, true).map(drop))
    }

    fn remove(place: String) -> Result<(), Error> {
        state::with(|state| match state.store()?.remove_index(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        })
    }

    fn lock(place: String) -> Result<Option<u32>, Error> {
        state::with(|state| {
            // There is none, but what comes with it: objects are made durable, abandoned files go.
            state.place(&place)?.lock()?;
            Ok(None)
        })
    }

    fn unlock(_lock: u32) {}

    fn space(place: String) -> Result<Option<Capacity>, Error> {
        // WASI 0.2 does not tell.
        state::with(|_| check_place(&place).map(|()| None))
    }

    fn size_bytes(place: String) -> Result<u64, Error> {
        state::with(|state| state.place(&place)?.size_bytes())
    }

    fn pinned_epochs(place: String) -> Result<Vec<u64>, Error> {
        state::with(|state| match state.place_if_any(&place)? {
            Some(place) => place.locked_epochs(),
            None => Ok(Vec::new()),
        })
    }
}
