//! Columns from rows of many pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_engine::host::{ABSENT, PageSource};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Page, PageError, Source, Stop};

use super::cached_page::{CachedPage, Purpose};
use super::columns::Columns;
use super::source::Body;
use super::{Session, kernel_error};

/// Most bytes of values that one call gathers for a column. It is far above what a component asks for
/// in one step, and keeps a wrong or hostile list of rows from taking the host's memory.
pub(super) const MAX_GATHERED_BYTES: u64 = 1 << 30;
/// The same for all columns of a call together.
pub(super) const MAX_GATHERED_BYTES_IN_ALL: u64 = 4 << 30;

/// Bytes of stored pages that a gather holds at a time, unless a quarter of the page cache is more: what
/// lies in the cache anyway costs nothing.
const HELD_PAGE_BYTES: u64 = 32 << 20;

/// Most pages that a gather finds again without asking the cache; a power of two.
const RECENT_PAGES: usize = 1024;

/// The rows of one output column, with the lists borrowed.
#[derive(Clone, Copy)]
pub(crate) struct SourceLists<'a> {
    pub(crate) kind: ColumnType,
    pub(crate) pages: &'a [u32],
    pub(crate) rows: &'a [u32],
}

impl<'a> From<&'a PageSource> for SourceLists<'a> {
    fn from(source: &'a PageSource) -> Self {
        Self {
            kind: source.kind,
            pages: &source.pages,
            rows: &source.rows,
        }
    }
}

/// The pages of a source: each page once, and which of them each stretch of rows comes from.
#[derive(Default)]
struct Stretches {
    pages: Vec<Arc<CachedPage>>,
    /// Position in `pages`, or none where the rows are absent, and number of rows.
    runs: Vec<(Option<usize>, usize)>,
}

impl Stretches {
    /// The page of each row.
    fn by_row(&self, rows: usize) -> Result<Vec<Option<&Page>>> {
        let opened = self
            .pages
            .iter()
            .map(|page| page.column())
            .collect::<Result<Vec<_>>>()?;
        let mut pages = Vec::with_capacity(rows);
        for (at, count) in &self.runs {
            let page = at.and_then(|at| opened.get(at)).copied();
            pages.resize(pages.len() + count, page);
        }
        Ok(pages)
    }

    /// More than the values can take, whichever rows of the pages they are.
    fn most_bytes(&self, rows: usize) -> u64 {
        let bytes = self
            .pages
            .iter()
            .filter_map(|page| page.column().ok())
            .map(Page::memory_bytes);
        (bytes.max().unwrap_or(0) as u64).saturating_mul(rows as u64)
    }
}

/// Finds pages that the same call used shortly before: rows in key order jump back and forth between a
/// few pages of many blocks, and the page cache costs more than a look into this table.
struct Recent {
    /// As many as a power of two; each a page and its position.
    places: Vec<(u32, u32)>,
}

impl Recent {
    fn new(rows: usize) -> Self {
        let places = rows.next_power_of_two().clamp(1, RECENT_PAGES);
        Self {
            places: vec![(ABSENT, 0); places],
        }
    }

    /// The place for a page. It holds that page or another.
    fn place(&mut self, page: u32) -> Option<&mut (u32, u32)> {
        let mask = self.places.len() - 1;
        self.places.get_mut(page as usize & mask)
    }
}

