//! How calls of the storage fail.

use sidx_host::{Error, ErrorKind};

/// What a call that fails has done, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `io`, and nothing has happened.
    Undone,
    /// `io`, and all has happened: the answer was lost.
    Done,
    /// `io`, and a part has happened.
    HalfDone,
    /// `resource-exhausted`, and nothing has happened.
    Full,
    /// `resource-exhausted`, and a part has happened.
    HalfFull,
}

impl Failure {
    /// All.
    pub const ALL: [Failure; 5] = [
        Failure::Undone,
        Failure::Done,
        Failure::HalfDone,
        Failure::Full,
        Failure::HalfFull,
    ];

    /// Whether the call has done all that it does.
    pub fn is_done(self) -> bool {
        self == Failure::Done
    }

    /// Whether it has done a part.
    pub fn is_half_done(self) -> bool {
        matches!(self, Failure::HalfDone | Failure::HalfFull)
    }

    /// Whether the medium has no room.
    pub fn is_full(self) -> bool {
        matches!(self, Failure::Full | Failure::HalfFull)
    }

    /// What a call says.
    pub fn error(self, call: &str) -> Error {
        let (kind, what) = match self.is_full() {
            true => (ErrorKind::ResourceExhausted, "the medium is full"),
            false => (ErrorKind::Io, "the medium has failed"),
        };
        Error::new(kind, format!("{call}: {what}"))
    }
}
