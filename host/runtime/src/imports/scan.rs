//! The functions of `sidx:engine/scan`. Their lists are read in place.

use sidx_engine::{Error, ErrorKind, Host, Result};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, WasmList};

use super::bindings::sidx::engine::{scan, types};
use super::lists::{PageRanges, PageSource, Request, RowKeys, Selection, SeriesRuns};
use super::{
    Answer, ImportError, State, answer, columns, convert, dictionary, filters, memory_blocks,
    to_wit_error,
};
use crate::session::{Columns, NewFile};

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    columns::link(scan)?;
    filters::link(scan)?;
    dictionary::link(scan)?;
    scan.func_wrap(
        "probe",
        |store: Store<'_>, (pages, hashes): (WasmList<u32>, WasmList<u64>)| {
            let (pages, hashes) = (pages.as_le_slice(&store), hashes.as_le_slice(&store));
            answer(
                store
                    .data()
                    .session
                    .probe(pages, hashes)
                    .map_err(Into::into),
            )
        },
    )?;
    scan.func_wrap("select", select)?;
    scan.func_wrap("top", top)?;
    scan.func_wrap("last-top", |store: Store<'_>, (): ()| {
        Ok((convert::top_facts(store.data().session.top_facts()),))
    })?;
    scan.func_wrap("top-failure", top_failure)?;
    scan.func_wrap("count", count)?;
    scan.func_wrap("gather", gather)?;
    scan.func_wrap("gather-ranges", gather_ranges)?;
    scan.func_wrap("lengths", |store: Store<'_>, (source,): (PageSource,)| {
        let lengths = |source| store.data().session.lengths(source);
        answer(source.lists(&store).and_then(lengths).map_err(Into::into))
    })?;
    scan.func_wrap(
        "keys",
        |store: Store<'_>, (page, start, end): (u32, u32, u32)| {
            answer(
                store
                    .data()
                    .session
                    .keys(page, start, end)
                    .map_err(Into::into),
            )
        },
    )?;
    scan.func_wrap("encode-pages", encode_pages)?;
    scan.func_wrap("encode-ints", encode_ints)?;
    memory_blocks::link(scan)
}

type SelectArguments = (Option<u32>, Selection);

fn select(store: Store<'_>, (filter, selection): SelectArguments) -> Answer<scan::Selected> {
    let state = store.data();
    let selected = state
        .filter(filter)
        .and_then(|filter| state.session.select(filter, &selection.lists(&store)));
    answer(selected.map(convert::selected).map_err(Into::into))
}

type TopArguments = (Option<u32>, Request);

fn top(mut store: Store<'_>, (filter, request): TopArguments) -> wasmtime::Result<(scan::TopEnd,)> {
    let state = store.data();
    let end = state
        .filter(filter)
        .and_then(|filter| state.session.top(filter, &request.lists(&store)));
    Ok((match end {
        Ok(end) => convert::top_end(end),
        Err(error) => {
            let state = store.data_mut();
            // A request that is refused here leaves nothing of the one before either.
            state.session.forget_found();
            state.top_failure = Some(error);
            scan::TopEnd::Failed
        }
    },))
}

fn top_failure(mut store: Store<'_>, (): ()) -> wasmtime::Result<(types::Error,)> {
    let failure = store.data_mut().top_failure.take();
    let failure =
        failure.unwrap_or_else(|| Error::new(ErrorKind::Other, "the last `top` did not fail"));
    Ok((to_wit_error(failure),))
}

fn count(store: Store<'_>, (filter, selection): SelectArguments) -> Answer<Vec<u64>> {
    let state = store.data();
    let counts = state
        .filter(filter)
        .and_then(|filter| state.session.count(filter, &selection.lists(&store)));
    answer(counts.map_err(Into::into))
}

type GatherArguments = (Vec<PageSource>, Option<RowKeys>);

fn gather(mut store: Store<'_>, (sources, keys): GatherArguments) -> Answer<Resource<Columns>> {
    let sources: Result<Vec<_>> = sources.iter().map(|source| source.lists(&store)).collect();
    let keys = keys.map(|keys| keys.copied(&store));
    let columns = sources.and_then(|sources| store.data().session.gather(&sources, keys));
    let hold = |columns| store.data_mut().hold(columns);
    answer(columns.map_err(ImportError::from).and_then(hold))
}

type GatherRangesArguments = (PageRanges, SeriesRuns, Vec<PageRanges>);

fn gather_ranges(
    mut store: Store<'_>,
    (keys, series, sources): GatherRangesArguments,
) -> Answer<Resource<Columns>> {
    let sources: Result<Vec<_>> = sources.iter().map(|source| source.lists(&store)).collect();
    let series = series.copied(&store);
    let columns = sources.and_then(|sources| {
        let keys = keys.lists(&store)?;
        store.data().session.gather_ranges(keys, series, &sources)
    });
    let hold = |columns| store.data_mut().hold(columns);
    answer(columns.map_err(ImportError::from).and_then(hold))
}

type EncodePagesArguments = (
    Resource<NewFile>,
    Option<Resource<NewFile>>,
    PageSource,
    u32,
);

fn encode_pages(
    store: Store<'_>,
    (target, filters, source, page_bytes): EncodePagesArguments,
) -> Answer<Vec<scan::Piece>> {
    let state = store.data();
    let encode = || {
        let target = state.new_file(&target)?;
        let filters = filters
            .as_ref()
            .map(|file| state.new_file(file))
            .transpose()?;
        let source = source.lists(&store)?;
        let pieces = state
            .session
            .encode_pages(target, filters, source, page_bytes)?;
        Ok(pieces.into_iter().map(convert::piece).collect())
    };
    answer(encode())
}

fn encode_ints(
    store: Store<'_>,
    (target, ints): (Resource<NewFile>, WasmList<i64>),
) -> Answer<scan::Piece> {
    let state = store.data();
    answer(state.new_file(&target).and_then(|target| {
        let piece = state
            .session
            .encode_ints(target, ints.as_le_slice(&store))?;
        Ok(convert::piece(piece))
    }))
}
