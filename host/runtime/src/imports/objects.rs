//! `sidx:engine/objects` and `sidx:engine/limits`.

use sidx_engine::Host;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::sidx::engine::{limits, objects, types};
use super::{ImportError, State, convert, to_wit_error};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    objects::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    limits::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {
    fn convert_error(&mut self, error: ImportError) -> wasmtime::Result<types::Error> {
        match error {
            ImportError::Refused(error) => Ok(to_wit_error(error)),
            ImportError::Trap(trap) => Err(trap),
        }
    }
}

impl objects::Host for State {
    fn get(&mut self, name: String) -> Result<Option<objects::Object>, ImportError> {
        Ok(self.session.get_object(&name)?.map(convert::object))
    }

    fn put_if_absent(&mut self, name: String, bytes: Vec<u8>) -> Result<String, ImportError> {
        Ok(self.session.put_object_if_absent(&name, &bytes)?)
    }

    fn compare_and_swap(
        &mut self,
        name: String,
        version: String,
        bytes: Vec<u8>,
    ) -> Result<String, ImportError> {
        Ok(self.session.swap_object(&name, &version, &bytes)?)
    }

    fn list(&mut self, prefix: String) -> Result<Vec<String>, ImportError> {
        Ok(self.session.list_objects(&prefix)?)
    }

    fn remove(&mut self, name: String) -> Result<(), ImportError> {
        Ok(self.session.remove_object(&name)?)
    }
}

impl limits::Host for State {
    fn usage(&mut self) -> wasmtime::Result<limits::Budgets> {
        Ok(convert::budgets(self.session.usage()))
    }

    fn check(&mut self) -> Result<(), ImportError> {
        Ok(self.session.check()?)
    }

    fn find_readers(&mut self) -> Result<limits::Readers, ImportError> {
        Ok(convert::readers(self.session.find_readers()?))
    }

    fn pin_epoch(&mut self, epoch: u64) -> Result<(), ImportError> {
        Ok(self.session.pin_epoch(epoch)?)
    }

    fn release_lender(&mut self, place: String) -> Result<(), ImportError> {
        Ok(self.session.release_lender(&place)?)
    }
}
