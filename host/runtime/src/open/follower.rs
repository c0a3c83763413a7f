//! An open index that is only read, and keeps up with whoever writes it.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Open;
use crate::error::{Error, ErrorKind, Result};
use crate::session::CallLimits;
use crate::staleness::{Staleness, State};
use crate::storage::LogForm;

/// After so long a reader looks for newer snapshots whatever its pin says, so that what it keeps in the store
/// does not become old.
const PIN_MOVES: Duration = Duration::from_secs(10);
/// Who waits for a look and may give up asks this often whether to.
const WAIT_SLICE: Duration = Duration::from_millis(5);

/// A look on a thread of its own, until that ends.
struct UnderWay(Arc<Open>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.looks().end();
    }
}

impl Open {
    /// Whether it is only read, and keeps up.
    pub(crate) fn follows(&self) -> bool {
        self.is_read_only() && self.settings().staleness != Staleness::Opened
    }

    /// Brings it up to date where nobody has looked for snapshots for so long: what is pinned keeps what
    /// others could remove.
    pub(crate) fn follow_idle(&self, idle: Duration) -> Result<()> {
        let mut state = self.looks().state.lock();
        match state.looked_for_epochs.elapsed() >= idle {
            true => self.look_now(&mut state, true),
            false => Ok(()),
        }
    }

    /// Before a query: brings what is read up to date, as far as the index was opened for that. A query that
    /// must stop waits for that no longer; the look goes on for the next one, which would have to begin it
    /// again, and maybe never come to its end.
    pub(crate) fn keep_up(&self, limits: &CallLimits) -> Result<()> {
        if !self.follows() {
            return Ok(());
        }
        let asked = Instant::now();
        if !limits.is_limited() {
            return self.look(asked);
        }
        loop {
            let looked = limits.wait_for(&self.looks().state)?.looked;
            if self.settings().staleness.bears(looked, asked) {
                return Ok(());
            }
            if self.looks().begin() {
                return self.look_aside(asked, limits);
            }
            // Somebody's look was about to begin, or to end.
            limits.check()?;
            thread::sleep(WAIT_SLICE);
        }
    }

    /// Looks on a thread of its own, of which there is one at a time.
    fn look_aside(&self, asked: Instant, limits: &CallLimits) -> Result<()> {
        let Some(open) = self.me.upgrade() else {
            self.looks().end();
            return self.look(asked);
        };
        let under_way = UnderWay(open);
        let (sender, receiver) = sync_channel(1);
        let look = move || {
            let looked = under_way.0.look(asked);
            drop(under_way);
            // Whoever waited may be gone.
            let _ = sender.send(looked);
        };
        let thread = thread::Builder::new().name("sidx-follow".to_owned());
        if thread.spawn(look).is_err() {
            return self.look(asked);
        }
        loop {
            limits.check()?;
            match receiver.recv_timeout(WAIT_SLICE) {
                Ok(looked) => return looked,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let text = "a look for what was written broke off in a panic";
                    return Err(Error::new(ErrorKind::Other, text));
                }
            }
        }
    }

    /// Brings it up to date for who asked at a time, unless somebody has done so since.
    fn look(&self, asked: Instant) -> Result<()> {
        let mut state = self.looks().state.lock();
        if self.settings().staleness.bears(state.looked, asked) {
            return Ok(());
        }
        let is_old = state.looked_for_epochs.elapsed() >= PIN_MOVES;
        self.look_now(&mut state, is_old)
    }

    fn look_now(&self, state: &mut State, for_epochs: bool) -> Result<()> {
        let begun = Instant::now();
        let shared = self.shared();
        // Only where commits have names that a pin keeps taken one look at the next is enough.
        let mut epochs = for_epochs
            || shared.storage.log_form() == LogForm::Growing
            || shared.pinned.is_impossible();
        self.writer().refresh(epochs)?;
        if !epochs && !shared.pinned.is_held() {
            epochs = true;
            self.writer().refresh(epochs)?;
        }
        state.looked = begun;
        if epochs {
            state.looked_for_epochs = begun;
        }
        Ok(())
    }
}
