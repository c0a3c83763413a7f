//! The part list that queries see, and which old ones are still being read.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use sidx_engine::View;

/// The newest view and the readers of it and of older ones.
///
/// Files of parts that left the list may be removed once nobody reads a view that names them. The
/// introducer learns that from [`oldest_or_seal`](Self::oldest_or_seal) before it returns the view that
/// replaces the newest one, so a reader that came between the two would lose its files. Therefore an
/// answer that does not protect the newest view closes the door to new readers until the next view is
/// published or the introducer's call has failed.
pub(crate) struct Views {
    state: Mutex<State>,
    unsealed: Condvar,
}

struct State {
    newest: Arc<View>,
    /// Readers by version.
    readers: BTreeMap<u64, usize>,
    sealed: bool,
}

impl Views {
    pub(crate) fn new() -> Arc<Self> {
        let newest = Arc::new(View {
            version: 0,
            epoch: 0,
            bytes: Vec::new(),
        });
        let state = State {
            newest,
            readers: BTreeMap::new(),
            sealed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            unsealed: Condvar::new(),
        })
    }

    /// Begins to read the newest view. Waits while the introducer removes files.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        let mut state = self.state.lock();
        while state.sealed {
            self.unsealed.wait(&mut state);
        }
        let view = Arc::clone(&state.newest);
        *state.readers.entry(view.version).or_default() += 1;
        Pin {
            views: Arc::clone(self),
            view,
        }
    }

    /// Makes a view the newest and lets readers in again.
    pub(crate) fn publish(&self, view: View) {
        let mut state = self.state.lock();
        state.newest = Arc::new(view);
        state.sealed = false;
        self.unsealed.notify_all();
    }

    /// Lets readers in again when the result is dropped: every call of the introducer ends with this,
    /// whatever becomes of it.
    pub(crate) fn unseal_later(&self) -> Unseal<'_> {
        Unseal { views: self }
    }

    /// The least version that is being read, or the greatest number when there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.state.lock().oldest()
    }

    /// As [`oldest`](Self::oldest), for the introducer: the answer stays true until its call ends.
    pub(crate) fn oldest_or_seal(&self) -> u64 {
        let mut state = self.state.lock();
        let oldest = state.oldest();
        state.sealed = oldest > state.newest.version;
        oldest
    }
}

impl State {
    fn oldest(&self) -> u64 {
        self.readers.keys().next().copied().unwrap_or(u64::MAX)
    }
}

/// Held during a call of the introducer.
pub(crate) struct Unseal<'a> {
    views: &'a Views,
}

impl Drop for Unseal<'_> {
    fn drop(&mut self) {
        self.views.state.lock().sealed = false;
        self.views.unsealed.notify_all();
    }
}

/// The right to read a view, until dropped.
pub(crate) struct Pin {
    views: Arc<Views>,
    view: Arc<View>,
}

impl Pin {
    pub(crate) fn view(&self) -> &View {
        &self.view
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.views.state.lock();
        if let Some(count) = state.readers.get_mut(&self.view.version) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.readers.remove(&self.view.version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    fn view(version: u64) -> View {
        View {
            version,
            epoch: 0,
            bytes: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_reader_is_the_least_pinned_version() {
        let views = Views::new();
        views.publish(view(3));
        assert_eq!(views.oldest(), u64::MAX);
        let first = views.pin();
        views.publish(view(5));
        let second = views.pin();
        let third = views.pin();
        assert_eq!((first.view().version, second.view().version), (3, 5));
        assert_eq!(views.oldest(), 3);
        drop(first);
        assert_eq!(views.oldest(), 5);
        drop((second, third));
        assert_eq!(views.oldest(), u64::MAX);
    }

    #[test]
    fn readers_wait_while_nothing_protects_the_newest_view() {
        let views = Views::new();
        views.publish(view(1));
        assert_eq!(views.oldest_or_seal(), u64::MAX);
        let reader = thread::spawn({
            let views = Arc::clone(&views);
            move || views.pin().view().version
        });
        thread::sleep(Duration::from_millis(20));
        views.publish(view(2));
        assert_eq!(reader.join().unwrap(), 2);
    }

    #[test]
    fn a_pinned_newest_view_needs_no_seal() {
        let views = Views::new();
        let pin = views.pin();
        assert_eq!(views.oldest_or_seal(), 0);
        drop(views.pin());
        drop(pin);
        assert_eq!(views.oldest_or_seal(), u64::MAX);
        drop(views.unseal_later());
        drop(views.pin());
    }
}
