//! Going through an object or an array, value by value, without building it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::problem::{Problem, Result};

/// Calls `each` for every field of an object, in order.
pub(in super::super) fn each_field<'a>(
    text: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a RawValue) -> Result<()>,
) -> Result<()> {
    let mut walk = Walk {
        each,
        problem: None,
    };
    let mut input = serde_json::Deserializer::from_str(text);
    let end = input
        .deserialize_map(Fields(&mut walk))
        .and_then(|()| input.end());
    walk.problem
        .map_or_else(|| end.map_err(|error| syntax(&error)), Err)
}

/// Calls `each` for every element of an array, in order.
pub(super) fn each_element<'a>(
    text: &'a str,
    each: impl FnMut(&'a RawValue) -> Result<()>,
) -> Result<()> {
    let mut walk = Walk {
        each,
        problem: None,
    };
    let mut input = serde_json::Deserializer::from_str(text);
    let end = input
        .deserialize_seq(Elements(&mut walk))
        .and_then(|()| input.end());
    walk.problem
        .map_or_else(|| end.map_err(|error| syntax(&error)), Err)
}

/// What the parser says, without its line number: every text here is one line.
pub(super) fn syntax(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let what = format!("not valid JSON at column {}: {what}", error.column());
    Problem::new(what, "write one JSON object per line")
}

/// A callback, and the problem it met: the parser's own error can't carry one.
struct Walk<F> {
    each: F,
    problem: Option<Problem>,
}

struct Fields<'w, F>(&'w mut Walk<F>);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue) -> Result<()>> Visitor<'de> for Fields<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if let Err(problem) = (self.0.each)(name, raw) {
                self.0.problem = Some(problem);
                return Err(A::Error::custom(""));
            }
        }
        Ok(())
    }
}

struct Elements<'w, F>(&'w mut Walk<F>);

impl<'de, F: FnMut(&'de RawValue) -> Result<()>> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if let Err(problem) = (self.0.each)(raw) {
                self.0.problem = Some(problem);
                return Err(A::Error::custom(""));
            }
        }
        Ok(())
    }
}

/// A field name, borrowed from the input unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        input.deserialize_str(NameVisitor(PhantomData)).map(Name)
    }
}

struct NameVisitor<'a>(PhantomData<&'a ()>);

impl<'de> Visitor<'de> for NameVisitor<'de> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> std::result::Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
