//! One place of a store: what lies in it, by paths that are relative to it.

use std::rc::Rc;

use sidx_engine::{Error, Result};

use crate::storage::{Capacity, Opened, Storage};

/// Most bytes of files that one call moves; the host takes twice as many.
const CALL_BYTES_MAX: usize = 32 << 20;

/// A place, which need not exist.
pub(crate) struct Place<S> {
    storage: Rc<S>,
    name: String,
}

impl<S> Clone for Place<S> {
    fn clone(&self) -> Self {
        Self {
            storage: Rc::clone(&self.storage),
            name: self.name.clone(),
        }
    }
}

/// A file that is open, until dropped.
pub(crate) struct OpenFile<S: Storage> {
    storage: Rc<S>,
    opened: Opened,
}

/// A range of an open file.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl<S: Storage> Place<S> {
    pub(crate) fn new(storage: &Rc<S>, name: &str) -> Self {
        Self {
            storage: Rc::clone(storage),
            name: name.to_owned(),
        }
    }

    /// Another place of the same store.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self::new(&self.storage, name)
    }

    pub(crate) fn storage(&self) -> &Rc<S> {
        &self.storage
    }

    fn path(&self, below: &str) -> String {
        format!("{}/{below}", self.name)
    }

    /// Where it is, for messages.
    pub(crate) fn location(&self) -> String {
        let location = self.storage.describe().location;
        format!("{}/{}", location.trim_end_matches('/'), self.name)
    }

    pub(crate) fn files_grow(&self) -> bool {
        self.storage.describe().files_grow
    }

    pub(crate) fn begin(&self, path: &str) -> Result<u32> {
        self.storage.begin(&self.path(path))
    }

    pub(crate) fn grow(&self, path: &str) -> Result<OpenFile<S>> {
        let opened = self.storage.grow(&self.path(path))?;
        Ok(self.opened(opened))
    }

    pub(crate) fn open(&self, path: &str) -> Result<OpenFile<S>> {
        let opened = self.storage.open(&self.path(path))?;
        Ok(self.opened(opened))
    }

    fn opened(&self, opened: Opened) -> OpenFile<S> {
        OpenFile {
            storage: Rc::clone(&self.storage),
            opened,
        }
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>> {
        self.storage.list(&self.path(path))
    }

    pub(crate) fn remove(&self, path: &str) -> Result<()> {
        self.storage.remove(&self.path(path))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.storage.rename(&self.path(from), &self.path(to))
    }

    pub(crate) fn sync(&self, path: &str) -> Result<()> {
        self.storage.sync(&self.path(path))
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.storage.get(&self.path(name))
    }

    pub(crate) fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.storage.put_if_absent(&self.path(name), bytes)
    }

    pub(crate) fn compare_and_swap(
        &self,
        name: &str,
        version: &str,
        bytes: &[u8],
    ) -> Result<String> {
        let path = self.path(name);
        self.storage.compare_and_swap(&path, version, bytes)
    }

    /// Names of objects that begin with a prefix, sorted.
    pub(crate) fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = self.storage.list_objects(&self.name, prefix)?;
        names.retain(|name| name.starts_with(prefix));
        Ok(names)
    }

    pub(crate) fn remove_object(&self, name: &str) -> Result<()> {
        self.storage.remove_object(&self.path(name))
    }

    pub(crate) fn pinned_epochs(&self) -> Result<Vec<u64>> {
        self.storage.pinned_epochs(&self.name)
    }

    pub(crate) fn space(&self) -> Result<Option<Capacity>> {
        self.storage.space(&self.name)
    }

    pub(crate) fn size_bytes(&self) -> Result<u64> {
        self.storage.size_bytes(&self.name)
    }
}

impl<S: Storage> OpenFile<S> {
    /// Bytes in it when it was opened.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.opened.size_bytes
    }

    pub(crate) fn handle(&self) -> u32 {
        self.opened.handle
    }

    /// A range of it, of any length.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset + bytes.len() as u64;
            let part = (length - bytes.len()).min(CALL_BYTES_MAX) as u32;
            let range = Range {
                file: self.handle(),
                offset: at,
                length: part,
            };
            bytes.append(&mut read_ranges(self.storage.as_ref(), &[range])?);
        }
        Ok(bytes)
    }

    /// Writes at an offset, and cuts off what was behind.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8], sync: bool) -> Result<()> {
        let mut offset = offset;
        let mut rest = bytes;
        while rest.len() > CALL_BYTES_MAX {
            let (part, behind) = rest.split_at(CALL_BYTES_MAX);
            self.storage.write(self.handle(), offset, part, false)?;
            (offset, rest) = (offset + part.len() as u64, behind);
        }
        self.storage.write(self.handle(), offset, rest, sync)
    }
}

impl<S: Storage> Drop for OpenFile<S> {
    fn drop(&mut self) {
        self.storage.close(self.opened.handle);
    }
}

/// Reads ranges in one call, which together are not too long for one, and compares how many bytes came.
pub(crate) fn read_ranges<S: Storage>(storage: &S, ranges: &[Range]) -> Result<Vec<u8>> {
    let files: Vec<u32> = ranges.iter().map(|range| range.file).collect();
    let offsets: Vec<u64> = ranges.iter().map(|range| range.offset).collect();
    let lengths: Vec<u32> = ranges.iter().map(|range| range.length).collect();
    let bytes = storage.read_ranges(&files, &offsets, &lengths)?;
    let wanted: usize = lengths.iter().map(|length| *length as usize).sum();
    if bytes.len() != wanted {
        let found = bytes.len();
        let text =
            format!("the store returned {found} bytes where {wanted} were asked for; it is broken");
        return Err(Error::new(sidx_engine::ErrorKind::Io, text));
    }
    Ok(bytes)
}

/// Appends bytes to a file under construction, in as many calls as it takes.
pub(crate) fn append<S: Storage>(storage: &S, file: u32, bytes: &[u8]) -> Result<()> {
    bytes
        .chunks(CALL_BYTES_MAX)
        .try_for_each(|part| storage.append(file, part))
}
