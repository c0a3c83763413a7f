//! What the engine asks of the outside: the imports of `wit/engine`, as one trait.
//!
//! The component implements it with the generated bindings; the native build implements it with the
//! same host code that serves the component. The documents in `wit/engine` are the contract: units, limits,
//! errors, and what is durable when a call returns. Handles are plain numbers that belong to one
//! instance.

use crate::error::Result;
use sidx_columns::{Bitmap, Column, ColumnType};
use sidx_executor::{block, gather, select, top};
use sidx_kernels::{Order, Step};
use sidx_log::Term;

pub use sidx_executor::select::{Selected, SelectedRows};
pub use sidx_executor::top::{TopEnd, TopFacts};
pub use sidx_executor::{ABSENT, Codec, Extent, FinishedDictionary, Piece, RowKeys, SeriesRuns};

/// Where a file lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// In the memory of the host, until the index is closed.
    Memory,
    /// In the store.
    Durable,
}

impl Medium {
    /// Whether it is the store.
    pub(crate) fn is_durable(self) -> bool {
        self == Self::Durable
    }
}

/// A finished file, or a finished section of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Size in bytes.
    pub size_bytes: u64,
    /// CRC32C of the whole file or section.
    pub checksum: u32,
    /// Where a section lies in its file, in its order; nothing for a file of its own.
    pub chunks: Vec<Chunk>,
}

/// Consecutive bytes of a section in its file; see `files.chunk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub size_bytes: u64,
}

/// The end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Of the whole file.
    pub size_bytes: u64,
    /// The last bytes of it.
    pub bytes: Vec<u8>,
}

/// How parts are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A folder with a file for each section.
    #[default]
    Folder,
    /// One file with all sections in it.
    File,
}

/// An object and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The content.
    pub bytes: Vec<u8>,
    /// Changes with every write.
    pub version: String,
}

/// How far an append to the log must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogDurability {
    /// Handed to the operating system.
    Os,
    /// On the medium.
    Sync,
}

/// One entry of the log.
pub struct LogEntry<C> {
    /// Where the next entry starts.
    pub next_position: u64,
    /// What the engine wrote with it.
    pub header: Vec<u8>,
    /// The columns of the batch.
    pub columns: C,
}

/// What can be read of a damaged log; see `log.salvage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvagedLog {
    /// Positions of the first entry of each stretch, and after its last.
    pub spans: Vec<(u64, u64)>,
    /// What is damaged and where, for people.
    pub damage: Vec<String>,
    /// The highest term of all segments.
    pub term: Term,
}

/// Who reads what is no longer newest; see `limits.find-readers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readers {
    /// The oldest view version that is read in this process.
    pub version: u64,
    /// Files in the store that left the list after this version stay for a while.
    pub settled: u64,
    /// The epochs that are read in any process, ascending.
    pub epochs: Vec<u64>,
    /// Those whose files branches share, likewise. They have what they need of the log.
    pub branches: Vec<u64>,
}

/// Budgets; see `limits.usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes held by memory parts.
    pub memory_used_bytes: u64,
    /// Upper bound of the above.
    pub memory_allowed_bytes: u64,
    /// Bytes of the index in the store, and those that running merges may still write. What a running
    /// flush has written is not among them: it is in the place of rows in memory.
    pub disk_used_bytes: u64,
    /// Upper bound of the above; the greatest number without one.
    pub disk_allowed_bytes: u64,
    /// The same, so that the medium keeps its minimum of free bytes; the greatest number if none is known.
    pub medium_allowed_bytes: u64,
    /// That minimum.
    pub medium_minimum_bytes: u64,
    /// Files that may still be made on the medium; the greatest number where it has no bound or does not
    /// tell.
    pub medium_free_files: u64,
}

/// What limits and budgets need to know of columns; see `scan.column-facts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Rows of each.
    pub rows: u32,
    /// The type of each.
    pub kinds: Vec<ColumnType>,
    /// Raw bytes of all values.
    pub size_bytes: u64,
    /// The longest single value of each, in bytes.
    pub longest_bytes: Vec<u32>,
}

/// Wanted rows of several blocks, as parallel flat lists; see `scan.selection`.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The key page of each block.
    pub key_pages: Vec<u32>,
    /// Pages per block in `slot_pages`.
    pub slots: u32,
    /// `slots` handles per block, [`ABSENT`] where the block lacks the column.
    pub slot_pages: Vec<u32>,
    /// Spans per block.
    pub span_counts: Vec<u32>,
    /// Pairs of first row and end row.
    pub spans: Vec<u32>,
    /// Least key.
    pub low: i64,
    /// Greatest key.
    pub high: i64,
    /// Wanted order; `Ascending` by default.
    pub descending: bool,
    /// Per block: continue after this key ...
    pub resume_keys: Vec<i64>,
    /// ... and row; [`ABSENT`] for the start.
    pub resume_rows: Vec<u32>,
    /// Most rows per block.
    pub cap: u32,
}

