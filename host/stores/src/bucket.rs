//! Indexes in a bucket of an object store, below a prefix.
//!
//! All that a bucket has is whole objects, conditions on a put, and true lists. What keeps writers apart is
//! that of those who create one name exactly one succeeds; a service that does not keep to that is refused.
//! A read of the place of an index and its files is one request, or none; see [`RequestCounts`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;

use self::ahead::Ahead;
use self::connection::address::check_prefix;
use self::probe::Probe;
use self::requests::{Answer, Requests};
use self::threads::wait;
use self::watch::Watch;
use crate::error::{Error, Result};
use crate::paths::{check_index_name, check_place, is_incarnation};
use crate::{Storage, Store};

mod advice;
mod ahead;
mod answer;
mod clock;
mod connection;
mod counts;
mod failure;
mod file;
mod lease;
mod pace;
mod pins;
mod place;
mod probe;
mod rename;
mod renewal;
mod requests;
mod service;
#[cfg(test)]
mod tests;
mod threads;
mod upload;
mod version;
mod watch;

pub use connection::address::{Address, Scheme};
pub use connection::endpoint::{Endpoint, Proxy};
pub use connection::options::{BucketOptions, CustomerKey, Keys, ProfileFiles, Secret, Sse};
pub use counts::RequestCounts;
pub use place::BucketStorage;
pub use requests::RequestLimits;
pub use service::Service;

/// Places of indexes that are looked at at the same time.
const PLACES_AT_ONCE: usize = 16;

/// Indexes in a bucket.
pub struct BucketStore {
    requests: Arc<Requests>,
    watch: Arc<Watch>,
    prefix: Path,
    location: String,
    lease: Duration,
    probe: Arc<Probe>,
}

impl BucketStore {
    /// The store at an address, reached as options say. Nothing is asked of the service before it is needed.
    ///
    /// # Errors
    /// `invalid-argument` for options that do not fit together, `not-found` and `io` for files with
    /// profiles or certificates that cannot be read.
    pub fn open(address: &Address, options: &BucketOptions) -> Result<Self> {
        let service = connection::connect(address, options)?;
        let limits = RequestLimits {
            retry_timeout: options.retry_timeout,
            in_flight: options.requests_in_flight,
            per_second: options.requests_per_second,
            ..RequestLimits::default()
        };
        let location = address.to_string();
        Self::new(service, &location, &address.prefix, limits, options.lease)
    }

    /// The store of a service below a prefix, which may be empty. `location` is for messages. Nothing is
    /// asked of the service before it is needed.
    ///
    /// # Errors
    /// `invalid-argument` for a prefix that is none.
    pub fn new(
        service: Arc<dyn Service>,
        location: &str,
        prefix: &str,
        limits: RequestLimits,
        lease: Duration,
    ) -> Result<Self> {
        check_prefix(prefix)?;
        let parsed = Path::parse(prefix);
        let prefix = parsed.map_err(|cause| {
            Error::invalid(format!("`{prefix}` is no prefix of a bucket: {cause}"))
        })?;
        let requests = Arc::new(Requests::new(service, limits));
        let location = location.to_owned();
        let probe = Probe::new(Arc::clone(&requests), prefix.clone(), location.clone());
        Ok(Self {
            requests,
            watch: Arc::default(),
            prefix,
            location,
            lease,
            probe: Arc::new(probe),
        })
    }

