//! STORE and --index: finding an index, or telling which ones there are.

use std::time::Duration;

use serde_json::Value;
use sidx_engine::ErrorKind;

use crate::arguments::{RoomArguments, Target, WaitArguments};
use crate::database::{
    Absence, BackupReport, BranchReport, CopyReport, Database, Error, Index as _, Result as Found,
    Room, Store,
};
use crate::exit::{Code, Failure};

/// An index of a database.
pub(crate) type IndexOf<D> = <<D as Database>::Store as Store>::Index;

/// Where an index is, or will be.
pub(crate) struct Place<'d, D> {
    database: &'d D,
    store: String,
    index: String,
    room: Room,
    wait: Duration,
}

impl<'d, D: Database> Place<'d, D> {
    /// Checks what kind of place STORE names; touches nothing.
    pub(crate) fn new(database: &'d D, store: &str, index: &str) -> Result<Self, Failure> {
        check_store(database, store)?;
        Ok(Place {
            database,
            store: store.to_owned(),
            index: index.to_owned(),
            room: Room::default(),
            wait: Duration::ZERO,
        })
    }

    /// The place that a command's arguments name.
    pub(crate) fn of(database: &'d D, target: &Target) -> Result<Self, Failure> {
        Place::new(database, &target.store, &target.index)
    }

    /// The same place with other budgets for who writes there.
    pub(crate) fn with_room(self, room: RoomArguments) -> Self {
        let RoomArguments {
            disk,
            min_free,
            one_file_parts,
        } = room;
        let room = Room {
            disk_bytes: disk,
            min_free_bytes: min_free,
            one_file_parts,
        };
        Place { room, ..self }
    }

    /// The same place for who waits for other writers.
    pub(crate) fn waiting(self, wait: WaitArguments) -> Self {
        let wait = wait.wait.unwrap_or_default();
        Place { wait, ..self }
    }

    /// Opens the index for writing; makes store and index when they do not exist.
    pub(crate) fn create(&self) -> Result<IndexOf<D>, Failure> {
        let store = self.database.store(&self.store)?;
        Ok(store.create(&self.index, self.room, self.wait)?)
    }

    /// Opens an index that exists, for maintenance: nothing is merged unless that is asked for.
    pub(crate) fn open(&self) -> Result<IndexOf<D>, Failure> {
        self.existing(|store| store.open(&self.index, self.room, self.wait))
    }

    /// Opens an index that exists, for reading: no lock is taken and nothing is changed.
    pub(crate) fn read(&self) -> Result<IndexOf<D>, Failure> {
        self.existing(|store| store.read(&self.index))
    }

    /// Repairs an index that exists and returns the report.
    pub(crate) fn repair(&self, accept_loss: bool) -> Result<Value, Failure> {
        self.existing(|store| store.repair(&self.index, accept_loss, self.wait))
    }

    /// What of an index that exists is there and not needed, or what of that was removed.
    pub(crate) fn garbage(&self, apply: bool) -> Result<Value, Failure> {
        self.existing(|store| store.garbage(&self.index, apply.then_some(self.wait)))
    }

    /// Removes an index that exists and returns the bytes that it took.
    pub(crate) fn remove(&self) -> Result<u64, Failure> {
        self.existing(|store| store.remove(&self.index, self.wait))
    }

    /// Makes a branch of an index that exists.
    pub(crate) fn branch(&self, name: &str) -> Result<BranchReport, Failure> {
        self.existing(|store| store.branch(&self.index, name))
    }

    /// Copies an index to this place.
    pub(crate) fn receive(&self, index: &IndexOf<D>) -> Result<BackupReport, Failure> {
        Ok(index.backup(&self.database.store(&self.store)?, &self.index)?)
    }

    /// Copies an index to this place, comparing every byte.
    pub(crate) fn receive_compared(&self, index: &IndexOf<D>) -> Result<CopyReport, Failure> {
        Ok(index.copy_to(&self.database.store(&self.store)?, &self.index)?)
    }

    fn existing<T>(&self, open: impl FnOnce(&D::Store) -> Found<T>) -> Result<T, Failure> {
        let store = existing_store(self.database, &self.store)?;
        open(&store).map_err(|error| self.explained(&store, error))
    }

    /// Tells which indexes there are when this one is not, and what stands in its place.
    fn explained(&self, store: &D::Store, error: Error) -> Failure {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let absence = store.absence(&self.index);
        let message = match &absence {
            Absence::StoreIsIndex { .. } => {
                format!("{} is itself an index, not a store", self.store)
            }
            Absence::Folder(folder) => {
                let hint = "if it was one, `sidx repair` brings that back";
                format!("{folder} is no index, as it has no index.json ({hint})")
            }
            Absence::Nothing => format!("there is no index {:?} in {}", self.index, self.store),
        };
        Failure::new(Code::NotFound, message, self.listed(store, &absence))
    }

    /// The indexes there are, as a next step.
    fn listed(&self, store: &D::Store, absence: &Absence) -> String {
        const NAMES_MAX: usize = 20;
        let names = match store.index_names() {
            Ok(names) => names,
            Err(error) => return format!("which there are is not known: {}", error.message()),
        };
        match absence {
            Absence::StoreIsIndex { above, name } if names.is_empty() => {
                return format!("name the folder above it: sidx ... {above} --index {name}");
            }
            _ if names.is_empty() => {
                return format!("{} holds no index yet; `sidx ingest` makes one", self.store);
            }
            _ => {}
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
fn check_store(database: &impl Database, store: &str) -> Result<(), Failure> {
    if store.starts_with("memory:") {
        let message = "STORE memory: a store in memory ends with the command";
        return Err(Failure::usage(
            message,
            "name a directory (./memory: for one so called)",
        ));
    }
    // Of an address it checks the form.
    database.store(store)?;
    Ok(())
}

/// A store that exists.
pub(crate) fn existing_store<D: Database>(
    database: &D,
    location: &str,
) -> Result<D::Store, Failure> {
    check_store(database, location)?;
    let store = database.store(location)?;
    if store.exists()? {
        return Ok(store);
    }
    let message = format!("there is no store at {location}");
    Err(Failure::new(
        Code::NotFound,
        message,
        "check STORE; `sidx ingest` makes one",
    ))
}
