//! What the last write found, and how it makes the next ones wait: before they queue, so that a write that
//! gives up waiting has changed nothing.

use std::time::Duration;

use parking_lot::Mutex;
use sidx_engine::Pressure;

use crate::rate::{SLICE, Time};

/// Longest that a write waits under pressure, whatever the engine says.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The state of memory and store as the last write found it.
pub(crate) struct Congestion {
    found: Mutex<Found>,
    clock: Time,
}

#[derive(Clone, Copy, Default)]
struct Found {
    /// How long a write waits.
    delay: Duration,
    /// Bytes in memory parts.
    memory_bytes: u64,
    pressure: Pressure,
}

impl Congestion {
    /// Nothing was found yet.
    pub(crate) fn new() -> Self {
        Self::with_clock(Time::default())
    }

    fn with_clock(clock: Time) -> Self {
        Self {
            found: Mutex::default(),
            clock,
        }
    }

    /// Notes what a write found.
    pub(crate) fn found(&self, memory_bytes: u64, pressure: Pressure, delay: Duration) {
        *self.found.lock() = Found {
            delay: delay.min(MAX_DELAY),
            memory_bytes,
            pressure,
        };
    }

    /// A flush or merge made room: nobody waits any longer before another write has looked.
    pub(crate) fn ease(&self, is_flush: bool) {
        let mut found = self.found.lock();
        found.delay = Duration::ZERO;
        if is_flush {
            found.memory_bytes = 0;
        }
    }

    /// Bytes in memory parts, at least: rows of a flush that has just ended do not count.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.found.lock().memory_bytes
    }

    /// How near memory and the store are to their bounds.
    pub(crate) fn pressure(&self) -> Pressure {
        self.found.lock().pressure
    }

    /// Waits as long as the last write found that one should, at most until there is room. Asks `check` in
    /// between, at most 10 ms apart; its error ends the waiting.
    pub(crate) fn wait<E>(&self, check: impl Fn() -> Result<(), E>) -> Result<(), E> {
        let mut delay = self.found.lock().delay;
        if delay.is_zero() {
            return Ok(());
        }
        let start = self.clock.now();
        loop {
            // What others find meanwhile shortens it, and never makes it longer.
            delay = delay.min(self.found.lock().delay);
            let left = delay.saturating_sub(self.clock.now().saturating_sub(start));
            if left.is_zero() {
                return Ok(());
            }
            check()?;
            self.clock.sleep(left.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::rate::Clock;
    use crate::rate::tests::Made;

    const DELAY: Duration = Duration::from_millis(75);

    fn congestion() -> (Congestion, Made) {
        let clock = Made::default();
        (Congestion::with_clock(Time::made(clock.clone())), clock)
    }

    fn wait(congestion: &Congestion) {
        congestion.wait(|| Ok::<_, Infallible>(())).unwrap();
    }

    #[test]
    fn a_write_waits_as_long_as_the_last_one_found_and_no_longer_than_a_second() {
        let (congestion, clock) = congestion();
        wait(&congestion);
        assert_eq!(clock.now(), Duration::ZERO);
        congestion.found(7, Pressure::None, DELAY);
        wait(&congestion);
        assert_eq!(clock.now(), DELAY);
        congestion.found(7, Pressure::None, Duration::MAX);
        wait(&congestion);
        assert_eq!(clock.now(), DELAY + MAX_DELAY);
    }

    #[test]
    fn who_gives_up_is_asked_every_slice() {
        let (congestion, clock) = congestion();
        congestion.found(7, Pressure::None, DELAY);
        let asked = AtomicU64::new(0);
        let stop_at_third = || match asked.fetch_add(1, Ordering::SeqCst) {
            0..3 => Ok(()),
            _ => Err("stopped"),
        };
        assert_eq!(congestion.wait(stop_at_third), Err("stopped"));
        assert_eq!(clock.now(), SLICE * 3);
    }

    #[test]
    fn a_flush_ends_the_waiting_and_a_merge_leaves_what_is_in_memory() {
        let (congestion, clock) = congestion();
        congestion.found(7, Pressure::None, DELAY);
        let asked = AtomicU64::new(0);
        let ease_at_second = || {
            if asked.fetch_add(1, Ordering::SeqCst) == 1 {
                congestion.ease(false);
            }
            Ok::<_, Infallible>(())
        };
        congestion.wait(ease_at_second).unwrap();
        assert_eq!(clock.now(), SLICE * 2);
        assert_eq!(congestion.memory_bytes(), 7);
        congestion.ease(true);
        assert_eq!(congestion.memory_bytes(), 0);
    }
}
