//! Errors of engine, adapter and store as those of the command line.

use std::fmt::Display;

use sidx_command::database::Error;
use sidx_engine::ErrorKind;

use crate::bindings::{storage, types};

/// An error of the engine or the adapter.
pub(crate) fn of_engine(error: types::Error) -> Error {
    use types::Error as E;
    let (kind, text) = match error {
        E::InvalidArgument(text) => (ErrorKind::InvalidArgument, text),
        E::NotFound(text) => (ErrorKind::NotFound, text),
        E::Conflict(text) => (ErrorKind::Conflict, text),
        E::Corrupt(text) => (ErrorKind::Corrupt, text),
        E::ResourceExhausted(text) => (ErrorKind::ResourceExhausted, text),
        E::LimitExceeded(text) => (ErrorKind::LimitExceeded, text),
        E::DeadlineExceeded(text) => (ErrorKind::DeadlineExceeded, text),
        E::Cancelled(text) => (ErrorKind::Cancelled, text),
        E::Io(text) => (ErrorKind::Io, text),
        E::Unknown(text) => (ErrorKind::Unknown, text),
        E::UnsupportedVersion(text) => (ErrorKind::UnsupportedVersion, text),
        E::Other(text) => (ErrorKind::Other, text),
    };
    Error::new(kind, text)
}

/// An error of the store.
pub(crate) fn of_storage(error: storage::Error) -> Error {
    use storage::Error as E;
    let (kind, text) = match error {
        E::InvalidArgument(text) => (ErrorKind::InvalidArgument, text),
        E::NotFound(text) => (ErrorKind::NotFound, text),
        E::Conflict(text) => (ErrorKind::Conflict, text),
        E::Corrupt(text) => (ErrorKind::Corrupt, text),
        E::ResourceExhausted(text) => (ErrorKind::ResourceExhausted, text),
        E::Cancelled(text) => (ErrorKind::Cancelled, text),
        E::Io(text) => (ErrorKind::Io, text),
    };
    Error::new(kind, text)
}

/// The same error with the place where it happened in front.
pub(crate) fn at(error: &Error, place: impl Display) -> Error {
    Error::new(error.kind(), format!("{place}: {}", error.message()))
}

/// An error of no other kind.
pub(crate) fn other(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Other, text)
}

/// `invalid-argument`.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// `not-found`.
pub(crate) fn not_found(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotFound, text)
}

/// `conflict`.
pub(crate) fn conflict(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Conflict, text)
}

/// `corrupt`.
pub(crate) fn corrupt(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, text)
}
