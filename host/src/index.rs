//! An open index.

use std::fmt;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sidx_engine::{Choice, Durability, INDEX_OBJECT, Mode, Outcome, Receipt, Retention, Subject};

use crate::batch::Batch;
use crate::dump::Dump;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::{Engine, Instance};
use crate::labels::Labels;
use crate::pool::{Lease, Pool};
use crate::query::Query;
use crate::runtime::Sandbox;
use crate::session::{Budgets, CallLimits, Shared};
use crate::storage::{Lock, Storage};
use crate::writer::Writer;

/// A handle of an open index. Clones are handles of the same index and may be used from any thread; the
/// index is closed when the last handle and the last cursor are dropped.
///
/// Dropping flushes nothing: rows written with durability `sync` or `os` are in the log and come back
/// when the index is opened again. Rows written with `none` need [`flush`](Self::flush) or
/// [`close`](Self::close).
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    shared: Arc<Shared>,
    settings: Settings,
    writer: Writer,
    pool: Arc<Pool>,
    labels: Arc<Labels>,
    /// One flush, and one merge, at a time; a flush need not wait for a long merge.
    flushing: Mutex<()>,
    merging: Mutex<()>,
    /// Dropped last: nobody else may write before everything above is gone.
    _lock: Option<Lock>,
}

/// How an index is opened.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) engine: Engine,
    pub(crate) durability: Durability,
    pub(crate) budgets: Budgets,
    pub(crate) flush_bytes: u64,
    pub(crate) automatic_merge: bool,
    pub(crate) sandbox: Sandbox,
}

/// Most merges of one call: no list of parts needs so many.
const MAX_MERGES: usize = 4096;

/// What a flush or merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Parts that were made.
    pub parts: u64,
    /// Rows written to them.
    pub rows: u64,
    /// Rows that retention dropped.
    pub dropped_rows: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

impl Merged {
    fn add(&mut self, outcome: &Outcome) {
        self.parts += u64::from(outcome.rows > 0);
        self.rows = self.rows.saturating_add(outcome.rows);
        self.dropped_rows = self.dropped_rows.saturating_add(outcome.dropped_rows);
        self.bytes_written = self.bytes_written.saturating_add(outcome.bytes_written);
    }
}

impl Index {
    pub(crate) fn open(name: &str, storage: Arc<dyn Storage>, settings: Settings) -> Result<Self> {
        let read_only = settings.mode == Mode::Read;
        // Looked for before the lock is taken, so that a folder which is no index stays as it is.
        if settings.mode != Mode::Create && storage.get(INDEX_OBJECT)?.is_none() {
            let text = format!("index `{name}` does not exist; create it by writing to it");
            return Err(Error::not_found(text));
        }
        let lock = if read_only {
            None
        } else {
            Some(storage.lock()?)
        };
        let shared = Shared::new(storage, settings.budgets, read_only);
        let sandbox = settings.sandbox.clone();
        let pool = Pool::new(Arc::clone(&shared), settings.engine, sandbox);
        let writer = Writer::open(Arc::clone(&shared), Arc::clone(&pool), settings.mode)
            .map_err(|error| error.at(format_args!("index `{name}`")))?;
        let inner = Inner {
            name: name.to_owned(),
            shared,
            settings,
            writer,
            labels: Arc::new(Labels::new(Arc::clone(&pool))),
            pool,
            flushing: Mutex::new(()),
            merging: Mutex::new(()),
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether writes are refused because it was opened with
    /// [`read_only`](crate::IndexBuilder::read_only).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.settings.mode == Mode::Read
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.inner.pool
    }

    pub(crate) fn labels(&self) -> Arc<Labels> {
        Arc::clone(&self.inner.labels)
    }

    fn lease(&self) -> Result<Lease> {
        self.inner.pool.lease(CallLimits::default())
    }

    /// Adds the rows of a batch, all or none, with the durability of the index. On return they are as
    /// durable as that and visible to every query that starts later.
    ///
    /// # Errors
    /// `invalid-argument`, which names the row and tag, and `resource-exhausted` refuse the batch and
    /// nothing else. After `io` or `conflict` the index takes no more writes: reopen it.
    pub fn write(&self, batch: Batch) -> Result<Receipt> {
        self.write_with(batch, self.inner.settings.durability)
    }

    /// As [`write`](Self::write), with a durability of its own.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with(&self, batch: Batch, durability: Durability) -> Result<Receipt> {
        self.check_writable()?;
        let written = self.inner.writer.write(batch.into_engine(durability)?);
        if let Err(error) = &written
            && error.kind() == ErrorKind::ResourceExhausted
            && self.inner.settings.flush_bytes < u64::MAX
            && let Err(error) = self.flush_in_passing(None)
        {
            tracing::warn!(index = self.name(), %error, "a flush to make room failed");
        }
        let acknowledged = written?;
        if acknowledged
            .memory_bytes
            .is_some_and(|bytes| bytes >= self.inner.settings.flush_bytes)
        {
            // The rows are safe whatever becomes of the flush; the next write tries again.
            if let Err(error) = self.flush_in_passing(acknowledged.memory_bytes) {
                tracing::warn!(index = self.name(), %error, "an automatic flush or merge failed");
            }
        }
        let (_, delay) = self.inner.writer.pressure();
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        Ok(acknowledged.receipt)
    }

