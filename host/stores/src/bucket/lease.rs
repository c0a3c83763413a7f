//! The lease of a writer: one object in its place, `lock`, that its holder renews. It spares writers the
//! waiting for each other and gives clear messages. Nothing relies on it.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::time::Instant;

use super::renewal::{BYTES_MAX, End, Mark, Renewed};
use super::requests::{Answer, Requests, Version};
use super::watch::Watch;
use crate::error::{Error, Result};

/// How a lease was found.
enum Found {
    None,
    /// Given back, or unchanged for too long.
    Free(Version),
    /// Somebody holds it, for so long at least unless it is renewed.
    Held(String, Duration),
}

/// Takes a lease unless somebody holds it. `place` is for messages.
pub(super) async fn take(
    requests: &Arc<Requests>,
    watch: &Watch,
    key: Path,
    place: &str,
    lease: Duration,
) -> Result<Renewed> {
    let mark = Mark::new(lease)?;
    let begun = Instant::now();
    let put = match look(requests, watch, &key, lease).await? {
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

/// `conflict` while somebody may hold a lease.
pub(super) async fn check_free(
    requests: &Requests,
    watch: &Watch,
    key: &Path,
    place: &str,
    lease: Duration,
) -> Result<()> {
    match look(requests, watch, key, lease).await? {
        Found::Held(holder, left) => Err(held(place, &holder, left)),
        _ => Ok(()),
    }
}

async fn look(requests: &Requests, watch: &Watch, key: &Path, lease: Duration) -> Answer<Found> {
    let asked = Instant::now();
    let Some((bytes, version)) = requests.get(key, BYTES_MAX).await? else {
        return Ok(Found::None);
    };
    let mark = Mark::read(&bytes);
    if mark.as_ref().is_some_and(|mark| mark.released) {
        return Ok(Found::Free(version));
    }
    let unchanged = watch.see(key.as_ref(), &version.clone().into_text(), asked);
    // What cannot be read is nobody's who keeps to this, and gets the usual time.
    let (holder, stated) = match mark {
        Some(mark) => (mark.holder, Duration::from_millis(mark.lease_ms)),
        None => ("somebody".to_owned(), lease),
    };
    match stated.checked_sub(unchanged) {
        Some(left) if !left.is_zero() => Ok(Found::Held(holder, left)),
        _ => Ok(Found::Free(version)),
    }
}

fn held(place: &str, holder: &str, left: Duration) -> Error {
    let seconds = left.as_secs_f64();
    Error::conflict(format!(
        "{holder} holds the lease of {place}, or held it within the last {seconds:.0} s; close it, wait until \
         the lease has run out, or open read-only"
    ))
}
