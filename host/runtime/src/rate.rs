//! Bytes per second that a kind of work may move: a token bucket.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// After a pause this much may go at once, as bytes of so long a time.
const BURST: Duration = Duration::from_secs(1);
/// Who waits looks this often whether to go on waiting.
pub(crate) const SLICE: Duration = Duration::from_millis(10);

/// The time, which tests make themselves.
pub(crate) trait Clock: Send + Sync {
    /// Time since some moment that stays the same.
    fn now(&self) -> Duration;
    /// Waits about this long.
    fn sleep(&self, time: Duration);
}

/// The clock that everything in an index goes by that waits or repeats.
#[derive(Clone)]
pub(crate) struct Time(Arc<dyn Clock>);

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(Monotonic(Instant::now())))
    }
}

impl Time {
    #[cfg(test)]
    pub(crate) fn made(clock: impl Clock + 'static) -> Self {
        Self(Arc::new(clock))
    }

    /// Time since some moment that stays the same.
    pub(crate) fn now(&self) -> Duration {
        self.0.now()
    }

    /// Waits about this long.
    pub(crate) fn sleep(&self, time: Duration) {
        self.0.sleep(time);
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time").finish_non_exhaustive()
    }
}

struct Monotonic(Instant);

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// A rate that any number of threads share. Each waits until its own bytes are paid for, in the order in
/// which they asked, so that a batch larger than the bucket passes too.
pub(crate) struct Rate {
    bytes_per_second: u64,
    clock: Time,
    /// When all bytes that were let through are paid for.
    paid: Mutex<Duration>,
}

impl Rate {
    /// A rate of at least one byte per second.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self::with_clock(bytes_per_second, Time::default())
    }

    fn with_clock(bytes_per_second: u64, clock: Time) -> Self {
        let paid = clock.now().saturating_sub(BURST);
        Self {
            bytes_per_second: bytes_per_second.max(1),
            clock,
            paid: Mutex::new(paid),
        }
    }

    /// Waits until `bytes` may go. Asks `check` in between, at most 10 ms apart; its error ends the
    /// waiting, and the bytes are not charged then.
    pub(crate) fn take<E>(&self, bytes: u64, check: impl Fn() -> Result<(), E>) -> Result<(), E> {
        let cost = self.cost(bytes);
        let paid = {
            let mut paid = self.paid.lock();
            *paid = (*paid)
                .max(self.clock.now().saturating_sub(BURST))
                .saturating_add(cost);
            *paid
        };
        loop {
            let left = paid.saturating_sub(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            if let Err(error) = check() {
                self.give_back(bytes);
                return Err(error);
            }
            self.clock.sleep(left.min(SLICE));
        }
    }

    /// Takes the charge for `bytes` back, which did not go after all.
    pub(crate) fn give_back(&self, bytes: u64) {
        let mut paid = self.paid.lock();
        *paid = paid.saturating_sub(self.cost(bytes));
    }

    /// How long so many bytes take.
    fn cost(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate")
            .field("bytes_per_second", &self.bytes_per_second)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A clock that moves only when somebody sleeps, in microseconds.
    #[derive(Clone, Default)]
    pub(crate) struct Made(Arc<AtomicU64>);

    impl Made {
        /// Lets time pass.
        pub(crate) fn advance(&self, time: Duration) {
            let micros = u64::try_from(time.as_micros()).unwrap();
            self.0.fetch_add(micros, Ordering::SeqCst);
        }
    }

    impl Clock for Made {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::SeqCst))
        }

        fn sleep(&self, time: Duration) {
            assert!(!time.is_zero() && time <= SLICE, "a sleep of {time:?}");
            let micros = u64::try_from(time.as_micros()).unwrap().max(1);
            self.0.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// A rate and its clock.
    pub(crate) fn rate(bytes_per_second: u64) -> (Rate, Made) {
        let clock = Made::default();
        // Time must be able to reach back by the burst.
        clock.0.store(10_000_000, Ordering::SeqCst);
        (
            Rate::with_clock(bytes_per_second, Time::made(clock.clone())),
            clock,
        )
    }

    fn take(rate: &Rate, bytes: u64) {
        rate.take(bytes, || Ok::<_, Infallible>(())).unwrap();
    }

    fn elapsed_ms(clock: &Made, since: Duration) -> u128 {
        (clock.now() - since).as_millis()
    }

    #[test]
    fn a_burst_is_free_and_everything_after_it_takes_its_time() {
        let (rate, clock) = rate(1_000);
        let start = clock.now();
        take(&rate, 1_000);
        assert_eq!(elapsed_ms(&clock, start), 0);
        take(&rate, 500);
        assert_eq!(elapsed_ms(&clock, start), 500);
        // Many small amounts cost what one large amount does.
        (0..3_000).for_each(|_| take(&rate, 1));
        assert_eq!(elapsed_ms(&clock, start), 3_500);
    }

    #[test]
    fn a_pause_saves_up_no_more_than_the_burst() {
        let (rate, clock) = rate(1_000);
        take(&rate, 1_000);
        clock.0.fetch_add(60_000_000, Ordering::SeqCst);
        let start = clock.now();
        take(&rate, 3_000);
        assert_eq!(elapsed_ms(&clock, start), 2_000);
    }

    #[test]
    fn an_amount_beyond_the_bucket_passes_after_its_time() {
        let (rate, clock) = rate(10);
        let start = clock.now();
        take(&rate, 1_010);
        assert_eq!(elapsed_ms(&clock, start), 100_000);
    }

    #[test]
    fn who_gives_up_waiting_is_not_charged() {
        let (rate, clock) = rate(1_000);
        take(&rate, 1_000);
        let asked = AtomicU64::new(0);
        let stop_at_third = || match asked.fetch_add(1, Ordering::SeqCst) {
            0..3 => Ok(()),
            _ => Err("stopped"),
        };
        let start = clock.now();
        assert_eq!(rate.take(1 << 40, stop_at_third), Err("stopped"));
        assert_eq!(elapsed_ms(&clock, start), 30, "three slices of waiting");
        take(&rate, 100);
        assert_eq!(elapsed_ms(&clock, start), 100);
        // Neither is who passed and then gave up.
        rate.give_back(100);
        take(&rate, 100);
        assert_eq!(elapsed_ms(&clock, start), 100);
    }
}
