//! What an opening is about to ask of a bucket, asked at once. Each answer takes a round trip to the
//! service and most questions follow from one listing: so that is made first, of everything below the name
//! of an index, then what it shows to be needed is read at the same time, and the calls of the opening
//! find their answers.
//!
//! An answer stands for a call that was made when it was foreseen. So it is given only to whoever has changed
//! nothing since, and listings that are to be made after a pin are made after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use parking_lot::Mutex;

use super::file::BucketFile;
use super::lease::Lease;
use super::renewal::Renewed;
use super::requests::{Answer, Listed, Requests, Version};
use crate::Held;
use crate::paths::{MAX_OBJECT_BYTES, is_incarnation};

/// Most objects of an index that are foreseen; of more nothing is.
const KEYS_MAX: usize = 2_000;
/// Most bytes of the log that are read ahead.
const LOG_BYTES_MAX: u64 = 32 << 20;
/// Most parts whose ends are read ahead.
const PARTS_MAX: usize = 64;
/// Requests of one step.
const AT_ONCE: usize = 512;
/// How the names of snapshots end.
const SNAPSHOT: &str = ".snapshot";
/// How often a listing of a place is given: the last object of a name, and the newest snapshot, are found
/// in one each.
pub(super) const OF_PLACE: u32 = 2;
/// The same of a log.
pub(super) const OF_LOG: u32 = 1;

/// What was foreseen of an index.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Everything below the name, in the order of keys; none once it may not be given any more.
    listed: Option<Vec<Listed>>,
    /// How often each listing was given, by what it lists.
    given: BTreeMap<String, u32>,
    objects: BTreeMap<String, (Bytes, Version)>,
    files: BTreeMap<String, BucketFile>,
    /// An opening has pinned what it reads: it came as far as it could with what was foreseen.
    is_pinned: bool,
    /// The lease of a place, taken for who is about to ask for it.
    lease: Option<(Path, Renewed)>,
    /// How far an opening for writing has come.
    tenure: Tenure,
}

/// How far an opening for writing has come in its place, as far as foresight goes: when it has put its
/// claim it looks at the place, and then at the log.
#[derive(Default)]
enum Tenure {
    #[default]
    None,
    /// It holds the lease.
    Leased(Path),
    /// It has put a snapshot.
    Claimed(Path),
    /// The log was listed with the place.
    Looked(Path, Vec<Listed>),
}

impl Ahead {
    /// Looks at everything below the name of an index, and whether there is anything. For who is about to
    /// write there, whose lease of the name itself is given, it takes the lease of the place that it will
    /// ask for, and reads the files of that already.
    pub(super) async fn look(
        &self,
        requests: &Arc<Requests>,
        root: &Path,
        lease: Option<Lease>,
    ) -> Answer<bool> {
        let Some(listed) = requests.list_some(root, KEYS_MAX).await? else {
            return Ok(true);
        };
        let is_there = !listed.is_empty();
        let (place, wanted) = begin_with(root, &listed);
        let is_index = |key: &Path| key.filename() == Some("index.json");
        if !wanted.iter().any(is_index) {
            // No index, or one that is being made: what is looked for next may be there by then.
            return Ok(is_there);
        }
        self.state.lock().listed = Some(listed.clone());
        let lease = lease.map(|lease| match place == *root {
            true => lease,
            false => lease.below(&place),
        });
        // The objects are read after the look at the lease: who gave it back has changed them before.
        let begun = async {
            let found = match &lease {
                Some(lease) => Some(lease.look_from(&listed).await),
                None => None,
            };
            let leased = async {
                // Who asks for it is told why it is not there.
                let (lease, found) = (lease.as_ref()?, found?.ok()?);
                lease.take_found(found).await.ok()
            };
            tokio::join!(read_all(requests, wanted), leased)
        };
        let files = async {
            if let Some(lease) = &lease {
                self.read_files(requests, &place, &lease.place).await;
            }
        };
        let ((objects, leased), ()) = tokio::join!(begun, files);
        let mut state = self.state.lock();
        state.lease = leased.map(|lease| (place.clone(), lease));
        match objects {
            Ok(Some(objects)) => state.objects = objects,
            // Others are at work: everything is asked when it is needed.
            Ok(None) => state.listed = None,
            Err(failure) => {
                state.listed = None;
                return Err(failure);
            }
        }
        Ok(is_there)
    }

