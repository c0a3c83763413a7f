//! Opening a log: taking over what the survey of its segments found, and, for a writer, ending the log of
//! those before it with a segment of its own.
//!
//! Nothing that is there is changed by that. Another writer may be at work at the same time, and whoever
//! comes next finds out from the terms what counts; what is superfluous goes when entries are given up,
//! which a writer does once it knows that it has not been overtaken.

use crate::check::{self, Report};
use crate::error::{Error, Fault, MediumError, Result};
use crate::header::{self, Header};
use crate::log::{Access, Cut, Log, SEGMENT_BYTES, State, check_position};
use crate::segment::Segment;
use crate::segments::{Form, Name, Segments, Tail};
use crate::survey::{self, Extent, Readers, Survey};
use crate::term::Term;

/// How often a writer looks again when another has changed what it had found.
const OPENING_ATTEMPTS: usize = 10;

impl<S: Segments> Log<S> {
    /// Opens the log of an index; a new one has no segments and ends at 0. It begins with its first segment;
    /// who knows from where on it is needed uses [`open_from`](Self::open_from).
    ///
    /// The newest segment, where it grows, is read and checked; the log ends before the torn end that a crash
    /// left. With [`Access::Write`] all the rest is synced, and a segment of the own term is begun behind it,
    /// but where segments are made whole only as a seal.
    /// [`Error::Damaged`], with file and offset, when a frame is damaged or a segment is missing;
    /// [`Error::Overtaken`] when there is a segment of a higher term, or others go on all the time;
    /// [`Error::Invalid`] when the term is [none](Term::NONE), or there is a segment of it already. When the
    /// medium is full, no segment was begun.
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
        let is_reader = access == Access::Read;
        // Who writes removes what is not needed, and must know the seals in it.
        let extent = match is_reader {
            true => Extent::Needed,
            false => Extent::All,
        };
        let mut log = Self::unopened(medium, access, needed_from)?;
        for _ in 0..OPENING_ATTEMPTS {
            let (survey, readers) = survey::survey(&log.medium, needed_from, extent)?;
            log.check_newest(&survey)?;
            survey.check_sound(is_reader)?;
            log.adopt(survey, readers);
            if is_reader || log.begin_own()? {
                return Ok(log);
            }
        }
        Err(log.never_ends())
    }

    /// Opens the log of an index, damaged or not, and reads all of it from a position on, or from its
    /// beginning: the report says which entries can be read. Opened for writing, with damage the log takes no
    /// appends, and no segment is begun, until [`drop_before`](Self::drop_before) of its end, which sets
    /// damaged segments aside, untouched. Without, it is as opened with [`open_from`](Self::open_from).
    pub fn salvage(
        medium: S,
        access: Access,
        needed_from: Option<u64>,
    ) -> Result<(Self, Report), S::Error> {
        let is_reader = access == Access::Read;
        let mut log = Self::unopened(medium, access, needed_from)?;
        for _ in 0..OPENING_ATTEMPTS {
            let (survey, readers) = survey::survey(&log.medium, needed_from, Extent::All)?;
            log.check_newest(&survey)?;
            let report = match check::salvage(&log.medium, &survey, needed_from.unwrap_or(0)) {
                // A writer has given it up meanwhile.
                Err(error) if error.fault() == Some(Fault::Gone) => continue,
                report => report?,
            };
            log.adopt(survey, readers);
            if !report.damage.is_empty() {
                // Positions are never used again, whatever was at them.
                let ends = log.segments.iter().map(|segment| segment.end);
                let ends = ends.chain(report.spans.iter().map(|(_, end)| *end));
                log.end = ends.fold(log.end, u64::max);
                if !is_reader {
                    log.damaged.clone_from(&report.damaged);
                    log.state = State::Damaged;
                }
                return Ok((log, report));
            }
            if is_reader || log.begin_own()? {
                return Ok((log, report));
            }
        }
        Err(log.never_ends())
    }

    fn unopened(medium: S, access: Access, needed_from: Option<u64>) -> Result<Self, S::Error> {
        check_position(needed_from)?;
        let term = access.term();
        if term == Some(Term::NONE) {
            let text = "a log is opened for writing with a term of its own, not with none";
            return Err(Error::Invalid(text.to_owned()));
        }
        Ok(Self {
            medium,
            segments: Vec::new(),
            superfluous: Vec::new(),
            newest: None,
            term,
            seals: access.seals(),
            head_term: None,
            tail: None,
            reading: None,
            opened: Readers::<S>::new(),
            end: 0,
            torn_bytes: 0,
            durable: 0,
            needed_from: needed_from.unwrap_or(0),
            is_detached: false,
            segment_bytes: SEGMENT_BYTES,
            state: State::ReadOnly,
            damaged: Vec::new(),
            cut: None,
        })
    }

    /// Refuses a writer whose term is not above all that are there.
    fn check_newest(&self, survey: &Survey) -> Result<(), S::Error> {
        let place = self.medium.location();
        match (self.term, survey.head_term) {
            (Some(own), Some(head)) if own < head => Err(Error::Overtaken(format!(
                "another writer has taken over the log of {place}; reopen the index"
            ))),
            (Some(own), Some(head)) if own == head => Err(Error::Invalid(format!(
                "the log of {place} was opened with this term before; each opening takes a new one"
            ))),
            _ => Ok(()),
        }
    }

    fn never_ends<M: MediumError>(&self) -> Error<M> {
        let place = self.medium.location();
        Error::Overtaken(format!(
            "other writers went on with the log of {place} all the time; reopen the index"
        ))
    }

    /// Goes on from what was found.
    fn adopt(&mut self, survey: Survey, readers: Readers<S>) {
        let counts = |name: &Name| survey.segments.iter().any(|it| it.name == *name);
        self.opened = readers
            .into_iter()
            .filter(|(name, _)| counts(name))
            .collect();
        self.end = survey.end;
        self.torn_bytes = survey.torn_bytes;
        self.is_detached = survey.is_detached;
        self.segments = survey.segments;
        self.superfluous = survey.superfluous;
        self.newest = survey.newest;
        self.head_term = survey.head_term;
        // What a later opening has begun is not one's own to remove, nor is what it is about to begin.
        let own = self.term;
        self.superfluous
            .retain(|name| name.term.is_none() || name.term < own);
    }

    /// Makes the log fit for appending: brings what is there to the medium, so that from now on it counts as
    /// durable, and begins a segment behind it, unless objects are to be made and no seal is asked for.
    /// False when another writer was faster; then nothing is known.
    fn begin_own(&mut self) -> Result<bool, S::Error> {
        let head = self.segments.last().copied().filter(|_| !self.is_detached);
        if let Some(head) = head {
            if !self.sync_head(&head)? {
                return Ok(false);
            }
            self.medium.sync()?;
        }
        if self.medium.form() == Form::Whole && !self.seals {
            self.durable = self.end;
            self.state = State::Good;
            return Ok(true);
        }
        let (end, torn_bytes) = (self.end, std::mem::take(&mut self.torn_bytes));
        let torn = { self.segments.last() }
            .filter(|_| torn_bytes > 0)
            .map(|it| it.name);
        self.leave_out_empty();
        let segment = self.own_segment(end, head.map(|_| end));
        match self.begin(segment, &segment.header()) {
            Err(error) if segment.form == Form::Whole && error.fault() == Some(Fault::Taken) => {
                return Ok(false);
            }
            begun => begun?,
        }
        self.state = State::Good;
        self.cut = torn.map(|name| Cut {
            place: self.medium.place(name),
            torn_bytes,
            end,
        });
        Ok(true)
    }

    /// Segments that were begun and never written are not gone on behind: one for each opening would stay
    /// for as long as what is before them is needed.
    fn leave_out_empty(&mut self) {
        let is_empty =
            |segment: &Segment| segment.form == Form::Growing && segment.end == segment.first;
        while self.segments.len() > 1
            && let Some(empty) = self.segments.pop_if(|last| is_empty(last))
        {
            self.superfluous.push(empty.name);
        }
    }

    /// The first segment of this writer.
    pub(crate) fn own_segment(&self, first: u64, follows: Option<u64>) -> Segment {
        Segment {
            is_seal: self.seals && self.medium.form() == Form::Whole,
            ..self.next_segment(first, follows, first)
        }
    }

    /// Brings what was found in the newest segment to the medium. False when that was removed meanwhile.
    fn sync_head(&self, head: &Segment) -> Result<bool, S::Error> {
        let Some(mut tail) = self.medium.tail(head.name)? else {
            return Ok(true);
        };
        let size = head.offset_of(head.end);
        if tail.size() >= size {
            // A writer that did not close the log may have failed to sync it, and an operating system that
            // has told of that once takes the bytes for written.
            match self.seals {
                true => tail.resync(size)?,
                false => tail.sync()?,
            }
            return Ok(true);
        }
        drop(tail);
        // Looking for it has made it again.
        self.remove_unborn(head.name)?;
        Ok(false)
    }

    /// Removes what is left of a segment that grows and whose making did not come to an end.
    pub(crate) fn remove_unborn(&self, name: Name) -> Result<(), S::Error> {
        if self.medium.form() == Form::Growing {
            match header::open(&self.medium, name) {
                Ok(opened) if matches!(opened.header, Header::Unborn) => {
                    self.medium.remove(name)?
                }
                Err(error) if error.fault() != Some(Fault::Gone) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
