//! Encoded strings and byte strings: lengths and bytes, packed symbols, or codes into a sorted dictionary.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sidx_columns::{ByteStrings, ColumnError, ValueType};

use crate::alphabet;
use crate::bitpack::{self, Packed};
use crate::error::PageError;
use crate::hash;
use crate::integer::{ABSENT, check_codes};
use crate::offsets::{self, Offsets};
use crate::reader::Reader;
use crate::shared::SharedDictionary;

/// Lengths, then the bytes of all values.
pub const PLAIN: u8 = 0;
/// Distinct values in bytewise order, then a packed code per value.
pub const DICTIONARY: u8 = 1;
/// Values of one length, packed by the alphabet of each position.
pub const ALPHABET: u8 = 2;
/// A packed code per value, into a dictionary that lies outside the page.
pub const SHARED: u8 = 3;

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
    entries: Entries,
    count: usize,
    width: u32,
    codes: Bytes,
}

/// The entries of a dictionary.
#[derive(Debug, Clone)]
enum Entries {
    /// Of this page alone.
    Own(Plain),
    /// Of all pages of a column.
    Shared(Arc<SharedDictionary>),
}

/// Most bytes of packed strings of a page before they are packed.
const MAX_PACKED: usize = 64 << 20;

impl Strings {
    /// Reads `count` byte strings, which must be UTF-8 when they are `text`. `shared` is the dictionary that
    /// the page may refer to.
    pub(crate) fn open(
        reader: &mut Reader,
        count: usize,
        text: bool,
        shared: Option<&Arc<SharedDictionary>>,
    ) -> Result<Strings, PageError> {
        match reader.u8("string encoding")? {
            PLAIN => Plain::open(reader, count, text).map(Strings::Plain),
            ALPHABET => {
                let (length, bytes) = alphabet::open(reader, count, MAX_PACKED)?;
                let offsets = Offsets::fixed(length as u32, count);
                let plain = Plain { offsets, bytes };
                if text {
                    plain.check_utf8()?;
                }
                Ok(Strings::Plain(plain))
            }
            SHARED => Dictionary::open_shared(reader, count, text, shared).map(Strings::Dictionary),
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
                entries.check_order(|before, entry| before < entry)?;
                let width = bitpack::width_of(size as u64 - 1);
                let codes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
                check_codes(&codes, width, count, size)?;
                Ok(Strings::Dictionary(Dictionary {
                    entries: Entries::Own(entries),
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
                let start = cover.start as u32;
                match &plain.offsets {
                    Offsets::Fixed { length, count } => {
                        let count = range.end.min(*count).saturating_sub(range.start) as u32;
                        out.extend_rebased((1..=count).map(|index| index * length), bytes)
                    }
                    Offsets::Ends(ends) => {
                        let range = range.start..range.end.min(ends.len());
                        let ends = ends.get(range).unwrap_or_default();
                        out.extend_rebased(ends.iter().map(|end| end - start), bytes)
                    }
                }
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
            Strings::Dictionary(dictionary) => match &dictionary.entries {
                Entries::Own(entries) => entries.offsets.derived_bytes(),
                Entries::Shared(_) => 0,
            },
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

    /// Strings given by their ends in the bytes; the last end is the length of the bytes.
    pub(crate) fn of(ends: Vec<u32>, bytes: Bytes) -> Plain {
        let offsets = Offsets::Ends(ends);
        Plain { offsets, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.count()
    }

    /// Bytes of all strings, and of what finds them.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.offsets.derived_bytes()
    }

    /// The position of a value among strings that ascend.
    pub(crate) fn find(&self, value: &[u8]) -> Option<usize> {
        let at = self.partition_point(|entry| entry < value);
        (self.get(at) == Some(value)).then_some(at)
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
    pub(crate) fn check_utf8(&self) -> Result<(), PageError> {
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

    /// Entries must be in order, which makes tests of them binary searches; and, where `ordered` asks for it,
    /// distinct.
    pub(crate) fn check_order(
        &self,
        ordered: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError> {
        let descent = self
            .iter()
            .zip(self.iter().skip(1))
            .position(|(a, b)| !ordered(a, b));
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
    fn open_shared(
        reader: &mut Reader,
        count: usize,
        text: bool,
        shared: Option<&Arc<SharedDictionary>>,
    ) -> Result<Dictionary, PageError> {
        let size = reader.u32("size of the shared dictionary")? as usize;
        let fits = |shared: &&Arc<SharedDictionary>| {
            shared.len() == size && (shared.value() == ValueType::String) == text
        };
        let Some(shared) = shared.filter(fits) else {
            return Err(PageError::Field {
                what: "size of the shared dictionary",
                found: size as u64,
                limit: shared.map_or(0, |shared| shared.len() as u64),
            });
        };
        let width = bitpack::width_of(size as u64 - 1);
        let codes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
        check_codes(&codes, width, count, size)?;
        Ok(Dictionary {
            entries: Entries::Shared(Arc::clone(shared)),
            count,
            width,
            codes,
        })
    }

    pub(crate) fn entries(&self) -> &Plain {
        match &self.entries {
            Entries::Own(entries) => entries,
            Entries::Shared(shared) => shared.entries(),
        }
    }

    /// Number of values.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The dictionary outside the page that it refers to.
    pub(crate) fn shared(&self) -> Option<&Arc<SharedDictionary>> {
        match &self.entries {
            Entries::Own(_) => None,
            Entries::Shared(shared) => Some(shared),
        }
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
        self.entries().get(self.codes()?.get(index) as usize)
    }
}

/// What became of the values on writing.
pub(crate) struct Written {
    /// Whether a general compressor may make less of it.
    pub(crate) compress: bool,
    /// Hash of each distinct value, in no order; empty with a dictionary.
    pub(crate) hashes: Vec<u64>,
}

/// Appends the smaller form of the values. Cost: one hash per value, and a sort of the distinct
/// values when there are few enough for a dictionary; less where the first values do not repeat
/// and the hashes are not wanted. `joined` is all values one behind the other, where the caller has
/// them like that already.
pub(crate) fn write(
    values: &[&[u8]],
    joined: Option<&[u8]>,
    hashed: bool,
    out: &mut Vec<u8>,
) -> Written {
    let distinct = if hashed || repeats(values) {
        Distinct::of(values)
    } else {
        Distinct::default()
    };
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
                    compress: false,
                    hashes: Vec::new(),
                };
            }
        }
    }
    let packed = write_packed(values, joined, out);
    if !packed {
        out.push(PLAIN);
        write_plain(values, joined, out);
    }
    Written {
        compress: !packed,
        hashes: distinct.hashes,
    }
}

/// Whether any of the first values comes twice. Where none does, a dictionary is unlikely to win anything.
fn repeats(values: &[&[u8]]) -> bool {
    /// Of two values drawn from 16,000, a pair is among so many with a chance of 0.98.
    const SAMPLE: usize = 512;
    let sample = values.get(..SAMPLE).unwrap_or(values);
    values.len() < SAMPLE || Distinct::of(sample).entries.len() < sample.len()
}

/// Appends values of one length packed by alphabets; `false` where that is not the better form.
fn write_packed(values: &[&[u8]], joined: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let length = values.first().map_or(0, |value| value.len());
    if values.iter().any(|value| value.len() != length) {
        return false;
    }
    let start = out.len();
    out.push(ALPHABET);
    let packed = match joined {
        Some(joined) => alphabet::write(joined, length, out),
        None => alphabet::write(&values.concat(), length, out),
    };
    if !packed {
        out.truncate(start);
    }
    packed
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
#[derive(Default)]
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
