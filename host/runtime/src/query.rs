//! Queries.

use std::ops::RangeBounds;
use std::time::Duration;

use sidx_engine::{Counted, Projection, QuerySpec, series_id};

use crate::cursor::Cursor;
use crate::error::Result;
use crate::handle::Handle;
use crate::instance::Statement;
use crate::prepared::PreparedQuery;
use crate::request::Request;
use crate::session::CancelToken;
use crate::terms::Terms;

/// Rows in one batch of a cursor, unless the query says otherwise.
const ROWS_PER_BATCH: u32 = 8192;

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
    terms: Terms,
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
        let terms = Terms {
            timeout: limits.timeout,
            max_rows: limits.max_rows,
            cancel: None,
            threads: index.pool().processors(),
            rows_per_batch: ROWS_PER_BATCH,
            timed: false,
        };
        Self { index, spec, terms }
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
        self.terms.timeout = Some(timeout);
        self
    }

    /// Stops with `cancelled` once the token is cancelled.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.terms.cancel = Some(token);
        self
    }

    /// Ends with `limit-exceeded` when the query has more rows than this, which guards against a result
    /// that nobody meant to ask for; [`limit`](Self::limit) cuts without an error. A cursor may have
    /// returned up to so many rows by then. No limit by default, unless the index was opened with a
    /// [`query_max_rows`](crate::IndexBuilder::query_max_rows); `u64::MAX` is none.
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.terms.max_rows = rows;
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
    /// is not empty. Such a query reads all that it needs of a block before it uses the block.
    pub fn allow_partial(mut self) -> Self {
        self.spec.allow_partial = true;
        self
    }

    /// Most rows in one [`Rows`](crate::Rows) of the cursor; 8,192 by default, at least 1.
    pub fn rows_per_batch(mut self, rows: u32) -> Self {
        self.terms.rows_per_batch = rows.max(1);
        self
    }

    /// Most threads that share the work of a query of very many rows in any order, or of a count of them
    /// without limit and [`max_rows`](Self::max_rows), each with an instance of the engine; the processors
    /// of the machine by default, at most 255. Rows and their order are the same with any number. 1 does
    /// everything on the thread that asks.
    pub fn threads(mut self, threads: usize) -> Self {
        self.terms.threads = threads;
        self
    }

    /// Also measures for [`Cursor::explain`] how long host and engine took, which costs some 50 ns for
    /// each call between them.
    pub fn timed(mut self, timed: bool) -> Self {
        self.terms.timed = timed;
        self
    }

    /// Starts the query on the rows that are acknowledged now and fetches the first of them.
    ///
    /// # Errors
    /// `invalid-argument` for a filter that cannot be read, `corrupt` or `io` when parts cannot be,
    /// `limit-exceeded`, `deadline-exceeded` or `cancelled` when the query was stopped, and
    /// `resource-exhausted` when too many cursors are open.
    pub fn run(self) -> Result<Cursor> {
        self.terms.run(self.index, Request::Query(self.spec))
    }

    /// Reads the query now, to be run any number of times. Its filter may have parameters, `$` and a name
    /// wherever a value may stand, which get their values for each run, and with them series, key bounds and
    /// limit, where those are to be others; order, tags, memory, threads and the most rows are those of the
    /// query. A run neither parses nor plans its filter again while its values are the same;
    /// docs/performance.md has what that spares.
    ///
    /// Each instance of the engine prepares the query for itself when it first runs it, and keeps the 32 that
    /// ran last, each with its filter for the last 4 sets of values, until parts change.
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
    /// let with_status = index.query().filter("status = $status").descending().prepare()?;
    /// assert_eq!(with_status.parameters(), ["status"]);
    /// let run = with_status.bind().value("status", 500).series("UA").limit(1);
    /// for row in run.run()?.into_rows() {
    ///     assert_eq!(row?.key, 2);
    /// }
    /// assert_eq!(with_status.bind().value("status", 200).count()?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `invalid-argument` for a filter that cannot be read; `corrupt` or `io` when parts cannot be,
    /// `resource-exhausted` when too many instances are in use, and `deadline-exceeded` or `cancelled` by the
    /// query's own [`timeout`](Self::timeout) and [`cancel`](Self::cancel).
    pub fn prepare(self) -> Result<PreparedQuery> {
        PreparedQuery::new(self.index, Statement::new(self.spec), self.terms)
    }

    /// The number of rows that the query would return. It reads no tags but those of the filter, and payloads
    /// only for [`distinct_payload`](Self::distinct_payload), so it may succeed where the query meets damage.
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
    pub fn count_partial(self) -> Result<Counted> {
        self.terms.count(&self.index, Request::Query(self.spec))
    }
}
