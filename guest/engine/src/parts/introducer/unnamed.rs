//! What lies among the parts and is none: what a crash left, and what nobody reads any more.

use super::Introducer;
use crate::error::Result;
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::layout::PARTS;
use crate::part::name::StoredName;
use crate::parts::takeover::is_newest;

impl<H: Host> Introducer<H> {
    /// Removes what those before it left: with an opening, or, where each name costs a request, with the next
    /// removal of anything, as nobody should have to wait for it.
    pub(crate) fn tidy(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        self.is_untidy = self.asks_by_request();
        if self.is_untidy {
            return Ok(());
        }
        self.clean_parts(host, live);
        self.remove_unnamed(host, live)
    }

    /// What an opening has put off, later; whether it may remove anything: who was overtaken meanwhile may
    /// not. What cannot be removed now is tried again the next time.
    pub(super) fn tidy_up(&mut self, host: &H, live: &PartList<H>) -> bool {
        if !self.is_untidy {
            return true;
        }
        match is_newest(host, live.epoch) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => return true,
        }
        self.is_untidy = false;
        self.clean_parts(host, live);
        self.is_untidy = self.remove_unnamed(host, live).is_err();
        true
    }

    /// Removes folders and files of parts that the snapshot does not name: what a crash left of flushes and
    /// merges, and what no reader needs any more. Names that no part can have are not ours and stay, and so
    /// do parts of a later term: who made them has taken over. Those of its own term are about to be named.
    pub(crate) fn remove_unnamed(&mut self, host: &H, live: &PartList<H>) -> Result<()> {
        self.remove_obsolete(host, live);
        let readers = host.find_readers()?;
        let is_read = readers.need_before(live.epoch);
        let dead = live.deaths.files();
        for entry in host.list_files(PARTS, Medium::Durable)? {
            let Some(name) = StoredName::parse(&entry) else {
                continue;
            };
            if name.term() >= self.term() || live.needs(name, &dead) || self.is_garbage(name) {
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
