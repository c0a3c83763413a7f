//! Queries: which blocks can hold wanted rows, in which order they come due, and the rows themselves.
//!
//! [`Cursor`] keeps three heaps in one order: parts, frames and blocks that are *pending* with the first
//! position they could contribute, and blocks that are *open* with the position of their next row. What
//! is pending is opened only when nothing open comes before it, so a top-N query touches the blocks
//! that hold its rows and no others. An open block holds at most a bounded number of selected rows; when
//! they are used up it becomes pending again behind them, so memory stays flat.

mod count;
mod cursor;
mod distinct;
mod explain;
mod missing;
mod open;
mod plan;
mod position;
mod projection;

pub(crate) use count::count;
pub use cursor::Cursor;