    /// Flushes unless another thread does so already; waits for that one only when memory fills up
    /// faster than it flushes.
    fn flush_in_passing(&self, memory_bytes: Option<u64>) -> Result<()> {
        let inner = &self.inner;
        let overdue = inner.settings.flush_bytes.saturating_mul(2);
        let guard = match inner.flushing.try_lock() {
            Some(guard) => guard,
            None if memory_bytes.is_some_and(|bytes| bytes >= overdue) => inner.flushing.lock(),
            None => return Ok(()),
        };
        inner.writer.run(|introducer| introducer.plan_flush())?;
        drop(guard);
        if inner.settings.automatic_merge
            && let Some(_guard) = inner.merging.try_lock()
        {
            self.merge_similar()?;
        }
        Ok(())
    }

    /// Writes all rows that are in memory to a part in the store. They are durable on return, whatever
    /// durability they were written with.
    ///
    /// # Errors
    /// `resource-exhausted` when the store is full. After `io` or `conflict` reopen the index.
    pub fn flush(&self) -> Result<Merged> {
        self.check_writable()?;
        let mut merged = Merged::default();
        {
            let _guard = self.inner.flushing.lock();
            if let Some(outcome) = self
                .inner
                .writer
                .run(|introducer| introducer.plan_flush())?
            {
                merged.add(&outcome);
            }
        }
        if self.inner.settings.automatic_merge {
            let _guard = self.inner.merging.lock();
            // The rows are durable whatever becomes of the merge.
            if let Err(error) = self.merge_similar() {
                tracing::warn!(index = self.name(), %error, "an automatic merge failed");
            }
        }
        Ok(merged)
    }

    /// Merges parts of similar size until nothing is worth merging. Queries and writes go on meanwhile.
    ///
    /// # Errors
    /// As [`flush`](Self::flush). A merge that fails leaves the index as it was.
    pub fn merge(&self) -> Result<Merged> {
        self.check_writable()?;
        let _guard = self.inner.merging.lock();
        self.merge_similar()
    }

    fn merge_similar(&self) -> Result<Merged> {
        let mut merged = Merged::default();
        // Each merge leaves fewer parts, so there is an end to it; the engine is not relied on for that.
        for _ in 0..MAX_MERGES {
            let plan =
                |introducer: &mut dyn Instance| introducer.plan_merge(Choice::SimilarSize, None);
            match self.inner.writer.run(plan)? {
                Some(outcome) => merged.add(&outcome),
                None => break,
            }
        }
        Ok(merged)
    }

