//! The introducer: the one instance of an index that changes it, and the queue of those who want it to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sidx_engine::{Batch, Job, Mode, Outcome, Pressure, Receipt, View, Written};

use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::pool::Pool;
use crate::session::{CallLimits, Columns, Shared};
use crate::work::Task;

/// Most batches in one call of the engine, which copies their keys and series into its memory.
const MAX_BATCHES: usize = 256;
/// Most rows in one call, except that one batch is always taken.
const MAX_ROWS: usize = 1 << 20;

/// Writes to one index.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    introducer: Mutex<Introducer>,
    queue: Mutex<Queue>,
    written: Condvar,
    /// As the last write found it, and how long it made writers wait.
    pressure: Mutex<(Pressure, Duration)>,
}

struct Introducer {
    instance: Box<dyn Instance>,
    /// Why it changes nothing any more.
    failed: Option<Error>,
}

/// Callers that wait for their batch. The first of them leads: it writes all that wait, one call for
/// all, so that many callers share one append and one sync.
#[derive(Default)]
struct Queue {
    next_ticket: u64,
    waiting: Vec<(u64, Batch<Columns>)>,
    results: HashMap<u64, Result<Receipt>>,
    is_led: bool,
}

/// The leader's duty: whatever happens, a panic of a storage backend included, those that wait get an
/// answer and a new leader.
struct Led<'a> {
    writer: &'a Writer,
    tickets: Vec<u64>,
    results: Vec<Result<Receipt>>,
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        let unanswered = || {
            Err(Error::new(
                ErrorKind::Other,
                "the write broke off; reopen the index",
            ))
        };
        self.results.resize_with(self.tickets.len(), unanswered);
        let mut queue = self.writer.queue.lock();
        queue
            .results
            .extend(self.tickets.drain(..).zip(self.results.drain(..)));
        queue.is_led = false;
        self.writer.written.notify_all();
    }
}

/// What came of a write.
pub(crate) struct Acknowledged {
    pub(crate) receipt: Receipt,
    /// Bytes in memory parts, told to the caller that led the write.
    pub(crate) memory_bytes: Option<u64>,
}

impl Writer {
    /// Opens the index and publishes its first view.
    pub(crate) fn open(shared: Arc<Shared>, pool: Arc<Pool>, mode: Mode) -> Result<Self> {
        let mut instance = pool.start(true)?;
        let view = match instance.open(mode) {
            Ok(view) => view,
            Err(error) => {
                pool.stopped();
                return Err(error);
            }
        };
        shared.views.publish(view);
        Ok(Self {
            shared,
            pool,
            introducer: Mutex::new(Introducer {
                instance,
                failed: None,
            }),
            queue: Mutex::default(),
            written: Condvar::new(),
            pressure: Mutex::default(),
        })
    }

    /// Adds a batch, together with those of other callers. It is durable as it asked on return.
    pub(crate) fn write(&self, batch: Batch<Columns>) -> Result<Acknowledged> {
        let mut queue = self.queue.lock();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push((ticket, batch));
        let mut memory_bytes = None;
        loop {
            if let Some(result) = queue.results.remove(&ticket) {
                return result.map(|receipt| Acknowledged {
                    receipt,
                    memory_bytes,
                });
            }
            if queue.is_led {
                self.written.wait(&mut queue);
                continue;
            }
            queue.is_led = true;
            let (tickets, batches) = queue.take();
            drop(queue);
            let mut led = Led {
                writer: self,
                tickets,
                results: Vec::new(),
            };
            (led.results, memory_bytes) = self.write_batches(batches);
            drop(led);
            queue = self.queue.lock();
        }
    }

    /// The pressure that the last write found, and how long writers wait because of it.
    pub(crate) fn pressure(&self) -> (Pressure, Duration) {
        *self.pressure.lock()
    }

    /// One result per batch, and the bytes in memory parts if the write came about.
    fn write_batches(&self, batches: Vec<Batch<Columns>>) -> (Vec<Result<Receipt>>, Option<u64>) {
        let count = batches.len();
        let written = self.change(|introducer| {
            let Written {
                receipts,
                view,
                memory_bytes,
                pressure,
                delay_ms,
            } = introducer.write(batches)?;
            *self.pressure.lock() = (pressure, Duration::from_millis(delay_ms.into()));
            if receipts.len() != count {
                let found = receipts.len();
                let text = format!("the engine returned {found} receipts for {count} batches");
                return Err(Error::new(ErrorKind::Other, text));
            }
            Ok(((receipts, memory_bytes), view))
        });
        match written {
            Ok((receipts, memory_bytes)) => {
                let receipts = receipts
                    .into_iter()
                    .map(|receipt| receipt.map_err(Error::from));
                (receipts.collect(), Some(memory_bytes))
            }
            Err(error) => (vec![Err(error); count], None),
        }
    }

