//! Instances that serve queries, flushes and merges.
//!
//! An instance belongs to one caller at a time and is kept for the next. One that trapped is dropped,
//! and so is one whose memory grew large, because WebAssembly memory never shrinks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;
use serde::Serialize;
use sidx_engine::{Job, Outcome, Salvaged, View};

use crate::error::{Error, ErrorKind, Result};
use crate::instance::{ComponentInstance, Engine, Instance, NativeEngine, NativeInstance};
use crate::runtime::Sandbox;
use crate::session::{CallLimits, CancelToken, Pin, Role, Session, Shared, Space};

/// An idle instance with more memory than this is not kept.
const RECYCLED_BYTES: u64 = 256 << 20;

/// The instances of one open index.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    engine: Engine,
    native: NativeEngine,
    sandbox: Arc<Sandbox>,
    idle: Mutex<Vec<Worker>>,
    processors: usize,
    /// Most idle instances.
    kept: usize,
}

/// Instances of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InstanceHealth {
    /// Instances that may still be started.
    pub free: u32,
    /// Instances that wait for work.
    pub idle: u32,
    /// Linear memory that the idle ones keep, in bytes; 0 with the native engine.
    pub idle_memory_bytes: u64,
}

/// Processors that the process may use. To ask for them takes as long as to open a small part, and they
/// hardly ever change.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

struct Worker {
    instance: Box<dyn Instance>,
    /// Version of the view that it is attached to.
    version: Option<u64>,
}

impl Pool {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (engine, native): (Engine, NativeEngine),
        sandbox: Sandbox,
    ) -> Arc<Self> {
        let processors = processors();
        Arc::new(Self {
            shared,
            engine,
            native,
            sandbox: Arc::new(sandbox),
            idle: Mutex::default(),
            processors,
            kept: processors * 2,
        })
    }

    /// An instance that sees the newest view and stops when `limits` say so. The view stays readable
    /// while the lease lives. `resource-exhausted` when all allowed instances are in use.
    pub(crate) fn lease(self: &Arc<Self>, limits: CallLimits) -> Result<Lease> {
        // An answer from metadata alone would never ask.
        limits.check()?;
        // Pinned first: the files of the view must stay from here on.
        let pin = self.shared.views.pin();
        let mut lease = Lease {
            worker: Some(self.worker()?),
            pool: Arc::clone(self),
            pin,
            limits: limits.clone(),
        };
        lease.attach(limits)?;
        Ok(lease)
    }

    /// Processors of the machine, which is how many shares a query is cut into at most by default.
    pub(crate) fn processors(&self) -> usize {
        self.processors
    }

    /// An instance for help, as long as enough are left for others.
    fn spare(&self) -> Result<Option<Worker>> {
        let idle = self.idle.lock().pop();
        if idle.is_some() {
            return Ok(idle);
        }
        if (self.shared.free_slots.load(Ordering::Relaxed) as usize) <= self.kept {
            return Ok(None);
        }
        self.worker().map(Some)
    }

    fn worker(&self) -> Result<Worker> {
        let idle = self.idle.lock().pop();
        match idle {
            Some(worker) => Ok(worker),
            None => Ok(Worker {
                instance: self.start(false)?,
                version: None,
            }),
        }
    }

    /// Attaches an instance to a view that is not published yet, if the component is not trusted: what no
    /// instance can read must not become the newest. The view may not change meanwhile.
    pub(crate) fn try_out(&self, view: &View) -> Result<()> {
        if self.engine == Engine::Native || !self.sandbox.is_wary() {
            return Ok(());
        }
        let mut worker = match self.worker() {
            Ok(worker) => worker,
            // Every instance is in use: the next reader will see whether the view is good.
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => return Ok(()),
            Err(error) => return Err(error),
        };
        let attached = worker.attach(view).and_then(|unreadable| {
            let damages = &self.shared.damages;
            let is_new = |part: &u64| !damages.has(*part);
            let new: Vec<u64> = unreadable.into_iter().filter(is_new).collect();
            if new.is_empty() {
                return Ok(());
            }
            // Damage of before would not be the doing of who made the view.
            let before = worker.attach(&self.shared.views.newest())?;
            if new.iter().all(|part| before.contains(part)) {
                return Ok(());
            }
            let text = format!(
                "the engine returned a view of {} parts that cannot be opened",
                new.len()
            );
            Err(Error::new(ErrorKind::Other, text))
        });
        self.put_back(worker);
        attached
    }

    /// Starts an instance that is not part of the pool but counts like one.
    pub(crate) fn start(&self, introducer: bool) -> Result<Box<dyn Instance>> {
        let free = &self.shared.free_slots;
        let taken = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if taken.is_err() {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                "all instances are in use; drop cursors that are no longer read, or raise \
                 `max_instances`",
            ));
        }
        let session = Session::new(Arc::clone(&self.shared), introducer);
        let started: Result<Box<dyn Instance>> = match self.engine {
            Engine::Component => ComponentInstance::start(session, Arc::clone(&self.sandbox))
                .map(|instance| Box::new(instance) as _),
            Engine::Native => Ok(Box::new(NativeInstance::new(session, self.native))),
        };
        if started.is_err() {
            self.stopped();
        }
        started
    }

    /// Gives back the slot of an instance that was dropped.
    pub(crate) fn stopped(&self) {
        self.shared.free_slots.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops idle instances that see another view than this.
    pub(crate) fn drop_outdated(&self, version: u64) {
        let idle = std::mem::take(&mut *self.idle.lock());
        for worker in idle {
            match worker.version == Some(version) {
                true => self.put_back(worker),
                false => self.stopped(),
            }
        }
    }

    /// The instances that wait, and how many more there may be.
    pub(crate) fn health(&self) -> InstanceHealth {
        let idle = self.idle.lock();
        InstanceHealth {
            free: self.shared.free_slots.load(Ordering::Relaxed),
            idle: idle.len() as u32,
            idle_memory_bytes: idle
                .iter()
                .map(|worker| worker.instance.memory_bytes())
                .sum(),
        }
    }

    fn put_back(&self, worker: Worker) {
        if !thread::panicking()
            && worker.instance.is_usable()
            && worker.instance.memory_bytes() <= RECYCLED_BYTES
        {
            let mut idle = self.idle.lock();
            if idle.len() < self.kept {
                idle.push(worker);
                return;
            }
        }
        drop(worker);
        self.stopped();
    }
}

