//! The errors of a log, and what it must know of those of its medium.

/// What an error of a medium means for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such segment.
    Gone,
    /// A segment ends before the bytes that were asked for.
    Short,
    /// A segment of that name is there already.
    Taken,
    /// There is no room. What had arrived can be taken back.
    Full,
    /// Anything else; nobody knows what came of the call.
    Other,
}

/// An error of a medium. Its text is put behind the place where a log met it.
pub trait MediumError: std::error::Error + Clone {
    /// What it means for the log.
    fn fault(&self) -> Fault;
}

/// A failed call. The texts say what was wrong, where, and what to do next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error<M: MediumError> {
    /// The call itself is wrong; nothing was changed.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for was given up, or a writer has given it up meanwhile.
    #[error("{0}")]
    GivenUp(String),
    /// What is stored is not what was written, or not all of it. With file and offset.
    #[error("{0}")]
    Damaged(String),
    /// A newer program wrote the log.
    #[error("{0}")]
    NewerFormat(String),
    /// Another writer has gone on with the log; this one must not.
    #[error("{0}")]
    Overtaken(String),
    /// A write failed before, and the log takes no more.
    #[error("{0}")]
    Failed(String),
    /// The medium failed. [`Fault::Full`] promises that the log is as it was.
    #[error(transparent)]
    Medium(#[from] M),
    /// The medium was full, and what had arrived could not be taken back: nobody knows what of the call will
    /// be found.
    #[error("{0}")]
    InDoubt(M),
}

/// The outcome of a call of a log whose medium fails with `M`.
pub type Result<T, M> = std::result::Result<T, Error<M>>;

impl<M: MediumError> Error<M> {
    /// What the error says of stored bytes, when it is about them.
    pub(crate) fn damage(self) -> std::result::Result<String, Self> {
        match self {
            Self::Damaged(text) => Ok(text),
            Self::Medium(error) if error.fault() == Fault::Short => Ok(error.to_string()),
            other => Err(other),
        }
    }

    /// The same error where nobody knows what came of the call: that the medium was full would promise that
    /// nothing did.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::Medium(error) if error.fault() == Fault::Full => Self::InDoubt(error),
            other => other,
        }
    }

    /// What the medium said, if it was the medium.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Medium(error) => Some(error.fault()),
            _ => None,
        }
    }
}
