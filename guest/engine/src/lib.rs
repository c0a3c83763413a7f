//! The index logic of sidx: order, blocks, filters, plans, snapshots and merges.
//!
//! The engine is plain Rust without threads, clocks, randomness, files or network. Everything outside
//! comes through the [`Host`] trait, the mirror of the imports in `wit/engine`. The same crate is compiled
//! into the WebAssembly component that users run, and natively for tests and for measuring the price of
//! the sandbox.
//!
//! Where to read on; each name may use those before it, and none behind it:
//!
//! * `host`, `types`, `error`: the outside and what crosses to it. `expression`, `filter`: filter text to
//!   tree, tree to a program for the kernels.
//! * `part`: one part, its blocks, runs, columns and pages; the list of parts, and what was lost of one.
//! * `ordered`: rows by series and key. A batch is checked and becomes a part in memory; a query begins in
//!   `ordered::query::start`.
//! * `merge`: parts from parts. A flush and a merge are the same job; `retention` says what is left out.
//! * `parts`: the list as a whole. The `introducer` takes batches in and puts the output of jobs in place
//!   of their inputs; `snapshot` publishes that as the next epoch, `recovery` finds it again and replays
//!   the log.
//! * [`Index`] is the list of exports; each leads to the module that does the work.

#![forbid(unsafe_code)]

mod branch;
pub mod error;
pub mod expression;
pub mod filter;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
mod incarnation;
mod index;
mod merge;
mod ordered;
mod part;
mod parts;
mod reader_pin;
mod seal;
mod term;
mod timestamp;
mod types;
mod wire;

pub use branch::{BRANCH_OBJECT, Branch, BranchPin};
pub use error::{Error, ErrorKind, Result};
pub use host::Host;
pub use incarnation::Incarnation;
pub use index::Index;
pub use ordered::batch::{
    BATCH_BYTES_MAX, BATCH_PAGES_MAX, LABEL_BYTES_MAX, PAYLOAD_BYTES_MAX, TAG_BYTES_MAX,
    TAG_NAME_BYTES_MAX, TAGS_MAX,
};
pub use ordered::dump::DumpCursor;
pub use ordered::labels::series_id;
pub use ordered::query::{Answer, Cursor, PreparedQuery};
pub use part::block::Ordinal;
pub use part::copied::{CopiedFile, CopiedPart, CopiedPiece, CopiedSection, PartToCopy};
pub use part::facet;
pub use part::layout::{
    BLOCK_PAYLOAD_BYTES, BLOCK_ROWS, BLOCK_TAG_BYTES, FILE_HEADER_BYTES, FILE_MAGIC, FRAME_BYTES,
    FileKind, PAYLOAD_PAGE_BYTES, tag_file_stem,
};
pub use parts::copied::SnapshotToCopy;
pub use parts::pressure::Levels;
pub use parts::snapshot::{INDEX_OBJECT, epoch_of_object, unborn};
pub use reader_pin::ReaderPin;
pub use seal::FORMAT_VERSION;
pub use timestamp::{TimestampError, format_timestamp, parse_timestamp};
pub use types::*;
