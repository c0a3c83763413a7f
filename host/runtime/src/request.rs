//! What is asked of the engine: a query, or a run of one that was prepared.

use std::ops::Bound;
use std::sync::Arc;

use sidx_engine::expression::MAX_TEXT_BYTES;
use sidx_engine::{Counted, Execution, Offered, QuerySpec};

use crate::error::Result;
use crate::instance::{Course, Instance, Statement};
use crate::pool::Lease;
use crate::shares;

/// Most instances that share a query, whatever the engine finds it worth.
const SHARES_MAX: u32 = 255;

/// Rows that are asked for.
pub(crate) enum Request {
    /// By a query.
    Query(QuerySpec),
    /// By a run of a statement.
    Prepared(Arc<Statement>, Execution),
}

impl Request {
    /// The query, of which a run has some things of its own.
    pub(crate) fn query(&self) -> &QuerySpec {
        match self {
            Self::Query(query) => query,
            Self::Prepared(statement, _) => statement.query(),
        }
    }

    /// At most so many rows.
    pub(crate) fn limit(&mut self) -> &mut Option<u64> {
        match self {
            Self::Query(query) => &mut query.limit,
            Self::Prepared(_, execution) => &mut execution.limit,
        }
    }

    /// How many instances may share it, of so many threads: one where its rows depend on those before them.
    pub(crate) fn shares(&mut self, threads: usize) -> u32 {
        let limit = *self.limit();
        match self.query().has_shares_within(limit) {
            false => 1,
            true => u32::try_from(threads).map_or(SHARES_MAX, |most| most.min(SHARES_MAX)),
        }
    }

    /// Has an instance return the first rows, unless it finds the request worth more shares than one, of at
    /// most `shares`.
    pub(crate) fn start(
        self,
        instance: &mut dyn Instance,
        rows: u32,
        shares: u32,
    ) -> Result<Course> {
        if shares < 2 {
            let started = match self {
                Self::Query(query) => instance.query(query, rows)?,
                Self::Prepared(statement, execution) => {
                    instance.execute(&statement, execution, rows)?
                }
            };
            return Ok(Course::Alone(started));
        }
        Ok(match self {
            Self::Query(query) => match instance.offer_query(query.clone(), rows, shares)? {
                Offered::Done(started) => Course::Alone(started),
                Offered::Shares(shares) => Course::Shared(query, shares),
            },
            Self::Prepared(statement, execution) => {
                let again = execution.clone();
                match instance.offer_execution(&statement, execution, rows, shares)? {
                    Offered::Done(started) => Course::Alone(started),
                    Offered::Shares(shares) => match as_query(instance, &statement, &again)? {
                        Some(query) => Course::Shared(query, shares),
                        None => Course::Alone(instance.execute(&statement, again, rows)?),
                    },
                }
            }
        })
    }

    /// Counts its rows, on more instances than one where they are there and it is worth it.
    pub(crate) fn count(self, lease: &mut Lease, shares: u32) -> Result<Counted> {
        let instance = lease.instance()?;
        let (query, shares) = match self {
            Self::Query(query) if shares < 2 => return instance.count(query),
            Self::Prepared(statement, execution) if shares < 2 => {
                return instance.count_execution(&statement, execution);
            }
            Self::Query(query) => match instance.offer_count(query.clone(), shares)? {
                Offered::Done(counted) => return Ok(counted),
                Offered::Shares(shares) => (query, shares),
            },
            Self::Prepared(statement, execution) => {
                let again = execution.clone();
                match instance.offer_execution_count(&statement, execution, shares)? {
                    Offered::Done(counted) => return Ok(counted),
                    Offered::Shares(shares) => match as_query(instance, &statement, &again)? {
                        Some(query) => (query, shares),
                        None => return instance.count_execution(&statement, again),
                    },
                }
            }
        };
        shares::count(lease, &query, shares)
    }
}

/// The run that an instance was last asked for as a query, which other instances can do without preparing it.
/// None where its filter, printed with its values, is too long to be read, as of escapes and base64.
fn as_query(
    instance: &mut dyn Instance,
    statement: &Arc<Statement>,
    execution: &Execution,
) -> Result<Option<QuerySpec>> {
    let filter = instance.bound_filter(statement)?;
    if filter
        .as_ref()
        .is_some_and(|text| text.len() > MAX_TEXT_BYTES)
    {
        return Ok(None);
    }
    let query = statement.query().clone();
    Ok(Some(QuerySpec {
        series: execution.series.clone().of_query(query.series.as_ref()),
        low: Bound::Included(execution.low),
        high: Bound::Included(execution.high),
        limit: execution.limit,
        filter,
        ..query
    }))
}
