//! Columns from rows of many pages.

mod grouped;
mod ranges;
mod rows;

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_kernels::Page;

use crate::columns::Columns;
use crate::error::Error;
use crate::page::Purpose;
use crate::pages::Pages;

pub use self::ranges::{Ranges, gather_ranges};

/// Most bytes of values that one call gathers for a column. It is far above what a component asks for
/// in one step, and keeps a wrong or hostile list of rows from taking the host's memory.
pub(crate) const MAX_GATHERED_BYTES: u64 = 1 << 30;
/// The same for all columns of a call together.
pub(crate) const MAX_GATHERED_BYTES_IN_ALL: u64 = 4 << 30;

/// The rows of one output column; see `scan.page-source`.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Type of the column.
    pub kind: ColumnType,
    /// Page of each output row, [`ABSENT`](crate::ABSENT) for no value.
    pub pages: &'a [u32],
    /// Row in that page.
    pub rows: &'a [u32],
}

/// The columns of sources, which must have equal numbers of rows.
pub fn gather<P: Pages>(pages: &P, sources: &[Source<'_>]) -> Result<Columns, P::Error> {
    let rows = sources.first().map_or(0, |source| source.rows.len());
    if pages.is_far() {
        let all = sources.iter().flat_map(|source| source.pages);
        pages.load(all.copied(), Purpose::Column);
    }
    let mut gathered = Vec::with_capacity(sources.len());
    let mut bytes = 0u64;
    for source in sources {
        pages.check()?;
        if source.rows.len() != rows {
            return Err(uneven().into());
        }
        let column = column(pages, *source)?;
        bytes = bytes.saturating_add(column.size_bytes() as u64);
        check_bytes(bytes, MAX_GATHERED_BYTES_IN_ALL)?;
        gathered.push(column);
    }
    Ok(Columns::from_columns(rows, gathered)?)
}

/// One column: from all its pages at once, or from groups of them where they are too large together.
pub(crate) fn column<P: Pages>(pages: &P, source: Source<'_>) -> Result<Column, P::Error> {
    let limit = pages.held_bytes_max();
    match rows::open(pages, source, limit)? {
        Some(opened) => opened.gather(pages, source),
        None => grouped::gather(pages, source, limit),
    }
}

/// The length of each value in bytes, of strings and bytes; an absent value has none.
pub fn lengths<P: Pages>(pages: &P, source: Source<'_>) -> Result<Vec<u32>, P::Error> {
    pages.check()?;
    let opened = rows::open_all(pages, source)?;
    opened.lengths(pages, source)
}

/// Keys of consecutive rows of a key page.
pub fn keys<P: Pages>(pages: &P, page: u32, start: u32, end: u32) -> Result<Vec<i64>, P::Error> {
    let opened = pages.page(page, Purpose::Column)?;
    let keys = opened.column()?;
    if start > end || end > keys.rows() {
        let rows = keys.rows();
        let text = format!("rows {start}..{end} do not lie in a key page of {rows} rows");
        return Err(Error::Request(text).into());
    }
    let rows: Vec<u32> = (start..end).collect();
    let source = sidx_kernels::Source {
        pages: &vec![Some(keys); rows.len()],
        rows: &rows,
    };
    let column = sidx_kernels::gather(keys.kind(), source).map_err(Error::from)?;
    match column.values() {
        Values::Int(values) if column.presence().is_none() => Ok(values.clone()),
        _ => Err(no_keys().into()),
    }
}

fn no_keys() -> Error {
    Error::damage("a key page does not hold an int in every row")
}

fn uneven() -> Error {
    Error::request("the sources of a gather differ in their number of rows")
}

/// Adds up the values exactly. Only strings and bytes can be large in a small page; of arrays the
/// kernels themselves limit the number of elements.
fn check_size(kind: ColumnType, source: sidx_kernels::Source<'_>) -> Result<(), Error> {
    if kind.array || !matches!(kind.value, ValueType::String | ValueType::Bytes) {
        return Ok(());
    }
    let lengths = sidx_kernels::lengths(source)?;
    let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    if total > MAX_GATHERED_BYTES {
        let text = format!(
            "{} rows of {total} bytes are asked for at once, the limit is {MAX_GATHERED_BYTES} bytes; \
             ask for fewer rows",
            lengths.len()
        );
        return Err(Error::Limit(text));
    }
    Ok(())
}

/// Refuses rows of a small page whose values are large: a dictionary may name one again and again.
#[inline]
pub(crate) fn check_rows_size(page: &Page, rows: &[u32]) -> Result<(), Error> {
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

#[inline]
fn may_be_large(page: &Page, rows: usize) -> bool {
    (page.memory_bytes() as u64).saturating_mul(rows as u64) > MAX_GATHERED_BYTES
}

#[inline]
pub(crate) fn check_bytes(bytes: u64, limit: u64) -> Result<(), Error> {
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("the values of one batch pass {limit} bytes; ask for fewer rows");
    Err(Error::Limit(text))
}
