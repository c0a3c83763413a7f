//! STORE and --index: finding an index, or telling which ones there are.

use std::path::Path;

use serde_json::Value;
use sidx_host::{BackupReport, ErrorKind, Index, IndexBuilder, Store};

use crate::arguments::Target;
use crate::exit::{Code, Failure};

/// Where an index is, or will be.
pub(crate) struct Place {
    store: String,
    index: String,
}

impl Place {
    /// Checks what kind of place STORE names; touches nothing.
    pub(crate) fn new(store: &str, index: &str) -> Result<Place, Failure> {
        check_store(store)?;
        Ok(Place {
            store: store.to_owned(),
            index: index.to_owned(),
        })
    }

    /// The place that a command's arguments name.
    pub(crate) fn of(target: &Target) -> Result<Place, Failure> {
        Place::new(&target.store, &target.index)
    }

    /// Opens the index for writing; makes store and index when they do not exist.
    pub(crate) fn create(&self) -> Result<Index, Failure> {
        Ok(Store::open(&self.store)?.index(&self.index).create()?)
    }

    /// Opens an index that exists, for maintenance: nothing is merged unless that is asked for.
    pub(crate) fn open(&self) -> Result<Index, Failure> {
        self.existing(|index| index.automatic_merge(false).open())
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

    /// Tells which indexes there are when this one is not.
    fn explained(&self, store: &Store, error: sidx_host::Error) -> Failure {
        if error.kind() == ErrorKind::NotFound {
            let message = format!("there is no index {:?} in {}", self.index, self.store);
            return Failure::new(Code::NotFound, message, self.listed(store));
        }
        error.into()
    }

    /// The indexes there are, as a next step.
    fn listed(&self, store: &Store) -> String {
        const NAMES_MAX: usize = 20;
        let names = store.index_names().unwrap_or_default();
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
        && scheme != "file"
    {
        let message = format!("STORE {store}: {scheme}:// is not supported by this version");
        return Err(Failure::usage(
            message,
            "name a directory or a file:/// URL",
        ));
    }
    if store.starts_with("file://") && !store.starts_with("file:///") {
        let message = format!("STORE {store}: a file URL has three slashes");
        return Err(Failure::usage(message, "write file:///absolute/path"));
    }
    if store.starts_with("memory:") {
        let message = "STORE memory: a store in memory ends with the command";
        return Err(Failure::usage(
            message,
            "name a directory (./memory: for one so called)",
        ));
    }
    Ok(())
}

/// A store that exists.
pub(crate) fn existing_store(location: &str) -> Result<Store, Failure> {
    check_store(location)?;
    let store = Store::open(location)?;
    if Path::new(&store.location()).is_dir() {
        return Ok(store);
    }
    let message = format!("there is no store at {location}");
    Err(Failure::new(
        Code::NotFound,
        message,
        "check STORE; `sidx ingest` makes one",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_are_stores() {
        for store in ["s3://bucket/prefix", "http://x/y", "file://x", "memory:"] {
            assert!(Place::new(store, "i").is_err(), "{store}");
        }
        assert!(Place::new("file:///tmp/x", "i").is_ok());
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
