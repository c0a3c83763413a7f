//! Waiting after failures: what fails again and again is tried less and less often.

use std::time::{Duration, Instant};

/// The pause after the first failure; each further one in a row takes twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A pause of work that begins by itself; none until it fails.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pause {
    time: Duration,
    until: Option<Instant>,
}

impl Pause {
    /// The one after another failure, from now on.
    pub(crate) fn longer(self) -> Self {
        let time = match self.time {
            Duration::ZERO => FIRST_PAUSE,
            time => (time * 2).min(LONGEST_PAUSE),
        };
        Self {
            time,
            until: Instant::now().checked_add(time),
        }
    }

    /// How much of it is left.
    pub(crate) fn left(self) -> Duration {
        self.until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}
