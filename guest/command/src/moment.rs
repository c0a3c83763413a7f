//! Moments on a clock that never goes back.
#![expect(
    clippy::disallowed_types,
    reason = "the one place that looks at the clock: what is read or written does not depend on it"
)]

use std::ops::Add;
use std::time::{Duration, Instant};

/// A moment of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Moment {
        Moment(Instant::now())
    }

    /// Whole milliseconds since then.
    #[must_use]
    pub fn elapsed_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time until then; none if it is over.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0 + duration)
    }
}
