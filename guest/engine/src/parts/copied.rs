//! The list of parts as a copy has it: the same parts, of which some are in another form.

use crate::error::{Error, Result};
use crate::host::{Form, Medium};
use crate::part::copied::{CopiedFile, CopiedPart, CopiedPiece, CopiedSection, PartToCopy};
use crate::part::dead::record::ChunkText;
use crate::part::name::PartName;
use crate::parts::snapshot::{Snapshot, epoch_of_object};
use crate::seal::unseal;
use std::collections::BTreeSet;

/// The snapshot that an index is copied by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotToCopy(Snapshot);

impl SnapshotToCopy {
    /// What the bytes of the snapshot say, which are called `name`.
    ///
    /// # Errors
    /// `corrupt`, `unsupported-version`.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let snapshot: Snapshot = unseal(bytes, name)?;
        let is_named = Snapshot::name(snapshot.epoch) == name;
        snapshot
            .check(snapshot.epoch)
            .map_err(|error| error.at(name))?;
        match is_named {
            true => Ok(Self(snapshot)),
            false => {
                let text = format!("it says epoch {}", snapshot.epoch);
                Err(Error::corrupt(text).at(name))
            }
        }
    }

    /// Whether an object is such a snapshot, by its name.
    #[must_use]
    pub fn is_name(object: &str) -> bool {
        epoch_of_object(object).is_some()
    }

    /// Its parts.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn parts(&self) -> Result<Vec<PartToCopy>> {
        self.0
            .parts
            .iter()
            .map(|name| PartToCopy::named(name))
            .collect()
    }

    /// Its files with dead rows, which are copied as they are.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn dead(&self) -> Result<Vec<CopiedPart>> {
        let files = self.0.dead.iter().flat_map(|dead| &dead.files);
        files.map(dead_file).collect()
    }

    /// The snapshot of a copy, in which parts have this form, but for some that keep theirs, by their names.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn copied(&self, form: Option<Form>, kept: &BTreeSet<String>) -> Result<Vec<u8>> {
        let mut copied = self.0.clone();
        let Some(form) = form else {
            return copied.sealed();
        };
        let owners = copied.dead.iter_mut().map(|dead| &mut dead.part);
        for name in copied.parts.iter_mut().chain(owners) {
            if let Some(part) = PartName::parse(name).filter(|_| !kept.contains(name)) {
                *name = PartName { form, ..part }.to_string();
            }
        }
        copied.sealed()
    }
}

fn dead_file(file: &ChunkText) -> Result<CopiedPart> {
    let chunk = file.file();
    let chunk =
        chunk.ok_or_else(|| Error::corrupt(format!("{:?} is not a file name", file.file)))?;
    let path = chunk.name.path(Medium::Durable);
    let (source, section, offset, size_bytes) = (0, 0, 0, chunk.size_bytes);
    Ok(CopiedPart {
        name: file.file.clone(),
        sections: vec![CopiedSection {
            name: path.clone(),
            size_bytes,
            checksum: chunk.checksum,
        }],
        sources: vec![path.clone()],
        files: vec![CopiedFile {
            path,
            pieces: vec![CopiedPiece {
                source,
                section,
                offset,
                size_bytes,
            }],
            end: Vec::new(),
        }],
    })
}
