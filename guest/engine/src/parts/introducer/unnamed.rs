//! What lies among the parts and is none: what a crash left, and what nobody reads any more.

use super::Introducer;
use crate::error::Result;
use crate::host::{Host, Medium};
use crate::part::layout::PARTS;
use crate::part::loss::Quarantined;
use crate::part::name::{PartName, StoredName};
use crate::part::{Part, PartList};
use std::collections::BTreeSet;
use std::sync::Arc;

impl<H: Host> Introducer<H> {
    /// Removes folders and files of parts that the snapshot does not name: what a crash left of flushes and
    /// merges, and what no reader needs any more. Names that no part can have are not ours and stay, and so
    /// do parts of a later term: who made them has taken over.
    pub(crate) fn remove_unnamed(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        self.remove_obsolete(host, live);
        let readers = host.find_readers()?;
        let is_read = readers.need_before(live.epoch);
        let dead = live.deaths.files();
        // A part whose manifest cannot be read may yet be found to be sound.
        let aside = live
            .quarantined
            .iter()
            .filter_map(|lost| PartName::parse(&lost.part));
        let aside: BTreeSet<u64> = aside.map(|name| name.number).collect();
        let is_aside = |part: u64| aside.contains(&part);
        for entry in host.list_files(PARTS, Medium::Durable)? {
            let Some(name) = StoredName::parse(&entry) else {
                continue;
            };
            let waits_for_quarantine = |lost: &Quarantined| lost.part == entry;
            let is_it = |part: &Arc<Part<H>>| {
                StoredName::Part(part.name()) == name && part.medium() == Medium::Durable
            };
            let is_live = match name {
                StoredName::Part(_) => live.parts.iter().any(is_it),
                StoredName::Dead(name) => dead.contains_key(&name) || is_aside(name.part),
            };
            if name.term() > self.term()
                || is_live
                || self.is_garbage(name)
                || live.quarantined.iter().any(waits_for_quarantine)
            {
                continue;
            }
            // A part that some snapshot named has a number that was given by then. Others never were live.
            let may_be_named = !self.knows_garbage() && name.number() < self.next_part();
            if is_read && may_be_named {
                self.inherit(name, live.epoch);
            } else {
                host.remove_files(&name.path(Medium::Durable), Medium::Durable)?;
            }
        }
        self.know_garbage(true);
        Ok(())
    }
}
