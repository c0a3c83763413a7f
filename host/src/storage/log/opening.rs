//! Opening a log: finding its segments and where it ends, and, for a writer, cutting what is torn.

use super::segment::{self, DIRECTORY, Segment};
use super::{LISTING_ATTEMPTS, Log, recovery};
use crate::error::{Error, ErrorKind, Result};

impl Log {
    /// Finds the segments and the end. Changes nothing in the storage.
    pub(super) fn load(&mut self) -> Result<()> {
        let mut attempt = 1;
        loop {
            match self.load_listed() {
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < LISTING_ATTEMPTS => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn load_listed(&mut self) -> Result<()> {
        let storage = self.storage.as_ref();
        let firsts = segment::list(storage)?;
        let mut segments: Vec<Segment> = Vec::new();
        let mut newest = None;
        let mut unborn = None;
        for &first in &firsts {
            let (file, segment) = segment::open(storage, first)?;
            match segment {
                Some(segment) => {
                    self.check_follows(segments.last(), &segment)?;
                    if segment.follows.is_none() {
                        segments.clear();
                    }
                    segments.push(segment);
                    newest = Some(file);
                }
                None if firsts.last() == Some(&first) => unborn = Some(first),
                None => {
                    let place = segment::place(storage, first);
                    return Err(Error::corrupt(format!(
                        "{place}: offset 0: the log segment has no header, but newer ones follow; \
                         restore the file from a backup"
                    )));
                }
            }
        }
        if let (Some(file), Some(segment)) = (newest, segments.last_mut()) {
            let place = || segment::place(storage, segment.first);
            segment.end = recovery::find_end(file.as_ref(), segment).map_err(|e| e.at(place()))?;
        }
        let end = segments.last().map(|segment| segment.end);
        self.end = end.or(unborn).unwrap_or(0);
        self.segments = segments;
        Ok(())
    }

    /// Fails with `corrupt` when something is missing between two segments.
    fn check_follows(&self, before: Option<&Segment>, segment: &Segment) -> Result<()> {
        let Some(follows) = segment.follows else {
            return Ok(());
        };
        let end = before.map_or(follows, |before| before.end);
        if end == follows && follows == segment.first {
            return Ok(());
        }
        let place = segment::place(self.storage.as_ref(), segment.first);
        Err(Error::corrupt(format!(
            "{place}: the log segment follows position {follows}, but the one before it ends at \
             {end}; a file was removed or cut; restore it from a backup"
        )))
    }

    /// Makes the log fit for appending: removes what was given up or never came to be, cuts the
    /// torn end, and brings the rest to the medium, so that from now on it counts as durable.
    pub(super) fn repair(&mut self) -> Result<()> {
        let Some(newest) = self.segments.last().copied() else {
            self.durable = self.end;
            return Ok(());
        };
        let kept: Vec<u64> = self.segments.iter().map(|segment| segment.first).collect();
        for first in segment::list(self.storage.as_ref())? {
            if !kept.contains(&first) {
                self.storage.remove(&segment::path(first))?;
            }
        }
        let wanted = newest.offset_of(newest.end);
        let file = self.newest_file()?;
        let torn = file.size().saturating_sub(wanted);
        if torn > 0 {
            file.truncate(wanted)?;
        }
        file.sync()?;
        self.storage.sync(DIRECTORY)?;
        self.durable = self.end;
        if torn > 0 {
            let log = segment::place(self.storage.as_ref(), newest.first);
            tracing::warn!(
                log,
                torn_bytes = torn,
                end = self.end,
                "cut a torn write off the log"
            );
        }
        Ok(())
    }
}
