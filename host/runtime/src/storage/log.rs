//! The write-ahead log of an index in its [`Storage`]. What a log is, is told by the crate `sidx-log`; here
//! is where its segments lie, and what its errors are called.

use std::fmt;
use std::sync::Arc;

pub use sidx_engine::host::LogDurability;
pub use sidx_log::{
    Access as LogAccess, Entry as LogEntry, Form as LogForm, Report as LogReport, Term,
};

use sidx_log::{Durability, Fault, MediumError, Tail};

use self::files::Files;
use super::{AppendFile, ReadFile, Storage};
use crate::error::{Error, ErrorKind, Result};

mod files;
#[cfg(test)]
mod tests;

/// Where segments are.
pub(crate) const DIRECTORY: &str = "log";

/// The log of one index.
pub struct Log(sidx_log::Log<Files>);

/// What of a log is needed, to be checked beside it.
pub(crate) struct Needed(sidx_log::Needed);

impl Log {
    /// Opens the log of an index; a new one has no files and ends at 0. It begins with its first segment;
    /// who knows from where on it is needed uses [`open_from`](Self::open_from).
    ///
    /// The newest segment is read and checked, unless it was made whole; the log ends before the torn end
    /// that a crash left. With [`LogAccess::Write`] all the rest is synced, and a segment of the own term is
    /// begun behind it, where they are made whole only as a seal; nothing that is there is changed.
    /// `corrupt`, with file and offset, when a frame is damaged or a segment is missing; `conflict` when
    /// another writer has taken over; `resource-exhausted` when there is no room for the segment.
    pub fn open(storage: Arc<dyn Storage>, access: LogAccess) -> Result<Self> {
        Self::opened(sidx_log::Log::open(Files::new(storage), access))
    }

    /// As [`open`](Self::open), of a log whose entries before a position are absorbed: whatever is left
    /// of them is not looked at, and the log ends at that position or behind it. `corrupt` when the
    /// entries from there on are not all there; for a reader `not-found` when the log begins later,
    /// because a writer may have given them up meanwhile.
    pub fn open_from(
        storage: Arc<dyn Storage>,
        access: LogAccess,
        needed_from: u64,
    ) -> Result<Self> {
        Self::opened(sidx_log::Log::open_from(
            Files::new(storage),
            access,
            needed_from,
        ))
    }

    /// Opens the log of an index, damaged or not, and reads all of it from a position on, or from its
    /// beginning: the report says which entries can be read. Opened for writing, with damage the log takes no
    /// appends, and no segment is begun, until [`drop_before`](Self::drop_before) of its end, which moves
    /// damaged segments to `quarantine/`, untouched.
    pub fn salvage(
        storage: Arc<dyn Storage>,
        access: LogAccess,
        needed_from: Option<u64>,
    ) -> Result<(Self, LogReport)> {
        let salvaged = sidx_log::Log::salvage(Files::new(storage), access, needed_from);
        let (log, report) = salvaged.map_err(told)?;
        Ok((Self::opened(Ok(log))?, report))
    }

    fn opened(log: sidx_log::Result<sidx_log::Log<Files>, StorageError>) -> Result<Self> {
        let log = log.map_err(told)?;
        if let Some(cut) = log.cut() {
            tracing::warn!(
                log = cut.place,
                torn_bytes = cut.torn_bytes,
                end = cut.end,
                "left a torn write out of the log"
            );
        }
        Ok(Self(log))
    }

    /// What of the log is needed, for a check.
    pub(crate) fn needed(&self) -> Needed {
        Needed(self.0.needed())
    }

    /// Appends entries in order, as one write; with [`LogDurability::Sync`] they, and all before
    /// them, are on the medium on return, with [`LogDurability::Os`] with the operating system.
    /// Returns the position after the last. Without entries it is a sync, or nothing.
    ///
    /// `invalid-argument` when an entry is larger than 1 GiB; nothing was changed then.
    /// `resource-exhausted` when the medium is full: what arrived was taken back, and the log goes on as
    /// if nothing had been tried; `conflict` when another writer has made the segment, and none of the
    /// entries counts. After any other error nobody knows whether they count until the log is opened again;
    /// nothing is taken back. After both it refuses everything but reading. Whatever happens, all entries of
    /// one write count, or none.
    pub fn append(&mut self, entries: &[(&[u8], &[u8])], durability: LogDurability) -> Result<u64> {
        let durability = match durability {
            LogDurability::Os => Durability::Os,
            LogDurability::Sync => Durability::Sync,
        };
        self.0.append(entries, durability).map_err(told)
    }

