//! The rows of a gather: from which pages, and in which order.

use crate::error::PageError;
use crate::page::Page;

/// Rows to collect, one behind the other: output row `i` is row `rows[i]` of `pages[i]`, and
/// absent where the page is `None`. Both slices have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The page of each output row.
    pub pages: &'a [Option<&'a Page>],
    /// The row of each output row in its page.
    pub rows: &'a [u32],
}

/// Rows in a row that come from one page.
pub(super) struct Segment<'a> {
    pub(super) page: Option<&'a Page>,
    pub(super) rows: &'a [u32],
}

impl<'a> Source<'a> {
    /// Cuts the source where the page changes.
    pub(super) fn segments(
        &self,
    ) -> Result<impl Iterator<Item = Segment<'a>> + use<'a>, PageError> {
        let (pages, rows) = (self.pages, self.rows);
        if pages.len() != rows.len() {
            let (expected, found) = (rows.len() as u64, pages.len() as u64);
            return Err(PageError::Request {
                what: "pages of a gather",
                expected,
                found,
            });
        }
        let same = |a: &Option<&Page>, b: &Option<&Page>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(*a, *b),
            (None, None) => true,
            _ => false,
        };
        let mut rest = rows;
        Ok(pages.chunk_by(same).map(move |chunk| {
            let (head, tail) = rest.split_at_checked(chunk.len()).unwrap_or((rest, &[]));
            rest = tail;
            Segment {
                page: chunk.first().copied().flatten(),
                rows: head,
            }
        }))
    }
}
