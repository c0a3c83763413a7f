//! Values of equal length whose bytes come from small alphabets, packed position by position.
//!
//! Identifiers in hexadecimal, UUIDs and the like: each position of the value has an alphabet (often the
//! same one) and takes as many bits as its size asks for; a position with one possible byte takes none. A
//! page is unpacked when it is opened, which is faster than any general compressor.

use bytes::Bytes;

use crate::bitpack::{self, PADDING};
use crate::error::PageError;
use crate::reader::Reader;

/// Longest value, in bytes.
pub const MAX_LENGTH: usize = 1_024;

/// Most alphabets of a page.
const MAX_ALPHABETS: usize = 255;

/// Positions that hold nibbles of one alphabet are unpacked two at a time.
const PAIR: usize = 2;

/// Sixteen symbols: two of them fill a byte.
const NIBBLES: usize = 16;

/// Possible bytes of a position, ascending.
type Alphabet = Vec<u8>;

/// How the positions of all values are packed.
struct Template {
    alphabets: Vec<Alphabet>,
    /// The alphabet of each position.
    positions: Vec<u8>,
}

/// Neighbouring positions with one alphabet.
struct Stretch {
    alphabet: usize,
    width: u32,
    length: usize,
}

/// Reads what [`write`] wrote: the length of each of `count` values, and all of them one behind the other.
/// `limit` bounds their bytes.
pub(crate) fn open(
    reader: &mut Reader,
    count: usize,
    limit: usize,
) -> Result<(usize, Bytes), PageError> {
    let template = Template::open(reader)?;
    let length = template.positions.len();
    let total = count.saturating_mul(length);
    if total > limit {
        return Err(PageError::Field {
            what: "bytes of packed strings",
            found: total as u64,
            limit: limit as u64,
        });
    }
    let bits = template.bits();
    let stored = (count as u64).saturating_mul(bits).div_ceil(8) + PADDING as u64;
    let packed = reader.take("packed strings", stored)?;
    let mut bytes = Vec::with_capacity(total);
    template.unpack(&packed, count, &mut bytes)?;
    Ok((length, bytes.into()))
}

impl Template {
    fn open(reader: &mut Reader) -> Result<Template, PageError> {
        let length = reader.u32("string length")? as usize;
        if length == 0 || length > MAX_LENGTH {
            return Err(PageError::Field {
                what: "string length",
                found: length as u64,
                limit: MAX_LENGTH as u64,
            });
        }
        let count = reader.u8("alphabets")? as usize;
        let mut alphabets = Vec::with_capacity(count);
        for at in 0..count {
            let size = reader.u8("alphabet size")? as u64 + 1;
            let symbols = reader.take("alphabet", size)?.to_vec();
            if !symbols.is_sorted_by(|a, b| a < b) {
                return Err(PageError::Rule {
                    what: "alphabet out of order",
                    position: at as u64,
                });
            }
            alphabets.push(symbols);
        }
        let positions = reader.take("positions", length as u64)?.to_vec();
        if let Some(found) = positions.iter().find(|at| **at as usize >= count) {
            return Err(PageError::Field {
                what: "alphabet of a position",
                found: u64::from(*found),
                limit: count as u64,
            });
        }
        Ok(Template {
            alphabets,
            positions,
        })
    }

    fn width(&self, alphabet: u8) -> u32 {
        let size = self.alphabets.get(alphabet as usize).map_or(1, Vec::len);
        bitpack::width_of((size as u64).saturating_sub(1))
    }

    /// Bits of a value.
    fn bits(&self) -> u64 {
        let widths = self.positions.iter().map(|at| u64::from(self.width(*at)));
        widths.sum()
    }

    fn stretches(&self) -> Vec<Stretch> {
        self.positions
            .chunk_by(|a, b| a == b)
            .filter_map(|run| {
                let alphabet = *run.first()?;
                Some(Stretch {
                    alphabet: alphabet as usize,
                    width: self.width(alphabet),
                    length: run.len(),
                })
            })
            .collect()
    }

