//! Shared dictionaries: making one while the pages that refer to it are written, and looking values up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sidx_columns::{ColumnType, ValueType};
use sidx_engine::host::{ABSENT, Codec, Extent, FinishedDictionary, Piece};
use sidx_engine::{Error, Result};
use sidx_kernels::postings::{self, PostingsWriter};
use sidx_kernels::{EncodedColumn, Page, SharedBuilder, SharedColumn, Source, Stop};

use super::cached_page::Purpose;
use super::gather::SourceLists;
use super::new_file::NewFile;
use super::{Session, column_error, kernel_error};

/// Rows up to which a column keeps a dictionary in its page: it would be looked at once either way.
const PAGE_ROWS: usize = 8_192;

/// Bytes of coded pages that are kept for the rows still to come; all are let go when there are more.
const TWIN_BYTES: usize = 64 << 20;

/// A shared dictionary under construction.
#[allow(unreachable_pub)] // bindgen re-exports it.
pub struct NewDictionary {
    // An instance uses it one call at a time, so the lock is never waited for.
    state: Mutex<State>,
}

struct State {
    column: SharedColumn,
    /// Source pages with codes for values, by handle.
    twins: HashMap<u32, Arc<Page>>,
    twin_bytes: usize,
    postings: PostingsWriter,
    written: Vec<Extent>,
}

