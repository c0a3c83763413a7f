//! What commands work on: stores of indexes, as the program that runs a command has them.
//!
//! A program implements these traits with whatever reaches its indexes: the native one with the library, one
//! in WebAssembly with the exports of a component. Commands ask for nothing else.

mod error;
mod query;
mod report;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sidx_columns::Column;
use sidx_engine::{Counted, Durability, Retention};

pub use error::{Error, Result};
pub use query::{Order, Parameter, Query};
pub use report::{BackupReport, BranchReport, CopyReport, DamagedPart, Merged, RetentionPreview};

/// Where stores are.
pub trait Database {
    /// A store.
    type Store: Store;

    /// The store at a location, which need not exist yet. Touches nothing.
    ///
    /// # Errors
    /// `invalid-argument` for a location that cannot be one.
    fn store(&self, location: &str) -> Result<Self::Store>;
}

/// A store: indexes by name.
pub trait Store {
    /// An index of it.
    type Index: Index<Store = Self>;

    /// Whether it is there.
    ///
    /// # Errors
    /// Where that cannot be told.
    fn exists(&self) -> Result<bool>;

    /// What is there instead of an index that is not there.
    fn absence(&self, index: &str) -> Absence;

    /// The names of its indexes, in order.
    ///
    /// # Errors
    /// Those of the medium.
    fn index_names(&self) -> Result<Vec<String>>;

    /// Opens an index for writing; makes it, and the store, when they do not exist.
    ///
    /// # Errors
    /// `conflict` while another writer has it open and longer than is to be waited for that, `corrupt`,
    /// and those of the medium.
    fn create(&self, index: &str, room: Room, wait: Duration) -> Result<Self::Index>;

    /// Opens an index for maintenance: nothing is merged unless that is asked for.
    ///
    /// # Errors
    /// `not-found`, and those of [`create`](Self::create).
    fn open(&self, index: &str, room: Room, wait: Duration) -> Result<Self::Index>;

    /// Opens an index for reading: no lock is taken and nothing is changed.
    ///
    /// # Errors
    /// `not-found`, `corrupt`, and those of the medium.
    fn read(&self, index: &str) -> Result<Self::Index>;

    /// Saves what can be read of a damaged index, sets the rest aside, and returns the report; see
    /// docs/operations.md.
    ///
    /// # Errors
    /// `not-found`, `conflict`, and those of the medium.
    fn repair(&self, index: &str, accept_loss: bool, wait: Duration) -> Result<Value>;

    /// What of an index lies in the store and nothing needs, as a JSON object of lists of names; or
    /// removes what can go of it, waiting for other writers at most so long, and returns what is gone.
    ///
    /// # Errors
    /// `not-found`, `conflict`, and those of the medium.
    fn garbage(&self, index: &str, apply: Option<Duration>) -> Result<Value>;

    /// Removes an index with everything in it, and returns the bytes that it took.
    ///
    /// # Errors
    /// `not-found`, `conflict`, and those of the medium.
    fn remove(&self, index: &str, wait: Duration) -> Result<u64>;

    /// Makes a second index that begins as one is now, and shares its parts.
    ///
    /// # Errors
    /// `not-found`, `conflict` when there is one of that name, and those of the medium.
    fn branch(&self, index: &str, name: &str) -> Result<BranchReport>;
}

/// An index that is open.
pub trait Index: Sized {
    /// The stores that it can be copied to.
    type Store: Store;
    /// Rows ready to be written.
    type Batch: Send;
    /// A query under way.
    type Cursor: Cursor<Rows = Self::Rows>;
    /// Rows that were read.
    type Rows: Rows;

    /// Makes a batch of whole columns.
    ///
    /// # Errors
    /// `invalid-argument` when they do not belong together.
    fn batch(pieces: Pieces) -> Result<Self::Batch>;

    /// Writes a batch, and returns when it is as durable as was asked for.
    ///
    /// # Errors
    /// `invalid-argument`, `resource-exhausted`, `limit-exceeded`, `deadline-exceeded` and `cancelled` refuse
    /// the batch and nothing else. After any other nobody knows whether it is in, and the index takes no more
    /// changes.
    fn write(&self, batch: Self::Batch, durability: Durability) -> Result<()>;

    /// Writes the rows that are only in the log into a part.
    ///
    /// # Errors
    /// Those of the medium; rows stay in the log.
    fn flush(&self) -> Result<Merged>;

    /// Merges parts of similar size.
    ///
    /// # Errors
    /// Those of the medium; parts stay as they were.
    fn merge(&self) -> Result<Merged>;

    /// Merges everything into one part, rows in the log included.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    fn merge_all(&self) -> Result<Merged>;

    /// Drops the rows that a rule names.
    ///
    /// # Errors
    /// `invalid-argument` for a filter that is none, and those of [`merge`](Self::merge).
    fn retain(&self, rule: Retention) -> Result<Merged>;

