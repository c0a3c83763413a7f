//! What the actors of a run share, and how any of them opens an index.

use std::sync::{Arc, Mutex, MutexGuard};

use sidx_host::{Engine, Index, IndexBuilder, Staleness, Store};

use super::branches::Branches;
use super::pins::Pins;
use super::record::Record;
use super::stage::Stage;
use super::storage::{Me, SleepyStore};
use super::task::Part;
use crate::model::{Found, Query};
use crate::subject::{NAME, ask, read};

/// How often a reader lists the log before it takes who is taking over for dead.
pub const LOOKS: u64 = 32;

/// What all actors of a run share.
pub struct Cast {
    /// Where the index lives.
    pub store: Arc<dyn sidx_host::storage::Store>,
    /// Who has the turn.
    pub stage: Arc<Stage>,
    /// What readers have pinned.
    pub pins: Arc<Pins>,
    /// What was written, and shown.
    pub record: Mutex<Record>,
    /// What was branched.
    pub branches: Mutex<Branches>,
    /// The index may not exist yet.
    pub may_be_missing: bool,
}

impl Cast {
    /// The record; nobody holds it over a call of the index.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    /// The store as an actor has it.
    pub fn store_of(&self, me: &Me, part: &Part, forgets: bool) -> Store {
        Store::with_backend(Arc::new(SleepyStore {
            inner: Arc::clone(&self.store),
            takes_lock: part.takes_lock,
            forgets,
            me: me.clone(),
        }))
    }
}

/// How the index in a store is opened: nothing happens by itself.
pub fn options(store: &Store) -> IndexBuilder {
    options_of(store, NAME)
}

/// The same for another index.
pub fn options_of(store: &Store, name: &str) -> IndexBuilder {
    store
        .index(name)
        .engine(Engine::Native)
        .page_cache_bytes(1 << 20)
        .staleness(Staleness::Opened)
        .manual()
}

/// Every row of an index.
pub fn rows(index: &Index) -> sidx_host::Result<Vec<Found>> {
    read(ask(index, &Query::default()).run()?)
}

/// The keys of rows.
pub fn keys(found: &[Found]) -> Vec<i64> {
    found.iter().map(|row| row.key).collect()
}
