//! Stores, and how an index in them is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sidx_engine::{Durability, INDEX_OBJECT, Mode};

use crate::backup::MARKER;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Index, Settings};
use crate::instance::Engine;
use crate::query::QueryLimits;
use crate::rate::Time;
use crate::runtime::{GuestComponent, Sandbox};
use crate::session::Budgets;
use crate::storage::{self, DirectoryStore, MemoryStore};

/// Where indexes live: a directory or memory. Clones are the same store.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use sidx_host::{Batch, Store};
///
/// let directory = tempfile::tempdir().expect("a temporary directory");
/// let store = Store::open(directory.path().to_str().expect("a path in UTF-8"))?;
/// let index = store.index("delays").create()?;
/// let mut batch = Batch::new();
/// batch.row("UA", 42).payload(b"late").tag("origin", "EWR").add()?;
/// let receipt = index.write(batch)?;
/// assert_eq!((receipt.first_id, receipt.rows), (0, 1));
/// index.close()?;
///
/// assert_eq!(store.index_names()?, ["delays"]);
/// let index = store.index("delays").open()?;
/// assert_eq!(index.query().keys(40..).count()?, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn storage::Store>,
}

impl Store {
    /// The store at a location: a path, `file:///path` or `file:/path` with `%XX` escapes, or `memory:` for a
    /// new and empty one in memory. A directory is made when the first index in it is.
    ///
    /// # Errors
    /// `invalid-argument` for another scheme, or a `file:` address of another machine or without a `/` in
    /// front of the path. A directory whose name begins with `file:` is `./file:name`.
    pub fn open(location: &str) -> Result<Self> {
        if location == "memory:" {
            return Ok(Self::memory());
        }
        if let Some(address) = location.strip_prefix("file:") {
            let path = file_path(location, address)?;
            return Ok(Self::with_backend(Arc::new(DirectoryStore::new(path))));
        }
        let path = match location.split_once("://") {
            None => PathBuf::from(location),
            Some((scheme, _)) => {
                let text = format!(
                    "`{location}`: `{scheme}://` stores are not supported; give a path, \
                     `file:///path` or `memory:`"
                );
                return Err(Error::invalid(text));
            }
        };
        if path.as_os_str().is_empty() {
            return Err(Error::invalid(
                "the location of the store is empty; `.` is this directory",
            ));
        }
        Ok(Self::with_backend(Arc::new(DirectoryStore::new(path))))
    }

    /// A new and empty store in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::with_backend(Arc::new(MemoryStore::new()))
    }

    /// A store of another kind; see [`storage`].
    #[must_use]
    pub fn with_backend(backend: Arc<dyn storage::Store>) -> Self {
        Self { backend }
    }

    pub(crate) fn backend(&self) -> &dyn storage::Store {
        self.backend.as_ref()
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// The names of all indexes, sorted.
    ///
    /// # Errors
    /// `io`.
    pub fn index_names(&self) -> Result<Vec<String>> {
        self.backend.index_names()
    }

    /// Starts to open an index.
    pub fn index(&self, name: &str) -> IndexBuilder {
        IndexBuilder {
            store: self.clone(),
            name: name.to_owned(),
            settings: Settings {
                mode: Mode::Write,
                engine: Engine::Component,
                durability: Durability::Sync,
                budgets: Budgets {
                    page_cache_bytes: 256 << 20,
                    memory_bytes: 1 << 30,
                    disk_bytes: u64::MAX,
                    min_free_bytes: None,
                    instances: 256,
                },
                flush_bytes: 64 << 20,
                automatic_merge: true,
                background: true,
                query: QueryLimits::default(),
                max_queries: u32::MAX,
                write_bytes_per_second: None,
                merge_bytes_per_second: None,
                scrub_bytes_per_second: None,
                time: Time::default(),
                sandbox: Sandbox::default(),
            },
        }
    }

    /// Removes an index with everything in it; durable on return. Returns the bytes that it took.
    ///
    /// A damaged index is removed like any other. What reads it, here or in another process, may fail from
    /// then on. A removal that is interrupted has removed all of the index or nothing; what is left of
    /// its files then is hidden, and goes with the next removal in the store.
    ///
    /// # Errors
    /// `not-found`; `conflict` while it is open for writing, for a folder that is no index, because it has no
    /// `index.json`, and for a link to a folder elsewhere: these stay as they are.
    pub fn remove_index(&self, name: &str) -> Result<u64> {
        let storage = match self.backend.open_index(name, false) {
            Ok(storage) => storage,
            // An interrupted removal ends now.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.backend.remove_index(name)?;
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        if !is_index(storage.as_ref())? {
            let text = format!(
                "{} holds no index, as it has no {INDEX_OBJECT}: nothing was removed; `sidx repair` makes \
                 one of a damaged index, and what is none you can remove by hand",
                storage.location()
            );
            return Err(Error::conflict(text));
        }
        let bytes = storage.size_bytes()?;
        self.backend.remove_index(name)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("location", &self.location())
            .finish()
    }
}

/// Whether a place holds an index, or the copy of one that was not completed.
fn is_index(storage: &dyn storage::Storage) -> Result<bool> {
    for object in [INDEX_OBJECT, MARKER] {
        if storage.get(object)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The path of a `file:` location, of which `address` is what follows the scheme.
fn file_path(location: &str, address: &str) -> Result<PathBuf> {
    // With two slashes the name of a machine follows, which is empty for this one.
    let escaped = match address.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        None if address.starts_with('/') => address,
        _ => {
            let text = format!(
                "`{location}`: a file address has an absolute path and no machine; write \
                 `file:///path`, or `./{location}` for a folder of that name"
            );
            return Err(Error::invalid(text));
        }
    };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            let text = format!("`{location}`: `%` is not followed by two hex digits");
            return Err(Error::invalid(text));
        };
        // Two hex digits make at most 255.
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes)
        .map(PathBuf::from)
        .map_err(|_| Error::invalid(format!("`{location}` is not UTF-8; give the plain path")))
}

