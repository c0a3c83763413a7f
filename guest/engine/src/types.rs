//! What callers hand to the engine and get back: the records of `wit/engine/index.wit`.

mod execution;
mod region;

pub use execution::{Execution, ExecutionSeries, ParameterValues};
pub use region::Region;

use crate::error::Error;
use crate::host::Chunk;
use sidx_executor::RowKeys;
use sidx_log::Term;
use std::ops::Bound;

/// How an index is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads the newest snapshot and the log; changes nothing in the store.
    Read,
    /// Recovers and allows writes.
    Write,
    /// As [`Mode::Write`], and creates the index when it does not exist.
    Create,
}

/// What must have happened to a batch when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// In memory until the next flush.
    None,
    /// Handed to the operating system.
    Os,
    /// On the medium.
    Sync,
}

/// The part list at one moment; opaque outside the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Grows by one with every change in this process.
    pub version: u64,
    /// Grows by one with every change of the durable part list.
    pub epoch: u64,
    /// The encoded part list.
    pub bytes: Vec<u8>,
    /// What a flush of everything in memory will take in the store, at most.
    pub flush_need: FlushNeed,
}

/// What a flush of everything in memory takes in the store, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushNeed {
    /// Bytes of what it writes.
    pub bytes: u64,
    /// Files that it makes, of its part, of the snapshot and of the log.
    pub files: u64,
}

/// Rows to add; see `index.batch`.
pub struct Batch<C> {
    /// Labels of series in this batch.
    pub labels: Vec<String>,
    /// Series of each row.
    pub series: Vec<u64>,
    /// Key of each row.
    pub keys: Vec<i64>,
    /// Column 0: payloads; then one column per tag name.
    pub columns: C,
    /// Tag names.
    pub names: Vec<String>,
    /// When the batch counts as written.
    pub durability: Durability,
}

/// A batch that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Element id of the first row.
    pub first_id: u64,
    /// Rows written.
    pub rows: u32,
}

/// What a write call did.
#[derive(Clone, Debug)]
pub struct Written {
    /// One per batch.
    pub receipts: Vec<Result<Receipt, Error>>,
    /// The part list that holds the accepted rows.
    pub view: View,
    /// Bytes in memory parts.
    pub memory_bytes: u64,
    /// How near the budgets are.
    pub pressure: Pressure,
    /// How long later writes should wait before they queue.
    pub delay_ms: u32,
}

/// How near memory parts and files are to their budgets; see `index.pressure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Nothing is delayed.
    #[default]
    None,
    /// Writes are delayed.
    Moderate,
    /// Writes are delayed more, and merges do not begin.
    Severe,
    /// Writes are refused.
    Critical,
}

/// Planned flush or merge; see `index.job`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Names the job between calls.
    pub id: u64,
    /// Input part numbers in order of age.
    pub inputs: Vec<u64>,
    /// Number of the part to be made.
    pub output: u64,
    /// Which rows to drop.
    pub rule: Retention,
    /// Rows that will be dropped, where they were counted before.
    pub dropped_rows: Option<u64>,
    /// Rows in the inputs.
    pub rows: u64,
    /// Bytes that the output may take in the store, at most.
    pub space_bytes: u64,
    /// The inputs are in memory: doing this job relieves pressure.
    pub flush: bool,
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The job.
    pub job: Job,
    /// Rows in the new part; none was made when 0.
    pub rows: u64,
    /// Rows that were left out: those that the rule drops, and those that are dead in the snapshot.
    pub dropped_rows: u64,
    /// Bytes of the new part.
    pub bytes_written: u64,
}

/// A part that is damaged; see `index.damage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its number.
    pub part: u64,
    /// Names of its files that are not as the manifest says.
    pub files: Vec<String>,
    /// What is wrong, for people.
    pub reasons: Vec<String>,
    /// Where rows cannot be read.
    pub lost: Vec<Region>,
}

/// A file that an opening found damaged; see `index.damaged-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its path in the store.
    pub path: String,
    /// What is wrong, for people.
    pub reason: String,
    /// Its whole part is left out.
    pub left_out: bool,
}

