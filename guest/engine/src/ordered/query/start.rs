//! The front door of all queries: binds the filter and the projection to the part list, plans, and chooses
//! the way.
//!
//! In any order it is a [`Sweep`]. In key order the host is asked for the first rows with one call ([`top`]);
//! what that leaves, and what that call is not for, is done by a [`Cursor`].
//!
//! An instance keeps what it bound for the next queries on the same part list, and the room of its requests:
//! binding costs more than most queries that use it.

use super::Answer;
use super::candidates::Candidates;
use super::count;
use super::cursor::Cursor;
use super::explain::Explain;
use super::filter::BoundFilter;
use super::gaps::Gaps;
use super::plan::Plan;
use super::prepared::{BoundQuery, PreparedQuery};
use super::progress::Progress;
use super::projection::Projection;
use super::sweep::Sweep;
use super::top::{self, First};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::part::PartList;
use crate::types::{
    Counted, Execution, Offered, Projection as Wanted, QuerySpec, Rest, RowContent, Rows, Share,
};
use std::sync::Arc;

/// Filters, and projections, that are remembered.
const KEPT: usize = 8;

/// The queries of one instance, one after the other.
pub(crate) struct Queries<H: Host> {
    /// Version of the part list that the rest is about.
    version: u64,
    filters: Vec<(String, Arc<BoundFilter<H>>)>,
    /// For queries without a filter, where rows are dead.
    alive: Option<Arc<BoundFilter<H>>>,
    projections: Vec<((bool, Wanted), Arc<Projection>)>,
    candidates: Candidates,
    /// What the last query in key order did, but for what the host found for one that needed no cursor: it is
    /// asked when somebody wants to know.
    explain: Explain,
}

impl<H: Host> Default for Queries<H> {
    fn default() -> Self {
        Self {
            version: 0,
            filters: Vec::new(),
            alive: None,
            projections: Vec::new(),
            candidates: Candidates::default(),
            explain: Explain::default(),
        }
    }
}

impl<H: Host> Queries<H> {
    /// `index.query`, and with a share `index.query-share`
    pub(crate) fn start(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        share: Option<Share>,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        let query = self.bind(host, live, spec)?;
        self.answer(host, query, share, max_rows)
    }

    /// `index.offer-query`
    pub(crate) fn offer(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        shares: u32,
        max_rows: u32,
    ) -> Result<Offered<Answer<H>>> {
        let query = self.bind(host, live, spec)?;
        self.answer_or_offer(host, query, shares, max_rows)
    }

    /// `index.run`
    pub(crate) fn execute(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        let query = prepared.rows(host, live, execution)?;
        self.answer(host, query, None, max_rows)
    }

    /// `index.offer-run`
    pub(crate) fn offer_execution(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        shares: u32,
        max_rows: u32,
    ) -> Result<Offered<Answer<H>>> {
        let query = prepared.rows(host, live, execution)?;
        self.answer_or_offer(host, query, shares, max_rows)
    }

    /// `index.count-run`
    pub(crate) fn count_execution(
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
    ) -> Result<Counted> {
        let (spec, filter) = prepared.counted(host, live, execution)?;
        count::run(host, live, spec, filter, None)
    }

    /// `index.offer-count-run`
    pub(crate) fn offer_execution_count(
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        let (spec, filter) = prepared.counted(host, live, execution)?;
        count::offer(host, live, spec, filter, shares)
    }

    /// The first rows of a query, or of one share of it.
    fn answer(
        &mut self,
        host: &Arc<H>,
        query: BoundQuery<H>,
        share: Option<Share>,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        Gaps::of(&query.plan)?;
        if query.plan.manner.any_order {
            let (progress, sweep) = Sweep::start(host, query.plan, query.projection, share)?;
            return Answer::of(Cursor::in_any_order(progress, sweep), max_rows);
        }
        if share.is_some() {
            return Err(Error::invalid("a query in key order has no shares"));
        }
        self.in_key_order(host, query, max_rows)
    }

    /// The same, unless it is worth being shared.
    fn answer_or_offer(
        &mut self,
        host: &Arc<H>,
        query: BoundQuery<H>,
        shares: u32,
        max_rows: u32,
    ) -> Result<Offered<Answer<H>>> {
        Gaps::of(&query.plan)?;
        let answer = if query.plan.manner.any_order {
            let (mut progress, mut sweep) = Sweep::start(host, query.plan, query.projection, None)?;
            match sweep.shares(&mut progress, shares)? {
                1 => Answer::of(Cursor::in_any_order(progress, sweep), max_rows),
                shares => return Ok(Offered::Shares(shares)),
            }
        } else {
            self.in_key_order(host, query, max_rows)
        };
        answer.map(Offered::Done)
    }

