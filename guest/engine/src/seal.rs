//! JSON documents that protect themselves: `index.json`, snapshots and manifests; see `docs/format.md`.
//!
//! The checksum is of the body's bytes exactly as they stand. The version is outside of it, so that a newer
//! store is recognised before anything of its body is understood; the checksum's seed is made of the version
//! and tells a newer one from a damaged number.

use crate::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The version of every file and document that this engine writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Sealed {
    format_version: u32,
    xxh3: String,
    body: Box<RawValue>,
}

/// The document around `body`.
pub(crate) fn seal<T: Serialize>(body: &T) -> Result<Vec<u8>> {
    let internal = |error| Error::new(ErrorKind::Other, format!("cannot write JSON: {error}"));
    let body = serde_json::value::to_raw_value(body).map_err(internal)?;
    let sealed = Sealed {
        format_version: FORMAT_VERSION,
        xxh3: checksum(FORMAT_VERSION, &body),
        body,
    };
    let mut bytes = serde_json::to_vec(&sealed).map_err(internal)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// As the documents of a version have it. Every version keeps this rule.
fn checksum(version: u32, body: &RawValue) -> String {
    let seed = u64::from(version.saturating_sub(1));
    format!("{:016x}", xxh3_64_with_seed(body.get().as_bytes(), seed))
}

/// The body of a document, or `corrupt` / `unsupported-version` naming `what`.
pub(crate) fn unseal<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let damaged = |reason: String| Error::corrupt(format!("{what}: {reason}"));
    let sealed: Sealed = serde_json::from_slice(bytes)
        .map_err(|error| damaged(format!("not a sealed JSON document: {error}")))?;
    let version = sealed.format_version;
    let found = checksum(version, &sealed.body);
    if found != sealed.xxh3 {
        return Err(damaged(format!(
            "its checksum as a document of format version {version} is {found}, it says {}",
            sealed.xxh3
        )));
    }
    check_version(version, what)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_flipped_byte() {
        let bytes = seal(&vec![1u64, 2, 3]).unwrap();
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
            xxh3: checksum(2, &body),
            body,
        };
        let newer = serde_json::to_vec(&sealed).unwrap();
        let error = unseal::<u32>(&newer, "index.json").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        assert!(error.message().contains("version 2"), "{error}");
    }
}
