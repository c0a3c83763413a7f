//! A log where nothing grows: each commit is a file of its own, which is whole when it gets its name.
//!
//! ```text
//! log/<number of the commit, 16 hex digits>
//! ```

use std::sync::Arc;

use sidx_log::{Form, Name, Segments};

use super::{DIRECTORY, Folder, OpenSegment, OpenTail, StorageError};
use crate::error::Error;
use crate::storage::Storage;

/// The segments of a log in files that are made once.
pub(super) struct WholeFiles(Folder);

impl WholeFiles {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        let suffix = "";
        Self(Folder { storage, suffix })
    }
}

impl Segments for WholeFiles {
    type Error = StorageError;
    type Reader = OpenSegment;
    type Tail = OpenTail;

    fn form(&self) -> Form {
        Form::Whole
    }

    fn location(&self) -> String {
        self.0.storage.location()
    }

    fn place(&self, name: Name) -> String {
        self.0.place(name)
    }

    fn list(&self) -> Result<Vec<Name>, StorageError> {
        self.0.list()
    }

    fn open(&self, name: Name) -> Result<OpenSegment, StorageError> {
        self.0.open(name)
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<OpenTail>, StorageError> {
        let storage = &self.0.storage;
        let mut file = storage.create(&self.0.path(name))?;
        file.append(bytes)?;
        file.finish()?;
        // The name is there, and nobody knows whether it stays.
        storage.sync(DIRECTORY).map_err(Error::in_doubt)?;
        Ok(None)
    }

    fn tail(&self, _name: Name) -> Result<Option<OpenTail>, StorageError> {
        Ok(None)
    }

    fn remove(&self, name: Name) -> Result<(), StorageError> {
        self.0.remove(name)
    }

    fn set_aside(&self, name: Name) -> Result<(), StorageError> {
        self.0.set_aside(name)
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.0.sync()
    }
}
