//! The write-ahead log of an index: entries in one order, each a header and a body of bytes that
//! mean nothing here.
//!
//! A position is the number of bytes of all frames before it since the log began; it only grows,
//! across segments and reopening. The bytes of a frame are in `log/frame.rs`, those of a file in
//! `log/segment.rs`, what all files together are in `log/survey.rs`, and what is done after a crash in
//! `log/recovery.rs`.

use std::sync::Arc;

pub use sidx_engine::host::LogDurability;

pub use self::check::LogReport;
pub(crate) use self::check::check;
pub(crate) use self::segment::{DIRECTORY, Segment};

use self::read_ahead::ReadAhead;
use super::{AppendFile, ReadFile, Storage};
use crate::checksum;
use crate::error::{Error, ErrorKind, Result};

mod check;
mod frame;
mod opening;
mod read_ahead;
mod recovery;
mod segment;
mod survey;
#[cfg(test)]
mod tests;

/// A segment that has this many bytes of frames is followed by a new one: 64 MiB.
const SEGMENT_BYTES: u64 = 64 << 20;
/// From this size on, the newest segment is replaced when all of it was given up, so that the next
/// opening has little to scan: 1 MiB.
const WORTH_REPLACING_BYTES: u64 = 1 << 20;
/// A reader that finds a listed segment gone lists again: the writer removes old ones at any time.
const LISTING_ATTEMPTS: usize = 10;

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAccess {
    /// Reading: changes nothing and needs no lock. Sees what was there when it was opened.
    Read,
    /// Reading and appending: the caller holds [`Storage::lock`].
    Write,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where the next entry starts.
    pub next_position: u64,
    /// The first of the slices given to [`Log::append`].
    pub header: Vec<u8>,
    /// The second.
    pub body: Vec<u8>,
}

/// The log of one index.
pub struct Log {
    storage: Arc<dyn Storage>,
    /// Oldest first, each beginning where the one before ends.
    segments: Vec<Segment>,
    /// First positions of older files, whose entries are all given up.
    absorbed: Vec<u64>,
    /// First positions of files that count for nothing.
    leftovers: Vec<u64>,
    /// The newest segment, once it was appended to.
    newest: Option<Box<dyn AppendFile>>,
    /// The segment read last, by its first position.
    reading: Option<(u64, Arc<dyn ReadFile>)>,
    /// Position after the last entry.
    end: u64,
    /// Bytes behind it, when the log was opened, that are no whole entry.
    torn_bytes: u64,
    /// Everything before this position is on the medium.
    durable: u64,
    /// Entries before this position are given up.
    needed_from: u64,
    /// No segment reaches up to the end; the next entry begins one that follows nothing.
    is_detached: bool,
    segment_bytes: u64,
    state: State,
    /// First positions of damaged segments, which are kept when they are given up.
    damaged: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ReadOnly,
    Good,
    /// A write failed: what is in the newest segment is not known.
    Failed,
    /// Damaged, and open to be read as far as that goes.
    Damaged,
}

impl Log {
    /// Opens the log of an index; a new one has no files and ends at 0. It begins with its first segment;
    /// who knows from where on it is needed uses [`open_from`](Self::open_from).
    ///
    /// The newest segment is read and checked. With [`LogAccess::Write`] the torn end that a crash
    /// left is cut off and all the rest is synced; with [`LogAccess::Read`] the log just ends
    /// before it. `corrupt`, with file and offset, when a frame is damaged or a segment is missing.
    pub fn open(storage: Arc<dyn Storage>, access: LogAccess) -> Result<Self> {
        Self::open_needed(storage, access, None)
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
        Self::open_needed(storage, access, Some(needed_from))
    }

    fn open_needed(
        storage: Arc<dyn Storage>,
        access: LogAccess,
        needed_from: Option<u64>,
    ) -> Result<Self> {
        check_position(needed_from)?;
        let survey = survey::survey(storage.as_ref(), needed_from)?;
        survey.check_sound(access == LogAccess::Read)?;
        let mut log = Self::unopened(storage);
        log.needed_from = needed_from.unwrap_or(0);
        log.adopt(survey);
        if access == LogAccess::Write {
            log.prepare()?;
        }
        Ok(log)
    }

