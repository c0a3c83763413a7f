//! The introducer: the one instance of an index that changes it, and the queue of those who want it to.

mod congestion;
mod jobs;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use sidx_engine::{Batch, Mode, Receipt, View, Written};

use self::congestion::Congestion;
use self::queue::{Caller, Limits, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Instance;
use crate::pool::Pool;
use crate::session::{CallLimits, Columns, Role, Shared};
use crate::storage::LogForm;

/// Most batches in one call of the engine, which copies their keys and series into its memory.
const MAX_BATCHES: usize = 256;
/// Most rows in one call, except that one batch is always taken.
const MAX_ROWS: usize = 1 << 20;
/// Most bytes that are written together where each commit is an object, except that one batch is always
/// taken.
const MAX_OBJECT_BYTES: usize = 16 << 20;
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
        let opened = instance.open(mode).and_then(|opened| {
            pool.try_out(&opened.view)?;
            shared.publish(opened.view)?;
            shared.damages.note_opening(&opened.damaged);
            Ok(())
        });
        if let Err(error) = opened {
            // Nobody was answered. Where the opening came to nothing there is nothing to close.
            let _ = instance.close();
            pool.stopped();
            return Err(error);
        }
        instance.session().set_role(Role::Introducer);
        let group_bytes = match shared.storage.log_form() {
            LogForm::Growing => usize::MAX,
            LogForm::Whole => MAX_OBJECT_BYTES,
        };
        Ok(Self {
            shared,
            pool,
            introducer: Mutex::new(Introducer {
                instance: Some(instance),
                failed: None,
            }),
            queue: Queue::new(Limits {
                items: MAX_BATCHES,
                weights: [MAX_ROWS, group_bytes],
                weigh: |batch| {
                    let bytes = usize::try_from(raw_bytes(batch)).unwrap_or(usize::MAX);
                    [batch.keys.len(), bytes]
                },
            }),
            congestion: Congestion::new(),
        })
    }

    /// Brings an index that is only read up to date, and publishes the view that comes of it; see
    /// `index.refresh`.
    pub(crate) fn refresh(&self, epochs: bool) -> Result<()> {
        self.begin_again()?;
        let opened = self.consult(|instance| {
            instance.session().set_role(Role::Opener);
            let refreshed = instance.refresh(epochs);
            instance.session().set_role(Role::Introducer);
            let opened = refreshed?;
            if opened.view.version != self.shared.views.newest_version() {
                self.pool.try_out(&opened.view)?;
            }
            self.shared.publish(opened.view)?;
            Ok(opened.damaged)
        });
        self.shared.damages.note_opening(&opened?);
        Ok(())
    }

    /// Where the instance of an index that is only read trapped another one takes its place, which knows
    /// what queries read.
    fn begin_again(&self) -> Result<()> {
        let mut introducer = self.introducer.lock();
        if introducer.instance.is_some() {
            return Ok(());
        }
        let mut instance = self.pool.start(true)?;
        if let Err(error) = instance.attach(&self.shared.views.newest()) {
            drop(instance);
            self.pool.stopped();
            return Err(error);
        }
        *introducer = Introducer {
            instance: Some(instance),
            failed: None,
        };
        Ok(())
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

    /// Gives the index back, when nothing is asked of it any more. One that takes no more changes stays as
    /// it is.
    pub(crate) fn close(&self) {
        let mut introducer = self.introducer.lock();
        if introducer.failed.is_some() {
            return;
        }
        if let Err(error) = introducer.instance().and_then(|instance| instance.close()) {
            // As whole as after a crash.
            tracing::debug!(%error, "an index was not closed");
        }
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
                pressure,
                delay_ms,
            } = introducer.write(batches)?;
            check_receipts(&receipts, &rows)?;
            // Memory parts cannot hold more than all memory files do.
            let memory_bytes = memory_bytes.min(self.shared.memory.used());
            let delay = Duration::from_millis(delay_ms.into());
            self.congestion.found(memory_bytes, pressure, delay);
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
            self.shared.publish(view)?;
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
}

/// Bytes of a batch in memory, and about those in the log: its columns, and 16 for the series and key of
/// each row.
pub(crate) fn raw_bytes(batch: &Batch<Columns>) -> u64 {
    batch.columns.size_bytes() + 16 * batch.keys.len() as u64
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

/// The error of a write that gave up waiting.
pub(crate) fn unwritten(error: Error) -> Error {
    let text = format!("{}; nothing was written", error.message());
    Error::new(error.kind(), text)
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
        let is_unknown = error.kind() == ErrorKind::Unknown;
        let first = self.failed.get_or_insert(error);
        match is_unknown {
            true => first.clone(),
            false => refusal(first),
        }
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
    let kind = match cause.kind() {
        // Another writer has taken over.
        ErrorKind::Conflict | ErrorKind::Unknown => ErrorKind::Conflict,
        _ => ErrorKind::Io,
    };
    let text = format!("the index takes no more changes after `{cause}`; close it and reopen it");
    Error::new(kind, text).with_source(cause.clone())
}