/// What an opening found; see `index.opened`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The part list.
    pub view: View,
    /// What is wrong with its parts.
    pub damaged: Vec<DamagedFile>,
}

/// What came of a salvage; see `index.salvaged`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// What was saved; the dropped rows are those that were lost.
    pub outcome: Outcome,
    /// What is wrong with the input.
    pub damage: Damage,
    /// Labels of some series are lost, though not their rows.
    pub lost_labels: bool,
}

/// A file of a part, or a section of its one file, as the manifest says; see `index.part-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// Number of the part.
    pub part: u64,
    /// Where it lies in the index.
    pub path: String,
    /// None for a whole file.
    pub section: Option<PartSection>,
    /// The size of the file or section in bytes.
    pub size_bytes: u64,
    /// CRC32C of the whole file or section.
    pub checksum: u32,
}

/// Where a section lies in its file; see `index.part-section`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSection {
    /// Its name.
    pub name: String,
    /// Its bytes in order.
    pub chunks: Vec<Chunk>,
}

/// What to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Neighbours of similar size, when there are enough of them.
    SimilarSize,
    /// Everything into one part.
    All,
}

/// Rows to drop. With both members, rows that either of them names; with none, no rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Drop rows for which this expression is true.
    pub drop_where: Option<String>,
    /// Drop rows with smaller keys.
    pub drop_below: Option<i64>,
}

impl Retention {
    /// Whether it drops nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop_where.is_none() && self.drop_below.is_none()
    }
}

/// What a retention rule means for a part, or for neighbours that go through it as one; see
/// `index.retention-step`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionStep {
    /// Part numbers in order of age.
    pub parts: Vec<u64>,
    /// Some of them are in memory.
    pub in_memory: bool,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of their files.
    pub size_bytes: u64,
    /// Rows that the rule drops, or why they could not be counted.
    pub dropped_rows: Result<u64, Error>,
}

/// Which tags a query returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// All.
    All,
    /// These, in this order.
    Only(Vec<String>),
}

/// A query; see `index.query`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySpec {
    /// `None` for all series.
    pub series: Option<Vec<u64>>,
    /// Lower key bound.
    pub low: Bound<i64>,
    /// Upper key bound.
    pub high: Bound<i64>,
    /// Filter expression.
    pub filter: Option<String>,
    /// Descending by key?
    pub descending: bool,
    /// In the order in which rows lie, whatever `descending` says?
    pub any_order: bool,
    /// Most rows.
    pub limit: Option<u64>,
    /// Keep the first row of each payload.
    pub distinct_payload: bool,
    /// Tags to return.
    pub projection: Projection,
    /// Return payloads?
    pub payload: bool,
    /// Memory the query may use in the engine, bytes.
    pub memory_bytes: u64,
    /// Return what is left when rows are lost, instead of failing.
    pub allow_partial: bool,
}

/// One of the shares of a query; see `index.share`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub number: u32,
    /// How many shares there are.
    pub of: u32,
}

/// What came of an offer to share a query, or a count.
pub enum Offered<T> {
    /// It is not worth it, and was done.
    Done(T),
    /// It is worth so many shares, at least 2. Nothing was done.
    Shares(u32),
}

/// How a query is to be done, whichever rows it wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Descending by key?
    pub(crate) descending: bool,
    /// In the order in which rows lie, whatever `descending` says?
    pub(crate) any_order: bool,
    /// Most rows.
    pub(crate) limit: Option<u64>,
    /// Keep the first row of each payload.
    pub(crate) distinct_payload: bool,
    /// Return payloads?
    pub(crate) payload: bool,
    /// Memory the query may use in the engine, bytes.
    pub(crate) memory_bytes: u64,
    /// Return what is left when rows are lost, instead of failing.
    pub(crate) allow_partial: bool,
}

impl Manner {
    /// Whether no row depends on those of other shares, so that there may be some.
    pub(crate) fn has_shares(&self) -> bool {
        !self.distinct_payload && self.limit.is_none()
    }
}

