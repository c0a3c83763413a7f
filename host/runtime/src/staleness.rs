//! How an index that is only read keeps up with whoever writes it, in this process or another.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::Result;
use crate::open::Open;
use crate::session::CallLimits;
use crate::storage::LogForm;

/// How old what a query reads of an index may be that was opened with
/// [`read_only`](crate::IndexBuilder::read_only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Staleness {
    /// Every write that was acknowledged when the query begins is seen. Costs a look at the store for each
    /// query: in a bucket one request; in a directory some listings.
    Latest,
    /// A write that was acknowledged at least this long before the query begins is seen. The first query
    /// after that time looks at the store as for [`Latest`](Self::Latest), and the others do not.
    AtMost(Duration),
    /// What was there when the index was opened, always.
    Opened,
}

impl Default for Staleness {
    /// At most a second.
    fn default() -> Self {
        Self::AtMost(Duration::from_secs(1))
    }
}

/// After so long a reader looks for newer snapshots whatever its pin says, so that what it keeps in the store
/// does not become old.
const PIN_MOVES: Duration = Duration::from_secs(10);

/// When a reader looked last.
pub(crate) struct Looks {
    state: Mutex<State>,
}

struct State {
    /// When the last look began that came to its end.
    looked: Instant,
    /// The same of one for snapshots.
    looked_for_epochs: Instant,
}

impl Looks {
    /// Of an index that was opened from a moment on.
    pub(crate) fn since(opened: Instant) -> Self {
        let state = State {
            looked: opened,
            looked_for_epochs: opened,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl Staleness {
    /// Whether what was seen at a time is new enough for who asks now.
    fn bears(self, seen: Instant, now: Instant) -> bool {
        match self {
            Self::Latest => seen >= now,
            Self::AtMost(age) => now.saturating_duration_since(seen) <= age,
            Self::Opened => true,
        }
    }
}

impl Open {
    /// Before a query: brings what is read up to date, as far as the index was opened for that.
    pub(crate) fn keep_up(&self, limits: &CallLimits) -> Result<()> {
        let staleness = self.settings().staleness;
        if !self.is_read_only() || staleness == Staleness::Opened {
            return Ok(());
        }
        let asked = Instant::now();
        let mut state = limits.wait_for(&self.looks().state)?;
        if staleness.bears(state.looked, asked) {
            return Ok(());
        }
        let begun = Instant::now();
        let shared = self.shared();
        let is_old = begun.saturating_duration_since(state.looked_for_epochs) >= PIN_MOVES;
        // Only where commits have names that a pin keeps taken one look at the next is enough.
        let mut epochs = is_old
            || shared.storage.log_form() == LogForm::Growing
            || shared.pinned.is_impossible();
        self.writer().refresh(limits, epochs)?;
        if !epochs && !shared.pinned.is_held() {
            epochs = true;
            self.writer().refresh(limits, epochs)?;
        }
        state.looked = begun;
        if epochs {
            state.looked_for_epochs = begun;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_as_old_as_the_look_at_it() {
        let second = Duration::from_secs(1);
        let seen = Instant::now();
        let later = seen + second;
        assert!(Staleness::Latest.bears(later, later));
        assert!(!Staleness::Latest.bears(seen, later));
        assert!(Staleness::AtMost(second).bears(seen, later));
        assert!(!Staleness::AtMost(second).bears(seen, later + Duration::from_nanos(1)));
        assert!(Staleness::Opened.bears(seen, later + second));
    }
}
