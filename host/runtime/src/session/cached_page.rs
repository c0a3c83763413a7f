//! Pages as they are cached: raw bytes, and what was opened from them.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sidx_engine::host::Extent;
use sidx_engine::{Error, Result};
use sidx_kernels::{Membership, Page, SharedDictionary};
use zstd::bulk::Decompressor;

use super::activity::Activity;
use super::handles::PagePlace;
use super::source::{Body, SourceFile};
use sidx_log::checksum;

use crate::page_cache::{Access, PageCache, PageKey};

/// Most bytes of a page before and after compression.
pub(crate) const MAX_PAGE_BYTES: u32 = 64 << 20;

/// What a page is used for. Each page serves one purpose in practice; the others work all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Values of a column.
    Column,
    /// A membership filter.
    Filter,
    /// A dictionary that other pages refer to.
    Dictionary,
    /// Bytes for the engine.
    Raw,
}

/// A verified, decompressed page.
pub(crate) struct CachedPage {
    raw: Bytes,
    /// What the page may refer to.
    shared: Option<Arc<SharedDictionary>>,
    column: OnceLock<Page>,
    filter: OnceLock<Membership>,
    dictionary: OnceLock<Arc<SharedDictionary>>,
}

impl CachedPage {
    /// The bytes.
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The page as values of a column.
    pub(crate) fn column(&self) -> Result<&Page> {
        if let Some(page) = self.column.get() {
            return Ok(page);
        }
        let page = Page::open_with(self.raw.clone(), self.shared.as_ref())
            .map_err(|e| Error::corrupt(e.to_string()))?;
        Ok(self.column.get_or_init(|| page))
    }

    /// The page as a membership filter.
    pub(crate) fn filter(&self) -> Result<&Membership> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter);
        }
        let filter = Membership::open(&self.raw).map_err(|e| Error::corrupt(e.to_string()))?;
        Ok(self.filter.get_or_init(|| filter))
    }

    /// The page as a shared dictionary.
    pub(crate) fn dictionary(&self) -> Result<&Arc<SharedDictionary>> {
        if let Some(dictionary) = self.dictionary.get() {
            return Ok(dictionary);
        }
        let dictionary =
            SharedDictionary::open(self.raw.clone()).map_err(|e| Error::corrupt(e.to_string()))?;
        Ok(self.dictionary.get_or_init(|| Arc::new(dictionary)))
    }

    /// Opens raw bytes for a purpose and tells how many bytes to charge for the result.
    pub(super) fn open(
        raw: Bytes,
        purpose: Purpose,
        shared: Option<Arc<SharedDictionary>>,
    ) -> Result<(Arc<Self>, u64)> {
        let raw_bytes = raw.len();
        let page = Self {
            raw,
            shared,
            column: OnceLock::new(),
            filter: OnceLock::new(),
            dictionary: OnceLock::new(),
        };
        let charge = match purpose {
            Purpose::Column => page.column()?.memory_bytes().max(raw_bytes),
            Purpose::Filter => {
                page.filter()?;
                raw_bytes * 2
            }
            Purpose::Dictionary => raw_bytes + page.dictionary()?.memory_bytes(),
            Purpose::Raw => raw_bytes,
        };
        Ok((Arc::new(page), charge as u64))
    }
}

/// A page, from memory where it is there, and with the dictionary that it may refer to.
pub(crate) fn fetch(
    cache: &PageCache<CachedPage>,
    activity: &Activity,
    handle: &PagePlace,
    purpose: Purpose,
) -> Result<Arc<CachedPage>> {
    activity.page_used();
    let (file, extent) = (&*handle.file, &handle.extent);
    let at = |error: Error| error.at(format_args!("{} offset {}", file.path, extent.offset));
    let page = match &file.body {
        Body::Memory(memory) => {
            let opened = memory.opened.lock().get(&extent.offset).cloned();
            match opened {
                Some(page) => page,
                None => {
                    let shared = shared_dictionary(cache, activity, handle)?;
                    let (page, _) =
                        CachedPage::open(load(file, extent)?, purpose, shared).map_err(at)?;
                    memory
                        .opened
                        .lock()
                        .insert(extent.offset, Arc::clone(&page));
                    page
                }
            }
        }
        Body::Stored(_) => fetch_stored(cache, activity, handle, purpose)?,
    };
    // Another extent at the same offset can only come from damaged metadata.
    if page.raw.len() != extent.raw_bytes as usize {
        let found = page.raw.len();
        let text = format!(
            "the page has {found} bytes, its record says {}",
            extent.raw_bytes
        );
        return Err(at(Error::corrupt(text)));
    }
    Ok(page)
}

