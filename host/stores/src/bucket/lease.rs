//! The lease of a writer: one object in its place, `lock`, that its holder renews. It spares writers the
//! waiting for each other and gives clear messages. Nothing relies on it.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::time::Instant;

use super::clock;
use super::renewal::{BYTES_MAX, End, Mark, RELEASED_BYTES, Renewed};
use super::requests::{Answer, Listed, Requests, Version};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::paths::LOCK_NAME;

/// How a lease was found.
pub(super) enum Found {
    None,
    /// Given back, or unchanged for too long.
    Free(Version),
    /// Somebody holds it, for so long at least unless it is renewed.
    Held(String, Duration),
}

/// Where a lease is, and how it is taken.
pub(super) struct Lease {
    pub(super) requests: Arc<Requests>,
    pub(super) watch: Arc<Watch>,
    /// Of the place that it is of.
    pub(super) folder: Path,
    /// For messages.
    pub(super) place: String,
    /// Without a renewal for so long it counts no more.
    pub(super) time: Duration,
}

impl Lease {
    /// That of a place below.
    pub(super) fn below(self, folder: &Path) -> Self {
        Self {
            place: format!("{}/{}", self.place, folder.filename().unwrap_or_default()),
            folder: folder.clone(),
            ..self
        }
    }

    /// Of the object.
    fn key(&self) -> Path {
        self.folder.clone().join(LOCK_NAME)
    }

    /// Takes it unless somebody holds it.
    pub(super) async fn take(&self) -> Result<Renewed> {
        let found = self.look().await?;
        self.take_found(found).await
    }

    /// The same where it was looked for before. `conflict` too when somebody has changed it since.
    pub(super) async fn take_found(&self, found: Found) -> Result<Renewed> {
        let (requests, key, place) = (&self.requests, self.key(), &self.place);
        let mark = Mark::new(self.time)?;
        let begun = Instant::now();
        let put = match found {
            Found::None => requests.create(&key, &mark.bytes()).await,
            Found::Free(version) => requests.swap(&key, &version, &mark.bytes()).await,
            Found::Held(holder, left) => return Err(held(place, &holder, left)),
        };
        match put {
            Ok(version) => Renewed::begin(requests, key, (mark, begun), version, End::Release),
            Err(failure) if failure.is_conflict() => {
                let text = format!(
                    "another writer has just taken the lease of {place}; try again, or open read-only"
                );
                Err(Error::conflict(text))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// `conflict` while somebody may hold it.
    pub(super) async fn check_free(&self) -> Result<()> {
        match self.look().await? {
            Found::Held(holder, left) => Err(held(&self.place, &holder, left)),
            _ => Ok(()),
        }
    }

    /// The same where a listing tells that nobody holds it; else it is looked at.
    pub(super) async fn look_from(&self, listed: &[Listed]) -> Answer<Found> {
        let key = self.key();
        match listed.iter().find(|it| it.key == key) {
            None => Ok(Found::None),
            Some(it) if it.size_bytes == RELEASED_BYTES => Ok(Found::Free(it.version.clone())),
            Some(_) => self.look().await,
        }
    }

    pub(super) async fn look(&self) -> Answer<Found> {
        let asked = Instant::now();
        let key = self.key();
        let Some((bytes, version)) = self.requests.get(&key, BYTES_MAX).await? else {
            return Ok(Found::None);
        };
        let mark = Mark::read(&bytes);
        if mark.as_ref().is_some_and(|mark| mark.released) {
            return Ok(Found::Free(version));
        }
        let text = version.clone().into_text();
        let unchanged = self.watch.see(key.as_ref(), &text, asked);
        // What cannot be read is nobody's who keeps to this, and gets the usual time.
        let (holder, stated) = match mark {
            Some(mark) => (mark.holder, Duration::from_millis(mark.lease_ms)),
            None => ("somebody".to_owned(), self.time),
        };
        match stated.checked_sub(unchanged) {
            Some(left) if !left.is_zero() => {
                // Somebody else may have looked on before, or nobody.
                if unchanged.is_zero() && self.is_over(&version, stated).await {
                    return Ok(Found::Free(version));
                }
                Ok(Found::Held(holder, left))
            }
            _ => Ok(Found::Free(version)),
        }
    }

    /// Whether that version was put so long ago that nobody renews it any more.
    async fn is_over(&self, version: &Version, time: Duration) -> bool {
        let Ok(Some(found)) = self.requests.listed(&self.key()).await else {
            return false;
        };
        if found.version != *version || !clock::may_be_over(found.changed_unix_ms, time) {
            return false;
        }
        let now = clock::now_unix_ms(&self.requests, &self.folder).await;
        now.is_some_and(|now| clock::is_over(found.changed_unix_ms, now, time))
    }
}

fn held(place: &str, holder: &str, left: Duration) -> Error {
    let seconds = clock::patience(left).as_secs_f64();
    Error::conflict(format!(
        "{holder} holds the lease of {place}; close it, or, if it has died, try again in {seconds:.0} s, or open \
         read-only"
    ))
}
