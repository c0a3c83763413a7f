//! The segments of a log as files of a storage, in either form.
//!
//! They lie in `log/`, called as [`Name::file`] has it.

use std::sync::Arc;

use sidx_log::{Form, Name, Segments, Tail};

use super::{DIRECTORY, OpenSegment, OpenTail, StorageError};
use crate::error::Error;
use crate::storage::Storage;

/// Where the segments of a log are.
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    form: Form,
}

impl Files {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        let form = storage.log_form();
        Self { storage, form }
    }

    fn path(&self, name: Name) -> String {
        format!("{DIRECTORY}/{}", name.file(self.form))
    }

    fn append(&self, name: Name) -> Result<OpenTail, StorageError> {
        let file = self.storage.append_file(&self.path(name))?;
        Ok(OpenTail(file))
    }
}

impl Segments for Files {
    type Error = StorageError;
    type Reader = OpenSegment;
    type Tail = OpenTail;

    fn form(&self) -> Form {
        self.form
    }

    fn location(&self) -> String {
        self.storage.location()
    }

    fn place(&self, name: Name) -> String {
        format!("{}/{}", self.storage.location(), self.path(name))
    }

    /// Other names than those of segments are not the log's business.
    fn list(&self) -> Result<Vec<Name>, StorageError> {
        let names = self.storage.list(DIRECTORY)?;
        let names = names
            .iter()
            .filter_map(|file| Name::of_file(self.form, file));
        let mut names: Vec<Name> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: Name) -> Result<OpenSegment, StorageError> {
        Ok(OpenSegment(self.storage.open(&self.path(name))?))
    }

    fn open_all(&self, names: &[Name]) -> Result<Vec<OpenSegment>, StorageError> {
        let paths: Vec<String> = names.iter().map(|name| self.path(*name)).collect();
        let opened = self.storage.open_all(&paths).into_iter();
        opened.map(|file| Ok(OpenSegment(file?))).collect()
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<OpenTail>, StorageError> {
        match self.form {
            Form::Growing => {
                let mut file = self.append(name)?;
                // One whose making was interrupted may be there.
                file.truncate(0)?;
                file.append(bytes)?;
                file.sync()?;
                Ok(Some(file))
            }
            Form::Whole => {
                self.storage.put_file(&self.path(name), bytes)?;
                // The name is there, and nobody knows whether it stays.
                self.storage.sync(DIRECTORY).map_err(Error::in_doubt)?;
                Ok(None)
            }
        }
    }

    fn tail(&self, name: Name) -> Result<Option<OpenTail>, StorageError> {
        match self.form {
            Form::Growing => self.append(name).map(Some),
            Form::Whole => Ok(None),
        }
    }

    fn remove(&self, name: Name) -> Result<(), StorageError> {
        Ok(self.storage.remove(&self.path(name))?)
    }

    /// Moves a segment to the quarantine, under a name that is free there.
    fn set_aside(&self, name: Name) -> Result<(), StorageError> {
        let known = self.storage.list("quarantine")?;
        let to = format!("quarantine/{}", name.file_aside(self.form, &known));
        Ok(self.storage.rename(&self.path(name), &to)?)
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(self.storage.sync(DIRECTORY)?)
    }
}
