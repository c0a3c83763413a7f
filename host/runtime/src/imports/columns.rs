//! The resource `columns` of `sidx:engine/scan`.

use sidx_engine::Host;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::{ImportError, State, convert};
use crate::session::Columns;

type Store<'a> = StoreContextMut<'a, State>;
type ColumnAt = (Resource<Columns>, u32);

/// A column that does not exist reads as one of no rows.
pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    scan.resource(
        "columns",
        ResourceType::host::<Columns>(),
        |mut store, rep| {
            let columns = Resource::new_own(rep);
            store
                .data_mut()
                .take(&columns)
                .map_err(ImportError::into_trap)?;
            Ok(())
        },
    )?;
    scan.func_wrap(
        "[method]columns.facts",
        |store: Store<'_>, (columns,): (Resource<Columns>,)| {
            let columns = columns_of(&store, &columns)?;
            let facts = store.data().session.column_facts(columns)?;
            Ok((convert::column_facts(facts),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.lengths",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let columns = columns_of(&store, &columns)?;
            Ok((store.data().session.column_lengths(columns, at),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.presence",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let column = columns_of(&store, &columns)?.get(at).ok();
            Ok((column.and_then(|column| Some(column.presence()?.words().to_vec())),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.read",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let column = columns_of(&store, &columns)?.get(at).ok();
            Ok((convert::column(column),))
        },
    )
}

fn columns_of<'a>(
    store: &'a Store<'_>,
    columns: &Resource<Columns>,
) -> wasmtime::Result<&'a Columns> {
    store
        .data()
        .columns(columns)
        .map_err(ImportError::into_trap)
}
