//! Pages as they are cached: read, verified, decompressed.

use std::sync::Arc;

use bytes::Bytes;
use sidx_engine::host::Extent;
use sidx_engine::{Error, Result};
use sidx_executor::{OpenPage, Purpose};
use sidx_kernels::SharedDictionary;
use sidx_session::codec::{self, PAGE_BYTES_MAX};

use super::source::{Body, PagePlace, SourceFile};
use crate::activity::Activity;
use crate::page_cache::{Access, PageCache, PageKey};

/// A page, from memory where it is there, and with the dictionary that it may refer to.
pub(crate) fn fetch(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    handle: &PagePlace,
    purpose: Purpose,
) -> Result<Arc<OpenPage>> {
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
                    let (page, _) = open(load(file, extent)?, purpose, shared).map_err(at)?;
                    memory
                        .opened
                        .lock()
                        .insert(extent.offset, Arc::clone(&page));
                    page
                }
            }
        }
        Body::Stored(_) | Body::Section { .. } => fetch_stored(cache, activity, handle, purpose)?,
    };
    // Another extent at the same offset can only come from damaged metadata.
    if page.raw().len() != extent.raw_bytes as usize {
        let found = page.raw().len();
        let text = format!(
            "the page has {found} bytes, its record says {}",
            extent.raw_bytes
        );
        return Err(at(Error::corrupt(text)));
    }
    Ok(page)
}

fn fetch_stored(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    handle: &PagePlace,
    purpose: Purpose,
) -> Result<Arc<OpenPage>> {
    let (file, extent) = (&*handle.file, &handle.extent);
    let key = handle.key();
    let mut shared = None;
    if handle.dictionary.is_some() {
        // The cache must not be used while a page is loaded, so the dictionary comes first.
        if let Some(page) = cache.get(key) {
            widen(cache, key, &page, purpose);
            return Ok(page);
        }
        shared = shared_dictionary(cache, activity, handle)?;
    }
    let (page, access) = cache.get_or_load(key, || {
        activity.read(u64::from(extent.stored_bytes));
        open(load(file, extent)?, purpose, shared)
            .map_err(|error| error.at(format_args!("{} offset {}", file.path, extent.offset)))
    })?;
    match access {
        Access::Loaded => activity.page_loaded(),
        Access::Hit => widen(cache, key, &page, purpose),
    }
    Ok(page)
}

/// Sees to it that the cache is charged for what a page that it has derives for a purpose. What the page
/// cannot be opened as is told by who uses it so.
fn widen(cache: &PageCache<OpenPage>, key: PageKey, page: &Arc<OpenPage>, purpose: Purpose) {
    if let Ok(Some(bytes)) = page.widen(purpose) {
        cache.recharge(key, Arc::clone(page), bytes);
    }
}

/// Takes a page whose stored bytes were read into the cache, unless somebody else did meanwhile.
pub(super) fn take_in(
    cache: &PageCache<OpenPage>,
    activity: &Activity,
    place: &PagePlace,
    purpose: Purpose,
    stored: Bytes,
) -> Result<Arc<OpenPage>> {
    let (file, extent) = (&*place.file, &place.extent);
    let shared = shared_dictionary(cache, activity, place)?;
    // Pages are slices of what was read with them, which a page that stays as it is would keep in memory.
    let stored = match extent.codec {
        0 => Bytes::copy_from_slice(&stored),
        _ => stored,
    };
    let key = place.key();
    let (page, access) = cache.get_or_load(key, || {
        activity.read(u64::from(extent.stored_bytes));
        open(
            codec::verified(&file.path, extent, stored)?,
            purpose,
            shared,
        )
    })?;
    match access {
        Access::Loaded => activity.page_loaded(),
        Access::Hit => widen(cache, key, &page, purpose),
    }
    if page.raw().len() != extent.raw_bytes as usize {
        return Err(Error::corrupt("the page is another"));
    }
    Ok(page)
}

/// The dictionary that a page may refer to.
fn shared_dictionary(
    cache: &PageCache<OpenPage>,
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
        Error::from(error).at(format_args!("{path} offset {offset}"))
    })?;
    Ok(Some(Arc::clone(opened)))
}

/// Opens a page, and tells how many bytes to charge for it.
fn open(
    raw: Bytes,
    purpose: Purpose,
    shared: Option<Arc<SharedDictionary>>,
) -> Result<(Arc<OpenPage>, u64)> {
    Ok(OpenPage::open(raw, purpose, shared)?)
}

/// Reads, verifies and decompresses a page.
fn load(file: &SourceFile, extent: &Extent) -> Result<Bytes> {
    let Extent {
        offset,
        stored_bytes,
        raw_bytes,
        ..
    } = *extent;
    if stored_bytes > PAGE_BYTES_MAX || raw_bytes > PAGE_BYTES_MAX {
        let text = format!(
            "a page of {stored_bytes} stored and {raw_bytes} raw bytes exceeds {PAGE_BYTES_MAX} bytes"
        );
        return Err(Error::corrupt(text).at(format_args!("{} offset {offset}", file.path)));
    }
    codec::verified(&file.path, extent, file.read(offset, stored_bytes)?)
}
