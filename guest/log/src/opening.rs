//! Opening a log: taking over what the survey of its segments found, and, for a writer, cutting what is torn.

use crate::error::Result;
use crate::log::{Cut, Log, State};
use crate::segments::{Segments, Tail};
use crate::survey::Survey;

impl<S: Segments> Log<S> {
    /// Goes on from what was found.
    pub(crate) fn adopt(&mut self, survey: Survey) {
        self.end = survey.end;
        self.torn_bytes = survey.torn_bytes;
        self.is_detached = survey.is_detached;
        self.segments = survey.segments;
        self.absorbed = survey.absorbed;
        self.leftovers = survey.leftovers;
        self.newest = survey.newest;
    }

    /// Makes the log fit for appending: removes what was given up or never came to be, cuts the
    /// torn end, and brings the rest to the medium, so that from now on it counts as durable.
    pub(crate) fn prepare(&mut self) -> Result<(), S::Error> {
        self.state = State::Good;
        for name in std::mem::take(&mut self.leftovers) {
            self.medium.remove(name)?;
        }
        let Some(newest) = self.segments.last().copied() else {
            self.durable = self.end;
            return Ok(());
        };
        let wanted = newest.offset_of(newest.end);
        let mut torn_bytes = 0;
        if let Some(tail) = self.tail()? {
            torn_bytes = tail.size().saturating_sub(wanted);
            if torn_bytes > 0 {
                tail.truncate(wanted)?;
            }
            tail.sync()?;
        }
        self.medium.sync()?;
        self.durable = self.end;
        self.torn_bytes = 0;
        if torn_bytes > 0 {
            self.cut = Some(Cut {
                place: self.medium.place(newest.name),
                torn_bytes,
                end: self.end,
            });
        }
        if self.is_detached {
            // Nothing is ever appended to it again.
            self.tail = None;
        }
        Ok(())
    }
}
