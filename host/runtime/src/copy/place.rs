//! Where a copy is made: a place that nobody else has, or that of one which was interrupted.

use std::sync::Arc;

use super::marker::{Marker, Origin, Whole};
use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::{COPY_SOURCE, Name, NewPlace, ROWS, UNFINISHED_COPY, Unnamed};
use crate::open::Settings;
use crate::removal;
use crate::storage::{Lock, Storage, Store};

/// The place of a copy, or of another index that is being made, which has no name yet.
pub(crate) struct Place<'a> {
    store: &'a dyn Store,
    looked: Name<'a>,
    new: NewPlace,
    /// Keeps other copies away, as far as locks of this store do.
    lock: Lock,
    marker: Marker,
    version: String,
    /// Whether an earlier copy was at work here.
    is_taken_up: bool,
}

/// Looks at a name. A copy of `origin` goes on where an earlier one of the same stopped; any other copy that
/// was interrupted is cleared away. None where a whole copy of the same is there. `conflict` with an advice
/// when the name is taken.
pub(super) fn find<'a>(
    target: &'a dyn Store,
    name: &'a str,
    settings: &Settings,
    origin: Option<&Origin>,
    advice: &str,
) -> Result<Option<Place<'a>>> {
    let taken = |what: &str| Error::conflict(format!("there is {what} `{name}` already; {advice}"));
    let mut looked = Name::look(target, name, true)?;
    if let Some(place) = looked.place()? {
        // Who dropped it may not have come as far as to note that.
        if !removal::is_dropped(&place, settings) {
            return match origin.is_some() && source_of(place.as_ref())?.as_ref() == origin {
                true => Ok(None),
                false => Err(taken("an index")),
            };
        }
        looked.bury()?;
        looked = Name::look(target, name, true)?;
    }
    if looked.is_unused() && !holds_nothing(looked.root().as_ref())? {
        return Err(taken("something that is no whole index"));
    }
    let unnamed = looked.unnamed()?;
    if unnamed.iter().any(|(_, is_whole)| *is_whole) {
        return Err(taken(
            "an index that was lost, and that a repair finds again, as",
        ));
    }
    let copies = unnamed.iter().map(|(unnamed, _)| unnamed);
    for unnamed in copies.clone() {
        if let Some(new) = taken_up(&looked, unnamed, origin)? {
            return Place::take_up(target, looked, new, origin).map(Some);
        }
    }
    for unnamed in copies {
        looked.remove_unnamed(unnamed)?;
    }
    if !unnamed.is_empty() {
        looked = Name::look(target, name, true)?;
    }
    Place::begin(target, looked, origin).map(Some)
}

/// Whether neither an index nor anything of one is in a place.
pub(super) fn holds_nothing(place: &dyn Storage) -> Result<bool> {
    let mut is_bare = place.list_objects("")?.is_empty();
    for directory in ROWS {
        is_bare &= place.list(directory)?.is_empty();
    }
    Ok(is_bare)
}

/// Of what an index is a copy.
fn source_of(place: &dyn Storage) -> Result<Option<Origin>> {
    let object = place.get(COPY_SOURCE)?;
    Ok(object.and_then(|(bytes, _)| Origin::read(&bytes)))
}

/// The place of an interrupted copy, if it was one of the same index and can still get the name.
fn taken_up(
    looked: &Name<'_>,
    unnamed: &Unnamed,
    origin: Option<&Origin>,
) -> Result<Option<NewPlace>> {
    let Some((bytes, _)) = unnamed.storage().get(UNFINISHED_COPY)? else {
        return Ok(None);
    };
    let marker = Marker::read(&bytes);
    let is_same = origin.is_some() && marker.is_some_and(|it| it.of.as_ref() == origin);
    match is_same {
        true => looked.take_up(unnamed),
        false => Ok(None),
    }
}

