//! An open index that is only read, and keeps up with whoever writes it.

use std::time::{Duration, Instant};

use super::Open;
use crate::error::Result;
use crate::session::CallLimits;
use crate::staleness::Staleness;
use crate::storage::LogForm;

/// After so long a reader looks for newer snapshots whatever its pin says, so that what it keeps in the store
/// does not become old.
const PIN_MOVES: Duration = Duration::from_secs(10);

impl Open {
    /// Before a query: brings what is read up to date, as far as the index was opened for that.
    pub(crate) fn keep_up(&self, limits: &CallLimits) -> Result<()> {
        let staleness = self.settings().staleness;
        if !self.is_read_only() || staleness == Staleness::Opened {
            return Ok(());
        }
        let asked = Instant::now();
        let mut state = limits.wait_for(&self.looks().state)?;
        if staleness.bears(state.looked, asked) {
            return Ok(());
        }
        let begun = Instant::now();
        let shared = self.shared();
        let is_old = begun.saturating_duration_since(state.looked_for_epochs) >= PIN_MOVES;
        // Only where commits have names that a pin keeps taken one look at the next is enough.
        let mut epochs = is_old
            || shared.storage.log_form() == LogForm::Growing
            || shared.pinned.is_impossible();
        self.writer().refresh(limits, epochs)?;
        if !epochs && !shared.pinned.is_held() {
            epochs = true;
            self.writer().refresh(limits, epochs)?;
        }
        state.looked = begun;
        if epochs {
            state.looked_for_epochs = begun;
        }
        Ok(())
    }
}
