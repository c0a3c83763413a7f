//! The part lists that cursors of this instance read. Those of other instances are the host's to know.

use crate::host::Host;
use crate::part::PartList;
use std::sync::{Arc, Weak};

/// Lists that queries could begin with, as long as somebody holds them, in order of version.
pub(crate) struct Views<H: Host>(Vec<Weak<PartList<H>>>);

impl<H: Host> Default for Views<H> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<H: Host> Views<H> {
    /// Notes the list that queries begin with until it changes. So it costs queries nothing, and a change
    /// little.
    pub(crate) fn note(&mut self, live: &Arc<PartList<H>>) {
        let is_noted = |list: &Weak<PartList<H>>| std::ptr::eq(list.as_ptr(), Arc::as_ptr(live));
        if !self.0.last().is_some_and(is_noted) {
            self.0.retain(|list| list.strong_count() > 0);
            self.0.push(Arc::downgrade(live));
        }
    }

    /// The least version that is held, or the greatest number when there is none. That of the list that is
    /// live counts as well, whoever holds it: nothing that it has is removed anyway.
    pub(crate) fn oldest(&self) -> u64 {
        let held = self.0.iter().filter_map(Weak::upgrade);
        held.map(|list| list.version).min().unwrap_or(u64::MAX)
    }
}
