//! What lies among the parts and is none: what a crash left, and what nobody reads any more.

use super::Introducer;
use crate::error::Result;
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::layout::PARTS;
use crate::part::name::StoredName;

impl<H: Host> Introducer<H> {
    /// Removes folders and files of parts that the snapshot does not name: what a crash left of flushes and
    /// merges, and what no reader needs any more. Names that no part can have are not ours and stay, and so
    /// do parts of a later term: who made them has taken over.
    pub(crate) fn remove_unnamed(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        self.remove_obsolete(host, live);
        let readers = host.find_readers()?;
        let is_read = readers.need_before(live.epoch);
        let dead = live.deaths.files();
        for entry in host.list_files(PARTS, Medium::Durable)? {
            let Some(name) = StoredName::parse(&entry) else {
                continue;
            };
            if name.term() > self.term() || live.needs(name, &dead) || self.is_garbage(name) {
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
