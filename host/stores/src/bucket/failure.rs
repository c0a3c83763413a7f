//! A request that failed: what a caller of the library is told of it, and what its maker does next.

use crate::error::{Error, ErrorKind};

use super::advice::told;
pub(super) use super::answer::{Outcome, outcome, status};
use super::answer::{code, is_of_no_range};

/// What the maker of a request needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// There is no object of that name.
    Absent,
    /// There is no such bucket.
    NoBucket,
    /// The name is taken, or the version is another.
    Refused,
    /// Whoever asks may not.
    Forbidden,
    /// The service does not do that, or not with these bytes of this object.
    NotServed,
    /// What is there cannot be right.
    Damage,
    Other,
}

/// A failed request.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    error: Error,
    cause: Cause,
}

impl Failure {
    /// What came of trying to `verb` a key.
    pub(super) fn new(verb: &str, key: &str, cause: object_store::Error) -> Self {
        use object_store::Error as Store;
        let kind = match &cause {
            _ if code(&cause).as_deref() == Some("NoSuchBucket") => Cause::NoBucket,
            Store::NotFound { .. } => Cause::Absent,
            _ if Self::is_refusal(&cause) => Cause::Refused,
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Cause::Forbidden,
            Store::NotSupported { .. } | Store::NotImplemented { .. } => Cause::NotServed,
            // Listings fail without a kind.
            _ => match status(&cause) {
                Some(401 | 403) => Cause::Forbidden,
                Some(404) => Cause::Absent,
                Some(416) => Cause::NotServed,
                _ if is_empty_range(&cause) => Cause::NotServed,
                _ => Cause::Other,
            },
        };
        Self {
            error: told(verb, key, cause),
            cause: kind,
        }
    }

    pub(super) fn damage(text: String) -> Self {
        Self {
            error: Error::corrupt(text),
            cause: Cause::Damage,
        }
    }

    /// Whether a service refused a put under a condition because it does not hold.
    pub(super) fn is_refusal(cause: &object_store::Error) -> bool {
        use object_store::Error as Store;
        let is_refused = matches!(
            cause,
            Store::AlreadyExists { .. } | Store::Precondition { .. } | Store::NotModified { .. }
        );
        is_refused && outcome(cause) == Outcome::Definite
    }

    pub(super) fn is_absent(&self) -> bool {
        self.cause == Cause::Absent
    }

    pub(super) fn is_conflict(&self) -> bool {
        self.cause == Cause::Refused
    }

    pub(super) fn is_forbidden(&self) -> bool {
        self.cause == Cause::Forbidden
    }

    pub(super) fn is_damage(&self) -> bool {
        self.cause == Cause::Damage
    }

    /// Whether the same may be had with another range of bytes.
    pub(super) fn may_be_the_range(&self) -> bool {
        self.cause == Cause::NotServed
    }

    /// The same where nobody knows whether it was carried out.
    pub(super) fn in_doubt(self) -> Self {
        let kind = self.error.kind();
        if kind == ErrorKind::Io {
            return Self {
                cause: Cause::Other,
                ..self
            };
        }
        let text = self.error.message().to_owned();
        Self {
            error: Error::new(
                ErrorKind::Io,
                format!("{text}; nobody knows whether it was done before"),
            ),
            cause: Cause::Other,
        }
    }
}

impl Failure {
    /// For a caller who asks for the store and not for something in it: a bucket that does not exist is
    /// `not-found`.
    pub(super) fn of_store(self) -> Error {
        self.error
    }
}

/// For a caller who asks for something in the store: that is not said to be missing, which would be damage,
/// where the bucket is.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.cause {
            Cause::NoBucket => Self::new(ErrorKind::Io, failure.error.message()),
            _ => failure.error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            cause: Cause::Other,
        }
    }
}

/// What the store in memory of the library says of the end of nothing, and services that tell impossible
/// ranges.
fn is_empty_range(cause: &object_store::Error) -> bool {
    let object_store::Error::Generic { source, .. } = cause else {
        return false;
    };
    let text = source.to_string();
    text.contains("range") && text.contains("length") || is_of_no_range(&text)
}
