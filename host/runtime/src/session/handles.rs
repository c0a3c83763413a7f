//! The numbers by which an instance names its open files and their pages.
//!
//! Handles come back from the component and are checked on every use: an unknown one is
//! `invalid-argument`, never a panic.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use sidx_engine::host::Extent;
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::{OpenPage, Purpose};

use super::source::{PagePlace, SourceFile};

/// Most files an instance may have open.
const MAX_FILES: usize = 1 << 16;
/// Most chunks of the sections that an instance has open.
const MAX_CHUNKS: usize = 1 << 20;
/// Most pages an instance may have registered; the table takes 64 bytes for each.
const MAX_PAGES: usize = 1 << 23;

/// Handles that know the page they stand for. A page that was dropped leaves a few hundred bytes behind as
/// long as its handle knows it.
const MAX_KEPT: usize = 1 << 14;
/// How often a page is used before the cache is asked for it again, which must see what is in use.
const USES_KEPT: u8 = 32;

/// A registered page.
pub(crate) struct PageHandle {
    pub(crate) place: PagePlace,
    /// The page when it was used last, if it is still in memory.
    opened: RefCell<Weak<OpenPage>>,
    /// What it was opened for then.
    purpose: Cell<Purpose>,
    uses_left: Cell<u8>,
    /// It was loaded before its first use, which was not yet.
    is_new: Cell<bool>,
}

impl PageHandle {
    /// The page, unless it was dropped or the cache should be asked, as it must be for another purpose than
    /// before.
    pub(crate) fn kept(&self, purpose: Purpose) -> Option<Arc<OpenPage>> {
        if self.purpose.get() != purpose {
            return None;
        }
        self.uses_left.set(self.uses_left.get().checked_sub(1)?);
        self.opened.borrow().upgrade()
    }

    /// Whether the page is in memory, as far as the handle knows.
    pub(crate) fn is_held(&self) -> bool {
        self.opened.borrow().strong_count() > 0
    }

    /// Whether the page is used for the first time since it was loaded for that.
    pub(crate) fn is_first_use(&self) -> bool {
        self.is_new.take()
    }
}

struct OpenFile {
    source: Arc<SourceFile>,
    /// First handle and number of the pages registered by each call.
    pages: Vec<(u32, u32)>,
}

/// All handles of one instance.
#[derive(Default)]
pub(crate) struct Handles {
    files: Vec<Option<OpenFile>>,
    pages: Vec<Option<PageHandle>>,
    /// Chunks of all open sections.
    chunks: usize,
    /// Handles that know their page.
    kept: RefCell<Vec<u32>>,
    /// Unused ranges inside `pages`: length by first handle, never adjacent, never at the end.
    free: BTreeMap<u32, u32>,
}

impl Handles {
    /// A handle for an open file.
    pub(crate) fn add_file(&mut self, source: Arc<SourceFile>) -> Result<u32> {
        let chunks = self.chunks.saturating_add(source.chunks());
        if chunks > MAX_CHUNKS {
            return Err(exhausted("chunks of open sections", MAX_CHUNKS));
        }
        let file = OpenFile {
            source,
            pages: Vec::new(),
        };
        let free = self.files.iter().position(Option::is_none);
        let at = free.unwrap_or(self.files.len());
        if at >= MAX_FILES {
            return Err(exhausted("open files", MAX_FILES));
        }
        self.chunks = chunks;
        match self.files.get_mut(at) {
            Some(slot) => *slot = Some(file),
            None => self.files.push(Some(file)),
        }
        Ok(at as u32)
    }

    /// The file of a handle.
    pub(crate) fn file(&self, handle: u32) -> Result<&Arc<SourceFile>> {
        self.open_file(handle).map(|file| &file.source)
    }

    fn open_file(&self, handle: u32) -> Result<&OpenFile> {
        let slot = self.files.get(handle as usize).and_then(Option::as_ref);
        slot.ok_or_else(|| Error::invalid(format!("file handle {handle} is not open")))
    }

    /// Frees a file and its pages; an unknown handle is ignored.
    pub(crate) fn remove_file(&mut self, handle: u32) {
        let Some(file) = self.files.get_mut(handle as usize).and_then(Option::take) else {
            return;
        };
        self.chunks = self.chunks.saturating_sub(file.source.chunks());
        for (first, count) in file.pages {
            self.release(first, count);
        }
    }

