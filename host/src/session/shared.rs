//! What all sessions of one open index share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::cached_page::CachedPage;
use super::disk::DiskUse;
use super::log::IndexLog;
use super::memory_files::{MemoryBudget, MemoryFiles};
use super::source::OpenFiles;
use super::views::Views;
use crate::page_cache::PageCache;
use crate::storage::Storage;

/// Sizes that the caller chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    pub(crate) page_cache_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) instances: u32,
}

/// The state of an open index outside its instances.
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) memory_files: MemoryFiles,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) open_files: OpenFiles,
    pub(crate) cache: PageCache<CachedPage>,
    pub(crate) log: IndexLog,
    pub(crate) views: Arc<Views>,
    pub(crate) disk: DiskUse,
    /// Instances that may still be started.
    pub(crate) free_slots: AtomicU32,
}

impl Shared {
    pub(crate) fn new(storage: Arc<dyn Storage>, budgets: Budgets, read_only: bool) -> Arc<Self> {
        Arc::new(Self {
            memory_files: MemoryFiles::default(),
            memory: MemoryBudget::new(budgets.memory_bytes),
            open_files: OpenFiles::default(),
            cache: PageCache::new(budgets.page_cache_bytes),
            log: IndexLog::new(Arc::clone(&storage), read_only),
            views: Views::new(),
            disk: DiskUse::new(Arc::clone(&storage), budgets.disk_bytes),
            free_slots: AtomicU32::new(budgets.instances),
            storage,
        })
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