    /// Flushes, then merges everything into one part.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn merge_all(&self) -> Result<Merged> {
        self.rewrite(None)
    }

    /// Flushes, then rewrites every part without the rows that the rule drops.
    ///
    /// # Errors
    /// `invalid-argument` for an expression that cannot be read; else as [`merge`](Self::merge).
    pub fn retain(&self, rule: Retention) -> Result<Merged> {
        self.rewrite(Some(rule))
    }

    fn rewrite(&self, rule: Option<Retention>) -> Result<Merged> {
        self.check_writable()?;
        let _merging = self.inner.merging.lock();
        // A flush beside the merge would leave a part that the merge does not know.
        let _flushing = self.inner.flushing.lock();
        let writer = &self.inner.writer;
        let flushed = writer.run(|introducer| introducer.plan_flush())?;
        let rewritten = writer.run(|introducer| introducer.plan_merge(Choice::All, rule))?;
        let mut merged = Merged::default();
        // A single part that the flush made needs no merge, and rows are not told twice.
        if let Some(outcome) = rewritten.or(flushed) {
            merged.add(&outcome);
        }
        Ok(merged)
    }

    /// Starts to put a query together.
    pub fn query(&self) -> Query {
        Query::new(self.clone())
    }

    /// The label of each series, `None` where it has none.
    ///
    /// # Errors
    /// Those of a read.
    pub fn series_labels(&self, series: &[u64]) -> Result<Vec<Option<Arc<str>>>> {
        let labels = self.inner.labels.resolve(series)?;
        Ok(series.iter().map(|id| labels.get(id).cloned()).collect())
    }

    /// The parts, as JSON.
    ///
    /// # Errors
    /// Those of a read.
    pub fn parts(&self) -> Result<Value> {
        let mut lease = self.lease()?;
        let report = lease.instance()?.describe(Subject::Parts)?;
        lease.whole(parse(&report))
    }

    /// Counters and sizes, as JSON; under `page_cache` those of this index's page cache.
    ///
    /// # Errors
    /// Those of a read.
    pub fn stats(&self) -> Result<Value> {
        // The introducer alone knows what comes next: element ids, log position, refusals.
        let stats = |introducer: &mut dyn Instance| introducer.describe(Subject::Stats);
        let mut report = parse(&self.inner.writer.consult(stats)?)?;
        if let Some(report) = report.as_object_mut() {
            report.insert("page_cache".into(), self.inner.pool.cache_report());
        }
        Ok(report)
    }

    /// Checks every file, page and cross-reference of every part, and every entry of the log. Damage is
    /// in the report, which is a JSON object.
    ///
    /// # Errors
    /// Only when the check itself could not run.
    pub fn verify(&self) -> Result<Value> {
        let mut lease = self.lease()?;
        let report = lease.instance()?.verify()?;
        let mut report = lease.whole(parse(&report))?;
        drop(lease);
        let log = self.inner.shared.log.check()?;
        if let Some(report) = report.as_object_mut() {
            report.insert("log_entries".into(), log.entries.into());
            if let Some(Value::Array(damage)) = report.get_mut("damage") {
                let found = log.damage.iter();
                damage.extend(found.map(|what| json!({ "part": "log", "what": what })));
            }
            if !log.damage.is_empty() {
                report.insert("ok".into(), false.into());
            }
        }
        Ok(report)
    }

    /// Every physical row of every part, a block at a time, unsorted.
    ///
    /// # Errors
    /// Those of a read.
    pub fn dump(&self) -> Result<Dump> {
        Dump::start(self.clone(), self.lease()?)
    }

    /// Flushes what is in memory and lets go of this handle.
    ///
    /// # Errors
    /// As [`flush`](Self::flush). The handle is gone in any case.
    pub fn close(self) -> Result<()> {
        if !self.is_read_only() {
            self.flush()?;
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_read_only() {
            let name = self.name();
            let text =
                format!("index `{name}` was opened read-only; open it with `open` to change it");
            return Err(Error::invalid(text));
        }
        Ok(())
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("name", &self.inner.name)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(
            ErrorKind::Other,
            format!("the engine's report is not JSON: {cause}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, Rows};

    #[test]
    fn handles_and_cursors_may_move_between_threads() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Index>();
        shared::<Rows>();
        shared::<Query>();
        sent::<Cursor>();
        sent::<Dump>();
    }
}
