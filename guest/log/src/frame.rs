//! One entry of the log as bytes: a head and a payload, laid out in `docs/format.md`.
//!
//! The head has a checksum of its own, which covers the position of the frame too: a frame that lies
//! elsewhere than it was written is no frame, and the next frame behind a damage can be found by its head
//! alone. It says up to which position the log was on the medium when the frame was written: what lies
//! before that can't be a torn write.

use crate::checksum;
use crate::error::{Error, MediumError, Result};
use crate::segments::Reader;
use postcard::fixint::le;
use serde::{Deserialize, Serialize};

/// Bytes of a head.
pub(crate) const HEAD_BYTES: usize = 20;
/// Those before the checksum of the head.
const FIELD_BYTES: usize = HEAD_BYTES - 4;
/// Most bytes of a payload: 1 GiB.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1 << 30;
/// Set in a length when another frame of the same write follows.
const NEXT: u32 = 1 << 31;
/// Bytes of the length of the header, the least payload.
const PREFIX_BYTES: usize = 4;
/// How much is read at once where all of it need not be in memory.
const PIECE_BYTES: u64 = 1 << 20;

/// A head whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the payload.
    pub(crate) length: u32,
    /// CRC32C of the payload.
    pub(crate) checksum: u32,
    /// Everything before this position was on the medium.
    pub(crate) durable: u64,
    /// Whether another frame of the same write follows, without which this one does not count.
    pub(crate) has_next: bool,
}

/// What is stored of a head, in front of its checksum.
#[derive(Serialize, Deserialize)]
struct HeadRecord {
    /// With [`NEXT`].
    #[serde(with = "le")]
    length: u32,
    #[serde(with = "le")]
    checksum: u32,
    #[serde(with = "le")]
    durable: u64,
}

impl Head {
    /// Bytes of head and payload.
    pub(crate) fn frame_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.length)
    }

    /// The head in front of `bytes`, none unless it was written for this position.
    pub(crate) fn decode(bytes: &[u8], position: u64) -> Option<Self> {
        let (fields, checksum) = bytes.get(..HEAD_BYTES)?.split_at_checked(FIELD_BYTES)?;
        let record: HeadRecord = postcard::from_bytes(fields).ok()?;
        let (length, has_next) = (record.length & !NEXT, record.length & NEXT != 0);
        let plausible = PREFIX_BYTES..=MAX_PAYLOAD_BYTES;
        if !plausible.contains(&usize::try_from(length).ok()?) {
            return None;
        }
        if head_checksum(position, fields).to_le_bytes() != checksum {
            return None;
        }
        Some(Self {
            length,
            checksum: record.checksum,
            durable: record.durable,
            has_next,
        })
    }

    fn encode(&self, position: u64) -> [u8; HEAD_BYTES] {
        let next = if self.has_next { NEXT } else { 0 };
        let record = HeadRecord {
            length: self.length | next,
            checksum: self.checksum,
            durable: self.durable,
        };
        let mut bytes = [0; HEAD_BYTES];
        let (fields, checksum) = bytes.split_at_mut(FIELD_BYTES);
        let written = postcard::to_slice(&record, fields).map(|written| written.len());
        // All fields are of fixed size.
        debug_assert_eq!(written, Ok(FIELD_BYTES));
        checksum.copy_from_slice(&head_checksum(position, fields).to_le_bytes());
        bytes
    }
}

fn head_checksum(position: u64, fields: &[u8]) -> u32 {
    checksum::crc32c_append(checksum::crc32c(&position.to_le_bytes()), fields)
}

/// Bytes of the payload of an entry; [`Error::Invalid`] when it is too large.
pub(crate) fn payload_bytes<M: MediumError>(header: &[u8], body: &[u8]) -> Result<u32, M> {
    let bytes = header
        .len()
        .saturating_add(body.len())
        .saturating_add(PREFIX_BYTES);
    u32::try_from(bytes)
        .ok()
        .filter(|_| bytes <= MAX_PAYLOAD_BYTES)
        .ok_or_else(|| {
            Error::Invalid(format!(
                "a log entry has {bytes} bytes, the most is {MAX_PAYLOAD_BYTES}; split the batch"
            ))
        })
}

