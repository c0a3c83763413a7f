//! Which place of a store an index is in; see [`Incarnation`] for the objects that say so.

use std::sync::Arc;

use sidx_engine::{INDEX_OBJECT, Incarnation};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Storage, Store};

mod mend;
mod unnamed;

pub(crate) use unnamed::Unnamed;

/// How often a name is looked at again because others make and drop an index under it.
const ATTEMPTS: usize = 16;
/// Object in the place of a copy until that has a name.
pub(crate) const UNFINISHED_COPY: &str = "copy.unfinished";
/// Object in a copy that says of what it is one.
pub(crate) const COPY_SOURCE: &str = "copy.source";
/// Directories of an index that has rows.
pub(crate) const ROWS: [&str; 2] = ["parts", "log"];

/// A name of a store, and what is known of it.
pub(crate) struct Name<'a> {
    store: &'a dyn Store,
    name: &'a str,
    /// The place of the name itself.
    root: Arc<dyn Storage>,
    /// The number of the last object; 0 without any.
    number: u32,
    /// What that says; none where nothing is there, and nothing was.
    last: Option<Incarnation>,
}

impl<'a> Name<'a> {
    /// Looks at a name. `not-found` when it has no place in the store, unless `create`, which makes one.
    pub(crate) fn look(store: &'a dyn Store, name: &'a str, create: bool) -> Result<Self> {
        Self::of(store, name, store.open_index(name, create)?)
    }

    /// The same for who is about to open the index for writing.
    fn look_to_write(store: &'a dyn Store, name: &'a str, create: bool) -> Result<Self> {
        Self::of(store, name, store.open_index_to_write(name, create)?)
    }

    fn of(store: &'a dyn Store, name: &'a str, root: Arc<dyn Storage>) -> Result<Self> {
        let number = last_number(root.as_ref())?;
        let last = match number {
            0 => root.get(INDEX_OBJECT)?.map(|_| Incarnation::Here),
            _ => Some(read(root.as_ref(), number)?),
        };
        Ok(Self {
            store,
            name,
            root,
            number,
            last,
        })
    }

    /// The place of the name itself.
    pub(crate) fn root(&self) -> &Arc<dyn Storage> {
        &self.root
    }

    /// Whether the name was never used, but for copies that did not come to their end.
    pub(crate) fn is_unused(&self) -> bool {
        self.last.is_none()
    }

    /// The place of the index, if there is one or it is being made. `corrupt` when that is gone.
    pub(crate) fn place(&self) -> Result<Option<Arc<dyn Storage>>> {
        match &self.last {
            None | Some(Incarnation::Dropped) => Ok(None),
            Some(Incarnation::Here) => Ok(Some(Arc::clone(&self.root))),
            Some(Incarnation::Below(place)) => self.below(place).map(Some),
        }
    }

    /// The same for who is about to write there: what says so is durable, whoever put it.
    pub(crate) fn place_to_write(&self) -> Result<Option<Arc<dyn Storage>>> {
        let place = self.place()?;
        if let (Some(Incarnation::Below(below)), Some(_)) = (&self.last, &place)
            && self.root.below(below).is_none()
        {
            return self.store.open_index(&self.path(below), true).map(Some);
        }
        Ok(place)
    }

    /// What the store calls that place.
    pub(crate) fn place_path(&self) -> Option<String> {
        match &self.last {
            None | Some(Incarnation::Dropped) => None,
            Some(Incarnation::Here) => Some(self.name.to_owned()),
            Some(Incarnation::Below(place)) => Some(self.path(place)),
        }
    }

