//! The end of a file that is not a section: what is known of it, and 12 bytes that tell where that begins.

use super::layout::FILE_MAGIC;
use crate::error::{Error, Result};
use crate::host::{Codec, Host, Tail};

/// Bytes at the end of the file: length of the metadata, kind, magic. What is before them tells its version.
pub(super) const FOOTER_BYTES: u32 = 12;

/// What ends with a footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A part that is one file.
    Part,
    /// Dead rows of some blocks of a part.
    DeadRows,
}

impl Kind {
    fn code(self) -> &'static [u8; 4] {
        match self {
            Self::Part => b"part",
            Self::DeadRows => b"dead",
        }
    }
}

/// Most bytes of metadata that are read.
pub(super) const METADATA_BYTES_MAX: u32 = 64 << 20;

/// Appends metadata and the footer to a file under construction.
pub(super) fn append<H: Host>(
    host: &H,
    file: &H::NewFile,
    kind: Kind,
    metadata: Vec<u8>,
) -> Result<()> {
    let end = end(kind, metadata)?;
    // At most a footer more than the most bytes of metadata.
    host.append(file, &end, &[end.len() as u32], Codec::None)?;
    Ok(())
}

/// Metadata with the footer behind it.
pub(super) fn end(kind: Kind, mut metadata: Vec<u8>) -> Result<Vec<u8>> {
    let length = u32::try_from(metadata.len()).ok();
    let length = length
        .filter(|length| *length <= METADATA_BYTES_MAX)
        .ok_or_else(|| Error::invalid("the metadata of a part exceeds 64 MiB; merge fewer tags"))?;
    metadata.extend_from_slice(&length.to_le_bytes());
    metadata.extend_from_slice(kind.code());
    metadata.extend_from_slice(FILE_MAGIC);
    Ok(metadata)
}

/// Reads the metadata at the end of a file, and the size of the file. One read of `expected_bytes`, and
/// another where there are more.
pub(super) fn read<H: Host>(
    host: &H,
    file: u32,
    kind: Kind,
    expected_bytes: u32,
) -> Result<(u64, Vec<u8>)> {
    let Tail { size_bytes, bytes } = host.read_tail(file, expected_bytes)?;
    let length = metadata_length(&bytes, kind)?;
    let total = length + FOOTER_BYTES;
    if u64::from(total) > size_bytes {
        return Err(Error::corrupt(format!(
            "it has {size_bytes} bytes, its footer says that {length} of them are metadata"
        )));
    }
    let bytes = match bytes.len() < total as usize {
        true => host.read_tail(file, total)?.bytes,
        false => bytes,
    };
    let start = bytes.len().saturating_sub(total as usize);
    let end = bytes.len().saturating_sub(FOOTER_BYTES as usize);
    Ok((
        size_bytes,
        bytes.get(start..end).unwrap_or_default().to_vec(),
    ))
}

/// How many bytes of metadata are before the footer at the end of some bytes.
pub(super) fn metadata_length(bytes: &[u8], wanted: Kind) -> Result<u32> {
    let no_part = || {
        let name = String::from_utf8_lossy(wanted.code());
        Error::corrupt(format!("it does not end as a file of kind {name:?} does"))
    };
    let footer: &[u8; FOOTER_BYTES as usize] = bytes.last_chunk().ok_or_else(no_part)?;
    let [l0, l1, l2, l3, kind @ .., m0, m1, m2, m3] = *footer;
    if kind != *wanted.code() || [m0, m1, m2, m3] != *FILE_MAGIC {
        return Err(no_part());
    }
    match u32::from_le_bytes([l0, l1, l2, l3]) {
        length @ 0..=METADATA_BYTES_MAX => Ok(length),
        length => Err(Error::corrupt(format!(
            "its footer says that {length} bytes are metadata"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_with_anything_else_in_it_is_damage() {
        let footer = [&7u32.to_le_bytes()[..], b"partSIDX"].concat();
        assert_eq!(metadata_length(&footer, Kind::Part).unwrap(), 7);
        assert_eq!(
            metadata_length(&[b"before", &footer[..]].concat(), Kind::Part).unwrap(),
            7
        );
        for at in 3..footer.len() {
            let mut other = footer.clone();
            other[at] ^= 0x10;
            assert!(metadata_length(&other, Kind::Part).is_err(), "{at}");
        }
        for cut in 0..footer.len() {
            assert!(metadata_length(&footer[..cut], Kind::Part).is_err());
        }
    }
}
