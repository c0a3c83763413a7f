//! Encoded floats: constant, scaled decimals, or raw.

use std::ops::{Bound, Range};

use bytes::Bytes;

use crate::error::PageError;
use crate::implementation::Implementation;
use crate::integer::{self, Integers};
use crate::reader::Reader;

pub(crate) mod mark;

use mark::FloatRange;

/// Eight bytes each.
pub const RAW: u8 = 0;
/// Integers divided by a power of ten.
pub const DECIMAL: u8 = 1;
/// Every value has the same bits.
pub const CONSTANT: u8 = 2;

/// Largest power of ten a decimal is divided by. Powers up to 10^22 are exact doubles.
pub const MAX_EXPONENT: u8 = 18;

/// Values tested per word of a selection.
const WORD: usize = 64;

/// Magnitudes up to 2^53 are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Floats as stored.
#[derive(Debug, Clone)]
pub(crate) enum Floats {
    Raw { bytes: Bytes, count: usize },
    Decimal { scale: f64, mantissas: Integers },
    Constant { value: f64, count: usize },
}

impl Floats {
    pub(crate) fn open(reader: &mut Reader, count: usize) -> Result<Floats, PageError> {
        match reader.u8("float encoding")? {
            RAW => {
                let bytes = reader.take("raw floats", count as u64 * 8)?;
                Ok(Floats::Raw { bytes, count })
            }
            DECIMAL => {
                let exponent = reader.u8("decimal exponent")?;
                if exponent > MAX_EXPONENT {
                    let (found, limit) = (exponent.into(), MAX_EXPONENT.into());
                    return Err(PageError::Field {
                        what: "decimal exponent",
                        found,
                        limit,
                    });
                }
                let mantissas = Integers::open(reader, count, false)?;
                Ok(Floats::Decimal {
                    scale: scale_of(exponent),
                    mantissas,
                })
            }
            CONSTANT => {
                let value = f64::from_bits(reader.u64("constant")?);
                Ok(Floats::Constant { value, count })
            }
            found => Err(PageError::Code {
                what: "float encoding",
                found,
            }),
        }
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        match self {
            Floats::Decimal { mantissas, .. } => mantissas.derived_bytes(),
            _ => 0,
        }
    }

    /// Appends the values of a range, cut to the count.
    pub(crate) fn decode(&self, range: Range<usize>, out: &mut Vec<f64>) {
        match self {
            Floats::Raw { bytes, count } => {
                let (start, end) = (range.start * 8, range.end.min(*count) * 8);
                let (values, _) = bytes.get(start..end).unwrap_or_default().as_chunks::<8>();
                out.extend(values.iter().map(|value| f64::from_le_bytes(*value)));
            }
            Floats::Decimal { scale, mantissas } => {
                let mut integers = Vec::new();
                mantissas.decode(range.start, range.end, &mut integers);
                out.extend(integers.iter().map(|mantissa| *mantissa as f64 / scale));
            }
            Floats::Constant { value, count } => {
                let length = range.end.min(*count).saturating_sub(range.start);
                out.resize(out.len() + length, *value);
            }
        }
    }

    /// Appends the value at each position, 0 beyond the last.
    pub(crate) fn gather(&self, positions: &[u32], out: &mut Vec<f64>) {
        match self {
            Floats::Raw { bytes, .. } => {
                let (values, _) = bytes.as_chunks::<8>();
                let value = |at: &u32| {
                    values
                        .get(*at as usize)
                        .map_or(0.0, |v| f64::from_le_bytes(*v))
                };
                out.extend(positions.iter().map(value));
            }
            Floats::Decimal { scale, mantissas } => {
                let mut integers = Vec::new();
                mantissas.gather(positions, &mut integers);
                out.extend(integers.iter().map(|mantissa| *mantissa as f64 / scale));
            }
            Floats::Constant { value, count } => {
                let get = |at: &u32| if (*at as usize) < *count { *value } else { 0.0 };
                out.extend(positions.iter().map(get));
            }
        }
    }

