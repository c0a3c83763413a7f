//! Pages as they are cached: read, verified, decompressed.

use std::sync::Arc;

use bytes::Bytes;
use sidx_engine::{Error, Result};
use sidx_executor::{OpenPage, Purpose};
use sidx_kernels::SharedDictionary;

use crate::activity::Activity;
use crate::cache::PageCache;
use crate::codec::{self, PAGE_BYTES_MAX};
use crate::source::{Body, PagePlace};
use crate::storage::Storage;

/// A page, from memory where it is there, and with the dictionary that it may refer to.
pub(crate) fn fetch<S: Storage>(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    place: &PagePlace<S>,
    purpose: Purpose,
) -> Result<Arc<OpenPage>> {
    activity.page_used();
    let page = match &place.file.body {
        Body::Memory(memory) => {
            let opened = memory.opened.borrow().get(&place.extent.offset).cloned();
            match opened {
                Some(page) => page,
                None => {
                    let shared = shared_dictionary(cache, activity, place)?;
                    let opened = OpenPage::open(load(place)?, purpose, shared);
                    let (page, _) = opened.map_err(|error| place.at(error.into()))?;
                    let mut known = memory.opened.borrow_mut();
                    known.insert(place.extent.offset, Arc::clone(&page));
                    page
                }
            }
        }
        Body::Stored(_) | Body::Section { .. } => match cache.get(place.key()) {
            Some(page) => {
                widen(cache, place, &page, purpose);
                page
            }
            None => {
                let shared = shared_dictionary(cache, activity, place)?;
                activity.read(u64::from(place.extent.stored_bytes));
                let raw = load(place)?;
                keep(cache, activity, place, purpose, (raw, shared))?
            }
        },
    };
    check_size(place, &page)?;
    Ok(page)
}

/// Another extent at the same offset can only come from damaged metadata.
fn check_size<S: Storage>(place: &PagePlace<S>, page: &OpenPage) -> Result<()> {
    let (found, said) = (page.raw().len(), place.extent.raw_bytes);
    if found == said as usize {
        return Ok(());
    }
    let text = format!("the page has {found} bytes, its record says {said}");
    Err(place.at(Error::corrupt(text)))
}

/// Sees to it that the cache is charged for what a page that it has derives for a purpose. What the page
/// cannot be opened as is told by who uses it so.
fn widen<S: Storage>(
    cache: &PageCache<OpenPage>,
    place: &PagePlace<S>,
    page: &Arc<OpenPage>,
    purpose: Purpose,
) {
    if let Ok(Some(bytes)) = page.widen(purpose) {
        cache.charge(place.key(), page, bytes);
    }
}

/// Opens a page and takes it into the cache.
fn keep<S: Storage>(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    place: &PagePlace<S>,
    purpose: Purpose,
    (raw, shared): (Bytes, Option<Arc<SharedDictionary>>),
) -> Result<Arc<OpenPage>> {
    let opened = OpenPage::open(raw, purpose, shared);
    let (page, bytes) = opened.map_err(|error| place.at(error.into()))?;
    activity.page_loaded();
    cache.put(place.key(), &page, bytes);
    Ok(page)
}

/// Takes a page whose stored bytes were read into the cache.
pub(crate) fn take_in<S: Storage>(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    place: &PagePlace<S>,
    purpose: Purpose,
    stored: &[u8],
) -> Result<Arc<OpenPage>> {
    if let Some(page) = cache.get(place.key()) {
        widen(cache, place, &page, purpose);
        check_size(place, &page)?;
        return Ok(page);
    }
    let shared = shared_dictionary(cache, activity, place)?;
    activity.read(u64::from(place.extent.stored_bytes));
    let stored = Bytes::copy_from_slice(stored);
    let raw = codec::verified(&place.file.path, &place.extent, stored)?;
    let page = keep(cache, activity, place, purpose, (raw, shared))?;
    check_size(place, &page)?;
    Ok(page)
}

/// The dictionary that a page may refer to.
fn shared_dictionary<S: Storage>(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    place: &PagePlace<S>,
) -> Result<Option<Arc<SharedDictionary>>> {
    let Some(dictionary) = &place.dictionary else {
        return Ok(None);
    };
    // A dictionary refers to none itself: `Handles` sees to that.
    let page = fetch(cache, activity, dictionary, Purpose::Dictionary)?;
    let opened = page.dictionary();
    let opened = opened.map_err(|error| dictionary.at(Error::from(error)))?;
    Ok(Some(Arc::clone(opened)))
}

/// Reads, verifies and decompresses a page.
fn load<S: Storage>(place: &PagePlace<S>) -> Result<Bytes> {
    let extent = &place.extent;
    let (stored_bytes, raw_bytes) = (extent.stored_bytes, extent.raw_bytes);
    if stored_bytes > PAGE_BYTES_MAX || raw_bytes > PAGE_BYTES_MAX {
        let text = format!(
            "a page of {stored_bytes} stored and {raw_bytes} raw bytes exceeds {PAGE_BYTES_MAX} bytes"
        );
        return Err(place.at(Error::corrupt(text)));
    }
    let stored = place.file.read(extent.offset, stored_bytes)?;
    codec::verified(&place.file.path, extent, stored)
}
