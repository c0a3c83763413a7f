//! Places below that of a name which none of its objects names: what is left of copies, and whole indexes
//! whose object is lost.

use std::sync::Arc;

use sidx_engine::{INDEX_OBJECT, Incarnation};

use super::{Name, NewPlace, UNFINISHED_COPY, read};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The place of a copy that did not come to its end.
pub(crate) struct Unnamed {
    pub(super) place: String,
    path: String,
    pub(super) number: u32,
    storage: Arc<dyn Storage>,
}

impl Unnamed {
    /// Its name below that of the index.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl Name<'_> {
    /// The places of copies that did not come to their end, with whether everything of an index is there.
    pub(crate) fn unnamed(&self) -> Result<Vec<(Unnamed, bool)>> {
        let mut unnamed = Vec::new();
        for place in self.store.places_below(self.name)? {
            let Some(number) = Incarnation::number_of_place(&place) else {
                continue;
            };
            if !self.may_be_named(&place, number)? {
                let path = self.path(&place);
                let storage = match self.store.open_index(&path, false) {
                    // Somebody has cleared it away since.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    opened => opened?,
                };
                let is_whole =
                    storage.get(INDEX_OBJECT)?.is_some() && storage.get(UNFINISHED_COPY)?.is_none();
                unnamed.push((
                    Unnamed {
                        place,
                        path,
                        number,
                        storage,
                    },
                    is_whole,
                ));
            }
        }
        Ok(unnamed)
    }

    /// Whether the object with the number of a place names it, or cannot be read any more.
    fn may_be_named(&self, place: &str, number: u32) -> Result<bool> {
        if number > self.number {
            return Ok(false);
        }
        match read(self.root.as_ref(), number) {
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
        Err(Error::conflict(text))
    }

    /// The place of a copy that did not come to its end, for who goes on with it. None where that can't be:
    /// its number is not the next.
    pub(crate) fn take_up(&self, unnamed: &Unnamed) -> Result<Option<NewPlace>> {
        if unnamed.number != self.next_number()? {
            return Ok(None);
        }
        Ok(Some(NewPlace {
            storage: self.store.open_index(&unnamed.path, true)?,
            place: unnamed.place.clone(),
            path: unnamed.path.clone(),
            number: unnamed.number,
        }))
    }

    /// Removes a place that nothing names, and that nothing will name from now on. `conflict` when it was
    /// named just now, or something else was.
    pub(crate) fn give_up(&self, new: &NewPlace) -> Result<()> {
        self.check_first(self.put_next(&Incarnation::Dropped)?)?;
        new.remove(self.store)
    }

    /// Removes the place of a copy that did not come to its end. If it goes on after all, it is too late: its
    /// number is taken. `conflict` while it is at work.
    pub(crate) fn remove_unnamed(&self, unnamed: &Unnamed) -> Result<u64> {
        drop(unnamed.storage.lock()?);
        if unnamed.number > self.number {
            // Or it was published just now.
            self.check_first(self.put_next(&Incarnation::Dropped)?)?;
        }
        let bytes = unnamed.storage.size_bytes()?;
        self.store.remove_index(&unnamed.path)?;
        Ok(bytes)
    }
}
