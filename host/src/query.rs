//! Queries and their cursors.

use std::borrow::BorrowMut;
use std::ops::RangeBounds;
use std::time::{Duration, Instant};

use serde_json::Value;
use sidx_engine::{Projection, QuerySpec, series_id};

use crate::error::{Error, ErrorKind, Result};
use crate::index::Index;
use crate::pool::Lease;
use crate::rows::{Row, Rows};
use crate::session::{CallLimits, CancelToken};

/// Rows in one batch of a cursor, unless the query says otherwise.
const ROWS_PER_BATCH: u32 = 8192;
/// Memory that a query may use in the engine, unless it says otherwise.
const QUERY_MEMORY_BYTES: u64 = 256 << 20;

/// A query that is being put together; [`run`](Self::run) starts it.
///
/// Without further words it returns every row of every series, ascending by key, with payloads and all
/// tags. Equal keys come ordered by series, then by arrival; descending is the exact reverse.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use sidx_host::{Batch, Store};
///
/// let index = Store::memory().index("delays").create()?;
/// let mut batch = Batch::new();
/// for (key, status) in [(3, 200), (1, 500), (2, 500)] {
///     batch.row("UA", key).tag("status", status).add()?;
/// }
/// index.write(batch)?;
/// let query = index.query().series("UA").keys(1..=3).filter("status = 500").descending();
/// assert_eq!(query.clone().count()?, 2);
/// let mut keys = Vec::new();
/// for row in query.limit(10).payload(false).run()?.into_rows() {
///     keys.push(row?.key);
/// }
/// assert_eq!(keys, [2, 1]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until `run` or `count`"]
pub struct Query {
    index: Index,
    spec: QuerySpec,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
    rows_per_batch: u32,
    timed: bool,
}

impl Query {
    pub(crate) fn new(index: Index) -> Self {
        let spec = QuerySpec {
            series: None,
            low: std::ops::Bound::Unbounded,
            high: std::ops::Bound::Unbounded,
            filter: None,
            descending: false,
            limit: None,
            distinct_payload: false,
            projection: Projection::All,
            payload: true,
            memory_bytes: QUERY_MEMORY_BYTES,
        };
        Self {
            index,
            spec,
            timeout: None,
            cancel: None,
            rows_per_batch: ROWS_PER_BATCH,
            timed: false,
        }
    }

    /// Adds the series with this label. With several calls rows of all these series are returned; with
    /// none, rows of every series.
    pub fn series(self, label: &str) -> Self {
        self.series_id(series_id(label))
    }

    /// Adds a series by its id.
    pub fn series_id(self, id: u64) -> Self {
        self.series_ids([id])
    }

    /// Adds series by their ids. An empty list, and no other series, selects nothing.
    pub fn series_ids(mut self, ids: impl IntoIterator<Item = u64>) -> Self {
        self.spec.series.get_or_insert_default().extend(ids);
        self
    }

    /// Only rows with keys in this range.
    pub fn keys(mut self, keys: impl RangeBounds<i64>) -> Self {
        self.spec.low = keys.start_bound().cloned();
        self.spec.high = keys.end_bound().cloned();
        self
    }

    /// Only rows for which this expression is true, for example
    /// `status = 500 and endpoint starts with "/api"`. A second call replaces the first.
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.spec.filter = Some(expression.into());
        self
    }

    /// Least key first; the default.
    pub fn ascending(mut self) -> Self {
        self.spec.descending = false;
        self
    }

    /// Greatest key first.
    pub fn descending(mut self) -> Self {
        self.spec.descending = true;
        self
    }

    /// At most this many rows, and fewer only when there are fewer.
    pub fn limit(mut self, rows: u64) -> Self {
        self.spec.limit = Some(rows);
        self
    }

    /// Returns these tags only, in this order. An empty list returns none.
    pub fn select<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.spec.projection = Projection::Only(names);
        self
    }

    /// Whether to return payloads; without them a query reads less.
    pub fn payload(mut self, wanted: bool) -> Self {
        self.spec.payload = wanted;
        self
    }

    /// Keeps the first row of each payload, in result order. The engine remembers the payloads that it
    /// returned, up to [`memory_bytes`](Self::memory_bytes).
    pub fn distinct_payload(mut self) -> Self {
        self.spec.distinct_payload = true;
        self
    }

    /// Stops with `deadline-exceeded` when the query, with the time that its rows wait for their reader,
    /// is not done after this long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Stops with `cancelled` once the token is cancelled.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Memory that the query may use in the engine, in bytes; beyond it ends with `limit-exceeded`.
    /// 256 MiB by default.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.spec.memory_bytes = bytes;
        self
    }

    /// Most rows in one [`Rows`] of the cursor; 8,192 by default, at least 1.
    pub fn rows_per_batch(mut self, rows: u32) -> Self {
        self.rows_per_batch = rows.max(1);
        self
    }

    /// Also measures for [`Cursor::explain`] how long host and engine took, which costs some 50 ns for
    /// each call between them.
    pub fn timed(mut self, timed: bool) -> Self {
        self.timed = timed;
        self
    }

    /// Starts the query on the rows that are acknowledged now and fetches the first of them.
    ///
    /// # Errors
    /// `invalid-argument` for a filter that cannot be read, `corrupt` or `io` when parts cannot be,
    /// `limit-exceeded`, `deadline-exceeded` or `cancelled` when the query was stopped, and
    /// `resource-exhausted` when too many cursors are open.
    pub fn run(self) -> Result<Cursor> {
        let limits = CallLimits::new(self.timeout, self.cancel);
        let mut lease = self.index.pool().lease(limits)?;
        let has_payload = self.spec.payload;
        let instance = lease.instance()?;
        instance.session().activity().reset(self.timed);
        let start = self.timed.then(Instant::now);
        let started = instance.query(self.spec, self.rows_per_batch)?;
        let mut cursor = Cursor {
            number: started.cursor,
            lease,
            has_payload,
            rows_per_batch: self.rows_per_batch,
            first: None,
            complete: started.complete,
            nanoseconds: nanoseconds_since(start),
            timed: self.timed,
            index: self.index,
        };
        cursor.first = Some(cursor.rows_of(started.rows)?).filter(|rows| !rows.is_empty());
        Ok(cursor)
    }

    /// The number of rows that the query would return.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count(self) -> Result<u64> {
        let limits = CallLimits::new(self.timeout, self.cancel);
        self.index
            .pool()
            .lease(limits)?
            .instance()?
            .count(self.spec)
    }
}

