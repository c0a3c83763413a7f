//! The resource `new-dictionary` of `sidx:engine/scan`, and looking values up in a finished one.

use sidx_engine::Host;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType, WasmList};

use super::bindings::sidx::engine::scan;
use super::lists::PageSource;
use super::{Answer, State, answer, convert};
use crate::session::{NewDictionary, NewFile};

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    scan.resource(
        "new-dictionary",
        ResourceType::host::<NewDictionary>(),
        |mut store, rep| {
            let dictionary = Resource::<NewDictionary>::new_own(rep);
            store.data_mut().table.delete(dictionary)?;
            Ok(())
        },
    )?;
    scan.func_wrap("[static]new-dictionary.create", create)?;
    scan.func_wrap("[method]new-dictionary.encode", encode)?;
    scan.func_wrap("[static]new-dictionary.finish", finish)?;
    scan.func_wrap("find-slices", find_slices)
}

fn create(
    mut store: Store<'_>,
    (kind, pages): (u8, WasmList<u32>),
) -> Answer<Option<Resource<NewDictionary>>> {
    let made = convert::column_type(kind).and_then(|kind| {
        let pages = pages.as_le_slice(&store);
        store.data().session.new_dictionary(kind, pages)
    });
    let table = &mut store.data_mut().table;
    answer(
        made.map_err(Into::into)
            .and_then(|made| Ok(made.map(|made| table.push(made)).transpose()?)),
    )
}

type EncodeArguments = (
    Resource<NewDictionary>,
    Resource<NewFile>,
    Resource<NewFile>,
    PageSource,
    u32,
);

fn encode(
    store: Store<'_>,
    (dictionary, target, postings, source, first_slice): EncodeArguments,
) -> Answer<scan::Piece> {
    let state = store.data();
    let encode = || {
        let dictionary = state.dictionary(&dictionary)?;
        let (target, postings) = (state.new_file(&target)?, state.new_file(&postings)?);
        let source = source.lists(&store)?;
        let session = &state.session;
        let piece = session.encode_coded(dictionary, target, postings, source, first_slice)?;
        Ok(convert::piece(piece))
    };
    answer(encode())
}

type FinishArguments = (
    Resource<NewDictionary>,
    Resource<NewFile>,
    Resource<NewFile>,
);

fn finish(
    mut store: Store<'_>,
    (dictionary, target, postings): FinishArguments,
) -> Answer<scan::FinishedDictionary> {
    let state = store.data_mut();
    let finish = || {
        let dictionary = state.table.delete(dictionary)?;
        let (target, postings) = (state.new_file(&target)?, state.new_file(&postings)?);
        let finished = state
            .session
            .finish_dictionary(dictionary, target, postings)?;
        Ok(convert::finished_dictionary(finished))
    };
    answer(finish())
}

type FindArguments = (u32, WasmList<u32>, Vec<WasmList<u8>>);

fn find_slices(
    store: Store<'_>,
    (dictionary, postings, values): FindArguments,
) -> Answer<Vec<u32>> {
    let postings = postings.as_le_slice(&store);
    let values: Vec<&[u8]> = values
        .iter()
        .map(|value| value.as_le_slice(&store))
        .collect();
    let slices = store
        .data()
        .session
        .find_slices(dictionary, postings, &values);
    answer(slices.map_err(Into::into))
}
