//! Rows of columns rearranged: picked, cut out, joined.

use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::column::{Column, MAX_ELEMENTS};
use crate::error::ColumnError;
use crate::types::ColumnType;
use crate::values::{ByteStrings, Values};

impl Column {
    /// The given rows in the given order; a row may come several times.
    ///
    /// # Errors
    /// When a row is beyond the last one, or the result would exceed a column's limits.
    pub fn take(&self, rows: &[u32]) -> Result<Column, ColumnError> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= self.rows) {
            return Err(ColumnError::Row {
                row: *row as usize,
                rows: self.rows,
            });
        }
        let presence = self
            .presence
            .as_ref()
            .map(|presence| rows.iter().map(|row| presence.get(*row as usize)).collect());
        if self.ends.is_none() {
            let values = take_slots(&self.values, rows)?;
            return Ok(Column::from_checked(
                self.kind,
                rows.len(),
                presence,
                None,
                values,
            ));
        }
        let mut values = Values::with_capacity(self.kind.value, rows.len());
        let mut ends = Vec::with_capacity(rows.len());
        for row in rows {
            values.extend_from(&self.values, self.element_range(*row as usize))?;
            ends.push(checked_elements(values.len())?);
        }
        Ok(Column::from_checked(
            self.kind,
            rows.len(),
            presence,
            Some(ends),
            values,
        ))
    }

    /// The rows of a range as a column of their own.
    ///
    /// # Errors
    /// When the range reaches beyond the last row.
    pub fn slice(&self, range: Range<usize>) -> Result<Column, ColumnError> {
        if range.end > self.rows || range.start > range.end {
            return Err(ColumnError::Row {
                row: range.end,
                rows: self.rows,
            });
        }
        let mut column = Column {
            kind: self.kind,
            rows: 0,
            presence: None,
            ends: self.kind.array.then(Vec::new),
            values: Values::with_capacity(self.kind.value, range.len()),
        };
        column.append(self, range)?;
        Ok(column)
    }

    /// The rows of several columns of one type, one behind the other.
    ///
    /// # Errors
    /// When a column is of another type, or the result would exceed a column's limits.
    pub fn concat(kind: ColumnType, columns: &[&Column]) -> Result<Column, ColumnError> {
        let rows = columns.iter().map(|column| column.rows).sum();
        let mut result = Column {
            kind,
            rows: 0,
            presence: None,
            ends: kind.array.then(|| Vec::with_capacity(rows)),
            values: Values::with_capacity(kind.value, rows),
        };
        for column in columns {
            if column.kind != kind {
                let (row, found) = (result.rows, column.kind);
                return Err(ColumnError::Type {
                    row,
                    expected: kind,
                    found,
                });
            }
            result.append(column, 0..column.rows)?;
        }
        Ok(result)
    }

    /// Appends a checked range of a column of the same type.
    fn append(&mut self, from: &Column, range: Range<usize>) -> Result<(), ColumnError> {
        if range.is_empty() {
            return Ok(());
        }
        let absent = from
            .presence
            .as_ref()
            .filter(|p| p.count_range(range.clone()) < range.len());
        if absent.is_some() && self.presence.is_none() {
            self.presence = Some(Bitmap::ones(self.rows));
        }
        if let Some(presence) = &mut self.presence {
            match absent {
                Some(source) => range.clone().for_each(|row| presence.push(source.get(row))),
                None => presence.extend_with(true, range.len()),
            }
        }
        let base = self.values.len();
        let start = from.element_range(range.start).start;
        let end = range
            .end
            .checked_sub(1)
            .map_or(start, |last| from.element_range(last).end);
        self.values
            .extend_from(&from.values, start..end.max(start))?;
        if let (Some(ends), Some(source)) = (&mut self.ends, &from.ends) {
            checked_elements(self.values.len())?;
            let source = source.get(range.clone()).unwrap_or_default();
            ends.extend(
                source
                    .iter()
                    .map(|end| (*end as usize - start + base) as u32),
            );
        }
        self.rows += range.len();
        Ok(())
    }
}

fn take_slots(values: &Values, rows: &[u32]) -> Result<Values, ColumnError> {
    // Rows are checked by the caller, so the defaults below are never used.
    Ok(match values {
        Values::Int(from) => Values::Int(
            rows.iter()
                .map(|row| *from.get(*row as usize).unwrap_or(&0))
                .collect(),
        ),
        Values::Float(from) => Values::Float(
            rows.iter()
                .map(|row| *from.get(*row as usize).unwrap_or(&0.0))
                .collect(),
        ),
        Values::Bool(from) => Values::Bool(
            rows.iter()
                .map(|row| *from.get(*row as usize).unwrap_or(&false))
                .collect(),
        ),
        Values::Bytes(from) => {
            let average = from.total_bytes() / from.len().max(1) + 1;
            let mut to = ByteStrings::with_capacity(rows.len(), rows.len() * average);
            for row in rows {
                to.push(from.get(*row as usize).unwrap_or_default())?;
            }
            Values::Bytes(to)
        }
    })
}

fn checked_elements(count: usize) -> Result<u32, ColumnError> {
    if count > MAX_ELEMENTS {
        return Err(ColumnError::TooLarge {
            what: "array elements",
            found: count as u64,
            limit: MAX_ELEMENTS as u64,
        });
    }
    Ok(count as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnBuilder, OwnedValue};
    use crate::types::ValueType;

    #[test]
    fn take_slice_and_concat_keep_rows() {
        let mut builder = ColumnBuilder::new(ColumnType::array(ValueType::String));
        for row in 0..50 {
            match row % 3 {
                0 => builder.push_absent().unwrap(),
                _ => {
                    let words = (0..row % 7).map(|n| OwnedValue::from(format!("{row}/{n}")));
                    builder.push_array(words).unwrap();
                }
            }
        }
        let column = builder.finish();
        let order: Vec<u32> = (0..50).rev().chain([7, 7]).collect();
        let taken = column.take(&order).unwrap();
        for (at, row) in order.iter().enumerate() {
            assert_eq!(taken.value(at), column.value(*row as usize));
        }
        assert!(column.take(&[50]).is_err());
        let parts: Vec<Column> = [0..0, 0..13, 13..14, 14..50]
            .into_iter()
            .map(|r| column.slice(r).unwrap())
            .collect();
        let all: Vec<&Column> = parts.iter().collect();
        assert_eq!(Column::concat(column.kind(), &all), Ok(column.clone()));
        assert!(column.slice(3..51).is_err());
        assert_eq!(
            column.slice(50..50).map(|empty| empty.values().len()),
            Ok(0)
        );
        assert_eq!(Column::absent(column.kind(), 3).present_count(), 0);
    }
}
