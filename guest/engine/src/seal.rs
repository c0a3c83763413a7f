//! JSON documents that protect themselves: `index.json`, snapshots and manifests; see `docs/format.md`.
//!
//! The checksum is of the body's bytes exactly as they stand. The version and the names of required features
//! are outside of it, so that what this program does not know is told before anything of the body is
//! understood; the checksum's seed is made of both and tells a newer document from a damaged one.

use crate::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Features that a document may require, by name: what changes the meaning of a document for those who do not
/// know of it, where a new version would lock out more than it must.
pub(crate) const FEATURES: &[&str] =
    &[TERMS, DROPS, ONE_FILE, NUMBERS, FACETS, DEAD_ROWS, BRANCHES];

/// Snapshots, parts and segments of the log carry the term of their writer, and names of epochs stay taken.
pub(crate) const TERMS: &str = "terms";

/// A snapshot may be the last of its index, which was dropped.
pub(crate) const DROPS: &str = "drops";

/// Parts may be one file each.
pub(crate) const ONE_FILE: &str = "one-file";

/// Files of tags may have numbers in their names.
pub(crate) const NUMBERS: &str = "tag-numbers";

/// Parts of an index have further facets.
pub(crate) const FACETS: &str = "facets";

/// Rows of parts may be dead.
pub(crate) const DEAD_ROWS: &str = "dead-rows";

/// Parts may lie in the places of other indexes.
pub(crate) const BRANCHES: &str = "branches";

/// The version of every file and document that this engine writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Sealed {
    format_version: u32,
    /// Features without which the document, and what it is about, cannot be understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
    xxh3: String,
    body: Box<RawValue>,
}

/// The document around `body`, which requires features.
pub(crate) fn seal<T: Serialize>(body: &T, requires: &[&str]) -> Result<Vec<u8>> {
    let internal = |error| Error::new(ErrorKind::Other, format!("cannot write JSON: {error}"));
    let body = serde_json::value::to_raw_value(body).map_err(internal)?;
    let requires: Vec<String> = requires.iter().map(|name| (*name).to_owned()).collect();
    let sealed = Sealed {
        format_version: FORMAT_VERSION,
        xxh3: checksum(FORMAT_VERSION, &requires, &body),
        requires,
        body,
    };
    let mut bytes = serde_json::to_vec(&sealed).map_err(internal)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// As the documents of a version have it. Every version keeps this rule.
fn checksum(version: u32, requires: &[String], body: &RawValue) -> String {
    let mut seed = u64::from(version.saturating_sub(1));
    for feature in requires {
        seed = xxh3_64_with_seed(feature.as_bytes(), seed);
    }
    format!("{:016x}", xxh3_64_with_seed(body.get().as_bytes(), seed))
}

/// The body of a document, or `corrupt` / `unsupported-version` naming `what`.
pub(crate) fn unseal<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let damaged = |reason: String| Error::corrupt(format!("{what}: {reason}"));
    let sealed: Sealed = serde_json::from_slice(bytes)
        .map_err(|error| damaged(format!("not a sealed JSON document: {error}")))?;
    let version = sealed.format_version;
    let found = checksum(version, &sealed.requires, &sealed.body);
    if found != sealed.xxh3 {
        return Err(damaged(format!(
            "its checksum as a document of format version {version} is {found}, it says {}",
            sealed.xxh3
        )));
    }
    check_version(version, what)?;
    check_features(&sealed.requires, what)?;
    serde_json::from_str(sealed.body.get()).map_err(|error| damaged(error.to_string()))
}

/// Refuses versions that this engine does not read.
fn check_version(version: u32, what: &str) -> Result<()> {
    match version {
        FORMAT_VERSION => Ok(()),
        0 => Err(Error::corrupt(format!(
            "{what}: format version 0 does not exist"
        ))),
        newer => Err(Error::new(
            ErrorKind::UnsupportedVersion,
            format!(
                "{what}: written in format version {newer}, this program reads up to {FORMAT_VERSION}; upgrade sidx"
            ),
        )),
    }
}

/// Refuses what needs features that this engine does not have.
fn check_features(requires: &[String], what: &str) -> Result<()> {
    let unknown = |name: &&String| !FEATURES.contains(&name.as_str());
    match requires.iter().find(unknown) {
        None => Ok(()),
        Some(name) => {
            let name: String = name
                .chars()
                .take(64)
                .flat_map(char::escape_default)
                .collect();
            let text = format!(
                "{what}: it requires the feature `{name}`, which this program does not have; upgrade sidx"
            );
            Err(Error::new(ErrorKind::UnsupportedVersion, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_flipped_byte() {
        let bytes = seal(&vec![1u64, 2, 3], &[]).unwrap();
        assert_eq!(unseal::<Vec<u64>>(&bytes, "x").unwrap(), [1, 2, 3]);
        for position in 0..bytes.len() - 1 {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                match unseal::<Vec<u64>>(&damaged, "x") {
                    // Only changes outside of the meaning may pass: a hex digit's case, a space.
                    Ok(value) => assert_eq!(value, [1, 2, 3]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
                }
            }
        }
    }

    #[test]
    fn newer_version_is_named() {
        let body = serde_json::value::to_raw_value(&1).unwrap();
        let sealed = Sealed {
            format_version: 2,
            requires: Vec::new(),
            xxh3: checksum(2, &[], &body),
            body,
        };
        let newer = serde_json::to_vec(&sealed).unwrap();
        let error = unseal::<u32>(&newer, "index.json").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        assert!(error.message().contains("version 2"), "{error}");
    }

    #[test]
    fn a_feature_that_is_not_known_is_named_and_a_damaged_name_is_damage() {
        let body = serde_json::value::to_raw_value(&1).unwrap();
        let requires = vec!["forks".to_owned(), "x\n".to_owned()];
        let sealed = Sealed {
            format_version: FORMAT_VERSION,
            xxh3: checksum(FORMAT_VERSION, &requires, &body),
            requires,
            body,
        };
        let bytes = serde_json::to_vec(&sealed).unwrap();
        let error = unseal::<u32>(&bytes, "index.json").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        assert!(error.message().contains("the feature `forks`"), "{error}");
        let text = String::from_utf8(bytes).unwrap();
        for damaged in [
            text.replace("forks", "forkz"),
            text.replace("\"forks\",", ""),
            text.replace("\"requires\":[\"forks\",\"x\\n\"],", ""),
            text.replace("\"requires\"", "\"Requires\""),
        ] {
            assert_ne!(damaged, text);
            let error = unseal::<u32>(damaged.as_bytes(), "x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{damaged}");
        }
    }
}
