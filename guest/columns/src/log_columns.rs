//! Columns as plain bytes for the write-ahead log: exact, fast, and checked when read back.

use crate::bitmap::Bitmap;
use crate::column::Column;
use crate::error::LogColumnsError;
use crate::types::{ColumnType, ValueType};
use crate::values::{ByteStrings, Values};

/// Layout this crate writes and reads; the first byte in front of the columns.
pub const LAYOUT: u8 = 1;

/// Presence of a column: every row.
pub const PRESENCE_ALL: u8 = 0;
/// Presence of a column: a bitmap follows.
pub const PRESENCE_BITMAP: u8 = 1;

/// Appends columns, each with its own number of rows. Cost: one copy of the values.
pub fn write(columns: &[&Column], out: &mut Vec<u8>) {
    out.reserve(
        5 + columns
            .iter()
            .map(|column| column.size_bytes())
            .sum::<usize>(),
    );
    out.push(LAYOUT);
    out.extend_from_slice(&(columns.len() as u32).to_le_bytes());
    for column in columns {
        write_column(column, out);
    }
}

fn write_column(column: &Column, out: &mut Vec<u8>) {
    out.push(column.kind().code());
    out.extend_from_slice(&(column.rows() as u32).to_le_bytes());
    match column.presence() {
        None => out.push(PRESENCE_ALL),
        Some(presence) => {
            out.push(PRESENCE_BITMAP);
            presence
                .words()
                .iter()
                .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        }
    }
    if let Some(ends) = column.ends() {
        ends.iter()
            .for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
    }
    match column.values() {
        Values::Int(values) => {
            values
                .iter()
                .for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        Values::Float(values) => {
            let bits = values.iter().map(|value| value.to_bits());
            bits.for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
        }
        Values::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        Values::Bytes(values) => {
            values
                .ends()
                .iter()
                .for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
            out.extend_from_slice(values.bytes());
        }
    }
}

/// Reads what [`write()`] wrote. Memory stays within a small multiple of the bytes given.
///
/// # Errors
/// When the bytes end early, go on behind the last column, or a column breaks a rule.
pub fn read(bytes: &[u8]) -> Result<Vec<Column>, LogColumnsError> {
    let mut input = Input {
        all: bytes,
        position: 0,
    };
    let layout = input.u8("columns layout")?;
    if layout != LAYOUT {
        return Err(LogColumnsError::Code {
            what: "columns layout",
            found: layout,
        });
    }
    let count = input.u32("columns")?;
    let mut columns = Vec::new();
    for _ in 0..count {
        columns.push(read_column(&mut input)?);
    }
    match bytes.len() - input.position {
        0 => Ok(columns),
        bytes => Err(LogColumnsError::Rest { bytes }),
    }
}

fn read_column(input: &mut Input<'_>) -> Result<Column, LogColumnsError> {
    let found = input.u8("column type")?;
    let what = "column type";
    let kind = ColumnType::from_code(found).ok_or(LogColumnsError::Code { what, found })?;
    let rows = input.u32("rows")? as usize;
    let presence = match input.u8("presence")? {
        PRESENCE_ALL => None,
        PRESENCE_BITMAP => {
            let words = input.chunks::<8>("presence bitmap", rows.div_ceil(64))?;
            let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
            Some(Bitmap::from_words(words, rows).unwrap_or_default())
        }
        found => {
            return Err(LogColumnsError::Code {
                what: "presence",
                found,
            });
        }
    };
    let ends = if kind.array {
        Some(input.ends("array ends", rows)?)
    } else {
        None
    };
    let count = match &ends {
        Some(ends) => ends.last().map_or(0, |end| *end as usize),
        None => rows,
    };
    let values = read_values(input, kind.value, count)?;
    Ok(Column::new(kind, rows, presence, ends, values)?)
}

fn read_values(
    input: &mut Input<'_>,
    value: ValueType,
    count: usize,
) -> Result<Values, LogColumnsError> {
    Ok(match value {
        ValueType::Int | ValueType::Timestamp => {
            let slots = input.chunks::<8>("integers", count)?;
            Values::Int(slots.iter().map(|slot| i64::from_le_bytes(*slot)).collect())
        }
        ValueType::Float => {
            let slots = input.chunks::<8>("floats", count)?;
            Values::Float(slots.iter().map(|slot| f64::from_le_bytes(*slot)).collect())
        }
        ValueType::Bool => {
            let slots = input.chunks::<1>("booleans", count)?;
            if let Some(position) = slots.iter().position(|[slot]| *slot > 1) {
                return Err(LogColumnsError::Boolean { position });
            }
            Values::Bool(slots.iter().map(|[slot]| *slot == 1).collect())
        }
        ValueType::String | ValueType::Bytes => {
            let ends = input.ends("string ends", count)?;
            let length = ends.last().map_or(0, |end| *end as usize);
            let bytes = input
                .chunks::<1>("string bytes", length)?
                .as_flattened()
                .to_vec();
            Values::Bytes(ByteStrings::new(ends, bytes)?)
        }
    })
}

/// What is left to read.
struct Input<'a> {
    all: &'a [u8],
    position: usize,
}

