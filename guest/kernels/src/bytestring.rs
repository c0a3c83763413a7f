//! Encoded strings and byte strings: lengths and bytes, or a sorted dictionary and codes.

use std::ops::Range;

use bytes::Bytes;

use crate::bitpack::{self, Packed};
use crate::error::{ColumnError, PageError};
use crate::hash;
use crate::integer::{ABSENT, check_codes};
use crate::offsets::{self, Offsets};
use crate::reader::Reader;
use crate::values::ByteStrings;

/// Lengths, then the bytes of all values.
pub const PLAIN: u8 = 0;
/// Distinct values in bytewise order, then a packed code per value.
pub const DICTIONARY: u8 = 1;

/// Most entries of a dictionary.
pub const MAX_DICTIONARY: usize = 65_536;

/// Byte strings as stored.
#[derive(Debug, Clone)]
pub(crate) enum Strings {
    Plain(Plain),
    Dictionary(Dictionary),
}

/// Byte strings side by side.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    offsets: Offsets,
    bytes: Bytes,
}

/// Codes into sorted, distinct entries. Every code is below the number of entries.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    entries: Plain,
    count: usize,
    width: u32,
    codes: Bytes,
}

impl Strings {
    /// Reads `count` byte strings, which must be UTF-8 when they are `text`.
    pub(crate) fn open(
        reader: &mut Reader,
        count: usize,
        text: bool,
    ) -> Result<Strings, PageError> {
        match reader.u8("string encoding")? {
            PLAIN => Plain::open(reader, count, text).map(Strings::Plain),
            DICTIONARY => {
                let size = reader.u32("dictionary size")? as usize;
                if size == 0 || size > MAX_DICTIONARY {
                    let (found, limit) = (size as u64, MAX_DICTIONARY as u64);
                    return Err(PageError::Field {
                        what: "dictionary size",
                        found,
                        limit,
                    });
                }
                let entries = Plain::open(reader, size, text)?;
                entries.check_order()?;
                let width = bitpack::width_of(size as u64 - 1);
                let codes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
                check_codes(&codes, width, count, size)?;
                Ok(Strings::Dictionary(Dictionary {
                    entries,
                    count,
                    width,
                    codes,
                }))
            }
            found => Err(PageError::Code {
                what: "string encoding",
                found,
            }),
        }
    }

    /// Value `index`; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        match self {
            Strings::Plain(plain) => plain.get(index),
            Strings::Dictionary(dictionary) => dictionary.get(index),
        }
    }

    /// Appends the value at each position, the empty string for [`ABSENT`].
    pub(crate) fn gather(
        &self,
        positions: &[u32],
        out: &mut ByteStrings,
    ) -> Result<(), ColumnError> {
        let length = |at: &u32| self.get(*at as usize).map_or(0, <[u8]>::len);
        out.reserve(positions.len(), positions.iter().map(length).sum());
        for at in positions {
            match self.get(*at as usize) {
                Some(value) if *at != ABSENT => out.push(value)?,
                _ => out.push_empty(),
            }
        }
        Ok(())
    }

    /// Appends the values of a range.
    pub(crate) fn decode(
        &self,
        range: Range<usize>,
        out: &mut ByteStrings,
    ) -> Result<(), ColumnError> {
        match self {
            Strings::Plain(plain) => {
                let cover = plain.offsets.cover(range.start, range.end);
                let bytes = plain.bytes.get(cover.clone()).unwrap_or_default();
                let mut ends = Vec::with_capacity(range.len());
                let start = cover.start as u32;
                plain
                    .offsets
                    .for_each_end(range.start, range.end, |end| ends.push(end - start));
                out.extend_rebased(ends.into_iter(), bytes)
            }
            Strings::Dictionary(dictionary) => {
                out.reserve(range.len(), 0);
                for index in range {
                    out.push(dictionary.get(index).unwrap_or_default())?;
                }
                Ok(())
            }
        }
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        match self {
            Strings::Plain(plain) => plain.offsets.derived_bytes(),
            Strings::Dictionary(dictionary) => dictionary.entries.offsets.derived_bytes(),
        }
    }
}

