//! When calls must stop.

use std::cell::Cell;
use std::time::Duration;

use sidx_engine::{Error, ErrorKind, Result};

/// See the module.
#[derive(Default)]
pub(crate) struct Deadline {
    /// The moment by the clock of the store, and the timeout that led to it.
    end: Cell<Option<(u64, Duration)>>,
}

impl Deadline {
    /// Sets a timeout that counts from now; one beyond the range of the clock is none.
    pub(crate) fn set(&self, now_ms: u64, timeout: Option<Duration>) {
        let end = timeout.and_then(|timeout| {
            let ms = u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).ok()?;
            Some((now_ms.checked_add(ms)?, timeout))
        });
        self.end.set(end);
    }

    /// `deadline-exceeded` when it has passed. The clock is asked only where there is one.
    pub(crate) fn check(&self, now_ms: impl FnOnce() -> u64) -> Result<()> {
        match self.end.get() {
            Some((end, timeout)) if now_ms() >= end => {
                let text = format!("the call did not end within its timeout of {timeout:?}");
                Err(Error::new(ErrorKind::DeadlineExceeded, text))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_counts_from_when_it_was_set() {
        let deadline = Deadline::default();
        assert!(deadline.check(|| u64::MAX).is_ok());
        deadline.set(100, Some(Duration::from_micros(1_500)));
        assert!(deadline.check(|| 101).is_ok());
        let error = deadline.check(|| 102).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.message().ends_with("1.5ms"), "{error}");
        deadline.set(100, Some(Duration::ZERO));
        assert!(deadline.check(|| 100).is_err());
        for none in [None, Some(Duration::MAX)] {
            deadline.set(100, none);
            assert!(deadline.check(|| u64::MAX).is_ok());
        }
    }
}
