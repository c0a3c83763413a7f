//! Sorted byte strings, each without what it shares with the one before.
//!
//! The form of a shared dictionary's entries. Three streams, each of one kind of bytes, so that a general
//! compressor makes the most of them. After: Witten, Moffat, Bell, Managing Gigabytes, 4.1.

use bytes::Bytes;

use crate::error::PageError;
use crate::reader::Reader;
use crate::varint;

/// Appends strings, which ascend.
pub(crate) fn write<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut suffixes = Vec::new();
    let mut lengths = Vec::new();
    let mut before: &[u8] = &[];
    for value in values {
        let pairs = before.iter().zip(value);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        let suffix = value.get(shared..).unwrap_or_default();
        varint::write(shared as u64, out);
        varint::write(suffix.len() as u64, &mut lengths);
        suffixes.extend_from_slice(suffix);
        before = value;
    }
    out.append(&mut lengths);
    out.append(&mut suffixes);
}

/// Reads `count` strings: the end of each in the bytes, and the bytes, at most `limit` of them.
pub(crate) fn open(
    reader: &mut Reader,
    count: usize,
    limit: usize,
) -> Result<(Vec<u32>, Bytes), PageError> {
    // Each takes at least two bytes, which bounds what a small page can ask for.
    let least = count as u64 * 2;
    if least > reader.left() as u64 {
        return Err(PageError::Field {
            what: "front-coded strings",
            found: count as u64,
            limit: reader.left() as u64 / 2,
        });
    }
    let mut shared = Vec::with_capacity(count);
    for _ in 0..count {
        shared.push(reader.varint()?);
    }
    let mut ends = Vec::with_capacity(count);
    let mut total = 0u64;
    for shared in &shared {
        let length = reader.varint()?.saturating_add(*shared);
        total = total.saturating_add(length);
        if total > limit.min(u32::MAX as usize) as u64 {
            return Err(PageError::Field {
                what: "bytes of front-coded strings",
                found: total,
                limit: limit as u64,
            });
        }
        ends.push(total as u32);
    }
    let suffix_bytes = reader.left() as u64;
    let suffixes = reader.take("suffixes", suffix_bytes)?;
    let bytes = join(&shared, &ends, &suffixes)?;
    Ok((ends, bytes.into()))
}

/// Puts the strings together again.
fn join(shared: &[u64], ends: &[u32], suffixes: &[u8]) -> Result<Vec<u8>, PageError> {
    let mut bytes: Vec<u8> = Vec::with_capacity(ends.last().map_or(0, |end| *end as usize));
    let mut left = suffixes;
    let (mut before, mut start) = (0usize, 0usize);
    for (at, (shared, end)) in shared.iter().zip(ends).enumerate() {
        let broken = PageError::Rule {
            what: "front-coded string longer than what it builds on",
            position: at as u64,
        };
        let shared = *shared as usize;
        let length = *end as usize - start;
        if shared > start - before || shared > length {
            return Err(broken);
        }
        bytes.extend_from_within(before..before + shared);
        let (suffix, rest) = left.split_at_checked(length - shared).ok_or(broken)?;
        bytes.extend_from_slice(suffix);
        left = rest;
        (before, start) = (start, *end as usize);
    }
    if !left.is_empty() {
        return Err(PageError::Field {
            what: "bytes behind the suffixes",
            found: left.len() as u64,
            limit: 0,
        });
    }
    Ok(bytes)
}
