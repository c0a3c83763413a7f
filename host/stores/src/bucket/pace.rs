//! At most so many requests a second.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Gives each request its turn.
pub(super) struct Pace {
    gap: Option<Duration>,
    /// When the next request may begin.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let gap = per_second.map(|most| Duration::from_secs(1) / most.max(1));
        Self {
            gap,
            next: Mutex::new(None),
        }
    }

    /// Returns when the request may begin.
    pub(super) async fn turn(&self) {
        let Some(gap) = self.gap else {
            return;
        };
        let at = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + gap);
            at
        };
        sleep_until(at).await;
    }
}
