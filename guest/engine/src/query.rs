//! Queries: which blocks can hold wanted rows, in which order they come due, and the rows themselves.
//!
//! The first rows of most queries, and all of many, come with one call to the host ([`top`]): it is told the
//! runs that may hold them, and merges them. [`Cursor`] is for what is left, and for queries that must look at rows
//! themselves.
//!
//! [`Cursor`] keeps three heaps in one order: parts, frames and blocks that are *pending* with the first
//! position they could contribute, and blocks that are *open* with the position of their next row. What
//! is pending is opened only when nothing open comes before it, so a top-N query touches the blocks
//! that hold its rows and no others. An open block holds at most a bounded number of selected rows; when
//! they are used up it becomes pending again behind them, so memory stays flat.

mod after;
mod count;
mod cursor;
mod distinct;
mod due;
mod explain;
mod missing;
mod open;
mod plan;
mod position;
mod projection;
mod resolved;
mod top;

pub(crate) use count::count;
pub use cursor::Cursor;
pub(crate) use resolved::Queries;