    /// Reads the log and the ends of parts in a place, as far as they were seen there.
    pub(super) async fn read_files(&self, requests: &Arc<Requests>, place: &Path, name: &str) {
        let (log, parts) = {
            let state = self.state.lock();
            let Some(listed) = state.listed.as_ref().filter(|_| !state.is_pinned) else {
                return;
            };
            let log = below(listed, &place.clone().join("log"));
            let parts = below(listed, &place.clone().join("parts"));
            let log_bytes: u64 = log.iter().map(|it| it.size_bytes).sum();
            let log = if log_bytes > LOG_BYTES_MAX {
                Vec::new()
            } else {
                log
            };
            let parts = if parts.len() > PARTS_MAX {
                Vec::new()
            } else {
                parts
            };
            (log, parts)
        };
        let all =
            { log.into_iter().map(|it| (it, true)) }.chain(parts.into_iter().map(|it| (it, false)));
        let opened = all.map(|(listed, is_whole)| async move {
            let requests = Arc::clone(requests);
            let rest = listed.key.as_ref().strip_prefix(place.as_ref());
            let file = format!("{name}{}", rest.unwrap_or_default());
            let opened = match is_whole {
                true => BucketFile::open_whole(requests, listed.key.clone(), file).await,
                false => BucketFile::open(requests, listed.key.clone(), file).await,
            };
            (listed.key, opened)
        });
        let opened: Vec<_> = stream::iter(opened).buffered(AT_ONCE).collect().await;
        let mut state = self.state.lock();
        // What cannot be read now is asked for again, and told then.
        let whole = opened
            .into_iter()
            .filter_map(|(key, file)| Some((key.to_string(), file.ok()?)));
        state.files.extend(whole);
    }

    /// What lies right below a key, if it was foreseen and not given more often than so.
    pub(super) fn list(&self, key: &Path, most: u32) -> Option<Vec<Listed>> {
        let mut state = self.state.lock();
        let State { listed, given, .. } = &mut *state;
        let listed = listed.as_ref()?;
        let times = given.entry(key.to_string()).or_default();
        *times += 1;
        (*times <= most).then(|| below(listed, key))
    }

    /// Bytes of everything below a place, if they were foreseen.
    pub(super) fn size_bytes(&self, place: &Path) -> Option<u64> {
        let state = self.state.lock();
        let is_below = |it: &&Listed| {
            let rest = it.key.as_ref().strip_prefix(place.as_ref());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let all = state.listed.as_ref()?.iter().filter(is_below);
        Some(all.map(|it| it.size_bytes).sum())
    }

    /// An object that was foreseen.
    pub(super) fn object(&self, key: &Path) -> Option<(Bytes, Version)> {
        self.state.lock().objects.get(key.as_ref()).cloned()
    }

    /// A file that was foreseen; once.
    pub(super) fn file(&self, key: &Path) -> Option<BucketFile> {
        self.state.lock().files.remove(key.as_ref())
    }

    /// A pin was taken: what is in the place is asked again, but for the log. With the next one nothing
    /// counts that was foreseen for the first.
    pub(super) fn pinned(&self, place: &Path) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.is_pinned, true) {
            state.listed = None;
            state.files.clear();
        }
        state.given.insert(place.to_string(), OF_PLACE);
        state.objects.retain(|key, _| key.ends_with("/index.json"));
    }

    /// Who has pinned what it reads looks at the place again: it has opened what it needs.
    pub(super) fn looked_again(&self) {
        let mut state = self.state.lock();
        if state.is_pinned {
            state.files.clear();
        }
    }

    /// Something is being changed: nothing that was foreseen is given any more, but for the content of files,
    /// which do not change.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        state.listed = None;
        state.objects.clear();
        if let Tenure::Looked(..) = state.tenure {
            state.tenure = Tenure::None;
        }
    }

    /// The opening is over: files are written.
    pub(super) fn end(&self) {
        // A lease is given back by who lets go of it, which takes a while.
        let over = std::mem::take(&mut *self.state.lock());
        drop(over);
    }

    /// The lease of a place, if it was taken and is held still; its files are read already.
    pub(super) fn lease(&self, place: &Path) -> Option<Renewed> {
        let taken = self.state.lock().lease.take();
        let (leased, lease) = taken?;
        (leased == *place && lease.is_held()).then_some(lease)
    }

    /// Who opens a place holds its lease.
    pub(super) fn leased(&self, place: &Path) {
        self.state.lock().tenure = Tenure::Leased(place.clone());
    }

    /// An object was put in a place, or may have been: the first snapshot of who holds the lease is its
    /// claim.
    pub(super) fn put(&self, place: &Path, name: &str) {
        let mut state = self.state.lock();
        if matches!(&state.tenure, Tenure::Leased(leased) if leased == place)
            && name.ends_with(SNAPSHOT)
        {
            state.tenure = Tenure::Claimed(place.clone());
        }
    }

    /// Whether a look at a place is that after a claim, which one at the log follows.
    pub(super) fn is_claimed(&self, place: &Path) -> bool {
        matches!(&self.state.lock().tenure, Tenure::Claimed(claimed) if claimed == place)
    }

    /// The log was listed with the place after a claim.
    pub(super) fn looked(&self, log: Path, listed: Vec<Listed>) {
        self.state.lock().tenure = Tenure::Looked(log, listed);
    }

    /// What was listed of the log then; once.
    pub(super) fn log(&self, key: &Path) -> Option<Vec<Listed>> {
        let mut state = self.state.lock();
        match std::mem::take(&mut state.tenure) {
            Tenure::Looked(log, listed) if log == *key => Some(listed),
            other => {
                state.tenure = other;
                None
            }
        }
    }
}

