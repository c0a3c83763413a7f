//! A query that is read once and run any number of times, with other series, key bounds, limit and values of
//! its parameters.
//!
//! What a run has in common with the one before is not looked up again: the columns to return, and the filter
//! as long as its values are the same. Both are bound to a part list, and bound anew when that has changed.

use super::filter::BoundFilter;
use super::plan::Plan;
use super::projection::Projection;
use crate::error::{Error, Result};
use crate::expression::{Literal, Template};
use crate::host::Host;
use crate::ordered::predicate::check_patterns;
use crate::part::PartList;
use crate::types::{Execution, ParameterValues, Projection as Wanted, QuerySpec};
use std::ops::Bound;
use std::sync::Arc;

/// Filters that are kept bound, each with other values of the parameters.
const KEPT: usize = 4;

/// A query that was prepared.
pub struct PreparedQuery<H: Host> {
    /// Without the filter, which is below.
    spec: QuerySpec,
    filter: Option<Template>,
    /// Of the parameters, as they were last given.
    values: Vec<Literal>,
    /// Version of the part list that the rest is about; none before the first run.
    version: Option<u64>,
    /// The filter with values of its parameters, the newest last.
    filters: Vec<(Vec<Literal>, Arc<BoundFilter<H>>)>,
    projection: Option<Arc<Projection>>,
    /// The names of its columns went out with earlier rows.
    told_names: bool,
}

/// A query bound to a part list.
pub(super) struct BoundQuery<H: Host> {
    pub(super) plan: Plan<H>,
    pub(super) projection: Arc<Projection>,
    /// Whether the first rows come with the names of their columns.
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
            spec,
            filter,
            values: Vec::new(),
            version: None,
            filters: Vec::new(),
            projection: None,
            told_names: false,
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
        let (spec, values) = self.spec_of(execution, Wanted::All);
        let filter = self.bound(host, live, values)?;
        let projection = match &self.projection {
            Some(projection) => Arc::clone(projection),
            None => {
                self.told_names = false;
                let projection = Arc::new(Projection::new(&self.spec, live));
                Arc::clone(self.projection.insert(projection))
            }
        };
        Ok(BoundQuery {
            plan: Plan::new(live, spec, filter),
            projection,
            tells_names: !self.told_names,
        })
    }

    /// What a run counts, and the filter bound to a part list.
    pub(super) fn counted(
        &mut self,
        host: &H,
        live: &Arc<PartList<H>>,
        execution: Execution,
    ) -> Result<(QuerySpec, Option<Arc<BoundFilter<H>>>)> {
        self.forget_other_lists(live);
        let (spec, values) = self.spec_of(execution, self.spec.projection.clone());
        let filter = self.bound(host, live, values)?;
        Ok((spec, filter))
    }

    /// Notes that rows went out, with the names of their columns or without.
    pub(super) fn note_names(&mut self, told: bool) {
        self.told_names |= told;
    }

    /// A run as a query without filter, and the values of its parameters. The rows of a run have a form of
    /// their own for the projection, so that its names need not be copied each time.
    fn spec_of(&self, execution: Execution, projection: Wanted) -> (QuerySpec, ParameterValues) {
        let spec = QuerySpec {
            series: execution.series.of_query(self.spec.series.as_ref()),
            low: Bound::Included(execution.low),
            high: Bound::Included(execution.high),
            limit: execution.limit,
            projection,
            filter: None,
            ..self.spec
        };
        (spec, execution.values)
    }

    /// What was bound to another part list is of no use.
    fn forget_other_lists(&mut self, live: &PartList<H>) {
        if self.version != Some(live.version) {
            self.filters.clear();
            self.projection = None;
            self.version = Some(live.version);
        }
    }

    /// The filter with values of its parameters, bound to the part list; none where there is no filter.
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
                _ => Ok(None),
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
                let bound = BoundFilter::bind(host, live, &filter.bind(wanted)?)?;
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
