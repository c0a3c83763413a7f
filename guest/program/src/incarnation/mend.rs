//! Finding out what a lost or damaged last object of a name said.

use std::rc::Rc;

use serde_json::{Value, json};
use sidx_command::database::{Error, Result};
use sidx_engine::{ErrorKind, Incarnation};

use super::{Name, last_number, put, read};
use crate::error::corrupt;
use crate::place::Place;

/// Where what is damaged goes.
const QUARANTINE: &str = "quarantine";

impl Name {
    /// Finds out what a lost or damaged last object said, and puts it in its place. None where nothing is
    /// missing; else what was wrong, as a finding of a repair.
    pub(crate) fn mend(store: &Rc<str>, name: &str) -> Result<Option<Value>> {
        let root = Place::new(store, name);
        root.check()?;
        let number = last_number(&root)?;
        let damaged = match number {
            0 => None,
            _ => match read(&root, number) {
                Err(error) if error.kind() == ErrorKind::Corrupt => Some(error),
                read => {
                    read?;
                    None
                }
            },
        };
        let known = Self {
            store: Rc::clone(store),
            name: name.to_owned(),
            number: number.saturating_sub(u32::from(damaged.is_some())),
            last: None,
            root,
        };
        known.mend_last(damaged)
    }

    /// The places that the object with a number may have named: whole indexes, or where there is none and
    /// there was such an object, an index that was being made, or has lost its `index.json`.
    fn candidates(&self, number: u32, was_there: bool) -> Result<Vec<String>> {
        let unnamed = self.unnamed()?.into_iter();
        let ours = unnamed.filter(|(unnamed, _)| unnamed.number == number);
        let (whole, others): (Vec<_>, Vec<_>) = ours.partition(|(_, is_whole)| *is_whole);
        // What is made first is in the place of the name.
        let places = match whole.is_empty() && was_there && number > 1 {
            true => others,
            false => whole,
        };
        Ok(places
            .into_iter()
            .map(|(unnamed, _)| unnamed.below)
            .collect())
    }

    fn mend_last(&self, damaged: Option<Error>) -> Result<Option<Value>> {
        let number = self.next_number()?;
        let object = Incarnation::object(number);
        let mut places = self.candidates(number, damaged.is_some())?.into_iter();
        let found = self.root.get(&object)?;
        if damaged.is_none() && found.is_some() {
            // Somebody was just making that index, and has named it since.
            return Ok(None);
        }
        let (said, problem) = match (places.next(), places.next(), damaged) {
            (None, _, None) => return Ok(None),
            // Should that have been dropped, its last snapshot says so.
            (None, _, Some(error)) if number == 1 => {
                (Incarnation::Here, error.message().to_owned())
            }
            (None, _, Some(error)) => (Incarnation::Dropped, error.message().to_owned()),
            (Some(place), None, damaged) => {
                let gone = || format!("it is gone; {place} is a whole index that nothing names");
                let problem = damaged.map_or_else(gone, |error| error.message().to_owned());
                (Incarnation::Below(place), problem)
            }
            (Some(one), Some(other), _) => {
                let text = format!(
                    "{}: {object} is gone or damaged, and both {one} and {other} may be what it named: move one \
                     of them elsewhere, then repair again",
                    self.root.location()
                );
                return Err(corrupt(text));
            }
        };
        match found {
            None => drop(put(&self.root, number, &said)?),
            Some((bytes, version)) => {
                self.root.remove(&format!("{QUARANTINE}/{object}"))?;
                self.root.create(QUARANTINE, &object, &bytes)?;
                self.root.swap(&object, &version, &said.document(number)?)?;
            }
        }
        Ok(Some(
            json!({"what": object, "problem": problem, "action": "written anew"}),
        ))
    }
}
