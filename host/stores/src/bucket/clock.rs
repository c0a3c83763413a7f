//! For how long an object has not been changed, by the clock of the service alone: for who has not looked
//! on for so long, as a command that begins after another one died. What is put now tells the time. Clocks
//! of callers tell at most whether it is worth asking.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::path::Path;

use super::probe;
use super::requests::Requests;

/// Times are told to the second by most services.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Whether something that is renewed within its time was last so long ago that nobody does any more. Half as
/// much as that time is for clocks of a service that are not quite one.
pub(super) fn is_over(changed_unix_ms: i64, now_unix_ms: i64, time: Duration) -> bool {
    let passed_ms = now_unix_ms.saturating_sub(changed_unix_ms);
    let enough = time.saturating_add(time / 2).saturating_add(RESOLUTION);
    u64::try_from(passed_ms).is_ok_and(|passed| Duration::from_millis(passed) >= enough)
}

/// After how long that shows at the latest, as both times may lack most of a second.
pub(super) fn patience(time: Duration) -> Duration {
    let enough = time.saturating_add(time / 2);
    enough.saturating_add(RESOLUTION * 2)
}

/// Whether that may be so, by the clock of this machine.
pub(super) fn may_be_over(changed_unix_ms: i64, time: Duration) -> bool {
    let now = { SystemTime::now().duration_since(UNIX_EPOCH) }.unwrap_or_default();
    is_over(
        changed_unix_ms,
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        time,
    )
}

/// The time of the service, told by an object that is put into a folder for that and removed again. None
/// where that can't be done.
pub(super) async fn now_unix_ms(requests: &Requests, folder: &Path) -> Option<i64> {
    let name = probe::name().ok()?;
    let key = folder.clone().join(name.as_str());
    requests.create(&key, &Bytes::from(name)).await.ok()?;
    let found = requests.listed(&key).await;
    if requests.delete(&key).await.is_err() {
        tracing::warn!(key = key.as_ref(), "a probe was left behind");
    }
    Some(found.ok()??.changed_unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_renewed_in_time_is_not_over() {
        let time = Duration::from_secs(10);
        assert!(!is_over(5_000, 5_000, time));
        assert!(!is_over(5_000, 20_999, time));
        assert!(is_over(5_000, 21_000, time));
        // A clock that went back.
        assert!(!is_over(50_000, 5_000, time));
        assert!(!is_over(0, i64::MAX, Duration::MAX));
        assert!(may_be_over(0, time));
    }
}
