//! Waiting after failures: what fails again and again is tried less and less often.

use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{ErrorKind, Result};
use crate::rate::Time;

/// The pause after the first failure; each further one in a row takes twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Work that begins by itself, and pauses after it failed. Who asks for the same work is not held up.
pub(crate) struct Backoff {
    time: Time,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    pause: Duration,
    /// When it may be tried again.
    until: Duration,
}

impl Backoff {
    pub(crate) fn new(time: Time) -> Self {
        Self {
            time,
            state: Mutex::default(),
        }
    }

    /// Does the work unless it has to pause; none then. Work that was stopped did not fail.
    pub(crate) fn attempt<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if !self.left().is_zero() {
            return Ok(None);
        }
        let done = work();
        match &done {
            Ok(_) => self.succeeded(),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Cancelled | ErrorKind::DeadlineExceeded
                ) => {}
            Err(_) => self.failed(),
        }
        done.map(Some)
    }

    /// The work was done, whoever asked for it.
    pub(crate) fn succeeded(&self) {
        *self.state.lock() = State::default();
    }

    fn failed(&self) {
        let mut state = self.state.lock();
        state.pause = match state.pause {
            Duration::ZERO => FIRST_PAUSE,
            pause => (pause * 2).min(LONGEST_PAUSE),
        };
        state.until = self.time.now().saturating_add(state.pause);
    }

    /// How much of a pause is left.
    pub(crate) fn left(&self) -> Duration {
        let state = *self.state.lock();
        match state.pause {
            Duration::ZERO => Duration::ZERO,
            _ => state.until.saturating_sub(self.time.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::rate::tests::Made;

    fn fail(backoff: &Backoff) -> bool {
        let failed = backoff.attempt(|| Err::<(), _>(Error::corrupt("a byte is wrong")));
        failed.is_err()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_first_success() {
        let clock = Made::default();
        let backoff = Backoff::new(Time::made(clock.clone()));
        let mut pause = FIRST_PAUSE;
        for _ in 0..12 {
            assert!(fail(&backoff));
            // Nothing is tried until the pause is over.
            assert_eq!(backoff.left(), pause);
            clock.advance(pause - Duration::from_millis(1));
            assert!(!fail(&backoff));
            clock.advance(Duration::from_millis(1));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        assert_eq!(backoff.attempt(|| Ok(7)).unwrap(), Some(7));
        assert!(fail(&backoff));
        assert_eq!(backoff.left(), FIRST_PAUSE);
        backoff.succeeded();
        assert_eq!(backoff.left(), Duration::ZERO);
    }

    #[test]
    fn what_was_stopped_did_not_fail() {
        let backoff = Backoff::new(Time::made(Made::default()));
        for kind in [ErrorKind::Cancelled, ErrorKind::DeadlineExceeded] {
            let stopped = backoff.attempt(|| Err::<(), _>(Error::new(kind, "stopped")));
            assert!(stopped.is_err());
            assert_eq!(backoff.left(), Duration::ZERO);
        }
    }
}