    /// Registers pages of a file under consecutive handles and returns the first.
    pub(crate) fn add_pages(&mut self, file: u32, extents: &[Extent]) -> Result<u32> {
        self.add(file, extents, None)
    }

    /// The same for pages that may refer to a dictionary, which is a registered page.
    pub(crate) fn add_coded_pages(
        &mut self,
        file: u32,
        extents: &[Extent],
        dictionary: u32,
    ) -> Result<u32> {
        let place = &self.page(dictionary)?.place;
        if place.dictionary.is_some() {
            let text = format!("page {dictionary} refers to a dictionary, so it can be none");
            return Err(Error::invalid(text));
        }
        let dictionary = Arc::new(place.clone());
        self.add(file, extents, Some(dictionary))
    }

    fn add(
        &mut self,
        file: u32,
        extents: &[Extent],
        dictionary: Option<Arc<PagePlace>>,
    ) -> Result<u32> {
        let source = Arc::clone(self.file(file)?);
        if extents.is_empty() {
            return Ok(0);
        }
        let count = u32::try_from(extents.len()).map_err(|_| exhausted("pages", MAX_PAGES))?;
        let first = self.allocate(count)?;
        let handles = extents.iter().map(|extent| {
            Some(PageHandle {
                place: PagePlace {
                    file: Arc::clone(&source),
                    extent: *extent,
                    dictionary: dictionary.clone(),
                },
                opened: RefCell::default(),
                purpose: Cell::new(Purpose::Raw),
                uses_left: Cell::new(0),
                is_new: Cell::new(false),
            })
        });
        let start = first as usize;
        let reused = self.pages.len().saturating_sub(start).min(extents.len());
        let mut handles = handles;
        if let Some(slots) = self.pages.get_mut(start..start + reused) {
            slots
                .iter_mut()
                .zip(&mut handles)
                .for_each(|(slot, handle)| *slot = handle);
        }
        self.pages.extend(handles);
        if let Some(file) = self.files.get_mut(file as usize).and_then(Option::as_mut) {
            file.pages.push((first, count));
        }
        Ok(first)
    }

    /// The page of a handle.
    pub(crate) fn page(&self, handle: u32) -> Result<&PageHandle> {
        let slot = self.pages.get(handle as usize).and_then(Option::as_ref);
        slot.ok_or_else(|| Error::invalid(format!("page handle {handle} is not registered")))
    }

    /// Lets a handle know its page, and what that was opened for.
    pub(crate) fn keep(&self, handle: u32, page: &Arc<OpenPage>, purpose: Purpose) {
        let Ok(stored) = self.page(handle) else {
            return;
        };
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MAX_KEPT {
            for other in kept.drain(..) {
                if let Ok(other) = self.page(other) {
                    other.uses_left.set(0);
                    other.opened.take();
                }
            }
        }
        stored.uses_left.set(USES_KEPT);
        stored.purpose.set(purpose);
        let known = stored.opened.replace(Arc::downgrade(page));
        if known.ptr_eq(&Weak::new()) {
            kept.push(handle);
        }
    }

    /// The same for a page that was loaded before its first use.
    pub(crate) fn keep_new(&self, handle: u32, page: &Arc<OpenPage>, purpose: Purpose) {
        self.keep(handle, page, purpose);
        if let Ok(stored) = self.page(handle) {
            stored.is_new.set(true);
        }
    }

    /// Room for `count` handles: the first free range that is large enough, else the end.
    fn allocate(&mut self, count: u32) -> Result<u32> {
        let found = self.free.iter().find(|(_, length)| **length >= count);
        if let Some((&first, &length)) = found {
            self.free.remove(&first);
            if length > count {
                self.free.insert(first + count, length - count);
            }
            return Ok(first);
        }
        if self.pages.len().saturating_add(count as usize) > MAX_PAGES {
            return Err(exhausted("pages", MAX_PAGES));
        }
        Ok(self.pages.len() as u32)
    }

    /// Frees a range and joins it with its free neighbours.
    fn release(&mut self, first: u32, count: u32) {
        let (mut first, mut count) = (first, count);
        let range = first as usize..(first as usize).saturating_add(count as usize);
        if let Some(slots) = self.pages.get_mut(range) {
            slots.fill_with(|| None);
        }
        if let Some((&before, &length)) = self.free.range(..first).next_back()
            && before + length == first
        {
            self.free.remove(&before);
            (first, count) = (before, count + length);
        }
        if let Some(length) = self.free.remove(&(first + count)) {
            count += length;
        }
        if (first + count) as usize == self.pages.len() {
            self.pages.truncate(first as usize);
        } else {
            self.free.insert(first, count);
        }
    }
}

