//! How long requests take. All waiting is tokio's, so that a paused clock makes it free and exact.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Bytes that go over a link before others get their turn.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// How far away the service is for a client. The default is no distance at all, which needs no runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the last byte of a request to the first of its answer. Half of it passes before the service
    /// acts and half after.
    pub first_byte: Duration,
    /// How fast bytes go, in each direction, for all requests of the client together; none for at once.
    pub bytes_per_second: Option<u64>,
    /// How long a request takes at least whose time is up, see `Fault::Late`.
    pub timeout: Duration,
}

impl Latency {
    /// Whether anything has to be waited for.
    pub(super) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// How long so many bytes take.
    fn transfer(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            None => Duration::ZERO,
            Some(speed) => {
                let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(speed.max(1));
                Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
        }
    }

    /// The largest piece of a body that goes at once.
    pub(super) fn chunk_bytes(&self) -> usize {
        match self.bytes_per_second {
            None => usize::MAX,
            Some(_) => CHUNK_BYTES,
        }
    }
}

/// One direction of a client's connection to the service.
#[derive(Debug, Default)]
pub(super) struct Link {
    free_at: Option<Instant>,
}

impl Link {
    /// When so many bytes have gone through that could start at `begun`. They go behind all that came before.
    pub(super) fn reserve(&mut self, latency: &Latency, begun: Instant, bytes: usize) -> Instant {
        let start = self.free_at.map_or(begun, |free_at| free_at.max(begun));
        let end = start + latency.transfer(bytes);
        self.free_at = Some(end);
        end
    }
}

/// When the steps of one request happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When the request has arrived with all of its bytes.
    sent: Instant,
}

impl Times {
    pub(super) fn new(sent: Instant) -> Self {
        Self { sent }
    }

    /// Waits until the service acts.
    pub(super) async fn act(&self, latency: &Latency) {
        sleep_until(self.sent + latency.first_byte / 2).await;
    }

    /// Waits until the answer begins, and tells when that was.
    pub(super) async fn answer(&self, latency: &Latency, is_timeout: bool) -> Instant {
        let after = match is_timeout {
            true => latency.first_byte.max(latency.timeout),
            false => latency.first_byte,
        };
        let begins = self.sent + after;
        sleep_until(begins).await;
        begins
    }
}