impl Session {
    /// `new-dictionary.create`.
    pub(crate) fn create_dictionary(
        &self,
        kind: ColumnType,
        pages: &[u32],
    ) -> Result<Option<NewDictionary>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.create")?;
        let mut builder = SharedBuilder::new(kind)
            .ok_or_else(|| Error::invalid(format!("values of type {kind} have no dictionary")))?;
        for handle in pages {
            let page = self.page(&self.handles.lock(), *handle, Purpose::Column)?;
            if !builder.add(*handle, page.column()?).map_err(kernel_error)? {
                return Ok(None);
            }
        }
        let Some(column) = builder.finish(PAGE_ROWS) else {
            return Ok(None);
        };
        let postings = PostingsWriter::new(column.dictionary().len());
        let state = State {
            column,
            twins: HashMap::new(),
            twin_bytes: 0,
            postings,
            written: Vec::new(),
        };
        Ok(Some(NewDictionary {
            state: Mutex::new(state),
        }))
    }

    /// `new-dictionary.encode`, with the lists wherever they are.
    pub(crate) fn encode_coded_rows(
        &self,
        dictionary: &NewDictionary,
        target: &NewFile,
        postings: &NewFile,
        source: SourceLists<'_>,
        first_slice: u32,
    ) -> Result<Piece> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.encode")?;
        let mut state = dictionary.state.lock();
        let codes = self.codes(&mut state, source)?;
        let EncodedColumn { page, stats, .. } =
            sidx_kernels::encode_coded(&codes, state.column.dictionary()).map_err(column_error)?;
        let lists = state
            .postings
            .add(&codes, first_slice)
            .map_err(column_error)?;
        append_lists(&mut state.written, postings, &lists)?;
        let extent = target.append_page(&page, Codec::None)?;
        self.pace(u64::from(extent.stored_bytes))?;
        Ok(Piece {
            rows: stats.rows,
            present: stats.present,
            extent,
            filter: None,
            limits: stats.range,
        })
    }

    /// The codes of rows, as a column of ints or of arrays of them.
    fn codes(&self, state: &mut State, source: SourceLists<'_>) -> Result<sidx_columns::Column> {
        let (rows, found) = (source.rows.len(), source.pages.len());
        if rows != found {
            return Err(Error::invalid(format!("{found} pages for {rows} rows")));
        }
        if source.kind != state.column.kind() {
            let (found, made) = (source.kind, state.column.kind());
            let text = format!("rows of type {found} for a dictionary of type {made}");
            return Err(Error::invalid(text));
        }
        if state.twin_bytes > TWIN_BYTES {
            state.twins.clear();
            state.twin_bytes = 0;
        }
        let mut last = (ABSENT, None);
        let mut twins: Vec<(Option<Arc<Page>>, usize)> = Vec::new();
        for run in source.pages.chunk_by(|a, b| a == b) {
            let handle = run.first().copied().unwrap_or(ABSENT);
            if handle != last.0 {
                last = (handle, self.twin(state, handle)?);
            }
            twins.push((last.1.clone(), run.len()));
        }
        let mut pages: Vec<Option<&Page>> = Vec::with_capacity(rows);
        for (twin, count) in &twins {
            pages.resize(pages.len() + count, twin.as_deref());
        }
        let kind = ColumnType {
            value: ValueType::Int,
            array: source.kind.array,
        };
        let wanted = || self.check_call().is_err();
        let source = Source {
            pages: &pages,
            rows: source.rows,
        };
        sidx_kernels::gather_until(kind, source, &Stop::when(&wanted))
            .map_err(|cause| self.kernel_error(cause))
    }

    /// A source page with codes for values.
    fn twin(&self, state: &mut State, handle: u32) -> Result<Option<Arc<Page>>> {
        if handle == ABSENT {
            return Ok(None);
        }
        if let Some(twin) = state.twins.get(&handle) {
            return Ok(Some(Arc::clone(twin)));
        }
        let page = self.page(&self.handles.lock(), handle, Purpose::Column)?;
        let twin = state
            .column
            .coded(handle, page.column()?)
            .map_err(kernel_error)?;
        state.twin_bytes += twin.memory_bytes();
        let twin = Arc::new(twin);
        state.twins.insert(handle, Arc::clone(&twin));
        Ok(Some(twin))
    }

    /// `new-dictionary.finish`.
    pub(crate) fn write_dictionary(
        &self,
        dictionary: NewDictionary,
        target: &NewFile,
        postings: &NewFile,
    ) -> Result<FinishedDictionary> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.finish")?;
        let mut state = dictionary.state.into_inner();
        let lists = state.postings.finish().map_err(column_error)?;
        append_lists(&mut state.written, postings, &lists)?;
        if state.postings.has_given_up() {
            state.written.clear();
        }
        let bytes = state.column.dictionary().write(&state.postings.used());
        let extent = target.append_page(&bytes, Codec::Zstd)?;
        self.pace(u64::from(extent.stored_bytes))?;
        Ok(FinishedDictionary {
            entries: state.column.dictionary().len() as u32,
            extent,
            postings: state.written,
        })
    }

    /// `scan.find-slices`.
    pub(crate) fn slices_of(
        &self,
        dictionary: u32,
        lists: &[u32],
        values: &[&[u8]],
    ) -> Result<Vec<u32>> {
        let _crossing = self.activity.crossing();
        let handles = self.handles.lock();
        let page = self.page(&handles, dictionary, Purpose::Dictionary)?;
        let dictionary = page.dictionary()?;
        let per_segment = postings::pages_per_segment(dictionary.len());
        if !lists.len().is_multiple_of(per_segment) {
            let (found, entries) = (lists.len(), dictionary.len());
            return Err(Error::corrupt(format!(
                "{found} pages of postings for a dictionary of {entries} entries"
            )));
        }
        let mut slices = Vec::new();
        for code in values.iter().filter_map(|value| dictionary.find(value)) {
            let place = (code / postings::PAGE_ENTRIES) as usize;
            for (segment, pages) in (0u32..).zip(lists.chunks(per_segment)) {
                let Some(handle) = pages.get(place) else {
                    continue;
                };
                let page = self.page(&handles, *handle, Purpose::Column)?;
                postings::read_slices(page.column()?, code, segment, &mut slices)
                    .map_err(kernel_error)?;
            }
        }
        slices.sort_unstable();
        slices.dedup();
        Ok(slices)
    }
}

fn append_lists(written: &mut Vec<Extent>, file: &NewFile, lists: &[Vec<u8>]) -> Result<()> {
    for page in lists {
        written.push(file.append_page(page, Codec::None)?);
    }
    Ok(())
}