impl<'a> Input<'a> {
    /// The next `count` fields of `N` bytes, once they are known to be there.
    fn chunks<const N: usize>(
        &mut self,
        what: &'static str,
        count: usize,
    ) -> Result<&'a [[u8; N]], LogColumnsError> {
        let rest = self.all.get(self.position..).unwrap_or_default();
        let needed = count as u64 * N as u64;
        if needed > rest.len() as u64 {
            let (offset, available) = (self.position, rest.len());
            return Err(LogColumnsError::Truncated {
                what,
                offset,
                needed,
                available,
            });
        }
        let (chunks, _) = rest
            .get(..needed as usize)
            .unwrap_or_default()
            .as_chunks::<N>();
        self.position += needed as usize;
        Ok(chunks)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, LogColumnsError> {
        Ok(self.chunks::<1>(what, 1)?.first().map_or(0, |[byte]| *byte))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, LogColumnsError> {
        Ok(self
            .chunks::<4>(what, 1)?
            .first()
            .map_or(0, |field| u32::from_le_bytes(*field)))
    }

    fn ends(&mut self, what: &'static str, count: usize) -> Result<Vec<u32>, LogColumnsError> {
        Ok(self
            .chunks::<4>(what, count)?
            .iter()
            .map(|end| u32::from_le_bytes(*end))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::column::{ColumnBuilder, OwnedValue};

    fn value(r: &mut SmallRng, kind: ValueType) -> OwnedValue {
        match kind {
            ValueType::Int => OwnedValue::Int(r.random()),
            ValueType::Timestamp => OwnedValue::Timestamp(r.random()),
            ValueType::Bool => OwnedValue::Bool(r.random()),
            ValueType::Float => OwnedValue::Float(f64::from_bits(r.random())),
            ValueType::String => {
                let text = ["", "é", "日本", "a", "zz"][r.random_range(0..5)];
                OwnedValue::String(text.to_owned())
            }
            ValueType::Bytes => {
                OwnedValue::Bytes((0..r.random_range(0..33)).map(|_| r.random()).collect())
            }
        }
    }

    fn column(r: &mut SmallRng, kind: ColumnType, rows: usize, share: f64) -> Column {
        let mut builder = ColumnBuilder::new(kind);
        for _ in 0..rows {
            if !r.random_bool(share) {
                builder.push_absent().unwrap();
            } else if kind.array {
                let count = r.random_range(0..4);
                let elements: Vec<_> = (0..count).map(|_| value(r, kind.value)).collect();
                builder.push_array(elements).unwrap();
            } else {
                builder.push_value(&value(r, kind.value)).unwrap();
            }
        }
        builder.finish()
    }

    #[test]
    fn columns_return_exactly() {
        let mut r = SmallRng::seed_from_u64(14);
        let scalars = ValueType::ALL.into_iter().map(ColumnType::scalar);
        let columns: Vec<Column> = scalars
            .chain(ValueType::ALL.into_iter().map(ColumnType::array))
            .flat_map(|kind| {
                [(0, 1.0), (70, 1.0), (70, 0.5)].map(|(rows, share)| (kind, rows, share))
            })
            .map(|(kind, rows, share)| column(&mut r, kind, rows, share))
            .collect();
        let mut bytes = Vec::new();
        write(&columns.iter().collect::<Vec<_>>(), &mut bytes);
        assert_eq!(read(&bytes).unwrap(), columns);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << r.random_range(0..8);
            let _ = read(&bad);
        }
        assert!(read(&[1, 0, 0, 0, 0, 0]).is_err());
        assert_eq!(read(&[1, 0, 0, 0, 0]), Ok(vec![]));
    }
}
