//! The pages of a session, and the files that it writes, as the executors see them.

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::MutexGuard;
use sidx_columns::Column;
use sidx_engine::host::Extent;
use sidx_engine::{Error, Result};
use sidx_executor::{Codec, OpenPage, PageSink, Pages, Place, Purpose};
use sidx_kernels::ColumnStats;

use super::Session;
use super::handles::Handles;
use super::new_file::NewFile;
use super::source::Body;

/// Bytes of stored pages that a step holds at a time, unless a quarter of the page cache is more: what
/// lies in the cache anyway costs nothing.
const HELD_PAGE_BYTES: u64 = 32 << 20;

/// The registered pages, for one call: handles are looked up without asking for the lock of each.
pub(crate) struct CallPages<'s> {
    pub(super) session: &'s Session,
    pub(super) handles: MutexGuard<'s, Handles>,
    /// What the current step loaded before its use, whatever the cache keeps.
    pub(super) held: RefCell<Vec<Arc<OpenPage>>>,
}

/// A file that the current call writes.
pub(crate) struct Target<'s> {
    session: &'s Session,
    file: &'s NewFile,
}

impl Session {
    /// The pages, for the current call.
    pub(crate) fn pages(&self) -> CallPages<'_> {
        CallPages {
            session: self,
            handles: self.handles.lock(),
            held: RefCell::default(),
        }
    }

    /// A file under construction, for the current call.
    pub(crate) fn target<'s>(&'s self, file: &'s NewFile) -> Target<'s> {
        Target {
            session: self,
            file,
        }
    }
}

impl Pages for CallPages<'_> {
    type Page = Arc<OpenPage>;
    type Error = Error;

    fn page(&self, handle: u32, purpose: Purpose) -> Result<Arc<OpenPage>> {
        self.session.page(&self.handles, handle, purpose)
    }

    fn load(&self, handles: impl Iterator<Item = u32>, purpose: Purpose) {
        self.load_missing(handles, purpose);
    }

    fn is_far(&self) -> bool {
        self.session.shared.storage.reads_at_once() > 1
    }

    fn place(&self, handle: u32) -> Result<Place<'_>> {
        let place = &self.handles.page(handle)?.place;
        Ok(Place {
            path: &place.file.path,
            offset: place.extent.offset,
            raw_bytes: place.extent.raw_bytes,
            in_memory: matches!(place.file.body, Body::Memory(_)),
        })
    }

    fn check(&self) -> Result<()> {
        self.session.check_call()
    }

    fn held_bytes_max(&self) -> u64 {
        HELD_PAGE_BYTES.max(self.session.shared.cache.capacity_bytes() / 4)
    }
}

impl PageSink for Target<'_> {
    type Error = Error;

    fn append(&self, page: &[u8], codec: Codec) -> Result<Extent> {
        self.file.append_page(page, codec)
    }

    fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats)> {
        let (extent, stats) = self.file.append_plain(column)?;
        self.session.activity.wrote(u64::from(extent.stored_bytes));
        Ok((extent, stats))
    }

    fn pace(&self, bytes: u64) -> Result<()> {
        self.session.pace(bytes)
    }
}
