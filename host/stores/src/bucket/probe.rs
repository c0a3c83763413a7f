//! Whether a service keeps to the conditions of a put. One that ignores them answers as if all were well, and
//! lets two writers take one name: nothing may be written there.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use parking_lot::Mutex;

use super::failure::Failure;
use super::requests::{Requests, Version};
use super::threads::wait;
use crate::error::{Error, ErrorKind, Result};

/// No object has it.
const WRONG_TAG: &str = "00000000000000000000000000000000";

/// What came of trying a service out, which is done once.
pub(super) struct Probe {
    requests: Arc<Requests>,
    prefix: Path,
    /// For messages.
    location: String,
    found: Mutex<Option<Result<()>>>,
}

impl Probe {
    pub(super) fn new(requests: Arc<Requests>, prefix: Path, location: String) -> Self {
        Self {
            requests,
            prefix,
            location,
            found: Mutex::new(None),
        }
    }

    /// Fails unless writers can be kept apart. What could not be found out is tried again by the next who
    /// asks.
    pub(super) fn check(&self) -> Result<()> {
        let mut known = self.found.lock();
        if let Some(found) = known.as_ref() {
            return found.clone();
        }
        let (requests, prefix) = (Arc::clone(&self.requests), self.prefix.clone());
        let location = self.location.clone();
        let found = wait(async move { check(&requests, &prefix, &location).await });
        let is_answer = match &found {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::InvalidArgument,
        };
        if is_answer {
            *known = Some(found.clone());
        }
        found
    }
}

/// More than what a probe holds.
const CONTENT_BYTES: usize = 4096;

/// Tries conditions out on an object of its own below a prefix, and notes how the service wants them.
async fn check(requests: &Requests, prefix: &Path, location: &str) -> Result<()> {
    let name = format!("probe-{:032x}", crate::random()?);
    let key = prefix.clone().join(name.as_str());
    let checked = try_out(requests, &key, location).await;
    // It is nobody's business but this one's, and empties itself of meaning.
    let removed = requests.delete(&key).await;
    checked?;
    removed.map_err(|failure| failure.of_store().at(location))
}

async fn try_out(requests: &Requests, key: &Path, location: &str) -> Result<()> {
    let told = |failure: Failure| failure.of_store().at(location);
    let [one, two, three] = ["1", "2", "3"].map(|text| Bytes::from(format!("{key} {text}")));
    let version = requests.create(key, &one).await.map_err(told)?;
    match requests.create(key, &two).await {
        Ok(_) => return Err(refused(location, "made an object that existed")),
        Err(failure) if failure.is_conflict() => {}
        Err(failure) => return Err(told(failure)),
    }
    // First the version that it has: from then on it is known how the service wants it told.
    match requests.swap(key, &version, &two).await {
        Ok(_) => {}
        Err(failure) if failure.is_conflict() => {
            let text = "did not replace an object whose version it was told";
            return Err(refused(location, text));
        }
        // Whether it was carried out the content tells.
        Err(failure) => match requests.get(key, CONTENT_BYTES).await {
            Ok(Some((found, _))) if found == two => {}
            _ => return Err(told(failure)),
        },
    }
    match requests.swap(key, &Version::parse(WRONG_TAG), &three).await {
        Ok(_) => Err(refused(
            location,
            "replaced an object that had another version",
        )),
        Err(failure) if failure.is_conflict() => Ok(()),
        Err(failure) => match requests.get(key, CONTENT_BYTES).await {
            Ok(Some((found, _))) if found == two => Ok(()),
            Ok(Some((found, _))) if found == three => Err(refused(
                location,
                "replaced an object that had another version",
            )),
            _ => Err(told(failure)),
        },
    }
}

fn refused(location: &str, what: &str) -> Error {
    let text = format!(
        "{location}: the service cannot keep writers apart: asked to put under a condition, it {what}. sidx \
         needs a service with conditional writes (If-None-Match and If-Match), as Amazon S3 has them; \
         nothing was written but a probe, which is removed"
    );
    Error::new(ErrorKind::InvalidArgument, text)
}
