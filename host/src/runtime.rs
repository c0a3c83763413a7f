//! The compiled component: one per process, made at the first use.

mod code_cache;

use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel, ResourceLimiter, Store};

use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::{self, EnginePre};
use crate::imports::{self, State};
use crate::session::Session;

/// The WebAssembly component that every index runs, for those who want to look into it.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sidx.wasm"));

/// Address space for each instance's memory. With a guard behind it no bounds check is left in 32-bit
/// code; it costs no memory.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Bytes that the component may hand to one import; Wasmtime's own limit is 128 MiB.
const HOSTCALL_BYTES: usize = 512 << 20;
/// Most memory of one instance, below the 4 GiB that 32 bits can address.
const MOST_MEMORY_BYTES: usize = 3 << 30;

static SHARED: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// The component, compiled and linked, ready to be started any number of times.
pub(crate) struct Runtime {
    engine: Engine,
    component: EnginePre<State>,
}

impl Runtime {
    /// The runtime of this process. The first call loads the machine code from the cache or compiles for
    /// about a second; others wait for it. After a failure the next call tries again.
    pub(crate) fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock();
        if let Some(runtime) = &*shared {
            return Ok(Arc::clone(runtime));
        }
        let runtime = Arc::new(Self::new().map_err(|cause| {
            let text = format!("the component cannot be prepared: {cause:#}");
            Error::new(ErrorKind::Other, text)
        })?);
        *shared = Some(Arc::clone(&runtime));
        Ok(runtime)
    }

    fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = match code_cache::load(&engine, COMPONENT) {
            Some(component) => component,
            None => {
                let component = Component::from_binary(&engine, COMPONENT)?;
                code_cache::store(&engine, COMPONENT, &component);
                component
            }
        };
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        let component = EnginePre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, component })
    }

    /// Starts an instance.
    pub(crate) fn start(
        &self,
        session: Session,
    ) -> wasmtime::Result<(Store<State>, bindings::Engine)> {
        let mut store = Store::new(&self.engine, State::new(session));
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.limiter(|state| &mut state.memory);
        let instance = self.component.instantiate(&mut store)?;
        Ok((store, instance))
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_may_move(false);
    config
}

/// Follows the size of an instance's memory, which only grows.
#[derive(Debug, Default)]
pub(crate) struct InstanceMemory {
    bytes: usize,
}

impl InstanceMemory {
    /// Bytes of linear memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for InstanceMemory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > MOST_MEMORY_BYTES {
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