    /// Writes selection words from word `first` on: the values within bounds, never NaN.
    pub(crate) fn mark_range(
        &self,
        first: usize,
        words: &mut [u64],
        low: Bound<f64>,
        high: Bound<f64>,
    ) {
        if let Floats::Decimal { scale, mantissas } = self {
            // Dividing by the scale keeps the order of the mantissas, so the bounds become
            // bounds of mantissas, found by bisection to the last bit.
            let value = |mantissa: i64| mantissa as f64 / scale;
            let from = first_where(|mantissa| above(value(mantissa), low));
            let behind = first_where(|mantissa| !below(value(mantissa), high));
            return match (from, behind) {
                (None, _) | (_, Some(i64::MIN)) => words.fill(0),
                (Some(from), Some(behind)) => {
                    mantissas.mark_range(first, words, from, behind - 1);
                }
                (Some(from), None) => mantissas.mark_range(first, words, from, i64::MAX),
            };
        }
        if let Floats::Raw { bytes, count } = self {
            let (values, _) = bytes.as_chunks::<8>();
            let values = values.get(..*count).unwrap_or_default();
            let range = FloatRange::new(low, high);
            return range.mark(Implementation::best(), values, first, words);
        }
        self.mark_with(first, words, |value| {
            above(value, low) && below(value, high)
        });
    }

    /// Writes selection words from word `first` on by a test of each value.
    pub(crate) fn mark_with(&self, first: usize, words: &mut [u64], test: impl Fn(f64) -> bool) {
        let mut values = Vec::with_capacity(WORD);
        for (index, word) in words.iter_mut().enumerate() {
            values.clear();
            let start = (first + index) * WORD;
            self.decode(start..start + WORD, &mut values);
            *word = 0;
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(test(*value)) << bit;
            }
        }
    }
}

/// Whether a value meets a lower bound. Comparisons with NaN are false, on either side.
#[inline]
fn above(value: f64, low: Bound<f64>) -> bool {
    match low {
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
        Bound::Unbounded => !value.is_nan(),
    }
}

/// Whether a value meets an upper bound.
#[inline]
fn below(value: f64, high: Bound<f64>) -> bool {
    match high {
        Bound::Included(high) => value <= high,
        Bound::Excluded(high) => value < high,
        Bound::Unbounded => !value.is_nan(),
    }
}

/// The smallest integer for which a test holds that, once true, stays true.
fn first_where(test: impl Fn(i64) -> bool) -> Option<i64> {
    if !test(i64::MAX) {
        return None;
    }
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    while low < high {
        // The midpoint without overflow, rounded down.
        let middle = (low & high) + ((low ^ high) >> 1);
        if test(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// Appends the smallest exact form; returns whether the values were left raw.
pub(crate) fn write(values: &[f64], out: &mut Vec<u8>) -> bool {
    let first = values.first().copied().unwrap_or(0.0);
    if values
        .iter()
        .all(|value| value.to_bits() == first.to_bits())
    {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_bits().to_le_bytes());
        return false;
    }
    if let Some((exponent, mantissas)) = as_decimals(values) {
        let start = out.len();
        out.extend_from_slice(&[DECIMAL, exponent]);
        integer::write(&mantissas, false, out);
        if out.len() - start <= values.len() * 8 {
            return false;
        }
        out.truncate(start);
    }
    out.push(RAW);
    values
        .iter()
        .for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
    true
}

/// The smallest exponent at which every value is exactly an integer over a power of ten.
fn as_decimals(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut exponent = 0;
    for value in values {
        exponent = (exponent..=MAX_EXPONENT).find(|at| mantissa(*value, *at).is_some())?;
    }
    // A value that was exact at a smaller exponent need not be at the final one.
    let mantissas: Option<Vec<i64>> = values
        .iter()
        .map(|value| mantissa(*value, exponent))
        .collect();
    Some((exponent, mantissas?))
}

/// The integer that gives back exactly these bits when divided by 10^exponent.
fn mantissa(value: f64, exponent: u8) -> Option<i64> {
    let scale = scale_of(exponent);
    let scaled = (value * scale).round();
    // NaN fails the comparison, -0.0 the comparison of bits.
    if scaled.abs() <= EXACT && (scaled as i64 as f64 / scale).to_bits() == value.to_bits() {
        Some(scaled as i64)
    } else {
        None
    }
}

fn scale_of(exponent: u8) -> f64 {
    // Exact: integers up to 10^18 are products of 2^18 and 5^18, and 5^18 has 42 bits.
    10u64.pow(exponent.min(MAX_EXPONENT).into()) as f64
}
