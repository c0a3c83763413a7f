//! Columns to pages as they are, for parts that stay in memory until they are flushed: no search for the
//! smallest form and no dictionary, because making them costs more than they save in so short a life.

use sidx_columns::{Column, ColumnError, Values};

use crate::bitpack::{PADDING, width_of};
use crate::boolean;
use crate::float;
use crate::integer::{CONSTANT, OFFSET};
use crate::page::encode::{begin, present};
use crate::stats::{ColumnStats, ValueRange};
use crate::string;

/// Appends a column as a page, readable by [`Page::open`](crate::page::Page::open), and returns its counts
/// and range. Integers take whole bytes each, floats and strings are stored as they are. Cost: two passes
/// over the values, one of which copies them.
///
/// # Errors
/// When the column has more than 2^24 rows or 2^26 elements.
pub fn encode_plain(column: &Column, out: &mut Vec<u8>) -> Result<ColumnStats, ColumnError> {
    let stats = ColumnStats::of(column);
    begin(column, column.kind(), &stats, out)?;
    match column.values() {
        Values::Int(values) => {
            let values = present(column, values);
            match stats.range {
                ValueRange::Int { min, max } => write_ints(&values, min, max, out),
                _ => write_ints(&values, 0, 0, out),
            }
        }
        Values::Float(values) => {
            out.push(float::RAW);
            let values = present(column, values);
            let bits = values.iter().map(|value| value.to_bits());
            bits.for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
        }
        Values::Bool(values) => boolean::write(&present(column, values), out),
        Values::Bytes(values) => {
            out.push(string::PLAIN);
            if column.kind().array || column.presence().is_none() {
                write_lengths(values.ends(), out);
                out.extend_from_slice(values.bytes());
            } else {
                let slots: Vec<&[u8]> = values.iter().collect();
                let slots = present(column, &slots);
                let end = |sum: &mut u32, slot: &&[u8]| {
                    *sum = sum.saturating_add(slot.len() as u32);
                    Some(*sum)
                };
                let ends: Vec<u32> = slots.iter().scan(0, end).collect();
                write_lengths(&ends, out);
                slots.iter().for_each(|slot| out.extend_from_slice(slot));
            }
        }
    }
    Ok(stats)
}

/// Integers between two bounds, both of which occur: each takes the bytes of the largest distance.
fn write_ints(values: &[i64], min: i64, max: i64, out: &mut Vec<u8>) {
    if min == max {
        out.push(CONSTANT);
        out.extend_from_slice(&min.to_le_bytes());
        return;
    }
    let span = max.wrapping_sub(min).cast_unsigned();
    let distances = values
        .iter()
        .map(|value| value.wrapping_sub(min).cast_unsigned());
    write_offset(min, span, distances, out);
}

fn write_lengths(ends: &[u32], out: &mut Vec<u8>) {
    let mut start = 0;
    let lengths = ends.iter().map(|end| {
        let length = end.saturating_sub(start);
        start = *end;
        length
    });
    let lengths: Vec<u32> = lengths.collect();
    let least = lengths.iter().min().copied().unwrap_or(0);
    let most = lengths.iter().max().copied().unwrap_or(0);
    if least == most {
        out.push(CONSTANT);
        out.extend_from_slice(&i64::from(least).to_le_bytes());
        return;
    }
    let distances = lengths.iter().map(|length| u64::from(length - least));
    write_offset(least.into(), (most - least).into(), distances, out);
}

/// The offset form with a width of whole bytes.
fn write_offset(
    base: i64,
    span: u64,
    distances: impl ExactSizeIterator<Item = u64>,
    out: &mut Vec<u8>,
) {
    let bytes = width_of(span).div_ceil(8) as usize;
    out.push(OFFSET);
    out.extend_from_slice(&base.to_le_bytes());
    out.push(bytes as u8 * 8);
    let mut at = out.len();
    out.resize(at + distances.len() * bytes + PADDING, 0);
    for distance in distances {
        // The zero bytes above the width fall on the slots that follow, which are written later, or on
        // the padding.
        if let Some(slot) = out.get_mut(at..at + 8) {
            slot.copy_from_slice(&distance.to_le_bytes());
        }
        at += bytes;
    }
}

#[cfg(test)]
mod tests {
    use sidx_columns::{ColumnType, ValueType};

    use super::*;
    use crate::gather::{Source, gather};
    use crate::page::Page;
    use crate::samples;

    fn returns(column: &Column) {
        let mut page = vec![7; 3];
        let stats = encode_plain(column, &mut page).unwrap();
        assert_eq!(stats, ColumnStats::of(column));
        let page = Page::open(page.split_off(3).into()).unwrap();
        assert_eq!((page.kind(), page.rows()), (column.kind(), stats.rows));
        let rows: Vec<u32> = (0..stats.rows).collect();
        let source = Source {
            pages: &vec![Some(&page); rows.len()],
            rows: &rows,
        };
        let found = gather(column.kind(), source).unwrap();
        for row in 0..column.rows() {
            // As text, because NaN equals nothing.
            let (found, given) = (found.value(row), column.value(row));
            assert_eq!(format!("{found:?}"), format!("{given:?}"), "row {row}");
        }
    }

    #[test]
    fn samples_of_every_kind_return() {
        let mut random = samples::random(11);
        for kind in samples::kinds() {
            for shape in 0..samples::SHAPES {
                for rows in [0, 1, 2, 63, 64, 300] {
                    for share in [0.0, 0.5, 1.0] {
                        returns(&samples::column(&mut random, kind, shape, rows, share));
                    }
                }
            }
        }
    }

    #[test]
    fn integers_of_every_span_return() {
        let kind = ColumnType::scalar(ValueType::Int);
        for bits in 0..64 {
            for base in [0, -1, i64::MIN, 77] {
                let top = ((1u64 << bits) - 1).cast_signed().saturating_add(base);
                let values = vec![base, top, base, top.wrapping_sub(1).max(base)];
                returns(&Column::new(kind, 4, None, None, Values::Int(values)).unwrap());
            }
        }
        let values = vec![i64::MIN, i64::MAX, 0];
        returns(&Column::new(kind, 3, None, None, Values::Int(values)).unwrap());
    }
}