/// How an index is opened. Ends with [`create`](Self::create), [`open`](Self::open) or
/// [`read_only`](Self::read_only).
#[derive(Clone, Debug)]
#[must_use = "a builder opens nothing until `create`, `open` or `read_only`"]
pub struct IndexBuilder {
    store: Store,
    name: String,
    settings: Settings,
}

impl IndexBuilder {
    /// What must have happened to a batch before its write returns; [`Durability::Sync`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Which build of the engine runs; the component by default.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.settings.engine = engine;
        self
    }

    /// Bytes of pages that are kept after use; 256 MiB by default.
    pub fn page_cache_bytes(mut self, bytes: u64) -> Self {
        self.settings.budgets.page_cache_bytes = bytes;
        self
    }

    /// Bytes of rows in memory from which they are flushed; 64 MiB by default, and never more than a 128th of
    /// what the index may take in the store. With `u64::MAX` nothing is flushed that is not asked for.
    pub fn flush_bytes(mut self, bytes: u64) -> Self {
        self.settings.flush_bytes = bytes;
        self
    }

    /// Bytes that rows in memory may take. Near it writes are slowed, then refused with
    /// `resource-exhausted`. 1 GiB by default.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.settings.budgets.memory_bytes = bytes;
        self
    }

    /// Bytes that the index may take in the store; no limit by default. Near it writes are slowed, then
    /// refused with `resource-exhausted`, while a flush of everything in memory still has room. Rows are
    /// flushed once they take a 128th of it, and merges make no part by themselves that is larger than a
    /// twentieth, so that retention can rewrite it.
    pub fn disk_bytes(mut self, bytes: u64) -> Self {
        self.settings.budgets.disk_bytes = bytes;
        self
    }

    /// Bytes that stay free on the medium, whoever fills it: the smaller of 256 MiB and 2 % of the medium by
    /// default. It works like [`disk_bytes`](Self::disk_bytes), and flushes and retention may pass it. With
    /// 0 only the room of a flush is kept. Without effect where a store cannot tell how much is free, as
    /// one in memory.
    pub fn min_free_bytes(mut self, bytes: u64) -> Self {
        self.settings.budgets.min_free_bytes = Some(bytes);
        self
    }

    /// Whether a flush is followed by the merges that are worth it; yes by default.
    pub fn automatic_merge(mut self, automatic: bool) -> Self {
        self.settings.automatic_merge = automatic;
        self
    }

    /// Whether flushes and merges that writes bring about run on threads of their own; yes by default. Writes
    /// then wait for a flush only when memory fills up faster than it empties. Otherwise the write that
    /// passes the threshold does the work before it returns. The threads end with the last handle of the
    /// index; what they were at is given up without harm.
    pub fn background(mut self, background: bool) -> Self {
        self.settings.background = background;
        self
    }

    /// Leaves all upkeep to the caller: short for a [`flush_bytes`](Self::flush_bytes) that is never reached,
    /// no [`automatic_merge`](Self::automatic_merge) and no [`background`](Self::background) threads. Nothing
    /// is flushed or merged but by the caller's own calls, and no thread is started.
    ///
    /// Rows then stay in memory, and in the log, until [`Index::flush`]: writes are slowed from 80 % of
    /// [`memory_bytes`](Self::memory_bytes) on and refused with `resource-exhausted` from 95 % on.
    /// [`Index::health`] has the bytes in memory and in the log, [`Index::part_list`] the parts;
    /// `examples/manual.rs` is a policy made of them.
    pub fn manual(self) -> Self {
        self.flush_bytes(u64::MAX)
            .automatic_merge(false)
            .background(false)
    }

    /// Instances of the engine that may run at once: one for writes, one for each open cursor, flush and
    /// merge, and one for labels. 256 by default, at least 3.
    pub fn max_instances(mut self, instances: u32) -> Self {
        self.settings.budgets.instances = instances.max(3);
        self
    }

    /// How long a query may take unless it says otherwise with
    /// [`Query::timeout`](crate::Query::timeout); no limit by default.
    pub fn query_timeout(mut self, timeout: Duration) -> Self {
        self.settings.query.timeout = Some(timeout);
        self
    }

    /// Memory that a query may use in the engine unless it says otherwise with
    /// [`Query::memory_bytes`](crate::Query::memory_bytes); 256 MiB by default.
    pub fn query_memory_bytes(mut self, bytes: u64) -> Self {
        self.settings.query.memory_bytes = bytes;
        self
    }

    /// Rows that a query may have before it ends with `limit-exceeded`, unless it says otherwise with
    /// [`Query::max_rows`](crate::Query::max_rows); no limit by default.
    pub fn query_max_rows(mut self, rows: u64) -> Self {
        self.settings.query.max_rows = rows;
        self
    }

    /// Queries, counts and dumps that may run at once, open cursors included; one more is
    /// `resource-exhausted`. By default only [`max_instances`](Self::max_instances) limits them; keep
    /// it at least 4 below that, so that writes, labels, a flush and a merge always find an instance.
    pub fn max_queries(mut self, queries: u32) -> Self {
        self.settings.max_queries = queries;
        self
    }

    /// Bytes of rows that may be written per second, all threads together: a write waits before it
    /// queues. A second's worth may go at once after a pause. At least 1; no limit by default.
    pub fn write_bytes_per_second(mut self, bytes: u64) -> Self {
        self.settings.write_bytes_per_second = Some(bytes);
        self
    }

    /// Bytes that merges may write per second: they wait between pages, and may be stopped there.
    /// Flushes are not slowed, since memory would fill up behind them. At least 1; no limit by default.
    pub fn merge_bytes_per_second(mut self, bytes: u64) -> Self {
        self.settings.merge_bytes_per_second = Some(bytes);
        self
    }

    /// Scrubs in the background: a thread of the index reads all files of its parts at this rate, compares
    /// them with their checksums, and notes what is damaged, so that it is found before a query needs it. A
    /// pass begins when the index is opened, and then a day after the one before began, or when that is over
    /// if it takes longer; one that broke off begins anew after a minute. At least 1; no scrub by default,
    /// since it reads what nobody asked for and costs where reads are paid for. A rate that reads everything
    /// in a week or two is sensible: one of 1 MiB reads 84 GiB in a day. [`Index::scrub`] is one pass by
    /// hand. Without [`background`](Self::background) there is none.
    pub fn scrub_bytes_per_second(mut self, bytes: u64) -> Self {
        self.settings.scrub_bytes_per_second = Some(bytes);
        self
    }

    /// Most time of one call into the component; no limit by default. For hosts that do not trust it.
    ///
    /// A call that takes longer ends with `deadline-exceeded`, wherever it is, and so does one that passes
    /// the [`timeout`](crate::Query::timeout) of its query; after
    /// [`cancel`](crate::CancelToken::cancel) it ends within some 20 ms. Without this option a query ends
    /// at its next read, which is enough for a component that works.
    ///
    /// A flush, a merge, a check and opening the index are single calls, which take seconds for each
    /// million of rows: this is a bound for what should never happen, not for what is slow. When a call
    /// that writes passes it, the index takes no more changes until it is reopened. The component is
    /// compiled for interruption, which makes its tight loops about twice as slow. The native engine is
    /// not interrupted.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.sandbox.call_timeout = Some(timeout);
        self
    }

    /// Memory of one instance of the component, in bytes: 1 GiB by default, and never more than the
    /// 4 GiB of 32 bits. A call that needs more ends with `resource-exhausted` and costs its instance.
    pub fn instance_memory_bytes(mut self, bytes: u64) -> Self {
        self.settings.sandbox.memory_bytes = bytes;
        self
    }

    /// Runs another component than the one in this library: one that was built of `guest/component` by
    /// other hands, or that implements the same `wit/`. It may be in binary form only.
    ///
    /// It is compiled on first use, which takes about a second, and its machine code is cached under the
    /// SHA-256 of its bytes. It can do to its index what it wants, as the format is its own, but nothing
    /// outside of it; what it says is compared with what was asked for. Give it a
    /// [`call_timeout`](Self::call_timeout) as well, or it may loop for ever. Time and memory for
    /// compiling are not bounded.
    ///
    /// Bytes that are not a component of this interface are refused with `invalid-argument` when the
    /// index is opened.
    pub fn component(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.settings.sandbox.component = Some(GuestComponent::new(bytes.into()));
        self
    }

    /// Opens the index for reading and writing, and creates it when it does not exist.
    ///
    /// # Errors
    /// `invalid-argument` for a name that is not 1 to 128 of `[A-Za-z0-9_.-]` or starts with a dot,
    /// `conflict` when it is open for writing elsewhere, `corrupt`, `unsupported-version`, `io`.
    pub fn create(self) -> Result<Index> {
        self.open_as(Mode::Create)
    }

    /// Opens the index for reading and writing.
    ///
    /// # Errors
    /// As [`create`](Self::create), and `not-found`.
    pub fn open(self) -> Result<Index> {
        self.open_as(Mode::Write)
    }

    /// Repairs a damaged index: saves every row that can be read whole, moves what is damaged to
    /// `quarantine/` inside the index, each with the reason beside it, and makes an index of the rest that
    /// opens. Queries that touch what was lost fail with `corrupt` from then on, or say that they are
    /// partial, until a repair with `accept_loss`. A sound index stays as it is. Reads everything.
    /// Returns a report as a JSON object; see docs/durability.md.
    ///
    /// # Errors
    /// `conflict` while it is open for writing elsewhere, `not-found`, `unsupported-version`, `io`. The
    /// repair may be started again after any of them.
    pub fn repair(mut self, accept_loss: bool) -> Result<Value> {
        self.settings.mode = Mode::Write;
        let storage = self.store.backend.open_index(&self.name, false)?;
        crate::repair::run(&self.name, storage, &self.settings, accept_loss)
    }

    /// Opens the index for reading, as it is now: its newest snapshot and its log. Takes no lock and
    /// changes no data; a writer may be at work, here or in another process, and leaves what is read here
    /// in its place until this is closed. On a medium that cannot be written to it takes no note of that.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read_only(self) -> Result<Index> {
        self.open_as(Mode::Read)
    }

    fn open_as(mut self, mode: Mode) -> Result<Index> {
        self.settings.mode = mode;
        // A threshold that the memory budget never lets a write reach would refuse writes for ever;
        // the greatest number means that the caller flushes.
        if self.settings.flush_bytes < u64::MAX {
            let half = self.settings.budgets.memory_bytes / 2;
            self.settings.flush_bytes = self.settings.flush_bytes.min(half);
        }
        let storage = self
            .store
            .backend
            .open_index(&self.name, mode == Mode::Create)?;
        Index::open(&self.name, storage, self.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_paths_file_addresses_or_memory() {
        assert!(Store::open("/tmp/x").unwrap().location().contains("/tmp/x"));
        assert!(
            Store::open("file:///tmp/a%20b")
                .unwrap()
                .location()
                .contains("/tmp/a b")
        );
        assert_eq!(Store::open("file:/tmp/x").unwrap().location(), "/tmp/x");
        assert_eq!(Store::open("./file:x").unwrap().location(), "./file:x");
        assert!(Store::open("memory:").is_ok());
        for wrong in [
            "file:",
            "file:x",
            "file:./x",
            "file://",
            "file:x://y",
            "",
            "s3://bucket/x",
            "file://host/x",
            "file:///a%2",
            "file:///a%zz",
        ] {
            assert!(Store::open(wrong).is_err(), "{wrong}");
        }
    }
}
