//! Opening a log: taking over what the survey of its files found, and, for a writer, cutting what is torn.

use super::segment::{self, DIRECTORY};
use super::survey::Survey;
use super::{Log, State};
use crate::error::Result;

impl Log {
    /// Goes on from what was found.
    pub(super) fn adopt(&mut self, survey: Survey) {
        self.end = survey.end;
        self.torn_bytes = survey.torn_bytes;
        self.is_detached = survey.is_detached;
        self.segments = survey.segments;
        self.absorbed = survey.absorbed;
        self.leftovers = survey.leftovers;
    }

    /// Makes the log fit for appending: removes what was given up or never came to be, cuts the
    /// torn end, and brings the rest to the medium, so that from now on it counts as durable.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.state = State::Good;
        for first in std::mem::take(&mut self.leftovers) {
            self.storage.remove(&segment::path(first))?;
        }
        let Some(newest) = self.segments.last().copied() else {
            self.durable = self.end;
            return Ok(());
        };
        let wanted = newest.offset_of(newest.end);
        let file = self.newest_file()?;
        let torn = file.size().saturating_sub(wanted);
        if torn > 0 {
            file.truncate(wanted)?;
        }
        file.sync()?;
        self.storage.sync(DIRECTORY)?;
        self.durable = self.end;
        self.torn_bytes = 0;
        if torn > 0 {
            let log = segment::place(self.storage.as_ref(), newest.first);
            tracing::warn!(
                log,
                torn_bytes = torn,
                end = self.end,
                "cut a torn write off the log"
            );
        }
        if self.is_detached {
            // Nothing is ever appended to it again.
            self.newest = None;
        }
        Ok(())
    }
}
