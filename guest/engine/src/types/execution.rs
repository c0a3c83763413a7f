//! What a run of a prepared query has of its own.

use crate::expression::Literal;

/// One run of a prepared query; see `index.run`.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Which series.
    pub series: ExecutionSeries,
    /// Least wanted key.
    pub low: i64,
    /// Greatest wanted key; nothing is wanted when it is below the least.
    pub high: i64,
    /// Most rows.
    pub limit: Option<u64>,
    /// What the parameters of the filter stand for.
    pub values: ParameterValues,
}

/// The series of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionSeries {
    /// Those with which the query was prepared.
    Prepared,
    /// This one.
    One(u64),
    /// These; an empty list selects nothing.
    Several(Vec<u64>),
}

/// The values of the parameters of one run.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValues {
    /// Those of the run before; none before the first, which is right where there are no parameters.
    Kept,
    /// These, one for each parameter.
    Given(Vec<Literal>),
}

impl ExecutionSeries {
    /// The series that are wanted, of a query that was prepared with these; none for all.
    pub fn of_query(self, prepared: Option<&Vec<u64>>) -> Option<Vec<u64>> {
        match self {
            Self::Prepared => prepared.cloned(),
            Self::One(series) => Some(vec![series]),
            Self::Several(series) => Some(series),
        }
    }
}
