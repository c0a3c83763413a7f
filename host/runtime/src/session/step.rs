//! The pages of a step, loaded together: neighbours in one read and, where reads take long, all reads at the
//! same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::Bytes;
use sidx_executor::{ABSENT, Pages, Purpose};
use sidx_session::codec::PAGE_BYTES_MAX;

use super::cached_page;
use super::pages::CallPages;
use super::source::{Body, PagePlace, SourceFile};

/// Most bytes of one read: a longer one is hardly faster by the byte.
const READ_BYTES_MAX: u64 = 1 << 20;
/// Bytes between two pages that are rather read than left out.
const GAP_BYTES_MAX: u64 = 4 << 10;

/// A page that is not in memory.
#[derive(Clone, Copy)]
struct Missing<'h> {
    /// None for a dictionary that a page refers to.
    handle: Option<u32>,
    place: &'h PagePlace,
    purpose: Purpose,
}

impl Missing<'_> {
    fn end(&self) -> u64 {
        let extent = &self.place.extent;
        extent.offset.saturating_add(u64::from(extent.stored_bytes))
    }
}

/// Pages of a file that are read together, in the order of their offsets.
struct Read<'m, 'h> {
    pages: &'m [Missing<'h>],
    file: &'h Arc<SourceFile>,
    offset: u64,
    length: u32,
    /// What was read.
    bytes: OnceLock<Bytes>,
}

impl CallPages<'_> {
    /// Loads what is missing of the pages of a step, as far as there is room. From near stores only pages
    /// that have neighbours: for a single one [`Pages::page`] is as good.
    pub(super) fn load_missing(&self, handles: impl Iterator<Item = u32>, purpose: Purpose) {
        let missing: Vec<(u32, &PagePlace)> = handles
            .filter_map(|handle| Some((handle, self.missing(handle)?)))
            .collect();
        if missing.is_empty() || (missing.len() == 1 && !self.is_far()) {
            return;
        }
        self.held.borrow_mut().clear();
        let mut wanted = self.within_room(&missing, purpose);
        wanted.sort_by_key(|one| (one.place.file.id, one.place.extent.offset));
        wanted.dedup_by_key(|one| (one.place.file.id, one.place.extent.offset));
        let is_far = self.is_far();
        let reads: Vec<Read<'_, '_>> = wanted
            .chunk_by(|one, next| are_neighbours(one, next))
            .flat_map(cut)
            .filter(|read| is_far || read.pages.len() > 1)
            .collect();
        self.read_all(&reads);
        // Dictionaries first: other pages cannot be opened without them.
        for of_dictionaries in [true, false] {
            for read in &reads {
                let pages = read.pages.iter();
                pages
                    .filter(|page| page.handle.is_none() == of_dictionaries)
                    .for_each(|page| self.take_in(read, page));
            }
        }
    }

    /// Where a page lies, if it has to be read.
    fn missing(&self, handle: u32) -> Option<&PagePlace> {
        if handle == ABSENT {
            return None;
        }
        let stored = self.handles.page(handle).ok()?;
        if stored.is_held() || matches!(stored.place.file.body, Body::Memory(_)) {
            return None;
        }
        if stored.place.extent.stored_bytes > PAGE_BYTES_MAX {
            return None;
        }
        let is_cached = self.session.shared.cache.contains(stored.place.key());
        (!is_cached).then_some(&stored.place)
    }

    /// As many of the pages as should be held at a time, each with the dictionary that it refers to.
    fn within_room<'h>(
        &'h self,
        missing: &[(u32, &'h PagePlace)],
        purpose: Purpose,
    ) -> Vec<Missing<'h>> {
        let mut wanted: Vec<Missing<'h>> = Vec::with_capacity(missing.len());
        let mut room = self.held_bytes_max();
        for (handle, place) in missing {
            let Some(left) = room.checked_sub(u64::from(place.extent.raw_bytes)) else {
                break;
            };
            room = left;
            if let Some(dictionary) = &place.dictionary
                && !self.session.shared.cache.contains(dictionary.key())
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

    /// Carries out reads: one after the other, or as many at the same time as the store can use. What fails
    /// stays unread.
    fn read_all(&self, reads: &[Read<'_, '_>]) {
        let at_once = self.session.shared.storage.reads_at_once().min(reads.len());
        if at_once <= 1 {
            for read in reads {
                if self.check().is_err() {
                    return;
                }
                read.run();
            }
            return;
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(read) = reads.get(next.fetch_add(1, Ordering::Relaxed)) {
                read.run();
            }
        };
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(work);
            }
        });
    }

    /// Opens a page that was read, and keeps it until the next step.
    fn take_in(&self, read: &Read<'_, '_>, page: &Missing<'_>) {
        let Some(stored) = read.bytes_of(page) else {
            return;
        };
        let shared = &self.session.shared;
        let activity = &self.session.activity;
        let opened =
            cached_page::take_in(&shared.cache, activity, page.place, page.purpose, stored);
        let Ok(opened) = opened else {
            return;
        };
        if let Some(handle) = page.handle {
            self.handles.keep_new(handle, &opened, page.purpose);
        }
        self.held.borrow_mut().push(opened);
    }
}

