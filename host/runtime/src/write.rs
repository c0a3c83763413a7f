//! A write that may be bounded and stopped.

use std::time::Duration;

use sidx_engine::{Durability, Receipt};

use crate::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::session::{CallLimits, CancelToken, Columns};
use crate::writer::{Acknowledged, raw_bytes, unwritten};

/// A write that is being put together; [`Index::writing`](crate::Index::writing) begins one, and
/// [`Index::write`](crate::Index::write) is short for one without limits.
///
/// A write waits before it changes anything: for its [rate](crate::IndexBuilder::write_bytes_per_second), for
/// a flush when memory fills up faster than it is flushed, under pressure, in the queue of writers, for a
/// flush or merge that is being introduced. A deadline or a cancelled token ends each of these waits within
/// 10 ms (where the write itself does an overdue flush, before that touches its next page), and then
/// **nothing of the batch was written**. Once the batch was taken from the queue, which is
/// when its append to the log begins, there is no way back: the write ends with its own result, even if that
/// comes late, since nobody could tell whether half an append survives.
///
/// The batch is used up whatever comes of it. Keep a clone to try again with: it costs a copy of the values,
/// which a write that succeeds need not pay.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use std::time::Duration;
/// use sidx_host::{Batch, CancelToken, Durability, ErrorKind, Store};
///
/// let index = Store::memory().index("delays").create()?;
/// let mut batch = Batch::new();
/// batch.row("UA", 42).add()?;
/// let token = CancelToken::new();
/// let write = index.writing().durability(Durability::Os).timeout(Duration::from_secs(60));
/// write.cancel(token.clone()).run(batch.clone())?;
/// token.cancel();
/// let error = index.writing().cancel(token).run(batch).expect_err("it was cancelled");
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// assert_eq!(index.query().count()?, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `run`"]
pub struct Write {
    index: Handle,
    durability: Durability,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
}

impl Write {
    pub(crate) fn new(index: Handle) -> Self {
        Self {
            durability: index.settings().durability,
            index,
            timeout: None,
            cancel: None,
        }
    }

    /// What must have happened to the batch before the write returns; that of the index by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Ends the write with `deadline-exceeded`, and nothing written, when its append to the log has not begun
    /// after this long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends the write with `cancelled`, and nothing written, when the token is cancelled before the append to
    /// the log has begun.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Adds the rows of a batch, all or none. On return they are as durable as the write asked for, and
    /// visible to every query that starts later.
    ///
    /// With [`background`](crate::IndexBuilder::background) off, a write that passes `flush_bytes` flushes
    /// before it returns; of a write with limits that flush is given up when they say so, without harm, and
    /// the write succeeds.
    ///
    /// # Errors
    /// `deadline-exceeded` and `cancelled`: nothing was written. `invalid-argument`, which names the row and
    /// tag, and `resource-exhausted` refuse the batch and nothing else; a write that is refused for want of
    /// room flushes before it returns, unless a flush runs or the caller flushes by hand. After `io` or
    /// `conflict` the index takes no more writes: reopen it.
    pub fn run(self, batch: Batch) -> Result<Receipt> {
        let index = &self.index;
        index.check_writable()?;
        let limits = CallLimits::new(self.timeout, self.cancel);
        let batch = batch.into_engine(self.durability)?;
        let written = append(index, batch, &limits);
        let receipt = written.as_ref().map(|acknowledged| &acknowledged.receipt);
        index.work().wrote(receipt);
        if let Err(error) = &written
            && error.kind() == ErrorKind::ResourceExhausted
        {
            index.flush_for_room(&limits);
        }
        let acknowledged = written?;
        if let Some(bytes) = acknowledged.memory_bytes {
            index.flush_soon(bytes, &limits);
        }
        Ok(acknowledged.receipt)
    }
}

/// Waits for everything that a write waits for, in turn, and writes.
fn append(
    index: &Handle,
    batch: sidx_engine::Batch<Columns>,
    limits: &CallLimits,
) -> Result<Acknowledged> {
    let check = || limits.check().map_err(Error::from);
    let bytes = raw_bytes(&batch);
    let rate = index.write_rate();
    check().map_err(unwritten)?;
    rate.map_or(Ok(()), |rate| rate.take(bytes, check))
        .map_err(unwritten)?;
    let writer = index.writer();
    let waited = index
        .catch_up(limits)
        .and_then(|()| writer.congestion().wait(check))
        .map_err(unwritten);
    let written = waited.and_then(|()| writer.write(batch, limits));
    if let (Some(rate), Err(error)) = (rate, &written)
        && is_stop(error)
    {
        rate.give_back(bytes);
    }
    written
}

fn is_stop(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Cancelled | ErrorKind::DeadlineExceeded
    )
}
