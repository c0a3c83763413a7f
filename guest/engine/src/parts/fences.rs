//! Fences: names of epochs that stay taken for ever.
//!
//! A writer publishes the epoch after its own, put if absent. One that was taken over while it slept finds
//! that name taken when it wakes, however late that is, because the epoch that took over from it stays: as
//! a snapshot while it is the newest, and then as a tombstone, which is taken for writers and nothing for
//! readers. Only of a writer that has closed the index nothing stays.

use crate::seal::unseal;
use crate::term::text;
use serde::{Deserialize, Serialize};
use sidx_log::Term;
use std::collections::BTreeSet;

/// The epochs that ended an opening which may not be over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fences(BTreeSet<u64>);

impl Fences {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, epoch: u64) {
        self.0.insert(epoch);
    }

    pub(crate) fn has(&self, epoch: u64) -> bool {
        self.0.contains(&epoch)
    }
}

impl FromIterator<u64> for Fences {
    fn from_iter<I: IntoIterator<Item = u64>>(epochs: I) -> Self {
        Self(epochs.into_iter().collect())
    }
}

/// What stands under the name of a fence that newer epochs have superseded.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// The epoch.
    pub(crate) tombstone_of: u64,
    /// Of the writer that published it.
    #[serde(default, with = "text")]
    pub(crate) term: Term,
}

/// Whether an object is a tombstone.
pub(crate) fn is_tombstone(bytes: &[u8]) -> bool {
    unseal::<Tombstone>(bytes, "tombstone").is_ok()
}
