//! The interface `sidx:filesystem/root`.

use std::sync::Arc;

use sidx_stores::{DirectoryStore, Result};

use crate::Component;
use crate::bindings::exports::sidx::filesystem::root::Guest;
use crate::bindings::exports::sidx::storage::types;
use crate::file_system::WasiFileSystem;
use crate::mapped::Mapped;
use crate::state::{self, State};

impl Guest for Component {
    fn open(path: String, create: bool) -> Result<(), types::Error> {
        state::with(|state| open(state, &path, create))
    }
}

fn open(state: &mut State, path: &str, create: bool) -> Result<()> {
    let (mapped, path) = Mapped::find(path)?;
    let store = DirectoryStore::on(Arc::new(WasiFileSystem::new(mapped)), path);
    match create {
        true => store.make()?,
        false => store.check()?,
    }
    state.store = Some(store);
    Ok(())
}
