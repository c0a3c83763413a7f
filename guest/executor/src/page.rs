//! A page in memory: raw bytes, and what was opened from them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sidx_kernels::{Membership, Page, SharedDictionary};

use crate::error::Error;

/// What a page is used for. Each page serves one purpose in practice; the others work all the same.
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

    /// The bytes.
    #[must_use]
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
