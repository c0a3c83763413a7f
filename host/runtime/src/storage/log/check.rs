//! Checking every frame of a log, and finding what can be read of a damaged one.

use std::ops::Range;
use std::sync::Arc;

use super::frame;
use super::read_ahead::ReadAhead;
use super::recovery::find_later;
use super::segment::{self, HEADER_BYTES, Header, Segment};
use super::survey::{DamageKind, Survey};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{ReadFile, Storage};

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Entries that can be read.
    pub entries: u64,
    /// Stretches of such entries: the position of the first, and the one after the last. Ascending.
    pub spans: Vec<(u64, u64)>,
    /// What is damaged, with file and offset. A torn end is none.
    pub damage: Vec<String>,
    /// Bytes behind the last entry that are no whole one, when the log was opened to read: what a crash
    /// in the midst of a write leaves, or the newest entry with damage in it; nothing tells which.
    pub torn_bytes: u64,
    /// First positions of the segments that are damaged.
    pub(super) damaged: Vec<u64>,
}

impl LogReport {
    fn found(&mut self, first: u64, problem: String) {
        self.damage.push(problem);
        if !self.damaged.contains(&first) {
            self.damaged.push(first);
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

/// Reads every needed frame of segments that were open a moment ago. One that is gone by now was given
/// up.
pub(crate) fn check(
    storage: &Arc<dyn Storage>,
    segments: &[Segment],
    needed_from: u64,
) -> Result<LogReport> {
    let mut report = LogReport::default();
    for segment in segments.iter().filter(|it| it.end > needed_from) {
        let (file, header) = match segment::open(storage.as_ref(), segment.first) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match header {
            Header::Good { .. } => {}
            Header::Bad(error) => report.found(segment.first, error.message().to_owned()),
            Header::Unborn => {
                let place = segment::place(storage.as_ref(), segment.first);
                let problem = format!("{place}: offset 0: the log segment has no header any more");
                report.found(segment.first, problem);
            }
        }
        let offsets = segment.offset_of(needed_from)..segment.offset_of(segment.end);
        let place = segment::place(storage.as_ref(), segment.first);
        let file = ReadAhead::new(file, offsets.end);
        scan(&place, &file, segment, offsets, &mut report)?;
    }
    Ok(report)
}

/// Reads what can be read of the log that a survey found, from a position on.
pub(super) fn salvage(
    storage: &Arc<dyn Storage>,
    survey: &Survey,
    needed_from: u64,
) -> Result<LogReport> {
    let mut report = LogReport::default();
    // A bad frame is met again below.
    let (frames, files): (Vec<_>, Vec<_>) =
        { survey.damage.iter() }.partition(|damage| damage.kind == DamageKind::Frame);
    for damage in files {
        report.found(damage.first, damage.problem.clone());
    }
    for segment in &survey.segments {
        let file = storage.open(&segment::path(segment.first))?;
        // What is behind the end of a sound segment is torn; behind damage entries may follow.
        let end = match frames.iter().any(|damage| damage.first == segment.first) {
            true => file.size(),
            false => segment.offset_of(segment.end),
        };
        let offsets = segment.offset_of(needed_from)..end;
        let place = segment::place(storage.as_ref(), segment.first);
        scan(&place, file.as_ref(), segment, offsets, &mut report)?;
    }
    Ok(report)
}

/// Reads the frames of a segment up to an offset; behind a bad one it goes on with the next good one.
fn scan(
    place: &str,
    file: &dyn ReadFile,
    segment: &Segment,
    offsets: Range<u64>,
    report: &mut LogReport,
) -> Result<()> {
    let size = file.size();
    if size < offsets.end {
        let wanted = offsets.end;
        let problem = format!("{place}: it has {size} bytes, {wanted} were written");
        report.found(segment.first, problem);
    }
    let end = offsets.end.min(size);
    let position = |offset: u64| segment.first + (offset - HEADER_BYTES as u64);
    let mut offset = offsets.start;
    while offset < end {
        if let Some(head) = frame::verify(file, offset, end, position(offset))? {
            let next = offset + head.frame_bytes();
            report.entry(position(offset), position(next));
            offset = next;
            continue;
        }
        let problem = format!(
            "{place}: offset {offset}: the entry at position {} of the log fails its check",
            position(offset)
        );
        report.found(segment.first, problem);
        match find_later(file, segment, offset)? {
            Some(later) if later.first_offset < end => offset = later.first_offset,
            _ => break,
        }
    }
    Ok(())
}

/// The error for someone who wants to change a log that is being salvaged.
pub(super) fn not_repaired(place: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the log of {place} is damaged and takes no writes; repair the index"),
    )
}
