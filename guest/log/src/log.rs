//! A log: opening it, and reading its entries.

use crate::check::{self, Needed, Report};
use crate::checksum;
use crate::error::{Error, MediumError, Result};
use crate::frame;
use crate::read_ahead::ReadAhead;
use crate::segment::{MAX_POSITION, Segment};
use crate::segments::{Name, Reader, Segments};
use crate::survey;

/// A growing segment that has this many bytes of frames is followed by a new one: 64 MiB.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading: changes nothing and needs no lock. Sees what was there when it was opened.
    Read,
    /// Reading and appending: the caller holds the lock of the index.
    Write,
}

/// What an append waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has it: it survives the end of the process.
    Os,
    /// The medium has it: it survives a power loss.
    Sync,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the next entry starts.
    pub next_position: u64,
    /// The first of the slices given to [`Log::append`].
    pub header: Vec<u8>,
    /// The second.
    pub body: Vec<u8>,
}

/// What the opening of a log cut off: a write that a crash interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub place: String,
    /// Bytes that were no whole entry.
    pub torn_bytes: u64,
    /// The position where the log ends now.
    pub end: u64,
}

/// The log of one index, on a medium.
pub struct Log<S: Segments> {
    pub(crate) medium: S,
    /// Oldest first, each beginning where the one before ends.
    pub(crate) segments: Vec<Segment>,
    /// Older ones, whose entries are all given up.
    pub(crate) absorbed: Vec<Name>,
    /// Those that count for nothing.
    pub(crate) leftovers: Vec<Name>,
    /// The last name that was ever taken, as far as that is known.
    pub(crate) newest: Option<Name>,
    /// The newest segment, once it was appended to.
    pub(crate) tail: Option<S::Tail>,
    /// The segment read last.
    pub(crate) reading: Option<(Name, ReadAhead<S::Reader>)>,
    /// Position after the last entry.
    pub(crate) end: u64,
    /// Bytes behind it, when the log was opened, that are no whole entry.
    pub(crate) torn_bytes: u64,
    /// Everything before this position is on the medium.
    pub(crate) durable: u64,
    /// Entries before this position are given up.
    pub(crate) needed_from: u64,
    /// No segment reaches up to the end; the next entry begins one that follows nothing.
    pub(crate) is_detached: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) state: State,
    /// Damaged segments, which are kept when they are given up.
    pub(crate) damaged: Vec<Name>,
    /// What the opening cut off.
    pub(crate) cut: Option<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    ReadOnly,
    Good,
    /// A write failed: what is in the newest segment is not known.
    Failed,
    /// Damaged, and open to be read as far as that goes.
    Damaged,
}

impl<S: Segments> Log<S> {
    /// Opens the log of an index; a new one has no segments and ends at 0. It begins with its first segment;
    /// who knows from where on it is needed uses [`open_from`](Self::open_from).
    ///
    /// The newest segment, where it grows, is read and checked. With [`Access::Write`] the torn end that a
    /// crash left is cut off and all the rest is synced; with [`Access::Read`] the log just ends
    /// before it. [`Error::Damaged`], with file and offset, when a frame is damaged or a segment is missing.
    pub fn open(medium: S, access: Access) -> Result<Self, S::Error> {
        Self::open_needed(medium, access, None)
    }

    /// As [`open`](Self::open), of a log whose entries before a position are absorbed: whatever is left
    /// of them is not looked at, and the log ends at that position or behind it. [`Error::Damaged`] when the
    /// entries from there on are not all there; for a reader [`Error::GivenUp`] when the log begins later,
    /// because a writer may have given them up meanwhile.
    pub fn open_from(medium: S, access: Access, needed_from: u64) -> Result<Self, S::Error> {
        Self::open_needed(medium, access, Some(needed_from))
    }

    fn open_needed(medium: S, access: Access, needed_from: Option<u64>) -> Result<Self, S::Error> {
        check_position(needed_from)?;
        let survey = survey::survey(&medium, needed_from)?;
        survey.check_sound(access == Access::Read)?;
        let mut log = Self::unopened(medium);
        log.needed_from = needed_from.unwrap_or(0);
        log.adopt(survey);
        if access == Access::Write {
            log.prepare()?;
        }
        Ok(log)
    }

    fn unopened(medium: S) -> Self {
        Self {
            medium,
            segments: Vec::new(),
            absorbed: Vec::new(),
            leftovers: Vec::new(),
            newest: None,
            tail: None,
            reading: None,
            end: 0,
            torn_bytes: 0,
            durable: 0,
            needed_from: 0,
            is_detached: false,
            segment_bytes: SEGMENT_BYTES,
            state: State::ReadOnly,
            damaged: Vec::new(),
            cut: None,
        }
    }

