//! Checking every frame of a log, and finding what can be read of a damaged one.

use std::sync::Arc;

use super::frame;
use super::recovery::{find_end, find_later};
use super::segment::{self, HEADER_BYTES, Segment};
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
    /// First positions of the segments that are damaged.
    pub(super) damaged: Vec<u64>,
}

impl LogReport {
    fn found(&mut self, first: u64, problem: String) {
        self.damage.push(problem);
        if self.damaged.last() != Some(&first) {
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

/// Reads every frame of segments that were open a moment ago. One that is gone by now was given up.
pub(crate) fn check(storage: &Arc<dyn Storage>, segments: &[Segment]) -> Result<LogReport> {
    let mut report = LogReport::default();
    for segment in segments {
        let file = match storage.open(&segment::path(segment.first)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let end = segment.offset_of(segment.end);
        scan(storage.as_ref(), file.as_ref(), segment, end, &mut report)?;
    }
    Ok(report)
}

/// Reads what can be read of a log that cannot be opened, and says what its segments are.
pub(super) fn salvage(storage: &dyn Storage) -> Result<(LogReport, Vec<Segment>)> {
    let mut report = LogReport::default();
    let mut segments: Vec<Segment> = Vec::new();
    let firsts = segment::list(storage)?;
    for &first in &firsts {
        let place = segment::place(storage, first);
        let file = storage.open(&segment::path(first))?;
        let opened = match segment::open(storage, first) {
            Ok((_, segment)) => segment,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                report.found(first, error.to_string());
                let bytes = file.size().saturating_sub(HEADER_BYTES as u64);
                // Its name says where it begins.
                Some(Segment {
                    first,
                    follows: Some(first),
                    end: first.saturating_add(bytes),
                })
            }
            Err(error) => return Err(error),
        };
        let Some(segment) = opened else {
            if firsts.last() != Some(&first) {
                let problem =
                    format!("{place}: the log segment has no header, but newer ones follow");
                report.found(first, problem);
            }
            continue;
        };
        if segment.follows.is_none() {
            // What is left of earlier ones was given up.
            (report, segments) = (LogReport::default(), Vec::new());
        }
        let before = segments.last().map(|segment| segment.end);
        if let (Some(follows), Some(before)) = (segment.follows, before)
            && follows > before
        {
            let problem = format!(
                "{place}: it follows position {follows}, but the one before ends at {before}"
            );
            report.found(first, problem);
        }
        let is_newest = firsts.last() == Some(&first);
        let end = match is_newest.then(|| find_end(file.as_ref(), &segment)) {
            Some(Ok(end)) => segment.offset_of(end),
            _ => file.size(),
        };
        scan(storage, file.as_ref(), &segment, end, &mut report)?;
        segments.push(segment);
    }
    Ok((report, segments))
}

/// Reads the frames of a segment up to an offset; behind a bad one it goes on with the next good one.
fn scan(
    storage: &dyn Storage,
    file: &dyn ReadFile,
    segment: &Segment,
    end: u64,
    report: &mut LogReport,
) -> Result<()> {
    let size = file.size();
    if size < end {
        let place = segment::place(storage, segment.first);
        let problem = format!("{place}: it has {size} bytes, {end} were written");
        report.found(segment.first, problem);
    }
    let end = end.min(size);
    let position = |offset: u64| segment.first + (offset - HEADER_BYTES as u64);
    let mut offset = HEADER_BYTES as u64;
    while offset < end {
        if let Some(head) = frame::verify(file, offset, end, position(offset))? {
            let next = offset + head.frame_bytes();
            report.entry(position(offset), position(next));
            offset = next;
            continue;
        }
        let place = segment::place(storage, segment.first);
        let problem = format!(
            "{place}: offset {offset}: the entry at position {} of the log fails its check",
            position(offset)
        );
        report.found(segment.first, problem);
        match find_later(file, segment, offset)? {
            Some(later) => offset = later.first_offset,
            None => break,
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
