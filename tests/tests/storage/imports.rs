//! The imports of `wit/storage` over a native store: what each host has to write, in some hundred lines.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use sidx_host::storage::log::LogForm;
use sidx_host::storage::{
    AppendFile, Lock, NewFile, ReadFile, Storage, Store, check_index_name, check_path,
    is_incarnation,
};
use sidx_host::{Error, ErrorKind, Result};

use super::flaws::Flaw;

mod files;
mod objects;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/storage",
        world: "conformance",
    });
}

use bindings::sidx::storage::{environment, places, types};

type Answer<T> = std::result::Result<T, types::Error>;

/// What an instance has open.
enum Handle {
    New(Box<dyn NewFile>, String),
    Open(Arc<dyn ReadFile>, String),
    Growing(Growing),
    Lock(#[allow(dead_code, reason = "held, not used")] Lock),
}

struct Growing {
    file: Box<dyn AppendFile>,
    /// A write failed: what lies behind the size is undefined.
    torn: bool,
    /// Nothing was written through it yet.
    fresh: bool,
}

/// A store, and what one instance has open in it.
pub(crate) struct State {
    store: Arc<dyn Store>,
    /// How logs lie in it.
    form: LogForm,
    handles: BTreeMap<u32, Handle>,
    /// Handles given out so far.
    given: u32,
    start: Instant,
    flaw: Option<Flaw>,
    /// How often the clock was looked at.
    looks: u64,
}

impl State {
    pub(crate) fn new(store: Arc<dyn Store>, form: LogForm, flaw: Option<Flaw>) -> Self {
        Self {
            store,
            form,
            handles: BTreeMap::new(),
            given: 0,
            start: Instant::now(),
            flaw,
            looks: 0,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn place(&self, name: &str) -> Result<Arc<dyn Storage>> {
        self.store.open_index(name, self.has(Flaw::PlacesOnDemand))
    }

    /// The same for calls that find nothing where there is no place.
    fn place_if_any(&self, name: &str) -> Result<Option<Arc<dyn Storage>>> {
        match self.place(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            place => place.map(Some),
        }
    }

    /// The place of a path, and what is behind it.
    fn split(&self, path: &str) -> Result<(String, String)> {
        let tidied: Vec<&str> = path
            .split('/')
            .filter(|name| !["", "."].contains(name))
            .collect();
        let tidied = tidied.join("/");
        let path = match self.has(Flaw::TidiesPaths) {
            true => &tidied,
            false => path,
        };
        let (place, below) = path
            .split_once('/')
            .ok_or_else(|| Error::invalid(format!("{path:?} is a place, and nothing in it")))?;
        check_index_name(place)?;
        let (place, below) = match below.split_once('/') {
            Some((last, below)) if is_incarnation(last) => (format!("{place}/{last}"), below),
            _ => (place.to_owned(), below),
        };
        check_path(below)?;
        if self.has(Flaw::ShortNames) && below.split('/').any(|name| name.len() > 200) {
            return Err(Error::invalid("a name of more than 200 bytes"));
        }
        let below = match self.has(Flaw::FoldsCase) {
            true => below.to_lowercase(),
            false => below.to_owned(),
        };
        Ok((place, below))
    }

    fn hold(&mut self, handle: Handle) -> u32 {
        self.given += 1;
        self.handles.insert(self.given, handle);
        self.given
    }

    fn listed(&self, mut names: Vec<String>) -> Vec<String> {
        if self.has(Flaw::ListsBackwards) {
            names.reverse();
        }
        if self.has(Flaw::ListsOnePage) {
            names.truncate(1000);
        }
        names
    }
}

fn unknown(handle: u32, what: &str) -> Error {
    Error::invalid(format!("{handle} is not the handle of {what}"))
}

/// What a store says is handed on; none of ours gives up a call.
fn answer<T>(result: Result<T>) -> Answer<T> {
    result.map_err(|error| {
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

impl types::Host for State {}

impl environment::Host for State {
    fn random(&mut self) -> (u64, u64) {
        if self.has(Flaw::RandomRepeats) {
            return (4, 4);
        }
        // Keys of the standard library's hash maps: good enough to be told apart by.
        let draw = || RandomState::new().hash_one(0);
        (draw(), draw())
    }

    fn now_ms(&mut self) -> u64 {
        self.looks += 1;
        if self.has(Flaw::ClockGoesBack) {
            return 1000 - self.looks % 1000;
        }
        self.start.elapsed().as_millis() as u64
    }
}

impl places::Host for State {
    fn describe(&mut self) -> places::Description {
        places::Description {
            location: self.store.location(),
            files_grow: self.form == LogForm::Growing,
            swaps_exact: true,
        }
    }

    fn list(&mut self, below: Option<String>) -> Answer<Vec<String>> {
        let names = match below {
            None => self.store.index_names(),
            Some(above) => self.store.places_below(&above),
        };
        answer(names.map(|names| self.listed(names)))
    }

    fn make(&mut self, place: String) -> Answer<()> {
        answer(self.store.open_index(&place, true).map(drop))
    }

    fn remove(&mut self, place: String) -> Answer<()> {
        if self.has(Flaw::RemovesLocked) {
            self.handles
                .retain(|_, handle| !matches!(handle, Handle::Lock(_)));
        }
        if self.has(Flaw::PlacesStay) {
            return Ok(());
        }
        answer(match self.store.remove_index(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        })
    }

    fn lock(&mut self, place: String) -> Answer<Option<u32>> {
        let lock = self.place(&place).and_then(|place| match place.lock() {
            Err(_) if self.has(Flaw::LocksTwice) => Ok(Box::new(()) as Lock),
            lock => lock,
        });
        answer(lock.map(|lock| Some(self.hold(Handle::Lock(lock)))))
    }

    fn unlock(&mut self, lock: u32) {
        if matches!(self.handles.get(&lock), Some(Handle::Lock(_))) {
            self.handles.remove(&lock);
        }
    }

    fn pinned_epochs(&mut self, place: String) -> Answer<Vec<u64>> {
        let pinned = self.place_if_any(&place).and_then(|place| match place {
            Some(place) => place.pinned_epochs(),
            None => Ok(Vec::new()),
        });
        answer(pinned)
    }

    fn space(&mut self, place: String) -> Answer<Option<places::Capacity>> {
        let space = self.place(&place).and_then(|place| place.space());
        answer(space.map(|space| {
            space.map(|space| places::Capacity {
                total_bytes: space.total_bytes,
                free_bytes: space.free_bytes,
                free_files: space.free_files,
            })
        }))
    }

    fn size_bytes(&mut self, place: String) -> Answer<u64> {
        if self.has(Flaw::SizesNothing) {
            return Ok(0);
        }
        answer(self.place(&place).and_then(|place| place.size_bytes()))
    }
}
