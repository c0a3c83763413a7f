//! A page in memory: raw bytes, and what was opened from them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sidx_kernels::{Membership, Page, SharedDictionary};

use crate::error::Error;

/// What a page is used for. Each page serves one purpose in practice, or is looked at raw first; the others
/// work all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
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
#[derive(Debug)]
pub struct OpenPage {
    raw: Bytes,
    /// What the page may refer to.
    shared: Option<Arc<SharedDictionary>>,
    column: OnceLock<Page>,
    filter: OnceLock<Membership>,
    dictionary: OnceLock<Arc<SharedDictionary>>,
}

impl OpenPage {
    /// Opens raw bytes for a purpose and tells how many bytes to charge for the result.
    pub fn open(
        raw: Bytes,
        purpose: Purpose,
        shared: Option<Arc<SharedDictionary>>,
    ) -> Result<(Arc<Self>, u64), Error> {
        let page = Self {
            raw,
            shared,
            column: OnceLock::new(),
            filter: OnceLock::new(),
            dictionary: OnceLock::new(),
        };
        page.open_for(purpose)?;
        let charge = page.charge_bytes();
        Ok((Arc::new(page), charge))
    }

    /// Opens it for one more purpose. Tells how many bytes to charge for it from now on; none when it was
    /// open for that before.
    pub fn widen(&self, purpose: Purpose) -> Result<Option<u64>, Error> {
        let was_open = match purpose {
            Purpose::Column => self.column.get().is_some(),
            Purpose::Filter => self.filter.get().is_some(),
            Purpose::Dictionary => self.dictionary.get().is_some(),
            Purpose::Raw => true,
        };
        if was_open {
            return Ok(None);
        }
        self.open_for(purpose)?;
        Ok(Some(self.charge_bytes()))
    }

    fn open_for(&self, purpose: Purpose) -> Result<(), Error> {
        match purpose {
            Purpose::Column => self.column().map(drop),
            Purpose::Filter => self.filter().map(drop),
            Purpose::Dictionary => self.dictionary().map(drop),
            Purpose::Raw => Ok(()),
        }
    }

    /// Its own bytes, and those of all that was derived from them until now.
    fn charge_bytes(&self) -> u64 {
        let raw = self.raw.len();
        // An open column counts the bytes of its page as its own.
        let column = self.column.get().map_or(0, Page::memory_bytes);
        let filter = self.filter.get().map_or(0, |_| raw);
        let dictionary = self.dictionary.get().map_or(0, |one| one.memory_bytes());
        (column.max(raw) + filter + dictionary) as u64
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The page as values of a column.
    #[inline]
    pub fn column(&self) -> Result<&Page, Error> {
        match self.column.get() {
            Some(page) => Ok(page),
            None => self.open_column(),
        }
    }

    #[cold]
    fn open_column(&self) -> Result<&Page, Error> {
        let page = Page::open_with(self.raw.clone(), self.shared.as_ref()).map_err(damage)?;
        Ok(self.column.get_or_init(|| page))
    }

    /// The page as a membership filter.
    #[inline]
    pub fn filter(&self) -> Result<&Membership, Error> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter);
        }
        let filter = Membership::open(&self.raw).map_err(damage)?;
        Ok(self.filter.get_or_init(|| filter))
    }

    /// The page as a shared dictionary.
    pub fn dictionary(&self) -> Result<&Arc<SharedDictionary>, Error> {
        if let Some(dictionary) = self.dictionary.get() {
            return Ok(dictionary);
        }
        let dictionary = SharedDictionary::open(self.raw.clone()).map_err(damage)?;
        Ok(self.dictionary.get_or_init(|| Arc::new(dictionary)))
    }
}

fn damage(cause: sidx_kernels::PageError) -> Error {
    Error::Damage(cause.to_string())
}
