//! A query that is read once and run any number of times, with other series, key bounds, limit and values of
//! its parameters.
//!
//! What a run has in common with the one before is not looked up again: the columns to return, and the filter
//! as long as its values are the same. Both are bound to a part list, and bound anew when that has changed.

use super::filter::BoundFilter;
use super::plan::{Plan, WantedSeries};
use super::projection::Projection;
use crate::error::{Error, Result};
use crate::expression::{Literal, Template};
use crate::host::Host;
use crate::ordered::predicate::check_patterns;
use crate::part::PartList;
use crate::types::{Execution, ExecutionSeries, Manner, ParameterValues, QuerySpec};
use std::ops::Bound;
use std::sync::Arc;

/// Filters that are kept bound, each with other values of the parameters.
const KEPT: usize = 4;

/// A query that was prepared.
pub struct PreparedQuery<H: Host> {
    /// Without the filter, which is below.
    spec: QuerySpec,
    /// Its series.
    series: WantedSeries,
    filter: Option<Template>,
    /// Of the parameters, as they were last given.
    values: Vec<Literal>,
    /// Version of the part list that the rest is about; none before the first run.
    version: Option<u64>,
    /// The filter with values of its parameters, the newest last.
    filters: Vec<(Vec<Literal>, Arc<BoundFilter<H>>)>,
    /// Where there is no filter and rows are dead.
    alive: Option<Arc<BoundFilter<H>>>,
    projection: Option<Arc<Projection>>,
}

/// A query bound to a part list.
pub(super) struct BoundQuery<H: Host> {
    pub(super) plan: Plan<H>,
    pub(super) projection: Arc<Projection>,
    /// Whether the first rows come with the names of their columns; those of a query that is prepared are
    /// asked for.
    pub(super) tells_names: bool,
}

impl<H: Host> PreparedQuery<H> {
    /// Reads the filter, of which parameters may be a part.
    pub(crate) fn new(host: &H, mut spec: QuerySpec) -> Result<Self> {
        let text = spec.filter.take();
        let filter = text.map(|text| Template::parse(&text)).transpose()?;
        if let Some(filter) = &filter {
            check_patterns(host, filter.patterns())?;
        }
        Ok(Self {
            series: WantedSeries::of(spec.series.clone()),
            spec,
            filter,
            values: Vec::new(),
            version: None,
            filters: Vec::new(),
            alive: None,
            projection: None,
        })
    }

    /// The names of the parameters, each once, in the order in which they first occur.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        self.filter.as_ref().map_or(&[], Template::parameters)
    }

    /// The filter with the values that its parameters had last, as text.
    ///
    /// # Errors
    /// `invalid-argument` where they had none yet.
    pub fn filter(&self) -> Result<Option<String>> {
        let bound = |filter: &Template| Ok(filter.bind(&self.values)?.to_string());
        self.filter.as_ref().map(bound).transpose()
    }

    /// The rows of a run, bound to a part list.
    pub(super) fn rows(
        &mut self,
        host: &H,
        live: &Arc<PartList<H>>,
        execution: Execution,
    ) -> Result<BoundQuery<H>> {
        self.forget_other_lists(live);
        let filter = self.bound(host, live, execution.values)?;
        let manner = Manner {
            limit: execution.limit,
            ..self.spec.manner()
        };
        let series = match execution.series {
            ExecutionSeries::Prepared => self.series.clone(),
            ExecutionSeries::One(series) => WantedSeries::One([series]),
            ExecutionSeries::Several(series) => WantedSeries::of(Some(series)),
        };
        let keys = (execution.low, execution.high);
        Ok(BoundQuery {
            plan: Plan::of(live, manner, keys, series, filter),
            projection: Arc::clone(self.projection(live)),
            tells_names: false,
        })
    }

    /// The names of the tag columns of its rows, on a part list.
    pub(crate) fn names(&mut self, live: &PartList<H>) -> Vec<String> {
        self.forget_other_lists(live);
        self.projection(live).names()
    }

    fn projection(&mut self, live: &PartList<H>) -> &Arc<Projection> {
        let spec = &self.spec;
        self.projection
            .get_or_insert_with(|| Arc::new(Projection::new(spec, live)))
    }

    /// What a run counts, and the filter bound to a part list.
    pub(super) fn counted(
        &mut self,
        host: &H,
        live: &Arc<PartList<H>>,
        execution: Execution,
    ) -> Result<(QuerySpec, Option<Arc<BoundFilter<H>>>)> {
        self.forget_other_lists(live);
        let filter = self.bound(host, live, execution.values)?;
        let spec = QuerySpec {
            series: execution.series.of_query(self.spec.series.as_ref()),
            low: Bound::Included(execution.low),
            high: Bound::Included(execution.high),
            limit: execution.limit,
            ..self.spec.clone()
        };
        Ok((spec, filter))
    }

    /// What was bound to another part list is of no use.
    fn forget_other_lists(&mut self, live: &PartList<H>) {
        if self.version != Some(live.version) {
            self.filters.clear();
            self.alive = None;
            self.projection = None;
            self.version = Some(live.version);
        }
    }

    /// The filter with values of its parameters, bound to the part list; none where there is no filter, and
    /// no row is dead.
    fn bound(
        &mut self,
        host: &H,
        live: &PartList<H>,
        values: ParameterValues,
    ) -> Result<Option<Arc<BoundFilter<H>>>> {
        let Some(filter) = &self.filter else {
            return match values {
                ParameterValues::Given(values) if !values.is_empty() => {
                    let values = values.len();
                    let text = format!("{values} values for a query without parameters");
                    Err(Error::invalid(text))
                }
                _ => {
                    if self.alive.is_none() {
                        self.alive = BoundFilter::of_live_rows(host, live)?;
                    }
                    Ok(self.alive.clone())
                }
            };
        };
        let values = match values {
            ParameterValues::Kept => None,
            ParameterValues::Given(values) => Some(values).filter(|new| *new != self.values),
        };
        let wanted = values.as_ref().unwrap_or(&self.values);
        let known = self.filters.iter().rfind(|(known, _)| known == wanted);
        let bound = match known {
            Some((_, bound)) => Arc::clone(bound),
            None => {
                let bound = BoundFilter::bind(host, live, Some(&filter.bind(wanted)?))?;
                if self.filters.len() >= KEPT {
                    self.filters.remove(0);
                }
                self.filters.push((wanted.clone(), Arc::clone(&bound)));
                bound
            }
        };
        if let Some(values) = values {
            self.values = values;
        }
        Ok(Some(bound))
    }
}