impl Read<'_, '_> {
    fn run(&self) {
        if let Ok(bytes) = self.file.read(self.offset, self.length) {
            // Each read is run once.
            let _ = self.bytes.set(bytes);
        }
    }

    fn bytes_of(&self, page: &Missing<'_>) -> Option<Bytes> {
        let bytes = self.bytes.get()?;
        let start = page.place.extent.offset.checked_sub(self.offset)?;
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(page.place.extent.stored_bytes as usize)?;
        (end <= bytes.len()).then(|| bytes.slice(start..end))
    }
}

fn are_neighbours(one: &Missing<'_>, next: &Missing<'_>) -> bool {
    let gap = next.place.extent.offset.checked_sub(one.end());
    one.place.file.id == next.place.file.id && gap.is_some_and(|gap| gap <= GAP_BYTES_MAX)
}

/// Reads of neighbours that are not too long.
fn cut<'m, 'h>(pages: &'m [Missing<'h>]) -> Vec<Read<'m, 'h>> {
    let mut reads = Vec::new();
    let mut rest = pages;
    while let Some(first) = rest.first() {
        let offset = first.place.extent.offset;
        let fits = |page: &&Missing<'_>| page.end() - offset <= READ_BYTES_MAX;
        let count = rest.iter().take_while(fits).count().max(1);
        let (these, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = others;
        let end = these.last().map_or(offset, Missing::end);
        if let Ok(length) = u32::try_from(end - offset) {
            reads.push(Read {
                pages: these,
                file: &first.place.file,
                offset,
                length,
                bytes: OnceLock::new(),
            });
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use sidx_engine::host::Extent;

    use super::*;
    use crate::session::memory::{MemoryBudget, MemoryFile};

    fn places(extents: &[(u64, u32)]) -> Vec<PagePlace> {
        let reservation = MemoryBudget::new(1).reserve();
        let file = SourceFile::in_memory("x", MemoryFile::new(Bytes::new(), reservation));
        let place = |(offset, stored_bytes): &(u64, u32)| PagePlace {
            file: Arc::clone(&file),
            extent: Extent {
                offset: *offset,
                stored_bytes: *stored_bytes,
                ..Extent::default()
            },
            dictionary: None,
        };
        extents.iter().map(place).collect()
    }

    fn reads(extents: &[(u64, u32)]) -> Vec<(u64, u32)> {
        let places = places(extents);
        let missing: Vec<Missing<'_>> = places
            .iter()
            .map(|place| Missing {
                handle: Some(0),
                place,
                purpose: Purpose::Column,
            })
            .collect();
        let runs = missing.chunk_by(|one, next| are_neighbours(one, next));
        let reads = runs.flat_map(cut);
        reads.map(|read| (read.offset, read.length)).collect()
    }

    #[test]
    fn neighbours_are_read_together_up_to_a_length() {
        assert_eq!(reads(&[(0, 10), (10, 10), (30, 5)]), [(0, 35)]);
        assert_eq!(reads(&[(0, 10), (1 << 20, 10)]), [(0, 10), (1 << 20, 10)]);
        let half = 1 << 19;
        let halves = [(0, half), (u64::from(half), half), (1 << 20, half)];
        assert_eq!(reads(&halves), [(0, 1 << 20), (1 << 20, half)]);
        // One page may be longer than a read should be.
        assert_eq!(
            reads(&[(5, 3 << 20), (5 + (3 << 20), 1)]),
            [(5, 3 << 20), (5 + (3 << 20), 1)]
        );
        assert!(reads(&[]).is_empty());
    }

    #[test]
    fn extents_that_contradict_each_other_are_read_apart() {
        assert_eq!(reads(&[(0, 100), (50, 10)]), [(0, 100), (50, 10)]);
        assert_eq!(reads(&[(0, 10), (u64::MAX, 10)]), [(0, 10), (u64::MAX, 0)]);
    }
}
