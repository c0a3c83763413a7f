//! A log, and reading its entries.

use crate::check::Needed;
use crate::checksum;
use crate::error::{Error, MediumError, Result};
use crate::frame;
use crate::header;
use crate::read_ahead::ReadAhead;
use crate::segment::{MAX_POSITION, Segment};
use crate::segments::{Name, Reader, Segments};
use crate::survey::Readers;
use crate::term::Term;

/// A growing segment that has this many bytes of frames is followed by a new one: 64 MiB.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading: changes nothing. Sees what was there when it was opened.
    Read,
    /// Reading and appending, by the opening that has this term. It ends the log of all with lower ones:
    /// what they append from then on counts for nobody.
    Write {
        /// Above all that there are.
        term: Term,
        /// Whether a writer before may still be at work. Where segments are made whole a seal takes the next
        /// number from it then, and stays for good; without one the first append is the first object. Where
        /// they grow it makes no difference.
        seal: bool,
    },
}

impl Access {
    /// Whose the log will be; none of a reader.
    pub fn term(self) -> Option<Term> {
        match self {
            Self::Read => None,
            Self::Write { term, .. } => Some(term),
        }
    }

    pub(crate) fn seals(self) -> bool {
        matches!(self, Self::Write { seal: true, .. })
    }
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

/// What the opening of a log left out: a write that a crash interrupted. It stays where it is, and does not
/// count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub place: String,
    /// Bytes that were no whole entry.
    pub torn_bytes: u64,
    /// The position where the log goes on.
    pub end: u64,
}

/// The log of one index, on a medium.
pub struct Log<S: Segments> {
    pub(crate) medium: S,
    /// Oldest first, each beginning where the one before ends.
    pub(crate) segments: Vec<Segment>,
    /// What lies beside them and counts for nothing. It is removed when entries are given up.
    pub(crate) superfluous: Vec<Name>,
    /// The last name that was ever taken, as far as that is known.
    pub(crate) newest: Option<Name>,
    /// Whose log this is; none of a reader.
    pub(crate) term: Option<Term>,
    /// Whether its first segment is a seal, where segments are made whole.
    pub(crate) seals: bool,
    /// The highest term of a segment.
    pub(crate) head_term: Option<Term>,
    /// The newest segment, where it grows and is one's own.
    pub(crate) tail: Option<S::Tail>,
    /// The segment read last.
    pub(crate) reading: Option<(Name, ReadAhead<S::Reader>)>,
    /// Segments that were opened, were made whole, and were not read yet.
    pub(crate) opened: Readers<S>,
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
    /// What the opening left out.
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
    /// What was left out when the log was opened for writing; none after a clean end.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// The term that it was opened for writing with; none of one that was opened for reading.
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// The highest term of a segment; none where there is no segment that has one.
    pub fn head_term(&self) -> Option<Term> {
        self.head_term
    }

    /// Whether an opening with this term, or a higher one, had begun a segment, and so ended the log of
    /// those before it. A reader waits for that of its snapshot: until then an earlier writer may go on.
    /// Of what was written before there were terms there is nothing to wait for.
    pub fn has_segment_of(&self, term: Term) -> bool {
        term == Term::NONE || self.head_term.is_some_and(|head| head >= term)
    }

    /// What of the log is needed, to be checked beside it.
    pub fn needed(&self) -> Needed {
        Needed {
            segments: self.segments.clone(),
            from: self.needed_from,
            torn_bytes: self.torn_bytes,
        }
    }

    /// Segments that have entries from a position on: commits, where they are made whole.
    pub fn commits_from(&self, position: u64) -> usize {
        let behind = |segment: &&Segment| segment.end > position;
        let segments = self.segments.iter().rev().take_while(behind);
        segments
            .filter(|segment| segment.end > segment.first)
            .count()
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

    fn take_opened(&mut self, name: Name) -> Result<S::Reader, S::Error> {
        match self.opened.iter().position(|(opened, _)| *opened == name) {
            Some(at) => Ok(self.opened.remove(at).1),
            None => Ok(self.medium.open(name)?),
        }
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
                let file = ReadAhead::new(self.take_opened(segment.name)?, wanted);
                if !header::is_same(&file, segment)? {
                    let (place, first) = (self.medium.place(segment.name), segment.first);
                    return Err(Error::GivenUp(format!(
                        "position {first} of the log was given up, and {place} is another segment by now"
                    )));
                }
                (segment.name, file)
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
