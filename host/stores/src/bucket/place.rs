//! The place of one index in a bucket. Files and objects are both objects of the bucket; nothing grows.
//!
//! ```text
//! <prefix>/<index>/index.json           objects
//! <prefix>/<index>/parts/<part>.part    files
//! <prefix>/<index>/lock                 the lease of the writer
//! <prefix>/<index>/readers/<pin>        the pins of readers
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;

use super::ahead::{Ahead, OF_LOG, OF_PLACE};
use super::failure::Failure;
use super::file::BucketFile;
use super::lease::Lease;
use super::pins;
use super::probe::Probe;
use super::rename::Rename;
use super::requests::{Answer, Listed, Requests, Version};
use super::threads::wait;
use super::upload::BucketNewFile;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::paths::{
    LOCK_NAME, MAX_OBJECT_BYTES, READERS_NAME, check_move, check_object_name, check_object_prefix,
    check_object_size, check_path,
};
use crate::{AppendFile, Lock, LogForm, NewFile, ReadFile, Storage};

/// A read takes as long whether one is under way or many.
const READS_AT_ONCE: usize = 32;
/// Files that are opened at the same time; more requests wait for their turn.
const FILES_AT_ONCE: usize = 256;
/// Where the log is.
const LOG_NAME: &str = "log";

/// One index in a bucket.
pub struct BucketStorage {
    pub(super) requests: Arc<Requests>,
    pub(super) watch: Arc<Watch>,
    pub(super) probe: Arc<Probe>,
    /// What was foreseen of an opening.
    pub(super) ahead: Arc<Ahead>,
    /// Of everything in it, without a slash at the end.
    pub(super) prefix: Path,
    /// For messages.
    pub(super) location: String,
    pub(super) lease: Duration,
}

impl BucketStorage {
    /// The key of a path or a name, which was checked.
    fn key(&self, path: &str) -> Result<Path> {
        let parsed = Path::parse(format!("{}/{path}", self.prefix));
        parsed.map_err(|cause| Error::invalid(format!("path `{path}` is no key: {cause}")))
    }

    fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.location)
    }

    fn told<T>(&self, path: &str, answer: Answer<T>) -> Result<T> {
        answer.map_err(|failure| Error::from(failure).at(self.name(path)))
    }

    /// That of its writer.
    pub(super) fn lease(&self) -> Lease {
        Lease {
            requests: Arc::clone(&self.requests),
            watch: Arc::clone(&self.watch),
            folder: self.prefix.clone(),
            place: self.location.clone(),
            time: self.lease,
        }
    }

    /// The objects of a place that was claimed, and at the same time its log, for who goes on to that.
    fn list_claimed(&self) -> Result<Vec<Listed>> {
        let (requests, place) = (Arc::clone(&self.requests), self.prefix.clone());
        let key = self.key(LOG_NAME)?;
        let log = key.clone();
        let listed = wait(async move {
            let (place, log) = tokio::join!(requests.list(&place), requests.list(&log));
            Answer::Ok((place?, log?))
        });
        let (place, log) = self.at(listed.map_err(Error::from))?;
        self.ahead.looked(key, log.objects);
        Ok(place.objects)
    }

    fn at<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.at(&self.location))
    }

    /// Makes requests for a key and waits for them.
    fn ask<T, F>(&self, path: &str, call: impl FnOnce(Arc<Requests>, Path) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        let key = self.key(path)?;
        self.told(path, wait(call(Arc::clone(&self.requests), key)))
    }
}