    /// Opens the log of an index for writing, damaged or not, and reads all of it from a position on,
    /// or from its beginning: the report says which entries can be read. With damage the log takes no
    /// appends until [`drop_before`](Self::drop_before) of its end, which sets damaged segments aside,
    /// untouched.
    pub fn salvage(medium: S, needed_from: Option<u64>) -> Result<(Self, Report), S::Error> {
        check_position(needed_from)?;
        let survey = survey::survey(&medium, needed_from)?;
        let report = check::salvage(&medium, &survey, needed_from.unwrap_or(0))?;
        let mut log = Self::unopened(medium);
        log.needed_from = needed_from.unwrap_or(0);
        log.adopt(survey);
        if report.damage.is_empty() {
            log.prepare()?;
        } else {
            // Positions are never used again, whatever was at them.
            let ends = log.segments.iter().map(|segment| segment.end);
            log.end = ends.fold(log.end, u64::max);
            log.end = report
                .spans
                .iter()
                .fold(log.end, |end, span| end.max(span.1));
            log.damaged.clone_from(&report.damaged);
            log.state = State::Damaged;
        }
        Ok((log, report))
    }

    /// What was cut off when the log was opened for writing; none after a clean end.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// What of the log is needed, to be checked beside it.
    pub fn needed(&self) -> Needed {
        Needed {
            segments: self.segments.clone(),
            from: self.needed_from,
            torn_bytes: self.torn_bytes,
        }
    }

    /// The position after the last entry; 0 for a new log.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The position of the first entry that is still there, or the end when there is none.
    pub fn start(&self) -> u64 {
        match self.segments.first() {
            Some(segment) if !self.is_detached => segment.first,
            _ => self.end,
        }
    }

    /// Reads the entry at a position that is 0 or was returned before; none at the end.
    /// [`Error::GivenUp`] when it was, [`Error::Invalid`] behind the end, [`Error::Damaged`], with file and
    /// offset, when what is there is not an entry or is damaged.
    pub fn read(&mut self, position: u64) -> Result<Option<Entry>, S::Error> {
        if position == self.end {
            return Ok(None);
        }
        if position > self.end {
            return self.behind_end(position);
        }
        let later = self
            .segments
            .partition_point(|segment| segment.first <= position);
        let Some(segment) = later
            .checked_sub(1)
            .and_then(|i| self.segments.get(i))
            .filter(|segment| position < segment.end && !self.is_detached)
            .copied()
        else {
            let (place, start) = (self.medium.location(), self.start());
            return Err(Error::GivenUp(format!(
                "position {position} of the log of {place} was given up; it begins at {start}"
            )));
        };
        match self.read_frame(&segment, position).map_err(Error::damage) {
            Ok(entry) => Ok(Some(entry)),
            Err(Ok(problem)) => {
                let (place, offset) =
                    (self.medium.place(segment.name), segment.offset_of(position));
                Err(Error::Damaged(format!(
                    "{place}: offset {offset}: {problem}"
                )))
            }
            Err(Err(error)) => Err(error),
        }
    }

    /// A snapshot may have absorbed entries that a power loss took from the log, or that were
    /// appended after it was opened for reading. A reader misses nothing then; a writer must not
    /// use their positions again.
    fn behind_end(&self, position: u64) -> Result<Option<Entry>, S::Error> {
        if self.state == State::ReadOnly {
            return Ok(None);
        }
        let (place, end) = (self.medium.location(), self.end);
        Err(Error::Invalid(format!(
            "position {position} is behind the end of the log of {place}, which is {end}; if a \
             snapshot absorbed what was before it, drop the log before it first"
        )))
    }

    fn read_frame(&mut self, segment: &Segment, position: u64) -> Result<Entry, S::Error> {
        let file = self.reader(segment)?;
        let offset = segment.offset_of(position);
        let damaged = |what: &str| {
            Error::Damaged(format!(
                "the entry at position {position} of the log fails its check ({what}); restore the \
                 file from a backup"
            ))
        };
        let mut head = [0; frame::HEAD_BYTES];
        file.read_at(offset, &mut head)?;
        let head = frame::Head::decode(&head, position).ok_or_else(|| damaged("head"))?;
        if position + head.frame_bytes() > segment.end {
            return Err(damaged("length"));
        }
        let mut payload = vec![0; usize::try_from(head.length).unwrap_or(0)];
        file.read_at(offset + frame::HEAD_BYTES as u64, &mut payload)?;
        if checksum::crc32c(&payload) != head.checksum {
            return Err(damaged("payload"));
        }
        let (header, body) = frame::split(payload).ok_or_else(|| damaged("header length"))?;
        Ok(Entry {
            next_position: position + head.frame_bytes(),
            header,
            body,
        })
    }

    /// The segment open for reading, at a size that covers what it holds now.
    fn reader(&mut self, segment: &Segment) -> Result<&ReadAhead<S::Reader>, S::Error> {
        let wanted = segment.offset_of(segment.end);
        let is_open = |(name, file): &(Name, ReadAhead<S::Reader>)| {
            *name == segment.name && file.size() >= wanted
        };
        let open = match self.reading.take().filter(is_open) {
            Some(open) => open,
            None => {
                let file = self.medium.open(segment.name)?;
                (segment.name, ReadAhead::new(file, wanted))
            }
        };
        Ok(&self.reading.insert(open).1)
    }
}

/// Refuses a position that no log has.
pub(crate) fn check_position<M: MediumError>(position: Option<u64>) -> Result<(), M> {
    match position.filter(|position| *position > MAX_POSITION) {
        Some(position) => Err(Error::Invalid(format!(
            "no log has a position as large as {position}"
        ))),
        None => Ok(()),
    }
}