impl Session {
    /// `scan.gather`, with the lists wherever they are.
    pub(crate) fn gather_lists(&self, sources: &[SourceLists<'_>]) -> Result<Columns> {
        let _crossing = self.activity.crossing();
        self.gather_sources(sources)
    }

    /// The columns of sources.
    pub(super) fn gather_sources(&self, sources: &[SourceLists<'_>]) -> Result<Columns> {
        let rows = sources.first().map_or(0, |source| source.rows.len());
        let mut columns = Vec::with_capacity(sources.len());
        let mut gathered_bytes = 0u64;
        for source in sources {
            self.check_call()?;
            if source.rows.len() != rows {
                return Err(Error::invalid(
                    "the sources of a gather differ in their number of rows",
                ));
            }
            let column = self.gather_column(*source)?;
            gathered_bytes = gathered_bytes.saturating_add(column.size_bytes() as u64);
            if gathered_bytes > MAX_GATHERED_BYTES_IN_ALL {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "the columns of one batch pass {MAX_GATHERED_BYTES_IN_ALL} bytes; ask for fewer rows"
                    ),
                ));
            }
            columns.push(column);
        }
        Columns::from_columns(rows, columns)
    }

    /// One column of a gather.
    pub(super) fn gather_column(&self, source: SourceLists<'_>) -> Result<Column> {
        let limit = HELD_PAGE_BYTES.max(self.shared.cache.capacity_bytes() / 4);
        match self.stretches(source, limit)? {
            Some(stretches) => self.gather_stretches(source, &stretches),
            None => self.gather_grouped(source, limit),
        }
    }

    /// One column of a gather, however many pages it takes.
    pub(super) fn gather_at_once(&self, source: SourceLists<'_>) -> Result<Column> {
        let stretches = self.stretches(source, u64::MAX)?.unwrap_or_default();
        self.gather_stretches(source, &stretches)
    }

    fn gather_stretches(&self, source: SourceLists<'_>, stretches: &Stretches) -> Result<Column> {
        let pages = stretches.by_row(source.rows.len())?;
        let request = Source {
            pages: &pages,
            rows: source.rows,
        };
        if stretches.most_bytes(source.rows.len()) > MAX_GATHERED_BYTES {
            check_size(source.kind, request)?;
        }
        let wanted = || self.check_call().is_err();
        sidx_kernels::gather_until(source.kind, request, &Stop::when(&wanted))
            .map_err(|cause| self.at_source(cause, source))
    }

    /// The error with the files that the rows come from, as the kernels do not know them.
    fn at_source(&self, cause: PageError, source: SourceLists<'_>) -> Error {
        let error = self.kernel_error(cause);
        if matches!(
            error.kind(),
            ErrorKind::Cancelled | ErrorKind::DeadlineExceeded
        ) {
            return error;
        }
        let handles = self.handles.lock();
        let paths: BTreeSet<&str> = source
            .pages
            .iter()
            .filter_map(|page| handles.page(*page).ok())
            .map(|page| page.place.file.path.as_str())
            .collect();
        let paths: Vec<&str> = paths.into_iter().collect();
        error.at(format_args!("rows of {}", paths.join(", ")))
    }

    /// `scan.lengths`, with the lists wherever they are.
    pub(crate) fn length_lists(&self, source: SourceLists<'_>) -> Result<Vec<u32>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        let stretches = self.stretches(source, u64::MAX)?.unwrap_or_default();
        let pages = stretches.by_row(source.rows.len())?;
        let request = Source {
            pages: &pages,
            rows: source.rows,
        };
        sidx_kernels::lengths(request).map_err(|cause| self.at_source(cause, source))
    }

    /// `scan.keys`.
    pub(super) fn key_range(&self, page: u32, start: u32, end: u32) -> Result<Vec<i64>> {
        let keys = self.page(&self.handles.lock(), page, Purpose::Column)?;
        let keys = keys.column()?;
        if start > end || end > keys.rows() {
            let rows = keys.rows();
            let text = format!("rows {start}..{end} do not lie in a key page of {rows} rows");
            return Err(Error::invalid(text));
        }
        let rows: Vec<u32> = (start..end).collect();
        let source = Source {
            pages: &vec![Some(keys); rows.len()],
            rows: &rows,
        };
        let column = sidx_kernels::gather(keys.kind(), source).map_err(kernel_error)?;
        match column.values() {
            Values::Int(values) if column.presence().is_none() => Ok(values.clone()),
            _ => Err(Error::corrupt(
                "a key page does not hold an int in every row",
            )),
        }
    }

    /// Loads the pages of a source; none when those from the store pass `limit` bytes.
    fn stretches(&self, source: SourceLists<'_>, limit: u64) -> Result<Option<Stretches>> {
        if source.pages.len() != source.rows.len() {
            let (pages, rows) = (source.pages.len(), source.rows.len());
            return Err(Error::invalid(format!(
                "{pages} pages are given for {rows} rows"
            )));
        }
        let handles = self.handles.lock();
        let mut recent = Recent::new(source.rows.len());
        let mut stretches = Stretches::default();
        let mut held_bytes = 0u64;
        for run in source.pages.chunk_by(|a, b| a == b) {
            let at = match run.first() {
                None | Some(&ABSENT) => None,
                Some(&page) => Some(match recent.place(page) {
                    Some((known, at)) if *known == page => *at as usize,
                    place => {
                        let at = stretches.pages.len();
                        let stored = handles.page(page)?;
                        if matches!(stored.place.file.body, Body::Stored(_)) {
                            held_bytes += u64::from(stored.place.extent.raw_bytes);
                        }
                        if held_bytes > limit {
                            return Ok(None);
                        }
                        let opened = self.page(&handles, page, Purpose::Column)?;
                        stretches.pages.push(opened);
                        if let Some(place) = place {
                            *place = (page, at as u32);
                        }
                        at
                    }
                }),
            };
            stretches.runs.push((at, run.len()));
        }
        Ok(Some(stretches))
    }
}

/// Adds up the values exactly. Only strings and bytes can be large in a small page; of arrays the
/// kernels themselves limit the number of elements.
pub(super) fn check_size(kind: ColumnType, source: Source<'_>) -> Result<()> {
    if kind.array || !matches!(kind.value, ValueType::String | ValueType::Bytes) {
        return Ok(());
    }
    let lengths = sidx_kernels::lengths(source).map_err(kernel_error)?;
    let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    if total > MAX_GATHERED_BYTES {
        let text = format!(
            "{} rows of {total} bytes are asked for at once, the limit is {MAX_GATHERED_BYTES} bytes; \
             ask for fewer rows",
            lengths.len()
        );
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    Ok(())
}
