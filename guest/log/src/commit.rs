//! Appending to a log: entries become frames, and frames go to the end of the newest segment, or are a
//! segment of their own.

use crate::check;
use crate::error::{Error, Fault, MediumError, Result};
use crate::frame;
use crate::log::{Durability, Log, SEGMENT_BYTES, State};
use crate::segment::Segment;
use crate::segments::{Form, Name, Segments, Tail};

impl<S: Segments> Log<S> {
    /// Appends entries in order, as one write; with [`Durability::Sync`] they, and all before
    /// them, are on the medium on return, with [`Durability::Os`] with the operating system. Where segments
    /// are made whole, the two are one.
    /// Returns the position after the last. Without entries it is a sync, or nothing.
    ///
    /// [`Error::Invalid`] when an entry is larger than 1 GiB; nothing was changed then. [`Error::Medium`]
    /// that says [`Fault::Full`] when the medium is: what arrived was taken back, and the log goes on as
    /// if nothing had been tried. [`Error::Overtaken`] when another writer has made the segment: then none of
    /// the entries counts. After any other error nobody knows whether they count until the log is opened
    /// again; nothing is taken back, and they are not read here. After both the log refuses everything but
    /// reading.
    ///
    /// Whatever happens, all entries of one write count, or none.
    ///
    /// Where segments grow, success says nothing about other writers: whoever may have been overtaken looks
    /// for that before it tells anybody.
    pub fn append(
        &mut self,
        entries: &[(&[u8], &[u8])],
        durability: Durability,
    ) -> Result<u64, S::Error> {
        self.check_writable()?;
        for (header, body) in entries {
            frame::payload_bytes(header, body)?;
        }
        match self.medium.form() {
            Form::Growing => self.grow(entries, durability),
            // Everything before is on the medium.
            Form::Whole if entries.is_empty() => Ok(self.end),
            Form::Whole => self.add(entries),
        }
    }

    /// Segments that are begun from now on have at most about so many bytes, and never more than usual.
    pub fn limit_segments(&mut self, bytes: u64) {
        self.segment_bytes = bytes.min(SEGMENT_BYTES);
    }

    /// Appends to the newest segment, or to one that is begun.
    fn grow(
        &mut self,
        entries: &[(&[u8], &[u8])],
        durability: Durability,
    ) -> Result<u64, S::Error> {
        // The name of an empty one is that of the next.
        let is_full = |segment: &Segment| {
            self.end > segment.first && self.end - segment.first >= self.segment_bytes
        };
        if !entries.is_empty() && self.is_detached {
            let started = self.start_segment(self.end, None);
            self.bear_full(started)?;
        } else if !entries.is_empty() && self.segments.last().is_none_or(is_full) {
            let synced = self.sync_up_to(self.end);
            self.fail_on_error(synced)?;
            let started = self.start_segment(self.end, Some(self.end));
            self.bear_full(started)?;
        }
        let written = self.write(entries);
        let end = self.bear_full(written)?;
        if durability == Durability::Sync {
            let synced = self.sync_up_to(end);
            self.fail_on_error(synced)?;
        }
        self.end = end;
        if let Some(segment) = self.segments.last_mut() {
            segment.end = end;
        }
        Ok(end)
    }

    /// Makes a segment of the entries.
    fn add(&mut self, entries: &[(&[u8], &[u8])]) -> Result<u64, S::Error> {
        let mut end = self.end;
        for (header, body) in entries {
            end += frame::HEAD_BYTES as u64 + u64::from(frame::payload_bytes(header, body)?);
        }
        let follows = (!self.is_detached).then_some(self.end);
        let segment = self.next_segment(self.end, follows, end);
        let mut bytes = segment.header();
        let mut position = self.end;
        for entry in entries {
            position = frame::encode(&mut bytes, position, self.durable, *entry, false)?;
        }
        let made = self.make(segment, &bytes);
        self.bear_full(made)?;
        Ok(end)
    }

    pub(crate) fn check_writable(&self) -> Result<(), S::Error> {
        let place = self.medium.location();
        match self.state {
            State::Good => Ok(()),
            State::ReadOnly => Err(Error::Invalid(format!(
                "the log of {place} was opened for reading; open the index for writing"
            ))),
            State::Damaged => Err(check::not_repaired(&place)),
            State::Failed => Err(Error::Failed(format!(
                "the log of {place} failed before and takes no more writes; reopen the index"
            ))),
        }
    }

    /// After a failed write nobody knows what is in the segment, and no write follows. Nothing is taken back:
    /// another opening may have found it, and counted what is whole. The outcome is known to nobody.
    pub(crate) fn fail_on_error<T>(&mut self, result: Result<T, S::Error>) -> Result<T, S::Error> {
        result.map_err(|error| {
            self.state = State::Failed;
            error.in_doubt()
        })
    }

