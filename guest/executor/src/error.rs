//! Why an executor did not do what it was asked to.

use std::fmt;

use sidx_columns::ColumnError;
use sidx_kernels::PageError;

/// What is wrong, and with what. What a host itself has to say, such as that a file cannot be read or that
/// the call must stop, is an error of its [`Pages`](crate::Pages) and passes through unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request contradicts itself, or asks for what is not there.
    #[error("{0}")]
    Request(String),
    /// Stored bytes are not what they should be.
    #[error("{0}")]
    Damage(String),
    /// More is asked for than one call gives.
    #[error("{0}")]
    Limit(String),
    /// The call must stop, and nobody says why.
    #[error("the call was stopped")]
    Stopped,
}

impl Error {
    /// A request that is wrong.
    pub fn request(text: impl Into<String>) -> Self {
        Self::Request(text.into())
    }

    /// Damaged bytes.
    pub fn damage(text: impl Into<String>) -> Self {
        Self::Damage(text.into())
    }

    /// A limit that would be passed.
    pub fn limit(text: impl Into<String>) -> Self {
        Self::Limit(text.into())
    }

    /// The same error with the place where it happened in front.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        match &mut self {
            Self::Request(text) | Self::Damage(text) | Self::Limit(text) => {
                *text = format!("{place}: {text}");
            }
            Self::Stopped => {}
        }
        self
    }
}

/// A page or request that the kernels refused. Requests are checked before they reach a kernel, so what
/// is left is stored bytes that do not fit the metadata that led to them.
impl From<PageError> for Error {
    fn from(cause: PageError) -> Self {
        match cause {
            PageError::Request { .. } => Self::Request(cause.to_string()),
            PageError::Stopped => Self::Stopped,
            _ => Self::Damage(cause.to_string()),
        }
    }
}

/// A column that the request described wrongly.
impl From<ColumnError> for Error {
    fn from(cause: ColumnError) -> Self {
        Self::Request(cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stands_in_front_of_the_text() {
        let error = Error::damage("broken").at("offset 7").at("file");
        assert_eq!(error, Error::damage("file: offset 7: broken"));
        assert_eq!(Error::Stopped.at("file"), Error::Stopped);
    }

    #[test]
    fn what_kernels_refuse_is_damage_unless_the_request_was_wrong() {
        let row = PageError::Row { row: 9, rows: 3 };
        assert!(matches!(Error::from(row), Error::Damage(_)));
        let request = PageError::Request {
            what: "rows",
            expected: 1,
            found: 2,
        };
        assert!(matches!(Error::from(request), Error::Request(_)));
        assert_eq!(Error::from(PageError::Stopped), Error::Stopped);
    }
}