impl Plain {
    fn open(reader: &mut Reader, count: usize, text: bool) -> Result<Plain, PageError> {
        let offsets = Offsets::open(reader, count, "string lengths", u32::MAX)?;
        let bytes = reader.take("string bytes", offsets.total() as u64)?;
        let plain = Plain { offsets, bytes };
        if text {
            plain.check_utf8()?;
        }
        Ok(plain)
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.count()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.offsets.count() {
            return None;
        }
        self.bytes.get(self.offsets.range(index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// Where the values lie, and the bytes of all.
    pub(crate) fn parts(&self) -> (&Offsets, &[u8]) {
        (&self.offsets, &self.bytes)
    }

    /// The buffer must be UTF-8 as a whole and every value must begin at a character.
    fn check_utf8(&self) -> Result<(), PageError> {
        let what = "string that is not valid UTF-8";
        if self.bytes.is_ascii() {
            return Ok(());
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|error| PageError::Rule {
            what,
            position: error.valid_up_to() as u64,
        })?;
        let mut cut = None;
        self.offsets.for_each_end(0, self.len(), |end| {
            if !text.is_char_boundary(end as usize) {
                cut = cut.or(Some(end));
            }
        });
        match cut {
            None => Ok(()),
            Some(end) => Err(PageError::Rule {
                what,
                position: end.into(),
            }),
        }
    }

    /// Entries must ascend strictly, which makes them distinct and tests of them binary searches.
    fn check_order(&self) -> Result<(), PageError> {
        let descent = self
            .iter()
            .zip(self.iter().skip(1))
            .position(|(a, b)| a >= b);
        match descent {
            None => Ok(()),
            Some(at) => {
                let what = "dictionary out of order";
                Err(PageError::Rule {
                    what,
                    position: at as u64 + 1,
                })
            }
        }
    }

    /// First index whose value fails `before`, which must hold for a prefix of the values.
    pub(crate) fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Dictionary {
    pub(crate) fn entries(&self) -> &Plain {
        &self.entries
    }

    /// The packed codes. `open` checked their length, so `None` does not happen.
    #[inline]
    pub(crate) fn codes(&self) -> Option<Packed<'_>> {
        Packed::new(&self.codes, self.width, self.count)
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.count {
            return None;
        }
        self.entries.get(self.codes()?.get(index) as usize)
    }
}

/// What became of the values on writing.
pub(crate) struct Written {
    /// Whether a dictionary was the smaller form.
    pub(crate) dictionary: bool,
    /// Hash of each distinct value, in no order; empty with a dictionary.
    pub(crate) hashes: Vec<u64>,
}

/// Appends the smaller form of the values. Cost: one hash per value, and a sort of the distinct
/// values when there are few enough for a dictionary. `joined` is all values one behind the
/// other, where the caller has them like that already.
pub(crate) fn write(values: &[&[u8]], joined: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    let distinct = Distinct::of(values);
    let plain_bytes: usize = values.iter().map(|value| value.len()).sum();
    if let Some(codes) = &distinct.codes {
        let entry_bytes: usize = distinct.entries.iter().map(|entry| entry.len()).sum();
        let width = bitpack::width_of((distinct.entries.len() as u64).saturating_sub(1));
        let code_bytes = bitpack::packed_bytes(values.len(), width);
        // Before any sorting: can a dictionary win at all? Lengths are not counted for either.
        if !values.is_empty() && entry_bytes as u64 + code_bytes < plain_bytes as u64 + 8 {
            let mut dictionary = Vec::new();
            write_dictionary(&distinct.entries, codes, &mut dictionary);
            let mut lengths = Vec::new();
            offsets::write(values.iter().map(|value| value.len()), &mut lengths);
            if dictionary.len() < 1 + lengths.len() + plain_bytes {
                out.append(&mut dictionary);
                return Written {
                    dictionary: true,
                    hashes: Vec::new(),
                };
            }
        }
    }
    out.push(PLAIN);
    write_plain(values, joined, out);
    Written {
        dictionary: false,
        hashes: distinct.hashes,
    }
}

fn write_plain(values: &[&[u8]], joined: Option<&[u8]>, out: &mut Vec<u8>) {
    offsets::write(values.iter().map(|value| value.len()), out);
    match joined {
        Some(bytes) => out.extend_from_slice(bytes),
        None => values.iter().for_each(|value| out.extend_from_slice(value)),
    }
}

/// `codes` refer to `entries` in their order of arrival.
fn write_dictionary(entries: &[&[u8]], codes: &[u32], out: &mut Vec<u8>) {
    let mut order: Vec<u32> = (0..entries.len() as u32).collect();
    let entry = |id: &u32| entries.get(*id as usize).copied().unwrap_or_default();
    order.sort_unstable_by_key(entry);
    let mut rank_of = vec![0u64; entries.len()];
    for (rank, id) in order.iter().enumerate() {
        if let Some(slot) = rank_of.get_mut(*id as usize) {
            *slot = rank as u64;
        }
    }
    let sorted: Vec<&[u8]> = order.iter().map(entry).collect();
    out.push(DICTIONARY);
    out.extend_from_slice(&(sorted.len() as u32).to_le_bytes());
    write_plain(&sorted, None, out);
    let ranks = codes
        .iter()
        .map(|code| rank_of.get(*code as usize).copied().unwrap_or(0));
    let width = bitpack::width_of((entries.len() as u64).saturating_sub(1));
    bitpack::write_padded(ranks, width, out);
}

/// The distinct values of a sequence by first appearance.
struct Distinct<'a> {
    entries: Vec<&'a [u8]>,
    hashes: Vec<u64>,
    /// The entry of each value; `None` when there are more entries than a dictionary may have.
    codes: Option<Vec<u32>>,
}

impl<'a> Distinct<'a> {
    fn of(values: &[&'a [u8]]) -> Distinct<'a> {
        let slots = (values.len() * 2).next_power_of_two().max(16);
        let mut table = vec![0u32; slots];
        let mut distinct = Distinct {
            entries: Vec::new(),
            hashes: Vec::new(),
            codes: None,
        };
        let mut codes = Vec::with_capacity(values.len());
        for value in values {
            let hash = hash::of_bytes(value);
            codes.push(distinct.find_or_insert(&mut table, hash, value));
        }
        if distinct.entries.len() <= MAX_DICTIONARY {
            distinct.codes = Some(codes);
        }
        distinct
    }

    /// Slots hold the entry's number plus one; at most half of them are ever taken.
    fn find_or_insert(&mut self, table: &mut [u32], hash: u64, value: &'a [u8]) -> u32 {
        let mask = table.len() - 1;
        let mut at = hash as usize & mask;
        for _ in 0..table.len() {
            let Some(slot) = table.get_mut(at) else { break };
            if *slot == 0 {
                *slot = self.entries.len() as u32 + 1;
                self.entries.push(value);
                self.hashes.push(hash);
                return *slot - 1;
            }
            let id = *slot - 1;
            if self.hashes.get(id as usize) == Some(&hash)
                && self.entries.get(id as usize) == Some(&value)
            {
                return id;
            }
            at = (at + 1) & mask;
        }
        0
    }
}
