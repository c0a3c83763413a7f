//! Checking every frame of a log, and finding what can be read of a damaged one.

use std::ops::Range;

use crate::error::{Error, Fault, MediumError, Result};
use crate::frame;
use crate::header::{self, Header, Opened};
use crate::read_ahead::ReadAhead;
use crate::recovery::find_later;
use crate::segment::Segment;
use crate::segments::{Name, Reader, Segments};
use crate::survey::{DamageKind, Survey};
use crate::term::Term;

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that can be read.
    pub entries: u64,
    /// Stretches of such entries: the position of the first, and the one after the last. Ascending.
    pub spans: Vec<(u64, u64)>,
    /// What is damaged, with file and offset. A torn end is none.
    pub damage: Vec<String>,
    /// Bytes behind the last entry that are no whole one, when the log was opened to read: what a crash
    /// in the midst of a write leaves, or the newest entry with damage in it. Nothing tells one from the
    /// other.
    pub torn_bytes: u64,
    /// The highest term of any segment that was seen; of one whose header is damaged, that of its name. Told
    /// by [`Log::salvage`](crate::Log::salvage) only.
    pub term: Term,
    /// The segments that are damaged.
    pub(crate) damaged: Vec<Name>,
}

impl Report {
    fn found(&mut self, name: Name, problem: String) {
        self.damage.push(problem);
        if !self.damaged.contains(&name) {
            self.damaged.push(name);
        }
    }

    fn entry(&mut self, start: u64, end: u64) {
        self.entries += 1;
        match self.spans.last_mut() {
            Some((_, last)) if *last == start => *last = end,
            _ => self.spans.push((start, end)),
        }
    }
}

/// What is needed of a log, as it was when [`Log::needed`](crate::Log::needed) was called.
#[derive(Clone, Debug)]
pub struct Needed {
    pub(crate) segments: Vec<Segment>,
    /// Entries before this position are not.
    pub(crate) from: u64,
    pub(crate) torn_bytes: u64,
}

impl Needed {
    /// Reads and checks every entry; the log may go on meanwhile. A segment that is gone by now was given
    /// up.
    pub fn check<S: Segments>(&self, medium: &S) -> Result<Report, S::Error> {
        let mut report = Report {
            torn_bytes: self.torn_bytes,
            ..Report::default()
        };
        for segment in self.segments.iter().filter(|it| it.end > self.from) {
            let Opened { reader, header, .. } = match header::open(medium, segment.name) {
                Ok(opened) => opened,
                Err(error) if error.fault() == Some(Fault::Gone) => continue,
                Err(error) => return Err(error),
            };
            let place = medium.place(segment.name);
            match header {
                Header::Good(_) if !header::is_same(&reader, segment)? => continue,
                Header::Good(_) => {}
                Header::Bad(problem) | Header::Newer(problem) => {
                    report.found(segment.name, problem);
                }
                Header::Unborn => {
                    let problem =
                        format!("{place}: offset 0: the log segment has no header any more");
                    report.found(segment.name, problem);
                }
            }
            let offsets = segment.offset_of(self.from)..segment.offset_of(segment.end);
            let file = ReadAhead::new(reader, offsets.end);
            scan(&place, &file, segment, offsets, &mut report)?;
        }
        Ok(report)
    }
}

/// Reads what can be read of the log that a survey found, from a position on.
pub(crate) fn salvage<S: Segments>(
    medium: &S,
    survey: &Survey,
    needed_from: u64,
) -> Result<Report, S::Error> {
    let mut report = Report {
        term: survey.term,
        ..Report::default()
    };
    // A bad frame is met again below.
    let (frames, segments): (Vec<_>, Vec<_>) =
        { survey.damage.iter() }.partition(|damage| damage.kind == DamageKind::Frame);
    for damage in segments {
        report.found(damage.name, damage.problem.clone());
    }
    for segment in survey.segments.iter().filter(|it| it.end > needed_from) {
        let file = medium.open(segment.name)?;
        // What is behind the end of a sound segment is torn; behind damage entries may follow.
        let end = match frames.iter().any(|damage| damage.name == segment.name) {
            true => file.size(),
            false => segment.offset_of(segment.end),
        };
        let offsets = segment.offset_of(needed_from)..end;
        let place = medium.place(segment.name);
        scan(&place, &file, segment, offsets, &mut report)?;
    }
    Ok(report)
}

/// Reads the frames of a segment up to an offset; behind a bad one it goes on with the next good one.
fn scan<R: Reader>(
    place: &str,
    file: &R,
    segment: &Segment,
    offsets: Range<u64>,
    report: &mut Report,
) -> Result<(), R::Error> {
    let size = file.size();
    if size < offsets.end {
        let wanted = offsets.end;
        let problem = format!("{place}: it has {size} bytes, {wanted} were written");
        report.found(segment.name, problem);
    }
    let end = offsets.end.min(size);
    let mut offset = offsets.start;
    while offset < end {
        let position = segment.position_at(offset);
        if let Some(head) = frame::verify(file, offset, end, position)? {
            let next = offset + head.frame_bytes();
            report.entry(position, segment.position_at(next));
            offset = next;
            continue;
        }
        let problem = format!(
            "{place}: offset {offset}: the entry at position {position} of the log fails its check"
        );
        report.found(segment.name, problem);
        match find_later(file, segment, offset)? {
            Some(later) if later.first_offset < end => offset = later.first_offset,
            _ => break,
        }
    }
    Ok(())
}

/// The error for someone who wants to change a log that is being salvaged.
pub(crate) fn not_repaired<M: MediumError>(place: &str) -> Error<M> {
    Error::Damaged(format!(
        "the log of {place} is damaged and takes no writes; repair the index"
    ))
}