impl QuerySpec {
    /// How it is to be done.
    pub(crate) fn manner(&self) -> Manner {
        Manner {
            descending: self.descending,
            any_order: self.any_order,
            limit: self.limit,
            distinct_payload: self.distinct_payload,
            payload: self.payload,
            memory_bytes: self.memory_bytes,
            allow_partial: self.allow_partial,
        }
    }

    /// The key bounds as an inclusive pair; the first is above the second when no key fits.
    pub fn inclusive_keys(&self) -> (i64, i64) {
        inclusive_keys(self.low, self.high)
    }

    /// Whether no row depends on those of other shares, so that there may be some, in a run of the query
    /// that has a limit of its own.
    pub fn has_shares_within(&self, limit: Option<u64>) -> bool {
        let manner = Manner {
            limit,
            ..self.manner()
        };
        manner.has_shares()
    }
}

/// Key bounds as an inclusive pair; the first is above the second when no key fits.
pub fn inclusive_keys(low: Bound<i64>, high: Bound<i64>) -> (i64, i64) {
    const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
    let low = match low {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_add(1),
    };
    let high = match high {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_sub(1),
    };
    low.zip(high).unwrap_or(NOTHING)
}

/// The keys, series and columns of rows; see `index.row-content`.
pub enum RowContent<C> {
    /// Those that the host found last by `scan.top`, and kept.
    Found,
    /// Held by the host: payload first when asked for, then one column per name.
    Held(C),
    /// Keys and series alone.
    Listed(RowKeys),
}

/// Rows in result order.
pub struct Rows<C> {
    /// What they are made of.
    pub content: RowContent<C>,
    /// Names of the tag columns. None of no row, and where they are those of the rows before, of the same
    /// prepared query.
    pub names: Option<Vec<String>>,
    /// Place among the rows of other shares.
    pub stripe: u32,
}

impl<C> Default for Rows<C> {
    /// No rows.
    fn default() -> Self {
        Self {
            content: RowContent::Listed(RowKeys::default()),
            names: None,
            stripe: 0,
        }
    }
}

/// What is left of a query after its first rows; `C` is its cursor. See `index.rest`.
pub enum Rest<C> {
    /// No row, and nothing is missing.
    Nothing,
    /// No row; the cursor tells what the query did, and what is missing.
    NoRows(C),
    /// The rows of the cursor, of which there may turn out to be none.
    More(C),
}

/// What a count found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows.
    pub rows: u64,
    /// Rows of the query are lost or cannot be read, and are not counted.
    pub partial: bool,
}

/// Everything durable that makes up an index; see `index.contents`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names and bytes of objects, in the order in which they are to be put, after the files.
    pub objects: Vec<(String, Vec<u8>)>,
    /// Paths of files.
    pub files: Vec<String>,
    /// Log entries from here on belong to it.
    pub log_position: u64,
    /// Under which the log of the copy is to be written.
    pub term: Term,
}

/// An index as a branch of it begins; see `index.branch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchContents {
    /// The epoch that names its files.
    pub epoch: u64,
    /// What the branch consists of. The files stay where they are.
    pub contents: Contents,
}

/// Physical rows of one part.
pub struct Dumped<C> {
    /// Part directory name.
    pub part: String,
    /// Block number in the part.
    pub block: u32,
    /// Ordinal of the first row in the part.
    pub first_row: u64,
    /// The rows.
    pub rows: Rows<C>,
}

/// What `describe` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One entry per part.
    Parts,
    /// Counters and sizes.
    Stats,
    /// What lies in the store and the newest snapshot does not need.
    Leftovers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_over_the_whole_range() {
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(inclusive_keys(Unbounded, Unbounded), (i64::MIN, i64::MAX));
        assert_eq!(inclusive_keys(Included(3), Excluded(3)), (3, 2));
        assert_eq!(inclusive_keys(Excluded(3), Included(4)), (4, 4));
        assert_eq!(
            inclusive_keys(Included(i64::MIN), Included(i64::MAX)),
            (i64::MIN, i64::MAX)
        );
        let (low, high) = inclusive_keys(Excluded(i64::MAX), Unbounded);
        assert!(low > high);
        let (low, high) = inclusive_keys(Unbounded, Excluded(i64::MIN));
        assert!(low > high);
    }
}
