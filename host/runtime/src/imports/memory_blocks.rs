//! The functions of `sidx:engine/scan` that write parts in memory.

use sidx_engine::Host;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, WasmList};

use super::bindings::sidx::engine::scan;
use super::lists::BlockSource;
use super::{Answer, State, answer, convert};
use crate::session::{Columns, NewFile};

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    scan.func_wrap("write-block", write_block)?;
    scan.func_wrap("fold-block", fold_block)
}

type WriteArguments = (
    Resource<NewFile>,
    WasmList<i64>,
    Resource<Columns>,
    WasmList<u32>,
    WasmList<u32>,
);

fn write_block(
    store: Store<'_>,
    (target, keys, from, columns, rows): WriteArguments,
) -> Answer<Vec<scan::Piece>> {
    let state = store.data();
    let write = || {
        let (target, from) = (state.new_file(&target)?, state.columns(&from)?);
        let keys = keys.as_le_slice(&store);
        let (columns, rows) = (columns.as_le_slice(&store), rows.as_le_slice(&store));
        let pieces = state
            .session
            .write_block(target, keys, from, columns, rows)?;
        Ok(pieces.into_iter().map(convert::piece).collect())
    };
    answer(write())
}

type FoldArguments = (Resource<NewFile>, WasmList<i64>, BlockSource);

fn fold_block(store: Store<'_>, (target, keys, source): FoldArguments) -> Answer<Vec<scan::Piece>> {
    let state = store.data();
    let fold = || {
        let target = state.new_file(&target)?;
        let kinds = source.kinds(&store)?;
        let source = source.lists(&kinds, &store);
        let keys = keys.as_le_slice(&store);
        let pieces = state.session.fold_block(target, keys, source)?;
        Ok(pieces.into_iter().map(convert::piece).collect())
    };
    answer(fold())
}
