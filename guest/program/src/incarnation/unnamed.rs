//! Places below that of a name which none of its objects names: what is left of copies, and whole indexes
//! whose object is lost.

use sidx_command::database::Result;
use sidx_engine::{ErrorKind, INDEX_OBJECT, Incarnation};

use super::{Name, UNFINISHED_COPY, read};
use crate::error::conflict;
use crate::place::Place;

/// The place of a copy that did not come to its end.
pub(crate) struct Unnamed {
    /// Its name below that of the index.
    pub(crate) below: String,
    pub(super) number: u32,
    place: Place,
}

impl Name {
    /// The places of copies that did not come to their end, with whether everything of an index is there.
    pub(crate) fn unnamed(&self) -> Result<Vec<(Unnamed, bool)>> {
        let mut unnamed = Vec::new();
        for below in self.root.below()? {
            let Some(number) = Incarnation::number_of_place(&below) else {
                continue;
            };
            if self.may_be_named(&below, number)? {
                continue;
            }
            let place = self.place_of(&below);
            let is_whole =
                place.get(INDEX_OBJECT)?.is_some() && place.get(UNFINISHED_COPY)?.is_none();
            let found = Unnamed {
                below,
                number,
                place,
            };
            unnamed.push((found, is_whole));
        }
        Ok(unnamed)
    }

    /// Whether the object with the number of a place names it, or cannot be read any more.
    fn may_be_named(&self, place: &str, number: u32) -> Result<bool> {
        if number > self.number {
            return Ok(false);
        }
        match read(&self.root, number) {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            said => Ok(said? == Incarnation::Below(place.to_owned())),
        }
    }

    /// Refuses to use the number of a whole index whose object is lost: a repair would not find it any more.
    pub(super) fn check_nothing_lost(&self) -> Result<()> {
        let next = self.next_number()?;
        let is_lost = |(unnamed, is_whole): &(Unnamed, bool)| *is_whole && unnamed.number == next;
        if !self.unnamed()?.iter().any(is_lost) {
            return Ok(());
        }
        let text = format!(
            "a whole index lies in {} that nothing names, as {} is gone: repair the index to have it back, or \
             drop it",
            self.root.location(),
            Incarnation::object(next)
        );
        Err(conflict(text))
    }

    /// Removes the place of a copy that did not come to its end. If it goes on after all, it is too late: its
    /// number is taken. `conflict` while it is at work, where the store can tell.
    pub(crate) fn remove_unnamed(&self, unnamed: &Unnamed) -> Result<u64> {
        unnamed.place.check_idle()?;
        if unnamed.number > self.number {
            // Or it was published just now.
            self.check_first(self.put_next(&Incarnation::Dropped)?)?;
        }
        let bytes = unnamed.place.size_bytes()?;
        unnamed.place.remove_all()?;
        Ok(bytes)
    }
}
