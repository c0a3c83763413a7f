//! `sidx:engine/scan`.

use sidx_columns::ColumnType;
use sidx_engine::host::{RowKeys, SeriesRuns};
use sidx_engine::{Error as EngineError, ErrorKind, Host, Result as EngineResult};
use sidx_executor::{Columns, block, gather, select, top};
use sidx_session::{NewDictionary, NewFile};

use crate::bindings::exports::sidx::engine::files::NewFileBorrow;
use crate::bindings::exports::sidx::engine::scan as wit;
use crate::bindings::exports::sidx::engine::types::Error;
use crate::served::Served;
use crate::store::Store;
use crate::{Component, convert, filters, served};

fn draft<'a>(file: &'a NewFileBorrow<'_>) -> &'a NewFile<Store> {
    file.get::<NewFile<Store>>()
}

fn source(source: &wit::PageSource) -> EngineResult<gather::Source<'_>> {
    Ok(gather::Source {
        kind: convert::column_type(source.kind)?,
        pages: &source.pages,
        rows: &source.rows,
    })
}

fn ranges(ranges: &wit::PageRanges) -> EngineResult<gather::Ranges<'_>> {
    Ok(gather::Ranges {
        kind: convert::column_type(ranges.kind)?,
        pages: &ranges.pages,
        starts: &ranges.starts,
        ends: &ranges.ends,
    })
}

fn selection(selection: &wit::Selection) -> select::Request<'_> {
    select::Request {
        key_pages: &selection.key_pages,
        slots: selection.slots,
        slot_pages: &selection.slot_pages,
        span_counts: &selection.span_counts,
        spans: &selection.spans,
        low: selection.low,
        high: selection.high,
        order: convert::order(selection.order),
        resume_keys: &selection.resume_keys,
        resume_rows: &selection.resume_rows,
        cap: selection.cap,
    }
}

fn top_request(request: &wit::TopRequest) -> top::Request<'_> {
    top::Request {
        pages: &request.pages,
        slots: request.slots,
        tested: &request.tested,
        runs: &request.runs,
        ends: &request.ends,
        whole: request.whole,
        low: request.low,
        high: request.high,
        order: convert::order(request.order),
        limit: request.limit,
        horizon: request.horizon,
        kinds: &request.kinds,
        piece_counts: &request.piece_counts,
        pieces: &request.pieces,
    }
}

/// Columns that stay here. They know their type themselves, and need no place to be served.
impl wit::GuestColumns for Columns {
    fn facts(&self) -> wit::ColumnFacts {
        convert::column_facts(sidx_session::facts_of(self))
    }

    fn lengths(&self, column: u32) -> Vec<u32> {
        sidx_session::lengths_of(self, column)
    }

    fn presence(&self, column: u32) -> Option<Vec<u64>> {
        let column = self.get(column).ok()?;
        Some(column.presence()?.words().to_vec())
    }

    fn read(&self, column: u32) -> wit::Column {
        convert::column(self.get(column).ok())
    }
}

impl wit::GuestNewDictionary for NewDictionary {
    fn create(kind: u8, pages: Vec<u32>) -> Result<Option<wit::NewDictionary>, Error> {
        let made = served::call(|served| {
            let kind = convert::column_type(kind)?;
            served.session.new_dictionary(kind, &pages)
        })?;
        Ok(made.map(wit::NewDictionary::new))
    }

    fn encode(
        &self,
        target: NewFileBorrow<'_>,
        postings: NewFileBorrow<'_>,
        of: wit::PageSource,
        first_slice: u32,
    ) -> Result<wit::Piece, Error> {
        let (target, postings) = (draft(&target), draft(&postings));
        let piece = served::call(|served| {
            let (session, of) = (&served.session, source(&of)?);
            session.encode_coded(self, target, postings, of, first_slice)
        })?;
        Ok(convert::piece(piece))
    }

    fn finish(
        dictionary: wit::NewDictionary,
        target: NewFileBorrow<'_>,
        postings: NewFileBorrow<'_>,
    ) -> Result<wit::FinishedDictionary, Error> {
        let dictionary = dictionary.into_inner::<NewDictionary>();
        let (target, postings) = (draft(&target), draft(&postings));
        let finished = served::call(|served| {
            let session = &served.session;
            session.finish_dictionary(dictionary, target, postings)
        })?;
        Ok(convert::finished_dictionary(finished))
    }
}

fn row_keys(keys: wit::RowKeys) -> RowKeys {
    RowKeys {
        keys: keys.keys,
        series: keys.series,
    }
}

fn pieces(pieces: Vec<sidx_engine::host::Piece>) -> Vec<wit::Piece> {
    pieces.into_iter().map(convert::piece).collect()
}

fn run_top(
    served: &Served,
    filter: Option<u32>,
    request: &wit::TopRequest,
) -> EngineResult<wit::TopEnd> {
    let filter = served.filters.borrow().get(filter)?;
    let end = served.session.top(filter.as_ref(), &top_request(request))?;
    Ok(convert::top_end(end))
}

impl wit::Guest for Component {
    type Columns = Columns;
    type NewDictionary = NewDictionary;

    fn compile_filter(steps: Vec<wit::Step>) -> Result<u32, Error> {
        let steps = steps.into_iter().map(filters::step).collect();
        served::call(|served| {
            let filter = served.session.compile_filter(steps)?;
            served.filters.borrow_mut().add(filter)
        })
    }

