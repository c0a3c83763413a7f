//! Pages in memory, under the number of their place in a list, and a file that takes more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use sidx_columns::Column;
use sidx_executor::{Codec, Error, Extent, OpenPage, PageSink, Pages, Place, Purpose};
use sidx_kernels::{
    ColumnStats, Page, PageError, SharedDictionary, Source, encode_plain, encode_unfiltered, gather,
};

use super::numbers::Numbers;

/// Pages that anyone may add to.
#[derive(Debug, Default)]
pub struct Memory {
    pages: RefCell<Vec<Vec<u8>>>,
    /// What the executors told that they will use.
    told: RefCell<BTreeSet<u32>>,
    is_far: bool,
    /// Most bytes of pages that executors should hold at a time.
    pub held_bytes_max: u64,
}

impl Memory {
    /// No pages yet; whether they are far depends on the case.
    pub(crate) fn new(numbers: &mut Numbers) -> Self {
        Self {
            pages: RefCell::default(),
            told: RefCell::default(),
            is_far: numbers.below(2) == 0,
            held_bytes_max: u64::MAX,
        }
    }

    /// Adds a page.
    pub(crate) fn add(&self, page: Vec<u8>) -> u32 {
        let mut pages = self.pages.borrow_mut();
        pages.push(page);
        pages.len() as u32 - 1
    }

    /// Adds a column as a page.
    pub fn add_column(&self, column: &Column) -> Result<u32, String> {
        let encoded = encode_unfiltered(column).map_err(|error| error.to_string())?;
        Ok(self.add(encoded.page))
    }

    /// The bytes of a page.
    pub(crate) fn raw(&self, handle: u32) -> Result<Vec<u8>, String> {
        let page = self.pages.borrow().get(handle as usize).cloned();
        page.ok_or_else(|| format!("page {handle} is not here"))
    }

    /// The rows of a page that refers to a dictionary.
    pub(crate) fn coded_column(
        &self,
        handle: u32,
        dictionary: SharedDictionary,
    ) -> Result<Column, String> {
        let text = |error: PageError| error.to_string();
        let page = self.raw(handle)?.into();
        let page = Page::open_with(page, Some(&Arc::new(dictionary))).map_err(text)?;
        let rows: Vec<u32> = (0..page.rows()).collect();
        let source = Source {
            pages: &vec![Some(&page); rows.len()],
            rows: &rows,
        };
        gather(page.kind(), source).map_err(text)
    }

    /// Whether the executors told of all of these pages.
    pub(crate) fn told(&self, mut handles: impl Iterator<Item = u32>) -> bool {
        let told = self.told.borrow();
        handles.all(|handle| told.contains(&handle))
    }
}

impl Pages for Memory {
    type Page = Arc<OpenPage>;
    type Error = Error;

    fn page(&self, handle: u32, purpose: Purpose) -> Result<Arc<OpenPage>, Error> {
        let pages = self.pages.borrow();
        let page = pages.get(handle as usize);
        let page = page.ok_or_else(|| Error::request(format!("page {handle} is not here")))?;
        Ok(OpenPage::open(page.clone().into(), purpose, None)?.0)
    }

    fn load(&self, handles: impl Iterator<Item = u32>, _: Purpose) {
        self.told.borrow_mut().extend(handles);
    }

    fn is_far(&self) -> bool {
        self.is_far
    }

    fn place(&self, handle: u32) -> Result<Place<'_>, Error> {
        let pages = self.pages.borrow();
        let page = pages.get(handle as usize);
        let page = page.ok_or_else(|| Error::request(format!("page {handle} is not here")))?;
        Ok(Place {
            path: "memory",
            offset: u64::from(handle),
            raw_bytes: page.len() as u32,
            in_memory: false,
        })
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn held_bytes_max(&self) -> u64 {
        self.held_bytes_max
    }
}

/// A page goes to the end of the list, and its offset is the handle.
impl PageSink for Memory {
    type Error = Error;

    fn append(&self, page: &[u8], _: Codec) -> Result<Extent, Error> {
        Ok(Extent {
            offset: u64::from(self.add(page.to_vec())),
            stored_bytes: page.len() as u32,
            raw_bytes: page.len() as u32,
            ..Extent::default()
        })
    }

    fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats), Error> {
        let mut page = Vec::new();
        let stats = encode_plain(column, &mut page)?;
        Ok((PageSink::append(self, &page, Codec::None)?, stats))
    }

    fn pace(&self, _: u64) -> Result<(), Error> {
        Ok(())
    }
}