    fn below(&self, place: &str) -> Result<Arc<dyn Storage>> {
        if let Some(below) = self.root.below(place) {
            return Ok(below);
        }
        let opened = self.store.open_index(&self.path(place), false);
        opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let object = Incarnation::object(self.number);
                let text = format!(
                    "{object} says that the index is in {place}, which is gone: drop it, and restore it from a backup"
                );
                Error::new(ErrorKind::Corrupt, text).at(self.root.location())
            }
            _ => error,
        })
    }

    fn path(&self, place: &str) -> String {
        format!("{}/{place}", self.name)
    }

    /// The next object, unless another one was faster.
    fn put_next(&self, incarnation: &Incarnation) -> Result<bool> {
        put(self.root.as_ref(), self.next_number()?, incarnation)
    }

    fn next_number(&self) -> Result<u32> {
        let next = self.number.checked_add(1);
        next.ok_or_else(|| Error::corrupt("the last of all numbers of incarnations was used"))
    }

    /// A place that nobody has, for what is to come next under this name.
    pub(crate) fn new_place(&self) -> Result<NewPlace> {
        let place = Incarnation::place(self.next_number()?, self.root.nonce()?);
        let path = self.path(&place);
        Ok(NewPlace {
            storage: self.store.open_index(&path, true)?,
            number: self.next_number()?,
            place,
            path,
        })
    }

    /// Makes what is in a new place the index of this name; `conflict` when another one was faster.
    pub(crate) fn publish(&self, new: &NewPlace) -> Result<()> {
        let incarnation = Incarnation::Below(new.place.clone());
        self.check_first(put(self.root.as_ref(), new.number, &incarnation)?)
    }

    fn check_first(&self, is_first: bool) -> Result<()> {
        match is_first {
            true => Ok(()),
            false => {
                let text = format!("somebody else has made or dropped an index `{}`", self.name);
                Err(Error::conflict(text))
            }
        }
    }

    /// Notes that the index of this name was dropped. It was before, if another one was faster.
    pub(crate) fn bury(&self) -> Result<()> {
        self.put_next(&Incarnation::Dropped).map(drop)
    }

    /// The places of indexes that were dropped, and of which something is left to be removed.
    pub(crate) fn dropped_places(&self) -> Result<Vec<Arc<dyn Storage>>> {
        let mut places = Vec::new();
        if !matches!(&self.last, None | Some(Incarnation::Here)) {
            places.push(Arc::clone(&self.root));
        }
        for place in self.store.places_below(self.name)? {
            let number = Incarnation::number_of_place(&place);
            let named = Incarnation::Below(place.clone());
            let is_earlier = number.is_some_and(|number| number <= self.number)
                && self.last.as_ref() != Some(&named);
            if is_earlier {
                places.push(self.store.open_index(&self.path(&place), false)?);
            }
        }
        let mut left = Vec::new();
        for place in places {
            // It goes last.
            if place.get(INDEX_OBJECT)?.is_some() {
                left.push(place);
            }
        }
        Ok(left)
    }
}

/// A place that nothing names yet.
pub(crate) struct NewPlace {
    pub(crate) storage: Arc<dyn Storage>,
    place: String,
    path: String,
    number: u32,
}