fn fetch_stored(
    cache: &PageCache<CachedPage>,
    activity: &Activity,
    handle: &PagePlace,
    purpose: Purpose,
) -> Result<Arc<CachedPage>> {
    let (file, extent) = (&*handle.file, &handle.extent);
    let key = PageKey {
        file: file.id,
        offset: extent.offset,
    };
    let mut shared = None;
    if handle.dictionary.is_some() {
        // The cache must not be used while a page is loaded, so the dictionary comes first.
        if let Some(page) = cache.get(key) {
            return Ok(page);
        }
        shared = shared_dictionary(cache, activity, handle)?;
    }
    let (page, access) = cache.get_or_load(key, || {
        activity.read(u64::from(extent.stored_bytes));
        CachedPage::open(load(file, extent)?, purpose, shared)
            .map_err(|error| error.at(format_args!("{} offset {}", file.path, extent.offset)))
    })?;
    if access == Access::Loaded {
        activity.page_loaded();
    }
    Ok(page)
}

/// The dictionary that a page may refer to.
fn shared_dictionary(
    cache: &PageCache<CachedPage>,
    activity: &Activity,
    handle: &PagePlace,
) -> Result<Option<Arc<SharedDictionary>>> {
    let Some(dictionary) = &handle.dictionary else {
        return Ok(None);
    };
    // A dictionary refers to none itself: `Handles` sees to that.
    let page = fetch(cache, activity, dictionary, Purpose::Dictionary)?;
    let opened = page.dictionary().map_err(|error| {
        let (path, offset) = (&dictionary.file.path, dictionary.extent.offset);
        error.at(format_args!("{path} offset {offset}"))
    })?;
    Ok(Some(Arc::clone(opened)))
}

/// Reads, verifies and decompresses a page.
fn load(file: &SourceFile, extent: &Extent) -> Result<Bytes> {
    let at = |text: String| {
        Error::corrupt(text).at(format_args!("{} offset {}", file.path, extent.offset))
    };
    let Extent {
        stored_bytes,
        raw_bytes,
        checksum,
        codec,
        ..
    } = *extent;
    if stored_bytes > MAX_PAGE_BYTES || raw_bytes > MAX_PAGE_BYTES {
        let text = format!(
            "a page of {stored_bytes} stored and {raw_bytes} raw bytes exceeds {MAX_PAGE_BYTES} bytes"
        );
        return Err(at(text));
    }
    let stored = file.read(extent.offset, stored_bytes)?;
    let found = checksum::crc32c(&stored);
    if found != checksum {
        let text = format!("the page's checksum is {found:08x}, its record says {checksum:08x}");
        return Err(at(text));
    }
    match codec {
        0 if stored_bytes == raw_bytes => Ok(stored),
        0 => Err(at(format!(
            "{stored_bytes} bytes are stored as they are for {raw_bytes}"
        ))),
        1 => decompress(&stored, raw_bytes).map_err(at),
        _ => Err(at(format!("unknown codec {codec}"))),
    }
}

thread_local! {
    /// A decompression context takes longer to make than a small page takes to decompress.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses into exactly `raw_bytes` bytes.
fn decompress(stored: &[u8], raw_bytes: u32) -> Result<Bytes, String> {
    let broken = |cause: io::Error| format!("zstd cannot decompress the page: {cause}");
    let mut raw = Vec::with_capacity(raw_bytes as usize);
    let written = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(broken)?),
        };
        decompressor
            .decompress_to_buffer(stored, &mut raw)
            .map_err(broken)
    })?;
    if written != raw_bytes as usize {
        return Err(format!(
            "the page has {written} bytes, its record says {raw_bytes}"
        ));
    }
    Ok(raw.into())
}
