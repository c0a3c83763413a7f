//! How an index in a store is opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sidx_engine::host::Form;
use sidx_engine::{Durability, Mode};

use crate::branch::{self, BranchReport};
use crate::error::{Error, ErrorKind, Result};
use crate::garbage::{self, GarbageReport};
use crate::incarnation;
use crate::index::Index;
use crate::instance::Engine;
use crate::lenders::Beside;
use crate::open::{Open, QueryLimits, Settings};
use crate::rate::Time;
use crate::removal;
use crate::repair;
use crate::runtime::{GuestComponent, Sandbox};
use crate::session::Budgets;
use crate::staleness::Staleness;
use crate::store::Store;

/// How often an index is made again that others drop meanwhile.
const ATTEMPTS: usize = 16;

impl Store {
    /// Starts to open an index.
    pub fn index(&self, name: &str) -> IndexBuilder {
        IndexBuilder {
            store: self.clone(),
            name: name.to_owned(),
            settings: Settings {
                beside: Beside(self.shared_backend()),
                mode: Mode::Write,
                engine: Engine::Component,
                native: sidx_engine::Index::new,
                durability: Durability::Sync,
                budgets: Budgets {
                    page_cache_bytes: 256 << 20,
                    memory_bytes: 1 << 30,
                    disk_bytes: u64::MAX,
                    min_free_bytes: None,
                    instances: 256,
                    form: Form::Folder,
                    removal_grace: None,
                },
                flush_bytes: 64 << 20,
                automatic_merge: true,
                background: true,
                asked: None,
                lock_wait: Duration::ZERO,
                staleness: Staleness::default(),
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

    /// Bytes of rows in memory from which they are flushed; 64 MiB by default, and never more than a 128th
    /// of what the index may take in the store, or than half of [`memory_bytes`](Self::memory_bytes). With
    /// `u64::MAX` nothing is flushed that is not asked for.
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

    /// Whether each part that is made from now on is one file, not a folder with some files for its rows
    /// and three for each tag; no by default. For rows with very many tags, whose flushes spend their time
    /// in making files durable, and for media on which each file has its price. Parts of both forms may
    /// stand in one index, and a merge makes one of the other; what queries return does not depend on it.
    pub fn one_file_parts(mut self, yes: bool) -> Self {
        self.settings.budgets.form = match yes {
            true => Form::File,
            false => Form::Folder,
        };
        self
    }

    /// How long parts that a merge replaced stay in the store for readers that could pin nothing, because
    /// they may not write there: a minute by default where pins are renewed, as in a bucket, and not at
    /// all elsewhere. What an index leaves when it is closed goes with the next opening for writing.
    pub fn removal_grace(mut self, time: Duration) -> Self {
        self.settings.budgets.removal_grace = Some(time);
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
    /// index; what they were at is given up without harm. An index that is only read has one in a bucket,
    /// which follows the writer where no query does.
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

    /// How long to wait, where the index is to be written, repaired or dropped, for another writer to
    /// close it: not at all by default. In a bucket, where a writer that ended without closing it leaves a
    /// lease behind, twice the time of a lease is enough to be let in when nobody is at work; see
    /// [`BucketOptions::lease`](crate::storage::BucketOptions).
    pub fn lock_wait(mut self, time: Duration) -> Self {
        self.settings.lock_wait = time;
        self
    }

    /// How old what queries read of an index may be that is opened with [`read_only`](Self::read_only): at
    /// most a second by default. A query that cannot look at the store for that fails, with `not-found`
    /// when the index was dropped; with [`Staleness::Opened`] none looks. Cursors go on with what they
    /// began with.
    pub fn staleness(mut self, staleness: Staleness) -> Self {
        self.settings.staleness = staleness;
        self
    }

    /// Instances of the engine that may run at once: one for writes, one for each open cursor, and one more
    /// for each share of a query that threads share, one for each flush and merge, and one for labels. 256
    /// by default, at least 3.
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

    /// Lets the native engine have further facets. For tests: an index that was made so is opened so, and the
    /// component in this library has none.
    #[doc(hidden)]
    pub fn further_facets<F: sidx_engine::facet::FacetSet>(mut self) -> Self {
        self.settings.native = |session| sidx_engine::Index::with_facets(session, F::facets());
        self
    }

    /// Runs another component than the one in this library: one that was built of `guest/component` by
    /// other hands, or that implements the same version of `wit/engine`. It may be in binary form only.
    ///
    /// It is compiled on first use, which takes about a second, and its machine code is cached under the
    /// SHA-256 of its bytes. It can do to its index what it wants, as the format is its own, but nothing
    /// outside of it; what it says is compared with what was asked for. Give it a
    /// [`call_timeout`](Self::call_timeout) as well, or it may loop for ever. Time and memory for
    /// compiling are not bounded.
    ///
    /// Bytes that are not a component of this interface, in this version, are refused with
    /// `invalid-argument` when the index is opened.
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
        repair::run(
            self.store.backend(),
            &self.name,
            &self.settings,
            accept_loss,
        )
    }

    /// Drops the index with everything in it: opening it is `not-found` from then on, and the name is free.
    /// Durable on return. Returns the bytes that it took.
    ///
    /// One step decides, a last snapshot that says so: a removal that is interrupted before it has changed
    /// nothing, and one that is interrupted after it is ended by the next, which then says `not-found`. A
    /// writer that lost its lock, or never had one, acknowledges nothing from then on, however long it
    /// slept, and can't reach an index that is made under the name later. Readers, here or in another
    /// process, go on with what they have open; the files of the index stay until they have ended and it is
    /// dropped again. A handful of small files stay for ever. A damaged index is dropped like any
    /// other, and so is what a copy left that did not come to its end.
    ///
    /// On a medium without any room for that step the folder is removed at once, as nobody else is at work
    /// while the lock is held.
    ///
    /// # Errors
    /// `not-found`; `conflict` while it is open for writing, while [branches](Self::branch) share its parts,
    /// and for a folder that is no index, which stays as it is; `unsupported-version` for an index that a
    /// newer program wrote; `io`.
    pub fn remove(self) -> Result<u64> {
        removal::run(self.store.backend(), &self.name, &self.settings)
    }

    /// Makes a second index in the same store that begins as this one is now, and is an index like any
    /// other from then on: a branch. It shares the parts that are there, so that its making takes the time
    /// to copy what no flush has written yet, and no room. Both are written, merged, dropped and repaired on
    /// their own, and neither shows anything of what becomes of the other. Durable on return.
    ///
    /// The index may be open for writing, here or in another process: the branch has every row that was
    /// acknowledged before the call, but for those of durability `none` that no flush has written. Parts that
    /// it shares stay in the place of this index as long as the branch needs any of them, whatever becomes of
    /// them here, and count there; until then this one can't be dropped.
    ///
    /// # Errors
    /// `not-found`; `conflict` when there is an index of that name, or this one is about to be dropped;
    /// `corrupt` where the newest snapshot or the log is damaged; `io`, `resource-exhausted`. There is no
    /// branch then, unless the error is `io` and the name was being made; what is left of it is in nobody's
    /// way.
    pub fn branch(self, name: &str) -> Result<BranchReport> {
        branch::run(self.store.backend(), &self.name, name, &self.settings)
    }

    /// What of the index lies in its store that nothing needs but readers, if anybody. Changes nothing.
    /// Some listings, and the cost of opening it to read.
    ///
    /// # Errors
    /// As [`read_only`](Self::read_only).
    pub fn garbage(self) -> Result<GarbageReport> {
        garbage::look(self.store.backend(), &self.name, &self.settings)
    }

    /// Removes what of that can go, and returns what is gone: opens the index for writing, as that removes
    /// what no snapshot and no reader needs, and closes it; removes what copies and drops left that did
    /// not come to their end. Never a fence, a seal, or a name that is not one of ours.
    ///
    /// # Errors
    /// As [`open`](Self::open): `conflict` while it is open for writing, as whoever writes it removes what it
    /// can by itself.
    pub fn collect_garbage(self) -> Result<GarbageReport> {
        garbage::collect(self.store.backend(), &self.name, &self.settings)
    }

    /// Opens the index for reading: its newest snapshot and its log, and later ones as
    /// [`staleness`](Self::staleness) says. Takes no lock and changes no data; a writer may be at work,
    /// here or in another process, and leaves what is read here in its place until it is not read any
    /// more. On a medium that cannot be written to it takes no note of that.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for those of a lock that is held.
    pub fn read_only(self) -> Result<Index> {
        self.open_as(Mode::Read)
    }

    fn open_as(mut self, mode: Mode) -> Result<Index> {
        self.settings.mode = mode;
        self.settings.asked = Some(Instant::now());
        // A threshold that the memory budget never lets a write reach would refuse writes for ever;
        // the greatest number means that the caller flushes.
        if self.settings.flush_bytes < u64::MAX {
            let half = self.settings.budgets.memory_bytes / 2;
            self.settings.flush_bytes = self.settings.flush_bytes.min(half);
        }
        match mode {
            Mode::Create => self.make(),
            Mode::Read | Mode::Write => self.open_existing(),
        }
    }

    /// Opens the index, also where it is dropped and made anew while this waits for who writes it.
    fn open_existing(self) -> Result<Index> {
        let (begun, mut settings) = (Instant::now(), self.settings);
        let writes = settings.mode == Mode::Write;
        let look = || incarnation::existing(self.store.backend(), &self.name, writes);
        let (wait, mut place) = (settings.lock_wait, look()?);
        loop {
            let error = match Open::new(&self.name, Arc::clone(&place), settings.clone()) {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                opened => return opened.map(Index::new),
            };
            let before = std::mem::replace(&mut place, look()?);
            if before.location() == place.location() {
                return Err(error);
            }
            settings.lock_wait = wait.saturating_sub(begun.elapsed());
        }
    }

    /// Opens the index, or makes it, also while others drop it.
    fn make(self) -> Result<Index> {
        let (store, name) = (self.store.backend(), &self.name);
        for _ in 0..ATTEMPTS {
            let place = incarnation::to_create(store, name)?;
            match Open::new(name, Arc::clone(&place), self.settings.clone()) {
                // It was dropped, maybe by somebody who did not come as far as to note that here.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !removal::is_dropped(&place, &self.settings) {
                        return Err(error);
                    }
                    incarnation::bury(store, name, &place)?;
                    if let Err(error) = removal::clear(&place, name, &self.settings) {
                        tracing::warn!(index = name, %error, "what was dropped could not be cleared away");
                    }
                }
                opened => return opened.map(Index::new),
            }
        }
        let text = format!("others make and drop index `{name}` again and again; try again");
        Err(Error::conflict(text))
    }
}
