//! Columns to pages of a file under construction.

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_kernels::EncodedColumn;

use crate::error::Error;
use crate::gather::{self, Source};
use crate::pages::Pages;
use crate::sink::PageSink;
use crate::stored::{Codec, Piece};

/// Gathers a column and writes it as pages of about `page_bytes` of values, each with its membership filter
/// where there is a file for them and it pays.
pub fn encode<P, S>(
    pages: &P,
    target: &S,
    filters: Option<&S>,
    source: Source<'_>,
    page_bytes: u32,
) -> Result<Vec<Piece>, P::Error>
where
    P: Pages,
    S: PageSink<Error = P::Error>,
{
    let column = gather::column(pages, source)?;
    let ends = cut(&column, page_bytes as usize);
    if ends.len() <= 1 {
        return Ok(vec![write_page(target, filters, &column)?]);
    }
    let mut pieces = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        pages.check()?;
        let slice = column.slice(start..end).map_err(Error::from)?;
        pieces.push(write_page(target, filters, &slice)?);
        start = end;
    }
    Ok(pieces)
}

/// Writes ints as one page.
pub fn encode_ints<S: PageSink>(target: &S, ints: Vec<i64>) -> Result<Piece, S::Error> {
    write_page(target, None, &self::ints(ints)?)
}

/// A column of ints, which every row has.
pub(crate) fn ints(ints: Vec<i64>) -> Result<Column, Error> {
    let kind = ColumnType::scalar(ValueType::Int);
    Ok(Column::new(
        kind,
        ints.len(),
        None,
        None,
        Values::Int(ints),
    )?)
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

/// Writes one page and its filter, then waits as long as the rate of the call asks.
fn write_page<S: PageSink>(
    target: &S,
    filters: Option<&S>,
    column: &Column,
) -> Result<Piece, S::Error> {
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
    } = encoded.map_err(Error::from)?;
    let codec = if compress { Codec::Zstd } else { Codec::None };
    let extent = target.append(&page, codec)?;
    let filter = match (filters, membership) {
        (Some(file), Some(bytes)) => Some(file.append(&bytes, Codec::None)?),
        _ => None,
    };
    let filter_bytes = filter.map_or(0, |filter| filter.stored_bytes);
    target.pace(u64::from(extent.stored_bytes) + u64::from(filter_bytes))?;
    Ok(Piece::of(stats, extent, filter))
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
