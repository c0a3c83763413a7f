//! What all sessions of one open index share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use sidx_engine::host::{Form, Usage};
use sidx_engine::{Levels, View};
use sidx_executor::OpenPage;

use super::disk::{DiskUse, StoreUse};
use super::log::IndexLog;
use super::medium::MediumUse;
use super::memory::MemoryBudget;
use super::memory_files::MemoryFiles;
use super::pinned::Pinned;
use super::settling::Settling;
use super::source::OpenFiles;
use super::views::Views;
use crate::damage::Damages;
use crate::lenders::Lenders;
use crate::page_cache::PageCache;
use crate::storage::{Storage, Store};
use crate::work::{Scrubs, Work};

/// Sizes, and the form of parts, that the caller chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    pub(crate) page_cache_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
    /// Free bytes that the medium keeps; none for the usual ones.
    pub(crate) min_free_bytes: Option<u64>,
    pub(crate) instances: u32,
    /// Of the parts that are made.
    pub(crate) form: Form,
    /// How long files that left the part list stay; none for the usual time.
    pub(crate) removal_grace: Option<Duration>,
}

/// How long files that left the part list stay where readers may be at work that can pin nothing.
const REMOVAL_GRACE: Duration = Duration::from_secs(60);

/// The state of an open index outside its instances.
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    /// Where its files lie.
    pub(crate) lenders: Lenders,
    pub(crate) memory_files: MemoryFiles,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) open_files: OpenFiles,
    pub(crate) cache: PageCache<OpenPage>,
    pub(crate) log: IndexLog,
    pub(crate) views: Arc<Views>,
    pub(crate) disk: Arc<DiskUse>,
    pub(crate) work: Arc<Work>,
    pub(crate) damages: Damages,
    pub(crate) scrubs: Scrubs,
    pub(crate) settling: Settling,
    /// Instances that may still be started.
    pub(crate) free_slots: AtomicU32,
    /// What it keeps in the store while it is only read.
    pub(crate) pinned: Pinned,
    /// Nothing in the store is changed.
    pub(crate) read_only: bool,
    /// In which form parts are made.
    pub(crate) form: Form,
}

impl Shared {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        store: Option<Arc<dyn Store>>,
        budgets: Budgets,
        read_only: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            memory_files: MemoryFiles::default(),
            memory: MemoryBudget::new(budgets.memory_bytes),
            open_files: OpenFiles::default(),
            cache: PageCache::new(budgets.page_cache_bytes),
            log: IndexLog::new(Arc::clone(&storage)),
            views: Views::new(),
            work: Arc::default(),
            damages: Damages::default(),
            scrubs: Scrubs::default(),
            settling: Settling::new(match (budgets.removal_grace, storage.has_locks()) {
                (Some(grace), _) => grace,
                (None, true) => Duration::ZERO,
                (None, false) => REMOVAL_GRACE,
            }),
            disk: DiskUse::new(
                Arc::clone(&storage),
                budgets.disk_bytes,
                budgets.min_free_bytes,
            ),
            lenders: Lenders::new(Arc::clone(&storage), store),
            free_slots: AtomicU32::new(budgets.instances),
            pinned: Pinned::new(Arc::clone(&storage)),
            read_only,
            form: match storage.takes_folders() {
                true => budgets.form,
                false => Form::File,
            },
            storage,
        })
    }

    /// Makes a view the newest, with what it says of the next flush.
    pub(crate) fn publish(&self, view: View) -> crate::Result<()> {
        let need = view.flush_need;
        let version = view.version;
        self.views.publish(view, self.pinned.kept())?;
        self.settling.note(version);
        self.disk.set_flush_need(need);
        Ok(())
    }

    /// Budgets, and how much of them is taken.
    pub(crate) fn usage(&self) -> Usage {
        self.usage_with(&self.disk.now())
    }

    fn usage_with(&self, store: &StoreUse) -> Usage {
        Usage {
            memory_used_bytes: self.memory.used(),
            memory_allowed_bytes: self.memory.allowed(),
            disk_used_bytes: store.taken_bytes,
            disk_allowed_bytes: store.allowed_bytes,
            medium_allowed_bytes: store.medium_allowed_bytes,
            medium_minimum_bytes: store.medium_minimum_bytes,
            medium_free_files: store
                .medium
                .and_then(|medium| medium.free_files)
                .unwrap_or(u64::MAX),
        }
    }

    /// How near everything is to its bound, as a write would find it, and the medium where it is known.
    pub(crate) fn levels(&self) -> (Levels, Option<MediumUse>) {
        let store = self.disk.now();
        let levels = Levels::of(&self.usage_with(&store), self.disk.flush_need());
        (levels, store.medium)
    }

    /// Forgets what is open and cached of a file or directory that was removed or moved. Who has a file
    /// open can go on reading it.
    pub(crate) fn forget(&self, path: &str) {
        for file in self.open_files.forget(path) {
            self.cache.forget_file(file.id);
        }
        self.disk.shrank();
    }
}
