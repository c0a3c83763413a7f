//! The introducer: the one instance of an index that changes it, and the queue of those who want it to.

mod congestion;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use sidx_engine::{Batch, Job, Mode, Outcome, Receipt, View, Written};

use self::congestion::Congestion;
use self::queue::{Caller, Limits, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::pool::Pool;
use crate::session::{CallLimits, Columns, Role, Shared};
use crate::work::Task;
use crate::write::unwritten;

/// Most batches in one call of the engine, which copies their keys and series into its memory.
const MAX_BATCHES: usize = 256;
/// Most rows in one call, except that one batch is always taken.
const MAX_ROWS: usize = 1 << 20;
/// Who waits in the queue and may give up looks this often whether to.
const QUEUE_SLICE: Duration = Duration::from_millis(5);

/// Writes to one index.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    introducer: Mutex<Introducer>,
    queue: Queue<Batch<Columns>, Result<Receipt>>,
    congestion: Congestion,
}

struct Introducer {
    /// None once it trapped: its memory is given back at once.
    instance: Option<Box<dyn Instance>>,
    /// Why it changes nothing any more.
    failed: Option<Error>,
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
        instance.session().set_role(Role::Opener);
        let opened = instance.open(mode).and_then(|view| {
            pool.try_out(&view)?;
            Ok(shared.views.publish(view)?)
        });
        if let Err(error) = opened {
            pool.stopped();
            return Err(error);
        }
        instance.session().set_role(Role::Introducer);
        Ok(Self {
            shared,
            pool,
            introducer: Mutex::new(Introducer {
                instance: Some(instance),
                failed: None,
            }),
            queue: Queue::new(Limits {
                items: MAX_BATCHES,
                weight: MAX_ROWS,
                weigh: |batch| batch.keys.len(),
            }),
            congestion: Congestion::new(),
        })
    }

    /// Adds a batch, together with those of other callers. It is durable as it asked on return. A caller
    /// whose limits say so before anybody has begun with its batch gets `cancelled` or `deadline-exceeded`,
    /// and nothing of it was written.
    pub(crate) fn write(&self, batch: Batch<Columns>, limits: &CallLimits) -> Result<Acknowledged> {
        let mut memory_bytes = None;
        let turn = Turn {
            writer: self,
            limits,
            memory_bytes: &mut memory_bytes,
        };
        let receipt = self.queue.submit(batch, turn)??;
        Ok(Acknowledged {
            receipt,
            memory_bytes,
        })
    }

    /// What the last write found.
    pub(crate) fn congestion(&self) -> &Congestion {
        &self.congestion
    }

    /// One result per batch, and the bytes in memory parts if the write came about.
    fn write_batches(
        &self,
        introducer: MutexGuard<'_, Introducer>,
        batches: Vec<Batch<Columns>>,
    ) -> (Vec<Result<Receipt>>, Option<u64>) {
        let rows: Vec<usize> = batches.iter().map(|batch| batch.keys.len()).collect();
        let written = self.change_with(introducer, |introducer| {
            let Written {
                receipts,
                view,
                memory_bytes,
                pressure: _,
                delay_ms,
            } = introducer.write(batches)?;
            check_receipts(&receipts, &rows)?;
            // Memory parts cannot hold more than all memory files do.
            let memory_bytes = memory_bytes.min(self.shared.memory.used());
            let delay = Duration::from_millis(delay_ms.into());
            self.congestion.found(memory_bytes, delay);
            Ok(((receipts, memory_bytes), view))
        });
        match written {
            Ok((receipts, memory_bytes)) => {
                let receipts = receipts
                    .into_iter()
                    .map(|receipt| receipt.map_err(Error::from));
                (receipts.collect(), Some(memory_bytes))
            }
            Err(error) => (vec![Err(error); rows.len()], None),
        }
    }

    /// Calls the introducer to change the index, and publishes the view that comes of it. An error means
    /// that the log or the part list is in doubt, so it ends all changes; so does a panic.
    fn change<T>(&self, call: impl FnOnce(&mut dyn Instance) -> Result<(T, View)>) -> Result<T> {
        self.change_with(self.introducer.lock(), call)
    }

    /// The same, for a caller that has waited for the introducer.
    fn change_with<T>(
        &self,
        mut introducer: MutexGuard<'_, Introducer>,
        call: impl FnOnce(&mut dyn Instance) -> Result<(T, View)>,
    ) -> Result<T> {
        introducer.check()?;
        let mut broken = Broken {
            introducer: &mut introducer,
            armed: true,
        };
        let changed = call(broken.introducer.instance()?).and_then(|(value, view)| {
            self.pool.try_out(&view)?;
            self.shared.views.publish(view)?;
            Ok(value)
        });
        broken.armed = false;
        drop(broken);
        changed.map_err(|error| {
            tracing::error!(%error, "the index takes no more changes until it is reopened");
            introducer.fail(error, &self.pool)
        })
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
        let instance = introducer.instance()?;
        let result = call(instance);
        let trapped = !instance.is_usable();
        if let Err(error) = &result
            && trapped
        {
            introducer.fail(error.clone(), &self.pool);
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
        let merged = check_job(&job)
            .and_then(|()| self.merge(&job, limits, task))
            .and_then(|outcome| check_outcome(&job, outcome))
            .and_then(|outcome| self.introduce(outcome));
        match merged {
            Ok(outcome) => {
                // Idle instances that know the old parts would keep their memory and files.
                self.pool.drop_outdated(self.shared.views.newest_version());
                // The change is done whatever becomes of this; the next one tries again.
                if let Err(error) = self.consult(|introducer| introducer.collect()) {
                    tracing::warn!(%error, "files of replaced parts could not be removed");
                }
                Ok(Some(outcome))
            }
            // Another writer is at work, though the lock should not let it: it made a part of this number, or
            // published first. What is in the way is its own, so nothing is removed.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(self.introducer.lock().fail(error, &self.pool))
            }
            Err(error) => {
                if let Err(second) = self.consult(|introducer| introducer.abandon(&job)) {
                    tracing::warn!(job = job.id, error = %second, "a failed job left files behind");
                }
                Err(error)
            }
        }
    }

    /// Does a job on another instance, once there is room for what it writes.
    fn merge(&self, job: &Job, limits: CallLimits, task: &Task) -> Result<Outcome> {
        // Flushes and retention make room in the end.
        let is_urgent = job.flush || job.drop_where.is_some() || job.drop_below.is_some();
        let _space = self.shared.disk.reserve(job.space_bytes, is_urgent)?;
        let mut lease = self.pool.lease(limits.clone())?;
        task.follow(lease.instance()?.session().activity());
        let outcome = lease.merge(job)?;
        // The last moment to stop it.
        limits.check()?;
        Ok(outcome)
    }

    /// Puts the outcome of a job into the part list. An outcome that is refused, because the instance
    /// that did the job did it wrong, changes nothing.
    fn introduce(&self, outcome: Outcome) -> Result<Outcome> {
        let introduced = outcome.clone();
        let is_flush = outcome.job.flush;
        let refused = self.change(|introducer| match introducer.introduce(introduced) {
            Ok(view) => {
                self.congestion.ease(is_flush);
                Ok((None, view))
            }
            Err(error) if error.kind() == ErrorKind::InvalidArgument && introducer.is_usable() => {
                let view = self.shared.views.newest();
                Ok((Some(error), View::clone(&view)))
            }
            Err(error) => Err(error),
        })?;
        refused.map_or(Ok(outcome), Err)
    }
}

