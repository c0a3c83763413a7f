//! Shared dictionaries: making one while the pages that refer to it are written, and looking values up.

use std::collections::BTreeMap;
use std::sync::Arc;

use sidx_columns::{Column, ColumnType, ValueType};
use sidx_kernels::postings::{self, PostingsWriter};
use sidx_kernels::{EncodedColumn, Page, SharedBuilder, SharedColumn, Stop};

use crate::error::Error;
use crate::gather::Source;
use crate::page::Purpose;
use crate::pages::{Pages, failure};
use crate::sink::PageSink;
use crate::stored::{Codec, Extent, FinishedDictionary, Piece};
use crate::stretches::Stretches;

/// Rows up to which a column keeps a dictionary in its page: it would be looked at once either way.
const PAGE_ROWS: usize = 8_192;

/// Bytes of coded pages that are kept for the rows still to come; all are let go when there are more.
const TWIN_BYTES: usize = 64 << 20;

/// A shared dictionary under construction.
#[derive(Debug)]
pub struct NewDictionary {
    column: SharedColumn,
    /// Source pages with codes for values, by handle.
    twins: BTreeMap<u32, Arc<Page>>,
    twin_bytes: usize,
    postings: PostingsWriter,
    written: Vec<Extent>,
}

impl NewDictionary {
    /// A dictionary of all values of some pages; none when it would not pay.
    pub fn create<P: Pages>(
        pages: &P,
        kind: ColumnType,
        handles: &[u32],
    ) -> Result<Option<Self>, P::Error> {
        let mut builder = SharedBuilder::new(kind)
            .ok_or_else(|| Error::Request(format!("values of type {kind} have no dictionary")))?;
        for handle in handles {
            let page = pages.page(*handle, Purpose::Column)?;
            let is_useful = builder.add(*handle, page.column()?);
            if !is_useful.map_err(Error::from)? {
                return Ok(None);
            }
        }
        let Some(column) = builder.finish(PAGE_ROWS) else {
            return Ok(None);
        };
        let postings = PostingsWriter::new(column.dictionary().len());
        Ok(Some(Self {
            column,
            twins: BTreeMap::new(),
            twin_bytes: 0,
            postings,
            written: Vec::new(),
        }))
    }

    /// Writes rows of the pages as one page of codes, and postings as far as they are complete.
    pub fn encode<P, S>(
        &mut self,
        pages: &P,
        target: &S,
        postings: &S,
        source: Source<'_>,
        first_slice: u32,
    ) -> Result<Piece, P::Error>
    where
        P: Pages,
        S: PageSink<Error = P::Error>,
    {
        let codes = self.codes(pages, source)?;
        let EncodedColumn { page, stats, .. } =
            sidx_kernels::encode_coded(&codes, self.column.dictionary()).map_err(Error::from)?;
        let lists = self
            .postings
            .add(&codes, first_slice)
            .map_err(Error::from)?;
        append_lists(&mut self.written, postings, &lists)?;
        let extent = target.append(&page, Codec::None)?;
        target.pace(u64::from(extent.stored_bytes))?;
        Ok(Piece::of(stats, extent, None))
    }

    /// The codes of rows, as a column of ints or of arrays of them.
    fn codes<P: Pages>(&mut self, pages: &P, source: Source<'_>) -> Result<Column, P::Error> {
        let (rows, found) = (source.rows.len(), source.pages.len());
        if rows != found {
            return Err(Error::Request(format!("{found} pages for {rows} rows")).into());
        }
        if source.kind != self.column.kind() {
            let (found, made) = (source.kind, self.column.kind());
            let text = format!("rows of type {found} for a dictionary of type {made}");
            return Err(Error::Request(text).into());
        }
        if self.twin_bytes > TWIN_BYTES {
            self.twins.clear();
            self.twin_bytes = 0;
        }
        let mut twins: Vec<Arc<Page>> = Vec::new();
        let stretches = Stretches::of(source.pages, |handle| {
            twins.push(self.twin(pages, handle)?);
            Ok::<_, P::Error>(twins.len() - 1)
        })?;
        let twins: Vec<&Page> = twins.iter().map(Arc::as_ref).collect();
        let by_row = stretches.by_row(&twins, rows);
        let kind = ColumnType {
            value: ValueType::Int,
            array: source.kind.array,
        };
        let wanted = || pages.check().is_err();
        let source = sidx_kernels::Source {
            pages: &by_row,
            rows: source.rows,
        };
        sidx_kernels::gather_until(kind, source, &Stop::when(&wanted))
            .map_err(|cause| failure(pages, cause, |error| error))
    }

