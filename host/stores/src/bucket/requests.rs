//! Requests to the service: each is tried until it is answered or the time is up, waits for its turn, and is
//! counted. What must not be done twice is told from what may.
//!
//! An answer can be lost. So a put under a condition that failed with anything but a plain refusal may have
//! been carried out, or be carried out later: it is made again as it was, and if the name is taken then, the
//! content tells whose it is. Whoever puts marks what it puts, so that no two put the same.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStoreExt, PutResult};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::conditional::Tags;
use super::counts::{Counts, Request};
use super::failure::{Failure, Outcome, outcome};
use super::pace::Pace;
use super::service::Service;
pub(super) use super::version::Version;

mod conditional;
mod pieces;

/// How long the first answer is waited for, at most.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Longest wait before a request is made again.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Keys that are removed at the same time.
const KEYS_AT_ONCE: usize = 16;

/// The result of a request.
pub(super) type Answer<T> = Result<T, Failure>;

/// How requests are made.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// How long a request that fails is made again, from its beginning on.
    pub retry_timeout: Duration,
    /// How long is waited before it is made again; each time twice as long, and 5 s at most, with jitter.
    pub retry_delay: Duration,
    /// Most requests at the same time.
    pub in_flight: usize,
    /// Most requests a second; none for no such limit.
    pub per_second: Option<u32>,
    /// Most bytes of an object that the service copies with one request; a larger one is read and written
    /// again.
    pub copy_bytes: u64,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            retry_timeout: Duration::from_secs(60),
            retry_delay: Duration::from_millis(50),
            in_flight: 64,
            per_second: None,
            // As Amazon S3 has it.
            copy_bytes: 5 << 30,
        }
    }
}

/// An object as it is listed.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) key: Path,
    pub(super) size_bytes: u64,
    pub(super) version: Version,
    /// When it was put, by the clock of the service, to the second in most.
    pub(super) changed_unix_ms: i64,
}

/// What lies directly below a prefix.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) objects: Vec<Listed>,
    /// The prefixes below it.
    pub(super) folders: Vec<Path>,
}

/// The requests of one bucket.
pub(super) struct Requests {
    service: Arc<dyn Service>,
    limits: RequestLimits,
    turns: Semaphore,
    pace: Pace,
    counts: Counts,
    /// Whether the service has ever given an answer that was none of trouble.
    was_answered: AtomicBool,
    /// How the service wants tags, as far as that is known.
    tags: Tags,
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Requests {
    pub(super) fn new(service: Arc<dyn Service>, limits: RequestLimits) -> Self {
        Self {
            service,
            turns: Semaphore::new(limits.in_flight.max(1)),
            pace: Pace::new(limits.per_second),
            limits,
            counts: Counts::default(),
            was_answered: AtomicBool::new(false),
            tags: Tags::default(),
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    // ---- reading ----

    /// A whole object of at most so many bytes; none when it does not exist.
    pub(super) async fn get(&self, key: &Path, most: usize) -> Answer<Option<(Bytes, Version)>> {
        let asked = self.retried(Request::Get, key, || async {
            let answer = self.service.get_opts(key, GetOptions::default()).await?;
            if answer.meta.size > most as u64 {
                return Ok(Err(answer.meta.size));
            }
            let version = Version::of(&answer.meta);
            Ok(Ok((self.body(answer).await?, version)))
        });
        match asked.await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(size)) => Err(Failure::damage(format!(
                "{key} has {size} bytes, no object has more than {most}"
            ))),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Bytes of an object.
    pub(super) async fn read(&self, key: &Path, range: Range<u64>) -> Answer<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let read = self.retried(Request::Get, key, || async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                ..GetOptions::default()
            };
            self.body(self.service.get_opts(key, options).await?).await
        });
        let bytes = read.await?;
        if bytes.len() as u64 != wanted {
            let given = bytes.len();
            return Err(Failure::damage(format!(
                "{key}: {wanted} bytes from {} on were asked for, {given} came; it was cut",
                range.start
            )));
        }
        Ok(bytes)
    }

    /// The size of an object and its last bytes, at most so many.
    pub(super) async fn read_end(&self, key: &Path, most: u64) -> Answer<(u64, Bytes)> {
        let asked = self.retried(Request::Get, key, || async {
            let options = GetOptions {
                range: Some(GetRange::Suffix(most)),
                ..GetOptions::default()
            };
            let answer = self.service.get_opts(key, options).await?;
            let size = answer.meta.size;
            Ok((size, self.body(answer).await?))
        });
        match asked.await {
            // Some serve no ends, and none serves that of an empty object.
            Err(failure) if failure.may_be_the_range() => {
                let size = self.size(key).await?;
                let start = size.saturating_sub(most);
                let end = match size {
                    0 => Bytes::new(),
                    _ => self.read(key, start..size).await?,
                };
                Ok((size, end))
            }
            answer => answer,
        }
    }

    async fn size(&self, key: &Path) -> Answer<u64> {
        let asked = self.retried(Request::Head, key, || async {
            self.service.head(key).await.map(|meta| meta.size)
        });
        asked.await
    }