impl<'a> Place<'a> {
    fn begin(store: &'a dyn Store, looked: Name<'a>, origin: Option<&Origin>) -> Result<Self> {
        let new = looked.new_place()?;
        let made = new.storage.lock().and_then(|lock| {
            let marker = Marker::new(origin.cloned(), new.storage.nonce()?);
            let version = new
                .storage
                .put_if_absent(UNFINISHED_COPY, &marker.bytes())?;
            Ok((lock, marker, version))
        });
        match made {
            Ok((lock, marker, version)) => Ok(Self {
                store,
                looked,
                new,
                lock,
                marker,
                version,
                is_taken_up: false,
            }),
            Err(error) => {
                // There is nothing in it.
                let _ = new.remove(store);
                Err(error)
            }
        }
    }

    fn take_up(
        store: &'a dyn Store,
        looked: Name<'a>,
        new: NewPlace,
        origin: Option<&Origin>,
    ) -> Result<Self> {
        let lock = new.storage.lock().map_err(|error| match error.kind() {
            ErrorKind::Conflict => Error::conflict(format!(
                "another copy is being made here, or was until just now ({})",
                error.message()
            )),
            _ => error,
        })?;
        let found = new.storage.get(UNFINISHED_COPY)?;
        let found = found.and_then(|(bytes, version)| Some((Marker::read(&bytes)?, version)));
        let Some((marker, version)) = found.filter(|(marker, _)| marker.of.as_ref() == origin)
        else {
            let text = "another copy has just come to its end here; try again";
            return Err(Error::conflict(text));
        };
        let is_whole = marker.whole.is_some();
        let mut place = Self {
            store,
            looked,
            new,
            lock,
            marker,
            version,
            is_taken_up: true,
        };
        // Of one that is whole its copier may be about to give it the name.
        if !is_whole {
            place.claim()?;
        }
        Ok(place)
    }

    /// Keeps whoever was at work here before from ever giving the place a name.
    pub(super) fn claim(&mut self) -> Result<()> {
        let marker = Marker::new(self.marker.of.clone(), self.new.storage.nonce()?);
        self.mark(marker)
    }

    /// Notes that everything is there, unless another copy was begun here meanwhile.
    pub(super) fn mark_whole(&mut self, whole: Whole) -> Result<()> {
        let mut marker = self.marker.clone();
        marker.whole = Some(whole);
        self.mark(marker)
    }

    fn mark(&mut self, marker: Marker) -> Result<()> {
        let (bytes, version) = (marker.bytes(), &self.version);
        let swapped = self
            .new
            .storage
            .compare_and_swap(UNFINISHED_COPY, version, &bytes);
        self.version = swapped.map_err(|error| match error.kind() {
            // Gone, when the other one has come to its end.
            ErrorKind::Conflict | ErrorKind::NotFound => Error::conflict(format!(
                "another copy is being made here, or was meanwhile ({})",
                error.message()
            )),
            _ => error,
        })?;
        self.marker = marker;
        Ok(())
    }

    /// What the store calls it.
    pub(crate) fn path(&self) -> &str {
        self.new.path()
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.new.storage
    }

    pub(super) fn is_taken_up(&self) -> bool {
        self.is_taken_up
    }

    /// What is there, where that is a whole copy.
    pub(super) fn whole(&self) -> Option<&Whole> {
        self.marker.whole.as_ref()
    }

    /// Makes what is there the index of its name. `conflict` when another one was faster.
    pub(crate) fn publish(&self) -> Result<()> {
        self.looked.publish(&self.new)?;
        if let Err(error) = self.new.storage.remove_object(UNFINISHED_COPY) {
            // It has a name, whatever becomes of the marker.
            let place = self.new.storage.location();
            tracing::warn!(place, %error, "the marker of a finished copy could not be removed");
        }
        Ok(())
    }

    /// Removes it while nothing names it.
    pub(crate) fn remove(self) -> Result<()> {
        drop(self.lock);
        self.new.remove(self.store)
    }

    /// The same where whoever was at work here before may still be about to name it.
    pub(super) fn give_up(self) -> Result<()> {
        drop(self.lock);
        self.looked.give_up(&self.new)
    }
}
