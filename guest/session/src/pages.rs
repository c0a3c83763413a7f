//! The pages of a session, and the files that it writes, as the executors see them.

use std::cell::{Ref, RefCell};
use std::sync::Arc;

use sidx_columns::Column;
use sidx_engine::host::Extent;
use sidx_engine::{Error, Result};
use sidx_executor::{Codec, OpenPage, PageSink, Pages, Place, Purpose};
use sidx_kernels::ColumnStats;

use crate::cached_page;
use crate::handles::Handles;
use crate::new_file::NewFile;
use crate::shared::Shared;
use crate::storage::Storage;

/// Bytes of stored pages that a step holds at a time, unless a quarter of the page cache is more: what
/// lies in the cache anyway costs nothing.
const HELD_PAGE_BYTES: u64 = 32 << 20;

/// The registered pages, for one call.
pub(crate) struct CallPages<'s, S: Storage> {
    pub(crate) shared: &'s Shared<S>,
    pub(crate) handles: Ref<'s, Handles<S>>,
    /// What the current step loaded before its use, whatever the cache keeps.
    pub(crate) held: RefCell<Vec<Arc<OpenPage>>>,
}

/// A file that the current call writes.
pub(crate) struct Target<'s, S: Storage> {
    pub(crate) shared: &'s Shared<S>,
    pub(crate) file: &'s NewFile<S>,
}

impl<S: Storage> Pages for CallPages<'_, S> {
    type Page = Arc<OpenPage>;
    type Error = Error;

    fn page(&self, handle: u32, purpose: Purpose) -> Result<Arc<OpenPage>> {
        self.shared.check_call()?;
        let stored = self.handles.page(handle)?;
        let (cache, activity) = (&self.shared.cache, &self.shared.activity);
        if let Some(kept) = stored.kept(purpose) {
            activity.page_used();
            cache.hit();
            return Ok(kept);
        }
        let found = cached_page::fetch(cache, activity, &stored.place, purpose)
            .inspect_err(|error| self.shared.note_damage(&stored.place, error))?;
        stored.keep(&found, purpose);
        Ok(found)
    }

    fn load(&self, handles: impl Iterator<Item = u32>, purpose: Purpose) {
        self.load_missing(handles, purpose);
    }

    fn is_far(&self) -> bool {
        self.shared.is_far
    }

    fn place(&self, handle: u32) -> Result<Place<'_>> {
        let place = &self.handles.page(handle)?.place;
        Ok(Place {
            path: &place.file.path,
            offset: place.extent.offset,
            raw_bytes: place.extent.raw_bytes,
            in_memory: place.file.is_in_memory(),
        })
    }

    fn check(&self) -> Result<()> {
        self.shared.check_call()
    }

    fn held_bytes_max(&self) -> u64 {
        HELD_PAGE_BYTES.max(self.shared.cache.capacity_bytes() / 4)
    }
}

impl<S: Storage> PageSink for Target<'_, S> {
    type Error = Error;

    fn append(&self, page: &[u8], codec: Codec) -> Result<Extent> {
        self.file.append_page(page, codec)
    }

    fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats)> {
        let (extent, stats) = self.file.append_plain(column)?;
        self.shared.activity.wrote(u64::from(extent.stored_bytes));
        Ok((extent, stats))
    }

    /// Nothing is held to a rate here.
    fn pace(&self, bytes: u64) -> Result<()> {
        self.shared.activity.wrote(bytes);
        Ok(())
    }
}
