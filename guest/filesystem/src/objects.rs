//! The interface `sidx:storage/objects`.

use sidx_stores::{Result, Storage as _, check_object_name, check_object_prefix};

use crate::Component;
use crate::bindings::exports::sidx::storage::objects::{Guest, Object};
use crate::bindings::exports::sidx::storage::types::Error;
use crate::state;

/// The place of an object, and its name.
fn split(path: &str) -> Result<(&str, &str)> {
    let (place, name) = state::split(path)?;
    check_object_name(name)?;
    Ok((place, name))
}

impl Guest for Component {
    fn get(path: String) -> Result<Option<Object>, Error> {
        state::with(|state| {
            let (place, name) = split(&path)?;
            let found = match state.place_if_any(place)? {
                Some(place) => place.get(name)?,
                None => None,
            };
            Ok(found.map(|(bytes, version)| Object { bytes, version }))
        })
    }

    fn put_if_absent(path: String, bytes: Vec<u8>) -> Result<String, Error> {
        state::with(|state| {
            let (place, name) = split(&path)?;
            state.place(place)?.put_if_absent(name, &bytes)
        })
    }

    fn compare_and_swap(path: String, version: String, bytes: Vec<u8>) -> Result<String, Error> {
        state::with(|state| {
            let (place, name) = split(&path)?;
            state.place(place)?.compare_and_swap(name, &version, &bytes)
        })
    }

    fn list(place: String, start: String) -> Result<Vec<String>, Error> {
        state::with(|state| {
            check_object_prefix(&start)?;
            let mut names = match state.place_if_any(&place)? {
                Some(place) => place.list_objects("")?,
                None => Vec::new(),
            };
            names.retain(|name| *name >= start);
            Ok(names)
        })
    }

    fn remove(path: String) -> Result<(), Error> {
        state::with(|state| {
            let (place, name) = split(&path)?;
            match state.place_if_any(place)? {
                Some(place) => place.remove_object(name),
                None => Ok(()),
            }
        })
    }
}
