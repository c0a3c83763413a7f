//! Puts under a condition: that there is no such object, or that it still has a version. Of several at the
//! same time one succeeds; where an answer was lost the content tells whose it is.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{PutMode, PutOptions, PutPayload};
use tokio::time::Instant;

use super::{Answer, Requests, Version, version_of};
use crate::bucket::counts::Request;
use crate::bucket::failure::{Failure, Outcome, outcome};

/// How a service wants tags: with the quotes that belong to them, or bare, as some compare them.
#[derive(Default)]
pub(super) struct Tags(AtomicU8);

const UNKNOWN: u8 = 0;
const QUOTED: u8 = 1;
const BARE: u8 = 2;

impl Tags {
    fn known(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn know(&self, form: u8) {
        self.0.store(form, Ordering::Relaxed);
    }
}

impl Requests {
    /// Creates an object. Of any number of callers exactly one succeeds; where it cannot be known who did,
    /// the bytes tell.
    pub(in super::super) async fn create(&self, key: &Path, bytes: &Bytes) -> Answer<Version> {
        let is_lost = |_: &Version| true;
        self.put(Request::Create, key, bytes, || PutMode::Create, is_lost)
            .await
    }

    /// Replaces an object that still has a version. As long as it is not known how the service compares tags
    /// a refusal tells nothing before it was asked in both ways; no tag in either form is that of another
    /// version.
    pub(in super::super) async fn swap(
        &self,
        key: &Path,
        old: &Version,
        bytes: &Bytes,
    ) -> Answer<Version> {
        let known = self.tags.known();
        let asked = |is_bare| {
            let mode = move || PutMode::Update(old.condition(is_bare));
            // What others put may lie over what this one did; not so where nothing was replaced at all.
            let is_lost = move |found: &Version| known == UNKNOWN && !is_bare && found == old;
            self.put(Request::Swap, key, bytes, mode, is_lost)
        };
        let refused = match asked(known == BARE).await {
            Err(failure) if failure.is_conflict() && known == UNKNOWN => failure,
            answer => {
                if answer.is_ok() && known == UNKNOWN {
                    self.tags.know(QUOTED);
                }
                return answer;
            }
        };
        match asked(true).await {
            Ok(version) => {
                self.tags.know(BARE);
                Ok(version)
            }
            Err(failure) if failure.is_conflict() => Err(refused),
            Err(failure) => Err(failure),
        }
    }

    /// The same in one form of tags only: for who needs to know no more than whether conditions count.
    pub(in super::super) async fn swap_once(
        &self,
        key: &Path,
        old: &Version,
        bytes: &Bytes,
    ) -> Answer<Version> {
        let mode = || PutMode::Update(old.condition(self.are_tags_bare()));
        self.put(Request::Swap, key, bytes, mode, |_| false).await
    }

    /// Whether the service is known to compare tags without their quotes.
    pub(in super::super) fn are_tags_bare(&self) -> bool {
        self.tags.known() == BARE
    }

    async fn put(
        &self,
        request: Request,
        key: &Path,
        bytes: &Bytes,
        mode: impl Fn() -> PutMode,
        is_lost: impl Fn(&Version) -> bool,
    ) -> Answer<Version> {
        let begun = Instant::now();
        let mut delays = self.delays();
        let mut in_doubt = false;
        loop {
            let options = PutOptions::from(mode());
            let payload = PutPayload::from_bytes(bytes.clone());
            let put = self.service.put_opts(key, payload, options);
            let cause = match self.once(request, put).await {
                Ok(made) => {
                    self.counts.sent(bytes.len());
                    return Ok(version_of(&made));
                }
                Err(cause) => cause,
            };
            let failure = match outcome(&cause) {
                // Somebody has the name, or another version: maybe this call itself, a moment ago.
                Outcome::Definite if Failure::is_refusal(&cause) && in_doubt => {
                    return self.whose(request, key, bytes, cause, is_lost).await;
                }
                Outcome::Definite => {
                    let failure = self.failure(request, key, cause);
                    return Err(if in_doubt {
                        failure.in_doubt()
                    } else {
                        failure
                    });
                }
                Outcome::NotSent => self.failure(request, key, cause),
                Outcome::Doubt => {
                    in_doubt = true;
                    self.failure(request, key, cause).in_doubt()
                }
            };
            if !self.wait_again(begun, &mut delays).await {
                return Err(if in_doubt {
                    failure.in_doubt()
                } else {
                    failure
                });
            }
        }
    }

    /// Tells whether an object is what a call put whose answer was lost. `is_lost` says of the version of
    /// another's whether that proves that nothing was put.
    async fn whose(
        &self,
        request: Request,
        key: &Path,
        bytes: &Bytes,
        cause: object_store::Error,
        is_lost: impl Fn(&Version) -> bool,
    ) -> Answer<Version> {
        // A byte more than there can be makes a longer one another's.
        match self.get(key, bytes.len().max(1)).await {
            Ok(Some((found, version))) if found == *bytes => Ok(version),
            Ok(Some((_, version))) if is_lost(&version) => Err(self.failure(request, key, cause)),
            // A longer one; of that of a name which is made once nothing else need be known.
            Err(failure) if failure.is_damage() && request == Request::Create => {
                Err(self.failure(request, key, cause))
            }
            // It was there and went, or lies below what others put.
            Ok(_) => Err(self.failure(request, key, cause).in_doubt()),
            Err(failure) if failure.is_damage() => {
                Err(self.failure(request, key, cause).in_doubt())
            }
            Err(failure) => Err(failure.in_doubt()),
        }
    }
}