fn exhausted(what: &str, limit: usize) -> Error {
    let text =
        format!("an instance may have {limit} {what}; merge parts or use fewer cursors at once");
    Error::new(ErrorKind::ResourceExhausted, text)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::session::memory::{MemoryBudget, MemoryFile};

    fn source() -> Arc<SourceFile> {
        let reservation = MemoryBudget::new(1).reserve();
        SourceFile::in_memory("mem/x", MemoryFile::new(Bytes::new(), reservation))
    }

    fn extents(count: usize) -> Vec<Extent> {
        (0..count)
            .map(|at| Extent {
                offset: at as u64,
                ..Extent::default()
            })
            .collect()
    }

    #[test]
    fn pages_follow_each_other_and_die_with_their_file() {
        let mut handles = Handles::default();
        let first = handles.add_file(source()).unwrap();
        let second = handles.add_file(source()).unwrap();
        let a = handles.add_pages(first, &extents(3)).unwrap();
        let b = handles.add_pages(second, &extents(2)).unwrap();
        assert_eq!(handles.page(a + 2).unwrap().place.extent.offset, 2);
        assert_eq!(handles.page(b + 1).unwrap().place.extent.offset, 1);
        handles.remove_file(first);
        assert!(handles.page(a).is_err() && handles.file(first).is_err());
        assert!(handles.page(b).is_ok());
        handles.remove_file(first);
        handles.remove_file(77);
    }

    #[test]
    fn freed_ranges_are_joined_and_used_again() {
        let mut handles = Handles::default();
        let files: Vec<u32> = (0..4)
            .map(|_| handles.add_file(source()).unwrap())
            .collect();
        for file in &files {
            handles.add_pages(*file, &extents(10)).unwrap();
        }
        handles.remove_file(files[1]);
        handles.remove_file(files[2]);
        let file = handles.add_file(source()).unwrap();
        assert_eq!(handles.add_pages(file, &extents(15)).unwrap(), 10);
        assert_eq!(handles.add_pages(file, &extents(5)).unwrap(), 25);
        assert_eq!(handles.add_pages(file, &extents(1)).unwrap(), 40);
        for file in 0..5 {
            handles.remove_file(file);
        }
        assert!(handles.pages.is_empty() && handles.free.is_empty());
    }

    #[test]
    fn a_dictionary_is_a_registered_page_without_one() {
        let mut handles = Handles::default();
        let file = handles.add_file(source()).unwrap();
        let dictionary = handles.add_pages(file, &extents(1)).unwrap();
        let coded = handles
            .add_coded_pages(file, &extents(2), dictionary)
            .unwrap();
        assert!(handles.page(coded + 1).unwrap().place.dictionary.is_some());
        for wrong in [coded, 99, u32::MAX] {
            let refused = handles.add_coded_pages(file, &extents(1), wrong);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn a_handle_knows_its_page_for_a_while_and_keeps_none_alive() {
        let mut handles = Handles::default();
        let file = handles.add_file(source()).unwrap();
        let page = handles.add_pages(file, &extents(2)).unwrap();
        let kept = || handles.page(page).unwrap().kept(Purpose::Raw);
        assert!(kept().is_none());
        let (opened, _) = OpenPage::open(Bytes::new(), Purpose::Raw, None).unwrap();
        handles.keep(page, &opened, Purpose::Raw);
        let uses = std::iter::from_fn(kept).take(1_000).count();
        assert_eq!(uses, usize::from(USES_KEPT));
        handles.keep(page, &opened, Purpose::Raw);
        assert!(kept().is_some() && handles.page(page + 1).unwrap().kept(Purpose::Raw).is_none());
        assert!(handles.page(page).unwrap().kept(Purpose::Column).is_none());
        drop(opened);
        assert!(kept().is_none());
        // An unknown handle is nobody's.
        let (opened, _) = OpenPage::open(Bytes::new(), Purpose::Raw, None).unwrap();
        handles.keep(77, &opened, Purpose::Raw);
        assert_eq!(Arc::weak_count(&opened), 0);
    }

    #[test]
    fn unknown_handles_are_refused() {
        let mut handles = Handles::default();
        assert_eq!(
            handles.page(u32::MAX).err().unwrap().kind(),
            ErrorKind::InvalidArgument
        );
        assert!(handles.add_pages(0, &extents(1)).is_err());
    }
}