/// A caller in the queue of writers.
struct Turn<'w> {
    writer: &'w Writer,
    limits: &'w CallLimits,
    /// Told to the caller that leads.
    memory_bytes: &'w mut Option<u64>,
}

impl<'w> Caller<Batch<Columns>, Result<Receipt>> for Turn<'w> {
    type Stop = Error;
    type Ready = MutexGuard<'w, Introducer>;

    fn check(&self) -> Result<()> {
        self.limits.check().map_err(|error| unwritten(error.into()))
    }

    fn patience(&self) -> Option<Duration> {
        let is_limited = self.limits.is_limited();
        is_limited.then(|| {
            let left = self.limits.remaining();
            left.map_or(QUEUE_SLICE, |left| left.min(QUEUE_SLICE))
        })
    }

    fn prepare(&self) -> Result<Self::Ready> {
        let ready = self.limits.wait_for(&self.writer.introducer);
        ready.map_err(|error| unwritten(error.into()))
    }

    fn work(&mut self, ready: Self::Ready, batches: Vec<Batch<Columns>>) -> Vec<Result<Receipt>> {
        let (receipts, bytes) = self.writer.write_batches(ready, batches);
        *self.memory_bytes = bytes;
        receipts
    }

    fn unanswered() -> Result<Receipt> {
        let text = "the write broke off; reopen the index";
        Err(Error::new(ErrorKind::Other, text))
    }
}

