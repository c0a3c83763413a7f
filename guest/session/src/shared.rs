//! The state of the served index, for what is made of it.

use std::cell::RefCell;
use std::rc::Rc;

use sidx_engine::host::{Form, Usage};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::OpenPage;

use crate::activity::Activity;
use crate::cache::PageCache;
use crate::deadline::Deadline;
use crate::disk::DiskUse;
use crate::lenders::Lenders;
use crate::log::IndexLog;
use crate::memory::{MemoryBudget, MemoryFiles};
use crate::pins::{Pins, Watch};
use crate::place::Place;
use crate::settling::Settling;
use crate::source::{OpenFiles, PagePlace, SourceFile};
use crate::storage::Storage;

/// Sizes, and the form of parts; see `settings` of `wit/adapter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the parts that are made; where files do not grow they are one file each all the same.
    pub part_form: Form,
    /// Bytes that rows in memory may take.
    pub memory_allowed_bytes: u64,
    /// Bytes that the index may take in the store.
    pub disk_allowed_bytes: u64,
    /// Bytes that stay free on the medium; none for the usual ones.
    pub medium_minimum_bytes: Option<u64>,
    /// Bytes that pages in memory may take.
    pub page_cache_bytes: u64,
    /// For how long others wait for a pin that is not renewed.
    pub lease_ms: u64,
    /// How long files that left the part list stay; none for the usual time.
    pub removal_grace_ms: Option<u64>,
}

/// A file of a part that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its path in the index.
    pub path: String,
    /// What is wrong, with file and offset.
    pub reason: String,
}

/// How long files that left the part list stay where readers may be at work that can pin nothing.
const REMOVAL_GRACE_MS: u64 = 60_000;
/// Most files with damage that are remembered until somebody asks.
const DAMAGED_MAX: usize = 10_000;

/// See the module.
pub(crate) struct Shared<S: Storage> {
    pub(crate) place: Place<S>,
    /// Where its files lie.
    pub(crate) lenders: Lenders<S>,
    pub(crate) memory_files: MemoryFiles<SourceFile<S>>,
    pub(crate) memory: Rc<MemoryBudget>,
    pub(crate) open_files: OpenFiles<S>,
    pub(crate) cache: PageCache<OpenPage>,
    pub(crate) log: IndexLog<S>,
    pub(crate) disk: Rc<DiskUse<S>>,
    pub(crate) settling: Settling,
    pub(crate) pins: Pins<S>,
    pub(crate) watch: Watch,
    pub(crate) deadline: Deadline,
    pub(crate) activity: Activity,
    pub(crate) damaged: RefCell<Vec<DamagedFile>>,
    /// Nothing in the store is changed.
    pub(crate) read_only: bool,
    /// In which form parts are made.
    pub(crate) form: Form,
    /// Whether each file is a request: reads are made together, and moves copy.
    pub(crate) is_far: bool,
}

impl<S: Storage> Shared<S> {
    pub(crate) fn new(
        place: Place<S>,
        settings: Settings,
        read_only: bool,
        has_locks: bool,
    ) -> Rc<Self> {
        let grace = match has_locks {
            true => 0,
            false => REMOVAL_GRACE_MS,
        };
        let is_far = !place.files_grow();
        let minimum = settings.medium_minimum_bytes;
        Rc::new(Self {
            lenders: Lenders::new(place.clone()),
            memory_files: MemoryFiles::default(),
            memory: MemoryBudget::new(settings.memory_allowed_bytes),
            open_files: OpenFiles::default(),
            cache: PageCache::new(settings.page_cache_bytes),
            log: IndexLog::new(place.clone()),
            disk: DiskUse::new(place.clone(), settings.disk_allowed_bytes, minimum),
            settling: Settling::new(settings.removal_grace_ms.unwrap_or(grace)),
            pins: Pins::new(place.clone(), settings.lease_ms),
            watch: Watch::default(),
            deadline: Deadline::default(),
            activity: Activity::default(),
            damaged: RefCell::default(),
            read_only,
            form: match is_far {
                true => Form::File,
                false => settings.part_form,
            },
            is_far,
            place,
        })
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.place.storage().now_ms()
    }

    /// Whether the current call must stop. What is pinned is renewed on the way.
    pub(crate) fn check_call(&self) -> Result<()> {
        if self.pins.has_any() {
            self.pins.renew(self.now_ms());
        }
        self.deadline.check(|| self.now_ms())
    }

    /// Whether a store that is only read would be changed.
    pub(crate) fn check_change(&self, deed: &str) -> Result<()> {
        if self.read_only {
            let text = format!("{deed} is refused: the index was opened read-only");
            return Err(Error::invalid(text));
        }
        Ok(())
    }

    /// Notes that a page is not what it should be, whoever asked for it.
    pub(crate) fn note_damage(&self, place: &PagePlace<S>, error: &Error) {
        let mut damaged = self.damaged.borrow_mut();
        let is_stored = !place.file.is_in_memory();
        if error.kind() == ErrorKind::Corrupt && is_stored && damaged.len() < DAMAGED_MAX {
            damaged.push(DamagedFile {
                path: place.file.path.clone(),
                reason: error.message().to_owned(),
            });
        }
    }

    /// Budgets, and how much of them is taken.
    pub(crate) fn usage(&self) -> Usage {
        let store = self.disk.now();
        let medium_free_files = store.medium.and_then(|medium| medium.free_files);
        Usage {
            memory_used_bytes: self.memory.used(),
            memory_allowed_bytes: self.memory.allowed(),
            disk_used_bytes: store.taken_bytes,
            disk_allowed_bytes: store.allowed_bytes,
            medium_allowed_bytes: store.medium_allowed_bytes,
            medium_minimum_bytes: store.medium_minimum_bytes,
            medium_free_files: medium_free_files.unwrap_or(u64::MAX),
        }
    }

    /// Forgets what is open and cached of a file or directory that was removed or moved. Who has a file
    /// open can go on reading it.
    pub(crate) fn forget(&self, path: &str) {
        for file in self.open_files.forget(path) {
            self.cache.forget_file(file);
        }
        self.disk.shrank();
    }
}
