//! What carries out the requests of the engine over pages: plain Rust without files, threads, clocks or
//! randomness, native and wasm32 alike.
//!
//! An executor gets a request whose lists are borrowed, wherever they are, and what holds the pages: a
//! [`Pages`] to read and a [`PageSink`] to write. A host implements both over its cache and its files and
//! calls the executors directly; nothing here is dispatched at run time.
//!
//! - [`mod@select`]: rows of blocks that pass a filter, or how many do.
//! - [`mod@top`]: the first rows of many runs in order of key, with their columns.
//! - [`mod@gather`]: columns from rows, or ranges of rows, of pages.
//! - [`membership`]: which pages may hold a value, and [`dictionary::slices`], where.
//! - [`mod@encode`]: columns to pages of a file; [`mod@dictionary`]: pages that share a dictionary;
//!   [`mod@block`]: blocks of parts in memory.
//!
//! Requests come out of a sandbox and pages out of storage, and neither is trusted: lists that contradict
//! each other are refused before they are used, and no number of theirs is an index that was not checked.
#![forbid(unsafe_code)]

pub mod block;
pub mod columns;
pub mod dictionary;
pub mod encode;
pub mod error;
pub mod gather;
pub mod membership;
pub mod page;
pub mod pages;
mod recent;
pub mod select;
pub mod sink;
pub mod stored;
mod stretches;
pub mod top;

pub use columns::{Columns, RowKeys, RowSeries, SeriesRuns};
pub use error::Error;
pub use page::{OpenPage, Purpose};
pub use pages::{Pages, Place};
pub use sink::PageSink;
pub use stored::{Codec, Extent, FinishedDictionary, Piece};

/// Marks an absent page in a list of page handles, and the start in a list of resume rows.
pub const ABSENT: u32 = u32::MAX;
