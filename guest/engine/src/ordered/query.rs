//! Queries: which blocks can hold wanted rows, in which order they come due, and the rows themselves.
//!
//! All of them begin in [`start`], which binds the filter, plans, and chooses the way. The first rows of most
//! queries, and all of many, come with one call to the host ([`top`]): it is told the runs that may hold
//! them, and merges them. [`Cursor`] is for what is left, and for queries that must look at rows themselves.
//!
//! In key order, [`Ordered`] keeps three heaps in one order: parts, frames and blocks that are *pending* with
//! the first position they could contribute, and blocks that are *open* with the position of their next row.
//! What is pending is opened only when nothing open comes before it, so a top-N query touches the blocks
//! that hold its rows and no others. An open block holds at most a bounded number of selected rows; when
//! they are used up it becomes pending again behind them, so memory stays flat.
//!
//! In any order, [`Sweep`] takes blocks as they lie, and whole ranges of rows where it can.

mod block;
mod bookmark;
mod candidates;
mod count;
mod cursor;
mod duplicates;
mod explain;
mod gaps;
mod plan;
mod position;
mod projection;
mod ranges;
mod schedule;
mod share;
mod start;
mod sweep;
mod top;

use crate::error::Result;
use crate::host::Host;
use crate::types::Rows;
use cursor::Cursor as Ordered;
use sweep::Sweep;

pub(crate) use count::count;
pub(crate) use start::Queries;

/// The first rows of a query and the cursor for the others.
pub struct Answer<H: Host> {
    /// The first rows. Without keys and series where the columns know them; see `host.top`.
    pub rows: Rows<H::Columns>,
    /// No row is left; a cursor then serves `explain` and `missing` only.
    pub complete: bool,
    /// For the other rows; without one, [`Index::explain`](crate::Index::explain) tells what the query did.
    pub cursor: Option<Cursor<H>>,
    /// More than 1 when sharing was offered and is worth it; there are no rows then, and no cursor.
    pub shares: u32,
}

/// The rows of a query, a batch at a time, on the part list that it began with.
pub struct Cursor<H: Host>(Course<H>);

/// How a query goes through the parts.
enum Course<H: Host> {
    Ordered(Box<Ordered<H>>),
    Sweep(Box<Sweep<H>>),
}

impl<H: Host> Cursor<H> {
    fn ordered(cursor: Ordered<H>) -> Self {
        Self(Course::Ordered(Box::new(cursor)))
    }

    fn swept(sweep: Sweep<H>) -> Self {
        Self(Course::Sweep(Box::new(sweep)))
    }

    /// The first rows; none when nothing matches.
    pub(crate) fn first(&mut self, max_rows: u32) -> Result<Rows<H::Columns>> {
        match &mut self.0 {
            Course::Ordered(cursor) => cursor.first(max_rows),
            Course::Sweep(sweep) => sweep.first(max_rows),
        }
    }

    /// `cursor.next`
    ///
    /// # Errors
    /// Everything that reading may bring; afterwards the cursor is finished.
    #[allow(
        clippy::should_implement_trait,
        reason = "named as in WIT; it can fail and go on"
    )]
    pub fn next(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        match &mut self.0 {
            Course::Ordered(cursor) => cursor.next(max_rows),
            Course::Sweep(sweep) => sweep.next(max_rows),
        }
    }

    /// Whether no row is left. May say no when the last row was just returned.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.0 {
            Course::Ordered(cursor) => cursor.is_complete(),
            Course::Sweep(sweep) => sweep.is_complete(),
        }
    }

    /// `cursor.missing`
    pub fn missing(&self) -> Vec<String> {
        match &self.0 {
            Course::Ordered(cursor) => cursor.missing(),
            Course::Sweep(sweep) => sweep.missing(),
        }
    }

    /// `cursor.explain`
    pub fn explain(&self) -> String {
        match &self.0 {
            Course::Ordered(cursor) => cursor.explain(),
            Course::Sweep(sweep) => sweep.explain(),
        }
    }
}
