//! The imports of the component, tied to the [`Session`] of its instance.
//!
//! `files`, `scan` and `log` are registered by hand: their long lists are read where the component keeps
//! them and pages go back without a copy of the host's own. `objects` and `limits` are small and use
//! what `bindgen!` makes. Nothing here decides anything; the session does.

mod columns;
mod convert;
mod files;
mod filters;
mod log;
mod objects;
mod scan;

use wasmtime::component::{Linker, Resource, ResourceTable, ResourceTableError};

use crate::runtime::InstanceMemory;
use crate::session::{Columns, Filter, NewFile, Session};

#[cfg(target_endian = "big")]
compile_error!("the host reads the component's lists in place, as little-endian numbers");

pub(crate) use self::convert::{from_wit_error, to_wit_error};

/// What `bindgen!` makes of `wit/`.
#[allow(missing_docs, unused_variables, unreachable_pub, clippy::all)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "engine",
        imports: { default: trappable },
        with: {
            "sidx:engine/files.new-file": crate::session::NewFile,
            "sidx:engine/scan.columns": crate::session::Columns,
            "sidx:engine/scan.filter": crate::session::Filter,
        },
        trappable_error_type: { "sidx:engine/types.error" => super::ImportError },
    });
}

use self::bindings::sidx::engine::types;

/// The data of an instance's Wasmtime store.
pub(crate) struct State {
    pub(crate) session: Session,
    /// Columns, filters and files under construction that the component holds.
    pub(crate) table: ResourceTable,
    pub(crate) memory: InstanceMemory,
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

impl From<sidx_engine::Error> for ImportError {
    fn from(error: sidx_engine::Error) -> Self {
        Self::Refused(error)
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
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            table: ResourceTable::new(),
            memory: InstanceMemory::default(),
        }
    }

    fn new_file(&self, file: &Resource<NewFile>) -> Result<&NewFile, ImportError> {
        Ok(self.table.get(file)?)
    }

    fn columns(&self, columns: &Resource<Columns>) -> Result<&Columns, ImportError> {
        Ok(self.table.get(columns)?)
    }

    fn filter(&self, filter: Option<&Resource<Filter>>) -> Result<Option<&Filter>, ImportError> {
        Ok(filter.map(|filter| self.table.get(filter)).transpose()?)
    }
}

/// Registers every import of the world.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance("sidx:engine/types@0.1.0")?;
    files::link(&mut linker.instance("sidx:engine/files@0.1.0")?)?;
    scan::link(&mut linker.instance("sidx:engine/scan@0.1.0")?)?;
    log::link(&mut linker.instance("sidx:engine/log@0.1.0")?)?;
    objects::link(linker)
}
