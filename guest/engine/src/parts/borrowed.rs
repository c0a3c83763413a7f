//! What a branch borrows: parts, and files with dead rows, that lie in the places of other indexes.

use crate::branch::{BRANCH_OBJECT, Branch};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::part::PartList;
use crate::part::name::StoredName;
use crate::parts::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// What is borrowed and still needed, by the place of the lender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Borrowed {
    /// Of a lender of which nothing is needed any more its place is kept until it was let go.
    lenders: BTreeMap<String, BTreeSet<StoredName>>,
}

impl Borrowed {
    /// What a snapshot borrows, and of that what left its list, though it does not say when.
    pub(crate) fn of<H: Host>(host: &H, snapshot: &Snapshot) -> Result<(Self, Vec<StoredName>)> {
        if snapshot.borrows.is_empty() {
            return Ok(Default::default());
        }
        let mut branch = branch(host)?.ok_or_else(|| {
            let text = format!(
                "{BRANCH_OBJECT} is gone, which says where its parts lie; repair the index"
            );
            Error::corrupt(text)
        })?;
        let listed = snapshot.stored_names();
        let mut borrowed = Self::default();
        let mut unlisted = Vec::new();
        for place in &snapshot.borrows {
            // One that is not there was let go.
            let Some(names) = branch.lenders.remove(place) else {
                continue;
            };
            let names = { names.iter() }.filter_map(|name| StoredName::parse(name));
            let mut needed: BTreeSet<StoredName> = names.collect();
            match snapshot.left {
                Some(_) => needed.retain(|name| listed.contains(name)),
                None => unlisted.extend(needed.difference(&listed)),
            }
            borrowed.lenders.insert(place.clone(), needed);
        }
        Ok((borrowed, unlisted))
    }

    /// The places of all lenders.
    pub(crate) fn places(&self) -> Vec<String> {
        self.lenders.keys().cloned().collect()
    }

    /// Where a file lies that is borrowed.
    pub(crate) fn lender_of(&self, name: StoredName) -> Option<&str> {
        let mut lenders = self.lenders.iter();
        let found = lenders.find(|(_, names)| names.contains(&name));
        found.map(|(place, _)| place.as_str())
    }

    /// Whether a file is borrowed.
    pub(crate) fn has(&self, name: StoredName) -> bool {
        self.lender_of(name).is_some()
    }

    /// The places in which the stored files of a list lie, for an index in a place.
    pub(crate) fn places_of<H: Host>(&self, live: &PartList<H>, place: &str) -> Vec<String> {
        let parts = { live.parts.iter() }.filter(|part| part.medium().is_durable());
        let parts = parts.map(|part| StoredName::Part(part.name()));
        let dead = live.deaths.files().into_values();
        let dead = dead.filter(|file| file.medium.is_durable());
        let names = parts.chain(dead.map(|file| StoredName::Dead(file.name)));
        let places = names.map(|name| self.lender_of(name).unwrap_or(place).to_owned());
        places.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Files that nobody needs any more.
    pub(crate) fn forget(&mut self, gone: &[StoredName]) {
        for names in self.lenders.values_mut() {
            names.retain(|name| !gone.contains(name));
        }
    }

    /// Lets lenders go of whom nothing is needed any more. What fails is tried again next time.
    pub(crate) fn let_go<H: Host>(&mut self, host: &H) {
        self.lenders
            .retain(|place, names| !names.is_empty() || host.release_lender(place).is_err());
    }
}

/// What the place of a branch says of it, if it is one.
fn branch<H: Host>(host: &H) -> Result<Option<Branch>> {
    let object = host.get_object(BRANCH_OBJECT)?;
    object.map(|object| Branch::read(&object.bytes)).transpose()
}

/// What a repair without a snapshot goes out from: the places of all lenders, and what lies there.
pub(crate) fn all<H: Host>(host: &H) -> Result<(Vec<String>, Vec<StoredName>)> {
    let branch = branch(host)?.unwrap_or_default();
    let names = branch.lenders.values().flatten();
    let names = names.filter_map(|name| StoredName::parse(name)).collect();
    Ok((branch.lenders.into_keys().collect(), names))
}
