//! Objects that say that somebody is at work, and are put anew while that is so: the lease of a writer and
//! the pins of readers. Whoever watches one gives it up when it has not changed for as long as it says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::requests::{Answer, Requests, Version};
use super::threads;
use crate::Held;
use crate::error::Result;

/// Renewed so many times within the time after which others give it up.
const RENEWALS: u32 = 3;
/// How long the end of one is waited for; it ends by itself if that takes longer.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of such an object.
pub(super) const BYTES_MAX: usize = 4096;
/// Bytes of one that was given back, and of no other: so a listing tells.
pub(super) const RELEASED_BYTES: u64 = 47;

/// The content of such an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Who put it, for messages.
    pub(super) holder: String,
    /// 32 hex digits that no other has.
    pub(super) nonce: String,
    /// Counts up, so that each renewal is another object.
    pub(super) renewals: u64,
    /// Milliseconds without a change after which it counts no more.
    pub(super) lease_ms: u64,
    /// Whether its holder has given it back.
    #[serde(skip)]
    pub(super) released: bool,
}

/// The content once its holder has given it back.
#[derive(Serialize, Deserialize)]
struct Released {
    /// The nonce.
    released: String,
}

impl Mark {
    pub(super) fn new(lease: Duration) -> Result<Self> {
        Ok(Self {
            holder: holder(),
            nonce: format!("{:032x}", crate::random()?),
            renewals: 0,
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            released: false,
        })
    }

    /// What an object says; none when it says nothing that can be understood.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if let Ok(Released { released: nonce }) = serde_json::from_slice(bytes) {
            return Some(Self {
                holder: String::new(),
                nonce,
                renewals: 0,
                lease_ms: 0,
                released: true,
            });
        }
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn bytes(&self) -> Bytes {
        let released = self.nonce.clone();
        let text = match self.released {
            true => serde_json::to_vec(&Released { released }),
            false => serde_json::to_vec(self),
        };
        // Strings and numbers always have a text.
        text.unwrap_or_default().into()
    }
}

/// The machine and the process, for people.
fn holder() -> String {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy().into_owned();
    format!("process {} on {machine}", std::process::id())
}

/// How a mark ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It stays and says that it was released.
    Release,
    /// It goes.
    Remove,
}

/// A mark that is being renewed until this is dropped.
pub(super) struct Renewed {
    held: Arc<HeldUntil>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

/// Until when nobody can take a mark for given up: for as long as it says from when the request began that
/// put it. Whoever watches it saw it then at the earliest, and waits for as long. Once that time has
/// passed before the next one was answered, somebody may have looked in between, and it counts no more.
struct HeldUntil(Mutex<Instant>);

impl HeldUntil {
    fn new(until: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(until)))
    }

    /// After a renewal was answered.
    fn extend(&self, until: Instant) {
        let mut held = self.0.lock();
        if Instant::now() < *held {
            *held = until;
        }
    }

    fn end(&self) {
        *self.0.lock() = Instant::now();
    }
}

impl Held for Renewed {
    fn is_held(&self) -> bool {
        Instant::now() < *self.held.0.lock()
    }
}

struct Task {
    held: Arc<HeldUntil>,
    requests: Arc<Requests>,
    key: Path,
    /// The last that was sent, whatever came of it.
    mark: Mark,
    /// That of the last of which it is known that it was put.
    version: Version,
    end: End,
    /// When the request began that sent it.
    begun: Instant,
}

impl Renewed {
    /// Renews a mark that was just put in this version, by a request that had begun at some time.
    pub(super) fn begin(
        requests: &Arc<Requests>,
        key: Path,
        (mark, begun): (Mark, Instant),
        version: Version,
        end: End,
    ) -> Result<Self> {
        let held = HeldUntil::new(begun + Duration::from_millis(mark.lease_ms));
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let task = Task {
            held: Arc::clone(&held),
            requests: Arc::clone(requests),
            key,
            mark,
            version,
            end,
            begun,
        };
        threads::handle()?.spawn(async move {
            task.run(stopped).await;
            let _ = ending.send(());
        });
        Ok(Self {
            held,
            stop: Some(stop),
            ended: Some(ended),
        })
    }
}

impl Drop for Renewed {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(ended) = self.ended.take() {
            let ended = async move {
                let _ = ended.await;
            };
            threads::wait_at_most(ended, END_PATIENCE);
        }
    }
}

impl Task {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let gap = Duration::from_millis(self.mark.lease_ms) / RENEWALS;
        loop {
            // From its beginning: what a slow service took of the time is not taken again.
            let next = self.begun + gap;
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = tokio::time::sleep_until(next) => {}
            }
            if !self.renew().await {
                return;
            }
        }
        self.finish().await;
    }

    /// False when somebody else took it for given up.
    async fn renew(&mut self) -> bool {
        self.begun = Instant::now();
        let until = self.begun + Duration::from_millis(self.mark.lease_ms);
        match self.put(false).await {
            Ok(true) => {
                self.held.extend(until);
                true
            }
            Ok(false) => {
                let key = self.key.as_ref();
                tracing::warn!(
                    key,
                    "was given up by others, who saw it unchanged for too long"
                );
                self.held.end();
                false
            }
            // It is still there, and may be renewed the next time.
            Err(failure) => {
                let error = crate::error::Error::from(failure);
                tracing::warn!(key = self.key.as_ref(), %error, "could not be renewed");
                true
            }
        }
    }

    /// Puts the next mark in place of the one that is there, if that is still this holder's: false when it is
    /// not. No mark is sent twice but by one call, so what a call before has put whose answer was lost is
    /// known for what it is: this holder's, and seen by others since a time that only that call knows.
    async fn put(&mut self, released: bool) -> Answer<bool> {
        self.mark.renewals += 1;
        self.mark.released = released;
        let bytes = self.mark.bytes();
        for _ in 0..2 {
            match self.requests.swap(&self.key, &self.version, &bytes).await {
                Ok(version) => {
                    self.version = version;
                    return Ok(true);
                }
                Err(failure) if failure.is_conflict() => {}
                Err(failure) => return Err(failure),
            }
            let Some((found, version)) = self.requests.get(&self.key, BYTES_MAX).await? else {
                return Ok(false);
            };
            let is_own = |mark: Mark| mark.nonce == self.mark.nonce;
            if !Mark::read(&found).is_some_and(is_own) {
                return Ok(false);
            }
            self.version = version;
        }
        Ok(false)
    }

    async fn finish(mut self) {
        let ended = match self.end {
            End::Remove => self.requests.delete(&self.key).await,
            End::Release => self.put(true).await.map(drop),
        };
        // Others give it up after its time.
        if let Err(failure) = ended {
            let error = crate::error::Error::from(failure);
            tracing::debug!(key = self.key.as_ref(), %error, "could not be given back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_what_was_given_back() {
        let mut mark = Mark::new(Duration::from_millis(1)).unwrap();
        mark.holder.clear();
        assert_eq!(Mark::read(&mark.bytes()), Some(mark.clone()));
        assert!(mark.bytes().len() as u64 > RELEASED_BYTES);
        mark.released = true;
        assert_eq!(mark.bytes().len() as u64, RELEASED_BYTES);
        let read = Mark::read(&mark.bytes()).unwrap();
        assert!(read.released && read.nonce == mark.nonce);
    }
}
