//! What executors ask of whoever holds the pages.

use std::fmt;
use std::ops::Deref;

use sidx_kernels::{Page, PageError};

use crate::ABSENT;
use crate::error::Error;
use crate::page::{OpenPage, Purpose};

/// Pages that a call reads, each known by the handle under which it was registered. Handles come out of
/// requests: an unknown one is an error, never a panic.
pub trait Pages {
    /// A page that stays in memory as long as this lives.
    type Page: Deref<Target = OpenPage>;
    /// Why a page cannot be had, or the call must stop; and what is made of an executor's own errors.
    type Error: From<Error>;

    /// A page, verified and opened for a purpose, unless the call must stop.
    fn page(&self, handle: u32, purpose: Purpose) -> Result<Self::Page, Self::Error>;

    /// Tells of all pages that a step will use, before it uses the first. What is not in memory is loaded
    /// then: what lies side by side in one read, and the reads at the same time where they take long. A page
    /// that cannot be loaded, or for which there is no room, is left to [`page`](Self::page), which says why.
    /// [`ABSENT`] is passed over, and a handle may come more than once.
    fn load(&self, handles: impl Iterator<Item = u32>, purpose: Purpose);

    /// Whether reads take so long that it pays to list the pages of a step for [`load`](Self::load) where no
    /// list is at hand, those that may turn out not to be needed included.
    fn is_far(&self) -> bool;

    /// Where a page lies.
    fn place(&self, handle: u32) -> Result<Place<'_>, Self::Error>;

    /// An error when the call must stop: its deadline passed, or it was cancelled.
    fn check(&self) -> Result<(), Self::Error>;

    /// Most bytes of stored pages that a step should hold at a time.
    fn held_bytes_max(&self) -> u64;
}

/// Where a page lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The path of its file, for messages.
    pub path: &'a str,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes of the page in memory.
    pub raw_bytes: u32,
    /// The file is in memory: its pages take none of their own.
    pub in_memory: bool,
}

/// The error of a kernel that ran for the current call, with the place that `at` puts in front; a kernel
/// that was stopped has the reason of the call.
pub(crate) fn failure<P: Pages>(
    pages: &P,
    cause: PageError,
    at: impl FnOnce(Error) -> Error,
) -> P::Error {
    match Error::from(cause) {
        Error::Stopped => match pages.check() {
            Err(error) => error,
            Ok(()) => Error::Stopped.into(),
        },
        error => at(error).into(),
    }
}

/// The error with the place of the block's key page, as the kernels know neither files nor offsets.
pub(crate) fn at_block<P: Pages>(pages: &P, error: Error, key_page: u32) -> Error {
    match pages.place(key_page) {
        Ok(Place { path, offset, .. }) => {
            error.at(format_args!("block with keys in {path} offset {offset}"))
        }
        Err(_) => error,
    }
}

/// An error about rows of a page, with the file that they come from.
pub(crate) fn at_rows<P: Pages>(pages: &P, error: Error, page: u32) -> Error {
    match pages.place(page) {
        Ok(place) => error.at(RowsOf(place.path)),
        Err(_) => error,
    }
}

/// Rows of a file, in messages.
pub(crate) struct RowsOf<'a>(pub(crate) &'a str);

impl fmt::Display for RowsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows of {}", self.0)
    }
}

/// Pages of the slots of a filter, none where a block lacks the column.
pub(crate) fn load_slots<P: Pages>(
    pages: &P,
    handles: &[u32],
    slots: &mut Vec<Option<P::Page>>,
) -> Result<(), P::Error> {
    slots.clear();
    for handle in handles {
        slots.push(match *handle {
            ABSENT => None,
            handle => Some(pages.page(handle, Purpose::Column)?),
        });
    }
    Ok(())
}

/// The columns of pages.
pub(crate) fn columns<Q: Deref<Target = OpenPage>>(
    pages: &[Option<Q>],
) -> Result<Vec<Option<&Page>>, Error> {
    pages
        .iter()
        .map(|page| page.as_deref().map(OpenPage::column).transpose())
        .collect()
}
