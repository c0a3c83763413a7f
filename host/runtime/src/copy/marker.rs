//! The object `copy.unfinished`, in the place of a copy until that has a name: of what it is a copy, so that
//! another one can go on with it, and whose turn it is.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::open::Open;

/// What an index is called where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    index: String,
    /// Its place, which no other index ever has in its store, but the first of its name.
    place: String,
}

impl Origin {
    pub(super) fn of(index: &Open) -> Self {
        let location = index.shared().storage.location();
        // However the path was given.
        let full = fs::canonicalize(&location).ok();
        let full = full.and_then(|path| Some(path.to_str()?.to_owned()));
        Self {
            index: index.name().to_owned(),
            place: full.unwrap_or(location),
        }
    }

    /// As a document.
    pub(super) fn bytes(&self) -> Vec<u8> {
        line(self)
    }

    /// What a document says; none for one that is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// A copy that is whole: what another one of the same index would be, as long as that does not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) snapshot: String,
    pub(super) snapshot_crc32c: u32,
    pub(super) log_position: u64,
    pub(super) log_end: u64,
}

/// The content of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// For people.
    what: String,
    /// Of what it is a copy with which another one may go on; missing in a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<Origin>,
    /// Who is at work in the place. A copy that was interrupted, and does not know it, finds another one
    /// here.
    copier: String,
    /// Nothing more will be done in the place but to give it a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) whole: Option<Whole>,
}

impl Marker {
    /// Of a copier that is called by random bits.
    pub(super) fn new(of: Option<Origin>, nonce: u128) -> Self {
        Self {
            what: "a copy into this place has no name yet".to_owned(),
            of,
            copier: format!("{nonce:032x}"),
            whole: None,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        line(self)
    }

    /// None for what copies before this one, or others, have left.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

fn line(document: &impl Serialize) -> Vec<u8> {
    // Texts and numbers: nothing that cannot be written.
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
