//! What all sessions of one open index share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use parking_lot::Mutex;
use sidx_engine::host::{Form, Usage};
use sidx_engine::{Levels, View};
use sidx_executor::OpenPage;

use super::disk::{DiskUse, StoreUse};
use super::log::IndexLog;
use super::medium::MediumUse;
use super::memory::MemoryBudget;
use super::memory_files::MemoryFiles;
use super::source::OpenFiles;
use super::views::Views;
use crate::damage::Damages;
use crate::lenders::Lenders;
use crate::page_cache::PageCache;
use crate::storage::{Lock, Storage, Store};
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
}

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
    /// Instances that may still be started.
    pub(crate) free_slots: AtomicU32,
    /// The epoch that this index keeps in the store while it reads.
    pin: Mutex<Option<(u64, Option<Lock>)>>,
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
            disk: DiskUse::new(
                Arc::clone(&storage),
                budgets.disk_bytes,
                budgets.min_free_bytes,
            ),
            lenders: Lenders::new(Arc::clone(&storage), store),
            free_slots: AtomicU32::new(budgets.instances),
            pin: Mutex::new(None),
            read_only,
            form: match storage.takes_folders() {
                true => budgets.form,
                false => Form::File,
            },
            storage,
        })
    }

    /// Keeps the parts of an epoch in the store until the index is closed, or another epoch is pinned.
    pub(crate) fn pin_epoch(&self, epoch: u64) -> crate::Result<()> {
        let mut pin = self.pin.lock();
        if pin.as_ref().is_some_and(|(pinned, _)| *pinned == epoch) {
            return Ok(());
        }
        let lock = self.storage.pin(epoch)?;
        if lock.is_none() {
            let place = self.storage.location();
            tracing::debug!(
                place,
                "nothing can be pinned here; a writer may remove what is read"
            );
        }
        *pin = Some((epoch, lock));
        Ok(())
    }

    /// Whether a writer may remove what is read here, because nothing could be pinned.
    pub(crate) fn reads_unprotected(&self) -> bool {
        matches!(self.pin.lock().as_ref(), Some((_, None)))
    }

    /// Makes a view the newest, with what it says of the next flush.
    pub(crate) fn publish(&self, view: View) -> crate::Result<()> {
        let need = view.flush_need;
        self.views.publish(view)?;
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