    fn unopened(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            segments: Vec::new(),
            absorbed: Vec::new(),
            leftovers: Vec::new(),
            newest: None,
            reading: None,
            end: 0,
            torn_bytes: 0,
            durable: 0,
            needed_from: 0,
            is_detached: false,
            segment_bytes: SEGMENT_BYTES,
            state: State::ReadOnly,
            damaged: Vec::new(),
        }
    }

    /// Opens the log of an index for writing, damaged or not, and reads all of it from a position on,
    /// or from its beginning: the report says which entries can be read. With damage the log takes no
    /// appends until [`drop_before`](Self::drop_before) of its end, which moves damaged segments to
    /// `quarantine/`, untouched.
    pub fn salvage(
        storage: Arc<dyn Storage>,
        needed_from: Option<u64>,
    ) -> Result<(Self, LogReport)> {
        check_position(needed_from)?;
        let survey = survey::survey(storage.as_ref(), needed_from)?;
        let report = check::salvage(&storage, &survey, needed_from.unwrap_or(0))?;
        let mut log = Self::unopened(storage);
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

    /// See [`LogReport::torn_bytes`].
    pub(crate) fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// What [`check`] reads, and from which position on.
    pub(crate) fn needed(&self) -> (Vec<Segment>, u64) {
        (self.segments.clone(), self.needed_from)
    }

    /// Appends entries in order, as one write; with [`LogDurability::Sync`] they, and all before
    /// them, are on the medium on return, with [`LogDurability::Os`] with the operating system.
    /// Returns the position after the last. Without entries it is a sync, or nothing.
    ///
    /// `invalid-argument` when an entry is larger than 1 GiB; nothing was changed then.
    /// `resource-exhausted` when the medium is full: what arrived was taken back, and the log goes on as
    /// if nothing had been tried. After any other error none of the entries counts, and the log refuses
    /// everything but reading until it is opened again.
    pub fn append(&mut self, entries: &[(&[u8], &[u8])], durability: LogDurability) -> Result<u64> {
        self.check_writable()?;
        for (header, body) in entries {
            frame::payload_bytes(header, body)?;
        }
        let full = |segment: &Segment| self.end - segment.first >= self.segment_bytes;
        if !entries.is_empty() && self.is_detached {
            let started = self.start_segment(self.end, None);
            self.bear_full(started)?;
        } else if !entries.is_empty() && self.segments.last().is_none_or(full) {
            let synced = self.sync_newest();
            self.fail_on_error(synced)?;
            let started = self.start_segment(self.end, Some(self.end));
            self.bear_full(started)?;
        }
        let written = self.write(entries);
        let end = self.bear_full(written)?;
        if durability == LogDurability::Sync && self.durable < end {
            let synced = self.newest_file().and_then(|file| file.sync());
            self.fail_on_error(synced)?;
            self.durable = end;
        }
        self.end = end;
        if let Some(segment) = self.segments.last_mut() {
            segment.end = end;
        }
        Ok(end)
    }

    /// Segments that are begun from now on have at most about so many bytes, and never more than usual.
    pub(crate) fn limit_segments(&mut self, bytes: u64) {
        self.segment_bytes = bytes.min(SEGMENT_BYTES);
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

    /// Reads the entry at a position that is 0 or was returned before; none at the end. `not-found`
    /// when it was given up, `invalid-argument` behind the end, `corrupt`, with file and offset,
    /// when what is there is not an entry or is damaged.
    pub fn read(&mut self, position: u64) -> Result<Option<LogEntry>> {
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
            let (place, start) = (self.storage.location(), self.start());
            return Err(Error::not_found(format!(
                "position {position} of the log of {place} was given up; it begins at {start}"
            )));
        };
        let offset = segment.offset_of(position);
        self.read_frame(&segment, position)
            .map(Some)
            .map_err(|error| match error.kind() {
                ErrorKind::Corrupt => {
                    let place = segment::place(self.storage.as_ref(), segment.first);
                    error.at(format!("{place}: offset {offset}"))
                }
                _ => error,
            })
    }

    /// A snapshot may have absorbed entries that a power loss took from the log, or that were
    /// appended after it was opened for reading. A reader misses nothing then; a writer must not
    /// use their positions again.
    fn behind_end(&self, position: u64) -> Result<Option<LogEntry>> {
        if self.state == State::ReadOnly {
            return Ok(None);
        }
        let (place, end) = (self.storage.location(), self.end);
        Err(Error::invalid(format!(
            "position {position} is behind the end of the log of {place}, which is {end}; if a \
             snapshot absorbed what was before it, drop the log before it first"
        )))
    }

    /// Gives up the entries before a position. Segments that end there or before are removed, never
    /// the newest; the rest may still be read. A position behind the end moves the end there: that
    /// is what a writer needs whose snapshot absorbed entries that a power loss took from the log,
    /// because their positions must not be used again.
    ///
    /// Room is made without a write where the medium has none left: the end moves all the same, and who
    /// opens the log again [from](Self::open_from) the position finds it there.
    pub fn drop_before(&mut self, position: u64) -> Result<()> {
        if self.state == State::Damaged {
            return self.set_aside(position);
        }
        self.check_writable()?;
        check_position(Some(position))?;
        let held = self
            .segments
            .last()
            .map_or(0, |segment| self.end - segment.first);
        let worth_replacing = held >= WORTH_REPLACING_BYTES.min(self.segment_bytes);
        if position > self.end || (position == self.end && worth_replacing) {
            self.begin_anew(position)?;
        }
        self.needed_from = self.needed_from.max(position);
        for first in std::mem::take(&mut self.absorbed) {
            self.storage.remove(&segment::path(first))?;
        }
        while let [oldest, _, ..] = self.segments.as_slice() {
            if oldest.end > position {
                break;
            }
            self.storage.remove(&segment::path(oldest.first))?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Begins a segment at a position before which nothing is needed. On a medium without any room there is
    /// none: what is left of the log goes all the same, which makes some, and who opens it from the position
    /// finds its end there.
    fn begin_anew(&mut self, position: u64) -> Result<()> {
        match self.start_segment(position, None) {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                self.newest = None;
                self.reading = None;
                (self.end, self.durable) = (position, position);
                self.is_detached = true;
                self.storage.remove(&segment::path(position))?;
                while let Some(oldest) = self.segments.first() {
                    self.storage.remove(&segment::path(oldest.first))?;
                    self.segments.remove(0);
                }
                Ok(())
            }
            result => self.fail_on_error(result),
        }
    }

    /// Moves the damaged segments to the quarantine and begins anew at a position, once nothing before
    /// it is needed.
    fn set_aside(&mut self, position: u64) -> Result<()> {
        if position < self.end {
            return Ok(());
        }
        for first in std::mem::take(&mut self.damaged) {
            let from = segment::path(first);
            let mut to = format!("quarantine/log-{first:016x}.log");
            let known = self.storage.list("quarantine")?;
            let taken = |path: &String| known.iter().any(|name| path.ends_with(name.as_str()));
            let mut number = 1;
            while taken(&to) {
                to = format!("quarantine/log-{first:016x}.{number}.log");
                number += 1;
            }
            self.storage.rename(&from, &to)?;
            self.segments.retain(|segment| segment.first != first);
            self.absorbed.retain(|absorbed| *absorbed != first);
            self.leftovers.retain(|leftover| *leftover != first);
        }
        self.reading = None;
        self.state = State::Good;
        let result = self.start_segment(position, None);
        self.fail_on_error(result)?;
        for first in std::mem::take(&mut self.leftovers) {
            if first != position {
                self.storage.remove(&segment::path(first))?;
            }
        }
        self.drop_before(position)
    }

    fn check_writable(&self) -> Result<()> {
        let place = self.storage.location();
        match self.state {
            State::Good => Ok(()),
            State::ReadOnly => Err(Error::invalid(format!(
                "the log of {place} was opened for reading; open the index for writing"
            ))),
            State::Damaged => Err(check::not_repaired(&place)),
            State::Failed => Err(Error::new(
                ErrorKind::Io,
                format!(
                    "the log of {place} failed before and takes no more writes; reopen the index"
                ),
            )),
        }
    }

    /// After a failed write nobody knows what is in the file: takes back what can be taken back,
    /// and lets no write follow.
    fn fail_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
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
    fn bear_full<T>(&mut self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
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

    /// Cuts everything behind the end off, and brings the rest to the medium.
    fn cut_back(&mut self) -> Result<()> {
        if let (Some(file), Some(segment)) = (&mut self.newest, self.segments.last()) {
            file.truncate(segment.offset_of(self.end))?;
            file.sync()?;
        }
        Ok(())
    }

    /// Appends frames to the newest segment and returns the position after the last.
    fn write(&mut self, entries: &[(&[u8], &[u8])]) -> Result<u64> {
        let mut bytes = Vec::new();
        let mut end = self.end;
        for &entry in entries {
            end = frame::encode(&mut bytes, end, self.durable, entry)?;
        }
        if !bytes.is_empty() {
            self.newest_file()?.append(&bytes)?;
        }
        Ok(end)
    }

    /// The newest segment, open for appending.
    fn newest_file(&mut self) -> Result<&mut Box<dyn AppendFile>> {
        if self.newest.is_none() {
            let first = self
                .segments
                .last()
                .map_or(self.end, |segment| segment.first);
            self.newest = Some(self.storage.append_file(&segment::path(first))?);
        }
        let lost = || Error::new(ErrorKind::Other, "the newest log segment is not open");
        self.newest.as_mut().ok_or_else(lost)
    }

    /// Brings everything to the medium.
    fn sync_newest(&mut self) -> Result<()> {
        if self.durable < self.end {
            self.newest_file()?.sync()?;
            self.durable = self.end;
        }
        Ok(())
    }

    /// Begins a segment at a position. It follows what is there and on the medium up to a position,
    /// or nothing, when everything before it is given up.
    fn start_segment(&mut self, first: u64, follows: Option<u64>) -> Result<()> {
        let mut file = self.storage.append_file(&segment::path(first))?;
        // One whose making was interrupted may be there.
        file.truncate(0)?;
        file.append(&segment::header(first, follows))?;
        file.sync()?;
        self.segments.push(Segment {
            first,
            follows,
            end: first,
        });
        self.newest = Some(file);
        self.end = first;
        self.durable = first;
        self.is_detached = false;
        Ok(())
    }

    fn read_frame(&mut self, segment: &Segment, position: u64) -> Result<LogEntry> {
        let file = self.reader(segment)?;
        let offset = segment.offset_of(position);
        let damaged = |what: &str| {
            Error::corrupt(format!(
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
        Ok(LogEntry {
            next_position: position + head.frame_bytes(),
            header,
            body,
        })
    }

    /// The segment open for reading, at a size that covers what it holds now.
    fn reader(&mut self, segment: &Segment) -> Result<Arc<dyn ReadFile>> {
        if let Some((first, file)) = &self.reading
            && *first == segment.first
            && file.size() >= segment.offset_of(segment.end)
        {
            return Ok(Arc::clone(file));
        }
        let file = self.storage.open(&segment::path(segment.first))?;
        let file: Arc<dyn ReadFile> =
            Arc::new(ReadAhead::new(file, segment.offset_of(segment.end)));
        self.reading = Some((segment.first, Arc::clone(&file)));
        Ok(file)
    }
}

/// Refuses a position that no log has.
fn check_position(position: Option<u64>) -> Result<()> {
    match position.filter(|position| *position > segment::MAX_POSITION) {
        Some(position) => Err(Error::invalid(format!(
            "no log has a position as large as {position}"
        ))),
        None => Ok(()),
    }
}
