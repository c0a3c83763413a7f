//! Which place of the store an index is in; see [`Incarnation`] for the objects that say so.

mod mend;
mod unnamed;

use std::rc::Rc;

use sidx_command::database::{Error, Result};
use sidx_engine::{ErrorKind, INDEX_OBJECT, Incarnation};

use crate::error::{at, conflict, corrupt, not_found};
use crate::place::{Place, nonce};

/// How often a name is looked at again because others make and drop an index under it.
const ATTEMPTS: usize = 16;
/// Object in the place of a copy until that has a name.
pub(crate) const UNFINISHED_COPY: &str = "copy.unfinished";
/// Directories of an index that has rows.
const ROWS: [&str; 2] = ["parts", "log"];

/// A name of a store, and what is known of it.
pub(crate) struct Name {
    store: Rc<str>,
    name: String,
    /// The place of the name itself.
    root: Place,
    /// The number of the last object; 0 without any.
    number: u32,
    /// What that says; none where nothing is there, and nothing was.
    last: Option<Incarnation>,
}

impl Name {
    /// Looks at a name. `not-found` when it has no place in the store, unless `create`, which makes one.
    pub(crate) fn look(store: &Rc<str>, name: &str, create: bool) -> Result<Self> {
        let root = Place::new(store, name);
        match create {
            true => root.make()?,
            false => root.check()?,
        }
        let number = last_number(&root)?;
        let last = match number {
            0 => root.get(INDEX_OBJECT)?.map(|_| Incarnation::Here),
            _ => Some(read(&root, number)?),
        };
        Ok(Self {
            store: Rc::clone(store),
            name: name.to_owned(),
            root,
            number,
            last,
        })
    }

    /// The place of the name itself.
    pub(crate) fn root(&self) -> &Place {
        &self.root
    }

    /// Whether the name was never used, but for copies that did not come to their end.
    pub(crate) fn is_unused(&self) -> bool {
        self.last.is_none()
    }

    /// The place of the index, if there is one or it is being made. `corrupt` when that is gone.
    pub(crate) fn place(&self) -> Result<Option<Place>> {
        match &self.last {
            None | Some(Incarnation::Dropped) => Ok(None),
            Some(Incarnation::Here) => Ok(Some(self.root.clone())),
            Some(Incarnation::Below(place)) => self.below(place).map(Some),
        }
    }

    /// The same for who is about to write there: what says so is durable, whoever put it.
    pub(crate) fn place_to_write(&self) -> Result<Option<Place>> {
        let place = self.place()?;
        if let Some(place) = &place {
            place.make()?;
        }
        Ok(place)
    }

