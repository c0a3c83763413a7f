//! Compiled components: each made at its first use, the embedded one kept as long as the process.

mod code_cache;
mod sandbox;
mod ticker;
mod version;

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel, Store, UpdateDeadline};
use xxhash_rust::xxh3::xxh3_128;

pub(crate) use self::sandbox::{GuestComponent, Sandbox};
pub(crate) use self::ticker::Watched;

use self::ticker::Ticker;
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::{self, EnginePre};
use crate::imports::{self, InstanceMemory, State};
use crate::session::Session;

/// The WebAssembly component that every index runs, for those who want to look into it.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sidx.wasm"));

/// Address space for each instance's memory. With a guard behind it no bounds check is left in 32-bit
/// code; it costs no memory.
pub(crate) const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Bytes that the component may hand to one import; Wasmtime's own limit is 128 MiB.
const HOSTCALL_BYTES: usize = 512 << 20;

/// The machine code of [`COMPONENT`] for this machine.
#[derive(Debug)]
#[non_exhaustive]
pub struct MachineCode {
    /// As `wasmtime::component::Component::deserialize` of the same version takes it, with the settings of
    /// this library.
    pub bytes: Vec<u8>,
    /// Where it is kept for the starts of programs to come; none where it cannot be.
    pub kept: Option<PathBuf>,
}

/// Makes the machine code of the component ahead of time, or finds that it is there, so that no opening of an
/// index has to: where it can be kept also that for the interruption which a call timeout needs. Takes two
/// seconds or so.
///
/// # Errors
/// `other` where it cannot be compiled.
pub fn compile() -> Result<MachineCode> {
    let runtime = Runtime::shared(&Sandbox::default())?;
    let serialized = runtime.component.instance_pre().component().serialize();
    let serialized = serialized.map_err(|cause| {
        let text = format!("the machine code cannot be written down: {cause:#}");
        Error::new(ErrorKind::Other, text)
    });
    let kept = code_cache::kept(&runtime.engine, &embedded_name());
    if kept.is_some() {
        Runtime::shared(&Sandbox {
            call_timeout: Some(Duration::MAX),
            ..Sandbox::default()
        })?;
    }
    Ok(MachineCode {
        bytes: serialized?,
        kept,
    })
}

/// Ours is compiled into this very program; a quick hash tells its versions apart.
fn embedded_name() -> String {
    format!("sidx-{:032x}", xxh3_128(COMPONENT))
}

static SHARED: Mutex<Option<Compiled>> = Mutex::new(None);

/// What was compiled in this process.
#[derive(Default)]
struct Compiled {
    /// Engines with and without interruption: the check at every loop makes tight loops twice as slow.
    plain: Option<Engine>,
    interruptible: Option<(Engine, Arc<Ticker>)>,
    embedded: HashMap<bool, Arc<Runtime>>,
    /// Components of callers, by digest and whether they are interruptible, while an index runs them.
    brought: HashMap<([u8; 32], bool), Weak<Runtime>>,
}

/// A component, compiled and linked, ready to be started any number of times.
pub(crate) struct Runtime {
    engine: Engine,
    component: EnginePre<State>,
    /// There when calls can be interrupted.
    ticker: Option<Arc<Ticker>>,
}

/// Why a running call was ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) sidx_engine::Error);

