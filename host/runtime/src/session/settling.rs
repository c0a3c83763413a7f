//! How long files that left the part list stay in the store for readers that could pin nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Views are remembered at most so often in the time that files stay.
const STEPS: u32 = 16;

/// When views were published.
pub(crate) struct Settling {
    grace: Duration,
    /// Times and versions, both ascending.
    published: Mutex<VecDeque<(Instant, u64)>>,
}

impl Settling {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            published: Mutex::default(),
        }
    }

    /// Notes a view.
    pub(crate) fn note(&self, version: u64) {
        self.note_at(Instant::now(), version);
    }

    fn note_at(&self, now: Instant, version: u64) {
        if self.grace.is_zero() {
            return;
        }
        let mut published = self.published.lock();
        // One that comes soon after another takes the place of those in between: files stay longer then, not
        // shorter.
        let before = published
            .len()
            .checked_sub(2)
            .and_then(|at| published.get(at));
        let is_soon = before
            .is_some_and(|(time, _)| now.saturating_duration_since(*time) < self.grace / STEPS);
        if is_soon {
            published.pop_back();
        }
        published.push_back((now, version));
    }

    /// Files that left the list after this version stay.
    pub(crate) fn settled(&self) -> u64 {
        self.settled_at(Instant::now())
    }

    fn settled_at(&self, now: Instant) -> u64 {
        if self.grace.is_zero() {
            return u64::MAX;
        }
        let mut published = self.published.lock();
        let is_settled =
            |(time, _): &(Instant, u64)| now.saturating_duration_since(*time) >= self.grace;
        while published.get(1).is_some_and(is_settled) {
            published.pop_front();
        }
        { published.front() }
            .filter(|first| is_settled(first))
            .map_or(0, |(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_settled_when_its_time_has_passed_and_not_before() {
        let second = Duration::from_secs(1);
        let settling = Settling::new(16 * second);
        let start = Instant::now();
        let at = |seconds: u32| start + second * seconds;
        assert_eq!(settling.settled_at(at(0)), 0);
        settling.note_at(at(0), 1);
        settling.note_at(at(5), 2);
        for (seconds, settled) in [(15, 0), (16, 1), (20, 1), (21, 2), (99, 2)] {
            assert_eq!(settling.settled_at(at(seconds)), settled, "{seconds}");
        }
        // Many views do not keep each other from settling.
        let settling = Settling::new(16 * second);
        for version in 0..10_000 {
            settling.note_at(start + second * version / 100, u64::from(version));
        }
        assert!(settling.published.lock().len() < 200);
        let settled = settling.settled_at(at(100));
        assert!((8_000..=8_400).contains(&settled), "{settled}");
        assert_eq!(Settling::new(Duration::ZERO).settled(), u64::MAX);
    }
}
