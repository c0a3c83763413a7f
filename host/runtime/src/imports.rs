//! The imports of the component, tied to the [`Session`] of its instance.
//!
//! `files`, `scan` and `log` are registered by hand: their long lists are read where the component keeps
//! them and pages go back without a copy of the host's own. `objects` and `limits` are small and use
//! what `bindgen!` makes. Nothing here decides anything; the session does.

mod columns;
mod convert;
mod dictionary;
mod files;
mod filters;
mod lists;
mod log;
mod memory;
mod memory_blocks;
mod objects;
mod scan;

use sidx_engine::ErrorKind;
use wasmtime::component::{Linker, Resource, ResourceTable, ResourceTableError};

use self::filters::Filters;
use crate::session::{Columns, Filter, NewDictionary, NewFile, Session};

#[cfg(target_endian = "big")]
compile_error!("the host reads the component's lists in place, as little-endian numbers");

pub(crate) use self::convert::{from_wit_chunk, from_wit_error, from_wit_term, to_wit_error};
pub(crate) use self::memory::InstanceMemory;

/// What `bindgen!` makes of `wit/engine`.
#[allow(missing_docs, unused_variables, unreachable_pub, clippy::all)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/engine",
        world: "engine",
        imports: { default: trappable },
        with: {
            "sidx:engine/files.new-file": crate::session::NewFile,
            "sidx:engine/scan.columns": crate::session::Columns,
            "sidx:engine/scan.new-dictionary": crate::session::NewDictionary,
        },
        trappable_error_type: { "sidx:engine/types.error" => super::ImportError },
    });
}

use self::bindings::sidx::engine::types;

/// The package of the boundary.
pub(crate) const PACKAGE: &str = "sidx:engine";
/// Its version that is spoken here.
pub(crate) const VERSION: &str = "0.2.0";

/// Most columns and files under construction that an instance may hold at once, and most filters. A query
/// holds one or two, a merge as many files as a part has.
const MAX_RESOURCES: usize = 1 << 16;
/// Most bytes of values in the columns that an instance made and has not given back.
const MAX_HELD_BYTES: u64 = 4 << 30;

/// The data of an instance's Wasmtime store.
pub(crate) struct State {
    pub(crate) session: Session,
    /// Columns and files under construction that the component holds.
    pub(crate) table: ResourceTable,
    pub(crate) memory: InstanceMemory,
    filters: Filters,
    /// Why the last `scan.top` failed.
    top_failure: Option<sidx_engine::Error>,
    /// Bytes of values in the columns that the component made.
    held_bytes: u64,
}

/// Columns in the table of an instance.
pub(crate) struct HeldColumns {
    columns: Columns,
    /// What they count for in `held_bytes`: nothing for those that the host handed in.
    bytes: u64,
}

/// Why an import did not do what it was asked to.
#[derive(Debug)]
#[allow(unreachable_pub)] // bindgen re-exports it.
pub enum ImportError {
    /// An error that the component can handle.
    Refused(sidx_engine::Error),
    /// A broken rule of the boundary, such as a resource handle that does not exist.
    Trap(wasmtime::Error),
}

impl ImportError {
    /// As a trap, for imports that cannot return an error.
    fn into_trap(self) -> wasmtime::Error {
        match self {
            Self::Refused(error) => error.into(),
            Self::Trap(trap) => trap,
        }
    }
}

impl From<sidx_engine::Error> for ImportError {
    fn from(error: sidx_engine::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sidx_executor::Error> for ImportError {
    fn from(error: sidx_executor::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ResourceTableError> for ImportError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

/// What a function registered by hand returns: one value, which is a WIT `result`.
type Answer<T> = wasmtime::Result<(Result<T, types::Error>,)>;

fn answer<T>(result: Result<T, ImportError>) -> Answer<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(ImportError::Refused(error)) => Ok((Err(to_wit_error(error)),)),
        Err(ImportError::Trap(trap)) => Err(trap),
    }
}

impl State {
    pub(crate) fn new(session: Session, memory: InstanceMemory) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            session,
            table,
            memory,
            filters: Filters::default(),
            top_failure: None,
            held_bytes: 0,
        }
    }

    /// Hands columns of the host to the component.
    pub(crate) fn hand_in(&mut self, columns: Columns) -> Result<Resource<Columns>, ImportError> {
        Ok(as_columns(
            self.table.push(HeldColumns { columns, bytes: 0 })?,
        ))
    }

    /// Holds columns that the component had made.
    fn hold(&mut self, columns: Columns) -> Result<Resource<Columns>, ImportError> {
        let bytes = columns.size_bytes() + columns.key_bytes();
        check_held(self.held_bytes, bytes)?;
        let held = self.table.push(HeldColumns { columns, bytes })?;
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        Ok(as_columns(held))
    }

    /// Takes columns out of the component's hands.
    pub(crate) fn take(&mut self, columns: &Resource<Columns>) -> Result<Columns, ImportError> {
        let HeldColumns { columns, bytes } = self.table.delete(as_held(columns))?;
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        Ok(columns)
    }

    fn new_file(&self, file: &Resource<NewFile>) -> Result<&NewFile, ImportError> {
        Ok(self.table.get(file)?)
    }

    fn dictionary(
        &self,
        dictionary: &Resource<NewDictionary>,
    ) -> Result<&NewDictionary, ImportError> {
        Ok(self.table.get(dictionary)?)
    }

    fn columns(&self, columns: &Resource<Columns>) -> Result<&Columns, ImportError> {
        Ok(&self.table.get(&as_held(columns))?.columns)
    }

    fn filter(&self, number: Option<u32>) -> sidx_engine::Result<Option<&Filter>> {
        number.map(|number| self.filters.get(number)).transpose()
    }
}

/// Components see the resource `columns`; the table holds more about it.
fn as_columns(held: Resource<HeldColumns>) -> Resource<Columns> {
    Resource::new_own(held.rep())
}

fn as_held(columns: &Resource<Columns>) -> Resource<HeldColumns> {
    Resource::new_own(columns.rep())
}

fn check_held(held: u64, added: u64) -> Result<(), sidx_engine::Error> {
    if held.saturating_add(added) > MAX_HELD_BYTES {
        let text = format!(
            "an instance may hold columns of {MAX_HELD_BYTES} bytes; {held} are held, {added} more \
             were asked for"
        );
        return Err(sidx_engine::Error::new(ErrorKind::ResourceExhausted, text));
    }
    Ok(())
}

/// Registers every import of the world.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let name = |interface| format!("{PACKAGE}/{interface}@{VERSION}");
    linker.instance(&name("types"))?;
    files::link(&mut linker.instance(&name("files"))?)?;
    scan::link(&mut linker.instance(&name("scan"))?)?;
    log::link(&mut linker.instance(&name("log"))?)?;
    objects::link(linker)
}