/// Objects, all at the same time. None if one of them is gone.
async fn read_all(
    requests: &Requests,
    wanted: Vec<Path>,
) -> Answer<Option<BTreeMap<String, (Bytes, Version)>>> {
    let read = wanted.into_iter().map(|key| async move {
        let found = requests.get(&key, MAX_OBJECT_BYTES).await?;
        Answer::Ok((key, found))
    });
    let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).collect().await;
    let mut objects = BTreeMap::new();
    for read in read {
        match read? {
            (key, Some(found)) => drop(objects.insert(key.to_string(), found)),
            (_, None) => return Ok(None),
        }
    }
    Ok(Some(objects))
}

/// What lies right below a key.
fn below(listed: &[Listed], key: &Path) -> Vec<Listed> {
    let is_below = |it: &&Listed| {
        let rest = it.key.as_ref().strip_prefix(key.as_ref());
        let rest = rest.and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
    };
    listed.iter().filter(is_below).cloned().collect()
}

/// What every opening reads first: the last object that says where the index is, and of the place that it is
/// likely to name, which is told too, the settings and the newest snapshot.
fn begin_with(root: &Path, listed: &[Listed]) -> (Path, Vec<Path>) {
    let last = |place: &Path, suffix: &str| {
        let names = below(listed, place).into_iter();
        let mut keys = names
            .map(|it| it.key)
            .filter(|key| key.as_ref().ends_with(suffix));
        keys.next_back()
    };
    let said = last(root, ".incarnation");
    let number = said
        .as_ref()
        .and_then(|key| key.filename()?.strip_suffix(".incarnation"));
    let place_of = |it: &Listed| -> Option<String> {
        let rest = it
            .key
            .as_ref()
            .strip_prefix(root.as_ref())?
            .strip_prefix('/')?;
        let (place, _) = rest.split_once('/')?;
        let is_it = is_incarnation(place) && Some(place.get(..8)?) == number;
        is_it.then(|| place.to_owned())
    };
    let mut places: Vec<String> = listed.iter().filter_map(place_of).collect();
    places.dedup();
    let place = match places.as_slice() {
        [] => root.clone(),
        [place] => root.clone().join(place.as_str()),
        // One of them is of a copy that did not come to its end.
        _ => return (root.clone(), Vec::new()),
    };
    let settings = last(&place, "/index.json");
    let snapshot = last(&place, SNAPSHOT);
    let wanted = [said, settings, snapshot].into_iter().flatten().collect();
    (place, wanted)
}
