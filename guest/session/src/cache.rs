//! Pages in memory, by file and offset, as many as a budget of bytes allows: those used longest ago go first.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The identity of a file, and an offset in it.
pub(crate) type Key = (u64, u64);

/// What the cache itself needs for one entry, in bytes.
const ENTRY_BYTES: u64 = 128;

struct Entry<P> {
    page: Arc<P>,
    charge: u64,
    used: u64,
}

struct State<P> {
    entries: BTreeMap<Key, Entry<P>>,
    /// The keys by when they were used last.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: u64,
}

/// See the module.
pub(crate) struct PageCache<P> {
    state: RefCell<State<P>>,
    capacity_bytes: u64,
    hits: Cell<u64>,
    misses: Cell<u64>,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) pages: u64,
    pub(crate) bytes: u64,
}

impl<P> PageCache<P> {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let state = State {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            bytes: 0,
        };
        Self {
            state: RefCell::new(state),
            capacity_bytes,
            hits: Cell::new(0),
            misses: Cell::new(0),
        }
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let state = self.state.borrow();
        CacheStats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            pages: state.entries.len() as u64,
            bytes: state.bytes,
        }
    }

    /// Counts the use of a page that was at hand without a look.
    pub(crate) fn hit(&self) {
        self.hits.set(self.hits.get() + 1);
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.state.borrow().entries.contains_key(&key)
    }

    /// A page, if it is there.
    pub(crate) fn get(&self, key: Key) -> Option<Arc<P>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.clock += 1;
        let entry = state.entries.get_mut(&key)?;
        state.order.remove(&entry.used);
        entry.used = state.clock;
        state.order.insert(entry.used, key);
        self.hit();
        Some(Arc::clone(&entry.page))
    }

    /// Takes a page that was loaded, and what it is to be charged for.
    pub(crate) fn put(&self, key: Key, page: &Arc<P>, bytes: u64) {
        self.misses.set(self.misses.get() + 1);
        self.charge(key, page, bytes);
    }

    /// Charges another number of bytes for a page, which goes if these are more than there may be.
    pub(crate) fn charge(&self, key: Key, page: &Arc<P>, bytes: u64) {
        let charge = bytes.saturating_add(ENTRY_BYTES);
        let mut state = self.state.borrow_mut();
        state.remove(key);
        if charge > self.capacity_bytes {
            return;
        }
        state.clock += 1;
        let used = state.clock;
        let page = Arc::clone(page);
        state.order.insert(used, key);
        state.bytes += charge;
        state.entries.insert(key, Entry { page, charge, used });
        while state.bytes > self.capacity_bytes {
            let Some((_, oldest)) = state.order.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            state.remove(oldest);
        }
    }

    /// Forgets the pages of a file.
    pub(crate) fn forget_file(&self, file: u64) {
        let mut state = self.state.borrow_mut();
        let keys: Vec<Key> = { state.entries.keys() }
            .filter(|key| key.0 == file)
            .copied()
            .collect();
        keys.into_iter().for_each(|key| state.remove(key));
    }
}

impl<P> State<P> {
    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.order.remove(&entry.used);
            self.bytes = self.bytes.saturating_sub(entry.charge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_were_used_longest_ago_go_first() {
        let cache = PageCache::new(3 * (100 + ENTRY_BYTES));
        for offset in 0..3 {
            cache.put((1, offset), &Arc::new(offset), 100);
        }
        assert!(cache.get((1, 0)).is_some());
        cache.put((1, 3), &Arc::new(3), 100);
        assert!(!cache.contains((1, 1)) && cache.contains((1, 0)));
        // One that is larger than all there may be is not kept, and takes nobody's place.
        cache.put((2, 0), &Arc::new(0), 1_000);
        assert_eq!(cache.stats().pages, 3);
        // One that grew pushes others out.
        cache.charge((1, 3), &Arc::new(3), 300);
        assert!(cache.contains((1, 3)) && !cache.contains((1, 2)));
        cache.forget_file(1);
        assert_eq!(
            cache.stats(),
            CacheStats {
                hits: 1,
                misses: 5,
                ..CacheStats::default()
            }
        );
    }
}
