//! Queries and counts that several instances share.
//!
//! The engine decides whether a query is worth it and which rows are in a share; here are the threads. Each
//! share has an instance on a thread of its own, all of them on one view, and a queue of a few batches
//! to the reader, who takes them in the order of their stripes: the rows and their order are those of one
//! instance alone.

mod report;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use sidx_engine::{Counted, QuerySpec, Share};

use self::report::Report;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::instance::Returned;
use crate::labels::Labels;
use crate::pool::Lease;
use crate::rows::Rows;
use crate::session::CancelToken;

/// Most batches of a share that wait for the reader.
const QUEUED_BATCHES: usize = 16;
/// Most bytes in them, unless one batch is larger: what waits in the processor's cache is read at once, and
/// its memory is used again soon.
const QUEUED_BYTES: u64 = 2 << 20;

/// Rows and their stripe.
type Batch = (u32, Rows);

/// Batches on their way from a share to the reader.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<(Batch, u64)>,
    bytes: u64,
    /// How the share ended.
    end: Option<Result<Report>>,
    /// Nobody reads any more.
    is_closed: bool,
}

impl Queue {
    /// Adds a batch when there is room; false when nobody reads.
    fn push(&self, batch: Batch, bytes: u64) -> bool {
        let mut state = self.state.lock();
        let is_full = |state: &State| {
            let batches = state.batches.len();
            batches >= QUEUED_BATCHES || (batches > 0 && state.bytes >= QUEUED_BYTES)
        };
        while is_full(&state) && !state.is_closed {
            self.changed.wait(&mut state);
        }
        if state.is_closed {
            return false;
        }
        state.bytes += bytes;
        state.batches.push_back((batch, bytes));
        self.changed.notify_all();
        true
    }

    fn end(&self, end: Result<Report>) {
        self.state.lock().end = Some(end);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// The next batch, or how the share ended after the last.
    fn pop(&self) -> Result<Result<Batch, Report>> {
        let mut state = self.state.lock();
        loop {
            if let Some((batch, bytes)) = state.batches.pop_front() {
                state.bytes -= bytes;
                self.changed.notify_all();
                return Ok(Ok(batch));
            }
            if let Some(end) = state.end.take() {
                return end.map(Err);
            }
            self.changed.wait(&mut state);
        }
    }
}

/// Ends the queue of a share, also when its thread panics.
struct Ending(Arc<Queue>);

impl Drop for Ending {
    fn drop(&mut self) {
        if self.0.state.lock().end.is_none() {
            let text = "a thread of the query ended in the middle of its share";
            self.0.end(Err(Error::new(ErrorKind::Other, text)));
        }
    }
}

/// A share as the reader sees it.
struct Running {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    /// Its next batch.
    head: Option<Batch>,
    report: Option<Report>,
}

/// The shares of a running query.
pub(crate) struct Shares {
    running: Vec<Running>,
    stop: CancelToken,
}

impl Shares {
    /// Starts a query that is worth `shares` shares on as many instances as there are to spare; none when
    /// those are not at least two.
    pub(crate) fn start(
        lease: &Lease,
        spec: &QuerySpec,
        delivery: &Delivery,
        shares: u32,
        labels: &Arc<Labels>,
    ) -> Result<Option<Self>> {
        let stop = CancelToken::new();
        let leases = lease.companions(shares as usize, Some(&stop))?;
        if leases.len() < 2 {
            return Ok(None);
        }
        let of = leases.len() as u32;
        let mut started = Self {
            running: Vec::with_capacity(leases.len()),
            stop,
        };
        for (number, lease) in (0..of).zip(leases) {
            let mut spec = spec.clone();
            spec.memory_bytes /= u64::from(of);
            let queue = Arc::new(Queue::default());
            let work = Work {
                lease,
                spec,
                share: Share { number, of },
                delivery: delivery.clone(),
                labels: Arc::clone(labels),
                queue: Arc::clone(&queue),
            };
            let thread = thread::Builder::new().name("sidx-share".to_owned());
            let thread = thread.spawn(move || work.run()).map_err(|cause| {
                let text = format!("a thread of the query cannot be started: {cause}");
                Error::new(ErrorKind::ResourceExhausted, text)
            })?;
            started.running.push(Running {
                queue,
                thread: Some(thread),
                head: None,
                report: None,
            });
        }
        Ok(Some(started))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// The next rows in the order of their stripes; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Rows>> {
        for share in &mut self.running {
            if share.head.is_none() && share.report.is_none() {
                match share.queue.pop()? {
                    Ok(batch) => share.head = Some(batch),
                    Err(report) => share.report = Some(report),
                }
            }
        }
        let stripe = |share: &Running| share.head.as_ref().map(|(stripe, _)| *stripe);
        let first = self.running.iter_mut().filter(|share| share.head.is_some());
        let first = first.min_by_key(|share| stripe(share));
        Ok(first
            .and_then(|share| share.head.take())
            .map(|(_, rows)| rows))
    }

