//! The log of any place, entry by entry as it lies there: for copies of an index.

use std::cell::RefCell;
use std::rc::Rc;

use sidx_engine::Result;
use sidx_log::{Access, Durability, Entry, Log, Term};

use crate::place::Place;
use crate::segments::{Files, told};
use crate::storage::Storage;

/// A log that is open.
pub struct RawLog<S: Storage> {
    log: RefCell<Log<Files<S>>>,
}

impl<S: Storage> RawLog<S> {
    /// Opens the log of a place from a position on, to write where there is a term; with it comes whether a
    /// writer before may still be at work.
    ///
    /// # Errors
    /// `not-found` where the log begins later, `corrupt`, `conflict` when somebody with a higher term has it,
    /// and those of the store.
    pub fn open(
        storage: &Rc<S>,
        place: &str,
        position: u64,
        owner: Option<(Term, bool)>,
    ) -> Result<Self> {
        let access = match owner {
            Some((term, seal)) => Access::Write { term, seal },
            None => Access::Read,
        };
        let files = Files::new(Place::new(storage, place));
        let log = Log::open_from(files, access, position).map_err(told)?;
        Ok(Self {
            log: RefCell::new(log),
        })
    }

    /// The position after the last entry.
    pub fn end(&self) -> u64 {
        self.log.borrow().end()
    }

    /// The highest term of anything in it.
    pub fn head_term(&self) -> Option<Term> {
        self.log.borrow().head_term()
    }

    /// Entries from a position on, about `most_bytes` in all and one at least; none at the end.
    ///
    /// # Errors
    /// `corrupt`, `not-found` where they were given up, and those of the store.
    pub fn read(&self, position: u64, most_bytes: u32) -> Result<Vec<Entry>> {
        let mut log = self.log.borrow_mut();
        let (mut entries, mut bytes, mut position) = (Vec::new(), 0usize, position);
        while bytes < most_bytes.max(1) as usize {
            let Some(entry) = log.read(position).map_err(told)? else {
                break;
            };
            position = entry.next_position;
            bytes += entry.header.len() + entry.body.len();
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Appends entries, each a header and a body, and returns the position after the last; with `sync`
    /// everything in the log is durable then.
    ///
    /// # Errors
    /// As of `log.append`.
    pub fn append(&self, entries: &[(&[u8], &[u8])], sync: bool) -> Result<u64> {
        let durability = match sync {
            true => Durability::Sync,
            false => Durability::Os,
        };
        self.log
            .borrow_mut()
            .append(entries, durability)
            .map_err(told)
    }
}
