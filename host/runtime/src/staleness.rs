//! How an index that is only read keeps up with whoever writes it, in this process or another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How old what a query reads of an index may be that was opened with
/// [`read_only`](crate::IndexBuilder::read_only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Staleness {
    /// Every write that was acknowledged when the query begins is seen, of durability `os` or `sync`:
    /// others are with the next look for snapshots, and so is what a retention, a repair and a drop have
    /// done. Costs a look at the store for each query: in a bucket one request; in a directory some listings.
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

/// When a reader looked last.
pub(crate) struct Looks {
    pub(crate) state: Mutex<State>,
    is_under_way: AtomicBool,
}

pub(crate) struct State {
    /// When the last look began that came to its end.
    pub(crate) looked: Instant,
    /// The same of one for snapshots.
    pub(crate) looked_for_epochs: Instant,
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
            is_under_way: AtomicBool::new(false),
        }
    }

    /// Begins a look that others need not begin too, unless one is under way.
    pub(crate) fn begin(&self) -> bool {
        !self.is_under_way.swap(true, Ordering::AcqRel)
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.is_under_way.store(false, Ordering::Release);
    }
}

impl Staleness {
    /// Whether what was seen at a time is new enough for who asks now.
    pub(crate) fn bears(self, seen: Instant, now: Instant) -> bool {
        match self {
            Self::Latest => seen >= now,
            Self::AtMost(age) => now.saturating_duration_since(seen) <= age,
            Self::Opened => true,
        }
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
