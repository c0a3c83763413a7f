//! A store in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sidx_engine::{Error, ErrorKind, Result};

use crate::storage::{Capacity, Description, Opened, Storage};

type Bytes = Rc<RefCell<Vec<u8>>>;

enum Handle {
    New(String, Vec<u8>),
    Open(Bytes),
    Lock(String),
}

/// See the module. Everything in it may be looked at and changed.
#[derive(Default)]
pub(super) struct Lent {
    pub(super) files: RefCell<BTreeMap<String, Bytes>>,
    pub(super) objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    handles: RefCell<BTreeMap<u32, Handle>>,
    given: Cell<u64>,
    pub(super) now_ms: Cell<u64>,
    pub(super) files_grow: bool,
    /// Objects cannot be put.
    pub(super) is_read_only: Cell<bool>,
    pub(super) capacity: Cell<Option<Capacity>>,
    /// Reads come without their last byte.
    pub(super) is_short: Cell<bool>,
    /// Calls of `read_ranges`.
    pub(super) reads: Cell<u64>,
}

impl Lent {
    pub(super) fn new(files_grow: bool) -> Rc<Self> {
        Rc::new(Self {
            files_grow,
            ..Self::default()
        })
    }

    pub(super) fn sleep(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// The paths of files that have something in them.
    pub(super) fn paths_with(&self, part: &str) -> Vec<String> {
        let files = self.files.borrow();
        files
            .keys()
            .filter(|path| path.contains(part))
            .cloned()
            .collect()
    }

    pub(super) fn objects_with(&self, part: &str) -> Vec<String> {
        let objects = self.objects.borrow();
        objects
            .keys()
            .filter(|path| path.contains(part))
            .cloned()
            .collect()
    }

    pub(super) fn open_handles(&self) -> usize {
        self.handles.borrow().len()
    }

    fn next(&self) -> u64 {
        self.given.set(self.given.get() + 1);
        self.given.get()
    }

    fn hold(&self, handle: Handle) -> u32 {
        let number = self.next() as u32;
        self.handles.borrow_mut().insert(number, handle);
        number
    }

    fn bytes_of(&self, file: u32) -> Result<Bytes> {
        match self.handles.borrow().get(&file) {
            Some(Handle::Open(bytes)) => Ok(Rc::clone(bytes)),
            _ => Err(Error::invalid(format!("{file} is not open"))),
        }
    }
}

fn conflict(path: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{path} is there already"))
}

fn missing(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {path}"))
}

impl Storage for Lent {
    fn describe(&self) -> Description {
        Description {
            location: "lent:".to_owned(),
            files_grow: self.files_grow,
            swaps_exact: true,
        }
    }

    fn random(&self) -> u128 {
        u128::from(self.next()) << 64 | 7
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn begin(&self, path: &str) -> Result<u32> {
        match self.files.borrow().contains_key(path) {
            true => Err(conflict(path)),
            false => Ok(self.hold(Handle::New(path.to_owned(), Vec::new()))),
        }
    }

    fn append(&self, file: u32, bytes: &[u8]) -> Result<()> {
        match self.handles.borrow_mut().get_mut(&file) {
            Some(Handle::New(_, all)) => all.extend_from_slice(bytes),
            _ => return Err(Error::invalid("not a new file")),
        }
        Ok(())
    }

    fn finish(&self, file: u32) -> Result<()> {
        let Some(Handle::New(path, bytes)) = self.handles.borrow_mut().remove(&file) else {
            return Err(Error::invalid("not a new file"));
        };
        let mut files = self.files.borrow_mut();
        if files.contains_key(&path) {
            return Err(conflict(&path));
        }
        files.insert(path, Rc::new(RefCell::new(bytes)));
        Ok(())
    }

    fn grow(&self, path: &str) -> Result<Opened> {
        assert!(self.files_grow, "{path} cannot grow");
        let bytes = Rc::clone(self.files.borrow_mut().entry(path.to_owned()).or_default());
        let size_bytes = bytes.borrow().len() as u64;
        let handle = self.hold(Handle::Open(bytes));
        Ok(Opened { handle, size_bytes })
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8], _sync: bool) -> Result<()> {
        let all = self.bytes_of(file)?;
        let mut all = all.borrow_mut();
        assert!(offset as usize <= all.len(), "a gap");
        all.truncate(offset as usize);
        all.extend_from_slice(bytes);
        Ok(())
    }

