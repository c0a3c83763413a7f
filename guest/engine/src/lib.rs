//! The index logic of sidx: order, blocks, filters, plans, snapshots and merges.
//!
//! The engine is plain Rust without threads, clocks, randomness, files or network. Everything outside
//! comes through the [`Host`] trait, the mirror of the imports in `wit/`. The same crate is compiled
//! into the WebAssembly component that users run, and natively for tests and for measuring the price of
//! the sandbox.
//!
//! Where to read on:
//!
//! * [`Index`] is the list of exports; each leads to the module that does the work.
//! * A write: `introducer` checks the batch (`batch`), appends it to the log, writes a memory part
//!   (`memory_part`), puts it in the part list (`live`) and folds small memory parts (`fold`).
//! * A retention: `retention` judges parts by their metadata, plans what is dropped whole and what is
//!   rewritten.
//! * A flush or merge: `introducer` plans (`merge_policy`), `merge` writes the new part, `introducer`
//!   publishes it as the next epoch (`snapshot`).
//! * A query: `query` binds the filter (`predicate`), opens blocks lazily in key order and gathers rows.
//! * Opening: `recovery` reads the newest snapshot and replays the log.

mod batch;
mod contents;
mod describe;
mod dump;
pub mod error;
pub mod expression;
pub mod filter;
mod fold;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
mod index;
mod introducer;
mod live;
mod loss;
mod memory_part;
mod merge;
mod merge_policy;
mod obsolete;
mod outcome;
mod part;
mod predicate;
mod pressure;
mod quarantine;
mod query;
mod recovery;
mod region;
mod repair;
mod replay;
mod retention;
mod salvage;
mod sealed;
mod snapshot;
mod survey;
mod timestamp;
mod types;
mod unflushed;
mod verify;
mod wire;

pub use batch::{
    BATCH_BYTES_MAX, LABEL_BYTES_MAX, PAYLOAD_BYTES_MAX, TAG_BYTES_MAX, TAG_NAME_BYTES_MAX,
    TAGS_MAX, series_id,
};
pub use dump::DumpCursor;
pub use error::{Error, ErrorKind, Result};
pub use host::Host;
pub use index::Index;
pub use part::layout::{
    BLOCK_PAYLOAD_BYTES, BLOCK_ROWS, BLOCK_TAG_BYTES, FILE_HEADER_BYTES, FILE_MAGIC, FRAME_BYTES,
    FileKind, PAYLOAD_PAGE_BYTES, tag_file_stem,
};
pub use pressure::Levels;
pub use query::{Answer, Cursor};
pub use region::Region;
pub use sealed::FORMAT_VERSION;
pub use snapshot::INDEX_OBJECT;
pub use timestamp::{TimestampError, format_timestamp, parse_timestamp};
pub use types::*;