    /// Segments that are begun from now on have at most about so many bytes, and never more than usual.
    pub(crate) fn limit_segments(&mut self, bytes: u64) {
        self.0.limit_segments(bytes);
    }

    /// Takes in what came after the end of a log that was opened for reading. False when it is to be opened
    /// anew. Where files do not grow that there is nothing new is only known as long as the writer gives
    /// nothing up behind the end; see `sidx_log::Log::follow`.
    pub fn follow(&mut self) -> Result<bool> {
        self.0.follow().map_err(told)
    }

    /// The term that it was opened for writing with; none of one that was opened for reading.
    pub fn term(&self) -> Option<Term> {
        self.0.term()
    }

    /// The highest term of a segment; none where there is no segment that has one.
    pub fn head_term(&self) -> Option<Term> {
        self.0.head_term()
    }

    /// Whether an opening with this term, or a higher one, had begun a segment, and so ended the log of
    /// those before it.
    pub fn has_segment_of(&self, term: Term) -> bool {
        self.0.has_segment_of(term)
    }

    /// Commits that have entries from a position on; segments, where files grow.
    pub(crate) fn commits_from(&self, position: u64) -> usize {
        self.0.commits_from(position)
    }

    /// The position after the last entry; 0 for a new log.
    pub fn end(&self) -> u64 {
        self.0.end()
    }

    /// The position of the first entry that is still there, or the end when there is none.
    pub fn start(&self) -> u64 {
        self.0.start()
    }

    /// Reads the entry at a position that is 0 or was returned before; none at the end. `not-found`
    /// when it was given up, `invalid-argument` behind the end, `corrupt`, with file and offset,
    /// when what is there is not an entry or is damaged.
    pub fn read(&mut self, position: u64) -> Result<Option<LogEntry>> {
        self.0.read(position).map_err(told)
    }

    /// Gives up the entries before a position. Segments that end there or before are removed, never
    /// the newest, and no seals; the rest may still be read. A position behind the end moves the end there:
    /// that is what a writer needs whose snapshot absorbed entries that a power loss took from the log,
    /// because their positions must not be used again.
    ///
    /// Where the medium has no room left what is given up makes some, and the end moves in any case: who
    /// opens the log again [from](Self::open_from) the position finds it there.
    pub fn drop_before(&mut self, position: u64) -> Result<()> {
        self.0.drop_before(position).map_err(told)
    }
}

impl Needed {
    /// Reads and checks every entry in a storage. A segment that is gone by now was given up.
    pub(crate) fn check(&self, storage: &Arc<dyn Storage>) -> Result<LogReport> {
        let files = Files::new(Arc::clone(storage));
        self.0.check(&files).map_err(told)
    }
}

/// An error of a storage as the medium of a log.
#[derive(Clone, Debug)]
struct StorageError(Error);

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The text without the kind, to follow a place.
impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for StorageError {}

impl MediumError for StorageError {
    fn fault(&self) -> Fault {
        match self.0.kind() {
            ErrorKind::NotFound => Fault::Gone,
            ErrorKind::Corrupt => Fault::Short,
            ErrorKind::Conflict => Fault::Taken,
            ErrorKind::ResourceExhausted => Fault::Full,
            _ => Fault::Other,
        }
    }
}

/// The one place where an error of a log becomes one of the library.
fn told(error: sidx_log::Error<StorageError>) -> Error {
    use sidx_log::Error as Log;
    match error {
        Log::Invalid(text) => Error::invalid(text),
        Log::GivenUp(text) => Error::not_found(text),
        Log::Damaged(text) => Error::corrupt(text),
        Log::NewerFormat(text) => Error::new(ErrorKind::UnsupportedVersion, text),
        Log::Overtaken(text) => Error::conflict(text),
        Log::Failed(text) => Error::new(ErrorKind::Io, text),
        Log::Medium(StorageError(error)) => error,
        Log::InDoubt(StorageError(error)) => error.in_doubt(),
    }
}

/// A segment that is open for reading.
struct OpenSegment(Arc<dyn ReadFile>);

impl sidx_log::Reader for OpenSegment {
    type Error = StorageError;

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        Ok(self.0.read_at(offset, buffer)?)
    }
}

/// A file of the log that grows.
struct OpenTail(Box<dyn AppendFile>);

impl Tail for OpenTail {
    type Error = StorageError;

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        Ok(self.0.append(bytes)?)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(self.0.sync()?)
    }

    fn resync(&mut self, size: u64) -> Result<(), StorageError> {
        Ok(self.0.resync(size)?)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn truncate(&mut self, size: u64) -> Result<(), StorageError> {
        Ok(self.0.truncate(size)?)
    }
}
