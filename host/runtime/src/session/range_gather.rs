//! Columns from whole ranges of pages.

use sidx_columns::{Column, ColumnType};
use sidx_engine::host::{ABSENT, PageRanges};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Page, RangeGather};

use super::cached_page::Purpose;
use super::columns::Columns;
use super::gather::{MAX_GATHERED_BYTES, MAX_GATHERED_BYTES_IN_ALL, check_size};
use super::handles::Handles;
use super::{Session, kernel_error};

/// Most rows that one call gathers.
const MAX_ROWS: u64 = 1 << 24;

/// The ranges of one output column, with the lists borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RangeLists<'a> {
    pub(crate) kind: ColumnType,
    pub(crate) pages: &'a [u32],
    pub(crate) starts: &'a [u32],
    pub(crate) ends: &'a [u32],
}

impl<'a> From<&'a PageRanges> for RangeLists<'a> {
    fn from(source: &'a PageRanges) -> Self {
        Self {
            kind: source.kind,
            pages: &source.pages,
            starts: &source.starts,
            ends: &source.ends,
        }
    }
}

impl RangeLists<'_> {
    /// The number of rows, after a check of the lists.
    fn rows(&self) -> Result<u64> {
        let (pages, starts, ends) = (self.pages.len(), self.starts.len(), self.ends.len());
        if pages != starts || pages != ends {
            return Err(Error::invalid(format!(
                "{starts} starts and {ends} ends are given for {pages} pages"
            )));
        }
        let mut rows = 0u64;
        for (start, end) in self.starts.iter().zip(self.ends) {
            if start > end {
                let text = format!("range {start}..{end} ends before it begins");
                return Err(Error::invalid(text));
            }
            rows += u64::from(end - start);
        }
        if rows > MAX_ROWS {
            let text = format!(
                "{rows} rows are asked for at once, the limit is {MAX_ROWS}; ask for fewer"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, text));
        }
        Ok(rows)
    }
}

impl Session {
    /// `scan.gather-ranges`, with the lists wherever they are.
    pub(crate) fn gather_range_lists(&self, sources: &[RangeLists<'_>]) -> Result<Columns> {
        let _crossing = self.activity.crossing();
        let rows = sources.first().map_or(Ok(0), RangeLists::rows)?;
        let mut columns = Vec::with_capacity(sources.len());
        let mut gathered_bytes = 0u64;
        for source in sources {
            self.check_call()?;
            if source.rows()? != rows {
                return Err(Error::invalid(
                    "the sources of a gather differ in their number of rows",
                ));
            }
            let column = self.gather_ranges_of(*source, rows as usize)?;
            gathered_bytes = gathered_bytes.saturating_add(column.size_bytes() as u64);
            check_bytes(gathered_bytes, MAX_GATHERED_BYTES_IN_ALL)?;
            columns.push(column);
        }
        Columns::from_columns(rows as usize, columns)
    }

    /// One column. A page is held no longer than it takes to copy its rows.
    fn gather_ranges_of(&self, source: RangeLists<'_>, rows: usize) -> Result<Column> {
        let handles = self.handles.lock();
        let mut gather = RangeGather::new(source.kind, rows);
        let bounds = source.starts.iter().zip(source.ends);
        for (page, (start, end)) in source.pages.iter().zip(bounds) {
            let range = *start..*end;
            if *page == ABSENT {
                gather.push(None, range).map_err(kernel_error)?;
                continue;
            }
            let cached = self.page(&handles, *page, Purpose::Column)?;
            let opened = cached.column()?;
            check_range_size(opened, &range)?;
            gather
                .push(Some(opened), range)
                .map_err(|cause| at_rows(kernel_error(cause), &handles, *page))?;
            check_bytes(gather.string_bytes() as u64, MAX_GATHERED_BYTES)?;
        }
        Ok(gather.finish())
    }
}

/// An error about rows of a page, with the file that they come from.
pub(super) fn at_rows(error: Error, handles: &Handles, page: u32) -> Error {
    match handles.page(page) {
        Ok(page) => error.at(format_args!("rows of {}", page.place.file.path)),
        Err(_) => error,
    }
}

/// Refuses a range of a small page whose values are large: a dictionary may name one again and again.
fn check_range_size(page: &Page, range: &std::ops::Range<u32>) -> Result<()> {
    if !may_be_large(page, range.len()) || range.end > page.rows() {
        return Ok(());
    }
    check_rows_size(page, &range.clone().collect::<Vec<u32>>())
}

/// The same for rows one by one.
pub(super) fn check_rows_size(page: &Page, rows: &[u32]) -> Result<()> {
    if !may_be_large(page, rows.len()) || rows.iter().any(|row| *row >= page.rows()) {
        return Ok(());
    }
    let pages = vec![Some(page); rows.len()];
    let source = sidx_kernels::Source {
        pages: &pages,
        rows,
    };
    check_size(page.kind(), source)
}

fn may_be_large(page: &Page, rows: usize) -> bool {
    (page.memory_bytes() as u64).saturating_mul(rows as u64) > MAX_GATHERED_BYTES
}

pub(super) fn check_bytes(bytes: u64, limit: u64) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("the values of one batch pass {limit} bytes; ask for fewer rows");
    Err(Error::new(ErrorKind::LimitExceeded, text))
}
