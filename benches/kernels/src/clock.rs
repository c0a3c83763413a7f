//! Time in cycles of the time stamp counter.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What one tick of the counter is worth.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Ticks per nanosecond.
    pub(crate) ticks: f64,
    /// Cycles of the core per nanosecond, which changes with its load.
    pub(crate) core: f64,
}

impl Clock {
    pub(crate) fn calibrate() -> Self {
        let (start, from) = (Instant::now(), now());
        while start.elapsed() < Duration::from_millis(100) {}
        let ticks = (now() - from) as f64 / start.elapsed().as_nanos() as f64;
        Self {
            ticks,
            core: core_rate(),
        }
    }
}

/// The counter.
#[cfg(target_arch = "x86_64")]
pub(crate) fn now() -> u64 {
    // SAFETY: every x86-64 processor has the counter.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Nanoseconds, where there is no counter that can be read as cheaply.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn now() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// A chain of rotations and additions takes two cycles per link on every processor of today.
fn core_rate() -> f64 {
    const LINKS: u64 = 500_000;
    let rate = || {
        let start = Instant::now();
        let mut value = black_box(1u64);
        for _ in 0..LINKS {
            value = link(value);
        }
        black_box(value);
        2.0 * LINKS as f64 / start.elapsed().as_nanos() as f64
    };
    (0..100).map(|_| rate()).fold(0.0, f64::max)
}

/// One link, which must not be folded into the next.
#[inline(always)]
fn link(value: u64) -> u64 {
    value.rotate_left(7).wrapping_add(0x9e37_79b9)
}
