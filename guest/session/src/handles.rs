//! The numbers by which the engine names its open files, their pages and its filters.
//!
//! Handles come back from the engine and are checked on every use: an unknown one is `invalid-argument`,
//! never a panic. The numbers of a session follow on those of the one before, so that what is left of that
//! in the engine closes nothing of this.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use sidx_engine::host::Extent;
use sidx_engine::{Error, ErrorKind, Result};
use sidx_executor::{OpenPage, Purpose};

use crate::source::{PagePlace, SourceFile};
use crate::storage::Storage;

/// Most files an instance may have open.
const FILES_MAX: usize = 1 << 16;
/// Most chunks of the sections that an instance has open.
const CHUNKS_MAX: usize = 1 << 20;
/// Most pages an instance may have registered.
const PAGES_MAX: usize = 1 << 22;

/// How often a page is used before the cache is asked for it again, which must see what is in use.
const USES_KEPT: u8 = 32;

/// The least numbers that a session gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstNumbers {
    files: u32,
    pages: u32,
}

impl FirstNumbers {
    /// Of the first session.
    pub const NONE: Self = Self { files: 0, pages: 0 };
}

/// A registered page.
pub(crate) struct PageHandle<S: Storage> {
    pub(crate) place: PagePlace<S>,
    /// The page when it was used last, if it is still in memory, and what it was opened for.
    opened: RefCell<Weak<OpenPage>>,
    purpose: Cell<Purpose>,
    uses_left: Cell<u8>,
}

impl<S: Storage> PageHandle<S> {
    /// The page, if it is in memory as it was opened for this purpose before, unless the cache should be
    /// asked.
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

    /// Lets it know its page, and what that was opened for.
    pub(crate) fn keep(&self, page: &Arc<OpenPage>, purpose: Purpose) {
        self.purpose.set(purpose);
        self.uses_left.set(USES_KEPT);
        self.opened.replace(Arc::downgrade(page));
    }
}

struct OpenFile<S: Storage> {
    source: Rc<SourceFile<S>>,
    /// First slot and number of the pages registered by each call.
    pages: Vec<(u32, u32)>,
}

/// All handles of a session. Slots are counted from the first numbers.
pub(crate) struct Handles<S: Storage> {
    first: FirstNumbers,
    files: Vec<Option<OpenFile<S>>>,
    pages: Vec<Option<PageHandle<S>>>,
    /// Most slots of pages that there ever were.
    pages_ever: usize,
    /// Chunks of all open sections.
    chunks: usize,
    /// Unused ranges inside `pages`: length by first slot, never adjacent, never at the end.
    free: BTreeMap<u32, u32>,
}

impl<S: Storage> Handles<S> {
    pub(crate) fn new(first: FirstNumbers) -> Self {
        Self {
            first,
            files: Vec::new(),
            pages: Vec::new(),
            pages_ever: 0,
            chunks: 0,
            free: BTreeMap::new(),
        }
    }

    /// The first numbers of the session that follows.
    pub(crate) fn next(&self) -> FirstNumbers {
        FirstNumbers {
            files: self.first.files.saturating_add(self.files.len() as u32),
            pages: self.first.pages.saturating_add(self.pages_ever as u32),
        }
    }

    /// A handle for an open file.
    pub(crate) fn add_file(&mut self, source: Rc<SourceFile<S>>) -> Result<u32> {
        let chunks = self.chunks.saturating_add(source.chunks());
        if chunks > CHUNKS_MAX {
            return Err(exhausted("chunks of open sections", CHUNKS_MAX));
        }
        let free = self.files.iter().position(Option::is_none);
        let at = free.unwrap_or(self.files.len());
        let number = self.first.files.checked_add(at as u32);
        let Some(number) = number.filter(|_| at < FILES_MAX) else {
            return Err(exhausted("open files", FILES_MAX));
        };
        self.chunks = chunks;
        let file = OpenFile {
            source,
            pages: Vec::new(),
        };
        match self.files.get_mut(at) {
            Some(slot) => *slot = Some(file),
            None => self.files.push(Some(file)),
        }
        Ok(number)
    }

    fn file_slot(&self, handle: u32) -> Option<usize> {
        Some(handle.checked_sub(self.first.files)? as usize)
    }

    /// The file of a handle.
    pub(crate) fn file(&self, handle: u32) -> Result<&Rc<SourceFile<S>>> {
        let slot = self.file_slot(handle).and_then(|at| self.files.get(at));
        let file = slot.and_then(Option::as_ref).map(|file| &file.source);
        file.ok_or_else(|| Error::invalid(format!("file handle {handle} is not open")))
    }

    /// Frees a file and its pages; an unknown handle is ignored.
    pub(crate) fn remove_file(&mut self, handle: u32) {
        let slot = self.file_slot(handle);
        let slot = slot.and_then(|at| self.files.get_mut(at));
        let Some(file) = slot.and_then(Option::take) else {
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
        let dictionary = Rc::new(place.clone());
        self.add(file, extents, Some(dictionary))
    }

    fn add(
        &mut self,
        file: u32,
        extents: &[Extent],
        dictionary: Option<Rc<PagePlace<S>>>,
    ) -> Result<u32> {
        let source = Rc::clone(self.file(file)?);
        if extents.is_empty() {
            return Ok(self.first.pages);
        }
        let count = u32::try_from(extents.len()).map_err(|_| exhausted("pages", PAGES_MAX))?;
        let first = self.allocate(count)?;
        let mut handles = extents.iter().map(|extent| {
            Some(PageHandle {
                place: PagePlace {
                    file: Rc::clone(&source),
                    extent: *extent,
                    dictionary: dictionary.clone(),
                },
                opened: RefCell::default(),
                purpose: Cell::new(Purpose::Raw),
                uses_left: Cell::new(0),
            })
        });
        let start = first as usize;
        let reused = self.pages.len().saturating_sub(start).min(extents.len());
        if let Some(slots) = self.pages.get_mut(start..start + reused) {
            slots
                .iter_mut()
                .zip(&mut handles)
                .for_each(|(slot, handle)| *slot = handle);
        }
        self.pages.extend(handles);
        self.pages_ever = self.pages_ever.max(self.pages.len());
        let slot = self.file_slot(file);
        let slot = slot.and_then(|at| self.files.get_mut(at));
        if let Some(file) = slot.and_then(Option::as_mut) {
            file.pages.push((first, count));
        }
        Ok(self.first.pages + first)
    }

    /// The page of a handle.
    pub(crate) fn page(&self, handle: u32) -> Result<&PageHandle<S>> {
        let at = handle.checked_sub(self.first.pages);
        let slot = at.and_then(|at| self.pages.get(at as usize));
        slot.and_then(Option::as_ref)
            .ok_or_else(|| Error::invalid(format!("page handle {handle} is not registered")))
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
        let end = self.pages.len().saturating_add(count as usize);
        // The greatest number stands for no page.
        let room = (u32::MAX - self.first.pages) as usize;
        if end > PAGES_MAX.min(room) {
            return Err(exhausted("pages", PAGES_MAX));
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
