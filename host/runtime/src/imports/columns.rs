//! The resource `columns` of `sidx:engine/scan`.

use sidx_columns::{Bitmap, ByteStrings, Column, Values};
use sidx_engine::{Error, Host, Result};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::bindings::sidx::engine::scan;
use super::{Answer, ImportError, State, answer, convert};
use crate::session::Columns;

type Store<'a> = StoreContextMut<'a, State>;

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
        "[constructor]columns",
        |mut store: Store<'_>, (rows,): (u32,)| {
            let columns = store.data_mut().hold(Columns::new(rows));
            Ok((columns.map_err(ImportError::into_trap)?,))
        },
    )?;
    scan.func_wrap("[method]columns.push", push)?;
    link_sizes(scan)?;
    link_values(scan)
}

type PushArguments = (
    Resource<Columns>,
    u8,
    Option<Vec<u64>>,
    Option<Vec<u32>>,
    scan::Values,
);

fn push(
    mut store: Store<'_>,
    (columns, kind, presence, ends, values): PushArguments,
) -> Answer<()> {
    let state = store.data_mut();
    let rows = state.columns(&columns).map(Columns::rows);
    answer(rows.and_then(|rows| {
        let column = column(rows as usize, kind, presence, ends, values)?;
        state.add_column(&columns, column)
    }))
}

/// A column from what the component sent; the constructor of columns checks the rest.
fn column(
    rows: usize,
    kind: u8,
    presence: Option<Vec<u64>>,
    ends: Option<Vec<u32>>,
    values: scan::Values,
) -> Result<Column> {
    let kind = convert::column_type(kind)?;
    let presence = presence
        .map(|words| {
            Bitmap::from_words(words, rows).ok_or_else(|| {
                Error::invalid(format!("presence does not have the words of {rows} bits"))
            })
        })
        .transpose()?;
    let invalid = |cause: sidx_columns::ColumnError| Error::invalid(cause.to_string());
    let values = match values {
        scan::Values::Ints(values) => Values::Int(values),
        scan::Values::Floats(values) => Values::Float(values),
        scan::Values::Bools(values) => {
            Values::Bool(values.into_iter().map(|value| value != 0).collect())
        }
        scan::Values::ByteStrings(strings) => {
            Values::Bytes(ByteStrings::new(strings.ends, strings.bytes).map_err(invalid)?)
        }
    };
    Column::new(kind, rows, presence, ends, values).map_err(invalid)
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

fn link_sizes(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Columns1 = (Resource<Columns>,);
    scan.func_wrap(
        "[method]columns.rows",
        |store: Store<'_>, (columns,): Columns1| Ok((columns_of(&store, &columns)?.rows(),)),
    )?;
    scan.func_wrap(
        "[method]columns.kinds",
        |store: Store<'_>, (columns,): Columns1| {
            let columns = columns_of(&store, &columns)?;
            let codes: Vec<u8> = columns
                .all()
                .iter()
                .map(|column| column.kind().code())
                .collect();
            Ok((codes,))
        },
    )?;
    scan.func_wrap(
        "[method]columns.size-bytes",
        |store: Store<'_>, (columns,): Columns1| Ok((columns_of(&store, &columns)?.size_bytes(),)),
    )?;
    scan.func_wrap(
        "[method]columns.longest-bytes",
        |store: Store<'_>, (columns,): Columns1| {
            let columns = columns_of(&store, &columns)?;
            Ok((store.data().session.column_longest_bytes(columns),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.lengths",
        |store: Store<'_>, (columns, at): (Resource<Columns>, u32)| {
            let columns = columns_of(&store, &columns)?;
            Ok((store.data().session.column_lengths(columns, at),))
        },
    )
}

/// A column that does not exist reads as one of no rows.
fn link_values(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type ColumnAt = (Resource<Columns>, u32);
    scan.func_wrap(
        "[method]columns.presence",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let column = columns_of(&store, &columns)?.get(at).ok();
            Ok((column.and_then(|column| Some(column.presence()?.words().to_vec())),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.ends",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let column = columns_of(&store, &columns)?.get(at).ok();
            Ok((column.and_then(|column| Some(column.ends()?.to_vec())),))
        },
    )?;
    scan.func_wrap(
        "[method]columns.values",
        |store: Store<'_>, (columns, at): ColumnAt| {
            let column = columns_of(&store, &columns)?.get(at).ok();
            Ok((column.map_or_else(|| scan::Values::Ints(Vec::new()), values),))
        },
    )
}

fn values(column: &Column) -> scan::Values {
    match column.values() {
        Values::Int(values) => scan::Values::Ints(values.clone()),
        Values::Float(values) => scan::Values::Floats(values.clone()),
        Values::Bool(values) => {
            scan::Values::Bools(values.iter().map(|value| u8::from(*value)).collect())
        }
        Values::Bytes(strings) => scan::Values::ByteStrings(scan::ByteStrings {
            ends: strings.ends().to_vec(),
            bytes: strings.bytes().to_vec(),
        }),
    }
}