impl Selection {
    /// The request, with its lists borrowed.
    pub fn request(&self) -> select::Request<'_> {
        select::Request {
            key_pages: &self.key_pages,
            slots: self.slots,
            slot_pages: &self.slot_pages,
            span_counts: &self.span_counts,
            spans: &self.spans,
            low: self.low,
            high: self.high,
            order: order(self.descending),
            resume_keys: &self.resume_keys,
            resume_rows: &self.resume_rows,
            cap: self.cap,
        }
    }
}

fn order(descending: bool) -> Order {
    match descending {
        true => Order::Descending,
        false => Order::Ascending,
    }
}

/// Runs of several blocks whose rows are wanted in order of key; see `scan.top-request`.
#[derive(Clone, Debug, Default)]
pub struct TopRequest {
    /// The pages of each block: that of its keys, then `slots` others, [`ABSENT`] where the block lacks the
    /// column. Of equal keys and series those of earlier blocks come first.
    pub pages: Vec<u32>,
    /// Pages of the filter per block.
    pub slots: u32,
    /// 1 for each block whose rows must pass the filter; none when no block's must.
    pub tested: Vec<u8>,
    /// Block, first row and end row of each run.
    pub runs: Vec<u32>,
    /// First key, last key and the bits of the series of each run.
    pub ends: Vec<i64>,
    /// All rows are wanted, not the first few.
    pub whole: bool,
    /// Least key.
    pub low: i64,
    /// Greatest key.
    pub high: i64,
    /// Wanted order; ascending by default.
    pub descending: bool,
    /// Most rows.
    pub limit: u32,
    /// Rows from this key and series on are not wanted.
    pub horizon: Option<(i64, u64)>,
    /// The type of each output column.
    pub kinds: Vec<u8>,
    /// Per column and block: pages that hold the block's values.
    pub piece_counts: Vec<u32>,
    /// The row after the last of each page, and the page, [`ABSENT`] where its rows have no value.
    pub pieces: Vec<u32>,
}

impl TopRequest {
    /// The request, with its lists borrowed.
    pub fn request(&self) -> top::Request<'_> {
        top::Request {
            pages: &self.pages,
            slots: self.slots,
            tested: &self.tested,
            runs: &self.runs,
            ends: &self.ends,
            whole: self.whole,
            low: self.low,
            high: self.high,
            order: order(self.descending),
            limit: self.limit,
            horizon: self.horizon,
            kinds: &self.kinds,
            piece_counts: &self.piece_counts,
            pieces: &self.pieces,
        }
    }

    /// Empties every list and keeps its memory.
    pub fn clear(&mut self) {
        for list in [
            &mut self.pages,
            &mut self.runs,
            &mut self.piece_counts,
            &mut self.pieces,
        ] {
            list.clear();
        }
        self.tested.clear();
        self.ends.clear();
        self.kinds.clear();
        self.slots = 0;
        self.whole = false;
        self.horizon = None;
    }
}

/// One output column gathered from pages; see `scan.page-source`.
#[derive(Clone, Debug)]
pub struct PageSource {
    /// Type of the column.
    pub kind: ColumnType,
    /// Page of each output row, [`ABSENT`] for no value.
    pub pages: Vec<u32>,
    /// Row in that page.
    pub rows: Vec<u32>,
}

impl PageSource {
    /// The sources, with their lists borrowed.
    pub fn all(sources: &[Self]) -> Vec<gather::Source<'_>> {
        sources.iter().map(Self::source).collect()
    }

    /// The source, with its lists borrowed.
    pub fn source(&self) -> gather::Source<'_> {
        gather::Source {
            kind: self.kind,
            pages: &self.pages,
            rows: &self.rows,
        }
    }
}

/// Blocks in memory that are put together; see `scan.block-source`.
#[derive(Clone, Debug, Default)]
pub struct BlockSource {
    /// Type of each column.
    pub kinds: Vec<ColumnType>,
    /// Page of each column in each block, column by column; [`ABSENT`] where a block lacks it.
    pub pages: Vec<u32>,
    /// Number of the block that each row comes from.
    pub blocks: Vec<u32>,
    /// Row in that block.
    pub rows: Vec<u32>,
}

impl BlockSource {
    /// The source, with its lists borrowed.
    pub fn source(&self) -> block::Source<'_> {
        block::Source {
            kinds: &self.kinds,
            pages: &self.pages,
            blocks: &self.blocks,
            rows: &self.rows,
        }
    }
}

/// One output column as consecutive rows of pages; see `scan.page-ranges`.
#[derive(Clone, Debug)]
pub struct PageRanges {
    /// Type of the column.
    pub kind: ColumnType,
    /// Page of each range, [`ABSENT`] for rows without value.
    pub pages: Vec<u32>,
    /// First row of each range.
    pub starts: Vec<u32>,
    /// Row after the last.
    pub ends: Vec<u32>,
}

