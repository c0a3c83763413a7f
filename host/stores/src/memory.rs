//! A store in memory: for tests and for indexes that may vanish with the process.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use self::files::{MemoryAppendFile, MemoryNewFile, MemoryReadFile};
use super::LogForm;
use super::paths::{
    check_index_name, check_move, check_object_name, check_object_prefix, check_object_size,
    check_path, check_place,
};
use super::{AppendFile, Held, Lock, NewFile, ReadFile, Storage, Store};
use crate::error::{Error, Result};

mod files;

/// Indexes in memory. They live as long as the store or a [`MemoryStorage`] opened from it.
#[derive(Default)]
pub struct MemoryStore {
    indexes: Mutex<BTreeMap<String, Arc<MemoryStorage>>>,
}

impl MemoryStore {
    /// A store without indexes.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        let indexes = self.indexes.lock();
        let mut names = Vec::new();
        for (name, storage) in indexes.iter() {
            let objects = storage.list_objects("")?;
            let is_mark =
                |object: &String| object == "index.json" || object.ends_with(".incarnation");
            if !name.contains('/') && objects.iter().any(is_mark) {
                names.push(name.clone());
            }
        }
        Ok(names)
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        check_index_name(name)?;
        let indexes = self.indexes.lock();
        let below = |place: &String| Some(place.strip_prefix(name)?.strip_prefix('/')?.to_owned());
        Ok(indexes.keys().filter_map(below).collect())
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        check_place(name)?;
        let mut indexes = self.indexes.lock();
        if let Some(storage) = indexes.get(name) {
            return Ok(Arc::clone(storage) as Arc<dyn Storage>);
        }
        if !create {
            return Err(Error::not_found(format!(
                "memory: has no index {name}; create it first"
            )));
        }
        if let Some((above, _)) = name.split_once('/') {
            let make = || Arc::new(MemoryStorage::new(above));
            indexes.entry(above.to_owned()).or_insert_with(make);
        }
        let storage = Arc::new(MemoryStorage::new(name));
        indexes.insert(name.to_owned(), Arc::clone(&storage));
        Ok(storage)
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        check_place(name)?;
        let mut indexes = self.indexes.lock();
        let Some(storage) = indexes.get(name) else {
            return Err(Error::not_found(format!("memory: has no index {name}")));
        };
        let _lock = storage.lock()?;
        let prefix = format!("{name}/");
        indexes.retain(|place, _| place != name && !place.starts_with(&prefix));
        Ok(())
    }
}

type Content = Arc<RwLock<Vec<u8>>>;

#[derive(Default)]
struct State {
    /// By whole path; directories are only prefixes.
    files: BTreeMap<String, Content>,
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    /// Object writes so far; the newest version.
    writes: u64,
}

impl State {
    fn is_directory(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// The paths below a directory, without the directory.
    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let prefix = format!("{path}/");
        self.files
            .range(prefix.clone()..)
            .map_while(move |(file, _)| file.strip_prefix(prefix.as_str()))
    }

    /// Refuses a path that exists, or that leads through a file.
    fn check_free(&self, path: &str) -> Result<()> {
        if self.files.contains_key(path) || self.is_directory(path) {
            return Err(Error::conflict(format!("{path} exists")));
        }
        for (slash, _) in path.match_indices('/') {
            if let Some(parent) = path.get(..slash).filter(|&p| self.files.contains_key(p)) {
                return Err(Error::conflict(format!("{path}: {parent} is a file")));
            }
        }
        Ok(())
    }

    fn next_version(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }
}

/// One index in memory.
#[derive(Default)]
pub struct MemoryStorage {
    name: String,
    /// Whether nothing grows here.
    is_whole: bool,
    state: Arc<Mutex<State>>,
    locked: Arc<AtomicBool>,
    pins: Arc<Pins>,
}

/// How many readers hold each epoch.
type Pins = Mutex<BTreeMap<u64, usize>>;

impl MemoryStorage {
    /// An empty place; the name is for messages.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The same without files that grow: the log is kept as a bucket keeps it, an object for each commit.
    pub fn without_growing_files(name: &str) -> Self {
        Self {
            is_whole: true,
            ..Self::new(name)
        }
    }

    fn place<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.at(self.location()))
    }
}

