//! Queries.

use std::ops::RangeBounds;
use std::time::Duration;

use sidx_engine::{Counted, Offered, Projection, QuerySpec, series_id};

use crate::cursor::Cursor;
use crate::delivery::{Delivery, too_many_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::session::{CallLimits, CancelToken};
use crate::shares;
use crate::work::Operation;

/// Rows in one batch of a cursor, unless the query says otherwise.
const ROWS_PER_BATCH: u32 = 8192;
/// Most instances that share a query, whatever the engine finds it worth.
const SHARES_MAX: u32 = 255;

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
    index: Handle,
    spec: QuerySpec,
    timeout: Option<Duration>,
    max_rows: u64,
    cancel: Option<CancelToken>,
    rows_per_batch: u32,
    threads: usize,
    timed: bool,
}

impl Query {
    pub(crate) fn new(index: Handle) -> Self {
        let limits = index.settings().query;
        let spec = QuerySpec {
            series: None,
            low: std::ops::Bound::Unbounded,
            high: std::ops::Bound::Unbounded,
            filter: None,
            descending: false,
            any_order: false,
            limit: None,
            distinct_payload: false,
            projection: Projection::All,
            payload: true,
            memory_bytes: limits.memory_bytes,
            allow_partial: false,
        };
        Self {
            spec,
            timeout: limits.timeout,
            max_rows: limits.max_rows,
            cancel: None,
            threads: index.pool().processors(),
            rows_per_batch: ROWS_PER_BATCH,
            timed: false,
            index,
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
        (self.spec.descending, self.spec.any_order) = (false, false);
        self
    }

    /// Greatest key first.
    pub fn descending(mut self) -> Self {
        (self.spec.descending, self.spec.any_order) = (true, false);
        self
    }

    /// Rows as they lie, part by part and block by block, which is by far the fastest way to read many.
    /// With a [`limit`](Self::limit) they are any rows. The same query on the same state of the index
    /// returns the same rows in the same order; a write, a flush or a merge may change it.
    pub fn any_order(mut self) -> Self {
        self.spec.any_order = true;
        self
    }

    /// At most this many rows, and fewer only when there are fewer. To be told when there are more, see
    /// [`max_rows`](Self::max_rows).
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
    /// is not done after this long. `Duration::MAX` is no timeout, whatever the
    /// [`query_timeout`](crate::IndexBuilder::query_timeout) of the index.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Stops with `cancelled` once the token is cancelled.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Ends with `limit-exceeded` when the query has more rows than this, which guards against a result
    /// that nobody meant to ask for; [`limit`](Self::limit) cuts without an error. A cursor may have
    /// returned up to so many rows by then. No limit by default, unless the index was opened with a
    /// [`query_max_rows`](crate::IndexBuilder::query_max_rows); `u64::MAX` is none.
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = rows;
        self
    }

    /// Memory that the query may use in the engine, in bytes; beyond it ends with `limit-exceeded`.
    /// 256 MiB by default, or the
    /// [`query_memory_bytes`](crate::IndexBuilder::query_memory_bytes) of the index.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.spec.memory_bytes = bytes;
        self
    }

    /// Returns what is left when rows of the query are lost or cannot be read, where it would otherwise
    /// fail with `corrupt`. [`Cursor::missing`] then tells what the result lacks; it is partial when that
    /// is not empty. Such a query reads every block whole before it uses it.
    pub fn allow_partial(mut self) -> Self {
        self.spec.allow_partial = true;
        self
    }

    /// Most rows in one [`Rows`](crate::Rows) of the cursor; 8,192 by default, at least 1.
    pub fn rows_per_batch(mut self, rows: u32) -> Self {
        self.rows_per_batch = rows.max(1);
        self
    }

    /// Most threads that share the work of a query of very many rows in any order, or of a count of them,
    /// each with an instance of the engine; the processors of the machine by default. Rows and their order
    /// are the same with any number. 1 does everything on the thread that asks.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many instances may share the query: one where its rows depend on those before them.
    fn shares(&self) -> u32 {
        match self.spec.has_shares() {
            false => 1,
            true => u32::try_from(self.threads).map_or(SHARES_MAX, |most| most.min(SHARES_MAX)),
        }
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
        // Only rows in any order can be shared.
        let shares = if self.spec.any_order {
            self.shares()
        } else {
            1
        };
        let mut task = self.index.begin_query(Operation::Query)?;
        let limits = CallLimits::new(self.timeout, self.cancel);
        let delivery = Delivery {
            has_payload: self.spec.payload,
            allows_partial: self.spec.allow_partial,
            rows_per_batch: self.rows_per_batch,
            max_rows: self.max_rows,
            timed: self.timed,
        };
        match self.index.pool().lease(limits) {
            Ok(lease) => Cursor::start(self.index, lease, task, self.spec, shares, delivery),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
    }

    /// The number of rows that the query would return.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count(self) -> Result<u64> {
        Ok(self.count_partial()?.rows)
    }

    /// As [`count`](Self::count), and whether rows are missing in the count, which can only be after
    /// [`allow_partial`](Self::allow_partial).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count_partial(mut self) -> Result<Counted> {
        let mut task = self.index.begin_query(Operation::Count)?;
        let (asked, max_rows) = (self.spec.limit.unwrap_or(u64::MAX), self.max_rows);
        // One row too many is enough to know.
        let limit = asked.min(max_rows.saturating_add(1));
        self.spec.limit = (limit < u64::MAX).then_some(limit);
        let (shares, spec) = (self.shares(), &self.spec);
        let limits = CallLimits::new(self.timeout, self.cancel);
        let allowed = self.spec.allow_partial;
        let counted = self.index.pool().lease(limits).and_then(|mut lease| {
            let instance = lease.instance()?;
            task.follow(instance.session().activity());
            let offered = match shares {
                0 | 1 => Offered::Done(instance.count(spec.clone())?),
                _ => instance.offer_count(spec.clone(), shares)?,
            };
            let counted = match offered {
                Offered::Done(counted) => counted,
                Offered::Shares(shares) => shares::count(&mut lease, spec, shares)?,
            };
            if counted.rows > limit || (counted.partial && !allowed) {
                let text =
                    format!("the engine returned {counted:?} for a query of at most {limit} rows");
                return lease.whole(Err(Error::new(ErrorKind::Other, text)));
            }
            match counted.rows > max_rows {
                true => Err(too_many_rows(max_rows)),
                false => Ok(counted),
            }
        });
        task.end(counted.as_ref().map(drop));
        counted
    }
}