/// One receipt for each batch, for as many rows as it has, with ids that follow each other.
fn check_receipts(receipts: &[sidx_engine::Result<Receipt>], rows: &[usize]) -> Result<()> {
    let broken = |what: String| Error::new(ErrorKind::Other, format!("the engine returned {what}"));
    if receipts.len() != rows.len() {
        let (found, needed) = (receipts.len(), rows.len());
        return Err(broken(format!("{found} receipts for {needed} batches")));
    }
    let mut least = 0;
    for (receipt, needed) in receipts.iter().zip(rows) {
        let Ok(Receipt { first_id, rows }) = receipt else {
            continue;
        };
        if *rows as usize != *needed {
            let text = format!("a receipt for {rows} rows of a batch of {needed}");
            return Err(broken(text));
        }
        let end = first_id.checked_add(u64::from(*rows));
        let (true, Some(end)) = (*first_id >= least, end) else {
            let text = format!("element ids from {first_id} on, after those below {least}");
            return Err(broken(text));
        };
        least = end;
    }
    Ok(())
}

/// A flush or merge makes a file part of something.
fn check_job(job: &Job) -> Result<()> {
    if job.durable && !job.inputs.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the engine planned job {}, which makes nothing durable",
        job.id
    );
    Err(Error::new(ErrorKind::Other, text))
}

/// The outcome of this job and no other.
fn check_outcome(job: &Job, outcome: Outcome) -> Result<Outcome> {
    if outcome.job == *job {
        return Ok(outcome);
    }
    let (found, needed) = (outcome.job.id, job.id);
    Err(Error::new(
        ErrorKind::Other,
        format!("the engine returned an outcome of job {found} for job {needed}"),
    ))
}

/// Notes it when a change ends in a panic, of a storage backend for example: what it left half done must
/// not be built upon.
struct Broken<'a> {
    introducer: &'a mut Introducer,
    armed: bool,
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        if self.armed {
            let text = "a change broke off in a panic";
            self.introducer.failed = Some(Error::new(ErrorKind::Other, text));
        }
    }
}

impl Introducer {
    /// The instance, as long as there is one.
    fn instance(&mut self) -> Result<&mut dyn Instance> {
        match &mut self.instance {
            Some(instance) => Ok(instance.as_mut()),
            None => Err(self.failed.clone().unwrap_or_else(|| {
                Error::new(ErrorKind::Other, "the instance that writes is gone")
            })),
        }
    }

    /// Takes no more changes, and drops an instance that trapped.
    fn fail(&mut self, error: Error, pool: &Pool) -> Error {
        if self.instance.as_ref().is_some_and(|it| !it.is_usable()) {
            self.instance = None;
            pool.stopped();
        }
        let first = self.failed.get_or_insert(error);
        refusal(first)
    }

    fn check(&self) -> Result<()> {
        self.failed
            .as_ref()
            .map_or(Ok(()), |error| Err(refusal(error)))
    }
}

/// What a caller is told after a failure. It has not the kind of the cause: `resource-exhausted`, say,
/// would promise that nothing happened.
fn refusal(cause: &Error) -> Error {
    let kind = if cause.kind() == ErrorKind::Conflict {
        ErrorKind::Conflict
    } else {
        ErrorKind::Io
    };
    let text = format!("the index takes no more changes after `{cause}`; close it and reopen it");
    Error::new(kind, text)
}
