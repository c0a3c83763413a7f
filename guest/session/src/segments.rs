//! The segments of a log as files of a place, in either form.
//!
//! They lie in `log/`, called as [`Name::file`] has it.

use std::fmt;

use sidx_engine::{Error, ErrorKind};
use sidx_log::{Fault, Form, MediumError, Name, Reader, Segments, Tail};

use crate::place::{self, OpenFile, Place};
use crate::storage::Storage;

/// Where segments are.
pub(crate) const DIRECTORY: &str = "log";

/// Where the segments of a log are.
pub(crate) struct Files<S> {
    place: Place<S>,
    form: Form,
}

/// An error of the store as that of the medium of a log.
#[derive(Clone, Debug)]
pub(crate) struct StoreError(pub(crate) Error);

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The text without the kind, to follow a place.
impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for StoreError {}

impl MediumError for StoreError {
    fn fault(&self) -> Fault {
        match self.0.kind() {
            ErrorKind::NotFound => Fault::Gone,
            ErrorKind::Corrupt => Fault::Short,
            ErrorKind::Conflict => Fault::Taken,
            ErrorKind::ResourceExhausted => Fault::Full,
            _ => Fault::Other,
        }
    }
}

/// The one place where an error of a log becomes one of the engine.
pub(crate) fn told(error: sidx_log::Error<StoreError>) -> Error {
    use sidx_log::Error as Log;
    match error {
        Log::Invalid(text) => Error::invalid(text),
        Log::GivenUp(text) => Error::new(ErrorKind::NotFound, text),
        Log::Damaged(text) => Error::corrupt(text),
        Log::NewerFormat(text) => Error::new(ErrorKind::UnsupportedVersion, text),
        Log::Overtaken(text) => Error::new(ErrorKind::Conflict, text),
        Log::Failed(text) => Error::new(ErrorKind::Io, text),
        Log::Medium(StoreError(error)) => error,
        Log::InDoubt(StoreError(error)) => in_doubt(error),
    }
}

/// The same error where nobody knows what came of the call: `resource-exhausted` would promise that nothing
/// did.
fn in_doubt(error: Error) -> Error {
    match error.kind() {
        ErrorKind::ResourceExhausted => Error::new(ErrorKind::Io, error.message()),
        _ => error,
    }
}

impl<S: Storage> Files<S> {
    pub(crate) fn new(place: Place<S>) -> Self {
        let form = match place.files_grow() {
            true => Form::Growing,
            false => Form::Whole,
        };
        Self { place, form }
    }

    fn path(&self, name: Name) -> String {
        format!("{DIRECTORY}/{}", name.file(self.form))
    }

    fn grown(&self, name: Name) -> Result<OpenTail<S>, StoreError> {
        let file = self.place.grow(&self.path(name))?;
        let size = file.size_bytes();
        Ok(OpenTail { file, size })
    }

    /// Makes a whole file at once.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let storage = self.place.storage().as_ref();
        let file = self.place.begin(path)?;
        if let Err(error) = place::append(storage, file, bytes) {
            storage.close(file);
            return Err(error.into());
        }
        Ok(storage.finish(file)?)
    }
}

impl<S: Storage> Segments for Files<S> {
    type Error = StoreError;
    type Reader = OpenSegment<S>;
    type Tail = OpenTail<S>;

    fn form(&self) -> Form {
        self.form
    }

    fn location(&self) -> String {
        self.place.location()
    }

    fn place(&self, name: Name) -> String {
        format!("{}/{}", self.place.location(), self.path(name))
    }

    /// Other names than those of segments are not the log's business.
    fn list(&self) -> Result<Vec<Name>, StoreError> {
        let names = self.place.list(DIRECTORY)?;
        let names = names
            .iter()
            .filter_map(|file| Name::of_file(self.form, file));
        let mut names: Vec<Name> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: Name) -> Result<OpenSegment<S>, StoreError> {
        Ok(OpenSegment(self.place.open(&self.path(name))?))
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<OpenTail<S>>, StoreError> {
        match self.form {
            Form::Growing => {
                let mut tail = self.grown(name)?;
                // One whose making was interrupted may be there, which this cuts off.
                tail.file.write(0, bytes, true)?;
                tail.size = bytes.len() as u64;
                Ok(Some(tail))
            }
            Form::Whole => {
                self.put(&self.path(name), bytes)?;
                // The name is there, and nobody knows whether it stays.
                self.place.sync(DIRECTORY).map_err(in_doubt)?;
                Ok(None)
            }
        }
    }

    fn tail(&self, name: Name) -> Result<Option<OpenTail<S>>, StoreError> {
        match self.form {
            Form::Growing => self.grown(name).map(Some),
            Form::Whole => Ok(None),
        }
    }

    fn remove(&self, name: Name) -> Result<(), StoreError> {
        Ok(self.place.remove(&self.path(name))?)
    }

    /// Moves a segment to the quarantine, under a name that is free there.
    fn set_aside(&self, name: Name) -> Result<(), StoreError> {
        let known = self.place.list("quarantine")?;
        let to = format!("quarantine/{}", name.file_aside(self.form, &known));
        Ok(self.place.rename(&self.path(name), &to)?)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(self.place.sync(DIRECTORY)?)
    }
}

/// A segment that is open for reading.
pub(crate) struct OpenSegment<S: Storage>(OpenFile<S>);

impl<S: Storage> Reader for OpenSegment<S> {
    type Error = StoreError;

    fn size(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let bytes = self.0.read(offset, buffer.len())?;
        // As many as were asked for: that was compared.
        buffer
            .iter_mut()
            .zip(bytes)
            .for_each(|(slot, byte)| *slot = byte);
        Ok(())
    }
}

/// A segment that grows.
pub(crate) struct OpenTail<S: Storage> {
    file: OpenFile<S>,
    size: u64,
}

impl<S: Storage> Tail for OpenTail<S> {
    type Error = StoreError;

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write(self.size, bytes, false)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(self.file.write(self.size, &[], true)?)
    }

    /// The host writes again what was there when the file was opened, as nothing was written through this
    /// handle yet: `files.write` says so.
    fn resync(&mut self, _size: u64) -> Result<(), StoreError> {
        self.sync()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn truncate(&mut self, size: u64) -> Result<(), StoreError> {
        self.file.write(size, &[], false)?;
        self.size = size;
        Ok(())
    }
}
