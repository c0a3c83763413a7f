//! A log in files that grow.
//!
//! ```text
//! log/<first position, 16 hex digits>.log
//! ```

use std::sync::Arc;

use sidx_log::{Form, Name, Segments, Tail};

use super::{Folder, OpenSegment, OpenTail, StorageError};
use crate::storage::Storage;

/// The segments of a log in files that grow.
pub(super) struct GrowingFiles(Folder);

impl GrowingFiles {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        let suffix = ".log";
        Self(Folder { storage, suffix })
    }

    fn append(&self, name: Name) -> Result<OpenTail, StorageError> {
        let file = self.0.storage.append_file(&self.0.path(name))?;
        Ok(OpenTail(file))
    }
}

impl Segments for GrowingFiles {
    type Error = StorageError;
    type Reader = OpenSegment;
    type Tail = OpenTail;

    fn form(&self) -> Form {
        Form::Growing
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
        let mut file = self.append(name)?;
        // One whose making was interrupted may be there.
        file.truncate(0)?;
        file.append(bytes)?;
        file.sync()?;
        Ok(Some(file))
    }

    fn tail(&self, name: Name) -> Result<Option<OpenTail>, StorageError> {
        self.append(name).map(Some)
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
