//! Which incarnation of an index is there: its life from when it was made to when it was dropped.
//!
//! A name may be used again as soon as its index was dropped, while somebody who sleeps may still write
//! where that was. So each incarnation has a place of its own that no other ever gets, and objects in the
//! place of the name say which is the one: `00000001.incarnation`, `00000002.incarnation` and so on, each
//! put if absent after those before it, none ever removed, or changed but by a repair of the last. The last
//! of them counts. What is made first is in the place of the name itself; a copy, and what is made after a
//! drop, in one below it.
//!
//! Indexes of before there were such objects are in the place of their name, which has their `index.json`.

use crate::error::{Error, Result};
use crate::seal::{seal, unseal};
use serde::{Deserialize, Serialize};

const EXTENSION: &str = ".incarnation";
/// Most bytes of such an object.
const BYTES_MAX: usize = 4096;

/// The content of one of the objects.
#[derive(Serialize, Deserialize)]
struct Document {
    number: u32,
    index: Incarnation,
}

/// What the last of the objects says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incarnation {
    /// The index is in the place of its name.
    Here,
    /// The index is in this place below.
    Below(String),
    /// There is none any more.
    Dropped,
}

impl Incarnation {
    /// The name of the object with a number, from 1 on.
    pub fn object(number: u32) -> String {
        format!("{number:08x}{EXTENSION}")
    }

    /// The number of an object, of any name.
    pub fn number(object: &str) -> Option<u32> {
        parse_number(object.strip_suffix(EXTENSION)?)
    }

    /// The name of a place that the object with this number will name, if anything does. The nonce makes it
    /// one that was never there.
    pub fn place(number: u32, nonce: u128) -> String {
        format!("{number:08x}-{nonce:032x}")
    }

    /// The number that is in the name of such a place, of any name.
    pub fn number_of_place(place: &str) -> Option<u32> {
        let (number, nonce) = place.split_once('-')?;
        let is_nonce = nonce.len() == 32 && nonce.bytes().all(is_hex);
        parse_number(number).filter(|_| is_nonce)
    }

    /// The content of the object with a number.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn document(&self, number: u32) -> Result<Vec<u8>> {
        let index = self.clone();
        seal(&Document { number, index }, &[])
    }

    /// What the content of the object with a number says.
    ///
    /// # Errors
    /// `corrupt`, `unsupported-version`.
    pub fn read(number: u32, bytes: &[u8]) -> Result<Self> {
        let name = Self::object(number);
        if bytes.len() > BYTES_MAX {
            let text = format!("{name}: it has more than {BYTES_MAX} bytes");
            return Err(Error::corrupt(text));
        }
        let document: Document = unseal(bytes, &name)?;
        if document.number != number {
            let text = format!("{name}: it says number {}", document.number);
            return Err(Error::corrupt(text));
        }
        let incarnation = document.index;
        match &incarnation {
            Self::Below(place) if Self::number_of_place(place) != Some(number) => {
                let text = format!("{name}: it names a place that is not one of its own");
                Err(Error::corrupt(text))
            }
            _ => Ok(incarnation),
        }
    }
}

fn parse_number(text: &str) -> Option<u32> {
    let is_number = text.len() == 8 && text.bytes().all(is_hex);
    let number = is_number.then(|| u32::from_str_radix(text, 16).ok())??;
    (number > 0).then_some(number)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_object_says_comes_back_and_names_are_told_from_others() {
        let place = Incarnation::place(7, 5);
        assert_eq!(place, "00000007-00000000000000000000000000000005");
        assert_eq!(Incarnation::number_of_place(&place), Some(7));
        assert_eq!(Incarnation::number(&Incarnation::object(0xab)), Some(0xab));
        for each in [
            Incarnation::Here,
            Incarnation::Below(place),
            Incarnation::Dropped,
        ] {
            let bytes = each.document(7).unwrap();
            assert_eq!(Incarnation::read(7, &bytes).unwrap(), each);
            assert!(Incarnation::read(8, &bytes).is_err());
        }
        for strange in [
            "",
            "x",
            "00000001",
            "00000000.incarnation",
            "0000000A.incarnation",
            "1.incarnation",
        ] {
            assert_eq!(Incarnation::number(strange), None, "{strange}");
        }
        for strange in ["", "parts", "00000001-", "00000001-5", "quarantine-0"] {
            assert_eq!(Incarnation::number_of_place(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_place_of_another_number_or_anything_that_is_no_name_is_damage() {
        for place in [
            Incarnation::place(8, 5),
            "../other".to_owned(),
            String::new(),
        ] {
            let bytes = Incarnation::Below(place).document(7).unwrap();
            assert!(Incarnation::read(7, &bytes).is_err());
        }
        assert!(Incarnation::read(7, &[b' '; 5000]).is_err());
    }
}
