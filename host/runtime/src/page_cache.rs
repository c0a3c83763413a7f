//! The cache of pages that were read: by file and offset, limited by bytes, shared by all
//! instances.
//!
//! It knows nothing of what a page is. The eviction policy is quick_cache's, which keeps pages that
//! are used again when a scan passes over many that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;

/// Where a page lies: a file, by the number it has for the life of the process, and an offset in
/// bytes. A number is never given to a second file, so that a page of a removed file can't be taken
/// for one of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    /// Number of the file.
    pub(crate) file: u64,
    /// Offset of the stored page in the file, in bytes.
    pub(crate) offset: u64,
}

/// Whether a page was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It was in the cache, or another thread loaded it at the same moment.
    Hit,
    /// This call loaded it.
    Loaded,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    /// Accesses that found their page.
    pub(crate) hits: u64,
    /// Accesses that had to load it.
    pub(crate) misses: u64,
    /// Pages held now.
    pub(crate) pages: u64,
    /// Bytes charged for them.
    pub(crate) bytes: u64,
    /// Most bytes that may be charged.
    pub(crate) capacity_bytes: u64,
}

/// What the cache itself needs for one entry, in bytes: key, pointers, policy state.
const ENTRY_BYTES: u64 = 128;
/// A guess that only sizes the policy's tables.
const TYPICAL_PAGE_BYTES: u64 = 16 * 1024;

struct Entry<P> {
    page: Arc<P>,
    charge: u64,
}

impl<P> Clone for Entry<P> {
    fn clone(&self) -> Self {
        Self {
            page: Arc::clone(&self.page),
            charge: self.charge,
        }
    }
}

#[derive(Clone)]
struct ByCharge;

impl<P> quick_cache::Weighter<PageKey, Entry<P>> for ByCharge {
    fn weight(&self, _: &PageKey, entry: &Entry<P>) -> u64 {
        entry.charge
    }
}