    /// What [`retain`](Self::retain) would do. Changes nothing.
    ///
    /// # Errors
    /// `invalid-argument` for a filter that is none, and those of the medium.
    fn preview_retention(&self, rule: Retention) -> Result<RetentionPreview>;

    /// Copies the index to a store, under a name.
    ///
    /// # Errors
    /// `conflict` when there is one of that name, and those of both media.
    fn backup(&self, store: &Self::Store, name: &str) -> Result<BackupReport>;

    /// Copies the index to a store, under a name, comparing every byte; goes on where an earlier copy of the
    /// same index was stopped.
    ///
    /// # Errors
    /// `corrupt` when a file is damaged, `conflict` when there is another index of that name, and those of
    /// both media.
    fn copy_to(&self, store: &Self::Store, name: &str) -> Result<CopyReport>;

    /// The parts that are known to be damaged.
    fn damaged(&self) -> Vec<DamagedPart>;

    /// Counts and sizes, as `sidx stats` prints them; see docs/operations.md.
    ///
    /// # Errors
    /// Those of an index that failed before.
    fn stats(&self) -> Result<Value>;

    /// A list of the parts, as `sidx parts` prints it.
    ///
    /// # Errors
    /// Those of an index that failed before.
    fn parts(&self) -> Result<Value>;

    /// Checks every file, page and cross-reference, and returns the report, as `sidx verify` prints it.
    ///
    /// # Errors
    /// Those that are no damage, which is in the report.
    fn verify(&self) -> Result<Value>;

    /// Begins a query.
    ///
    /// # Errors
    /// `invalid-argument` for one that is none, and those of a read.
    fn query(&self, query: &Query<'_>) -> Result<Self::Cursor>;

    /// The number of rows that a query would return, and whether rows are missing in it.
    ///
    /// # Errors
    /// Those of a query and of its cursor.
    fn count(&self, query: &Query<'_>) -> Result<Counted>;

    /// Every physical row, in the order of parts and rows.
    ///
    /// # Errors
    /// Those of a read.
    fn dump(&self) -> Result<impl Iterator<Item = Result<Dumped<Self::Rows>>>>;

    /// Closes it, after which another writer may open it.
    ///
    /// # Errors
    /// Those of work that goes on behind the calls.
    fn close(self) -> Result<()>;
}

/// A query under way.
pub trait Cursor {
    /// Rows of its result.
    type Rows: Rows;

    /// The next rows; none after the last.
    ///
    /// # Errors
    /// Those of a read, `limit-exceeded`, `resource-exhausted`, `deadline-exceeded`: the rows before are not
    /// all.
    fn next(&mut self) -> Result<Option<Self::Rows>>;

    /// What it read and skipped so far.
    ///
    /// # Errors
    /// Only those of an engine that failed before.
    fn explain(&mut self) -> Result<Value>;

    /// What a partial result lacks, one text for each damaged place. To be asked at the end.
    ///
    /// # Errors
    /// Only those of an engine that failed before.
    fn missing(&mut self) -> Result<Vec<String>>;
}

/// Rows in result order, as columns, all of the same length.
pub trait Rows {
    /// The key of each row.
    fn keys(&self) -> &[i64];

    /// The series of each row.
    fn series(&self) -> &[u64];

    /// The label of a row's series, if it has one.
    ///
    /// # Errors
    /// Those of a read.
    fn label(&self, row: usize) -> Result<Option<Arc<str>>>;

    /// The payloads, of type bytes and present in every row, if they were asked for.
    fn payloads(&self) -> Option<&Column>;

    /// The columns of tags with their names. A name comes once per type that was written under it.
    fn tags(&self) -> impl Iterator<Item = (&str, &Column)>;
}

/// What is there instead of an index that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing.
    Nothing,
    /// A folder that is no index, by its path.
    Folder(String),
    /// The store is itself an index, called `name` in the store `above`.
    StoreIsIndex {
        /// Location of the store that it is in.
        above: String,
        /// Its name there.
        name: String,
    },
}

/// How much of the store and its medium who writes may take, and in which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the index may take in the store; without, no limit.
    pub disk_bytes: Option<u64>,
    /// Bytes that stay free on the medium; without, as the database has it.
    pub min_free_bytes: Option<u64>,
    /// Each part that is made is one file, not a folder.
    pub one_file_parts: bool,
}

/// A batch in pieces.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// Series of each row.
    pub series: Vec<u64>,
    /// Key of each row.
    pub keys: Vec<i64>,
    /// Labels of series in this batch.
    pub labels: Vec<String>,
    /// Payload of each row, of type bytes.
    pub payloads: Column,
    /// Names and values of the tags. A name may come once per type.
    pub tags: Vec<(String, Column)>,
}

/// Physical rows that lie side by side in a part.
#[derive(Clone, Debug)]
pub struct Dumped<R> {
    /// Name of the part.
    pub part: String,
    /// Ordinal of the first row in the part.
    pub first_row: u64,
    /// The rows, with payloads and all tags.
    pub rows: R,
}
