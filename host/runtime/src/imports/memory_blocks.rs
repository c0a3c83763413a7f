//! The functions of `sidx:engine/scan` that write parts in memory.

use sidx_columns::ColumnType;
use sidx_engine::{Host, Result};
use sidx_executor::block;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Resource, WasmList};

use super::bindings::sidx::engine::scan;
use super::{Answer, State, answer, convert};
use crate::session::{Columns, NewFile};

type Store<'a> = StoreContextMut<'a, State>;

/// `block-source` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct BlockSource {
    kinds: WasmList<u8>,
    pages: WasmList<u32>,
    blocks: WasmList<u32>,
    rows: WasmList<u32>,
}

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
        let kinds = source.kinds.as_le_slice(&store).iter();
        let kinds: Vec<ColumnType> = kinds
            .map(|code| convert::column_type(*code))
            .collect::<Result<_>>()?;
        let lists = block::Source {
            kinds: &kinds,
            pages: source.pages.as_le_slice(&store),
            blocks: source.blocks.as_le_slice(&store),
            rows: source.rows.as_le_slice(&store),
        };
        let keys = keys.as_le_slice(&store);
        let pieces = state.session.fold_block(target, keys, lists)?;
        Ok(pieces.into_iter().map(convert::piece).collect())
    };
    answer(fold())
}