/// A cache of pages `P`. All methods may be called from any thread.
pub(crate) struct PageCache<P> {
    entries: Cache<PageKey, Entry<P>, ByCharge>,
    capacity_bytes: u64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<P> PageCache<P> {
    /// A cache of at most `capacity_bytes`; with 0 it keeps nothing. The cache is cut into a few
    /// shards of equal size, and a page larger than a shard is served but not kept.
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let typical = (capacity_bytes / TYPICAL_PAGE_BYTES).clamp(64, 1 << 20);
        let typical = usize::try_from(typical).unwrap_or(64);
        Self {
            entries: Cache::with_weighter(typical, capacity_bytes, ByCharge),
            capacity_bytes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The page at `key`, if it is there.
    pub(crate) fn get(&self, key: PageKey) -> Option<Arc<P>> {
        let entry = self.entries.get(&key)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(entry.page)
    }

    /// The page at `key`, loaded by `load` when it is not there. `load` returns the page and the
    /// bytes to charge for it, which must include all that the page derives from itself until it is
    /// [charged anew](Self::recharge).
    /// Of several threads that miss the same page one loads and the others wait for it; when it
    /// fails, its error goes to its own caller and the next one tries. `load` must not use the
    /// cache.
    pub(crate) fn get_or_load<E>(
        &self,
        key: PageKey,
        load: impl FnOnce() -> Result<(Arc<P>, u64), E>,
    ) -> Result<(Arc<P>, Access), E> {
        let mut access = Access::Hit;
        let entry = self.entries.get_or_insert_with(&key, || {
            access = Access::Loaded;
            self.misses.fetch_add(1, Ordering::Relaxed);
            load().map(|(page, bytes)| Entry {
                page,
                charge: bytes.saturating_add(ENTRY_BYTES),
            })
        })?;
        if access == Access::Hit {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        Ok((entry.page, access))
    }

    /// Charges other bytes for a page, because it derived more from itself. One that was dropped
    /// meanwhile stays so.
    pub(crate) fn recharge(&self, key: PageKey, page: Arc<P>, bytes: u64) {
        let entry = Entry {
            page,
            charge: bytes.saturating_add(ENTRY_BYTES),
        };
        // Refused when the page is not there any more.
        let _ = self.entries.replace(key, entry, true);
    }

    /// Counts an access that found its page without asking.
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the page is there, without counting as a use of it.
    pub(crate) fn contains(&self, key: PageKey) -> bool {
        self.entries.contains_key(&key)
    }

    /// Drops all pages of a file. Looks at every entry, so it is for files that are removed.
    pub(crate) fn forget_file(&self, file: u64) {
        self.entries.retain(|key, _| key.file != file);
    }

    /// Most bytes that may be charged.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// The counters now; hits and misses since the cache was made.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            pages: self.entries.len() as u64,
            bytes: self.entries.weight(),
            capacity_bytes: self.capacity_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::Barrier;
    use std::thread;

    fn key(file: u64, offset: u64) -> PageKey {
        PageKey { file, offset }
    }

    fn load(cache: &PageCache<u64>, key: PageKey, value: u64, bytes: u64) -> (u64, Access) {
        let (page, access) = cache
            .get_or_load(key, || Ok::<_, Infallible>((Arc::new(value), bytes)))
            .expect("the loader cannot fail");
        (*page, access)
    }

    #[test]
    fn a_page_is_loaded_once_and_counted() {
        let cache = PageCache::new(1 << 20);
        assert_eq!(load(&cache, key(1, 0), 7, 1000), (7, Access::Loaded));
        assert_eq!(load(&cache, key(1, 0), 8, 1000), (7, Access::Hit));
        assert_eq!(load(&cache, key(2, 0), 9, 500), (9, Access::Loaded));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.pages), (1, 2, 2));
        assert_eq!(stats.bytes, 1500 + 2 * ENTRY_BYTES);
        assert_eq!(stats.capacity_bytes, 1 << 20);
    }

    #[test]
    fn a_page_is_charged_anew_as_long_as_it_is_there() {
        let cache = PageCache::new(1 << 20);
        load(&cache, key(1, 0), 7, 1000);
        cache.recharge(key(1, 0), Arc::new(7), 3000);
        cache.recharge(key(2, 0), Arc::new(8), 3000);
        let stats = cache.stats();
        assert_eq!((stats.pages, stats.bytes), (1, 3000 + ENTRY_BYTES));
        assert_eq!((stats.hits, stats.misses), (0, 1));
        // More than a shard holds: it goes.
        cache.recharge(key(1, 0), Arc::new(7), 2 << 20);
        assert_eq!(cache.stats().bytes, 0);
    }

    #[test]
    fn bytes_stay_below_the_capacity() {
        for capacity in [0, 1, 10_000, 1 << 20] {
            let cache = PageCache::new(capacity);
            for offset in 0..2000 {
                assert_eq!(
                    load(&cache, key(1, offset), offset, 1000),
                    (offset, Access::Loaded)
                );
                // Each shard may round its share up by one byte.
                assert!(cache.stats().bytes <= capacity + 256, "{:?}", cache.stats());
            }
        }
        let large = PageCache::new(1 << 20);
        assert_eq!(load(&large, key(1, 0), 1, 2 << 20).0, 1);
        assert!(!large.contains(key(1, 0)));
    }

    #[test]
    fn pages_in_use_survive_a_scan() {
        let cache = PageCache::new(1 << 20);
        for _ in 0..3 {
            for offset in 0..50 {
                load(&cache, key(1, offset), offset, 1000);
            }
        }
        for offset in 0..20_000 {
            load(&cache, key(2, offset), offset, 1000);
        }
        let kept = (0..50)
            .filter(|&offset| cache.contains(key(1, offset)))
            .count();
        assert!(kept >= 40, "only {kept} of 50 hot pages survived");
    }

    #[test]
    fn a_failed_load_leaves_nothing_and_the_next_call_tries_again() {
        let cache = PageCache::new(1 << 20);
        let failed = cache.get_or_load(key(1, 0), || Err::<(Arc<u64>, u64), _>("broken"));
        assert_eq!(failed.err(), Some("broken"));
        assert_eq!(cache.stats().pages, 0);
        assert_eq!(load(&cache, key(1, 0), 5, 10), (5, Access::Loaded));
    }

    #[test]
    fn a_removed_file_is_forgotten_and_others_stay() {
        let cache = PageCache::new(1 << 20);
        for offset in 0..10 {
            load(&cache, key(1, offset), offset, 10);
            load(&cache, key(2, offset), offset, 10);
        }
        cache.forget_file(1);
        assert!((0..10).all(|offset| !cache.contains(key(1, offset))));
        assert!((0..10).all(|offset| cache.contains(key(2, offset))));
        assert_eq!(cache.stats().bytes, 10 * (10 + ENTRY_BYTES));
    }

    #[test]
    fn threads_that_miss_together_load_once() {
        let cache = PageCache::new(1 << 20);
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(load(&cache, key(3, 0), 1, 10).0, 1);
                });
            }
        });
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.hits), (1, 7));
    }
}
