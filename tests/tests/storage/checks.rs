//! The conformance component, over a store of ours.

use std::sync::{Arc, LazyLock};

use sidx_host::storage::Store;
use sidx_host::storage::log::LogForm;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use super::flaws::Flaw;
use super::imports::State;
use super::imports::bindings::Conformance;

/// The component.
pub(super) const CHECKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/storage-checks.wasm"));

/// Compiled once for all tests.
static COMPILED: LazyLock<Component> = LazyLock::new(|| {
    assert!(
        !CHECKS.is_empty(),
        "the checks are not built where SIDX_COMPONENT_WASM names a finished component"
    );
    Component::new(&Engine::default(), CHECKS).unwrap()
});

/// An instance of the component over a store.
pub(super) struct Checks {
    store: wasmtime::Store<State>,
    instance: Conformance,
}

impl Checks {
    pub(super) fn new(indexes: Arc<dyn Store>, form: LogForm, flaw: Option<Flaw>) -> Self {
        let engine = COMPILED.engine();
        let mut linker = Linker::<State>::new(engine);
        Conformance::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).unwrap();
        let mut store = wasmtime::Store::new(engine, State::new(indexes, form, flaw));
        let instance = Conformance::instantiate(&mut store, &COMPILED, &linker).unwrap();
        Self { store, instance }
    }

    pub(super) fn names(&mut self) -> Vec<String> {
        let checks = self.instance.sidx_storage_checks();
        checks.call_names(&mut self.store).unwrap()
    }

    /// What one check says.
    pub(super) fn run(&mut self, name: &str) -> Result<(), String> {
        let checks = self.instance.sidx_storage_checks();
        checks.call_run(&mut self.store, name).unwrap()
    }
}
