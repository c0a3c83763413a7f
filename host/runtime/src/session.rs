//! Everything one instance may touch: its open files and pages, the limits of its current call, and
//! through them the index's storage, log and caches.
//!
//! The session is the only implementation of the imports. The component reaches it through the linker,
//! the native engine calls it directly.

mod authority;
mod cached_page;
mod call;
mod chunks;
mod disk;
mod handles;
mod host;
mod log;
mod medium;
mod memory;
mod memory_files;
mod new_file;
mod pages;
mod pinned;
mod settling;
mod shared;
mod source;
mod step;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sidx_engine::host::{LogDurability, TopFacts};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::{OpenPage, Purpose, dictionary};
use sidx_kernels::Program;

pub use self::call::CancelToken;
// bindgen re-exports these, which asks for more visibility than the crate needs.
#[allow(unreachable_pub)]
pub use self::new_file::NewFile;
#[allow(unreachable_pub)]
pub use sidx_executor::Columns;

pub(crate) use self::authority::{Role, check_engine_path};
pub(crate) use self::call::CallLimits;
pub(crate) use self::chunks::{Chunks, read_section};
pub(crate) use self::disk::{Purpose as SpacePurpose, Space};
pub(crate) use self::shared::{Budgets, Shared};
pub(crate) use self::views::Pin;

use self::handles::Handles;
use self::source::{Body, PagePlace};
use crate::activity::Activity;

/// A compiled filter program.
#[derive(Clone, Debug)]
#[allow(unreachable_pub)] // bindgen re-exports it.
pub struct Filter(Arc<Program>);

/// A shared dictionary under construction.
#[allow(unreachable_pub)] // bindgen re-exports it.
pub struct NewDictionary {
    // An instance uses it one call at a time, so the lock is never waited for.
    state: Mutex<dictionary::NewDictionary>,
}

/// One instance's access to the outside.
pub(crate) struct Session {
    shared: Arc<Shared>,
    // Locks are never waited for: an instance makes one call at a time. They are here because the
    // session must be able to move between threads.
    handles: Mutex<Handles>,
    limits: Mutex<CallLimits>,
    limited: AtomicBool,
    activity: Arc<Activity>,
    /// The introducer gets another answer when it asks for the oldest reader; see [`views`].
    introducer: bool,
    /// What it may change at present; see [`authority`].
    role: AtomicU8,
    /// Room in the store for what it writes.
    space: Mutex<Option<Arc<Space>>>,
    /// What `scan.top` found last.
    found: Mutex<Found>,
}

/// What `scan.top` found: the rows until they become part of an answer.
#[derive(Default)]
struct Found {
    columns: Option<Columns>,
    facts: TopFacts,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, introducer: bool) -> Self {
        Self {
            shared,
            handles: Mutex::default(),
            limits: Mutex::default(),
            limited: AtomicBool::new(false),
            activity: Arc::default(),
            introducer,
            role: AtomicU8::new(Role::initial(introducer) as u8),
            space: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Forgets what `scan.top` found last.
    pub(crate) fn forget_found(&self) {
        *self.found.lock() = Found::default();
    }

    /// Takes the rows that `scan.top` found last, if nobody did.
    pub(crate) fn take_found(&self) -> Option<Columns> {
        self.found.lock().columns.take()
    }

    /// Sets what may stop the calls that follow.
    pub(crate) fn set_limits(&self, limits: CallLimits) {
        self.limited.store(limits.is_limited(), Ordering::Relaxed);
        *self.limits.lock() = limits;
    }

    /// Gives it room in the store for a job, or takes that away.
    pub(crate) fn set_space(&self, space: Option<Arc<Space>>) {
        *self.space.lock() = space;
    }

    /// Room for a file. Outside of jobs files are made while the index is opened or repaired, where rows of
    /// the log were promised room.
    fn space(&self) -> Result<Arc<Space>> {
        if let Some(space) = &*self.space.lock() {
            return Ok(Arc::clone(space));
        }
        let purpose = match self.is_opener() {
            true => SpacePurpose::Flush,
            false => SpacePurpose::Retention,
        };
        self.shared.disk.begin(purpose, 0)
    }

    /// Begins a call that may take so long, whatever the limits are that were set.
    pub(crate) fn begin_call(&self, name: &'static str, timeout: Duration) {
        let mut limits = self.limits.lock();
        limits.begin_call(name, timeout);
        self.limited.store(limits.is_limited(), Ordering::Relaxed);
    }

    /// Whether the current call must stop; asked while the engine computes.
    pub(crate) fn check_time(&self) -> Result<()> {
        self.check_call()
    }

    /// What was done for the engine.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Whether the current call must stop.
    fn check_call(&self) -> Result<()> {
        if self.limited.load(Ordering::Relaxed) {
            self.limits.lock().check()
        } else {
            Ok(())
        }
    }

    /// Waits after bytes were written, if the current call is held to a rate.
    fn pace(&self, bytes: u64) -> Result<()> {
        self.activity.wrote(bytes);
        // The lock is only this session's own: nobody waits for it meanwhile.
        self.limits.lock().pace(bytes)
    }

    /// A registered page, unless the current call must stop: a call of the engine may handle many.
    fn page(&self, handles: &Handles, page: u32, purpose: Purpose) -> Result<Arc<OpenPage>> {
        self.check_call()?;
        let stored = handles.page(page)?;
        if let Some(kept) = stored.kept(purpose) {
            self.activity.page_used();
            if !stored.is_first_use() {
                self.shared.cache.hit();
            }
            return Ok(kept);
        }
        let place = &stored.place;
        let found = cached_page::fetch(&self.shared.cache, &self.activity, place, purpose)
            .inspect_err(|error| self.note_damage(place, error))?;
        handles.keep(page, &found, purpose);
        Ok(found)
    }

    /// Notes that a page is not what it should be, whoever asked for it.
    fn note_damage(&self, place: &PagePlace, error: &Error) {
        if error.kind() == ErrorKind::Corrupt && !matches!(place.file.body, Body::Memory(_)) {
            let damages = &self.shared.damages;
            damages.note_file(&place.file.path, error.message());
        }
    }

    /// `files.load`, without a copy.
    pub(crate) fn page_bytes(&self, page: u32) -> Result<Bytes> {
        let _crossing = self.activity.crossing();
        let page = self.page(&self.handles.lock(), page, Purpose::Raw)?;
        Ok(page.raw().clone())
    }

    /// `log.append`, with the headers wherever they are.
    pub(crate) fn append_log_entries(
        &self,
        headers: &[&[u8]],
        columns: &[&Columns],
        durability: LogDurability,
    ) -> Result<u64> {
        let _crossing = self.activity.crossing();
        self.check_change("log.append")?;
        let disk = &self.shared.disk;
        let segment_bytes = disk.flush_threshold_bytes();
        let log = &self.shared.log;
        let (end, bytes) = log.append(headers, columns, durability, segment_bytes)?;
        disk.grew(bytes);
        self.shared
            .work
            .logged(headers.len() as u64, durability == LogDurability::Sync);
        Ok(end)
    }
}