impl Storage for MemoryStorage {
    fn location(&self) -> String {
        format!("memory:{}", self.name)
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        check_path(path)?;
        self.place(self.state.lock().check_free(path))?;
        Ok(Box::new(MemoryNewFile {
            state: Arc::clone(&self.state),
            path: path.to_owned(),
            location: self.location(),
            bytes: Vec::new(),
        }))
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        check_path(path)?;
        let content = self.state.lock().files.get(path).cloned();
        let name = format!("{}/{path}", self.location());
        let content =
            content.ok_or_else(|| Error::not_found(format!("there is no file {name}")))?;
        let size = content.read().len() as u64;
        Ok(Arc::new(MemoryReadFile {
            content,
            size,
            name,
        }))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        check_path(path)?;
        let state = self.state.lock();
        if state.files.contains_key(path) {
            let name = format!("{}/{path}", self.location());
            return Err(Error::conflict(format!(
                "{name} is a file, not a directory"
            )));
        }
        let names: BTreeSet<&str> = state
            .below(path)
            .filter_map(|rest| rest.split('/').next())
            .collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn remove(&self, path: &str) -> Result<()> {
        check_path(path)?;
        let prefix = format!("{path}/");
        let gone = |file: &String| file == path || file.starts_with(&prefix);
        self.state.lock().files.retain(|file, _| !gone(file));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_move(from, to)?;
        let mut state = self.state.lock();
        if !state.files.contains_key(from) && !state.is_directory(from) {
            let name = format!("{}/{from}", self.location());
            return Err(Error::not_found(format!("there is no {name} to rename")));
        }
        self.place(state.check_free(to))?;
        let prefix = format!("{from}/");
        let moved = |file: &String| file == from || file.starts_with(&prefix);
        let paths: Vec<String> = state.files.keys().filter(|&f| moved(f)).cloned().collect();
        for path in paths {
            if let Some(content) = state.files.remove(&path) {
                let rest = path.strip_prefix(from).unwrap_or_default();
                state.files.insert(format!("{to}{rest}"), content);
            }
        }
        Ok(())
    }

    fn sync(&self, path: &str) -> Result<()> {
        check_path(path)?;
        if self.state.lock().is_directory(path) {
            return Ok(());
        }
        let name = format!("{}/{path}", self.location());
        Err(Error::not_found(format!("there is no directory {name}")))
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        check_object_name(name)?;
        let state = self.state.lock();
        Ok(state
            .objects
            .get(name)
            .map(|(bytes, version)| (bytes.clone(), version.to_string())))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        check_object_name(name)?;
        check_object_size(name, bytes)?;
        let mut state = self.state.lock();
        if state.objects.contains_key(name) {
            return self.place(Err(Error::conflict(format!("object {name} exists"))));
        }
        let version = state.next_version();
        state
            .objects
            .insert(name.to_owned(), (bytes.to_vec(), version));
        Ok(version.to_string())
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        check_object_name(name)?;
        check_object_size(name, bytes)?;
        let mut state = self.state.lock();
        let next = state.next_version();
        match state.objects.get_mut(name) {
            Some(object) if object.1.to_string() == version => *object = (bytes.to_vec(), next),
            Some(_) => {
                let problem = format!("object {name} was changed by another writer; read it again");
                return self.place(Err(Error::conflict(problem)));
            }
            None => return self.place(Err(Error::conflict(format!("object {name} is gone")))),
        }
        Ok(next.to_string())
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        check_object_prefix(prefix)?;
        let state = self.state.lock();
        Ok(state
            .objects
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect())
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        check_object_name(name)?;
        self.state.lock().objects.remove(name);
        Ok(())
    }

    fn log_form(&self) -> LogForm {
        match self.is_whole {
            true => LogForm::Whole,
            false => LogForm::Growing,
        }
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        check_path(path)?;
        if self.is_whole {
            return self.place(Err(Error::invalid(format!("{path}: no file grows here"))));
        }
        let mut state = self.state.lock();
        let content = match state.files.get(path) {
            Some(content) => Arc::clone(content),
            None => {
                self.place(state.check_free(path))?;
                let content = Content::default();
                state.files.insert(path.to_owned(), Arc::clone(&content));
                content
            }
        };
        Ok(Box::new(MemoryAppendFile {
            content,
            name: format!("{}/{path}", self.location()),
        }))
    }

    fn lock(&self) -> Result<Lock> {
        if self.locked.swap(true, Ordering::AcqRel) {
            let location = self.location();
            return Err(Error::conflict(format!(
                "another writer of this process holds the lock of {location}; close it or open \
                 read-only"
            )));
        }
        Ok(Box::new(MemoryLock(Arc::clone(&self.locked))))
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        *self.pins.lock().entry(epoch).or_insert(0) += 1;
        let pins = Arc::clone(&self.pins);
        Ok(Some(Box::new(MemoryPin { pins, epoch })))
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        Ok(self.pins.lock().keys().copied().collect())
    }

    fn size_bytes(&self) -> Result<u64> {
        let state = self.state.lock();
        let files: u64 = state
            .files
            .values()
            .map(|content| content.read().len() as u64)
            .sum();
        let objects: u64 = state
            .objects
            .values()
            .map(|(bytes, _)| bytes.len() as u64)
            .sum();
        Ok(files + objects)
    }
}

struct MemoryLock(Arc<AtomicBool>);

impl Held for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

struct MemoryPin {
    pins: Arc<Pins>,
    epoch: u64,
}

impl Held for MemoryPin {}

impl Drop for MemoryPin {
    fn drop(&mut self) {
        if let Entry::Occupied(mut readers) = self.pins.lock().entry(self.epoch) {
            *readers.get_mut() -= 1;
            if *readers.get() == 0 {
                readers.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn keeps_to_the_rules_of_all_backends() {
        conformance::check_all(|| Arc::new(MemoryStorage::new("x"))).expect("storage");
        let whole = || Arc::new(MemoryStorage::without_growing_files("x")) as Arc<dyn Storage>;
        conformance::check_all(whole).expect("storage without growing files");
        conformance::check_store(|| Arc::new(MemoryStore::new())).expect("store");
    }
}
