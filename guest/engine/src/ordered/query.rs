//! Queries: which blocks can hold wanted rows, in which order they come due, and the rows themselves.
//!
//! All of them begin in [`start`], which binds the filter, plans, and chooses the way. The first rows of most
//! queries, and all of many, come with one call to the host ([`top`]): it is told the runs that may hold
//! them, and merges them. [`Cursor`] is for what is left, and for queries that must look at rows themselves.
//!
//! In key order, a [`heap`] keeps all in one order: parts, frames and blocks that are *pending* with
//! the first position they could contribute, and blocks that are *open* with the position of their next row.
//! What is pending is opened only when nothing open comes before it, so a top-N query touches the blocks
//! that hold its rows and no others. An open block holds at most a bounded number of selected rows; when
//! they are used up it becomes pending again behind them, so memory stays flat.
//!
//! In any order, a [`sweep`] takes blocks as they lie, and whole ranges of rows where it can.
//!
//! What is the same in every run of a query that is [`prepared`] is found once.

mod block;
mod bookmark;
mod candidates;
mod count;
mod cursor;
mod duplicates;
mod explain;
mod filter;
mod gaps;
mod heap;
mod plan;
mod position;
mod prepared;
mod progress;
mod projection;
mod ranges;
mod schedule;
mod share;
mod start;
mod sweep;
mod top;

use crate::host::Host;
use crate::types::{Rest, RowContent, Rows};

pub(crate) use count::count;
pub use cursor::Cursor;
pub use prepared::PreparedQuery;
pub(crate) use start::Queries;

/// The first rows of a query and what is left.
pub struct Answer<H: Host> {
    /// The first rows.
    pub rows: Rows<H::Columns>,
    /// The others; when it is nothing, [`Index::explain`](crate::Index::explain) tells what the query did.
    pub rest: Rest<Cursor<H>>,
}

impl<H: Host> Answer<H> {
    /// Whether the host found all of its rows, and nothing else is to be told of it.
    pub fn is_found(&self) -> bool {
        let is_told = self.rows.names.is_some() || self.rows.stripe > 0;
        !is_told
            && matches!(self.rows.content, RowContent::Found)
            && matches!(self.rest, Rest::Nothing)
    }
}
