//! The part list that queries see, and which old ones are still being read.

use std::collections::BTreeMap;
use std::sync::Arc;

use sidx_engine::{Error, ErrorKind, FlushNeed, Result, View};

use crate::sync::Mutex;

/// The newest view and the readers of it and of older ones.
///
/// Files of parts that left the list may be removed once nobody reads a view that names them. A new
/// reader takes the newest view that was published, so the introducer must take that one for read as
/// well: what leaves the list during a call is removed in a later one.
pub(crate) struct Views {
    state: Mutex<State>,
}

/// What must stay for as long as somebody reads a view.
pub(crate) type Kept = Arc<dyn Send + Sync>;

struct State {
    newest: Arc<View>,
    /// Of the newest view.
    kept: Option<Kept>,
    /// Readers by version.
    readers: BTreeMap<u64, usize>,
}

impl Views {
    pub(crate) fn new() -> Arc<Self> {
        let newest = Arc::new(View {
            version: 0,
            epoch: 0,
            bytes: Vec::new(),
            flush_need: FlushNeed::default(),
        });
        let state = State {
            newest,
            kept: None,
            readers: BTreeMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Begins to read the newest view.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        let mut state = self.state.lock();
        let view = Arc::clone(&state.newest);
        *state.readers.entry(view.version).or_default() += 1;
        Pin {
            views: Arc::clone(self),
            view,
            kept: state.kept.clone(),
        }
    }

    /// Makes a view the newest, with what must stay for as long as it is read.
    ///
    /// A view that goes back in version or epoch, or that is another one of the same version, is refused:
    /// readers would take old parts for new, and files would be removed that they read.
    pub(crate) fn publish(&self, view: View, kept: Option<Kept>) -> Result<()> {
        let mut state = self.state.lock();
        let newest = &state.newest;
        let follows = view.version > newest.version && view.epoch >= newest.epoch;
        if !(follows && view.version < u64::MAX) && view != **newest {
            let text = format!(
                "the engine returned a view of version {} and epoch {} after one of {} and {}",
                view.version, view.epoch, newest.version, newest.epoch
            );
            return Err(Error::new(ErrorKind::Other, text));
        }
        state.newest = Arc::new(view);
        // Giving it up may take long.
        let before = std::mem::replace(&mut state.kept, kept);
        drop(state);
        drop(before);
        Ok(())
    }

    /// The newest view.
    pub(crate) fn newest(&self) -> Arc<View> {
        Arc::clone(&self.state.lock().newest)
    }

    /// The version of the newest view.
    pub(crate) fn newest_version(&self) -> u64 {
        self.state.lock().newest.version
    }

    /// The least version that is being read, or the greatest number when there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.state.lock().oldest()
    }

    /// The least version that is being read or may be from now on: the newest one that was published.
    /// Before the first, nobody can read.
    pub(crate) fn oldest_or_newest(&self) -> u64 {
        let state = self.state.lock();
        match state.newest.version {
            0 => state.oldest(),
            newest => state.oldest().min(newest),
        }
    }
}

impl State {
    fn oldest(&self) -> u64 {
        self.readers.keys().next().copied().unwrap_or(u64::MAX)
    }
}

/// The right to read a view, until dropped.
pub(crate) struct Pin {
    views: Arc<Views>,
    view: Arc<View>,
    /// Goes last.
    kept: Option<Kept>,
}

impl Pin {
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The same right for somebody else.
    pub(crate) fn again(&self) -> Pin {
        let mut state = self.views.state.lock();
        *state.readers.entry(self.view.version).or_default() += 1;
        Pin {
            views: Arc::clone(&self.views),
            view: Arc::clone(&self.view),
            kept: self.kept.clone(),
        }
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

    fn view(version: u64) -> View {
        View {
            version,
            epoch: 0,
            bytes: Vec::new(),
            flush_need: FlushNeed::default(),
        }
    }

    #[test]
    fn the_oldest_reader_is_the_least_pinned_version() {
        let views = Views::new();
        views.publish(view(3), None).unwrap();
        assert_eq!(views.oldest(), u64::MAX);
        let first = views.pin();
        views.publish(view(5), None).unwrap();
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
    fn a_view_that_goes_back_is_refused() {
        let views = Views::new();
        let at = |version, epoch, bytes: &[u8]| View {
            version,
            epoch,
            bytes: bytes.to_vec(),
            flush_need: FlushNeed::default(),
        };
        views.publish(at(5, 2, b"x"), None).unwrap();
        views.publish(at(5, 2, b"x"), None).unwrap();
        for wrong in [
            at(4, 2, b"x"),
            at(5, 2, b"y"),
            at(5, 3, b"x"),
            at(6, 1, b"x"),
            at(u64::MAX, 2, b"x"),
        ] {
            assert!(views.publish(wrong, None).is_err());
        }
        assert_eq!(views.newest_version(), 5);
        views.publish(at(6, 2, b"y"), None).unwrap();
    }

    #[test]
    fn the_introducer_takes_the_newest_view_for_read() {
        let views = Views::new();
        assert_eq!(views.oldest_or_newest(), u64::MAX);
        views.publish(view(4), None).unwrap();
        assert_eq!((views.oldest(), views.oldest_or_newest()), (u64::MAX, 4));
        let pin = views.pin();
        views.publish(view(6), None).unwrap();
        assert_eq!(views.oldest_or_newest(), 4);
        drop(pin);
        assert_eq!(views.oldest_or_newest(), 6);
    }
}
