//! Chunks of dead rows as views and snapshots name them.

use super::chunk::ChunkFile;
use crate::host::Medium;
use crate::part::name::DeadName;
use serde::{Deserialize, Serialize};
use sidx_log::Term;

/// What is dead of a part, in a view.
#[derive(Serialize, Deserialize)]
pub(crate) struct PartRecord<S, N, U> {
    /// Its number.
    pub(crate) part: u64,
    pub(crate) stored: S,
    pub(crate) now: N,
    pub(crate) unplaced: U,
}

/// A chunk in a view.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ChunkRecord {
    number: u32,
    serial: u64,
    term: Term,
    is_durable: bool,
    rows: u64,
    size_bytes: u64,
    #[serde(with = "postcard::fixint::le")]
    checksum: u32,
}

impl From<ChunkFile> for ChunkRecord {
    fn from(file: ChunkFile) -> Self {
        Self {
            number: file.number,
            serial: file.name.serial,
            term: file.name.term,
            is_durable: file.medium == Medium::Durable,
            rows: file.rows,
            size_bytes: file.size_bytes,
            checksum: file.checksum,
        }
    }
}

impl ChunkRecord {
    /// The file of a part that it is about.
    pub(crate) fn file(self, part: u64) -> ChunkFile {
        ChunkFile {
            number: self.number,
            name: DeadName {
                part,
                term: self.term,
                serial: self.serial,
            },
            medium: match self.is_durable {
                true => Medium::Durable,
                false => Medium::Memory,
            },
            rows: self.rows,
            size_bytes: self.size_bytes,
            checksum: self.checksum,
        }
    }
}

/// A chunk in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkText {
    /// Its name.
    pub(crate) file: String,
    /// Which blocks it is about: 64 of them, from 64 times this one on.
    pub(crate) chunk: u32,
    /// The first epoch that names it.
    pub(crate) since: u64,
    /// Dead rows.
    pub(crate) rows: u64,
    pub(crate) size_bytes: u64,
    pub(crate) crc32c: String,
}

impl ChunkText {
    pub(crate) fn new(file: ChunkFile, since: u64) -> Self {
        Self {
            file: file.name.to_string(),
            chunk: file.number,
            since,
            rows: file.rows,
            size_bytes: file.size_bytes,
            crc32c: format!("{:08x}", file.checksum),
        }
    }

    /// The file that it is about; none where its name is none.
    pub(crate) fn file(&self) -> Option<ChunkFile> {
        Some(ChunkFile {
            number: self.chunk,
            name: DeadName::parse(&self.file)?,
            medium: Medium::Durable,
            rows: self.rows,
            size_bytes: self.size_bytes,
            // A text that is none fits no file, whatever stands for it.
            checksum: u32::from_str_radix(&self.crc32c, 16).unwrap_or_default(),
        })
    }
}