    /// An object as a listing shows it, if there is one.
    pub(super) async fn listed(&self, key: &Path) -> Answer<Option<Listed>> {
        let asked = self.retried(Request::Head, key, || self.service.head(key));
        match asked.await {
            Ok(meta) => Ok(Some(listed(meta))),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What lies directly below a prefix, in the order of keys.
    pub(super) async fn list(&self, prefix: &Path) -> Answer<Listing> {
        let asked = self.retried(Request::List, prefix, || async {
            self.service.list_with_delimiter(Some(prefix)).await
        });
        let answer = asked.await?;
        let mut listing = Listing {
            objects: answer.objects.into_iter().map(listed).collect(),
            folders: answer.common_prefixes,
        };
        listing
            .objects
            .sort_by(|one, other| one.key.cmp(&other.key));
        listing.folders.sort();
        Ok(listing)
    }

    /// All objects below a prefix, however deep, in the order of keys.
    pub(super) async fn list_all(&self, prefix: &Path) -> Answer<Vec<Listed>> {
        let found = self.list_some(prefix, usize::MAX).await?;
        Ok(found.unwrap_or_default())
    }

    /// The same of at most so many; none where there are more.
    pub(super) async fn list_some(
        &self,
        prefix: &Path,
        most: usize,
    ) -> Answer<Option<Vec<Listed>>> {
        let asked = self.retried(Request::List, prefix, || async {
            let mut found = Vec::new();
            let mut stream = self.service.list(Some(prefix));
            while let Some(object) = stream.next().await {
                found.push(listed(object?));
                if found.len() > most {
                    return Ok(None);
                }
            }
            Ok(Some(found))
        });
        let mut found = asked.await?;
        if let Some(found) = &mut found {
            found.sort_by(|one, other| one.key.cmp(&other.key));
        }
        Ok(found)
    }

    /// Whether there is any object below a prefix.
    pub(super) async fn has_any(&self, prefix: &Path) -> Answer<bool> {
        let asked = self.retried(Request::List, prefix, || async {
            let mut stream = self.service.list(Some(prefix));
            stream.next().await.transpose().map(|first| first.is_some())
        });
        asked.await
    }

    // ---- writing without a condition ----

    /// Removes an object; succeeds when there is none.
    pub(super) async fn delete(&self, key: &Path) -> Answer<()> {
        let asked = self.retried(Request::Delete, key, || self.service.delete(key));
        match asked.await {
            Err(failure) if failure.is_absent() => Ok(()),
            deleted => deleted,
        }
    }

    /// Removes objects, several at the same time.
    pub(super) async fn delete_all(&self, keys: impl Iterator<Item = Path>) -> Answer<()> {
        let deletes = keys.map(|key| async move { self.delete(&key).await });
        stream::iter(deletes)
            .buffer_unordered(KEYS_AT_ONCE)
            .try_collect::<()>()
            .await
    }

    /// Whether the service copies an object of such a size.
    pub(super) fn copies_whole(&self, size_bytes: u64) -> bool {
        size_bytes <= self.limits.copy_bytes
    }

    /// Copies an object within the bucket, over what is there.
    pub(super) async fn copy(&self, from: &Path, to: &Path) -> Answer<()> {
        self.retried(Request::Copy, from, || self.service.copy(from, to))
            .await
    }

    // ---- each of them ----

    /// Makes a request that may be made twice until it is answered.
    async fn retried<T, F>(&self, request: Request, key: &Path, call: impl Fn() -> F) -> Answer<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let begun = Instant::now();
        let mut delays = self.delays();
        loop {
            let cause = match self.once(request, call()).await {
                Ok(answer) => return Ok(answer),
                Err(cause) => cause,
            };
            let is_answered = outcome(&cause) == Outcome::Definite;
            if is_answered || !self.wait_again(begun, &mut delays).await {
                return Err(self.failure(request, key, cause));
            }
        }
    }

    /// Makes a request once, in its turn.
    async fn once<T>(
        &self,
        request: Request,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        // Never closed.
        let _turn = self.turns.acquire().await;
        self.pace.turn().await;
        self.counts.made(request);
        let answer = call.await;
        match &answer {
            Err(cause) => {
                self.counts.failed(cause);
                if outcome(cause) == Outcome::Definite {
                    self.was_answered.store(true, Ordering::Relaxed);
                }
            }
            Ok(_) => self.was_answered.store(true, Ordering::Relaxed),
        }
        answer
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.limits.retry_delay)
            .with_max_delay(DELAY_MAX)
            .with_jitter()
            .without_max_times()
            .build()
    }

    /// Waits before another attempt; false when the time is up.
    async fn wait_again(
        &self,
        begun: Instant,
        delays: &mut impl Iterator<Item = Duration>,
    ) -> bool {
        let Some(delay) = delays.next() else {
            return false;
        };
        // Where nothing was ever answered, an address is wrong more often than a service is away.
        let most = match self.was_answered.load(Ordering::Relaxed) {
            true => self.limits.retry_timeout,
            false => self.limits.retry_timeout.min(FIRST_ANSWER),
        };
        if begun.elapsed() + delay > most {
            return false;
        }
        self.counts.retried();
        tokio::time::sleep(delay).await;
        true
    }

    /// The bytes of an answer.
    async fn body(&self, answer: GetResult) -> object_store::Result<Bytes> {
        let bytes = answer.bytes().await?;
        self.counts.received(bytes.len());
        Ok(bytes)
    }

    fn failure(&self, request: Request, key: &Path, cause: object_store::Error) -> Failure {
        Failure::new(request.verb(), key.as_ref(), cause)
    }
}

fn listed(meta: ObjectMeta) -> Listed {
    Listed {
        version: Version::of(&meta),
        changed_unix_ms: meta.last_modified.timestamp_millis(),
        key: meta.location,
        size_bytes: meta.size,
    }
}

fn version_of(made: &PutResult) -> Version {
    Version::new(made.e_tag.as_deref(), made.version.as_deref())
}
