//! Choosing and writing the smallest form of a sequence of byte strings.

use crate::bitpack;
use crate::hash;
use crate::offsets;
use crate::string::dictionary::MAX_DICTIONARY;
use crate::string::{ALPHABET, DICTIONARY, PLAIN, alphabet};

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