    /// A medium that had no room left has taken a part of a write at most. Once that is taken back, and
    /// the medium has it so, the log is as it was. Otherwise as after any other failed write.
    fn bear_full<T>(&mut self, result: Result<T, S::Error>) -> Result<T, S::Error> {
        match result {
            Err(error) if error.fault() == Some(Fault::Full) => {
                if self.cut_back().is_err() {
                    self.state = State::Failed;
                    return Err(error.in_doubt());
                }
                self.durable = self.end;
                Err(error)
            }
            result => self.fail_on_error(result),
        }
    }

    /// Cuts everything behind the end off, and brings the rest to the medium. Of a segment that is made
    /// whole nothing is there after an error, or all.
    ///
    /// Another writer may take the log over at the same time. It cannot have counted what is cut off: the
    /// last frame of the write has not arrived whole, and without that none of it counts.
    fn cut_back(&mut self) -> Result<(), S::Error> {
        if let (Some(tail), Some(segment)) = (&mut self.tail, self.segments.last()) {
            tail.truncate(segment.offset_of(self.end))?;
            tail.sync()?;
        }
        Ok(())
    }

    /// Appends frames to the newest segment and returns the position after the last.
    fn write(&mut self, entries: &[(&[u8], &[u8])]) -> Result<u64, S::Error> {
        let mut bytes = Vec::new();
        let mut end = self.end;
        for (left, &entry) in (0..entries.len()).rev().zip(entries) {
            end = frame::encode(&mut bytes, end, self.durable, entry, left > 0)?;
        }
        if !bytes.is_empty() {
            self.open_tail()?.append(&bytes)?;
        }
        Ok(end)
    }

    /// The end of the newest segment, which must grow.
    fn open_tail(&mut self) -> Result<&mut S::Tail, S::Error> {
        let place = self.medium.location();
        let lost = || {
            Error::Failed(format!(
                "the newest segment of the log of {place} is not open"
            ))
        };
        self.tail.as_mut().ok_or_else(lost)
    }

    /// Brings everything before a position to the medium.
    fn sync_up_to(&mut self, position: u64) -> Result<(), S::Error> {
        if self.durable < position {
            self.open_tail()?.sync()?;
            self.durable = position;
        }
        Ok(())
    }

    /// Begins a segment at a position. It follows what is there and on the medium up to a position,
    /// or nothing, when everything before it is given up.
    pub(crate) fn start_segment(
        &mut self,
        first: u64,
        follows: Option<u64>,
    ) -> Result<(), S::Error> {
        let segment = self.next_segment(first, follows, first);
        self.make(segment, &segment.header())
    }

    /// The segment to be made now.
    pub(crate) fn next_segment(&self, first: u64, follows: Option<u64>, end: u64) -> Segment {
        let form = self.medium.form();
        let name = match form {
            Form::Growing => Name {
                number: first,
                term: self.term,
            },
            Form::Whole => Name {
                number: { self.newest }.map_or(0, |newest| newest.number.saturating_add(1)),
                term: None,
            },
        };
        let last = self.segments.last().map(|segment| segment.name);
        let names_previous = follows.is_some() && form == Form::Growing;
        Segment {
            name,
            form,
            term: self.term.unwrap_or_default(),
            first,
            follows,
            previous: last.filter(|_| names_previous),
            end,
            header_bytes: form.header_bytes() as u64,
            is_seal: false,
        }
    }

    /// Makes a segment of its bytes; the log ends with it.
    pub(crate) fn make(&mut self, segment: Segment, bytes: &[u8]) -> Result<(), S::Error> {
        match self.begin(segment, bytes) {
            Err(Error::Medium(error))
                if segment.form == Form::Whole && error.fault() == Fault::Taken =>
            {
                let place = self.medium.location();
                Err(Error::Overtaken(format!(
                    "another writer has gone on with the log of {place} ({error}); reopen the index"
                )))
            }
            result => result,
        }
    }

    /// As [`make`](Self::make), with the error of the medium when the name is taken.
    pub(crate) fn begin(&mut self, segment: Segment, bytes: &[u8]) -> Result<(), S::Error> {
        self.tail = match self.medium.begin(segment.name, bytes) {
            Err(error) if segment.form == Form::Growing && error.fault() == Fault::Full => {
                // It may have come as far as its header, and would be the newest of this writer. Nobody else
                // makes one of that name.
                let removed = self.medium.remove(segment.name);
                removed.map_err(|error| Error::from(error).in_doubt())?;
                return Err(error.into());
            }
            begun => begun?,
        };
        self.segments.push(segment);
        self.newest = Some(segment.name);
        self.head_term = Some(segment.term);
        self.end = segment.end;
        self.durable = segment.end;
        self.is_detached = false;
        Ok(())
    }
}
