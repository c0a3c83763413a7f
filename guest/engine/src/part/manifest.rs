//! The manifest: what a part holds, written last.

use super::column::{Longest, PartColumn, TagColumn};
use super::dictionary::DictionaryEntry;
use super::extent::ExtentText;
use super::footer;
use super::layout::{MANIFEST, gone, tag_file_stem};
use super::limits::LimitsText;
use super::name::PartName;
use super::summary::Summary;
use crate::error::{Error, Result};
use crate::host::{Chunk, Form, Host, Medium};
use crate::seal::{NUMBERS, seal, unseal};
use serde::{Deserialize, Serialize};
use sidx_columns::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// The facet of the ordered index.
pub(crate) const ORDERED: &str = "ordered";
/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = footer::METADATA_BYTES_MAX as u64;
/// Bytes from the end of a part in one file that are read at first: most manifests are shorter.
const FIRST_READ_BYTES: u32 = 64 << 10;

/// The content of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The part's name, as that of its folder or file.
    pub(crate) part: String,
    pub(crate) rows: u64,
    pub(crate) blocks: u32,
    /// Distinct series.
    pub(crate) series: u64,
    pub(crate) min_key: i64,
    pub(crate) max_key: i64,
    /// Least and greatest element id.
    pub(crate) first_id: u64,
    pub(crate) last_id: u64,
    /// Bytes of the longest payload.
    pub(crate) longest_payload_bytes: u32,
    /// Upper bound of the longest value of a tag.
    pub(crate) longest_tag_bytes: u32,
    /// Raw bytes of all pages.
    pub(crate) raw_bytes: u64,
    /// The page of `meta.bin`.
    pub(crate) meta: ExtentText,
    /// The roots of each facet that has any, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) facets: BTreeMap<String, Vec<ExtentText>>,
    /// Those of the ordered index, as manifests had them before there were facets; only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) labels: Vec<ExtentText>,
    pub(crate) tags: Vec<TagEntry>,
    pub(crate) files: Vec<FileEntry>,
}

/// A tag of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TagEntry {
    pub(crate) name: String,
    /// What was appended to the name of its files, so that they do not meet others; 0 for nothing.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) number: u32,
    /// The directory page of `<tag>.tm`.
    pub(crate) directory: ExtentText,
    pub(crate) columns: Vec<ColumnEntry>,
}

impl TagEntry {
    /// The name of its files, without extension.
    pub(crate) fn stem(&self) -> String {
        tag_file_stem(&self.name, self.number)
    }
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

/// One type of a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnEntry {
    /// `int`, `string[]`, ...
    pub(crate) kind: String,
    /// Rows with a value.
    pub(crate) present: u64,
    pub(crate) limits: LimitsText,
    /// The dictionary that all pages of the column refer to, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dictionary: Option<DictionaryEntry>,
}

impl ColumnEntry {
    pub(crate) fn kind(&self) -> Result<ColumnType> {
        self.kind
            .parse()
            .map_err(|_| Error::corrupt(format!("manifest names an unknown type {:?}", self.kind)))
    }
}

/// A file of the part, or a section of its one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) crc32c: String,
    /// Where a section lies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) chunks: Vec<ChunkText>,
}

/// A chunk as JSON: offset, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkText(u64, u64);

impl From<&Chunk> for ChunkText {
    fn from(chunk: &Chunk) -> Self {
        Self(chunk.offset, chunk.size_bytes)
    }
}

impl From<&ChunkText> for Chunk {
    fn from(text: &ChunkText) -> Self {
        Self {
            offset: text.0,
            size_bytes: text.1,
        }
    }
}

impl FileEntry {
    /// The checksum as a number. A text that is none fits no file, whatever stands for it.
    pub(crate) fn checksum(&self) -> u32 {
        u32::from_str_radix(&self.crc32c, 16).unwrap_or_default()
    }

    /// Where a section lies in its file.
    pub(crate) fn chunks(&self) -> Vec<Chunk> {
        self.chunks.iter().map(Into::into).collect()
    }
}

