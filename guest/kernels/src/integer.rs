//! Encoded integers: constant, progression, offsets from the smallest, dictionary, or delta in groups.

use bytes::Bytes;

use crate::bitpack::{self, Packed};
use crate::error::PageError;
use crate::implementation::Implementation;
use crate::reader::Reader;

pub(crate) mod delta;
mod encode;
pub(crate) mod mark;

use delta::Delta;
pub(crate) use encode::write;

/// Every value is the same.
pub const CONSTANT: u8 = 0;
/// Each value is the one before plus a fixed step.
pub const PROGRESSION: u8 = 1;
/// Offsets from the smallest value, bit-packed.
pub const OFFSET: u8 = 2;
/// Differences in groups of 128, bit-packed per group.
pub const DELTA: u8 = 3;
/// Up to 256 distinct values and packed codes.
pub const DICTIONARY: u8 = 4;

/// Most entries of an integer dictionary.
pub const MAX_DICTIONARY: usize = 256;

/// Marks a row without a value in a list of positions to gather.
pub(crate) const ABSENT: u32 = u32::MAX;

/// Values decoded at a time when no kernel works on the packed form.
const CHUNK: usize = 64;

/// Integers as stored, with O(1) access to each (O(128) in the delta form).
#[derive(Debug, Clone)]
pub(crate) struct Integers {
    count: usize,
    form: Form,
}

/// The stored form.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    Constant(i64),
    Progression {
        first: i64,
        step: i64,
    },
    Offset {
        base: i64,
        width: u32,
        bytes: Bytes,
    },
    Delta(Delta),
    Dictionary {
        entries: Vec<i64>,
        width: u32,
        bytes: Bytes,
    },
}

impl Form {
    /// A constant in disguise as a constant. Writers make none; a hostile page could use one to
    /// declare millions of values in a few bytes and have them decoded one by one.
    fn simplified(self) -> Form {
        match self {
            Form::Progression { first, step: 0 } => Form::Constant(first),
            Form::Offset { base, width: 0, .. } => Form::Constant(base),
            Form::Dictionary {
                entries, width: 0, ..
            } => Form::Constant(entries.first().copied().unwrap_or(0)),
            form => form,
        }
    }
}

impl Integers {
    /// Reads `count` integers. `nested` refuses the delta form, whose own directory is made of
    /// the other forms.
    pub(crate) fn open(
        reader: &mut Reader,
        count: usize,
        nested: bool,
    ) -> Result<Integers, PageError> {
        let form = match reader.u8("integer encoding")? {
            CONSTANT => Form::Constant(reader.i64("constant")?),
            PROGRESSION => Form::Progression {
                first: reader.i64("progression start")?,
                step: reader.i64("progression step")?,
            },
            OFFSET => {
                let base = reader.i64("offset base")?;
                let (width, bytes) = read_packed(reader, count)?;
                // A sum beyond 64 bits would read as another value than the one that tests see.
                let room = i64::MAX.abs_diff(base);
                check_packed(&bytes, width, count, room, "value beyond 64 bits")?;
                Form::Offset { base, width, bytes }
            }
            DICTIONARY => read_dictionary(reader, count)?,
            DELTA if !nested => Form::Delta(Delta::open(reader, count)?),
            found => {
                return Err(PageError::Code {
                    what: "integer encoding",
                    found,
                });
            }
        };
        Ok(Integers {
            count,
            form: form.simplified(),
        })
    }

    /// Codes as they are, for pages that are never stored.
    pub(crate) fn of_codes(codes: &[u32]) -> Integers {
        let mut bytes = Vec::with_capacity(codes.len() * 4 + bitpack::PADDING);
        codes
            .iter()
            .for_each(|code| bytes.extend_from_slice(&code.to_le_bytes()));
        bytes.extend_from_slice(&[0; bitpack::PADDING]);
        Integers {
            count: codes.len(),
            form: Form::Offset {
                base: 0,
                width: u32::BITS,
                bytes: bytes.into(),
            },
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Heap bytes beyond the page itself.
    pub(crate) fn derived_bytes(&self) -> usize {
        match &self.form {
            Form::Delta(delta) => delta.derived_bytes(),
            Form::Dictionary { entries, .. } => entries.len() * 8,
            _ => 0,
        }
    }

    /// The packed values; `open` checked their length, so `None` does not happen.
    pub(crate) fn packed<'a>(&self, bytes: &'a Bytes, width: u32) -> Option<Packed<'a>> {
        Packed::new(bytes, width, self.count)
    }

