//! What a database says of a call that failed.

use std::error;
use std::fmt;

use sidx_engine::ErrorKind;

/// A failed call: a kind that gives the exit code, and a text that says what was wrong, where, and what to
/// do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    root: Option<Box<Error>>,
}

/// What a call yields.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            root: None,
        }
    }

    /// The same error with the one that was there first and because of which nothing goes on.
    #[must_use]
    pub fn because_of(self, root: Error) -> Error {
        Error {
            root: Some(Box::new(root)),
            ..self
        }
    }

    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text without the kind.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What failed first: this error, unless it only says that nothing goes on after another.
    #[must_use]
    pub fn root(&self) -> &Error {
        self.root.as_deref().unwrap_or(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl error::Error for Error {}

impl From<sidx_engine::Error> for Error {
    fn from(error: sidx_engine::Error) -> Error {
        Error::new(error.kind(), error.message())
    }
}
