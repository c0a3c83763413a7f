//! Encoded booleans: constant, or one bit each.

use sidx_columns::{Bitmap, bitmap::for_words};

use crate::error::PageError;
use crate::reader::Reader;

/// Every value is false.
pub const ALL_FALSE: u8 = 0;
/// Every value is true.
pub const ALL_TRUE: u8 = 1;
/// One bit per value in 64-bit words.
pub const BITS: u8 = 2;

/// Booleans as stored.
#[derive(Debug, Clone)]
pub(crate) enum Booleans {
    Constant { value: bool, count: usize },
    Bits(Bitmap),
}

impl Booleans {
    pub(crate) fn open(reader: &mut Reader, count: usize) -> Result<Booleans, PageError> {
        match reader.u8("boolean encoding")? {
            ALL_FALSE => Ok(Booleans::Constant {
                value: false,
                count,
            }),
            ALL_TRUE => Ok(Booleans::Constant { value: true, count }),
            BITS => {
                let words = reader.words("boolean bits", count)?;
                Ok(Booleans::Bits(
                    Bitmap::from_words(words, count).unwrap_or_default(),
                ))
            }
            found => Err(PageError::Code {
                what: "boolean encoding",
                found,
            }),
        }
    }

    /// Value `index`; false beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> bool {
        match self {
            Booleans::Constant { value, count } => *value && index < *count,
            Booleans::Bits(bits) => bits.get(index),
        }
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        match self {
            Booleans::Constant { .. } => 0,
            Booleans::Bits(bits) => bits.size_bytes(),
        }
    }

    /// Writes selection words from word `first` on: the values equal to `wanted`.
    pub(crate) fn mark(&self, first: usize, words: &mut [u64], wanted: bool) {
        words.fill(0);
        let count = match self {
            Booleans::Constant { value, .. } if *value != wanted => return,
            Booleans::Constant { count, .. } => *count,
            Booleans::Bits(bits) => bits.len(),
        };
        let end = count.saturating_sub(first * 64).min(words.len() * 64);
        for_words(0, end, |index, mask| {
            let stored = match self {
                Booleans::Constant { .. } => mask,
                Booleans::Bits(bits) => {
                    let word = bits.words().get(first + index).copied().unwrap_or(0);
                    if wanted { word } else { !word }
                }
            };
            if let Some(word) = words.get_mut(index) {
                *word = stored & mask;
            }
        });
    }
}

/// Appends the smallest form.
pub(crate) fn write(values: &[bool], out: &mut Vec<u8>) {
    let trues = values.iter().filter(|value| **value).count();
    if trues == 0 {
        return out.push(ALL_FALSE);
    }
    if trues == values.len() {
        return out.push(ALL_TRUE);
    }
    out.push(BITS);
    let bits: Bitmap = values.iter().copied().collect();
    bits.words()
        .iter()
        .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}
