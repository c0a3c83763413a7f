//! What others renew, and since when it has not changed, by a clock of one's own: no two clocks need agree,
//! and nothing that was written down as a time is believed.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Things that are being watched, by name.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Debug)]
struct Seen {
    version: String,
    since: Instant,
}

impl Watch {
    /// Notes the version in which a thing was found now, by a request that was begun at a time, and
    /// returns for how long it has been the same at least: what an answer says may be as old as the question.
    pub(super) fn see(&self, name: &str, version: &str, asked: Instant) -> Duration {
        let now = Instant::now();
        let mut seen = self.seen.lock();
        match seen.get_mut(name) {
            Some(known) if known.version == version => asked.saturating_duration_since(known.since),
            _ => {
                let version = version.to_owned();
                seen.insert(
                    name.to_owned(),
                    Seen {
                        version,
                        since: now,
                    },
                );
                Duration::ZERO
            }
        }
    }

    /// Forgets what is not there any more.
    pub(super) fn keep_only(&self, is_there: impl Fn(&str) -> bool) {
        self.seen.lock().retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thing_is_as_old_as_its_last_change() {
        let watch = Watch::default();
        let see = |name, version| watch.see(name, version, Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(see("a", "1"), Duration::ZERO);
        tokio::time::advance(second).await;
        assert_eq!(see("a", "1"), second);
        assert_eq!(see("b", "1"), Duration::ZERO);
        tokio::time::advance(second).await;
        assert_eq!(see("a", "2"), Duration::ZERO);
        assert_eq!(see("b", "1"), second);
        watch.keep_only(|name| name == "a");
        assert_eq!(see("b", "1"), Duration::ZERO);
    }
}
