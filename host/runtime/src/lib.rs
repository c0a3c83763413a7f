//! sidx: an ordered index whose logic runs in a WebAssembly sandbox.
//!
//! Each element has a series, an `i64` key that only the caller understands, a payload and typed tags.
//! The index keeps elements sorted by series and key, filters by tags, and answers "the first N by key"
//! exactly.
//!
//! ```
//! # fn main() -> sidx_host::Result<()> {
//! use sidx_host::{Batch, Store};
//!
//! let index = Store::memory().index("delays").create()?;
//! let mut batch = Batch::new();
//! batch.row("UA", 12).payload(b"UA 1714").tag("origin", "EWR").add()?;
//! batch.row("AA", 33).payload(b"AA 1141").tag("origin", "JFK").add()?;
//! index.write(batch)?;
//!
//! let mut latest = index.query().filter(r#"origin in ("EWR", "JFK")"#).descending().limit(1).run()?;
//! let row = latest.rows().next().expect("there are two rows")?;
//! assert_eq!((row.key, row.label.as_deref()), (33, Some("AA")));
//! # Ok(()) }
//! ```
//!
//! A [`Store`] is a directory or memory and holds any number of indexes. An [`Index`] takes [`Batch`]es
//! and answers [`Query`]s from any number of threads. What a write promises is its [`Durability`].
//!
//! Inside, one instance of the component makes all changes, a pool of others serves queries, flushes and
//! merges, and all of them reach storage, log, caches and scan kernels through one session each.
//! Backends other than directory and memory implement the traits in [`storage`].

mod activity;
mod background;
mod backoff;
mod batch;
mod branch;
mod builder;
mod copy;
mod cursor;
mod damage;
mod delivery;
mod departed;
mod dump;
pub mod error;
mod garbage;
mod handle;
mod health;
mod imports;
mod incarnation;
mod index;
mod instance;
mod labels;
mod lenders;
mod lock;
mod maintenance;
mod open;
mod opener;
mod page_cache;
mod part;
mod pool;
mod prepared;
mod query;
mod rate;
mod removal;
mod repair;
mod request;
mod retention;
mod rows;
mod runtime;
mod salvage;
mod scrub;
mod session;
mod shares;
mod staleness;
pub mod storage;
mod store;
mod sync;
mod terms;
mod value;
mod work;
mod write;
mod writer;

pub use batch::{Batch, RowBuilder, Series};
pub use branch::BranchReport;
pub use builder::IndexBuilder;
pub use copy::{BackupReport, CopyReport};
pub use cursor::{Cursor, RowIter};
pub use damage::DamagedPart;
pub use dump::Dump;
pub use error::{Error, ErrorKind, Result};
pub use garbage::GarbageReport;
pub use health::{Budget, CacheHealth, Health, MediumHealth};
pub use index::Index;
pub use instance::Engine;
pub use maintenance::Maintenance;
pub use part::{Medium, PartInfo};
pub use pool::InstanceHealth;
pub use prepared::{BoundQuery, PreparedQuery};
pub use query::Query;
pub use retention::RetentionPreview;
pub use rows::{DumpedRows, Row, Rows};
pub use runtime::{COMPONENT, MachineCode, compile};
pub use salvage::{SalvageReport, SalvagedPart};
pub use scrub::ScrubReport;
pub use session::CancelToken;
pub use staleness::Staleness;
pub use store::Store;
pub use value::{Element, TagValue, Timestamp};
pub use work::{Counters, Failure, Merged, Operation, QueryCounters, RunningWork, ScrubHealth};
pub use write::Write;

pub use sidx_columns::{
    Array, Bitmap, ByteStrings, Column, ColumnBuilder, ColumnType, OwnedValue, Value, ValueType,
    Values,
};
pub use sidx_engine::{Counted, Durability, Pressure, Receipt, Region, Retention, series_id};
