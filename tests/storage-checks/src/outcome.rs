//! What a check says of a call: that it must succeed, or fail in a certain way.

use std::fmt::{self, Debug, Display, Formatter};

use crate::bindings::sidx::storage::types::Error;

/// The first broken rule.
pub(crate) type Verdict = Result<(), String>;

/// The case of an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    InvalidArgument,
    NotFound,
    Conflict,
    Corrupt,
    ResourceExhausted,
    Cancelled,
    Io,
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "invalid-argument",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::ResourceExhausted => "resource-exhausted",
            Self::Cancelled => "cancelled",
            Self::Io => "io",
        })
    }
}

/// An error taken apart.
fn parts(error: &Error) -> (Case, &str) {
    match error {
        Error::InvalidArgument(text) => (Case::InvalidArgument, text),
        Error::NotFound(text) => (Case::NotFound, text),
        Error::Conflict(text) => (Case::Conflict, text),
        Error::Corrupt(text) => (Case::Corrupt, text),
        Error::ResourceExhausted(text) => (Case::ResourceExhausted, text),
        Error::Cancelled(text) => (Case::Cancelled, text),
        Error::Io(text) => (Case::Io, text),
    }
}

/// Fails with the rule unless it holds.
pub(crate) fn ensure(holds: bool, rule: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { Err(rule.into()) }
}

/// Fails unless both are equal. For what is short enough to be shown.
pub(crate) fn same<T: PartialEq + Debug>(found: T, wanted: T, what: &str) -> Verdict {
    ensure(
        found == wanted,
        format!("{what}: {wanted:?} expected, found {found:?}"),
    )
}

/// Fails unless those names were listed, in that order.
pub(crate) fn same_names(found: &[String], wanted: &[&str], what: &str) -> Verdict {
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    same(found.as_slice(), wanted, what)
}

/// Fails unless the call succeeded.
pub(crate) fn works<T>(result: Result<T, Error>, what: impl Display) -> Result<T, String> {
    result.map_err(|error| {
        let (case, text) = parts(&error);
        format!("{what} must succeed, but failed with {case}: {text}")
    })
}

/// Fails unless the call failed in that way, and said something. Returns what it said.
pub(crate) fn fails<T>(
    result: Result<T, Error>,
    wanted: Case,
    what: impl Display,
) -> Result<String, String> {
    let Err(error) = result else {
        return Err(format!("{what} must fail with {wanted}, but succeeded"));
    };
    let (case, text) = parts(&error);
    if case != wanted {
        return Err(format!(
            "{what} must fail with {wanted}, but failed with {case}: {text}"
        ));
    }
    ensure(!text.is_empty(), format!("{what}: the error says nothing"))?;
    Ok(text.to_owned())
}

/// Fails unless the call succeeded, or failed in the way that a host may choose.
pub(crate) fn may_fail<T>(
    result: Result<T, Error>,
    allowed: Case,
    what: impl Display,
) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        refused => fails(refused, allowed, what).map(|_| None),
    }
}
