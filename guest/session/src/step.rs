//! The pages of a step, loaded together: all that are not in memory in as few calls of the store as possible,
//! in the order in which they lie. The store joins what lies side by side.

use sidx_executor::{ABSENT, Pages, Purpose};

use crate::cached_page;
use crate::codec::PAGE_BYTES_MAX;
use crate::pages::CallPages;
use crate::place::{Range, read_ranges};
use crate::source::PagePlace;
use crate::storage::Storage;

/// Most bytes of one call.
const CALL_BYTES_MAX: u64 = 16 << 20;
/// Most ranges of one call.
const RANGES_MAX: usize = 4_096;

/// A page that is not in memory.
struct Missing<'h, S: Storage> {
    /// None for a dictionary that a page refers to.
    handle: Option<u32>,
    place: &'h PagePlace<S>,
    purpose: Purpose,
}

impl<S: Storage> Missing<'_, S> {
    fn order(&self) -> (bool, u64, u64) {
        // Dictionaries first: other pages cannot be opened without them.
        let (file, offset) = self.place.key();
        (self.handle.is_some(), file, offset)
    }
}

impl<S: Storage> CallPages<'_, S> {
    /// Loads what is missing of the pages of a step, as far as there is room. For a single page
    /// [`Pages::page`] is as good.
    pub(crate) fn load_missing(&self, handles: impl Iterator<Item = u32>, purpose: Purpose) {
        let missing: Vec<(u32, &PagePlace<S>)> = handles
            .filter_map(|handle| Some((handle, self.missing(handle)?)))
            .collect();
        if missing.len() < 2 {
            return;
        }
        self.held.borrow_mut().clear();
        let mut wanted = self.within_room(&missing, purpose);
        wanted.sort_by_key(Missing::order);
        wanted.dedup_by_key(|one| one.place.key());
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            if self.check().is_err() {
                return;
            }
            let mut bytes = 0;
            let fits = |one: &&Missing<'_, S>| {
                bytes += u64::from(one.place.extent.stored_bytes);
                bytes <= CALL_BYTES_MAX
            };
            let count = rest.iter().take(RANGES_MAX).take_while(fits).count();
            let (call, behind) = rest.split_at(count.max(1).min(rest.len()));
            self.read_together(call);
            rest = behind;
        }
    }

    /// Where a page lies, if it has to be read.
    fn missing(&self, handle: u32) -> Option<&PagePlace<S>> {
        if handle == ABSENT {
            return None;
        }
        let stored = self.handles.page(handle).ok()?;
        let (place, extent) = (&stored.place, &stored.place.extent);
        if stored.is_held() || place.file.is_in_memory() || extent.stored_bytes > PAGE_BYTES_MAX {
            return None;
        }
        (!self.shared.cache.contains(place.key())).then_some(place)
    }

    /// As many of the pages as should be held at a time, each with the dictionary that it refers to.
    fn within_room<'h>(
        &'h self,
        missing: &[(u32, &'h PagePlace<S>)],
        purpose: Purpose,
    ) -> Vec<Missing<'h, S>> {
        let mut wanted = Vec::with_capacity(missing.len());
        let mut room = self.held_bytes_max();
        for (handle, place) in missing {
            let Some(left) = room.checked_sub(u64::from(place.extent.raw_bytes)) else {
                break;
            };
            room = left;
            if let Some(dictionary) = &place.dictionary
                && !self.shared.cache.contains(dictionary.key())
            {
                wanted.push(Missing {
                    handle: None,
                    place: dictionary,
                    purpose: Purpose::Dictionary,
                });
            }
            wanted.push(Missing {
                handle: Some(*handle),
                place,
                purpose,
            });
        }
        wanted
    }

    /// Reads pages in one call and opens them. What fails stays unread: who uses it is told why.
    fn read_together(&self, pages: &[Missing<'_, S>]) {
        let mut ranges: Vec<Range> = Vec::with_capacity(pages.len());
        let mut inside = Vec::with_capacity(pages.len());
        for page in pages {
            let (file, extent) = (&page.place.file, &page.place.extent);
            if file.check_range(extent.offset, extent.stored_bytes).is_ok() {
                ranges.extend(file.ranges(extent.offset, extent.stored_bytes));
                inside.push(page);
            }
        }
        let storage = self.shared.place.storage().as_ref();
        let Ok(bytes) = read_ranges(storage, &ranges) else {
            return;
        };
        let mut rest = bytes.as_slice();
        for page in inside {
            let length = page.place.extent.stored_bytes as usize;
            let Some((stored, behind)) = rest.split_at_checked(length) else {
                return;
            };
            rest = behind;
            self.take_in(page, stored);
        }
    }

    /// Opens a page that was read, and keeps it until the next step.
    fn take_in(&self, page: &Missing<'_, S>, stored: &[u8]) {
        let (cache, activity) = (&self.shared.cache, &self.shared.activity);
        let opened = cached_page::take_in(cache, activity, page.place, page.purpose, stored);
        let Ok(opened) = opened else {
            return;
        };
        if let Some(handle) = page.handle
            && let Ok(known) = self.handles.page(handle)
        {
            known.keep(&opened, page.purpose);
        }
        self.held.borrow_mut().push(opened);
    }
}
