//! A store for components that ask for `wit/storage`: here in memory, and with nothing of sidx but that
//! interface. Whatever keeps bytes under names can take the place of [`Tree`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::bindings::sidx::storage::types::{self, Error};
use super::bindings::sidx::storage::{environment, files, objects, places};

type Answer<T> = Result<T, Error>;
/// Bytes of a file, which those that have it open see as they come.
type Bytes = Arc<Mutex<Vec<u8>>>;

const CALL_BYTES_MAX: u64 = 64 << 20;
const OBJECT_BYTES_MAX: usize = 16 << 20;

/// The store, which any number of instances share.
#[derive(Default)]
pub struct Tree {
    places: BTreeSet<String>,
    /// By path.
    files: BTreeMap<String, Bytes>,
    objects: BTreeMap<String, objects::Object>,
    /// Versions given so far.
    versions: u64,
    /// Places whose lock is held.
    locked: BTreeSet<String>,
}

/// What an instance has open.
enum Handle {
    New(String, Vec<u8>),
    Growing(Bytes),
    Open(Bytes, u64),
    Lock(String),
}

/// What is lent to one instance.
pub struct Lent {
    tree: Arc<Mutex<Tree>>,
    handles: BTreeMap<u32, Handle>,
    given: u32,
    start: Instant,
}

fn invalid<T>(text: impl Into<String>) -> Answer<T> {
    Err(Error::InvalidArgument(text.into()))
}

/// What another thread left half done when it failed is as good as any other state here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_component(name: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._%-".contains(&it);
    (1..=255).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != ".."
}

fn is_incarnation(name: &str) -> bool {
    let is_hex = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
    let are_hex = |text: &str, length| text.len() == length && text.bytes().all(is_hex);
    name.split_once('-')
        .is_some_and(|(number, nonce)| are_hex(number, 8) && are_hex(nonce, 32))
}

/// The name of a place, and what is behind it.
fn split(path: &str) -> Answer<(&str, &str)> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_name = is_component(name) && !name.starts_with('.') && !name.contains('%');
    if name.len() > 128 || !is_name || path.ends_with('/') {
        return invalid(format!("`{path}` does not begin with the name of a place"));
    }
    let (second, below) = rest.split_once('/').unwrap_or((rest, ""));
    match is_incarnation(second) {
        true => Ok((path.split_at(name.len() + 1 + second.len()).0, below)),
        false => Ok((name, rest)),
    }
}

fn check_path(path: &str) -> Answer<()> {
    let (_, below) = split(path)?;
    let first = below.split('/').next().unwrap_or_default();
    let is_path = below.len() <= 1024 && below.split('/').all(is_component);
    match is_path && !["lock", "readers"].contains(&first) {
        true => Ok(()),
        false => invalid(format!("`{path}` is no path in a place")),
    }
}

fn check_object(path: &str) -> Answer<()> {
    check_path(path)?;
    match split(path)?.1.contains('/') {
        true => invalid(format!("`{path}` is no path of an object")),
        false => Ok(()),
    }
}

fn check_place(place: &str) -> Answer<()> {
    match split(place)?.1 {
        "" => Ok(()),
        _ => invalid(format!("`{place}` is no name of a place")),
    }
}