impl NewPlace {
    /// What the store calls it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Removes it.
    pub(crate) fn remove(&self, store: &dyn Store) -> Result<()> {
        match store.remove_index(&self.path) {
            // Somebody who took it for what a copy left was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Whether a name is that of an index. One that cannot be told counts as one: who opens it is told why.
pub(crate) fn has_index(store: &dyn Store, name: &str) -> bool {
    let looked = Name::look(store, name, false).and_then(|looked| looked.place());
    match looked {
        // One that cannot be read either.
        Ok(place) => {
            place.is_some_and(|place| place.get(INDEX_OBJECT).map_or(true, |it| it.is_some()))
        }
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether the last index of a name was dropped.
pub(crate) fn was_dropped(store: &dyn Store, name: &str) -> Result<bool> {
    match Name::look(store, name, false) {
        Ok(looked) => Ok(looked.last == Some(Incarnation::Dropped)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The place of an index that is there, to write there or only to read.
pub(crate) fn existing(store: &dyn Store, name: &str, to_write: bool) -> Result<Arc<dyn Storage>> {
    let (looked, place) = match to_write {
        true => {
            let looked = Name::look_to_write(store, name, false)?;
            let place = looked.place_to_write()?;
            (looked, place)
        }
        false => {
            let looked = Name::look(store, name, false)?;
            let place = looked.place()?;
            (looked, place)
        }
    };
    if let Some(place) = place {
        return Ok(place);
    }
    let mut text = format!("index `{name}` does not exist; create it by writing to it");
    if looked.unnamed()?.iter().any(|(_, is_whole)| *is_whole) {
        text.push_str(
            ", or repair it if there was one: a whole index lies there that nothing names",
        );
    }
    Err(Error::not_found(text))
}

/// Notes that the index in a place was dropped, unless another place came after it.
pub(crate) fn bury(store: &dyn Store, name: &str, place: &Arc<dyn Storage>) -> Result<()> {
    let looked = Name::look(store, name, false)?;
    match looked.place()? {
        Some(last) if last.location() == place.location() => looked.bury(),
        _ => Ok(()),
    }
}

/// The place of an index that neither an object nor an `index.json` shows.
pub(crate) fn unmarked(store: &dyn Store, name: &str) -> Result<Arc<dyn Storage>> {
    let looked = Name::look(store, name, false)?;
    match looked.is_unused() {
        true => Ok(looked.root),
        false => existing(store, name, true),
    }
}

/// The place of an index that is there, or is to be made.
pub(crate) fn to_create(store: &dyn Store, name: &str) -> Result<Arc<dyn Storage>> {
    for _ in 0..ATTEMPTS {
        let looked = Name::look_to_write(store, name, true)?;
        if let Some(place) = looked.place_to_write()? {
            match check_whole(place.as_ref()) {
                // Maybe because it is being dropped.
                Err(_) if last_number(looked.root.as_ref())? != looked.number => continue,
                checked => checked?,
            }
            return Ok(place);
        }
        looked.check_nothing_lost()?;
        if looked.is_unused() {
            if looked.put_next(&Incarnation::Here)? {
                return Ok(looked.root);
            }
            continue;
        }
        let new = looked.new_place()?;
        if looked.put_next(&Incarnation::Below(new.place.clone()))? {
            return Ok(new.storage);
        }
        new.remove(store)?;
    }
    let text = format!("others make and drop index `{name}` again and again; try again");
    Err(Error::conflict(text))
}

/// Refuses to make an index anew where one is that has lost its `index.json`.
fn check_whole(place: &dyn Storage) -> Result<()> {
    if place.get(INDEX_OBJECT)?.is_some() {
        return Ok(());
    }
    for directory in ROWS {
        // Looked at again: whoever is making it may have come to its end.
        if !place.list(directory)?.is_empty() && place.get(INDEX_OBJECT)?.is_none() {
            let text = format!(
                "{} has {directory}/ of an index, but no {INDEX_OBJECT}; a repair of the index brings that back; \
                 or choose another name",
                place.location()
            );
            return Err(Error::conflict(text));
        }
    }
    Ok(())
}

fn last_number(root: &dyn Storage) -> Result<u32> {
    let objects = root.list_objects("")?;
    let numbers = objects
        .iter()
        .filter_map(|object| Incarnation::number(object));
    Ok(numbers.max().unwrap_or(0))
}

fn read(root: &dyn Storage, number: u32) -> Result<Incarnation> {
    let object = Incarnation::object(number);
    let Some((bytes, _)) = root.get(&object)? else {
        let text = format!("{object} is gone; repair the index");
        return Err(Error::corrupt(text).at(root.location()));
    };
    Incarnation::read(number, &bytes).map_err(|error| Error::from(error).at(root.location()))
}

/// Puts an object; whether it is there now, whoever put it: a repair may name the same, and two may drop one
/// index. After an error but `resource-exhausted` nobody knows.
fn put(root: &dyn Storage, number: u32, incarnation: &Incarnation) -> Result<bool> {
    let (object, bytes) = (Incarnation::object(number), incarnation.document(number)?);
    let error = match root.put_if_absent(&object, &bytes) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::ResourceExhausted => return Err(error),
        // Maybe it was put, and only the answer is lost: the same once more tells.
        Err(error) if error.kind() != ErrorKind::Conflict => {
            if root.put_if_absent(&object, &bytes).is_ok() {
                return Ok(true);
            }
            error
        }
        Err(error) => error,
    };
    match root.get(&object)? {
        // What was put need not be durable; this is, once it succeeds.
        Some((found, version)) if found == bytes => {
            match root.compare_and_swap(&object, &version, &bytes) {
                // Somebody else has done the same.
                Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
                // It is there: that there is no room must not say that it is not.
                Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                    let text = format!("{object} is there, and maybe not to stay ({error})");
                    Err(Error::new(ErrorKind::Io, text))
                }
                swapped => swapped.map(|_| true),
            }
        }
        Some(_) => Ok(false),
        None => Err(error),
    }
}