    /// Appends the bytes of `count` values.
    fn unpack(&self, packed: &[u8], count: usize, out: &mut Vec<u8>) -> Result<(), PageError> {
        let stretches = self.stretches();
        let pairs: Vec<Option<Box<Pairs>>> = stretches
            .iter()
            .map(|stretch| Pairs::of(stretch, self.alphabets.get(stretch.alphabet)?))
            .collect();
        let mut bit = 0u64;
        for value in 0..count {
            for (stretch, pairs) in stretches.iter().zip(&pairs) {
                let Some(alphabet) = self.alphabets.get(stretch.alphabet) else {
                    continue;
                };
                let bits = u64::from(stretch.width) * stretch.length as u64;
                match (alphabet.as_slice(), pairs) {
                    ([only], _) => out.resize(out.len() + stretch.length, *only),
                    (_, Some(pairs)) if bit.is_multiple_of(8) => {
                        let start = (bit / 8) as usize;
                        let nibbles = packed.get(start..start + stretch.length / PAIR);
                        pairs.unpack(nibbles.unwrap_or_default(), out);
                    }
                    (alphabet, _) => {
                        unpack_stretch(packed, bit, stretch, alphabet, out)
                            .ok_or(symbol_error(value))?;
                    }
                }
                bit += bits;
            }
        }
        Ok(())
    }
}

fn symbol_error(value: usize) -> PageError {
    PageError::Rule {
        what: "symbol outside its alphabet",
        position: value as u64,
    }
}

/// Unpacks one stretch of one value, symbol by symbol; none when a code has no symbol.
fn unpack_stretch(
    packed: &[u8],
    bit: u64,
    stretch: &Stretch,
    alphabet: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let mask = (1u64 << stretch.width) - 1;
    for at in 0..stretch.length as u64 {
        let from = bit + at * u64::from(stretch.width);
        let start = (from / 8) as usize;
        let word = packed.get(start..)?.first_chunk::<8>()?;
        let code = (u64::from_le_bytes(*word) >> (from % 8)) & mask;
        out.push(*alphabet.get(code as usize)?);
    }
    Some(())
}

/// The two symbols of every byte of nibbles.
struct Pairs([[u8; PAIR]; 256]);

impl Pairs {
    /// For stretches of an even number of nibbles that every code has a symbol for.
    fn of(stretch: &Stretch, alphabet: &[u8]) -> Option<Box<Pairs>> {
        let symbols = <&[u8; NIBBLES]>::try_from(alphabet).ok()?;
        if !stretch.length.is_multiple_of(PAIR) {
            return None;
        }
        let mut pairs = Box::new(Pairs([[0; PAIR]; 256]));
        for (byte, pair) in pairs.0.iter_mut().enumerate() {
            let symbol = |code: usize| symbols.get(code % NIBBLES).copied().unwrap_or(0);
            *pair = [symbol(byte), symbol(byte / NIBBLES)];
        }
        Some(pairs)
    }

    fn unpack(&self, nibbles: &[u8], out: &mut Vec<u8>) {
        for byte in nibbles {
            let pair = self.0.get(*byte as usize).copied().unwrap_or_default();
            out.extend_from_slice(&pair);
        }
    }
}

/// Appends the values packed, all of them as long as the first and one behind the other in `joined`;
/// `false`, and nothing appended, when a general compressor would probably make less of them.
///
/// Cost: two passes over the bytes. Gives up after a sample where that is enough to know.
pub(crate) fn write(joined: &[u8], length: usize, out: &mut Vec<u8>) -> bool {
    if length == 0 || length > MAX_LENGTH || joined.len() < SMALLEST || repeats(joined) {
        return false;
    }
    let mut histogram = [0u32; 256];
    for byte in joined.iter().take(SAMPLE) {
        if let Some(count) = histogram.get_mut(*byte as usize) {
            *count += 1;
        }
    }
    let Some(template) = Template::of(&occurring(joined, length)) else {
        return false;
    };
    let count = joined.len() / length;
    let start = out.len();
    template.write(out);
    let header_bits = (out.len() - start) as f64 * 8.0;
    let bits = template.bits() as f64 * count as f64 + header_bits;
    let part = joined.len() as f64 / joined.len().min(SAMPLE) as f64;
    let best = entropy_bits(&histogram) * part * WORSE;
    if bits > best.min(joined.len() as f64 * 8.0 * LARGEST) {
        out.truncate(start);
        return false;
    }
    template.pack(joined, out);
    true
}

/// Bytes of all values below which packing is not worth its header.
const SMALLEST: usize = 1_024;

/// Bytes that are looked at to guess what a general compressor would make of all.
const SAMPLE: usize = 8_192;