/// Adds a frame for `position` to `output` and returns the position after it. `has_next` says that another
/// one of the same write follows.
pub(crate) fn encode<M: MediumError>(
    output: &mut Vec<u8>,
    position: u64,
    durable: u64,
    (header, body): (&[u8], &[u8]),
    has_next: bool,
) -> Result<u64, M> {
    let length = payload_bytes(header, body)?;
    // Fits: the payload as a whole does.
    let prefix = u32::try_from(header.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let checksum = [header, body]
        .iter()
        .fold(checksum::crc32c(&prefix), |checksum, part| {
            checksum::crc32c_append(checksum, part)
        });
    let head = Head {
        length,
        checksum,
        durable,
        has_next,
    };
    output.extend_from_slice(&head.encode(position));
    output.extend_from_slice(&prefix);
    output.extend_from_slice(header);
    output.extend_from_slice(body);
    Ok(position + head.frame_bytes())
}

/// Splits a payload into header and body; none when the length of the header is wrong.
pub(crate) fn split(mut payload: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let prefix = payload.get(..PREFIX_BYTES)?.try_into().ok()?;
    let end = PREFIX_BYTES.checked_add(usize::try_from(u32::from_le_bytes(prefix)).ok()?)?;
    if end > payload.len() {
        return None;
    }
    let body = payload.split_off(end);
    payload.drain(..PREFIX_BYTES);
    Some((payload, body))
}

/// The frame at an offset of a segment that ends at `end`: none when head or payload are incomplete or
/// fail their checks. The payload is read in pieces and not kept.
pub(crate) fn verify<R: Reader>(
    file: &R,
    offset: u64,
    end: u64,
    position: u64,
) -> Result<Option<Head>, R::Error> {
    let mut head = [0; HEAD_BYTES];
    if end.saturating_sub(offset) < HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_at(offset, &mut head)?;
    match Head::decode(&head, position) {
        Some(head) if payload_is_right(file, offset, end, &head)? => Ok(Some(head)),
        _ => Ok(None),
    }
}

/// Whether the payload of the frame at `offset` is all there and as its head says.
pub(crate) fn payload_is_right<R: Reader>(
    file: &R,
    offset: u64,
    end: u64,
    head: &Head,
) -> Result<bool, R::Error> {
    let frame_end = offset + head.frame_bytes();
    if frame_end > end {
        return Ok(false);
    }
    let mut at = offset + HEAD_BYTES as u64;
    let mut checksum = 0;
    let mut piece = Vec::new();
    while at < frame_end {
        let bytes = PIECE_BYTES.min(frame_end - at);
        piece.resize(usize::try_from(bytes).unwrap_or(0), 0);
        file.read_at(at, &mut piece)?;
        checksum = checksum::crc32c_append(checksum, &piece);
        at += bytes;
    }
    Ok(checksum == head.checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_those_of_the_format_and_of_their_position_only() {
        let head = Head {
            length: 0x0102,
            checksum: 0x0304_0506,
            durable: 0x0708,
            has_next: true,
        };
        let bytes = head.encode(77);
        let fields = [2, 1, 0, 0x80, 6, 5, 4, 3, 8, 7, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes[..FIELD_BYTES], fields);
        let guarded = [&77u64.to_le_bytes()[..], &fields].concat();
        let checksum = checksum::crc32c(&guarded).to_le_bytes();
        assert_eq!(bytes[FIELD_BYTES..], checksum);
        assert_eq!(Head::decode(&bytes, 77), Some(head));
        assert_eq!(Head::decode(&bytes, 78), None);
        for cut in 0..HEAD_BYTES {
            assert_eq!(Head::decode(&bytes[..cut], 77), None);
        }
        for length in [PREFIX_BYTES - 1, MAX_PAYLOAD_BYTES + 1] {
            let length = length as u32;
            let head = Head { length, ..head };
            assert_eq!(Head::decode(&head.encode(77), 77), None, "{length}");
        }
    }
}