    /// What the shares that are at their end did, as one object.
    pub(crate) fn explain(&self) -> Value {
        report::sum(self.reports().map(|report| &report.explain))
    }

    /// What those are missing.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for place in self.reports().flat_map(|report| &report.missing) {
            if !missing.contains(place) {
                missing.push(place.clone());
            }
        }
        missing
    }

    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.running
            .iter()
            .filter_map(|share| share.report.as_ref())
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.stop.cancel();
        for share in &self.running {
            share.queue.close();
        }
        // The index may be closed with the cursor: its instances must be back by then.
        for share in &mut self.running {
            if let Some(thread) = share.thread.take() {
                // How it ended is in its queue.
                let _ = thread.join();
            }
        }
    }
}

/// One share on its thread.
struct Work {
    lease: Lease,
    spec: QuerySpec,
    share: Share,
    delivery: Delivery,
    labels: Arc<Labels>,
    queue: Arc<Queue>,
}

impl Work {
    fn run(mut self) {
        let ending = Ending(Arc::clone(&self.queue));
        let done = self.rows();
        // The instance is back in the pool before the reader hears of the end.
        drop(self.lease);
        ending.0.end(done);
    }

    fn rows(&mut self) -> Result<Report> {
        let (spec, delivery) = (self.spec.clone(), self.delivery.clone());
        let mut clock = report::Clock::new(delivery.timed);
        let instance = self.lease.instance()?;
        instance.session().activity().reset(delivery.timed);
        let (share, most) = (self.share, delivery.rows_per_batch);
        let started = clock.time(|| instance.query_share(spec, share, most))?;
        let (cursor, more) = (started.cursor(), started.has_more());
        let mut is_read = started.rows.is_empty() || self.hand_over(started.rows)?;
        while is_read
            && more
            && let Some(cursor) = cursor
        {
            let instance = self.lease.instance()?;
            let next = clock.time(|| instance.next(cursor, most))?;
            match next {
                None => break,
                Some(rows) if rows.is_empty() => {
                    // Asking on could go on for ever.
                    let text = "the engine returned no rows where it said there are more";
                    return self.lease.whole(Err(Error::new(ErrorKind::Other, text)));
                }
                Some(rows) => is_read = self.hand_over(rows)?,
            }
        }
        let report = Report::of(self.lease.instance()?, cursor, &clock);
        self.lease.whole(report)
    }

    /// Gives rows to the reader; false when there is none any more.
    fn hand_over(&mut self, rows: Returned) -> Result<bool> {
        let stripe = rows.stripe;
        let columns = rows
            .columns
            .as_ref()
            .map_or(0, |columns| columns.size_bytes());
        let bytes = columns + 16 * rows.len() as u64;
        let rows = Rows::new(rows, self.delivery.has_payload, Arc::clone(&self.labels));
        let rows = self.lease.whole(rows)?;
        let rows = rows.with_lost_labels(self.delivery.lost_labels.as_ref());
        Ok(self.queue.push((stripe, rows), bytes))
    }
}

/// Counts a query that is worth `shares` shares, on this instance and others that are to spare.
pub(crate) fn count(lease: &mut Lease, spec: &QuerySpec, shares: u32) -> Result<Counted> {
    let stop = CancelToken::new();
    let companions = lease.companions(shares as usize - 1, Some(&stop))?;
    let of = companions.len() as u32 + 1;
    let count = |lease: &mut Lease, number| {
        let share = Share { number, of };
        let counted = lease.instance()?.count_share(spec.clone(), share);
        if counted.is_err() {
            // The others need not end what is of no use.
            stop.cancel();
        }
        counted
    };
    let counted = thread::scope(|scope| {
        let mut threads = Vec::with_capacity(companions.len());
        for (number, mut lease) in (1..of).zip(companions) {
            let thread = thread::Builder::new().name("sidx-share".to_owned());
            threads.push(thread.spawn_scoped(scope, move || count(&mut lease, number)));
        }
        let mut counts = vec![count(lease, 0)];
        for thread in threads {
            counts.push(match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(counted)) => counted,
                Ok(Err(_)) => Err(Error::new(
                    ErrorKind::Other,
                    "a thread of the count panicked",
                )),
                Err(cause) => {
                    let text = format!("a thread of the count cannot be started: {cause}");
                    Err(Error::new(ErrorKind::ResourceExhausted, text))
                }
            });
        }
        counts
    });
    let mut sum = Counted::default();
    let mut stopped = None;
    for counted in counted {
        match counted {
            Ok(counted) => {
                sum.rows = sum.rows.saturating_add(counted.rows);
                sum.partial |= counted.partial;
            }
            // Those that were stopped because another failed say nothing of why.
            Err(error) if error.kind() == ErrorKind::Cancelled => stopped = Some(error),
            Err(error) => return Err(error),
        }
    }
    stopped.map_or(Ok(sum), Err)
}
