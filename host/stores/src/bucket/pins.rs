//! Pins of readers: an object for each in `readers`, named `<epoch, 16 hex digits>-<lease in
//! milliseconds>-<32 hex digits>`, which its reader renews. A writer sees in one listing which there are,
//! and which have changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::time::Instant;

use super::clock;
use super::renewal::{End, Mark, Renewed};
use super::requests::Requests;
use super::watch::Watch;
use crate::error::{Error, ErrorKind, Result};

/// No reader is waited for longer than this, whatever its pin says.
const LEASE_MAX: Duration = Duration::from_secs(3600);

/// Pins an epoch; none where the reader may not write.
pub(super) async fn take(
    requests: &Arc<Requests>,
    folder: &Path,
    epoch: u64,
    lease: Duration,
) -> Result<Option<Renewed>> {
    let mark = Mark::new(lease.min(LEASE_MAX))?;
    let name = format!("{epoch:016x}-{}-{}", mark.lease_ms, mark.nonce);
    let key = folder.clone().join(name.as_str());
    let begun = Instant::now();
    match requests.create(&key, &mark.bytes()).await {
        Ok(version) => Renewed::begin(requests, key, (mark, begun), version, End::Remove).map(Some),
        Err(failure) if failure.is_forbidden() => Ok(None),
        Err(failure) => match Error::from(failure) {
            full if full.kind() == ErrorKind::ResourceExhausted => Ok(None),
            error => Err(error),
        },
    }
}

/// The pinned epochs, ascending and each once. Pins that were given up are removed on the way.
pub(super) async fn held(
    requests: &Arc<Requests>,
    watch: &Watch,
    folder: &Path,
) -> Result<Vec<u64>> {
    let asked = Instant::now();
    let listing = requests.list(folder).await?;
    let mut epochs = BTreeSet::new();
    let mut now = None;
    for object in &listing.objects {
        let Some((epoch, lease)) = object.key.filename().and_then(parse) else {
            continue;
        };
        let version = object.version.clone().into_text();
        let unchanged = watch.see(object.key.as_ref(), &version, asked);
        let changed = object.changed_unix_ms;
        // Seen for the first time, it may be that of a reader that died long ago.
        if now.is_none() && unchanged < lease && clock::may_be_over(changed, lease) {
            now = clock::now_unix_ms(requests, folder).await;
        }
        let is_over = now.is_some_and(|now| clock::is_over(changed, now, lease));
        if unchanged < lease && !is_over {
            epochs.insert(epoch);
        } else {
            requests.delete(&object.key).await?;
        }
    }
    let is_there = |name: &str| listing.objects.iter().any(|it| it.key.as_ref() == name);
    watch.keep_only(|name| !name.starts_with(folder.as_ref()) || is_there(name));
    Ok(epochs.into_iter().collect())
}

/// The epoch and the lease in the name of a pin.
fn parse(name: &str) -> Option<(u64, Duration)> {
    let mut pieces = name.split('-');
    let (epoch, lease, nonce) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let is_hex = |text: &str| {
        text.bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    if pieces.next().is_some() || nonce.len() != 32 || !is_hex(nonce) || epoch.len() != 16 {
        return None;
    }
    let lease = Duration::from_millis(lease.parse().ok()?).min(LEASE_MAX);
    let epoch = u64::from_str_radix(epoch, 16).ok()?;
    Some((epoch, lease))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pins_are_told_from_others() {
        let nonce = "0".repeat(32);
        let name = format!("000000000000000a-10000-{nonce}");
        assert_eq!(parse(&name), Some((10, Duration::from_secs(10))));
        let long = format!("000000000000000a-99999999999-{nonce}");
        assert_eq!(parse(&long), Some((10, LEASE_MAX)));
        for strange in [
            "",
            "a",
            "0a-1-",
            &format!("{name}-x"),
            &format!("a-1-{nonce}"),
        ] {
            assert_eq!(parse(strange), None, "{strange}");
        }
    }
}
