//! What may stop a call: its deadline and its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sidx_engine::{Error, ErrorKind, Result};

/// Stops a query from another thread. Clones stop the same queries.
///
/// ```
/// let token = sidx_host::CancelToken::new();
/// let other = token.clone();
/// other.cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that has not been cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every query that carries this token at its next read, with `cancelled`. There is no way
    /// back; a new query needs a new token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// When a call must stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallLimits {
    deadline: Option<(Instant, Duration)>,
    cancel: Option<CancelToken>,
}

impl CallLimits {
    /// Limits that count from now. A timeout beyond the clock's range is none.
    pub(crate) fn new(timeout: Option<Duration>, cancel: Option<CancelToken>) -> Self {
        let deadline = timeout.and_then(|timeout| {
            Instant::now()
                .checked_add(timeout)
                .map(|end| (end, timeout))
        });
        Self { deadline, cancel }
    }

    /// Whether there is anything to check.
    pub(crate) fn is_limited(&self) -> bool {
        self.deadline.is_some() || self.cancel.is_some()
    }

    /// `cancelled` or `deadline-exceeded` when the call must stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "the caller cancelled the query",
            ));
        }
        match self.deadline {
            Some((end, timeout)) if Instant::now() >= end => {
                let text = format!("the query did not end within its timeout of {timeout:?}");
                Err(Error::new(ErrorKind::DeadlineExceeded, text))
            }
            _ => Ok(()),
        }
    }

    /// Time left before the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|(end, _)| end.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limits_never_stop() {
        let limits = CallLimits::default();
        assert!(!limits.is_limited());
        assert!(limits.check().is_ok());
        assert_eq!(limits.remaining(), None);
    }

    #[test]
    fn a_passed_deadline_and_a_cancelled_token_stop() {
        let late = CallLimits::new(Some(Duration::ZERO), None);
        assert_eq!(
            late.check().unwrap_err().kind(),
            ErrorKind::DeadlineExceeded
        );
        assert_eq!(late.remaining(), Some(Duration::ZERO));
        let token = CancelToken::new();
        let limits = CallLimits::new(Some(Duration::MAX), Some(token.clone()));
        assert!(limits.check().is_ok());
        token.cancel();
        assert_eq!(limits.check().unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
