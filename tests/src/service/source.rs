//! The errors below an error of `object_store`, down to what the connection died of.

use std::error::Error as StdError;
use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

use super::request::Kind;

/// What the HTTP client says of a request without an answer. Only its source tells the cause.
pub(super) fn http_error(
    kind: HttpErrorKind,
    text: &'static str,
    cause: &'static str,
) -> HttpError {
    HttpError::new(kind, Wrapped::silent(text, Text(cause)))
}

/// The innermost of an error.
#[derive(Debug)]
struct Text(&'static str);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Text {}

/// An error with a source, which it tells of in its own text or leaves to be asked for.
#[derive(Debug)]
pub(super) struct Wrapped<E> {
    text: &'static str,
    source: E,
    is_silent: bool,
}

impl<E> Wrapped<E> {
    pub(super) fn new(text: &'static str, source: E) -> Self {
        Self {
            text,
            source,
            is_silent: false,
        }
    }

    fn silent(text: &'static str, source: E) -> Self {
        Self {
            text,
            source,
            is_silent: true,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_silent {
            true => f.write_str(self.text),
            false => write!(f, "{}: {}", self.text, self.source),
        }
    }
}

impl<E: StdError + 'static> StdError for Wrapped<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// Why one request failed.
#[derive(Debug)]
pub(super) enum Cause {
    Text(String),
    Http(HttpError),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Http(error) => write!(f, "{error}"),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Text(_) => None,
            Self::Http(error) => Some(error),
        }
    }
}

/// A request that failed, as the retries of `object_store` tell it when they are turned off.
#[derive(Debug)]
pub(super) struct RequestFailed {
    method: &'static str,
    /// What is asked of the bucket: a key, or a listing.
    asked: String,
    cause: Cause,
}

impl RequestFailed {
    pub(super) fn new(kind: Kind, key: &str, cause: Cause) -> Self {
        Self {
            method: kind.method(),
            asked: match kind {
                Kind::List => format!("?list-type=2&prefix={key}"),
                _ => format!("/{key}"),
            },
            cause,
        }
    }
}

impl fmt::Display for RequestFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            asked,
            cause,
        } = self;
        write!(
            f,
            "Error performing {method} https://service/bucket{asked} in 1ms - {cause}"
        )
    }
}

impl StdError for RequestFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}
