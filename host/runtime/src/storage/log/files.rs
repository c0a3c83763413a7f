//! The segments of a log as files of a storage, in either form.
//!
//! ```text
//! log/<first position, 16 hex digits>-<term, 48 hex digits>.log   where files grow
//! log/<first position, 16 hex digits>.log                         the same of format version 1, only read
//! log/<number of the commit, 16 hex digits>                       where nothing does
//! ```

use std::sync::Arc;

use sidx_log::{Form, Name, Segments, Tail, Term};

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

    /// Behind the digits of a name.
    fn suffix(&self) -> &'static str {
        match self.form {
            Form::Growing => ".log",
            Form::Whole => "",
        }
    }

    /// The name of a file, without the suffix.
    fn stem(name: Name) -> String {
        match name.term {
            Some(term) => format!("{:016x}-{term}", name.number),
            None => format!("{:016x}", name.number),
        }
    }

    fn path(&self, name: Name) -> String {
        format!("{DIRECTORY}/{}{}", Self::stem(name), self.suffix())
    }

    /// The segment that has a file name; none when it is not that of one.
    fn parse(&self, file: &str) -> Option<Name> {
        let stem = file.strip_suffix(self.suffix())?;
        let (number, term) = match (self.form, stem.split_once('-')) {
            (_, None) => (stem, None),
            (Form::Growing, Some((number, term))) => (number, Some(Term::parse(term)?)),
            (Form::Whole, Some(_)) => return None,
        };
        let number = u64::from_str_radix(number, 16).ok()?;
        let name = Name { number, term };
        // One of no term would have no term in its name.
        (Self::stem(name) == stem && term != Some(Term::NONE)).then_some(name)
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
        let names = names.iter().filter_map(|file| self.parse(file));
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
        let (stem, suffix) = (Self::stem(name), self.suffix());
        let path = |number: &str| format!("quarantine/log-{stem}{number}{suffix}");
        let known = self.storage.list("quarantine")?;
        let taken = |path: &String| known.iter().any(|name| path.ends_with(name.as_str()));
        let (mut to, mut number) = (path(""), 1);
        while taken(&to) {
            to = path(&format!(".{number}"));
            number += 1;
        }
        Ok(self.storage.rename(&self.path(name), &to)?)
    }

    fn sync(&self) -> Result<(), StorageError> {
        Ok(self.storage.sync(DIRECTORY)?)
    }
}