    fn below(&self, place: &str) -> Result<Place> {
        let below = self.place_of(place);
        below.check().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let object = Incarnation::object(self.number);
                let text = format!(
                    "{}: {object} says that the index is in {place}, which is gone: drop it, and restore it from \
                     a backup",
                    self.root.location()
                );
                corrupt(text)
            }
            _ => error,
        })?;
        Ok(below)
    }

    fn place_of(&self, below: &str) -> Place {
        Place::new(&self.store, format!("{}/{below}", self.name))
    }

    /// The next object, unless another one was faster.
    fn put_next(&self, incarnation: &Incarnation) -> Result<bool> {
        put(&self.root, self.next_number()?, incarnation)
    }

    fn next_number(&self) -> Result<u32> {
        let next = self.number.checked_add(1);
        next.ok_or_else(|| corrupt("the last of all numbers of incarnations was used"))
    }

    /// A place that nobody has, for what is to come next under this name, and what that is called below it.
    pub(crate) fn new_place(&self) -> Result<(String, Place)> {
        let below = Incarnation::place(self.next_number()?, nonce());
        let place = self.place_of(&below);
        Ok((below, place))
    }

    /// Makes what is in a new place the index of this name; `conflict` when another one was faster.
    pub(crate) fn publish(&self, below: &str) -> Result<()> {
        self.check_first(self.put_next(&Incarnation::Below(below.to_owned()))?)
    }

    fn check_first(&self, is_first: bool) -> Result<()> {
        match is_first {
            true => Ok(()),
            false => Err(conflict(format!(
                "somebody else has made or dropped an index `{}`",
                self.name
            ))),
        }
    }

    /// Notes that the index of this name was dropped. It was before, if another one was faster.
    pub(crate) fn bury(&self) -> Result<()> {
        self.put_next(&Incarnation::Dropped).map(drop)
    }

    /// The places of indexes that were dropped, and of which something is left to be removed.
    pub(crate) fn dropped_places(&self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        if !matches!(&self.last, None | Some(Incarnation::Here)) {
            places.push(self.root.clone());
        }
        for place in self.root.below()? {
            let number = Incarnation::number_of_place(&place);
            let named = Incarnation::Below(place.clone());
            let is_earlier = number.is_some_and(|number| number <= self.number)
                && self.last.as_ref() != Some(&named);
            if is_earlier {
                places.push(self.place_of(&place));
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

/// Whether a name is that of an index. One that cannot be told counts as one: who opens it is told why.
pub(crate) fn has_index(store: &Rc<str>, name: &str) -> bool {
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
pub(crate) fn was_dropped(store: &Rc<str>, name: &str) -> bool {
    let looked = Name::look(store, name, false);
    looked.is_ok_and(|looked| looked.last == Some(Incarnation::Dropped))
}

/// The place of an index that is there, to write there or only to read.
pub(crate) fn existing(store: &Rc<str>, name: &str, to_write: bool) -> Result<Place> {
    let looked = Name::look(store, name, false)?;
    let place = match to_write {
        true => looked.place_to_write()?,
        false => looked.place()?,
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
    Err(not_found(text))
}

/// Notes that the index in a place was dropped, unless another place came after it.
pub(crate) fn bury(store: &Rc<str>, name: &str, place: &Place) -> Result<()> {
    let looked = Name::look(store, name, false)?;
    match looked.place()? {
        Some(last) if last == *place => looked.bury(),
        _ => Ok(()),
    }
}

/// The place of an index that neither an object nor an `index.json` shows.
pub(crate) fn unmarked(store: &Rc<str>, name: &str) -> Result<Place> {
    let looked = Name::look(store, name, false)?;
    match looked.is_unused() {
        true => Ok(looked.root),
        false => existing(store, name, true),
    }
}

/// The place of an index that is there, or is to be made.
pub(crate) fn to_create(store: &Rc<str>, name: &str) -> Result<Place> {
    for _ in 0..ATTEMPTS {
        let looked = Name::look(store, name, true)?;
        if let Some(place) = looked.place_to_write()? {
            match check_whole(&place) {
                // Maybe because it is being dropped.
                Err(_) if last_number(&looked.root)? != looked.number => continue,
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
        let (below, place) = looked.new_place()?;
        place.make()?;
        if looked.put_next(&Incarnation::Below(below))? {
            return Ok(place);
        }
        place.remove_all()?;
    }
    let text = format!("others make and drop index `{name}` again and again; try again");
    Err(conflict(text))
}

/// Refuses to make an index anew where one is that has lost its `index.json`.
fn check_whole(place: &Place) -> Result<()> {
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
            return Err(conflict(text));
        }
    }
    Ok(())
}

/// Whether neither an index nor anything of one is in a place.
pub(crate) fn holds_nothing(place: &Place) -> Result<bool> {
    let mut is_bare = place.objects()?.is_empty();
    for directory in ROWS {
        is_bare &= place.list(directory)?.is_empty();
    }
    Ok(is_bare)
}

/// Whether a name was made, and nothing else.
pub(crate) fn is_bare(root: &Place) -> Result<bool> {
    Ok(holds_nothing(root)? && root.below()?.is_empty())
}

fn last_number(root: &Place) -> Result<u32> {
    let objects = root.objects()?;
    let numbers = { objects.iter() }.filter_map(|object| Incarnation::number(object));
    Ok(numbers.max().unwrap_or(0))
}

fn read(root: &Place, number: u32) -> Result<Incarnation> {
    let object = Incarnation::object(number);
    let Some((bytes, _)) = root.get(&object)? else {
        let text = format!("{}: {object} is gone; repair the index", root.location());
        return Err(corrupt(text));
    };
    Incarnation::read(number, &bytes).map_err(|error| at(&error.into(), root.location()))
}

/// Puts an object; whether it is there now, whoever put it: a repair may name the same, and two may drop one
/// index. After an error but `resource-exhausted` nobody knows.
fn put(root: &Place, number: u32, incarnation: &Incarnation) -> Result<bool> {
    let (object, bytes) = (Incarnation::object(number), incarnation.document(number)?);
    let error = match root.put_if_absent(&object, &bytes) {
        Ok(()) => return Ok(true),
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
        Some((found, version)) if found == bytes => match root.swap(&object, &version, &bytes) {
            // Somebody else has done the same.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
            // It is there: that there is no room must not say that it is not.
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                let text = format!("{object} is there, and maybe not to stay ({error})");
                Err(Error::new(ErrorKind::Io, text))
            }
            swapped => swapped.map(|()| true),
        },
        Some(_) => Ok(false),
        None => Err(error),
    }
}
