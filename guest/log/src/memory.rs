//! The objects of a log in memory: what a bucket does for a log, without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Fault, MediumError};
use crate::segments::{Form, Name, NoTail, Reader, Segments};

/// One object for each commit, put if absent, and never changed. Clones share the objects, and the log in
/// them lives as long as one of them.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects {
    location: Arc<str>,
    log: Arc<Mutex<Log>>,
}

type Bytes = Arc<Vec<u8>>;

#[derive(Debug, Default)]
struct Log {
    objects: BTreeMap<Name, Bytes>,
    /// Damaged ones that were set aside.
    quarantine: Vec<(Name, Bytes)>,
    /// Bytes that all objects together may have.
    bytes_max: Option<u64>,
}

/// What goes wrong in memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// There is no such object.
    #[error("there is no object {0}")]
    Gone(String),
    /// An object has that name.
    #[error("object {0} exists")]
    Taken(String),
    /// The bytes that are asked for are not all there.
    #[error("{place} has {size} bytes, but {length} bytes were to be read at offset {offset}")]
    Short {
        /// The object.
        place: String,
        /// Its bytes.
        size: u64,
        /// From where on they were wanted.
        offset: u64,
        /// How many.
        length: usize,
    },
    /// There is no room for the object.
    #[error("there is no room for object {0}")]
    Full(String),
}

impl MediumError for MemoryError {
    fn fault(&self) -> Fault {
        match self {
            Self::Gone(_) => Fault::Gone,
            Self::Taken(_) => Fault::Taken,
            Self::Short { .. } => Fault::Short,
            Self::Full(_) => Fault::Full,
        }
    }
}

impl MemoryObjects {
    /// A log without objects; the location is for messages.
    pub fn new(location: &str) -> Self {
        Self {
            location: location.into(),
            log: Arc::default(),
        }
    }

    /// Lets all objects together have so many bytes and no more, from now on; none without a limit.
    pub fn limit(&self, bytes_max: Option<u64>) {
        self.lock().bytes_max = bytes_max;
    }

    /// Bytes of all objects.
    pub fn size_bytes(&self) -> u64 {
        self.lock().size_bytes()
    }

    /// Damaged objects that were set aside, with their bytes.
    pub fn quarantined(&self) -> Vec<(Name, Arc<Vec<u8>>)> {
        self.lock().quarantine.clone()
    }

    /// Puts an object in the place of one, or where there was none.
    #[cfg(test)]
    pub(crate) fn replace(&self, name: Name, bytes: &[u8]) {
        self.lock().objects.insert(name, Arc::new(bytes.to_vec()));
    }

    /// Objects of their own that are the same now.
    #[cfg(test)]
    pub(crate) fn copied(&self) -> Self {
        let copy = Self::new(&self.location);
        copy.lock().objects.clone_from(&self.lock().objects);
        copy
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // What a panic interrupted was a call on a map.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn size_bytes(&self) -> u64 {
        let sizes = self.objects.values().map(|bytes| bytes.len() as u64);
        sizes.sum()
    }
}

impl Segments for MemoryObjects {
    type Error = MemoryError;
    type Reader = MemoryObject;
    type Tail = NoTail<MemoryError>;

    fn form(&self) -> Form {
        Form::Whole
    }

    fn location(&self) -> String {
        self.location.to_string()
    }

    fn place(&self, name: Name) -> String {
        format!("{}/log/{:016x}", self.location, name.number)
    }

    fn list(&self) -> Result<Vec<Name>, MemoryError> {
        Ok(self.lock().objects.keys().copied().collect())
    }

    fn open(&self, name: Name) -> Result<MemoryObject, MemoryError> {
        let bytes = self.lock().objects.get(&name).cloned();
        let place = self.place(name);
        match bytes {
            Some(bytes) => Ok(MemoryObject { place, bytes }),
            None => Err(MemoryError::Gone(place)),
        }
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<Self::Tail>, MemoryError> {
        let mut log = self.lock();
        if log.objects.contains_key(&name) {
            return Err(MemoryError::Taken(self.place(name)));
        }
        let size = log.size_bytes() + bytes.len() as u64;
        if log.bytes_max.is_some_and(|most| size > most) {
            return Err(MemoryError::Full(self.place(name)));
        }
        log.objects.insert(name, Arc::new(bytes.to_vec()));
        Ok(None)
    }

    fn tail(&self, _name: Name) -> Result<Option<Self::Tail>, MemoryError> {
        Ok(None)
    }

    fn remove(&self, name: Name) -> Result<(), MemoryError> {
        self.lock().objects.remove(&name);
        Ok(())
    }

    fn set_aside(&self, name: Name) -> Result<(), MemoryError> {
        let mut log = self.lock();
        let Some(bytes) = log.objects.remove(&name) else {
            return Err(MemoryError::Gone(self.place(name)));
        };
        log.quarantine.push((name, bytes));
        Ok(())
    }

    fn sync(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

/// An object that is open for reading.
#[derive(Clone, Debug)]
pub struct MemoryObject {
    place: String,
    bytes: Bytes,
}

impl Reader for MemoryObject {
    type Error = MemoryError;

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.bytes.get(start..start.saturating_add(buffer.len())) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => {
                return Err(MemoryError::Short {
                    place: self.place.clone(),
                    size: self.size(),
                    offset,
                    length: buffer.len(),
                });
            }
        }
        Ok(())
    }
}
