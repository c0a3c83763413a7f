//! `manifest.json`: what a part holds, written last.

use super::dictionary::DictionaryEntry;
use super::extent::ExtentText;
use super::layout::{MANIFEST, gone};
use super::limits::LimitsText;
use super::name::PartName;
use crate::error::{Error, Result};
use crate::host::{Codec, Host, Medium};
use crate::seal::{seal, unseal};
use serde::{Deserialize, Serialize};
use sidx_columns::ColumnType;

/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The part's number, as its directory says it.
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
    /// The pages of `labels.bin`, when any series has a label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<ExtentText>,
    pub(crate) tags: Vec<TagEntry>,
    pub(crate) files: Vec<FileEntry>,
}

/// A tag of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TagEntry {
    pub(crate) name: String,
    /// The directory page of `<tag>.tm`.
    pub(crate) directory: ExtentText,
    pub(crate) columns: Vec<ColumnEntry>,
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

/// A file of the part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) crc32c: String,
}

impl FileEntry {
    /// The checksum as a number. A text that is none fits no file, whatever stands for it.
    pub(crate) fn checksum(&self) -> u32 {
        u32::from_str_radix(&self.crc32c, 16).unwrap_or_default()
    }
}

impl Manifest {
    /// Bytes of all files except the manifest.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.size_bytes))
    }

    /// Writes the file.
    pub(crate) fn write<H: Host>(&self, host: &H, directory: &str, medium: Medium) -> Result<()> {
        let bytes = seal(self, &[])?;
        let length = u32::try_from(bytes.len())
            .map_err(|_| Error::invalid("a manifest of more than 4 GiB; merge fewer tags"))?;
        let file = host.create_file(&format!("{directory}/{MANIFEST}"), medium)?;
        host.append(&file, &bytes, &[length], Codec::None)?;
        host.finish(file).map(|_| ())
    }

    /// Reads and checks the manifest of a part.
    pub(crate) fn read<H: Host>(host: &H, directory: &str, name: PartName) -> Result<Self> {
        let path = format!("{directory}/{MANIFEST}");
        let file = host.open_file(&path).map_err(gone)?;
        let bytes = read_whole(host, file, &path);
        host.close_file(file);
        let manifest: Self = unseal(&bytes?, &path)?;
        manifest
            .check(name)
            .map_err(|reason| Error::corrupt(format!("{path}: {reason}")))?;
        Ok(manifest)
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
