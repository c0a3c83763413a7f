//! Snapshots that are not the newest any more: they go, unless their name is a fence.

use crate::error::Result;
use crate::host::Host;
use crate::parts::fences::{Fences, Tombstone, is_tombstone};
use crate::parts::snapshot::Snapshot;
use crate::seal::{TERMS, seal, unseal};
use sidx_log::Term;
use std::collections::BTreeSet;

/// The snapshots that are not the newest any more, on their way out.
#[derive(Default)]
pub(crate) struct Superseded {
    /// Fences that are tombstones, as far as that is known.
    tombstones: BTreeSet<u64>,
}

impl Superseded {
    /// Removes the snapshots before an epoch, and makes tombstones of fences.
    pub(crate) fn remove_before<H: Host>(
        &mut self,
        host: &H,
        epoch: u64,
        fences: &Fences,
    ) -> Result<()> {
        for old in Snapshot::epochs(host)?
            .into_iter()
            .filter(|old| *old < epoch)
        {
            if !fences.has(old) {
                host.remove_object(&Snapshot::name(old))?;
            } else if !self.tombstones.contains(&old) && bury(host, old).is_ok() {
                // One that cannot be made now, on a full medium, is made another time: only the newest epoch
                // is ever begun with, so all that it costs is its bytes.
                self.tombstones.insert(old);
            }
        }
        Ok(())
    }
}

/// Swaps a fence for its tombstone, unless it is one.
fn bury<H: Host>(host: &H, epoch: u64) -> Result<()> {
    let name = Snapshot::name(epoch);
    let Some(object) = host.get_object(&name)? else {
        return Ok(());
    };
    if is_tombstone(&object.bytes) {
        return Ok(());
    }
    let term = unseal::<Snapshot>(&object.bytes, &name).map_or(Term::NONE, |found| found.term);
    let tombstone = Tombstone {
        tombstone_of: epoch,
        term,
    };
    host.swap_object(&name, &object.version, &seal(&tombstone, &[TERMS])?)?;
    Ok(())
}