impl Runtime {
    /// The runtime for a component. The first call in a process loads the machine code from the cache or
    /// compiles for about a second; others wait for it. After a failure the next call tries again.
    pub(crate) fn shared(sandbox: &Sandbox) -> Result<Arc<Self>> {
        let mut shared = SHARED.lock();
        let compiled = shared.get_or_insert_default();
        let interruptible = sandbox.call_timeout.is_some();
        let found = match &sandbox.component {
            None => compiled.embedded.get(&interruptible).cloned(),
            Some(component) => compiled
                .brought
                .get(&(component.digest, interruptible))
                .and_then(Weak::upgrade),
        };
        if let Some(runtime) = found {
            return Ok(runtime);
        }
        let runtime = Arc::new(compiled.make(sandbox).map_err(|cause| {
            let (kind, whose) = match sandbox.component {
                None => (ErrorKind::Other, "the component"),
                Some(_) => (ErrorKind::InvalidArgument, "the component that was given"),
            };
            Error::new(kind, format!("{whose} cannot be prepared: {cause:#}"))
        })?);
        match &sandbox.component {
            None => {
                let kept = Arc::clone(&runtime);
                compiled.embedded.insert(interruptible, kept);
            }
            Some(component) => {
                compiled
                    .brought
                    .retain(|_, runtime| runtime.strong_count() > 0);
                let key = (component.digest, interruptible);
                compiled.brought.insert(key, Arc::downgrade(&runtime));
            }
        }
        Ok(runtime)
    }

    /// Starts an instance. `sandbox` is the one that the runtime was made for.
    pub(crate) fn start(
        &self,
        session: Session,
        sandbox: &Sandbox,
    ) -> wasmtime::Result<(Store<State>, bindings::Engine)> {
        let memory = InstanceMemory::new(sandbox.memory_bytes);
        let mut store = Store::new(&self.engine, State::new(session, memory));
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.limiter(|state| &mut state.memory);
        if self.ticker.is_some() {
            store.epoch_deadline_callback(|context| match context.data().session.check_time() {
                Ok(()) => Ok(UpdateDeadline::Continue(1)),
                Err(error) => Err(Stopped(error).into()),
            });
        }
        // Starting runs code of the component as well.
        let _watched = self.begin(&mut store, "start", sandbox);
        let instance = self.component.instantiate(&mut store)?;
        Ok((store, instance))
    }

    /// Begins a call into an instance, which lasts until the guard is dropped.
    pub(crate) fn begin(
        &self,
        store: &mut Store<State>,
        name: &'static str,
        sandbox: &Sandbox,
    ) -> Option<Watched> {
        let (ticker, timeout) = (self.ticker.as_ref()?, sandbox.call_timeout?);
        store.data().session.begin_call(name, timeout);
        store.set_epoch_deadline(1);
        Some(ticker.watch())
    }
}

impl Compiled {
    fn make(&mut self, sandbox: &Sandbox) -> wasmtime::Result<Runtime> {
        let (engine, ticker) = match sandbox.call_timeout {
            None => (self.plain()?, None),
            Some(_) => {
                let (engine, ticker) = self.interruptible()?;
                (engine, Some(ticker))
            }
        };
        let (wasm, name) = match &sandbox.component {
            None => (COMPONENT, embedded_name()),
            Some(component) => (&*component.bytes, hex(&component.digest)),
        };
        let component = match code_cache::load(&engine, &name) {
            Some(component) => component,
            None => {
                let component = Component::from_binary(&engine, wasm)?;
                code_cache::store(&engine, &name, &component);
                component
            }
        };
        version::check(&engine, &component)?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        let component = EnginePre::new(linker.instantiate_pre(&component)?)?;
        Ok(Runtime {
            engine,
            component,
            ticker,
        })
    }

    fn plain(&mut self) -> wasmtime::Result<Engine> {
        if let Some(engine) = &self.plain {
            return Ok(engine.clone());
        }
        Ok(self.plain.insert(Engine::new(&config())?).clone())
    }

    fn interruptible(&mut self) -> wasmtime::Result<(Engine, Arc<Ticker>)> {
        if let Some((engine, ticker)) = &self.interruptible {
            return Ok((engine.clone(), Arc::clone(ticker)));
        }
        let engine = Engine::new(config().epoch_interruption(true))?;
        let ticker = Ticker::start(engine.clone())?;
        self.interruptible = Some((engine.clone(), Arc::clone(&ticker)));
        Ok((engine, ticker))
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

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
