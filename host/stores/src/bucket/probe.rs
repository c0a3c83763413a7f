//! Whether a service keeps to the conditions of a put. One that ignores them answers as if all were well, and
//! lets two writers take one name: nothing may be written there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::failure::Failure;
use super::requests::{Requests, Version};
use super::threads;
use crate::error::{Error, ErrorKind, Result};

/// No object has it.
const WRONG_TAG: &str = "00000000000000000000000000000000";

/// How long the removal of a probe is waited for at the end.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// What came of trying a service out, which is done once.
pub(super) struct Probe {
    requests: Arc<Requests>,
    prefix: Path,
    /// For messages.
    location: String,
    found: Mutex<Option<Result<()>>>,
    /// The removal of what was put to find out.
    removal: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

/// Nobody waited for the removal so far, and the process may be about to end.
impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(removal) = self.removal.lock().take().filter(|it| !it.is_finished()) {
            let removed = async move {
                let _ = removal.await;
            };
            threads::wait_at_most(removed, REMOVAL_PATIENCE);
        }
    }
}

impl Probe {
    pub(super) fn new(requests: Arc<Requests>, prefix: Path, location: String) -> Self {
        Self {
            requests,
            prefix,
            location,
            found: Mutex::new(None),
            removal: parking_lot::Mutex::default(),
        }
    }

    /// Fails unless writers can be kept apart. What could not be found out is tried again by the next who
    /// asks.
    pub(super) async fn check(&self) -> Result<()> {
        let mut known = self.found.lock().await;
        if let Some(found) = known.as_ref() {
            return found.clone();
        }
        let found = self.find_out().await;
        let is_answer = match &found {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::InvalidArgument,
        };
        if is_answer {
            *known = Some(found.clone());
        }
        found
    }

    /// Tries conditions out on an object of its own below the prefix, and notes how the service wants them.
    /// Three rounds of requests, of which the last, that removes the object, nobody waits for.
    async fn find_out(&self) -> Result<()> {
        let Self {
            requests,
            prefix,
            location,
            ..
        } = self;
        let key = prefix.clone().join(name()?.as_str());
        // That an object may be removed shows with one that is not there.
        let other = prefix.clone().join(name()?.as_str());
        let [one, ..] = contents(&key);
        let (created, removed) = tokio::join!(requests.create(&key, &one), requests.delete(&other));
        let checked = match created {
            Ok(version) => try_out(requests, &key, &version, location).await,
            Err(failure) => {
                // Maybe it was put all the same.
                let _ = requests.delete(&key).await;
                return Err(failure.of_store().at(location));
            }
        };
        // It is nobody's business but this one's, and empties itself of meaning.
        let requests = Arc::clone(requests);
        let removal = async move {
            if let Err(failure) = requests.delete(&key).await {
                let error = Error::from(failure);
                tracing::warn!(key = key.as_ref(), %error, "a probe was left behind");
            }
        };
        match checked.is_ok() {
            true => *self.removal.lock() = Some(threads::handle()?.spawn(removal)),
            false => removal.await,
        }
        checked?;
        removed.map_err(|failure| failure.of_store().at(location))
    }
}

/// More than what a probe holds.
const CONTENT_BYTES: usize = 4096;

/// The name of an object that somebody puts to learn something, and removes again.
pub(super) fn name() -> Result<String> {
    Ok(format!("probe-{:032x}", crate::random()?))
}

/// What is put there, each time something else.
fn contents(key: &Path) -> [Bytes; 4] {
    ["1", "2", "3", "4"].map(|text| Bytes::from(format!("{key} {text}")))
}

/// Makes it again, replaces it, and replaces a version that it never had, at the same time: where conditions
/// are kept to neither of the others is in the way of the second.
async fn try_out(requests: &Requests, key: &Path, version: &Version, location: &str) -> Result<()> {
    let told = |failure: Failure| failure.of_store().at(location);
    let [_, again, new, strange] = contents(key);
    let wrong = Version::parse(WRONG_TAG);
    let (made, replaced, mistaken) = tokio::join!(
        requests.create(key, &again),
        requests.swap(key, version, &new),
        requests.swap_once(key, &wrong, &strange)
    );
    let is_there = async |content: &Bytes| match requests.get(key, CONTENT_BYTES).await {
        Ok(Some((found, _))) => Some(found == *content),
        _ => None,
    };
    match made {
        Ok(_) => return Err(refused(location, "made an object that existed")),
        Err(failure) if failure.is_conflict() => {}
        Err(failure) => return Err(told(failure)),
    }
    let mistaken = match mistaken {
        // As it is known by now how the service wants a version told.
        Err(failure) if failure.is_conflict() && requests.are_tags_bare() => {
            requests.swap(key, &wrong, &strange).await
        }
        mistaken => mistaken,
    };
    match mistaken {
        Err(failure) if failure.is_conflict() => {}
        // Whether it was carried out the content tells.
        mistaken => match (mistaken, is_there(&strange).await) {
            (Ok(_), _) | (Err(_), Some(true)) => {
                let text = "replaced an object that had another version";
                return Err(refused(location, text));
            }
            (Err(_), Some(false)) => {}
            (Err(failure), None) => return Err(told(failure)),
        },
    }
    match replaced {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_conflict() => {
            let text = "did not replace an object whose version it was told";
            Err(refused(location, text))
        }
        Err(failure) => match is_there(&new).await {
            Some(true) => Ok(()),
            _ => Err(told(failure)),
        },
    }
}

fn refused(location: &str, what: &str) -> Error {
    let text = format!(
        "{location}: the service cannot keep writers apart: asked to put under a condition, it {what}. sidx \
         needs a service with conditional writes (If-None-Match and If-Match), as Amazon S3 has them; \
         nothing was written but a probe, which is removed, and the lease, which is given back"
    );
    Error::new(ErrorKind::InvalidArgument, text)
}
