//! What executors ask of whoever takes the pages that they make.

use sidx_columns::Column;
use sidx_kernels::ColumnStats;

use crate::error::Error;
use crate::stored::{Codec, Extent};

/// A file under construction that takes pages at its end.
pub trait PageSink {
    /// Why a page is not taken: the medium, a budget, or what the page is.
    type Error: From<Error>;

    /// Appends a page and tells where it lies. What it takes comes out of the budget of the file.
    fn append(&self, page: &[u8], codec: Codec) -> Result<Extent, Self::Error>;

    /// Appends a column as one page in plain form, which only files in memory hold.
    fn append_plain(&self, column: &Column) -> Result<(Extent, ColumnStats), Self::Error>;

    /// Waits after bytes were written, where the call is held to a rate; an error when it must stop.
    fn pace(&self, bytes: u64) -> Result<(), Self::Error>;
}