/// How much larger than the entropy of the bytes the packed form may be: a general compressor comes
/// about as near to it, and is slower to read.
const WORSE: f64 = 1.02;

/// The largest packed form that is worth unpacking, as a part of the plain one.
const LARGEST: f64 = 0.9;

/// For each position, which bytes occur there.
fn occurring(joined: &[u8], length: usize) -> Vec<[bool; 256]> {
    let mut sets = vec![[false; 256]; length];
    for value in joined.chunks_exact(length) {
        for (set, byte) in sets.iter_mut().zip(value) {
            if let Some(flag) = set.get_mut(*byte as usize) {
                *flag = true;
            }
        }
    }
    sets
}

/// Bits of an ideal code of the bytes without context.
fn entropy_bits(histogram: &[u32; 256]) -> f64 {
    let total: f64 = histogram.iter().map(|count| f64::from(*count)).sum();
    let cost = |count: &u32| f64::from(*count) * (total / f64::from(*count)).log2();
    histogram.iter().filter(|count| **count > 0).map(cost).sum()
}

/// Whether a compressor that finds repeated strings would find many: looks for windows of six bytes that
/// come twice in the first bytes. Random text of sixteen symbols has one in a thousand by chance.
fn repeats(joined: &[u8]) -> bool {
    const WINDOW: usize = 6;
    const SLOTS: usize = 1 << 14;
    let sample = joined.get(..SAMPLE.min(joined.len())).unwrap_or_default();
    let mut table = vec![0u64; SLOTS];
    let mut found = 0usize;
    for window in sample.windows(WINDOW) {
        let word = window
            .iter()
            .fold(0u64, |word, byte| word << 8 | u64::from(*byte))
            + 1;
        let slot = (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as usize % SLOTS;
        if let Some(place) = table.get_mut(slot) {
            found += usize::from(*place == word);
            *place = word;
        }
    }
    found * 16 > sample.len()
}

impl Template {
    /// The alphabets of positions whose possible bytes are flagged; none when there are too many.
    fn of(sets: &[[bool; 256]]) -> Option<Template> {
        let mut alphabets: Vec<Alphabet> = Vec::new();
        let mut positions = Vec::with_capacity(sets.len());
        for set in sets {
            let flagged = (0..=u8::MAX).zip(set).filter(|(_, flag)| **flag);
            let alphabet: Alphabet = flagged.map(|(byte, _)| byte).collect();
            let at = match alphabets.iter().position(|known| *known == alphabet) {
                Some(at) => at,
                None => {
                    alphabets.push(alphabet);
                    alphabets.len() - 1
                }
            };
            if at >= MAX_ALPHABETS {
                return None;
            }
            positions.push(at as u8);
        }
        Some(Template {
            alphabets,
            positions,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.positions.len() as u32).to_le_bytes());
        out.push(self.alphabets.len() as u8);
        for alphabet in &self.alphabets {
            out.push(alphabet.len().saturating_sub(1) as u8);
            out.extend_from_slice(alphabet);
        }
        out.extend_from_slice(&self.positions);
    }

    fn pack(&self, joined: &[u8], out: &mut Vec<u8>) {
        let codes: Vec<[u8; 256]> = self
            .alphabets
            .iter()
            .map(|alphabet| {
                let mut table = [0u8; 256];
                for (code, byte) in alphabet.iter().enumerate() {
                    if let Some(slot) = table.get_mut(*byte as usize) {
                        *slot = code as u8;
                    }
                }
                table
            })
            .collect();
        let plan: Vec<(&[u8; 256], u32)> = self
            .positions
            .iter()
            .filter_map(|at| Some((codes.get(*at as usize)?, self.width(*at))))
            .collect();
        let (mut pending, mut bits) = (0u64, 0u32);
        out.reserve(joined.len() / 2);
        for value in joined.chunks_exact(self.positions.len().max(1)) {
            for (byte, (codes, width)) in value.iter().zip(&plan) {
                let code = codes.get(*byte as usize).copied().unwrap_or(0);
                pending |= u64::from(code) << bits;
                bits += width;
                if bits >= 32 {
                    out.extend_from_slice(&(pending as u32).to_le_bytes());
                    pending >>= 32;
                    bits -= 32;
                }
            }
        }
        let rest = pending.to_le_bytes();
        out.extend(rest.into_iter().take(bits.div_ceil(8) as usize));
        out.extend_from_slice(&[0; PADDING]);
    }
}