/// Whether a path is another, or lies below it.
fn is_in(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Tree {
    /// Where something is to be written there must be a place.
    fn writable(&mut self, path: &str) -> Answer<&mut Self> {
        let (place, _) = split(path)?;
        match self.places.contains(place) {
            true => Ok(self),
            false => Err(Error::NotFound(format!("there is no place {place}"))),
        }
    }

    fn has(&self, path: &str) -> bool {
        self.files.keys().any(|file| is_in(file, path))
    }

    fn put(&mut self, path: String, bytes: Vec<u8>) -> Answer<String> {
        if bytes.len() > OBJECT_BYTES_MAX {
            return invalid(format!("{} bytes are too many for one object", bytes.len()));
        }
        self.versions += 1;
        let version = self.versions.to_string();
        let object = objects::Object {
            bytes,
            version: version.clone(),
        };
        self.objects.insert(path, object);
        Ok(version)
    }
}

impl Lent {
    /// Lends a store to an instance.
    pub fn new(tree: &Arc<Mutex<Tree>>) -> Self {
        Self {
            tree: Arc::clone(tree),
            handles: BTreeMap::new(),
            given: 0,
            start: Instant::now(),
        }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    fn hold(&mut self, handle: Handle) -> u32 {
        self.given += 1;
        self.handles.insert(self.given, handle);
        self.given
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for handle in mem::take(&mut self.handles).into_values() {
            if let Handle::Lock(place) = handle {
                self.tree().locked.remove(&place);
            }
        }
    }
}

impl types::Host for Lent {}

impl environment::Host for Lent {
    fn random(&mut self) -> (u64, u64) {
        // Of keys that the standard library has from the operating system.
        let draw = || RandomState::new().hash_one(0);
        (draw(), draw())
    }

    fn now_ms(&mut self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

impl places::Host for Lent {
    fn describe(&mut self) -> places::Description {
        places::Description {
            location: "memory of the example".to_owned(),
            files_grow: true,
            swaps_exact: true,
        }
    }

    fn list(&mut self, below: Option<String>) -> Answer<Vec<String>> {
        below.as_deref().map_or(Ok(()), check_place)?;
        let above = below.map_or(String::new(), |place| place + "/");
        let tree = self.tree();
        let names = tree.places.iter().filter_map(|it| it.strip_prefix(&above));
        let names = names.filter(|name| !name.contains('/'));
        Ok(names.map(str::to_owned).collect())
    }

    fn make(&mut self, place: String) -> Answer<()> {
        check_place(&place)?;
        let above = place.split('/').next().unwrap_or_default().to_owned();
        self.tree().places.extend([above, place]);
        Ok(())
    }

    fn remove(&mut self, place: String) -> Answer<()> {
        check_place(&place)?;
        let mut tree = self.tree();
        if tree.locked.iter().any(|locked| is_in(locked, &place)) {
            return Err(Error::Conflict(format!("{place} is locked")));
        }
        tree.places.retain(|it| !is_in(it, &place));
        tree.files.retain(|it, _| !is_in(it, &place));
        tree.objects.retain(|it, _| !is_in(it, &place));
        Ok(())
    }

    fn lock(&mut self, place: String) -> Answer<Option<u32>> {
        check_place(&place)?;
        if !self.tree().writable(&place)?.locked.insert(place.clone()) {
            return Err(Error::Conflict(format!("somebody writes in {place}")));
        }
        Ok(Some(self.hold(Handle::Lock(place))))
    }

    fn unlock(&mut self, lock: u32) {
        if let Some(Handle::Lock(place)) = self.handles.get(&lock) {
            self.tree().locked.remove(place);
            self.handles.remove(&lock);
        }
    }

    fn pinned_epochs(&mut self, place: String) -> Answer<Vec<u64>> {
        check_place(&place).map(|()| Vec::new())
    }

    fn space(&mut self, place: String) -> Answer<Option<places::Capacity>> {
        check_place(&place).map(|()| None)
    }

    fn size_bytes(&mut self, place: String) -> Answer<u64> {
        check_place(&place)?;
        let tree = self.tree();
        let files = tree.files.iter().filter(|(path, _)| is_in(path, &place));
        let objects = tree.objects.iter().filter(|(path, _)| is_in(path, &place));
        let files: usize = files.map(|(_, bytes)| lock(bytes).len()).sum();
        let objects: usize = objects.map(|(_, object)| object.bytes.len()).sum();
        Ok((files + objects) as u64)
    }
}

impl files::Host for Lent {
    fn begin(&mut self, path: String) -> Answer<u32> {
        check_path(&path)?;
        self.tree().writable(&path)?;
        Ok(self.hold(Handle::New(path, Vec::new())))
    }

    fn append(&mut self, file: u32, bytes: Vec<u8>) -> Answer<()> {
        match self.handles.get_mut(&file) {
            _ if bytes.len() as u64 > CALL_BYTES_MAX => invalid("too many bytes for one call"),
            Some(Handle::New(_, file)) => {
                file.extend(bytes);
                Ok(())
            }
            _ => invalid(format!("{file} is no file under construction")),
        }
    }

    fn finish(&mut self, file: u32) -> Answer<()> {
        if !matches!(self.handles.get(&file), Some(Handle::New(..))) {
            return invalid(format!("{file} is no file under construction"));
        }
        let Some(Handle::New(path, bytes)) = self.handles.remove(&file) else {
            return Ok(());
        };
        let mut tree = self.tree();
        let tree = tree.writable(&path)?;
        if tree.has(&path) {
            return Err(Error::Conflict(format!("there is something at {path}")));
        }
        tree.files.insert(path, Arc::new(Mutex::new(bytes)));
        Ok(())
    }

    fn grow(&mut self, path: String) -> Answer<files::Opened> {
        check_path(&path)?;
        let bytes = {
            let mut tree = self.tree();
            Arc::clone(tree.writable(&path)?.files.entry(path).or_default())
        };
        let size_bytes = lock(&bytes).len() as u64;
        let handle = self.hold(Handle::Growing(bytes));
        Ok(files::Opened { handle, size_bytes })
    }

    fn write(&mut self, file: u32, offset: u64, bytes: Vec<u8>, _sync: bool) -> Answer<()> {
        let Some(Handle::Growing(file)) = self.handles.get(&file) else {
            return invalid(format!("{file} is no growing file"));
        };
        let mut file = lock(file);
        if offset > file.len() as u64 || bytes.len() as u64 > CALL_BYTES_MAX {
            return invalid(format!("{} bytes at {offset}", bytes.len()));
        }
        file.truncate(offset as usize);
        file.extend(bytes);
        Ok(())
    }

    fn open(&mut self, path: String) -> Answer<files::Opened> {
        check_path(&path)?;
        let found = self.tree().files.get(&path).map(Arc::clone);
        let bytes = found.ok_or_else(|| Error::NotFound(format!("there is no file {path}")))?;
        let size_bytes = lock(&bytes).len() as u64;
        let handle = self.hold(Handle::Open(bytes, size_bytes));
        Ok(files::Opened { handle, size_bytes })
    }

    fn read_ranges(
        &mut self,
        files: Vec<u32>,
        offsets: Vec<u64>,
        lengths: Vec<u32>,
    ) -> Answer<Vec<u8>> {
        let sum: u64 = lengths.iter().map(|it| u64::from(*it)).sum();
        if files.len() != offsets.len() || files.len() != lengths.len() || sum > CALL_BYTES_MAX {
            return invalid("three lists of one length, of 64 MiB at most in all");
        }
        let mut bytes = Vec::with_capacity(sum as usize);
        for ((handle, offset), length) in files.iter().zip(offsets).zip(lengths) {
            let Some(Handle::Open(file, size_bytes)) = self.handles.get(handle) else {
                return invalid(format!("{handle} is no file that is open to be read"));
            };
            let end = offset.saturating_add(u64::from(length));
            let file = lock(file);
            match file.get(offset as usize..end as usize) {
                Some(range) if end <= *size_bytes => bytes.extend_from_slice(range),
                _ => return Err(Error::Corrupt(format!("{length} bytes at {offset}"))),
            }
        }
        Ok(bytes)
    }

    fn close(&mut self, file: u32) {
        if !matches!(self.handles.get(&file), Some(Handle::Lock(_))) {
            self.handles.remove(&file);
        }
    }

    fn list(&mut self, path: String) -> Answer<Vec<String>> {
        check_path(&path)?;
        let above = path + "/";
        let tree = self.tree();
        let below = tree.files.keys().filter_map(|it| it.strip_prefix(&above));
        let names: BTreeSet<&str> = below.filter_map(|it| it.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        check_path(&path)?;
        self.tree().files.retain(|file, _| !is_in(file, &path));
        Ok(())
    }

    fn move_(&mut self, from: String, to: String) -> Answer<()> {
        check_path(&from)?;
        check_path(&to)?;
        if split(&from)?.0 != split(&to)?.0 || is_in(&to, &from) {
            return invalid(format!("{from} cannot be moved to {to}"));
        }
        let mut tree = self.tree();
        let tree = tree.writable(&to)?;
        if !tree.has(&from) {
            return Err(Error::NotFound(format!("there is nothing at {from}")));
        }
        if tree.has(&to) {
            return Err(Error::Conflict(format!("there is something at {to}")));
        }
        let moved = mem::take(&mut tree.files).into_iter();
        let moved = moved.map(|(path, bytes)| match is_in(&path, &from) {
            true => (path.replacen(&from, &to, 1), bytes),
            false => (path, bytes),
        });
        tree.files = moved.collect();
        Ok(())
    }

    fn sync(&mut self, path: String) -> Answer<()> {
        check_path(&path)
    }
}

impl objects::Host for Lent {
    fn get(&mut self, path: String) -> Answer<Option<objects::Object>> {
        check_object(&path)?;
        Ok(self.tree().objects.get(&path).cloned())
    }

    fn put_if_absent(&mut self, path: String, bytes: Vec<u8>) -> Answer<String> {
        check_object(&path)?;
        let mut tree = self.tree();
        match tree.writable(&path)?.objects.contains_key(&path) {
            true => Err(Error::Conflict(format!("there is an object {path}"))),
            false => tree.put(path, bytes),
        }
    }

    fn compare_and_swap(
        &mut self,
        path: String,
        version: String,
        bytes: Vec<u8>,
    ) -> Answer<String> {
        check_object(&path)?;
        let mut tree = self.tree();
        let known = tree.writable(&path)?.objects.get(&path);
        match known.is_some_and(|object| object.version == version) {
            true => tree.put(path, bytes),
            false => Err(Error::Conflict(format!("{path} has not version {version}"))),
        }
    }

    fn list(&mut self, place: String, start: String) -> Answer<Vec<String>> {
        check_place(&place)?;
        if !(start.is_empty() || start == "." || start == ".." || is_component(&start)) {
            return invalid(format!("`{start}` begins no name"));
        }
        let above = place + "/";
        let tree = self.tree();
        let names = { tree.objects.keys() }.filter_map(|it| it.strip_prefix(&above));
        let names = names.filter(|name| !name.contains('/') && *name >= start.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        check_object(&path)?;
        self.tree().objects.remove(&path);
        Ok(())
    }
}