    /// A source page with codes for values.
    fn twin<P: Pages>(&mut self, pages: &P, handle: u32) -> Result<Arc<Page>, P::Error> {
        if let Some(twin) = self.twins.get(&handle) {
            return Ok(Arc::clone(twin));
        }
        let page = pages.page(handle, Purpose::Column)?;
        let twin = self.column.coded(handle, page.column()?);
        let twin = Arc::new(twin.map_err(Error::from)?);
        self.twin_bytes += twin.memory_bytes();
        self.twins.insert(handle, Arc::clone(&twin));
        Ok(twin)
    }

    /// Writes the dictionary, with values blanked that no row has any more, and the postings that are left.
    pub fn finish<S: PageSink>(
        mut self,
        target: &S,
        postings: &S,
    ) -> Result<FinishedDictionary, S::Error> {
        let lists = self.postings.finish().map_err(Error::from)?;
        append_lists(&mut self.written, postings, &lists)?;
        if self.postings.has_given_up() {
            self.written.clear();
        }
        let bytes = self.column.dictionary().write(&self.postings.used());
        let extent = target.append(&bytes, Codec::Zstd)?;
        target.pace(u64::from(extent.stored_bytes))?;
        Ok(FinishedDictionary {
            entries: self.column.dictionary().len() as u32,
            extent,
            postings: self.written,
        })
    }
}

/// The slices that may hold one of the values, ascending, each once.
pub fn slices<P: Pages>(
    pages: &P,
    dictionary: u32,
    lists: &[u32],
    values: &[&[u8]],
) -> Result<Vec<u32>, P::Error> {
    let page = pages.page(dictionary, Purpose::Dictionary)?;
    let dictionary = page.dictionary()?;
    let per_segment = postings::pages_per_segment(dictionary.len());
    if !lists.len().is_multiple_of(per_segment) {
        let (found, entries) = (lists.len(), dictionary.len());
        let text = format!("{found} pages of postings for a dictionary of {entries} entries");
        return Err(Error::Damage(text).into());
    }
    let codes: Vec<u32> = values
        .iter()
        .filter_map(|value| dictionary.find(value))
        .collect();
    let of_code = |code: u32| {
        let place = (code / postings::PAGE_ENTRIES) as usize;
        let segments = (0u32..).zip(lists.chunks(per_segment));
        segments.filter_map(move |(segment, pages)| Some((code, segment, *pages.get(place)?)))
    };
    let wanted = codes.iter().flat_map(|code| of_code(*code));
    let handles = wanted.clone().map(|(.., handle)| handle);
    pages.load(handles, Purpose::Column);
    let mut slices = Vec::new();
    for (code, segment, handle) in wanted {
        let page = pages.page(handle, Purpose::Column)?;
        postings::read_slices(page.column()?, code, segment, &mut slices).map_err(Error::from)?;
    }
    slices.sort_unstable();
    slices.dedup();
    Ok(slices)
}

fn append_lists<S: PageSink>(
    written: &mut Vec<Extent>,
    file: &S,
    lists: &[Vec<u8>],
) -> Result<(), S::Error> {
    for page in lists {
        written.push(file.append(page, Codec::None)?);
    }
    Ok(())
}
