//! How failures look to a client: as they come out of the S3 client of `object_store`, with the same kinds
//! and the same texts, so that code that tells failures apart by either is tested with what it will meet.
//!
//! Some of that is not what one would expect. An answer to HEAD has no body, so a missing bucket looks like a
//! missing key. A listing knows no kinds of errors. A swap in a missing bucket is a condition that does not
//! hold, and 409 is an object that exists. What the connection died of is only told by the sources of an
//! error.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::HttpErrorKind;

use super::effect::Refusal;
use super::faults::Fault;
use super::journal::Outcome;
use super::request::Kind;
use super::source::{Cause, RequestFailed, Wrapped, http_error};

/// What `object_store` calls the service.
const STORE: &str = "S3";

/// Why a request did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Refused(Refusal),
    Fault(Fault),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What comes over the wire instead of what was asked for.
enum Wire {
    Status(Status),
    /// A success by its status and a failure by its body.
    Body(Status),
    Transport {
        kind: HttpErrorKind,
        text: &'static str,
        cause: &'static str,
    },
}

#[derive(Clone, Copy)]
struct Status {
    number: u16,
    reason: &'static str,
    code: &'static str,
    message: &'static str,
}

const fn status(
    number: u16,
    reason: &'static str,
    code: &'static str,
    message: &'static str,
) -> Status {
    Status {
        number,
        reason,
        code,
        message,
    }
}

const LOST: Wire = Wire::Transport {
    kind: HttpErrorKind::Request,
    text: "error sending request",
    cause: "connection closed before message completed",
};
const TIMED_OUT: Wire = Wire::Transport {
    kind: HttpErrorKind::Timeout,
    text: "error sending request",
    cause: "operation timed out",
};
const CUT: Wire = Wire::Transport {
    kind: HttpErrorKind::Interrupted,
    text: "request or response body error",
    cause: "end of file before message length reached",
};
const SLOW_DOWN: Status = status(
    503,
    "Service Unavailable",
    "SlowDown",
    "Please reduce your request rate.",
);
const INTERNAL: Status = status(
    200,
    "OK",
    "InternalError",
    "We encountered an internal error. Please try again.",
);

fn wire(failure: Failure) -> Wire {
    match failure {
        Failure::Fault(fault) => of_fault(fault),
        Failure::Refused(refusal) => Wire::Status(of_refusal(refusal)),
    }
}

fn of_fault(fault: Fault) -> Wire {
    match fault {
        Fault::Denied => Wire::Status(status(403, "Forbidden", "AccessDenied", "Access Denied")),
        Fault::NoBucket => Wire::Status(status(
            404,
            "Not Found",
            "NoSuchBucket",
            "The specified bucket does not exist",
        )),
        Fault::TooMany => Wire::Status(status(
            429,
            "Too Many Requests",
            "TooManyRequests",
            "Please reduce your request rate.",
        )),
        Fault::UnavailableBefore | Fault::UnavailableAfter => Wire::Status(SLOW_DOWN),
        Fault::Conflict => Wire::Status(status(
            409,
            "Conflict",
            "ConditionalRequestConflict",
            "The conditional request cannot succeed due to a conflicting operation against this resource.",
        )),
        Fault::ErrorInBody => Wire::Body(INTERNAL),
        Fault::Late => TIMED_OUT,
        Fault::HalfAnswer => CUT,
        Fault::LostBefore
        | Fault::LostAfter
        | Fault::Duplicated
        | Fault::DuplicatedLate
        | Fault::Resent => LOST,
    }
}

fn of_refusal(refusal: Refusal) -> Status {
    let not_found = |code, message| status(404, "Not Found", code, message);
    let bad = |code, message| status(400, "Bad Request", code, message);
    match refusal {
        Refusal::Exists | Refusal::Mismatch => status(
            412,
            "Precondition Failed",
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        ),
        Refusal::NotModified => status(304, "Not Modified", "", ""),
        Refusal::NoKey => not_found("NoSuchKey", "The specified key does not exist."),
        Refusal::NoUpload => not_found(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
             aborted or completed.",
        ),
        Refusal::InvalidPart => bad(
            "InvalidPart",
            "One or more of the specified parts could not be found.",
        ),
        Refusal::TooSmall => bad(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        ),
        Refusal::Range => status(
            416,
            "Range Not Satisfiable",
            "InvalidRange",
            "The requested range is not satisfiable",
        ),
    }
}

impl Status {
    fn body(&self, kind: Kind) -> String {
        // An answer to HEAD has no body, and neither has one that nothing has changed.
        if kind == Kind::Head || self.number == 304 {
            return String::new();
        }
        let Self { code, message, .. } = self;
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    }
}

impl Failure {
    /// What the journal says of it.
    pub(super) fn outcome(self) -> Outcome {
        match wire(self) {
            Wire::Status(status) | Wire::Body(status) => Outcome::Status(status.number),
            Wire::Transport { .. } => Outcome::Lost,
        }
    }

    /// What the client is told of it.
    pub(super) fn into_error(self, kind: Kind, key: &str) -> Error {
        let (number, cause) = match wire(self) {
            Wire::Status(status) => {
                let Status { number, reason, .. } = status;
                let body = status.body(kind);
                let text =
                    format!("Server returned non-2xx status code: {number} {reason}: {body}");
                (Some(number), Cause::Text(text))
            }
            Wire::Body(status) => {
                let text = format!("Server returned error response: {}", status.body(kind));
                (None, Cause::Text(text))
            }
            Wire::Transport {
                kind: how,
                text,
                cause,
            } => (None, Cause::Http(http_error(how, text, cause))),
        };
        let is_cut = self == Self::Fault(Fault::HalfAnswer);
        let source: Box<dyn StdError + Send + Sync> = match kind {
            Kind::List if is_cut => {
                Box::new(Wrapped::new("Error getting list response body", cause))
            }
            Kind::List => {
                let failed = RequestFailed::new(kind, key, cause);
                Box::new(Wrapped::new("Error performing list request", failed))
            }
            Kind::Get if is_cut => Box::new(cause),
            _ => Box::new(RequestFailed::new(kind, key, cause)),
        };
        variant(number, kind, key.to_owned(), source)
    }
}

/// The kind of error that the S3 client makes of a status.
fn variant(
    number: Option<u16>,
    kind: Kind,
    path: String,
    source: Box<dyn StdError + Send + Sync>,
) -> Error {
    match (number, kind) {
        (_, Kind::List) => generic(source),
        (Some(404), Kind::Swap) => Error::Precondition { path, source },
        (Some(404), _) => Error::NotFound { path, source },
        (Some(403), _) => Error::PermissionDenied { path, source },
        (Some(304), _) => Error::NotModified { path, source },
        (Some(409), _) | (Some(412), Kind::Copy) => Error::AlreadyExists { path, source },
        (Some(412), Kind::Create) => Error::AlreadyExists {
            path: path.clone(),
            source: Box::new(Error::Precondition { path, source }),
        },
        (Some(412), _) => Error::Precondition { path, source },
        _ => generic(source),
    }
}

/// An error without a kind of its own.
pub(super) fn generic(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

/// What a client is told of one key that a deletion of several did not delete.
pub(super) fn not_deleted(key: &str) -> Error {
    let Status { code, message, .. } = INTERNAL;
    generic(format!(
        "DeleteObjects request failed for key {key}: {message} (code: {code})"
    ))
}