impl Storage for BucketStorage {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        check_path(path)?;
        self.ahead.end();
        let requests = Arc::clone(&self.requests);
        let file = BucketNewFile::new(requests, self.key(path)?, self.name(path));
        Ok(Box::new(file))
    }

    fn put_file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        self.ahead.forget();
        let bytes = Bytes::copy_from_slice(bytes);
        self.ask(path, |requests, key| async move {
            requests.create(&key, &bytes).await.map(drop)
        })
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        check_path(path)?;
        let name = self.name(path);
        let key = self.key(path)?;
        if let Some(file) = self.ahead.file(&key) {
            return Ok(Arc::new(file));
        }
        let requests = Arc::clone(&self.requests);
        match wait(BucketFile::open(requests, key, name.clone())) {
            Ok(file) => Ok(Arc::new(file)),
            Err(failure) => Err(told_of_file(failure, name)),
        }
    }

    fn open_all(&self, paths: &[String]) -> Vec<Result<Arc<dyn ReadFile>>> {
        use futures_util::{StreamExt, stream};
        let keyed = paths.iter().map(|path| {
            check_path(path)?;
            let key = self.key(path)?;
            let foreseen = self.ahead.file(&key);
            Ok((key, self.name(path), foreseen))
        });
        let keyed: Vec<Result<(Path, String, Option<BucketFile>)>> = keyed.collect();
        let is_foreseen = |keyed: &Result<(Path, String, Option<BucketFile>)>| {
            keyed
                .as_ref()
                .is_ok_and(|(_, _, foreseen)| foreseen.is_some())
        };
        if keyed.iter().all(is_foreseen) {
            let files = keyed.into_iter().filter_map(|keyed| keyed.ok()?.2);
            return files
                .map(|file| Ok(Arc::new(file) as Arc<dyn ReadFile>))
                .collect();
        }
        let requests = Arc::clone(&self.requests);
        let opened = wait(async move {
            let opens = keyed.into_iter().map(|keyed| {
                let requests = Arc::clone(&requests);
                async move {
                    let (key, name, foreseen) = keyed?;
                    if let Some(file) = foreseen {
                        return Ok(Arc::new(file) as Arc<dyn ReadFile>);
                    }
                    let opened = BucketFile::open_whole(requests, key, name.clone()).await;
                    opened
                        .map(|file| Arc::new(file) as Arc<dyn ReadFile>)
                        .map_err(|failure| told_of_file(failure, name))
                }
            });
            let opened: Vec<_> = stream::iter(opens).buffered(FILES_AT_ONCE).collect().await;
            Ok::<_, Error>(opened)
        });
        opened.unwrap_or_else(|error| paths.iter().map(|_| Err(error.clone())).collect())
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        check_path(path)?;
        // Only of the log is foreseen what is in a directory.
        let key = self.key(path)?;
        if path == LOG_NAME
            && let Some(listed) = { self.ahead.log(&key) }.or_else(|| self.ahead.list(&key, OF_LOG))
        {
            let names = listed.iter().filter_map(|it| it.key.filename());
            return Ok(names.map(str::to_owned).collect());
        }
        self.ask(path, |requests, key| async move {
            let listing = requests.list(&key).await?;
            let objects = listing.objects.iter().map(|object| &object.key);
            let keys = objects.chain(&listing.folders);
            let mut names: Vec<_> = keys
                .filter_map(|key| key.filename())
                .map(str::to_owned)
                .collect();
            names.sort_unstable();
            Ok(names)
        })
    }

    fn remove(&self, path: &str) -> Result<()> {
        check_path(path)?;
        self.ahead.forget();
        self.ask(path, |requests, key| async move {
            let (removed, below) = tokio::join!(requests.delete(&key), requests.list_all(&key));
            removed?;
            requests
                .delete_all(below?.into_iter().map(|it| it.key))
                .await
        })
    }

    /// Copies, then removes.
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_move(from, to)?;
        self.ahead.forget();
        let rename = Rename {
            requests: &self.requests,
            source: (self.key(from)?, self.name(from)),
            target: (self.key(to)?, self.name(to)),
        };
        rename.run()
    }

    /// What is there is durable.
    fn sync(&self, path: &str) -> Result<()> {
        check_path(path)
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        check_object_name(name)?;
        if let Some((bytes, version)) = self.ahead.object(&self.key(name)?) {
            return Ok(Some((bytes.into(), version.into_text())));
        }
        let found = self.ask(name, |requests, key| async move {
            requests.get(&key, MAX_OBJECT_BYTES).await
        })?;
        Ok(found.map(|(bytes, version)| (bytes.into(), version.into_text())))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        check_object_name(name)?;
        check_object_size(name, bytes)?;
        self.ahead.forget();
        let bytes = Bytes::copy_from_slice(bytes);
        let version = self.ask(name, |requests, key| async move {
            requests.create(&key, &bytes).await
        });
        self.ahead.put(&self.prefix, name);
        Ok(version?.into_text())
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        check_object_name(name)?;
        check_object_size(name, bytes)?;
        self.ahead.forget();
        let (old, bytes) = (Version::parse(version), Bytes::copy_from_slice(bytes));
        let version = self.ask(name, |requests, key| async move {
            requests.swap(&key, &old, &bytes).await
        });
        Ok(version?.into_text())
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        check_object_prefix(prefix)?;
        self.ahead.looked_again();
        let listed = match self.ahead.list(&self.prefix, OF_PLACE) {
            Some(listed) => listed,
            None if self.ahead.is_claimed(&self.prefix) => self.list_claimed()?,
            None => {
                let (requests, place) = (Arc::clone(&self.requests), self.prefix.clone());
                let listed = wait(async move { requests.list(&place).await });
                self.at(listed.map_err(Error::from))?.objects
            }
        };
        let names = listed.iter().filter_map(|object| object.key.filename());
        let wanted = names.filter(|name| name.starts_with(prefix) && *name != LOCK_NAME);
        Ok(wanted.map(str::to_owned).collect())
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        check_object_name(name)?;
        self.ahead.forget();
        self.ask(
            name,
            |requests, key| async move { requests.delete(&key).await },
        )
    }

    fn below(&self, place: &str) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self {
            requests: Arc::clone(&self.requests),
            watch: Arc::clone(&self.watch),
            probe: Arc::clone(&self.probe),
            ahead: Arc::clone(&self.ahead),
            prefix: self.prefix.clone().join(place),
            location: format!("{}/{place}", self.location),
            lease: self.lease,
        }))
    }

    fn log_form(&self) -> LogForm {
        LogForm::Whole
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        check_path(path)?;
        let text = format!("{}: no file grows in a bucket", self.name(path));
        Err(Error::invalid(text))
    }

    /// Whoever writes takes it first, so the service is tried out here.
    fn lock(&self) -> Result<Lock> {
        let probe = Arc::clone(&self.probe);
        wait(async move { probe.check().await })?;
        let taken = match self.ahead.lease(&self.prefix) {
            Some(taken) => taken,
            None => {
                let lease = self.lease();
                let taken = wait(async move { lease.take().await })?;
                // Who held it before may have changed everything.
                self.ahead.end();
                taken
            }
        };
        self.ahead.leased(&self.prefix);
        Ok(Box::new(taken))
    }

    fn has_locks(&self) -> bool {
        false
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        let lease = self.lease;
        let (requests, folder) = (Arc::clone(&self.requests), self.key(READERS_NAME)?);
        let (ahead, place, name) = (
            Arc::clone(&self.ahead),
            self.prefix.clone(),
            self.location(),
        );
        let pinned = self.at(wait(async move {
            let (pinned, ()) = tokio::join!(
                pins::take(&requests, &folder, epoch, lease),
                ahead.read_files(&requests, &place, &name)
            );
            ahead.pinned(&place);
            pinned
        }))?;
        Ok(pinned.map(|pin| Box::new(pin) as Lock))
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        let (requests, watch) = (Arc::clone(&self.requests), Arc::clone(&self.watch));
        let folder = self.key(READERS_NAME)?;
        self.at(wait(
            async move { pins::held(&requests, &watch, &folder).await },
        ))
    }

    fn takes_folders(&self) -> bool {
        false
    }

    fn reads_at_once(&self) -> usize {
        READS_AT_ONCE
    }

    fn size_bytes(&self) -> Result<u64> {
        if let Some(bytes) = self.ahead.size_bytes(&self.prefix) {
            return Ok(bytes);
        }
        let (requests, place) = (Arc::clone(&self.requests), self.prefix.clone());
        let all = wait(async move { requests.list_all(&place).await });
        let all = self.at(all.map_err(Error::from))?;
        Ok(all.iter().map(|object| object.size_bytes).sum())
    }
}

fn told_of_file(failure: Failure, name: String) -> Error {
    match failure.is_absent() {
        true => Error::not_found(format!("there is no file {name}")),
        false => Error::from(failure).at(name),
    }
}
