//! What may stop or slow a call: its deadline, its caller, a rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use sidx_engine::{Error, ErrorKind, Result};

use crate::rate::Rate;

/// Who waits for a lock looks this often whether to go on waiting.
const LOCK_SLICE: Duration = Duration::from_millis(5);

/// Stops a query, a write that has not begun, or a flush, merge or check, from another thread. Clones stop
/// the same calls.
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

    /// Stops every call that carries this token, with `cancelled`: at the next page, at the next 64 KiB
    /// of values that a filter looks at or a result is built from, or while waiting. There is no way
    /// back; a new call needs a new token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// When a call must stop, and how fast it may write.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallLimits {
    deadline: Option<(Instant, Duration)>,
    cancel: Option<CancelToken>,
    /// Stops what others do for the call.
    stop: Option<CancelToken>,
    rate: Option<Arc<Rate>>,
    /// What the host allows a single call into an instance that it interrupts.
    call: Option<SingleCall>,
}

#[derive(Clone, Copy, Debug)]
struct SingleCall {
    name: &'static str,
    end: Instant,
    timeout: Duration,
}

impl CallLimits {
    /// Limits that count from now. A timeout beyond the clock's range is none.
    pub(crate) fn new(timeout: Option<Duration>, cancel: Option<CancelToken>) -> Self {
        let deadline = timeout.and_then(|timeout| {
            Instant::now()
                .checked_add(timeout)
                .map(|end| (end, timeout))
        });
        Self {
            deadline,
            cancel,
            stop: None,
            rate: None,
            call: None,
        }
    }

    /// The same limits, and pages are written at this rate.
    pub(crate) fn with_rate(self, rate: Option<Arc<Rate>>) -> Self {
        Self { rate, ..self }
    }

    /// The same limits, and a token of the host's own.
    pub(crate) fn with_stop(self, stop: Option<&CancelToken>) -> Self {
        Self {
            stop: stop.cloned(),
            ..self
        }
    }

    /// Begins a call, which may take so long whatever else limits it. A timeout beyond the clock's range
    /// is none.
    pub(super) fn begin_call(&mut self, name: &'static str, timeout: Duration) {
        let end = Instant::now().checked_add(timeout);
        self.call = end.map(|end| SingleCall { name, end, timeout });
    }

    /// Whether there is anything to check.
    pub(crate) fn is_limited(&self) -> bool {
        self.deadline.is_some()
            || self.cancel.is_some()
            || self.stop.is_some()
            || self.call.is_some()
    }

    /// `cancelled` or `deadline-exceeded` when the call must stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "the caller cancelled the call",
            ));
        }
        if self.stop.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "another share of the call failed, or nobody waits for it any more",
            ));
        }
        if self.deadline.is_none() && self.call.is_none() {
            return Ok(());
        }
        let now = Instant::now();
        match (self.deadline, self.call) {
            (Some((end, timeout)), _) if now >= end => {
                let text = format!("the call did not end within its timeout of {timeout:?}");
                Err(Error::new(ErrorKind::DeadlineExceeded, text))
            }
            (_, Some(SingleCall { name, end, timeout })) if now >= end => {
                let text = format!(
                    "the component did not end its call `{name}` within {timeout:?}; if it had work to \
                     do for so long, raise `call_timeout`"
                );
                Err(Error::new(ErrorKind::DeadlineExceeded, text))
            }
            _ => Ok(()),
        }
    }

    /// Time left before the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let ends = [
            self.deadline.map(|(end, _)| end),
            self.call.map(|call| call.end),
        ];
        let end = ends.into_iter().flatten().min()?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Waits until `bytes` may be written, or the call must stop.
    pub(crate) fn pace(&self, bytes: u64) -> Result<()> {
        match &self.rate {
            Some(rate) => rate.take(bytes, || self.check()),
            None => Ok(()),
        }
    }

    /// Waits for a lock until the call must stop.
    pub(crate) fn wait_for<'a, T>(&self, lock: &'a Mutex<T>) -> Result<MutexGuard<'a, T>> {
        if !self.is_limited() {
            return Ok(lock.lock());
        }
        loop {
            self.check()?;
            if let Some(guard) = lock.try_lock_for(LOCK_SLICE) {
                return Ok(guard);
            }
        }
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

    #[test]
    fn waiting_for_a_lock_or_a_rate_ends_when_the_call_must_stop() {
        let (lock, token) = (Mutex::new(()), CancelToken::new());
        let rate = Some(Arc::new(Rate::new(1)));
        let limits = CallLimits::new(None, Some(token.clone())).with_rate(rate);
        assert!(limits.wait_for(&lock).is_ok());
        let held = lock.lock();
        token.cancel();
        let waited = limits.wait_for(&lock).map(drop);
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Cancelled);
        let paced = limits.pace(u64::MAX >> 16);
        assert_eq!(paced.unwrap_err().kind(), ErrorKind::Cancelled);
        drop(held);
    }

    #[test]
    fn a_single_call_has_its_own_time_and_the_shorter_counts() {
        let mut limits = CallLimits::new(Some(Duration::from_secs(3600)), None);
        limits.begin_call("merge", Duration::ZERO);
        assert_eq!(limits.remaining(), Some(Duration::ZERO));
        let error = limits.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.message().contains("`merge`"), "{error}");
        limits.begin_call("count", Duration::MAX);
        assert!(limits.check().is_ok());
        limits.begin_call("count", Duration::from_secs(9999));
        assert!(limits.remaining().unwrap() <= Duration::from_secs(3600));
    }
}