/// An instance in use.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    /// `None` only while the lease is being dropped.
    worker: Option<Worker>,
    pin: Pin,
    limits: CallLimits,
}

impl Lease {
    /// The instance.
    pub(crate) fn instance(&mut self) -> Result<&mut dyn Instance> {
        match &mut self.worker {
            Some(worker) => Ok(worker.instance.as_mut()),
            None => Err(Error::new(
                ErrorKind::Other,
                "the instance was given back already",
            )),
        }
    }

    /// What stops the calls.
    pub(crate) fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// At most so many other instances that see the same view and stop at the same time, or with `stop`.
    pub(crate) fn companions(&self, most: usize, stop: Option<&CancelToken>) -> Result<Vec<Lease>> {
        let mut leases = Vec::with_capacity(most);
        while leases.len() < most {
            let worker = match self.pool.spare() {
                Ok(Some(worker)) => worker,
                Ok(None) => break,
                // There may be fewer than was thought.
                Err(error) if error.kind() == ErrorKind::ResourceExhausted => break,
                Err(error) => return Err(error),
            };
            let limits = self.limits.clone().with_stop(stop);
            let mut lease = Lease {
                pool: Arc::clone(&self.pool),
                worker: Some(worker),
                pin: self.pin.again(),
                limits: limits.clone(),
            };
            lease.attach(limits)?;
            leases.push(lease);
        }
        Ok(leases)
    }

    /// What the instance returned, after a check. One that returned nonsense is not used again.
    pub(crate) fn whole<T>(&mut self, checked: Result<T>) -> Result<T> {
        if let (Err(_), Some(worker)) = (&checked, &mut self.worker) {
            worker.instance.give_up();
        }
        checked
    }

    /// Does a merge: for as long the instance may make files, in the room that was set aside.
    pub(crate) fn merge(&mut self, job: &Job, space: &Arc<Space>) -> Result<Outcome> {
        self.build(space, |instance| instance.merge(job))
    }

    /// Does a salvage, likewise.
    pub(crate) fn salvage(&mut self, job: &Job, space: &Arc<Space>) -> Result<Salvaged> {
        self.build(space, |instance| instance.salvage(job))
    }

    fn build<T>(
        &mut self,
        space: &Arc<Space>,
        work: impl FnOnce(&mut dyn Instance) -> Result<T>,
    ) -> Result<T> {
        let instance = self.instance()?;
        instance.session().set_role(Role::Builder);
        instance.session().set_space(Some(Arc::clone(space)));
        let built = work(instance);
        instance.session().set_space(None);
        instance.session().set_role(Role::Reader);
        built
    }

    fn attach(&mut self, limits: CallLimits) -> Result<()> {
        let Some(worker) = &mut self.worker else {
            return Ok(());
        };
        let session = worker.instance.session();
        session.set_limits(limits);
        session.activity().reset(false);
        let unreadable = worker.attach(self.pin.view())?;
        let damages = &self.pool.shared.damages;
        if unreadable.iter().any(|part| !damages.has(*part)) {
            for damage in worker.instance.survey(&unreadable, false)? {
                damages.note(damage);
            }
        }
        Ok(())
    }
}

impl Worker {
    /// The parts that it cannot open because they are damaged, when they were not told before.
    fn attach(&mut self, view: &View) -> Result<Vec<u64>> {
        if self.version == Some(view.version) {
            return Ok(Vec::new());
        }
        // Cleared first: after a failed attempt it is unknown what the instance sees.
        self.version = None;
        let unreadable = self.instance.attach(view)?;
        self.version = Some(view.version);
        Ok(unreadable)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.instance.session().set_limits(CallLimits::default());
            self.pool.put_back(worker);
        }
    }
}