impl PageRanges {
    /// No ranges yet.
    pub fn new(kind: ColumnType) -> Self {
        Self {
            kind,
            pages: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The sources, with their lists borrowed.
    pub fn all(sources: &[Self]) -> Vec<gather::Ranges<'_>> {
        sources.iter().map(Self::ranges).collect()
    }

    /// The ranges, with their lists borrowed.
    pub fn ranges(&self) -> gather::Ranges<'_> {
        gather::Ranges {
            kind: self.kind,
            pages: &self.pages,
            starts: &self.starts,
            ends: &self.ends,
        }
    }

    /// Adds a range.
    pub fn push(&mut self, page: u32, start: u32, end: u32) {
        self.pages.push(page);
        self.starts.push(start);
        self.ends.push(end);
    }
}

/// The imports of the component. All calls are synchronous; calls that read or write may fail with
/// `deadline-exceeded` or `cancelled`, which the engine passes on at once.
pub trait Host {
    /// A file under construction; abandoned when dropped.
    type NewFile;
    /// Columns held by the host.
    type Columns;
    /// A compiled filter.
    type Filter;
    /// A shared dictionary under construction.
    type NewDictionary;

    // ---- files ----
    /// `new-file.create`
    fn create_file(&self, path: &str, medium: Medium) -> Result<Self::NewFile>;
    /// `new-file.section`
    fn create_section(&self, file: &Self::NewFile) -> Result<Self::NewFile>;
    /// `new-file.append`
    fn append(
        &self,
        file: &Self::NewFile,
        pages: &[u8],
        lengths: &[u32],
        codec: Codec,
    ) -> Result<Vec<Extent>>;
    /// `new-file.finish`
    fn finish(&self, file: Self::NewFile) -> Result<FileSummary>;
    /// `files.open`
    fn open_file(&self, path: &str) -> Result<u32>;
    /// `files.open-section`
    fn open_section(&self, file: u32, name: &str, chunks: &[Chunk]) -> Result<u32>;
    /// `files.close`
    fn close_file(&self, file: u32);
    /// `files.size`
    fn file_size(&self, file: u32) -> Result<u64>;
    /// `files.read`
    fn read_file(&self, file: u32, offset: u64, length: u32) -> Result<Vec<u8>>;
    /// `files.read-tail`
    fn read_tail(&self, file: u32, length: u32) -> Result<Tail>;
    /// `files.checksum`
    fn file_checksum(&self, file: u32) -> Result<u32>;
    /// `files.pages`
    fn register_pages(&self, file: u32, extents: &[Extent]) -> Result<u32>;
    /// `files.coded-pages`
    fn register_coded_pages(&self, file: u32, extents: &[Extent], dictionary: u32) -> Result<u32>;
    /// `files.prefetch`
    fn prefetch(&self, pages: &[u32]) -> Result<()>;
    /// `files.load`
    fn load_page(&self, page: u32) -> Result<Vec<u8>>;
    /// `files.part-form`
    fn part_form(&self) -> Form;
    /// `files.moves-copy`
    fn moves_copy(&self) -> bool;
    /// `files.list`
    fn list_files(&self, path: &str, medium: Medium) -> Result<Vec<String>>;
    /// `files.remove`
    fn remove_files(&self, path: &str, medium: Medium) -> Result<()>;
    /// `files.rename`
    fn rename_files(&self, from: &str, to: &str) -> Result<()>;
    /// `files.sync`
    fn sync_files(&self, path: &str) -> Result<()>;