    /// Value `index`; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<i64> {
        if index >= self.count {
            return None;
        }
        match &self.form {
            Form::Constant(value) => Some(*value),
            Form::Progression { first, step } => Some(nth(*first, *step, index)),
            Form::Offset { base, width, bytes } => {
                Some(base.wrapping_add(self.packed(bytes, *width)?.get(index) as i64))
            }
            Form::Delta(delta) => delta.get(index),
            Form::Dictionary {
                entries,
                width,
                bytes,
            } => entries
                .get(self.packed(bytes, *width)?.get(index) as usize)
                .copied(),
        }
    }

    /// Appends the values of `start..end`, cut to the count.
    pub(crate) fn decode(&self, start: usize, end: usize, out: &mut Vec<i64>) {
        let end = end.min(self.count);
        if start >= end {
            return;
        }
        match &self.form {
            Form::Constant(value) => out.resize(out.len() + (end - start), *value),
            Form::Progression { first, step } => {
                out.extend((start..end).map(|index| nth(*first, *step, index)));
            }
            Form::Offset { base, width, bytes } => {
                if let Some(packed) = self.packed(bytes, *width) {
                    packed.decode(start, end, *base, out);
                }
            }
            Form::Delta(delta) => delta.decode(Implementation::best(), start, end, out),
            Form::Dictionary {
                entries,
                width,
                bytes,
            } => {
                if let Some(packed) = self.packed(bytes, *width) {
                    let first = out.len();
                    packed.decode(start, end, 0, out);
                    for code in out.get_mut(first..).unwrap_or_default() {
                        *code = entries.get(*code as usize).copied().unwrap_or(0);
                    }
                }
            }
        }
    }

    /// Appends the value at each position, 0 for [`ABSENT`] and beyond the last.
    pub(crate) fn gather(&self, positions: &[u32], out: &mut Vec<i64>) {
        out.reserve(positions.len());
        let with = Implementation::best();
        match &self.form {
            Form::Delta(delta) => delta.gather(positions, out),
            Form::Offset { base, width, bytes } => {
                if let Some(packed) = self.packed(bytes, *width) {
                    packed.gather_with(with, positions, *base, out);
                }
            }
            Form::Dictionary {
                entries,
                width,
                bytes,
            } => {
                let Some(packed) = self.packed(bytes, *width) else {
                    return;
                };
                let first = out.len();
                // Codes become positions themselves, 0 for what has none.
                packed.gather_with(with, positions, 1, out);
                for code in out.get_mut(first..).unwrap_or_default() {
                    let entry = code
                        .checked_sub(1)
                        .and_then(|code| entries.get(code as usize));
                    *code = entry.copied().unwrap_or(0);
                }
            }
            _ => out.extend(
                positions
                    .iter()
                    .map(|at| self.get(*at as usize).unwrap_or(0)),
            ),
        }
    }

    /// The same as [`Integers::lower_bound`] where the value before `end` is known to be `last`, at least
    /// `key`.
    pub(crate) fn lower_bound_below(&self, start: usize, end: usize, last: i64, key: i64) -> usize {
        if let Form::Delta(delta) = &self.form
            && let Some(row) = end.checked_sub(1)
            && let Some(found) = delta.step_down(row, last, start, key)
        {
            return found;
        }
        self.lower_bound(start, end, key)
    }

    /// First position in `start..end` whose value is at least `key`, or `end`. The values there
    /// must ascend; otherwise the answer is some position of the range.
    pub(crate) fn lower_bound(&self, start: usize, end: usize, key: i64) -> usize {
        let end = end.min(self.count);
        let (mut low, mut high) = (start, end);
        if let Form::Delta(delta) = &self.form {
            (low, high) = delta.narrow(start, end, key);
            let mut values = Vec::with_capacity(high.saturating_sub(low));
            delta.decode(Implementation::best(), low, high, &mut values);
            return low + values.partition_point(|value| *value < key);
        }
        if let Form::Offset { base, width, bytes } = &self.form
            && let Some(packed) = self.packed(bytes, *width)
        {
            // Stored values never wrap past i64::MAX, so their order is that of the offsets.
            return match key.checked_sub(*base) {
                Some(least) if least <= 0 => start,
                None if key < *base => start,
                _ => packed.lower_bound(start, end, key.wrapping_sub(*base).cast_unsigned()),
            };
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|value| value < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// First position in `start..end` whose value exceeds `key`, or `end`.
    pub(crate) fn upper_bound(&self, start: usize, end: usize, key: i64) -> usize {
        match key.checked_add(1) {
            Some(next) => self.lower_bound(start, end, next),
            None => end.min(self.count),
        }
    }
}

#[inline]
fn nth(first: i64, step: i64, index: usize) -> i64 {
    first.wrapping_add(step.wrapping_mul(index as i64))
}

/// Reads a width and the packed values behind it.
fn read_packed(reader: &mut Reader, count: usize) -> Result<(u32, Bytes), PageError> {
    let width = u32::from(reader.u8("bit width")?);
    if width > u64::BITS {
        return Err(PageError::Field {
            what: "bit width",
            found: width.into(),
            limit: 64,
        });
    }
    let bytes = reader.take("packed values", bitpack::packed_bytes(count, width))?;
    Ok((width, bytes))
}

fn read_dictionary(reader: &mut Reader, count: usize) -> Result<Form, PageError> {
    let size = usize::from(reader.u8("integer dictionary size")?) + 1;
    let mut entries = Vec::with_capacity(size);
    for position in 0..size {
        let entry = reader.i64("integer dictionary entry")?;
        if entries.last().is_some_and(|before| *before >= entry) {
            let what = "integer dictionary out of order";
            return Err(PageError::Rule {
                what,
                position: position as u64,
            });
        }
        entries.push(entry);
    }
    let width = bitpack::width_of(size as u64 - 1);
    let bytes = reader.take("packed codes", bitpack::packed_bytes(count, width))?;
    check_codes(&bytes, width, count, size)?;
    Ok(Form::Dictionary {
        entries,
        width,
        bytes,
    })
}

/// Checks once that every code is below the dictionary's size.
pub(crate) fn check_codes(
    bytes: &[u8],
    width: u32,
    count: usize,
    size: usize,
) -> Result<(), PageError> {
    let last = (size as u64).saturating_sub(1);
    check_packed(bytes, width, count, last, "code beyond the dictionary")
}

/// Checks that no packed value is above `most`. Cost: one pass, and none where the width alone
/// keeps them below.
fn check_packed(
    bytes: &[u8],
    width: u32,
    count: usize,
    most: u64,
    what: &'static str,
) -> Result<(), PageError> {
    let largest = if width == 0 {
        0
    } else {
        u64::MAX >> (u64::BITS - width)
    };
    if count == 0 || largest <= most {
        return Ok(());
    }
    let packed = Packed::new(bytes, width, count);
    let packed = packed.ok_or(PageError::Rule {
        what: "packed values",
        position: 0,
    })?;
    let mut words = [0u64; 16];
    let step = words.len() * CHUNK;
    for start in (0..count).step_by(step) {
        // `most` is below `largest`, so neither sum nor difference overflows.
        packed.mark_range(start / CHUNK, &mut words, most + 1, largest - most - 1);
        if let Some(word) = words.iter().position(|word| *word != 0) {
            return Err(PageError::Rule {
                what,
                position: (start + word * CHUNK) as u64,
            });
        }
    }
    Ok(())
}
