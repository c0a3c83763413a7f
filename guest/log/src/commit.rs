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
    /// if nothing had been tried. After any other error none of the entries counts, and the log refuses
    /// everything but reading until it is opened again.
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
        let full = |segment: &Segment| self.end - segment.first >= self.segment_bytes;
        if !entries.is_empty() && self.is_detached {
            let started = self.start_segment(self.end, None);
            self.bear_full(started)?;
        } else if !entries.is_empty() && self.segments.last().is_none_or(full) {
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
            position = frame::encode(&mut bytes, position, self.durable, *entry)?;
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

    /// After a failed write nobody knows what is in the segment: takes back what can be taken back,
    /// and lets no write follow.
    pub(crate) fn fail_on_error<T>(&mut self, result: Result<T, S::Error>) -> Result<T, S::Error> {
        result.map_err(|error| {
            self.state = State::Failed;
            // Best effort. If it fails too, the next opening may find entries that were reported as
            // failed, which an outcome unknown to everybody allows.
            let _ = self.cut_back();
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
        for &entry in entries {
            end = frame::encode(&mut bytes, end, self.durable, entry)?;
        }
        if !bytes.is_empty() {
            self.open_tail()?.append(&bytes)?;
        }
        Ok(end)
    }

    /// The end of the newest segment; none when there is no segment, or it does not grow.
    pub(crate) fn tail(&mut self) -> Result<Option<&mut S::Tail>, S::Error> {
        if let (None, Some(newest)) = (&self.tail, self.segments.last()) {
            self.tail = self.medium.tail(newest.name)?;
        }
        Ok(self.tail.as_mut())
    }

    /// The end of the newest segment, which must grow.
    fn open_tail(&mut self) -> Result<&mut S::Tail, S::Error> {
        let place = self.medium.location();
        let lost = || {
            Error::Failed(format!(
                "the newest segment of the log of {place} is not open"
            ))
        };
        self.tail()?.ok_or_else(lost)
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
    fn next_segment(&self, first: u64, follows: Option<u64>, end: u64) -> Segment {
        let form = self.medium.form();
        let name = match (form, self.newest) {
            (Form::Growing, _) => Name(first),
            (Form::Whole, Some(newest)) => Name(newest.0.saturating_add(1)),
            (Form::Whole, None) => Name(0),
        };
        Segment {
            name,
            form,
            first,
            follows,
            end,
        }
    }

    /// Makes a segment of its bytes; the log ends with it.
    fn make(&mut self, segment: Segment, bytes: &[u8]) -> Result<(), S::Error> {
        self.tail = match self.medium.begin(segment.name, bytes) {
            Err(error) if segment.form == Form::Whole && error.fault() == Fault::Taken => {
                return Err(Error::Overtaken(format!(
                    "another writer has gone on with the log ({error}); reopen the index"
                )));
            }
            begun => begun?,
        };
        self.segments.push(segment);
        self.newest = Some(segment.name);
        self.end = segment.end;
        self.durable = segment.end;
        self.is_detached = false;
        Ok(())
    }
}