    fn drop_filter(filter: u32) {
        if let Some(served) = served::now() {
            served.filters.borrow_mut().remove(filter);
        }
    }

    fn probe(pages: Vec<u32>, hashes: Vec<u64>) -> Result<Vec<u8>, Error> {
        served::call(|served| served.session.probe(&pages, &hashes))
    }

    fn find_slices(
        dictionary: u32,
        postings: Vec<u32>,
        values: Vec<Vec<u8>>,
    ) -> Result<Vec<u32>, Error> {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        served::call(|served| served.session.find_slices(dictionary, &postings, &values))
    }

    fn select(filter: Option<u32>, request: wit::Selection) -> Result<wit::Selected, Error> {
        let selected = served::call(|served| {
            let filter = served.filters.borrow().get(filter)?;
            served.session.select(filter.as_ref(), &selection(&request))
        })?;
        Ok(convert::selected(selected))
    }

    fn count(filter: Option<u32>, request: wit::Selection) -> Result<Vec<u64>, Error> {
        served::call(|served| {
            let filter = served.filters.borrow().get(filter)?;
            served.session.count(filter.as_ref(), &selection(&request))
        })
    }

    fn top(filter: Option<u32>, request: wit::TopRequest) -> wit::TopEnd {
        let Some(served) = served::now() else {
            return wit::TopEnd::Failed;
        };
        match run_top(&served, filter, &request) {
            Ok(end) => end,
            Err(error) => {
                // A request that is refused here leaves nothing of the one before either.
                served.session.forget_found();
                served.top_failure.replace(Some(error));
                wit::TopEnd::Failed
            }
        }
    }

    fn last_top() -> wit::TopFacts {
        let facts = served::now().map(|served| served.session.top_facts());
        convert::top_facts(facts.unwrap_or_default())
    }

    fn top_failure() -> Error {
        let failure = served::now().and_then(|served| served.top_failure.take());
        let none = || EngineError::new(ErrorKind::Other, "the last `top` did not fail");
        convert::error(failure.unwrap_or_else(none))
    }

    fn gather(
        sources: Vec<wit::PageSource>,
        keys: Option<wit::RowKeys>,
    ) -> Result<wit::Columns, Error> {
        let columns = served::call(|served| {
            let sources: EngineResult<Vec<_>> = sources.iter().map(source).collect();
            served.session.gather(&sources?, keys.map(row_keys))
        })?;
        Ok(wit::Columns::new(columns))
    }

    fn gather_ranges(
        keys: wit::PageRanges,
        series: wit::SeriesRuns,
        sources: Vec<wit::PageRanges>,
    ) -> Result<wit::Columns, Error> {
        let series = SeriesRuns {
            series: series.series,
            ends: series.ends,
        };
        let columns = served::call(|served| {
            let sources: EngineResult<Vec<_>> = sources.iter().map(ranges).collect();
            let keys = ranges(&keys)?;
            served.session.gather_ranges(keys, series, &sources?)
        })?;
        Ok(wit::Columns::new(columns))
    }

    fn lengths(of: wit::PageSource) -> Result<Vec<u32>, Error> {
        served::call(|served| served.session.lengths(source(&of)?))
    }

    fn keys(page: u32, start: u32, end: u32) -> Result<Vec<i64>, Error> {
        served::call(|served| served.session.keys(page, start, end))
    }

    fn encode_pages(
        target: NewFileBorrow<'_>,
        memberships: Option<NewFileBorrow<'_>>,
        of: wit::PageSource,
        page_bytes: u32,
    ) -> Result<Vec<wit::Piece>, Error> {
        let (target, memberships) = (draft(&target), memberships.as_ref().map(draft));
        served::call(|served| {
            let (session, of) = (&served.session, source(&of)?);
            session.encode_pages(target, memberships, of, page_bytes)
        })
        .map(pieces)
    }

    fn encode_ints(target: NewFileBorrow<'_>, ints: Vec<i64>) -> Result<wit::Piece, Error> {
        let piece = served::call(|served| served.session.encode_ints(draft(&target), &ints))?;
        Ok(convert::piece(piece))
    }

    fn write_block(
        target: NewFileBorrow<'_>,
        keys: Vec<i64>,
        from: wit::ColumnsBorrow<'_>,
        columns: Vec<u32>,
        rows: Vec<u32>,
    ) -> Result<Vec<wit::Piece>, Error> {
        let (target, from) = (draft(&target), from.get::<Columns>());
        served::call(|served| {
            let session = &served.session;
            session.write_block(target, &keys, from, &columns, &rows)
        })
        .map(pieces)
    }

    fn fold_block(
        target: NewFileBorrow<'_>,
        keys: Vec<i64>,
        of: wit::BlockSource,
    ) -> Result<Vec<wit::Piece>, Error> {
        let target = draft(&target);
        served::call(|served| {
            let kinds = of.kinds.iter().map(|code| convert::column_type(*code));
            let kinds: Vec<ColumnType> = kinds.collect::<EngineResult<_>>()?;
            let source = block::Source {
                kinds: &kinds,
                pages: &of.pages,
                blocks: &of.blocks,
                rows: &of.rows,
            };
            served.session.fold_block(target, &keys, source)
        })
        .map(pieces)
    }
}
