//! Columns to pages of a file under construction.

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_engine::Result;
use sidx_engine::host::{Codec, Piece};
use sidx_kernels::EncodedColumn;

use super::gather::SourceLists;
use super::new_file::NewFile;
use super::{Session, column_error};

impl Session {
    /// `scan.encode-pages`, with the lists wherever they are.
    pub(crate) fn encode_page_lists(
        &self,
        target: &NewFile,
        filters: Option<&NewFile>,
        source: SourceLists<'_>,
        page_bytes: u32,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.encode-pages")?;
        let column = self.gather_column(source)?;
        self.write_pages(target, filters, &column, page_bytes)
    }

    /// `scan.encode-ints`.
    pub(crate) fn encode_int_page(&self, target: &NewFile, ints: Vec<i64>) -> Result<Piece> {
        self.check_call()?;
        self.check_build("scan.encode-ints")?;
        let kind = ColumnType::scalar(ValueType::Int);
        let column =
            Column::new(kind, ints.len(), None, None, Values::Int(ints)).map_err(column_error)?;
        self.activity.wrote_rows(column.rows() as u64);
        self.write_page(target, None, &column)
    }

    fn write_pages(
        &self,
        target: &NewFile,
        filters: Option<&NewFile>,
        column: &Column,
        page_bytes: u32,
    ) -> Result<Vec<Piece>> {
        let ends = cut(column, page_bytes as usize);
        if ends.len() <= 1 {
            return Ok(vec![self.write_page(target, filters, column)?]);
        }
        let mut pieces = Vec::with_capacity(ends.len());
        let mut start = 0;
        for end in ends {
            self.check_call()?;
            let slice = column.slice(start..end).map_err(column_error)?;
            pieces.push(self.write_page(target, filters, &slice)?);
            start = end;
        }
        Ok(pieces)
    }

    /// Writes one page and its filter, then waits as long as the rate of the call asks.
    fn write_page(
        &self,
        target: &NewFile,
        filters: Option<&NewFile>,
        column: &Column,
    ) -> Result<Piece> {
        let piece = encode_page(target, filters, column)?;
        let filter_bytes = piece.filter.map_or(0, |filter| filter.stored_bytes);
        self.pace(u64::from(piece.extent.stored_bytes) + u64::from(filter_bytes))?;
        Ok(piece)
    }
}

/// The end of each page, so that a page has about `page_bytes` of values and at least one row.
fn cut(column: &Column, page_bytes: usize) -> Vec<usize> {
    let rows = column.rows();
    let mut ends = Vec::new();
    if column.size_bytes() > page_bytes {
        let (mut start, mut bytes) = (0, 0usize);
        for row in 0..rows {
            let added = row_bytes(column, row);
            if row > start && bytes.saturating_add(added) > page_bytes {
                ends.push(row);
                (start, bytes) = (row, 0);
            }
            bytes = bytes.saturating_add(added);
        }
    }
    ends.push(rows);
    ends
}

fn row_bytes(column: &Column, row: usize) -> usize {
    let range = column.element_range(row);
    match column.values() {
        Values::Int(_) | Values::Float(_) => range.len() * 8,
        Values::Bool(_) => range.len(),
        Values::Bytes(strings) => {
            let ends = strings.ends();
            let at = |end: usize| {
                end.checked_sub(1)
                    .and_then(|i| ends.get(i))
                    .copied()
                    .unwrap_or(0)
            };
            // An empty value still takes a length.
            (at(range.end) - at(range.start).min(at(range.end))) as usize + range.len()
        }
    }
}

fn encode_page(target: &NewFile, filters: Option<&NewFile>, column: &Column) -> Result<Piece> {
    // A filter is the dearest part of a page: it is made only where it is kept.
    let encoded = match filters {
        Some(_) => sidx_kernels::encode(column),
        None => sidx_kernels::encode_unfiltered(column),
    };
    let EncodedColumn {
        page,
        compress,
        membership,
        stats,
    } = encoded.map_err(column_error)?;
    let codec = if compress { Codec::Zstd } else { Codec::None };
    let extent = target.append_page(&page, codec)?;
    let filter = match (filters, membership) {
        (Some(file), Some(page)) => Some(file.append_page(&page, Codec::None)?),
        _ => None,
    };
    Ok(Piece {
        rows: stats.rows,
        present: stats.present,
        extent,
        filter,
        limits: stats.range,
    })
}

#[cfg(test)]
mod tests {
    use sidx_columns::ColumnBuilder;

    use super::*;

    fn strings(lengths: &[usize]) -> Column {
        let mut builder = ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes));
        for length in lengths {
            builder.push_bytes(&vec![7; *length]).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn pages_are_cut_by_bytes_and_hold_at_least_one_row() {
        assert_eq!(cut(&strings(&[10; 4]), 1 << 20), [4]);
        assert_eq!(cut(&strings(&[99; 4]), 200), [2, 4]);
        assert_eq!(cut(&strings(&[500, 1, 500]), 10), [1, 2, 3]);
        assert_eq!(cut(&strings(&[0; 300]), 100), [100, 200, 300]);
        assert_eq!(cut(&strings(&[]), 0), [0]);
    }
}