impl Manifest {
    /// Bytes of all files except the manifest.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.size_bytes))
    }

    /// A file or section by its name.
    pub(crate) fn file(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name == name)
    }

    /// What is known of the part, apart from where it lies.
    pub(crate) fn summary(&self) -> Result<Summary> {
        let mut columns = Vec::new();
        for tag in &self.tags {
            for column in &tag.columns {
                columns.push(PartColumn {
                    column: TagColumn {
                        name: tag.name.clone(),
                        kind: column.kind()?,
                    },
                    present: column.present,
                    limits: column.limits.range(),
                });
            }
        }
        Ok(Summary {
            rows: self.rows,
            blocks: self.blocks,
            series: self.series,
            min_key: self.min_key,
            max_key: self.max_key,
            first_id: self.first_id,
            last_id: self.last_id,
            longest: Longest {
                payload_bytes: self.longest_payload_bytes,
                tag_bytes: self.longest_tag_bytes,
            },
            raw_bytes: self.raw_bytes,
            size_bytes: self.size_bytes(),
            columns,
        })
    }

    /// Where the manifest of a part lies, for messages: in a file of its own, or at the end of that of the
    /// part.
    pub(crate) fn path(name: PartName) -> String {
        format!("{}/{MANIFEST}", name.path(Medium::Durable))
    }

    /// Reads and checks the manifest of a part.
    pub(crate) fn read<H: Host>(host: &H, name: PartName) -> Result<Self> {
        let path = Self::path(name);
        let file = match name.form {
            Form::Folder => host.open_file(&path),
            Form::File => host.open_file(&name.path(Medium::Durable)),
        };
        let file = file.map_err(gone)?;
        let bytes = match name.form {
            Form::Folder => read_whole(host, file, &path).map(|bytes| (None, bytes)),
            Form::File => footer::read(host, file, footer::Kind::Part, FIRST_READ_BYTES)
                .map(|(size, bytes)| (Some(size), bytes))
                .map_err(|error| error.at(&path)),
        };
        host.close_file(file);
        let (size, bytes) = bytes?;
        Self::parse(name, &bytes, size)
    }

    /// What the bytes of the manifest of a part say. `file_bytes` is the size of the file that it ends, where
    /// the part is one.
    pub(super) fn parse(name: PartName, bytes: &[u8], file_bytes: Option<u64>) -> Result<Self> {
        let path = Self::path(name);
        let mut manifest: Self = unseal(bytes, &path)?;
        let labels = std::mem::take(&mut manifest.labels);
        if !labels.is_empty() {
            manifest.facets.insert(ORDERED.to_owned(), labels);
        }
        if let Some(size) = file_bytes {
            let metadata = bytes.len() as u64 + u64::from(footer::FOOTER_BYTES);
            let sections = manifest.size_bytes();
            if sections.checked_add(metadata) != Some(size) {
                return Err(Error::corrupt(format!(
                    "{path}: sections of {sections} bytes and {metadata} behind them, the file has {size}"
                )));
            }
        }
        manifest
            .check(name)
            .map_err(|reason| Error::corrupt(format!("{path}: {reason}")))?;
        Ok(manifest)
    }

    /// The manifest as it is stored, with the features that whoever reads it must know.
    pub(super) fn sealed(&self) -> Result<Vec<u8>> {
        let has_number = self.tags.iter().any(|tag| tag.number > 0);
        let requires: &[&str] = if has_number { &[NUMBERS] } else { &[] };
        seal(self, requires)
    }

    /// What is wrong with it as the manifest of a part.
    pub(crate) fn check(&self, name: PartName) -> std::result::Result<(), String> {
        if self.part != name.to_string() {
            return Err(format!("it describes part {}", self.part));
        }
        if self.rows == 0 || self.blocks == 0 || u64::from(self.blocks) > self.rows {
            return Err(format!("{} rows in {} blocks", self.rows, self.blocks));
        }
        if self.min_key > self.max_key || self.first_id > self.last_id {
            return Err("its key or id range is empty".to_owned());
        }
        let order = |pair: &[TagEntry]| match pair {
            [one, two] => one.name < two.name,
            _ => false,
        };
        if !self.tags.windows(2).all(order) {
            return Err("its tags are not in order".to_owned());
        }
        if self.tags.iter().any(|tag| tag.columns.is_empty()) {
            return Err("one of its tags has no type".to_owned());
        }
        self.check_files(name.form)
    }

    /// Names are those of files, each once, and sections are as long as their chunks.
    fn check_files(&self, form: Form) -> std::result::Result<(), String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._%-".contains(c);
        let mut names = BTreeSet::new();
        for file in &self.files {
            let name = file.name.as_str();
            let is_name =
                !name.is_empty() && !name.starts_with('.') && name.chars().all(is_allowed);
            if !is_name || !names.insert(name) {
                return Err(format!(
                    "it names a file {name:?} that no part has, or twice"
                ));
            }
            let chunks = file.chunks.iter().map(|chunk| chunk.1);
            let bytes = chunks.fold(0, u64::saturating_add);
            if bytes
                != if form == Form::File {
                    file.size_bytes
                } else {
                    0
                }
            {
                return Err(format!("{name} has chunks of {bytes} bytes"));
            }
        }
        Ok(())
    }
}

fn read_whole<H: Host>(host: &H, file: u32, path: &str) -> Result<Vec<u8>> {
    let size = host.file_size(file)?;
    if size > MANIFEST_BYTES_MAX {
        return Err(Error::corrupt(format!(
            "{path}: {size} bytes is too large for a manifest"
        )));
    }
    host.read_file(file, 0, size as u32)
}