    /// What a query wants, bound to the part list.
    fn bind(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
    ) -> Result<BoundQuery<H>> {
        self.forget_other_lists(live);
        let projection = self.projection(live, &spec);
        let filter = self.bound(&**host, live, &spec)?;
        Ok(BoundQuery {
            plan: Plan::new(live, spec, filter),
            projection,
            tells_names: true,
        })
    }

    /// The first rows of a query in key order.
    fn in_key_order(
        &mut self,
        host: &Arc<H>,
        query: BoundQuery<H>,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        let explain = &mut self.explain;
        explain.begin(&query.plan.live);
        let room = &mut self.candidates;
        let (plan, projection) = (&query.plan, &query.projection);
        let first = top::first_rows(&**host, plan, projection, max_rows, room, explain)?;
        let names = query.tells_names.then(|| projection.names());
        let after = match first {
            First::Elsewhere => {
                let query = Progress::new(host, query.plan, query.projection)?;
                return Answer::of(Cursor::in_key_order(query), max_rows);
            }
            First::Whole => None,
            First::Part(after) => Some(after),
        };
        let rest = match after {
            None => Rest::Nothing,
            Some(after) => {
                let query = Progress::new(host, query.plan, query.projection)?;
                Rest::More(Cursor::behind(query, after, explain.clone()))
            }
        };
        let rows = Rows {
            content: RowContent::Found,
            names,
            ..Rows::default()
        };
        Ok(Answer { rows, rest })
    }

    /// `index.count`, and with a share `index.count-share`
    pub(crate) fn count(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        share: Option<Share>,
    ) -> Result<Counted> {
        self.forget_other_lists(live);
        let filter = self.bound(&**host, live, &spec)?;
        count::run(host, live, spec, filter, share)
    }

    /// `index.offer-count`
    pub(crate) fn offer_count(
        &mut self,
        host: &Arc<H>,
        live: &Arc<PartList<H>>,
        spec: QuerySpec,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        self.forget_other_lists(live);
        let filter = self.bound(&**host, live, &spec)?;
        count::offer(host, live, spec, filter, shares)
    }

    /// `index.explain`
    pub(crate) fn explain(&self, host: &H) -> String {
        let mut explain = self.explain.clone();
        explain.add_found(&host.top_facts());
        explain.close();
        explain.json()
    }

    /// What was bound to another part list is of no use.
    fn forget_other_lists(&mut self, live: &PartList<H>) {
        if self.version != live.version {
            self.filters.clear();
            self.alive = None;
            self.projections.clear();
            self.version = live.version;
        }
    }

    /// The filter of a query, bound to the part list; none when it has none, and no row is dead.
    fn bound(
        &mut self,
        host: &H,
        live: &PartList<H>,
        spec: &QuerySpec,
    ) -> Result<Option<Arc<BoundFilter<H>>>> {
        let Some(text) = &spec.filter else {
            if self.alive.is_none() {
                self.alive = BoundFilter::of_live_rows(host, live)?;
            }
            return Ok(self.alive.clone());
        };
        if let Some((_, bound)) = self.filters.iter().find(|(known, _)| known == text) {
            return Ok(Some(Arc::clone(bound)));
        }
        let bound = BoundFilter::parse(host, live, text)?;
        if self.filters.len() >= KEPT {
            self.filters.remove(0);
        }
        self.filters.push((text.clone(), Arc::clone(&bound)));
        Ok(Some(bound))
    }

    fn projection(&mut self, live: &PartList<H>, spec: &QuerySpec) -> Arc<Projection> {
        let found = self
            .projections
            .iter()
            .find(|((payload, wanted), _)| *payload == spec.payload && *wanted == spec.projection);
        if let Some((_, projection)) = found {
            return Arc::clone(projection);
        }
        let projection = Arc::new(Projection::new(spec, live));
        if self.projections.len() >= KEPT {
            self.projections.remove(0);
        }
        let key = (spec.payload, spec.projection.clone());
        self.projections.push((key, Arc::clone(&projection)));
        projection
    }
}

impl<H: Host> Answer<H> {
    /// The first rows of a cursor.
    fn of(mut cursor: Cursor<H>, max_rows: u32) -> Result<Self> {
        let rows = cursor.first(max_rows)?;
        let rest = match cursor.is_complete() {
            true => Rest::NoRows(cursor),
            false => Rest::More(cursor),
        };
        Ok(Self { rows, rest })
    }
}