    fn open(&self, path: &str) -> Result<Opened> {
        let bytes = self.files.borrow().get(path).cloned();
        let bytes = bytes.ok_or_else(|| missing(path))?;
        let size_bytes = bytes.borrow().len() as u64;
        let handle = self.hold(Handle::Open(bytes));
        Ok(Opened { handle, size_bytes })
    }

    fn read_ranges(&self, files: &[u32], offsets: &[u64], lengths: &[u32]) -> Result<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        let mut read = Vec::new();
        for ((file, offset), length) in files.iter().zip(offsets).zip(lengths) {
            let bytes = self.bytes_of(*file)?;
            let bytes = bytes.borrow();
            let start = *offset as usize;
            let range = bytes.get(start..start + *length as usize);
            read.extend_from_slice(range.ok_or_else(|| Error::corrupt("behind the end"))?);
        }
        if self.is_short.get() {
            read.pop();
        }
        Ok(read)
    }

    fn close(&self, file: u32) {
        self.handles.borrow_mut().remove(&file);
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let files = self.files.borrow();
        let below = files
            .keys()
            .filter_map(|name| name.strip_prefix(path)?.strip_prefix('/'));
        let names: BTreeSet<&str> = below.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn remove(&self, path: &str) -> Result<()> {
        let below = format!("{path}/");
        let mut files = self.files.borrow_mut();
        files.retain(|name, _| name != path && !name.starts_with(&below));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut files = self.files.borrow_mut();
        let moved: Vec<(String, Bytes)> = files
            .extract_if(.., |name, _| {
                name.strip_prefix(from)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .collect();
        if moved.is_empty() {
            return Err(missing(from));
        }
        for (name, bytes) in moved {
            files.insert(name.replacen(from, to, 1), bytes);
        }
        Ok(())
    }

    fn sync(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Option<(Vec<u8>, String)>> {
        let object = self.objects.borrow().get(path).cloned();
        Ok(object.map(|(bytes, version)| (bytes, version.to_string())))
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<String> {
        if self.is_read_only.get() {
            return Err(Error::new(ErrorKind::Io, "nothing can be written here"));
        }
        let version = self.next();
        let mut objects = self.objects.borrow_mut();
        if objects.contains_key(path) {
            return Err(conflict(path));
        }
        objects.insert(path.to_owned(), (bytes.to_vec(), version));
        Ok(version.to_string())
    }

    fn compare_and_swap(&self, path: &str, version: &str, bytes: &[u8]) -> Result<String> {
        let next = self.next();
        match self.objects.borrow_mut().get_mut(path) {
            Some((there, known)) if known.to_string() == version => {
                (*there, *known) = (bytes.to_vec(), next);
                Ok(next.to_string())
            }
            _ => Err(conflict(path)),
        }
    }

    fn list_objects(&self, place: &str, start: &str) -> Result<Vec<String>> {
        let objects = self.objects.borrow();
        let names = objects
            .keys()
            .filter_map(|name| name.strip_prefix(place)?.strip_prefix('/'));
        let names = names.filter(|name| *name >= start && !name.contains('/'));
        Ok(names.map(str::to_owned).collect())
    }

    fn remove_object(&self, path: &str) -> Result<()> {
        self.objects.borrow_mut().remove(path);
        Ok(())
    }

    fn lock(&self, place: &str) -> Result<Option<u32>> {
        let is_held = |handle: &Handle| matches!(handle, Handle::Lock(held) if held == place);
        if self.handles.borrow().values().any(is_held) {
            return Err(Error::new(ErrorKind::Conflict, "somebody writes here"));
        }
        Ok(Some(self.hold(Handle::Lock(place.to_owned()))))
    }

    fn unlock(&self, lock: u32) {
        self.close(lock);
    }

    fn pinned_epochs(&self, _place: &str) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    fn space(&self, _place: &str) -> Result<Option<Capacity>> {
        Ok(self.capacity.get())
    }

    fn size_bytes(&self, place: &str) -> Result<u64> {
        let files = self.files.borrow();
        let ours = files.iter().filter(|(path, _)| path.starts_with(place));
        Ok(ours.map(|(_, bytes)| bytes.borrow().len() as u64).sum())
    }
}
