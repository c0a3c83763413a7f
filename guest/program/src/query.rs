//! Queries: what is asked for, as the engine takes it.

use sidx_columns::OwnedValue;
use sidx_command::database::{Order, Parameter, Query, Result};
use sidx_engine::{Counted, inclusive_keys, series_id};

use crate::bindings::index::{
    self, Answer, ParameterValue, ParameterValues, PreparedSeries, Projection, QueryOptions,
    QuerySpec, Ran,
};
use crate::bindings::session;
use crate::error::{invalid, of_engine, other};
use crate::rows::too_many_rows;

/// Memory that a query may use in the engine unless it says otherwise.
const MEMORY_BYTES: u64 = 256 << 20;

/// Ends calls of the engine in time, until this is dropped.
pub(crate) struct Timeout(());

impl Timeout {
    /// From now on, if the query has a limit.
    pub(crate) fn of(query: &Query<'_>) -> Self {
        let nanoseconds =
            { query.timeout }.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        session::set_timeout(nanoseconds);
        Self(())
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        session::set_timeout(None);
    }
}

/// A query that was prepared, until this is dropped.
pub(crate) struct Prepared {
    number: u32,
    spec: QuerySpec,
    values: Vec<ParameterValue>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        index::forget(self.number);
    }
}

impl Prepared {
    /// Prepares a query that has parameters, with their values.
    fn new(spec: QuerySpec, parameters: &[Parameter]) -> Result<Self> {
        let mut prepared = Self {
            number: index::prepare(&spec).map_err(of_engine)?,
            spec,
            values: Vec::new(),
        };
        let names = index::parameters(prepared.number).map_err(of_engine)?;
        let mut values = vec![None; names.len()];
        for Parameter { name, value } in parameters {
            let place = names.iter().position(|known| known == name);
            let place = place.and_then(|at| values.get_mut(at));
            match (place, literal(value)) {
                (Some(place), Some(value)) => *place = Some(value),
                (Some(_), None) => {
                    let text = format!("the parameter `${name}` takes one value, not an array");
                    return Err(invalid(text));
                }
                (None, _) => return Err(unknown(name, &names)),
            }
        }
        for (value, name) in values.into_iter().zip(&names) {
            prepared.values.push(value.ok_or_else(|| {
                invalid(format!("the parameter `${name}` has no value; see `value`"))
            })?);
        }
        Ok(prepared)
    }

    fn values(&self) -> ParameterValues {
        ParameterValues::Several(self.values.clone())
    }

    fn run(&self, most_rows: u32) -> Result<Answer> {
        let spec = &self.spec;
        let ran = index::run(
            self.number,
            &PreparedSeries::Prepared,
            spec.low,
            spec.high,
            spec.limit,
            &self.values(),
            most_rows,
        );
        let mut answer = match ran {
            Ran::Found => Answer {
                rows: index::Rows {
                    content: index::RowContent::Found,
                    names: None,
                    stripe: 0,
                },
                rest: index::Rest::Nothing,
            },
            Ran::Otherwise => index::run_outcome().map_err(of_engine)?,
        };
        if answer.rows.names.is_none() {
            answer.rows.names = Some(index::run_names(self.number).map_err(of_engine)?);
        }
        Ok(answer)
    }

    fn count(&self, limit: Option<u64>) -> Result<index::Counted> {
        let spec = &self.spec;
        let series = PreparedSeries::Prepared;
        let values = self.values();
        index::count_run(self.number, &series, spec.low, spec.high, limit, &values)
            .map_err(of_engine)
    }
}

fn unknown(name: &str, known: &[String]) -> sidx_command::database::Error {
    let known: Vec<String> = known.iter().map(|name| format!("`${name}`")).collect();
    invalid(match known.is_empty() {
        true => format!("the query has no parameter `${name}`, and no other"),
        false => {
            let known = known.join(", ");
            format!("the query has no parameter `${name}`; it has {known}")
        }
    })
}

/// A value as a constant of a filter; none of an array.
fn literal(value: &OwnedValue) -> Option<ParameterValue> {
    Some(match value {
        OwnedValue::String(text) => ParameterValue::Text(text.clone()),
        OwnedValue::Int(value) => ParameterValue::Int(*value),
        OwnedValue::Float(value) => ParameterValue::Float(*value),
        OwnedValue::Bool(value) => ParameterValue::Boolean(*value),
        OwnedValue::Bytes(bytes) => ParameterValue::Bytes(bytes.clone()),
        OwnedValue::Timestamp(nanoseconds) => ParameterValue::Timestamp(*nanoseconds),
        _ => return None,
    })
}

/// Starts a query: its first rows, what is left, and what is to be kept until its end.
pub(crate) fn start(query: &Query<'_>, most_rows: u32) -> Result<(Answer, Option<Prepared>)> {
    let spec = spec(query);
    if query.parameters.is_empty() {
        let answer = index::query(&spec, most_rows).map_err(of_engine)?;
        return Ok((answer, None));
    }
    let prepared = Prepared::new(spec, query.parameters)?;
    session::begin_activity(query.timed);
    Ok((prepared.run(most_rows)?, Some(prepared)))
}

/// The number of rows that a query would return.
pub(crate) fn count(query: &Query<'_>) -> Result<Counted> {
    let _timeout = Timeout::of(query);
    let max_rows = query.max_rows.unwrap_or(u64::MAX);
    // One row too many is enough to know.
    let most = { query.limit.unwrap_or(u64::MAX) }.min(max_rows.saturating_add(1));
    let limit = (most < u64::MAX).then_some(most);
    let mut spec = spec(query);
    let counted = match query.parameters {
        [] => {
            spec.limit = limit;
            index::count(&spec).map_err(of_engine)?
        }
        parameters => Prepared::new(spec, parameters)?.count(limit)?,
    };
    if counted.rows > most || (counted.partial && !query.allow_partial) {
        let text = format!("the engine returned {counted:?} for a query of at most {most} rows");
        return Err(other(text));
    }
    match counted.rows > max_rows {
        true => Err(too_many_rows(max_rows)),
        false => Ok(Counted {
            rows: counted.rows,
            partial: counted.partial,
        }),
    }
}

fn spec(query: &Query<'_>) -> QuerySpec {
    let labels = query.series.iter().map(|label| series_id(label));
    let series: Vec<u64> = labels.chain(query.series_ids.iter().copied()).collect();
    let (low, high) = inclusive_keys(query.keys.0, query.keys.1);
    let options = [
        (query.order == Order::Descending, QueryOptions::DESCENDING),
        (query.order == Order::Any, QueryOptions::ANY_ORDER),
        (query.distinct_payload, QueryOptions::DISTINCT_PAYLOAD),
        (query.payload, QueryOptions::WITH_PAYLOAD),
        (query.allow_partial, QueryOptions::ALLOW_PARTIAL),
    ];
    let chosen = options.into_iter().filter(|(is_chosen, _)| *is_chosen);
    QuerySpec {
        series: (!series.is_empty()).then_some(series),
        low,
        high,
        filter: query.filter.map(str::to_owned),
        options: chosen.fold(QueryOptions::empty(), |all, (_, option)| all | option),
        limit: query.limit,
        projection: match query.select {
            None => Projection::All,
            Some(names) => Projection::Only(names.to_vec()),
        },
        memory_bytes: query.memory_bytes.unwrap_or(MEMORY_BYTES),
    }
}
