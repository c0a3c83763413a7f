//! How long files that left the part list stay in the store for readers that could pin nothing.

use std::cell::RefCell;
use std::collections::VecDeque;

/// Views are remembered at most so often in the time that files stay.
const STEPS: u64 = 16;

/// When views were published.
pub(crate) struct Settling {
    grace_ms: u64,
    /// Times and versions, both ascending.
    published: RefCell<VecDeque<(u64, u64)>>,
}

impl Settling {
    pub(crate) fn new(grace_ms: u64) -> Self {
        Self {
            grace_ms,
            published: RefCell::default(),
        }
    }

    /// Notes a view.
    pub(crate) fn note(&self, now_ms: u64, version: u64) {
        if self.grace_ms == 0 {
            return;
        }
        let mut published = self.published.borrow_mut();
        // One that comes soon after another takes the place of those in between: files stay longer then, not
        // shorter.
        let before = { published.len().checked_sub(2) }.and_then(|at| published.get(at));
        let step = self.grace_ms / STEPS;
        if before.is_some_and(|(time, _)| now_ms.saturating_sub(*time) < step) {
            published.pop_back();
        }
        published.push_back((now_ms, version));
    }

    /// Files that left the list after this version stay.
    pub(crate) fn settled(&self, now_ms: u64) -> u64 {
        if self.grace_ms == 0 {
            return u64::MAX;
        }
        let mut published = self.published.borrow_mut();
        let is_settled = |(time, _): &(u64, u64)| now_ms.saturating_sub(*time) >= self.grace_ms;
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
        let settling = Settling::new(16);
        assert_eq!(settling.settled(0), 0);
        settling.note(0, 1);
        settling.note(5, 2);
        for (now, settled) in [(15, 0), (16, 1), (20, 1), (21, 2), (99, 2)] {
            assert_eq!(settling.settled(now), settled, "{now}");
        }
        // Many views do not keep each other from settling.
        let settling = Settling::new(1_600);
        for version in 0..10_000 {
            settling.note(version, version);
        }
        assert!(settling.published.borrow().len() < 200);
        let settled = settling.settled(10_000);
        assert!((8_000..=8_400).contains(&settled), "{settled}");
        assert_eq!(Settling::new(0).settled(0), u64::MAX);
    }
}
