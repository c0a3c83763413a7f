//! One column from pages that are in memory together.

use std::collections::BTreeSet;

use sidx_columns::Column;
use sidx_kernels::{Page, PageError, Stop};

use super::{MAX_GATHERED_BYTES, Source, check_size};
use crate::error::Error;
use crate::page::Purpose;
use crate::pages::{Pages, RowsOf, failure};
use crate::stretches::Stretches;

/// The pages of a source: each page once, and which of them each stretch of rows comes from.
pub(super) struct Opened<Q> {
    pages: Vec<Q>,
    stretches: Stretches,
}

/// Opens the pages of a source, however many they are.
pub(super) fn open_all<P: Pages>(
    pages: &P,
    source: Source<'_>,
) -> Result<Opened<P::Page>, P::Error> {
    let none = Opened {
        pages: Vec::new(),
        stretches: Stretches::default(),
    };
    Ok(open(pages, source, u64::MAX)?.unwrap_or(none))
}

/// Opens the pages of a source; none when those that take memory of their own pass `limit` bytes.
pub(super) fn open<P: Pages>(
    pages: &P,
    source: Source<'_>,
    limit: u64,
) -> Result<Option<Opened<P::Page>>, P::Error> {
    if source.pages.len() != source.rows.len() {
        let (pages, rows) = (source.pages.len(), source.rows.len());
        let text = format!("{pages} pages are given for {rows} rows");
        return Err(Error::Request(text).into());
    }
    let mut handles = Vec::new();
    let mut held_bytes = 0u64;
    let stretches = Stretches::of(source.pages, |handle| {
        let place = pages.place(handle)?;
        if !place.in_memory {
            held_bytes += u64::from(place.raw_bytes);
        }
        handles.push(handle);
        Ok::<_, P::Error>(handles.len() - 1)
    })?;
    if held_bytes > limit {
        return Ok(None);
    }
    pages.load(handles.iter().copied(), Purpose::Column);
    let opened = handles
        .iter()
        .map(|handle| pages.page(*handle, Purpose::Column))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Opened {
        pages: opened,
        stretches,
    }))
}

impl<Q: std::ops::Deref<Target = crate::OpenPage>> Opened<Q> {
    /// The values of the rows.
    pub(super) fn gather<P: Pages<Page = Q>>(
        &self,
        pages: &P,
        source: Source<'_>,
    ) -> Result<Column, P::Error> {
        let by_row = self.by_row(source.rows.len())?;
        let request = sidx_kernels::Source {
            pages: &by_row,
            rows: source.rows,
        };
        if self.most_bytes(source.rows.len()) > MAX_GATHERED_BYTES {
            check_size(source.kind, request)?;
        }
        let wanted = || pages.check().is_err();
        sidx_kernels::gather_until(source.kind, request, &Stop::when(&wanted))
            .map_err(|cause| at_source(pages, cause, source))
    }

    /// The lengths of the values of the rows.
    pub(super) fn lengths<P: Pages<Page = Q>>(
        &self,
        pages: &P,
        source: Source<'_>,
    ) -> Result<Vec<u32>, P::Error> {
        let by_row = self.by_row(source.rows.len())?;
        let request = sidx_kernels::Source {
            pages: &by_row,
            rows: source.rows,
        };
        sidx_kernels::lengths(request).map_err(|cause| at_source(pages, cause, source))
    }

    /// The page of each row.
    fn by_row(&self, rows: usize) -> Result<Vec<Option<&Page>>, Error> {
        let opened = self
            .pages
            .iter()
            .map(|page| page.column())
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(self.stretches.by_row(&opened, rows))
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

/// The error with the files that the rows come from, as the kernels do not know them.
fn at_source<P: Pages>(pages: &P, cause: PageError, source: Source<'_>) -> P::Error {
    failure(pages, cause, |error| {
        let places = source
            .pages
            .iter()
            .filter_map(|page| pages.place(*page).ok());
        let paths: BTreeSet<&str> = places.map(|place| place.path).collect();
        let paths: Vec<&str> = paths.into_iter().collect();
        error.at(RowsOf(&paths.join(", ")))
    })
}