    // ---- objects ----
    /// `objects.get`
    fn get_object(&self, name: &str) -> Result<Option<Object>>;
    /// `objects.put-if-absent`
    fn put_object_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String>;
    /// `objects.compare-and-swap`
    fn swap_object(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String>;
    /// `objects.list`
    fn list_objects(&self, prefix: &str) -> Result<Vec<String>>;
    /// `objects.remove`
    fn remove_object(&self, name: &str) -> Result<()>;

    // ---- log ----
    /// `log.append`
    fn append_log(
        &self,
        headers: &[Vec<u8>],
        columns: &[&Self::Columns],
        durability: LogDurability,
    ) -> Result<u64>;
    /// `log.end`
    fn log_end(&self) -> Result<u64>;
    /// `log.open`
    fn open_log(&self, position: u64, awaited: Option<Term>) -> Result<()>;
    /// `log.follow`
    fn follow_log(&self) -> Result<bool>;
    /// `log.take-over`; whether only the name of the next epoch tells that another writer has taken over
    fn take_over_log(&self, position: u64, term: Term, fence: bool) -> Result<bool>;
    /// `log.nonce`
    fn nonce(&self) -> Result<u128>;
    /// `log.read`
    fn read_log(&self, position: u64) -> Result<Option<LogEntry<Self::Columns>>>;
    /// `log.drop-before`
    fn drop_log_before(&self, position: u64, kept_from: u64) -> Result<()>;
    /// `log.salvage`
    fn salvage_log(&self, needed_from: Option<u64>, term: Option<Term>) -> Result<SalvagedLog>;

    // ---- columns ----
    /// `columns.facts`
    fn column_facts(&self, columns: &Self::Columns) -> Result<ColumnFacts>;
    /// `columns.lengths`
    fn column_lengths(&self, columns: &Self::Columns, column: u32) -> Vec<u32>;
    /// `columns.presence` of columns that have so many rows.
    fn column_presence(
        &self,
        columns: &Self::Columns,
        column: u32,
        rows: usize,
    ) -> Result<Option<Bitmap>>;
    /// `columns.read`
    fn read_column(&self, columns: &Self::Columns, column: u32) -> Result<Column>;

    // ---- scan ----
    /// `scan.compile-filter`
    fn compile_filter(&self, steps: Vec<Step>) -> Result<Self::Filter>;
    /// `scan.probe`
    fn probe(&self, pages: &[u32], hashes: &[u64]) -> Result<Vec<u8>>;
    /// `scan.find-slices`
    fn find_slices(&self, dictionary: u32, postings: &[u32], values: &[&[u8]]) -> Result<Vec<u32>>;
    /// `scan.select`
    fn select(
        &self,
        filter: Option<&Self::Filter>,
        request: &select::Request<'_>,
    ) -> Result<Selected>;
    /// `scan.top`. The rows stay with the host; [`Found`](crate::RowContent::Found) stands for them.
    fn top(&self, filter: Option<&Self::Filter>, request: &top::Request<'_>) -> Result<TopEnd>;
    /// `scan.last-top`
    fn top_facts(&self) -> TopFacts;
    /// `scan.count`
    fn count(
        &self,
        filter: Option<&Self::Filter>,
        request: &select::Request<'_>,
    ) -> Result<Vec<u64>>;
    /// `scan.gather`
    fn gather(
        &self,
        sources: &[gather::Source<'_>],
        keys: Option<RowKeys>,
    ) -> Result<Self::Columns>;
    /// `scan.gather-ranges`
    fn gather_ranges(
        &self,
        keys: gather::Ranges<'_>,
        series: SeriesRuns,
        sources: &[gather::Ranges<'_>],
    ) -> Result<Self::Columns>;
    /// `scan.lengths`
    fn lengths(&self, source: gather::Source<'_>) -> Result<Vec<u32>>;
    /// `scan.keys`
    fn keys(&self, page: u32, start: u32, end: u32) -> Result<Vec<i64>>;
    /// `scan.encode-pages`
    fn encode_pages(
        &self,
        target: &Self::NewFile,
        filters: Option<&Self::NewFile>,
        source: gather::Source<'_>,
        page_bytes: u32,
    ) -> Result<Vec<Piece>>;
    /// `scan.encode-ints`
    fn encode_ints(&self, target: &Self::NewFile, ints: &[i64]) -> Result<Piece>;
    /// `scan.write-block`
    fn write_block(
        &self,
        target: &Self::NewFile,
        keys: &[i64],
        from: &Self::Columns,
        columns: &[u32],
        rows: &[u32],
    ) -> Result<Vec<Piece>>;
    /// `scan.fold-block`
    fn fold_block(
        &self,
        target: &Self::NewFile,
        keys: &[i64],
        source: block::Source<'_>,
    ) -> Result<Vec<Piece>>;

    /// `new-dictionary.create`
    fn new_dictionary(
        &self,
        kind: ColumnType,
        pages: &[u32],
    ) -> Result<Option<Self::NewDictionary>>;
    /// `new-dictionary.encode`
    fn encode_coded(
        &self,
        dictionary: &Self::NewDictionary,
        target: &Self::NewFile,
        postings: &Self::NewFile,
        source: gather::Source<'_>,
        first_slice: u32,
    ) -> Result<Piece>;
    /// `new-dictionary.finish`
    fn finish_dictionary(
        &self,
        dictionary: Self::NewDictionary,
        target: &Self::NewFile,
        postings: &Self::NewFile,
    ) -> Result<FinishedDictionary>;

    // ---- limits ----
    /// `limits.usage`
    fn usage(&self) -> Usage;
    /// `limits.check`
    fn check(&self) -> Result<()>;
    /// `limits.find-readers`
    fn find_readers(&self) -> Result<Readers>;
    /// `limits.pin-epoch`
    fn pin_epoch(&self, epoch: u64) -> Result<()>;
    /// `limits.release-lender`
    fn release_lender(&self, place: &str) -> Result<()>;
}
