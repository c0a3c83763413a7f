//! The error that leaves the engine: a kind that a caller can act on and a text that names what was
//! wrong, where, and what to do.

use std::fmt;

/// What the caller can do about an error. Only the kind is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call itself is wrong; nothing was changed.
    InvalidArgument,
    /// The named thing does not exist.
    NotFound,
    /// Someone else holds the lock, or won the race for the next epoch.
    Conflict,
    /// Stored bytes failed a check.
    Corrupt,
    /// Memory or disk is over its budget.
    ResourceExhausted,
    /// A query would exceed one of its own limits.
    LimitExceeded,
    /// The deadline of the call passed.
    DeadlineExceeded,
    /// The caller cancelled the call.
    Cancelled,
    /// The storage failed.
    Io,
    /// Whether the call did what was asked is not known.
    Unknown,
    /// The store was written by a newer version of the format.
    UnsupportedVersion,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The name used in messages and on the boundary, for example `invalid-argument`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid-argument",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::ResourceExhausted => "resource-exhausted",
            Self::LimitExceeded => "limit-exceeded",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Cancelled => "cancelled",
            Self::Io => "io",
            Self::Unknown => "unknown",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Other => "other",
        }
    }

    /// Whether an error is about the bytes of a part, not about reaching them.
    pub fn is_damage(self) -> bool {
        matches!(
            self,
            Self::Corrupt | Self::NotFound | Self::UnsupportedVersion
        )
    }
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Shorthand used all over the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text without the kind.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with the place where it happened in front.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

/// Tells damage from everything else that may hinder reading.
pub(crate) trait OrDamage<T> {
    /// The inner result tells of [damage](ErrorKind::is_damage), the outer of every other failure.
    fn or_damage(self) -> Result<Result<T>>;
}

impl<T> OrDamage<T> for Result<T> {
    fn or_damage(self) -> Result<Self> {
        match self {
            Err(error) if !error.kind().is_damage() => Err(error),
            told => Ok(told),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Error {}

/// What an executor refused, for hosts that have no errors of their own: the one place where kinds meet.
impl From<sidx_executor::Error> for Error {
    fn from(cause: sidx_executor::Error) -> Self {
        use sidx_executor::Error as E;
        match cause {
            E::Request(text) => Self::invalid(text),
            E::Damage(text) => Self::corrupt(text),
            E::Limit(text) => Self::new(ErrorKind::LimitExceeded, text),
            cause @ E::Stopped => Self::new(ErrorKind::Cancelled, cause.to_string()),
            cause => Self::new(ErrorKind::Other, cause.to_string()),
        }
    }
}
