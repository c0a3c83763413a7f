//! Queries.

use std::ops::Bound;
use std::time::Duration;

use sidx_columns::OwnedValue;

/// What a query asks for.
#[derive(Clone, Debug)]
pub struct Query<'q> {
    /// Labels of the wanted series; with no label and no id, all series.
    pub series: &'q [String],
    /// Ids of the wanted series.
    pub series_ids: &'q [u64],
    /// Least and greatest key.
    pub keys: (Bound<i64>, Bound<i64>),
    /// Filter by tags; see docs/query.md.
    pub filter: Option<&'q str>,
    /// Values of the parameters that the filter has, each once; none for a filter without parameters.
    pub parameters: &'q [Parameter],
    /// In which order.
    pub order: Order,
    /// Most rows.
    pub limit: Option<u64>,
    /// Tags to return, in this order; without, all.
    pub select: Option<&'q [String]>,
    /// Whether payloads are returned.
    pub payload: bool,
    /// Whether only the first row of each payload is.
    pub distinct_payload: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether what is left is returned when rows are lost or cannot be read.
    pub allow_partial: bool,
    /// Fail when there are more rows.
    pub max_rows: Option<u64>,
    /// Memory that it may use in the engine, in bytes.
    pub memory_bytes: Option<u64>,
    /// Most threads that share its work.
    pub threads: Option<usize>,
    /// Whether its report has times.
    pub timed: bool,
}

/// The value of a parameter of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, without the `$`.
    pub name: String,
    /// One value, no array.
    pub value: OwnedValue,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least key first.
    Ascending,
    /// Greatest key first.
    Descending,
    /// As the rows lie.
    Any,
}
