//! The error of the library: a kind that a caller can act on, a text that names what was wrong,
//! where, and what to do next, and the cause below it where there is one.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use sidx_engine::ErrorKind;

/// What every Unix answers when the process has no descriptor left (`EMFILE`).
pub(crate) const PROCESS_HAS_NO_DESCRIPTOR: i32 = 24;
/// The same when the machine has none (`ENFILE`).
pub(crate) const MACHINE_HAS_NO_DESCRIPTOR: i32 = 23;

/// A failed call. Cheap to clone, so that one failure can be told to every caller it concerns.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Shorthand used all over the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Shorthand for [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Shorthand for [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// What the operating system said when `action` was tried on `path`, for example `cannot open
    /// /data/x/index.json: ...`, with the next step where one is known. A missing file is
    /// `not-found`, an existing one `conflict`, a full disk and used-up descriptors `resource-exhausted`,
    /// all else `io`.
    pub fn io(action: &str, path: &Path, cause: io::Error) -> Self {
        let (kind, advice) = classify(&cause);
        let message = format!("cannot {action} {}: {cause}{advice}", path.display());
        Self::new(kind, message).with_source(cause)
    }

    /// The same error with its cause, which programs can reach through
    /// [`source`](std::error::Error::source).
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error with the place where it happened in front.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The same error where nobody knows what came of the call: `resource-exhausted` would promise that
    /// nothing did.
    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        if self.kind == ErrorKind::ResourceExhausted {
            self.kind = ErrorKind::Io;
        }
        self
    }

    /// What the caller can do. Only the kind is stable.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text without the kind. It is complete by itself: what a cause says is repeated in it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn classify(cause: &io::Error) -> (ErrorKind, &'static str) {
    use io::ErrorKind as Io;
    // Neither has a kind of its own.
    match cause.raw_os_error() {
        Some(PROCESS_HAS_NO_DESCRIPTOR) => {
            return (
                ErrorKind::ResourceExhausted,
                "; this process has no file descriptor left: raise its limit (ulimit -n), then retry",
            );
        }
        Some(MACHINE_HAS_NO_DESCRIPTOR) => {
            return (
                ErrorKind::ResourceExhausted,
                "; the machine has no file descriptor left: raise fs.file-max or lower ulimit -n of \
                 other programs, then retry",
            );
        }
        _ => {}
    }
    match cause.kind() {
        Io::NotFound => (ErrorKind::NotFound, ""),
        Io::AlreadyExists | Io::NotADirectory | Io::IsADirectory | Io::DirectoryNotEmpty => {
            (ErrorKind::Conflict, "")
        }
        Io::StorageFull => (
            ErrorKind::ResourceExhausted,
            "; the disk is full: free space or move the store, then retry",
        ),
        Io::QuotaExceeded => (
            ErrorKind::ResourceExhausted,
            "; the disk is full for this user: free space, raise the quota or move the store, then retry",
        ),
        Io::FileTooLarge => (
            ErrorKind::ResourceExhausted,
            "; raise the limit of the file system or move the store, then retry",
        ),
        Io::PermissionDenied => (
            ErrorKind::Io,
            "; check the owner and mode of the file and folder",
        ),
        Io::ReadOnlyFilesystem => (
            ErrorKind::Io,
            "; the file system is mounted read-only: open the index read-only",
        ),
        Io::InvalidFilename => (ErrorKind::InvalidArgument, "; use a shorter name"),
        _ => (ErrorKind::Io, ""),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<sidx_executor::Error> for Error {
    fn from(error: sidx_executor::Error) -> Self {
        sidx_engine::Error::from(error).into()
    }
}

impl From<sidx_engine::Error> for Error {
    fn from(error: sidx_engine::Error) -> Self {
        Self::new(error.kind(), error.message())
    }
}

/// Loses the cause, which the message repeats.
impl From<Error> for sidx_engine::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_io_error_names_the_path_the_cause_and_the_next_step() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::io("write", Path::new("/data/x"), full);
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert!(
            error
                .to_string()
                .starts_with("resource-exhausted: cannot write /data/x: ")
        );
        assert!(
            error
                .message()
                .ends_with("free space or move the store, then retry")
        );
        assert!(error.source().is_some());
    }

    #[test]
    fn a_full_medium_or_a_used_up_quota_exhausts_a_resource() {
        // What Linux answers: ENOSPC and EDQUOT.
        for number in [28, 122] {
            let cause = io::Error::from_raw_os_error(number);
            let error = Error::io("append to", Path::new("/data/log"), cause);
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
            let text = error.message();
            assert!(
                text.contains("/data/log") && text.contains("the disk is full"),
                "{text}"
            );
        }
    }

    #[test]
    fn descriptors_that_are_used_up_exhaust_a_resource() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let error = Error::io("open", Path::new("/data/x"), errno.into());
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
            assert!(error.message().contains("ulimit -n"), "{error}");
        }
    }

    #[test]
    fn kinds_and_messages_survive_the_way_through_the_engine() {
        let error = Error::conflict("held").at("/data/x");
        let engine = sidx_engine::Error::from(error);
        assert_eq!(engine.to_string(), "conflict: /data/x: held");
        assert_eq!(Error::from(engine).to_string(), "conflict: /data/x: held");
    }
}
