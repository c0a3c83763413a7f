//! What an instance has: the store that it was given, and what is open in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use sidx_stores::{
    AppendFile, DirectoryStorage, DirectoryStore, Error, ErrorKind, NewFile, ReadFile, Result,
    check_index_name, check_path, is_incarnation,
};

use crate::bindings::exports::sidx::storage::types;

/// What a handle stands for.
pub(crate) enum Handle {
    /// A file under construction.
    New(Box<dyn NewFile>),
    /// A file that is read.
    Open(Arc<dyn ReadFile>),
    /// A file that grows.
    Growing(Growing),
}

/// A file that grows.
pub(crate) struct Growing {
    pub(crate) file: Box<dyn AppendFile>,
    /// A write failed: what lies behind the size is undefined.
    pub(crate) is_torn: bool,
    /// Nothing was written through it yet.
    pub(crate) is_fresh: bool,
}

/// What the instance has.
#[derive(Default)]
pub(crate) struct State {
    /// None before the program has said where it lies.
    pub(crate) store: Option<DirectoryStore>,
    handles: BTreeMap<u32, Handle>,
    /// The handle that was given out last.
    last: u32,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Answers a call with what the instance has.
pub(crate) fn with<T>(call: impl FnOnce(&mut State) -> Result<T>) -> Result<T, types::Error> {
    STATE
        .with(|state| match state.try_borrow_mut() {
            Ok(mut state) => call(&mut state),
            // No call is made while another one is.
            Err(_) => Err(Error::new(ErrorKind::Io, "a call was made inside another")),
        })
        .map_err(|error| {
            let text = error.message().to_owned();
            match error.kind() {
                ErrorKind::InvalidArgument => types::Error::InvalidArgument(text),
                ErrorKind::NotFound => types::Error::NotFound(text),
                ErrorKind::Conflict => types::Error::Conflict(text),
                ErrorKind::Corrupt => types::Error::Corrupt(text),
                ErrorKind::ResourceExhausted => types::Error::ResourceExhausted(text),
                _ => types::Error::Io(text),
            }
        })
}

impl State {
    /// The store that the program has named.
    pub(crate) fn store(&self) -> Result<&DirectoryStore> {
        self.store.as_ref().ok_or_else(|| {
            Error::invalid(
                "no directory is named yet: the program must open one by sidx:filesystem/root first",
            )
        })
    }

    /// A place that exists.
    pub(crate) fn place(&self, name: &str) -> Result<DirectoryStorage> {
        self.store()?.place(name)
    }

    /// The same for calls that find nothing where there is no place.
    pub(crate) fn place_if_any(&self, name: &str) -> Result<Option<DirectoryStorage>> {
        match self.place(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            place => place.map(Some),
        }
    }

    /// Gives out a number that no other open handle has.
    pub(crate) fn hold(&mut self, handle: Handle) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.handles.contains_key(&self.last) {
                break;
            }
        }
        self.handles.insert(self.last, handle);
        self.last
    }

    /// What a handle stands for.
    pub(crate) fn handle(&mut self, number: u32) -> Option<&mut Handle> {
        self.handles.get_mut(&number)
    }

    /// Ends a handle.
    pub(crate) fn release(&mut self, number: u32) -> Option<Handle> {
        self.handles.remove(&number)
    }
}

/// The place of a path, and what is behind it, both as they may be.
pub(crate) fn split(path: &str) -> Result<(&str, &str)> {
    let no_file = || {
        let shown: String = path.chars().take(80).collect();
        Error::invalid(format!("path {shown:?} names a place, and nothing in it"))
    };
    let (first, rest) = path.split_once('/').ok_or_else(no_file)?;
    check_index_name(first)?;
    let (place, below) = match rest.split_once('/') {
        Some((second, below)) if is_incarnation(second) => {
            let end = first.len() + 1 + second.len();
            (path.get(..end).unwrap_or(path), below)
        }
        _ if is_incarnation(rest) => return Err(no_file()),
        _ => (first, rest),
    };
    check_path(below)?;
    Ok((place, below))
}

/// The error of a number that is no such handle.
pub(crate) fn unknown(handle: u32, what: &str) -> Error {
    Error::invalid(format!("{handle} is not the handle of {what}"))
}
