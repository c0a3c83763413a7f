//! Columns from whole ranges of pages.

use std::ops::Range;

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_kernels::{Page, RangeGather};

use super::{
    MAX_GATHERED_BYTES, MAX_GATHERED_BYTES_IN_ALL, check_bytes, check_rows_size, may_be_large,
    no_keys, uneven,
};
use crate::ABSENT;
use crate::columns::{Columns, RowSeries, SeriesRuns};
use crate::error::Error;
use crate::page::Purpose;
use crate::pages::{Pages, at_rows};

/// The type of keys.
const KEY: ColumnType = ColumnType::scalar(ValueType::Int);
/// Most rows that one call gathers.
const MAX_ROWS: u64 = 1 << 24;

/// The ranges of one output column; see `scan.page-ranges`.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a> {
    /// Type of the column.
    pub kind: ColumnType,
    /// Page of each range, [`ABSENT`] for rows without value.
    pub pages: &'a [u32],
    /// First row of each range.
    pub starts: &'a [u32],
    /// Row after the last.
    pub ends: &'a [u32],
}

impl Ranges<'_> {
    /// The number of rows, after a check of the lists.
    fn rows(&self) -> Result<u64, Error> {
        let (pages, starts, ends) = (self.pages.len(), self.starts.len(), self.ends.len());
        if pages != starts || pages != ends {
            return Err(Error::Request(format!(
                "{starts} starts and {ends} ends are given for {pages} pages"
            )));
        }
        let mut rows = 0u64;
        for (start, end) in self.starts.iter().zip(self.ends) {
            if start > end {
                let text = format!("range {start}..{end} ends before it begins");
                return Err(Error::Request(text));
            }
            rows += u64::from(end - start);
        }
        if rows > MAX_ROWS {
            let text = format!(
                "{rows} rows are asked for at once, the limit is {MAX_ROWS}; ask for fewer"
            );
            return Err(Error::Limit(text));
        }
        Ok(rows)
    }
}

/// The columns of sources with the keys and series of their rows; `keys` are ranges of key pages. All must
/// have equal numbers of rows.
pub fn gather_ranges<P: Pages>(
    pages: &P,
    keys: Ranges<'_>,
    series: SeriesRuns,
    sources: &[Ranges<'_>],
) -> Result<Columns, P::Error> {
    let mut all = Vec::with_capacity(sources.len() + 1);
    all.push(keys);
    all.extend_from_slice(sources);
    let (rows, gathered) = columns(pages, &all)?;
    let mut gathered = gathered.into_iter();
    let are_keys = |keys: &Column| keys.kind() == KEY && keys.presence().is_none();
    let keys = gathered.next().filter(are_keys);
    let Some(Values::Int(keys)) = keys.map(Column::into_values) else {
        return Err(no_keys().into());
    };
    let columns = Columns::from_columns(rows, gathered.collect())?;
    Ok(columns.with_keys(keys, RowSeries::Runs(series))?)
}

/// A column of each source, and how many rows they have.
fn columns<P: Pages>(pages: &P, sources: &[Ranges<'_>]) -> Result<(usize, Vec<Column>), P::Error> {
    let rows = sources.first().map_or(Ok(0), Ranges::rows)?;
    let all = sources.iter().flat_map(|source| source.pages);
    pages.load(all.copied(), Purpose::Column);
    let mut gathered = Vec::with_capacity(sources.len());
    let mut bytes = 0u64;
    for source in sources {
        pages.check()?;
        if source.rows()? != rows {
            return Err(uneven().into());
        }
        let column = column(pages, *source, rows as usize)?;
        bytes = bytes.saturating_add(column.size_bytes() as u64);
        check_bytes(bytes, MAX_GATHERED_BYTES_IN_ALL)?;
        gathered.push(column);
    }
    Ok((rows as usize, gathered))
}

/// One column. A page is held no longer than it takes to copy its rows.
fn column<P: Pages>(pages: &P, source: Ranges<'_>, rows: usize) -> Result<Column, P::Error> {
    let mut gather = RangeGather::new(source.kind, rows);
    let bounds = source.starts.iter().zip(source.ends);
    for (page, (start, end)) in source.pages.iter().zip(bounds) {
        let range = *start..*end;
        if *page == ABSENT {
            gather.push(None, range).map_err(Error::from)?;
            continue;
        }
        let held = pages.page(*page, Purpose::Column)?;
        let opened = held.column()?;
        check_range_size(opened, &range)?;
        gather
            .push(Some(opened), range)
            .map_err(|cause| at_rows(pages, cause.into(), *page))?;
        check_bytes(gather.string_bytes() as u64, MAX_GATHERED_BYTES)?;
    }
    Ok(gather.finish())
}

/// Refuses a range of a small page whose values are large.
fn check_range_size(page: &Page, range: &Range<u32>) -> Result<(), Error> {
    if !may_be_large(page, range.len()) || range.end > page.rows() {
        return Ok(());
    }
    check_rows_size(page, &range.clone().collect::<Vec<u32>>())
}
