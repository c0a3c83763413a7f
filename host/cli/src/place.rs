//! STORE and --index: finding an index, or telling which ones there are.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;

use serde_json::Value;
use sidx_host::{BackupReport, Error, ErrorKind, Index, IndexBuilder, Store};

use crate::arguments::{RoomArguments, Target};
use crate::exit::{Code, Failure};

/// Where an index is, or will be.
pub(crate) struct Place {
    store: String,
    index: String,
    room: RoomArguments,
}

impl Place {
    /// Checks what kind of place STORE names; touches nothing.
    pub(crate) fn new(store: &str, index: &str) -> Result<Place, Failure> {
        check_store(store)?;
        Ok(Place {
            store: store.to_owned(),
            index: index.to_owned(),
            room: RoomArguments::default(),
        })
    }

    /// The place that a command's arguments name.
    pub(crate) fn of(target: &Target) -> Result<Place, Failure> {
        Place::new(&target.store, &target.index)
    }

    /// The same place with other budgets for who writes there.
    pub(crate) fn with_room(self, room: RoomArguments) -> Place {
        Place { room, ..self }
    }

    fn within_room(&self, mut index: IndexBuilder) -> IndexBuilder {
        if let Some(bytes) = self.room.disk {
            index = index.disk_bytes(bytes);
        }
        match self.room.min_free {
            Some(bytes) => index.min_free_bytes(bytes),
            None => index,
        }
    }

    /// Opens the index for writing; makes store and index when they do not exist.
    pub(crate) fn create(&self) -> Result<Index, Failure> {
        let index = Store::open(&self.store)?.index(&self.index);
        Ok(self.within_room(index).create()?)
    }

    /// Opens an index that exists, for maintenance: nothing is merged unless that is asked for.
    pub(crate) fn open(&self) -> Result<Index, Failure> {
        self.existing(|index| self.within_room(index).automatic_merge(false).open())
    }

    /// Opens an index that exists, for reading: no lock is taken and nothing is changed.
    pub(crate) fn read(&self) -> Result<Index, Failure> {
        self.existing(IndexBuilder::read_only)
    }

    /// Repairs an index that exists and returns the report.
    pub(crate) fn repair(&self, accept_loss: bool) -> Result<Value, Failure> {
        self.existing(|index| index.repair(accept_loss))
    }

    /// Removes an index that exists and returns the bytes that it took.
    pub(crate) fn remove(&self) -> Result<u64, Failure> {
        let store = existing_store(&self.store)?;
        let removed = store.remove_index(&self.index);
        removed.map_err(|error| self.explained(&store, error))
    }

    /// Copies an index to this place.
    pub(crate) fn receive(&self, index: &Index) -> Result<BackupReport, Failure> {
        Ok(index.backup(&Store::open(&self.store)?, &self.index)?)
    }

    fn existing<T>(
        &self,
        open: impl FnOnce(IndexBuilder) -> sidx_host::Result<T>,
    ) -> Result<T, Failure> {
        let store = existing_store(&self.store)?;
        open(store.index(&self.index)).map_err(|error| self.explained(&store, error))
    }

    /// Tells which indexes there are when this one is not, and what stands in its place.
    fn explained(&self, store: &Store, error: Error) -> Failure {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let location = store.location();
        let location = Path::new(&location);
        let folder = location.join(&self.index);
        let message = if location.join("index.json").is_file() {
            format!("{} is itself an index, not a store", self.store)
        } else if folder.is_dir() {
            let folder = folder.display();
            let hint = "if it was one, `sidx repair` brings that back";
            format!("{folder} is no index, as it has no index.json ({hint})")
        } else {
            format!("there is no index {:?} in {}", self.index, self.store)
        };
        Failure::new(Code::NotFound, message, self.listed(store))
    }

    /// The indexes there are, as a next step.
    fn listed(&self, store: &Store) -> String {
        const NAMES_MAX: usize = 20;
        let path = store.location();
        let names = match store.index_names() {
            Ok(names) => names,
            Err(error) => return format!("which there are is not known: {}", error.message()),
        };
        if names.is_empty() && Path::new(&path).join("index.json").is_file() {
            let path = Path::new(&path);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new(".")).display();
            return format!("name the folder above it: sidx ... {above} --index {name}");
        }
        if names.is_empty() {
            return format!("{} holds no index yet; `sidx ingest` makes one", self.store);
        }
        let more = names.len().saturating_sub(NAMES_MAX);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let names = names
            .into_iter()
            .take(NAMES_MAX)
            .collect::<Vec<_>>()
            .join(", ");
        format!("indexes there: {names}{more}")
    }
}

/// Checks what kind of place STORE names; touches nothing.
fn check_store(store: &str) -> Result<(), Failure> {
    if let Some((scheme, _)) = store.split_once("://")
        && !store.starts_with("file:")
    {
        let message = format!("STORE {store}: {scheme}:// is not supported by this version");
        return Err(Failure::usage(
            message,
            "name a directory or a file:/// URL",
        ));
    }
    if store.starts_with("memory:") {
        let message = "STORE memory: a store in memory ends with the command";
        return Err(Failure::usage(
            message,
            "name a directory (./memory: for one so called)",
        ));
    }
    // Of an address it checks the form.
    Store::open(store)?;
    Ok(())
}

/// A store that exists.
pub(crate) fn existing_store(location: &str) -> Result<Store, Failure> {
    check_store(location)?;
    let store = Store::open(location)?;
    let path = store.location();
    let path = Path::new(&path);
    match fs::metadata(path) {
        Err(cause) if cause.kind() == Io::NotFound && !path.is_symlink() => {
            let message = format!("there is no store at {location}");
            Err(Failure::new(
                Code::NotFound,
                message,
                "check STORE; `sidx ingest` makes one",
            ))
        }
        // What else is in the way the library tells.
        Err(cause) if !matches!(cause.kind(), Io::NotFound | Io::NotADirectory) => {
            Err(Error::io("look at", path, cause).into())
        }
        _ => Ok(store),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_are_stores() {
        for store in [
            "s3://bucket/prefix",
            "http://x/y",
            "file://x",
            "file:x",
            "memory:",
        ] {
            assert!(Place::new(store, "i").is_err(), "{store}");
        }
        for store in ["file:///tmp/x", "file:/tmp/x", "./file:x"] {
            assert!(Place::new(store, "i").is_ok(), "{store}");
        }
    }

    #[test]
    fn reading_a_store_that_is_not_there_makes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("none");
        let place = Place::new(&store.to_string_lossy(), "i").unwrap();
        for opened in [place.read(), place.open()] {
            assert!(matches!(
                opened.err(),
                Some(Failure::Told {
                    code: Code::NotFound,
                    ..
                })
            ));
        }
        assert!(!store.exists());
    }
}
