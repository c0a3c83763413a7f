//! Branches: indexes that began as another one of the same store was, and share its parts.
//!
//! A branch has a place of its own, as every index does, and names parts that lie in the places of others,
//! its lenders. Two objects, which only hosts write, keep that together: `branch.json` in the place of the
//! branch says which files lie where, and a pin in the place of each lender keeps them there. The name of a
//! pin says all that a writer must know: one listing tells, and damage of its content changes nothing.

use crate::error::{Error, Result};
use crate::part::layout::{part_label, part_number};
use crate::part::name::StoredName;
use crate::seal::{seal, unseal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The object that says what a branch shares.
pub const BRANCH_OBJECT: &str = "branch.json";
const EXTENSION: &str = ".branch";
/// What stands in the name of a pin for the slash of a place.
const SLASH: &str = "%2F";

/// The content of [`BRANCH_OBJECT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The place of the branch itself.
    pub place: String,
    /// What lies in `parts/` of other places, by place. Each of them has a pin of the branch.
    pub lenders: BTreeMap<String, BTreeSet<String>>,
}

impl Branch {
    /// The content of the object.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn document(&self) -> Result<Vec<u8>> {
        seal(self, &[])
    }

    /// What the content of the object says.
    ///
    /// # Errors
    /// `corrupt`, `unsupported-version`.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let branch: Self = unseal(bytes, BRANCH_OBJECT)?;
        let mut names = branch.lenders.values().flatten();
        match names.find(|name| StoredName::parse(name).is_none()) {
            None => Ok(branch),
            Some(name) => {
                let text = format!("{BRANCH_OBJECT}: {name:?} is the name of no part");
                Err(Error::corrupt(text))
            }
        }
    }

    /// The place in which a file of `parts/` lies, by the first component behind that; none for one of the
    /// branch itself.
    pub fn lender_of(&self, name: &str) -> Option<&str> {
        let mut lenders = self.lenders.iter();
        let found = lenders.find(|(_, names)| names.contains(name));
        found.map(|(place, _)| place.as_str())
    }
}

/// What keeps the files of an epoch in the place in which it lies, for a branch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BranchPin {
    /// Of the lender.
    pub epoch: u64,
    /// Of the branch.
    pub place: String,
}

/// The content of a pin: what [`BRANCH_OBJECT`] can be made up from.
#[derive(Serialize, Deserialize)]
struct PinDocument {
    place: String,
    epoch: u64,
    names: BTreeSet<String>,
}

impl BranchPin {
    /// The name of the object: at most 17 + 171 + 7 bytes for a place of at most 169.
    pub fn name(&self) -> String {
        let place = self.place.replace('/', SLASH);
        format!("{}-{place}{EXTENSION}", part_label(self.epoch))
    }

    /// What a name says; none for one that no pin has. Whether the place may be one is not looked at.
    pub fn parse(name: &str) -> Option<Self> {
        let (epoch, place) = name.strip_suffix(EXTENSION)?.split_once('-')?;
        let epoch = part_number(epoch)?;
        let place = place.replacen(SLASH, "/", 1);
        let pin = Self { epoch, place };
        (pin.name() == name).then_some(pin)
    }

    /// Those among the names of objects.
    pub fn among(objects: &[String]) -> Vec<Self> {
        { objects.iter() }
            .filter_map(|name| Self::parse(name))
            .collect()
    }

    /// Whether an object is one, or is [`BRANCH_OBJECT`]: only hosts write those.
    pub fn is_of_branches(object: &str) -> bool {
        object == BRANCH_OBJECT || object.ends_with(EXTENSION)
    }

    /// The content of the object, with the files that it is for.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn document(&self, names: &BTreeSet<String>) -> Result<Vec<u8>> {
        let document = PinDocument {
            place: self.place.clone(),
            epoch: self.epoch,
            names: names.clone(),
        };
        seal(&document, &[])
    }

    /// The files that its content says it is for.
    ///
    /// # Errors
    /// `corrupt`, `unsupported-version`.
    pub fn names(&self, bytes: &[u8]) -> Result<BTreeSet<String>> {
        let name = self.name();
        let document: PinDocument = unseal(bytes, &name)?;
        match (document.place == self.place, document.epoch == self.epoch) {
            (true, true) => Ok(document.names),
            _ => Err(Error::corrupt(format!("{name}: it is another pin"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incarnation::Incarnation;

    #[test]
    fn names_of_pins_say_which_epoch_they_pin_for_whom() {
        let longest = format!("{}/{}", "x".repeat(128), Incarnation::place(7, 5));
        for place in ["delays", "a-b.c_d", &longest] {
            let place = place.to_owned();
            let pin = BranchPin { epoch: 0xab, place };
            assert!(pin.name().len() <= 255);
            assert_eq!(BranchPin::parse(&pin.name()), Some(pin));
        }
        for strange in [
            ".branch",
            "00000000000000ab-.x",
            "00000000000000ab.branch",
            "00000000000000AB-x.branch",
            "00000000000000ab-x/y.branch",
            "ab-x.branch",
        ] {
            assert_eq!(BranchPin::parse(strange), None, "{strange}");
        }
    }

    #[test]
    fn what_the_documents_say_comes_back() {
        let names: BTreeSet<String> = ["000000000000000a".to_owned()].into();
        let branch = Branch {
            place: "b".to_owned(),
            lenders: [("a".to_owned(), names.clone())].into(),
        };
        assert_eq!(Branch::read(&branch.document().unwrap()).unwrap(), branch);
        assert_eq!(branch.lender_of("000000000000000a"), Some("a"));
        assert_eq!(branch.lender_of("000000000000000b"), None);
        let strange = Branch {
            lenders: [("a".to_owned(), ["../x".to_owned()].into())].into(),
            ..branch
        };
        assert!(Branch::read(&strange.document().unwrap()).is_err());
        let place = "b".to_owned();
        let pin = BranchPin { epoch: 3, place };
        let bytes = pin.document(&names).unwrap();
        assert_eq!(pin.names(&bytes).unwrap(), names);
        assert!(BranchPin { epoch: 4, ..pin }.names(&bytes).is_err());
    }
}