fn nanoseconds_since(start: Option<Instant>) -> u64 {
    start.map_or(0, |start| {
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The rows of a query: an iterator of batches, or with [`rows`](Self::rows) of single rows. It reads
/// the index as it was when the query started, and holds an instance of the engine until it is dropped.
/// After an error it is at its end; what was returned before is right, but not whole.
#[must_use = "a cursor does nothing until rows are asked for"]
pub struct Cursor {
    number: u64,
    lease: Lease,
    has_payload: bool,
    rows_per_batch: u32,
    first: Option<Rows>,
    complete: bool,
    nanoseconds: u64,
    timed: bool,
    /// Keeps the index open, and its lock held, as long as rows can be read.
    index: Index,
}

impl Cursor {
    /// Single rows, leaving the cursor for [`explain`](Self::explain).
    pub fn rows(&mut self) -> RowIter<&mut Self> {
        RowIter {
            cursor: self,
            batch: None,
            next: 0,
        }
    }

    /// Single rows.
    pub fn into_rows(self) -> RowIter<Self> {
        RowIter {
            cursor: self,
            batch: None,
            next: 0,
        }
    }

    /// What the query did so far, as a JSON object: for parts, blocks and pages how many there were and
    /// how many each rule dropped, and under `host` the crossings, pages, cache hits and bytes read, with
    /// times if the query was [`timed`](Query::timed).
    ///
    /// # Errors
    /// Only those of an engine that failed before.
    pub fn explain(&mut self) -> Result<Value> {
        let instance = self.lease.instance()?;
        let host = instance.session().activity().to_json(self.nanoseconds);
        let text = instance.explain(self.number)?;
        let mut report: Value = serde_json::from_str(&text).map_err(|cause| {
            let text = format!("the engine's explanation is not JSON: {cause}");
            Error::new(ErrorKind::Other, text)
        })?;
        if let Some(report) = report.as_object_mut() {
            report.insert("host".into(), host);
        }
        Ok(report)
    }

    fn rows_of(&self, rows: sidx_engine::Rows<crate::session::Columns>) -> Result<Rows> {
        Rows::new(rows, self.has_payload, self.index.labels())
    }

    fn fetch(&mut self) -> Result<Option<Rows>> {
        let start = self.timed.then(Instant::now);
        let rows = self
            .lease
            .instance()?
            .next(self.number, self.rows_per_batch);
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds_since(start));
        rows?.map(|rows| self.rows_of(rows)).transpose()
    }
}

impl Iterator for Cursor {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Result<Rows>> {
        if let Some(rows) = self.first.take() {
            return Some(Ok(rows));
        }
        while !self.complete {
            match self.fetch() {
                Ok(Some(rows)) if rows.is_empty() => {}
                Ok(Some(rows)) => return Some(Ok(rows)),
                Ok(None) => self.complete = true,
                Err(error) => {
                    self.complete = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // There is an instance until the lease itself is dropped, after this.
        if let Ok(instance) = self.lease.instance() {
            instance.close_cursor(self.number);
        }
    }
}

/// The rows of a cursor one by one.
#[must_use = "an iterator does nothing until rows are asked for"]
pub struct RowIter<C: BorrowMut<Cursor>> {
    cursor: C,
    batch: Option<Rows>,
    next: usize,
}

impl<C: BorrowMut<Cursor>> Iterator for RowIter<C> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            if let Some(batch) = &self.batch {
                let row = batch.row(self.next);
                self.next += 1;
                if let Some(row) = row.transpose() {
                    return Some(row);
                }
            }
            match self.cursor.borrow_mut().next()? {
                Ok(batch) => (self.batch, self.next) = (Some(batch), 0),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