    /// Calls the introducer to change the index, and publishes the view that comes of it. An error means
    /// that the log or the part list is in doubt, so it ends all changes.
    fn change<T>(&self, call: impl FnOnce(&mut dyn Instance) -> Result<(T, View)>) -> Result<T> {
        let mut introducer = self.introducer.lock();
        introducer.check()?;
        match call(introducer.instance.as_mut()) {
            Ok((value, view)) => {
                self.shared.views.publish(view);
                Ok(value)
            }
            Err(error) => {
                tracing::error!(%error, "the index takes no more changes until it is reopened");
                introducer.failed = Some(error);
                // Not the kind of the cause: `resource-exhausted`, say, would promise that nothing happened.
                introducer.check()?;
                Err(Error::new(
                    ErrorKind::Other,
                    "the index takes no more changes",
                ))
            }
        }
    }

    /// Calls the introducer for something that leaves the part list as it is.
    pub(crate) fn consult<T>(
        &self,
        call: impl FnOnce(&mut dyn Instance) -> Result<T>,
    ) -> Result<T> {
        self.consult_within(&CallLimits::default(), call)
    }

    /// As [`consult`](Self::consult), but waits for others only until the call must stop.
    fn consult_within<T>(
        &self,
        limits: &CallLimits,
        call: impl FnOnce(&mut dyn Instance) -> Result<T>,
    ) -> Result<T> {
        let mut introducer = limits.wait_for(&self.introducer)?;
        let result = call(introducer.instance.as_mut());
        if let Err(error) = &result
            && !introducer.instance.is_usable()
        {
            introducer.failed.get_or_insert_with(|| error.clone());
        }
        result
    }

    /// Plans a job, does it on another instance and introduces what came of it; none when there was
    /// nothing to do. A job that fails or is stopped is given up and changes nothing.
    pub(crate) fn run(
        &self,
        limits: CallLimits,
        task: &Task,
        plan: impl FnOnce(&mut dyn Instance) -> Result<Option<Job>>,
    ) -> Result<Option<Outcome>> {
        limits.wait_for(&self.introducer)?.check()?;
        let Some(job) = self.consult_within(&limits, plan)? else {
            return Ok(None);
        };
        let merged = self.merge(&job, limits, task);
        match merged {
            Ok(outcome) => {
                let introduced = outcome.clone();
                self.change(|introducer| Ok(((), introducer.introduce(introduced)?)))?;
                // Idle instances that know the old parts would keep their memory and files.
                self.pool.drop_outdated(self.shared.views.newest_version());
                // The change is done whatever becomes of this; the next one tries again.
                if let Err(error) = self.consult(|introducer| introducer.collect()) {
                    tracing::warn!(%error, "files of replaced parts could not be removed");
                }
                Ok(Some(outcome))
            }
            Err(error) => {
                if let Err(second) = self.consult(|introducer| introducer.abandon(&job)) {
                    tracing::warn!(job = job.id, error = %second, "a failed job left files behind");
                }
                Err(error)
            }
        }
    }
}

impl Writer {
    /// Does a job on another instance, once there is room for what it writes.
    fn merge(&self, job: &Job, limits: CallLimits, task: &Task) -> Result<Outcome> {
        // Flushes and retention make room in the end.
        let is_urgent = job.flush || job.drop_where.is_some() || job.drop_below.is_some();
        let _space = self.shared.disk.reserve(job.space_bytes, is_urgent)?;
        let mut lease = self.pool.lease(limits.clone())?;
        let instance = lease.instance()?;
        task.follow(instance.session().activity());
        let outcome = instance.merge(job)?;
        // The last moment to stop it.
        limits.check()?;
        Ok(outcome)
    }
}

impl Introducer {
    fn check(&self) -> Result<()> {
        let Some(error) = &self.failed else {
            return Ok(());
        };
        let kind = if error.kind() == ErrorKind::Conflict {
            ErrorKind::Conflict
        } else {
            ErrorKind::Io
        };
        let text =
            format!("the index takes no more changes after `{error}`; close it and reopen it");
        Err(Error::new(kind, text))
    }
}

impl Queue {
    /// The batches of the next call and the tickets of their callers.
    fn take(&mut self) -> (Vec<u64>, Vec<Batch<Columns>>) {
        let mut rows = 0usize;
        let fits = |(_, batch): &&(u64, Batch<Columns>)| {
            rows = rows.saturating_add(batch.keys.len());
            rows <= MAX_ROWS
        };
        let count = self
            .waiting
            .iter()
            .take(MAX_BATCHES)
            .take_while(fits)
            .count()
            .max(1);
        self.waiting.drain(..count.min(self.waiting.len())).unzip()
    }
}
