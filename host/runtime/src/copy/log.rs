//! The log of a copy: the entries from a position on, each checked, in a log that keeps their positions.

use std::sync::Arc;

use sidx_engine::Contents;

use crate::error::{Error, ErrorKind, Result};
use crate::session::CallLimits;
use crate::storage::Storage;
use crate::storage::log::{Log, LogAccess, LogDurability, LogEntry, Term};

/// Bytes of log entries that are written together.
const APPEND_BYTES: usize = 1 << 20;

/// Where entries come from and go to.
pub(super) struct LogCopy<'a> {
    pub(super) from: &'a Arc<dyn Storage>,
    pub(super) to: &'a Arc<dyn Storage>,
    pub(super) limits: &'a CallLimits,
    /// Told of bytes that were copied.
    pub(super) count: &'a dyn Fn(u64),
}

/// The log of a copy when all entries are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) entries: u64,
    /// The position after the last.
    pub(super) end: u64,
}

impl LogCopy<'_> {
    /// Makes the log of a copy where there is none.
    pub(super) fn make(&self, contents: &Contents) -> Result<Copied> {
        let (term, seal, start) = (contents.term, false, contents.log_position);
        let from = Log::open_from(Arc::clone(self.from), LogAccess::Read, start)?;
        let access = LogAccess::Write { term, seal };
        let to = Log::open_from(Arc::clone(self.to), access, start)?;
        self.append(from, to, start, 0)
    }

    /// Goes on with a log that was begun before, by whomever, who may still be about to write to it. So
    /// nothing of it is removed: it is ended as that of a writer which may only sleep. None where it does not
    /// fit.
    pub(super) fn go_on(&self, contents: &Contents) -> Result<Option<Copied>> {
        let start = contents.log_position;
        let mut from = Log::open_from(Arc::clone(self.from), LogAccess::Read, start)?;
        let found = match Log::open_from(Arc::clone(self.to), LogAccess::Read, start) {
            Err(error) if is_unfit(&error) => return Ok(None),
            found => found?,
        };
        let Some(term) = term_above(contents.term, found.head_term()) else {
            return Ok(None);
        };
        let (to, access) = (Arc::clone(self.to), LogAccess::Write { term, seal: true });
        let mut to = match Log::open_from(to, access, start) {
            Err(error) if is_unfit(&error) => return Ok(None),
            to => to?,
        };
        let (mut position, mut entries) = (start, 0);
        while position < to.end() {
            self.limits.check()?;
            let there = match to.read(position) {
                Err(error) if is_unfit(&error) => return Ok(None),
                there => there?,
            };
            let wanted = if position < from.end() {
                from.read(position)?
            } else {
                None
            };
            match there.filter(|there| wanted.as_ref() == Some(there)) {
                Some(entry) => position = entry.next_position,
                None => return Ok(None),
            }
            entries += 1;
        }
        self.append(from, to, position, entries).map(Some)
    }

    fn append(&self, mut from: Log, mut to: Log, start: u64, entries: u64) -> Result<Copied> {
        let mut copied = Copied {
            entries,
            end: start,
        };
        let (mut read, mut bytes) = (Vec::new(), 0);
        loop {
            self.limits.check()?;
            let entry = from.read(copied.end)?;
            if let Some(entry) = &entry {
                copied.end = entry.next_position;
                bytes += entry.header.len() + entry.body.len();
            }
            let is_end = entry.is_none();
            read.extend(entry);
            if is_end || bytes >= APPEND_BYTES {
                append(&mut to, &read, copied.end)?;
                copied.entries += read.len() as u64;
                (self.count)(bytes as u64);
                read.clear();
                bytes = 0;
            }
            if is_end {
                to.append(&[], LogDurability::Sync)?;
                return Ok(copied);
            }
        }
    }
}

/// Whether it is the log that was found which is not as it should be.
fn is_unfit(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::InvalidArgument
    )
}

/// The term itself where it is above another, or one just above that, of which the next writer's still is.
fn term_above(term: Term, other: Option<Term>) -> Option<Term> {
    match other {
        Some(other) if other >= term => Some(Term {
            number: other.number,
            nonce: other.nonce.checked_add(1)?,
        })
        .filter(|above| above.number == term.number),
        _ => Some(term),
    }
}

/// Appends entries, after which the log must end where it does in the original.
fn append(to: &mut Log, entries: &[LogEntry], position: u64) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let slices: Vec<(&[u8], &[u8])> = entries
        .iter()
        .map(|entry| (entry.header.as_slice(), entry.body.as_slice()))
        .collect();
    let end = to.append(&slices, LogDurability::Os)?;
    if end == position {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Other,
        format!("the copied log ends at {end}, the original at {position}"),
    ))
}
