//! The byte that pages and shared dictionaries begin with.

use crate::error::PageError;
use crate::reader::Reader;

/// Layout this crate writes and reads.
pub const LAYOUT: u8 = 1;

/// Reads the byte, which must be that of the layout.
pub(crate) fn check(reader: &mut Reader, what: &'static str) -> Result<(), PageError> {
    match reader.u8(what)? {
        LAYOUT => Ok(()),
        found => Err(PageError::Code { what, found }),
    }
}