    /// How many requests were made so far, by everything that was opened here.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.requests.counts().now()
    }

    fn key(&self, name: &str) -> Path {
        name.split('/')
            .fold(self.prefix.clone(), |key, piece| key.join(piece))
    }

    fn storage(&self, name: &str, ahead: Arc<Ahead>) -> BucketStorage {
        BucketStorage {
            ahead,
            requests: Arc::clone(&self.requests),
            watch: Arc::clone(&self.watch),
            probe: Arc::clone(&self.probe),
            prefix: self.key(name),
            location: format!("{}/{name}", self.location),
            lease: self.lease,
        }
    }

    fn told<T>(&self, answer: Answer<T>) -> Result<T> {
        answer.map_err(|failure| failure.of_store().at(&self.location))
    }

    /// The place of a name. Who is about to write there has the service tried out at the same time, as
    /// `create` has, and needs the answer to that here.
    fn place(&self, name: &str, to_write: bool, create: bool) -> Result<Arc<dyn Storage>> {
        check_place(name)?;
        let probe = Arc::clone(&self.probe);
        // One below another was made before it was named, and nobody can see that of an empty one.
        if name.contains('/') {
            if create {
                wait(async move { probe.check().await })?;
            }
            return Ok(Arc::new(self.storage(name, Arc::default())));
        }
        let ahead = Arc::new(Ahead::default());
        let place = self.storage(name, Arc::clone(&ahead));
        let (requests, key) = (Arc::clone(&self.requests), place.prefix.clone());
        let lease = to_write.then(|| place.lease());
        let (looked, probed) = wait(async move {
            let probed = async {
                match to_write || create {
                    true => probe.check().await,
                    false => Ok(()),
                }
            };
            let answers = tokio::join!(ahead.look(&requests, &key, lease), probed);
            Ok::<_, Error>(answers)
        })?;
        if create {
            probed?;
        }
        match self.told(looked)? || create {
            true => Ok(Arc::new(place)),
            false => Err(self.absent(name)),
        }
    }

    fn is_there(&self, name: &str) -> Result<bool> {
        let (requests, key) = (Arc::clone(&self.requests), self.key(name));
        self.told(wait(async move { requests.has_any(&key).await }))
    }

    fn absent(&self, name: &str) -> Error {
        let location = &self.location;
        Error::not_found(format!(
            "store {location} has no index {name}; create it first"
        ))
    }
}

impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketStore")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Store for BucketStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        let (requests, prefix) = (Arc::clone(&self.requests), self.prefix.clone());
        self.told(wait(async move { marked_places(&requests, &prefix).await }))
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        check_index_name(name)?;
        let (requests, key) = (Arc::clone(&self.requests), self.key(name));
        let listing = self.told(wait(async move { requests.list(&key).await }))?;
        let names = listing.folders.iter().filter_map(|key| key.filename());
        let places = names.filter(|name| is_incarnation(name));
        Ok(places.map(str::to_owned).collect())
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        self.place(name, false, create)
    }

    fn open_index_to_write(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        self.place(name, true, create)
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        check_place(name)?;
        if !self.is_there(name)? {
            return Err(self.absent(name));
        }
        let (requests, key) = (Arc::clone(&self.requests), self.key(name));
        let lease = self.storage(name, Arc::default()).lease();
        wait(async move {
            lease.check_free().await?;
            let all = requests.list_all(&key).await?;
            requests
                .delete_all(all.into_iter().map(|it| it.key))
                .await?;
            Ok(())
        })
    }
}

/// The names of the places below a prefix that have an object which says that an index may be there.
async fn marked_places(requests: &Requests, prefix: &Path) -> Answer<Vec<String>> {
    use futures_util::{StreamExt, TryStreamExt};
    let listing = requests.list(prefix).await?;
    let looks = listing.folders.into_iter().map(|folder| async move {
        let name = folder.filename().unwrap_or_default().to_owned();
        if check_index_name(&name).is_err() {
            return Ok(None);
        }
        let objects = requests.list(&folder).await?.objects;
        let mut names = objects.iter().filter_map(|object| object.key.filename());
        let is_mark = |name: &str| name == "index.json" || name.ends_with(".incarnation");
        Answer::Ok(names.any(is_mark).then_some(name))
    });
    let found: Vec<Option<String>> = futures_util::stream::iter(looks)
        .buffered(PLACES_AT_ONCE)
        .try_collect()
        .await?;
    let mut names: Vec<String> = found.into_iter().flatten().collect();
    names.sort_unstable();
    Ok(names)
}
