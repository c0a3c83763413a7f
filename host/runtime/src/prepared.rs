//! Queries that are read once and run often.

use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use sidx_engine::expression::Literal;
use sidx_engine::{
    Counted, Execution, ExecutionSeries, ParameterValues, inclusive_keys, series_id,
};

use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::instance::Statement;
use crate::request::Request;
use crate::session::CancelToken;
use crate::terms::Terms;
use crate::value::TagValue;

/// A query that was prepared; see [`Query::prepare`](crate::Query::prepare). Clones, and any number of
/// threads, share it. It keeps the index open.
#[derive(Clone, Debug)]
pub struct PreparedQuery {
    index: Handle,
    statement: Arc<Statement>,
    parameters: Arc<[String]>,
    terms: Terms,
}

/// A run of a [`PreparedQuery`] that is being put together; [`run`](Self::run) starts it. What it does not
/// say is as the query was prepared.
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until `run` or `count`"]
pub struct BoundQuery<'p> {
    prepared: &'p PreparedQuery,
    series: ExecutionSeries,
    keys: (i64, i64),
    limit: Option<u64>,
    /// One for each parameter.
    values: Vec<Option<Literal>>,
    /// What was said of a parameter that cannot be.
    fault: Option<Error>,
    terms: Terms,
}

impl PreparedQuery {
    pub(crate) fn new(index: Handle, statement: Arc<Statement>, terms: Terms) -> Result<Self> {
        let limits = terms.limits();
        let mut lease = index.pool().lease(limits)?;
        let parameters = lease.instance()?.parameters(&statement)?;
        drop(lease);
        Ok(Self {
            index,
            statement,
            parameters: parameters.into(),
            terms,
        })
    }

    /// The names of the parameters, without the `$`, each once, in the order in which they first occur.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// A run, to be given values of the parameters.
    pub fn bind(&self) -> BoundQuery<'_> {
        let query = self.statement.query();
        BoundQuery {
            prepared: self,
            series: ExecutionSeries::Prepared,
            keys: query.inclusive_keys(),
            limit: query.limit,
            values: vec![None; self.parameters.len()],
            fault: None,
            terms: self.terms.clone(),
        }
    }

    /// Runs it as it was prepared, which is for queries without parameters.
    ///
    /// # Errors
    /// As [`BoundQuery::run`].
    pub fn run(&self) -> Result<Cursor> {
        self.bind().run()
    }

    /// The number of rows that it would return.
    ///
    /// # Errors
    /// As [`BoundQuery::run`].
    pub fn count(&self) -> Result<u64> {
        self.bind().count()
    }
}

impl BoundQuery<'_> {
    /// The value of a parameter, named without its `$`. It is compared with the type that it has: nothing is
    /// converted, and nothing of a string is read as a filter. A second call replaces the first.
    pub fn value<'v>(mut self, parameter: &str, value: impl Into<TagValue<'v>>) -> Self {
        let names = &self.prepared.parameters;
        let place = names.iter().position(|name| name == parameter);
        let place = place.and_then(|at| self.values.get_mut(at));
        match (place, literal(value.into())) {
            (Some(place), Some(value)) => *place = Some(value),
            (Some(_), None) => {
                let text = format!("the parameter `${parameter}` takes one value, not an array");
                self.fault.get_or_insert(Error::invalid(text));
            }
            (None, _) => {
                let known: Vec<String> = names.iter().map(|name| format!("`${name}`")).collect();
                let text = match known.is_empty() {
                    true => format!("the query has no parameter `${parameter}`, and no other"),
                    false => {
                        let known = known.join(", ");
                        format!("the query has no parameter `${parameter}`; it has {known}")
                    }
                };
                self.fault.get_or_insert(Error::invalid(text));
            }
        }
        self
    }

    /// Only the series with this label. With several calls rows of all these series are returned; with none,
    /// those of the series with which the query was prepared.
    pub fn series(self, label: &str) -> Self {
        self.series_id(series_id(label))
    }

    /// The same by its id.
    pub fn series_id(mut self, id: u64) -> Self {
        self.series = match self.series {
            ExecutionSeries::Prepared => ExecutionSeries::One(id),
            ExecutionSeries::One(first) => ExecutionSeries::Several(vec![first, id]),
            ExecutionSeries::Several(mut series) => {
                series.push(id);
                ExecutionSeries::Several(series)
            }
        };
        self
    }

    /// The same by their ids. An empty list, and no other series, selects nothing.
    pub fn series_ids(mut self, ids: impl IntoIterator<Item = u64>) -> Self {
        let mut all = match self.series {
            ExecutionSeries::Prepared => Vec::new(),
            ExecutionSeries::One(first) => vec![first],
            ExecutionSeries::Several(series) => series,
        };
        all.extend(ids);
        self.series = ExecutionSeries::Several(all);
        self
    }

    /// Only rows with keys in this range.
    pub fn keys(mut self, keys: impl RangeBounds<i64>) -> Self {
        self.keys = inclusive_keys(keys.start_bound().cloned(), keys.end_bound().cloned());
        self
    }

    /// At most this many rows; see [`Query::limit`](crate::Query::limit).
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Stops with `deadline-exceeded` after this long; see [`Query::timeout`](crate::Query::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.terms.timeout = Some(timeout);
        self
    }

    /// Stops with `cancelled` once the token is cancelled.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.terms.cancel = Some(token);
        self
    }

    /// Starts the query on the rows that are acknowledged now and fetches the first of them.
    ///
    /// # Errors
    /// As [`Query::run`](crate::Query::run), and `invalid-argument` for a parameter without a value, a value
    /// for a parameter that is not there, and one that a test cannot take.
    pub fn run(self) -> Result<Cursor> {
        let (index, request, terms) = self.request()?;
        terms.run(index.clone(), request)
    }

    /// The number of rows that the query would return.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count(self) -> Result<u64> {
        Ok(self.count_partial()?.rows)
    }

    /// As [`Query::count_partial`](crate::Query::count_partial).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count_partial(self) -> Result<Counted> {
        let (index, request, terms) = self.request()?;
        terms.count(index, request)
    }
}

impl<'p> BoundQuery<'p> {
    /// What is asked for, of which index and on which terms.
    fn request(self) -> Result<(&'p Handle, Request, Terms)> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let prepared = self.prepared;
        let mut values = Vec::with_capacity(self.values.len());
        for (value, name) in self.values.into_iter().zip(prepared.parameters.iter()) {
            values.push(value.ok_or_else(|| {
                Error::invalid(format!("the parameter `${name}` has no value; see `value`"))
            })?);
        }
        let (low, high) = self.keys;
        let execution = Execution {
            series: self.series,
            low,
            high,
            limit: self.limit,
            values: ParameterValues::Given(values),
        };
        let request = Request::Prepared(Arc::clone(&prepared.statement), execution);
        Ok((&prepared.index, request, self.terms))
    }
}

/// A single value; none for an array.
fn literal(value: TagValue<'_>) -> Option<Literal> {
    Some(match value {
        TagValue::String(text) => Literal::String(text.into_owned()),
        TagValue::Int(value) => Literal::Int(value),
        TagValue::Float(value) => Literal::Float(value),
        TagValue::Bool(value) => Literal::Bool(value),
        TagValue::Bytes(bytes) => Literal::Bytes(bytes.into_owned()),
        TagValue::Timestamp(nanoseconds) => Literal::Timestamp(nanoseconds),
        TagValue::Array(..) => return None,
    })
}
