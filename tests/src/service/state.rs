//! What the service holds, and how it changes. Each change is atomic and seen by all that follow.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::Attributes;

use super::effect::{Applied, Condition, Effect, Refusal, quoted, tag_of};
use super::journal::{Landing, Recorder};
use super::request::Request;
use super::uploads::Uploads;

/// In what a service differs from S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// `If-Match` is compared without quotes, as Ceph's gateway does: a quoted tag never matches.
    pub bare_etags: bool,
    /// Conditions of puts are taken and ignored.
    pub ignores_conditions: bool,
    /// A copy that must not find an object overwrites it.
    pub copies_overwrite: bool,
    /// The end of an upload that has ended before is answered as the first time, not with 404. S3 has been
    /// seen to do either.
    pub remembers_completed: bool,
    /// Ends of objects are not served, as Azure does not.
    pub refuses_suffixes: bool,
    /// Fewest bytes of every part but the last. S3 wants 5 MiB.
    pub smallest_part_bytes: usize,
    /// Most objects and prefixes of a page of a listing.
    pub keys_per_page: usize,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            bare_etags: false,
            ignores_conditions: false,
            copies_overwrite: false,
            remembers_completed: false,
            refuses_suffixes: false,
            smallest_part_bytes: 0,
            keys_per_page: 1_000,
        }
    }
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) tag: String,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
}

/// A change that has been asked for and waits.
#[derive(Debug)]
struct Late {
    /// The count of requests with which it lands; none if the test says when.
    due: Option<u64>,
    request: Request,
    effect: Effect,
}

/// Everything that clients share.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: Uploads,
    pub(super) quirks: Quirks,
    pub(super) recorder: Recorder,
    /// The time of the service if a test has set it.
    pub(super) time: Option<SystemTime>,
    late: Vec<Late>,
    /// Requests of anyone so far.
    arrived: u64,
}

impl State {
    /// Counts a request that arrives, after what was due with it has landed.
    pub(super) fn arrive(&mut self) {
        self.arrived += 1;
        let arrived = self.arrived;
        self.land(|late| late.due.is_some_and(|due| due <= arrived));
    }

    /// Keeps a change for later: until so many further requests have arrived, or until the test says.
    pub(super) fn delay(&mut self, request: &Request, effect: Effect, requests: Option<u64>) {
        self.late.push(Late {
            due: requests.map(|requests| self.arrived.saturating_add(requests)),
            request: request.clone(),
            effect,
        });
    }

    /// Lets all changes land that wait, and tells how many those were.
    pub(super) fn land_all(&mut self) -> usize {
        self.land(|_| true)
    }

    /// Lets no change land that waits, and tells how many those were.
    pub(super) fn forget_late(&mut self) -> usize {
        std::mem::take(&mut self.late).len()
    }

    /// How many changes wait.
    pub(super) fn late_count(&self) -> usize {
        self.late.len()
    }

    fn land(&mut self, is_due: impl Fn(&Late) -> bool) -> usize {
        let waiting = std::mem::take(&mut self.late);
        let (mut due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_due);
        self.late = rest;
        // Stable: what was asked for first lands first of what is due at the same time.
        due.sort_by_key(|late| late.due);
        let count = due.len();
        for late in due {
            let is_applied = self.apply(&late.effect).is_ok();
            self.recorder.landed(Landing {
                request: late.request,
                is_applied,
            });
        }
        count
    }

    /// Carries a change out, or finds that its condition does not hold now.
    pub(super) fn apply(&mut self, effect: &Effect) -> Result<Applied, Refusal> {
        match effect {
            Effect::Put {
                key,
                bytes,
                attributes,
                condition,
            } => {
                self.check(key, condition)?;
                let tag = tag_of(bytes);
                let applied = Applied::tagged(&tag);
                self.store(key, bytes.clone(), tag, attributes.clone());
                Ok(applied)
            }
            Effect::Delete { keys } => {
                for key in keys {
                    self.objects.remove(key);
                }
                Ok(Applied::default())
            }
            Effect::Copy {
                from,
                to,
                is_create,
            } => self.copy(from, to, *is_create),
            Effect::Begin { key, attributes } => Ok(Applied {
                tag: None,
                upload: Some(self.uploads.begin(key, attributes.clone())),
            }),
            Effect::Part {
                key,
                upload,
                number,
                bytes,
            } => self.uploads.part(key, upload, *number, bytes),
            Effect::Complete { key, upload, tags } => self.complete(key, upload, tags),
            Effect::Abort { key, upload } => self.uploads.abort(key, upload),
        }
    }

    fn check(&self, key: &str, condition: &Condition) -> Result<(), Refusal> {
        if self.quirks.ignores_conditions {
            return Ok(());
        }
        match (condition, self.objects.get(key)) {
            (Condition::Any, _) | (Condition::Absent, None) => Ok(()),
            (Condition::Absent, Some(_)) => Err(Refusal::Exists),
            (Condition::Matches(_), None) => Err(Refusal::NoKey),
            (Condition::Matches(tag), Some(object)) => {
                let is_match = match self.quirks.bare_etags {
                    true => *tag == object.tag,
                    false => *tag == quoted(&object.tag),
                };
                is_match.then_some(()).ok_or(Refusal::Mismatch)
            }
        }
    }

    fn copy(&mut self, from: &str, to: &str, is_create: bool) -> Result<Applied, Refusal> {
        let object = self.objects.get(from).cloned().ok_or(Refusal::NoKey)?;
        let is_checked = is_create && !self.quirks.copies_overwrite;
        if is_checked && self.objects.contains_key(to) {
            return Err(Refusal::Exists);
        }
        let applied = Applied::tagged(&object.tag);
        self.store(to, object.bytes, object.tag, object.attributes);
        Ok(applied)
    }

    fn complete(&mut self, key: &str, upload: &str, tags: &[String]) -> Result<Applied, Refusal> {
        if self.quirks.remembers_completed
            && let Some(tag) = self.uploads.completed(key, upload)
        {
            return Ok(Applied::tagged(tag));
        }
        let whole = self
            .uploads
            .complete(key, upload, tags, self.quirks.smallest_part_bytes)?;
        let applied = Applied::tagged(&whole.tag);
        self.store(key, whole.bytes, whole.tag, whole.attributes);
        Ok(applied)
    }

    /// Stores an object, whatever was there.
    pub(super) fn store(&mut self, key: &str, bytes: Bytes, tag: String, attributes: Attributes) {
        let object = Object {
            bytes,
            tag,
            modified: self.now(),
            attributes,
        };
        self.objects.insert(key.to_owned(), object);
    }

    /// The time of the service in whole seconds, as S3 tells it.
    fn now(&self) -> SystemTime {
        let now = self.time.unwrap_or_else(SystemTime::now);
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }
}
