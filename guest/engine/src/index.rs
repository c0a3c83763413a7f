//! The exports of the component: one index, one thread.

use crate::error::{Error, Result};
use crate::host::Host;
use crate::merge;
use crate::merge::retention;
use crate::ordered::dump::DumpCursor;
use crate::ordered::labels::{self, Ordered};
use crate::ordered::query::{Answer, PreparedQuery, Queries};
use crate::part::PartList;
use crate::part::facet::{Facet, Facets};
use crate::part::name::PartName;
use crate::parts::contents;
use crate::parts::describe;
use crate::parts::drop;
use crate::parts::following::{self, Look};
use crate::parts::introducer::Introducer;
use crate::parts::leftovers;
use crate::parts::recovery;
use crate::parts::repair;
use crate::parts::salvage;
use crate::parts::survey;
use crate::parts::takeover;
use crate::parts::verify;
use crate::types::{
    Batch, BranchContents, Choice, Contents, Counted, Damage, Execution, Job, Mode, Offered,
    Opened, Outcome, PartFile, QuerySpec, Retention, RetentionStep, Salvaged, Share, Subject, View,
    Written,
};
use std::sync::Arc;

/// One index as one instance sees it.
///
/// An instance is either the introducer (after [`Index::open`]) or a follower (after
/// [`Index::attach`]). Both answer queries and do merges; only the introducer writes.
pub struct Index<H: Host> {
    host: Arc<H>,
    live: Arc<PartList<H>>,
    introducer: Option<Introducer<H>>,
    read_only: bool,
    /// A refresh failed, and nobody knows how far it came in the log.
    is_behind: bool,
    queries: Queries<H>,
}

/// What a change of the index needs.
type Writer<'a, H> = (&'a Arc<H>, &'a mut Arc<PartList<H>>, &'a mut Introducer<H>);

impl<H: Host> Index<H> {
    /// An ordered index that is not open yet.
    pub fn new(host: H) -> Self {
        Self::with_facets(host, Vec::new())
    }

    /// The same, whose parts have further facets beside that of the ordered index. All instances of an index
    /// have the same, always.
    pub fn with_facets(host: H, further: Vec<Box<dyn Facet<H>>>) -> Self {
        let ordered: Box<dyn Facet<H>> = Box::new(Ordered);
        let facets = Facets::new([ordered].into_iter().chain(further).collect());
        Self {
            host: Arc::new(host),
            live: Arc::new(PartList::empty(facets)),
            introducer: None,
            read_only: true,
            is_behind: false,
            queries: Queries::default(),
        }
    }

    /// The outside.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// `index.open`
    pub fn open(&mut self, mode: Mode) -> Result<Opened> {
        let mut recovered = recovery::open(&self.host, &self.live.facets, mode)?;
        recovered.introducer.know_form(self.host.part_form());
        // What is kept of queries is told apart by the version of the list, also from that of an index which
        // this instance opened before.
        self.queries = Queries::default();
        if let Some(list) = Arc::get_mut(&mut recovered.live) {
            list.version = list.version.saturating_add(self.live.version);
        }
        self.live = recovered.live;
        let view = recovered.introducer.view(&self.live);
        self.introducer = Some(recovered.introducer);
        self.read_only = mode == Mode::Read;
        Ok(Opened {
            view,
            damaged: recovered.damaged,
        })
    }

    /// `index.refresh`
    pub fn refresh(&mut self, epochs: bool) -> Result<Opened> {
        let is_behind = std::mem::replace(&mut self.is_behind, true);
        let mut stand_in = None;
        let (introducer, look) = match &mut self.introducer {
            Some(introducer) if self.read_only => match (is_behind, epochs) {
                (true, _) => (introducer, Look::Again),
                (false, true) => (introducer, Look::Epochs),
                (false, false) => (introducer, Look::Log),
            },
            None if self.live.version > 0 => {
                let introducer = following::stand_in(&self.host, &self.live)?;
                (stand_in.insert(introducer), Look::Anew)
            }
            _ => {
                let text =
                    "this instance neither opened the index to read it nor attached to a view";
                return Err(Error::invalid(text));
            }
        };
        introducer.note_view(&self.live);
        let damaged = following::run(&self.host, introducer, &mut self.live, look)?;
        self.is_behind = false;
        let view = introducer.view(&self.live);
        self.introducer = self.introducer.take().or(stand_in);
        Ok(Opened { view, damaged })
    }

    /// `index.repair`
    pub fn repair(&mut self, accept_loss: bool) -> Result<String> {
        repair::run(&self.host, &self.live.facets, accept_loss)
    }

    /// `index.drop-index`
    pub fn drop_index(&mut self) -> Result<bool> {
        drop::run(&*self.host)
    }

    /// `index.clear-dropped`
    pub fn clear_dropped(&mut self) -> Result<bool> {
        drop::clear(&*self.host)
    }

    /// `index.attach`
    pub fn attach(&mut self, view: &View) -> Result<Vec<u64>> {
        if view.version != self.live.version {
            self.live = Arc::new(PartList::attach(&self.host, &self.live, view)?);
        }
        let unreadable = self.live.unreadable.iter();
        Ok(unreadable
            .filter_map(|lost| Some(PartName::parse(&lost.part)?.number))
            .collect())
    }

    fn writer(&mut self) -> Result<Writer<'_, H>> {
        match &mut self.introducer {
            Some(introducer) if !self.read_only => {
                introducer.note_view(&self.live);
                Ok((&self.host, &mut self.live, introducer))
            }
            _ => Err(Error::invalid(
                "this instance did not open the index for writing",
            )),
        }
    }

    /// The same for who is about to change it.
    fn changer(&mut self) -> Result<Writer<'_, H>> {
        let (host, live, introducer) = self.writer()?;
        introducer.take_over(host, live)?;
        Ok((host, live, introducer))
    }

    /// What another writer may have removed by now is no damage. For what cursors say, too, which know
    /// nothing of writers.
    pub fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| takeover::explained_of(&*self.host, &self.live, error))
    }

    /// `index.close`
    pub fn close(&mut self) -> Result<()> {
        let (host, live, introducer) = self.writer()?;
        introducer.close(&**host, live)
    }

    /// `index.write`
    pub fn write(&mut self, batches: Vec<Batch<H::Columns>>) -> Result<Written> {
        let (host, live, introducer) = self.writer()?;
        introducer.write(host, live, batches)
    }

    /// `index.plan-flush`
    pub fn plan_flush(&mut self) -> Result<Option<Job>> {
        let (host, live, introducer) = self.changer()?;
        introducer.plan_flush(&**host, live)
    }

    /// `index.plan-merge`
    pub fn plan_merge(&mut self, choice: Choice) -> Result<Option<Job>> {
        let (host, live, introducer) = self.changer()?;
        introducer.plan_merge(&**host, live, choice)
    }

    /// `index.judge-retention`
    pub fn judge_retention(&mut self, rule: &Retention) -> Result<Vec<RetentionStep>> {
        let judged = retention::judge(&self.host, &self.live, rule);
        let steps = self.explained(judged)?;
        if steps.iter().any(|step| step.dropped_rows.is_err()) {
            takeover::check_not_gone(&*self.host, &self.live)?;
        }
        Ok(steps)
    }

    /// `index.plan-retention`
    pub fn plan_retention(
        &mut self,
        rule: &Retention,
        steps: &[RetentionStep],
    ) -> Result<Option<Job>> {
        let (host, live, introducer) = self.changer()?;
        introducer.plan_retention(&**host, live, rule, steps)
    }

    /// `index.merge`
    pub fn merge(&mut self, job: &Job) -> Result<Outcome> {
        self.explained(merge::run(&self.host, &self.live, job))
    }

    /// `index.introduce`
    pub fn introduce(&mut self, outcome: Outcome) -> Result<View> {
        let (host, live, introducer) = self.writer()?;
        let introduced = introducer.introduce(host, live, outcome);
        let view = introducer.view(live);
        self.explained(introduced)?;
        Ok(view)
    }

    /// `index.abandon`
    pub fn abandon(&mut self, job: &Job) -> Result<()> {
        let (host, _, introducer) = self.writer()?;
        introducer.abandon(&**host, job)
    }

    /// `index.collect`
    pub fn collect(&mut self) -> Result<()> {
        let (host, live, introducer) = self.writer()?;
        introducer.remove_obsolete(&**host, live);
        Ok(())
    }

    /// `index.survey`
    pub fn survey(&mut self, parts: &[u64], pages: bool) -> Result<Vec<Damage>> {
        survey::run(&self.host, &self.live, parts, pages)
    }

    /// `index.avoid`
    pub fn avoid(&mut self, parts: &[u64]) -> Result<()> {
        let (_, _, introducer) = self.writer()?;
        introducer.avoid(parts);
        Ok(())
    }

    /// `index.plan-salvage`
    pub fn plan_salvage(&mut self, part: u64) -> Result<Option<Job>> {
        let (host, live, introducer) = self.changer()?;
        introducer.plan_salvage(&**host, live, part)
    }

    /// `index.salvage`
    pub fn salvage(&mut self, job: &Job) -> Result<Salvaged> {
        self.explained(salvage::do_job(&self.host, &self.live, job))
    }

    /// `index.introduce-salvaged`
    pub fn introduce_salvaged(&mut self, salvaged: Salvaged) -> Result<View> {
        let (host, live, introducer) = self.writer()?;
        let introduced = introducer.introduce_salvaged(host, live, salvaged);
        let view = introducer.view(live);
        self.explained(introduced)?;
        Ok(view)
    }

    /// `index.part-files`
    pub fn part_files(&self) -> Vec<PartFile> {
        survey::files(&self.live)
    }

    /// `index.query`
    pub fn query(&mut self, query: QuerySpec, max_rows: u32) -> Result<Answer<H>> {
        let (host, live) = (&self.host, &self.live);
        let answer = self.queries.start(host, live, query, None, max_rows);
        self.explained(answer)
    }

    /// `index.offer-query`
    pub fn offer_query(
        &mut self,
        query: QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Answer<H>>> {
        let (host, live) = (&self.host, &self.live);
        let offered = self.queries.offer(host, live, query, shares, max_rows);
        self.explained(offered)
    }

    /// `index.query-share`
    pub fn query_share(
        &mut self,
        query: QuerySpec,
        share: Share,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        let (host, live) = (&self.host, &self.live);
        let answer = self.queries.start(host, live, query, Some(share), max_rows);
        self.explained(answer)
    }

    /// `index.explain`
    pub fn explain(&self) -> String {
        self.queries.explain(&*self.host)
    }

    /// `index.count`
    pub fn count(&mut self, query: QuerySpec) -> Result<Counted> {
        let counted = self.queries.count(&self.host, &self.live, query, None);
        self.explained(counted)
    }

    /// `index.offer-count`
    pub fn offer_count(&mut self, query: QuerySpec, shares: u32) -> Result<Offered<Counted>> {
        let counted = self
            .queries
            .offer_count(&self.host, &self.live, query, shares);
        self.explained(counted)
    }

    /// `index.count-share`
    pub fn count_share(&mut self, query: QuerySpec, share: Share) -> Result<Counted> {
        let counted = self
            .queries
            .count(&self.host, &self.live, query, Some(share));
        self.explained(counted)
    }

    /// `index.prepare`
    pub fn prepare(&mut self, query: QuerySpec) -> Result<PreparedQuery<H>> {
        PreparedQuery::new(&*self.host, query)
    }

    /// `index.run`
    pub fn execute(
        &mut self,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        max_rows: u32,
    ) -> Result<Answer<H>> {
        let (host, live) = (&self.host, &self.live);
        let answer = self
            .queries
            .execute(host, live, prepared, execution, max_rows);
        self.explained(answer)
    }

    /// `index.run-names`
    pub fn names(&mut self, prepared: &mut PreparedQuery<H>) -> Vec<String> {
        prepared.names(&self.live)
    }

    /// `index.offer-run`
    pub fn offer_execution(
        &mut self,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        shares: u32,
        max_rows: u32,
    ) -> Result<Offered<Answer<H>>> {
        let (host, live) = (&self.host, &self.live);
        let queries = &mut self.queries;
        let offered = queries.offer_execution(host, live, prepared, execution, shares, max_rows);
        self.explained(offered)
    }

    /// `index.count-run`
    pub fn count_execution(
        &mut self,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
    ) -> Result<Counted> {
        let counted = Queries::count_execution(&self.host, &self.live, prepared, execution);
        self.explained(counted)
    }

    /// `index.offer-count-run`
    pub fn offer_execution_count(
        &mut self,
        prepared: &mut PreparedQuery<H>,
        execution: Execution,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        let (host, live) = (&self.host, &self.live);
        let counted = Queries::offer_execution_count(host, live, prepared, execution, shares);
        self.explained(counted)
    }

    /// `index.labels`
    pub fn labels(&mut self, series: &[u64]) -> Result<Vec<Option<String>>> {
        let find = |series: &u64| labels::find(&self.live, *series);
        let labels = series.iter().map(find).collect();
        self.explained(labels)
    }

    /// `index.dump`
    pub fn dump(&mut self) -> Result<DumpCursor<H>> {
        Ok(DumpCursor::new(&self.host, &self.live))
    }

    /// `index.verify`
    pub fn verify(&mut self) -> Result<String> {
        self.explained(verify::report(&self.host, &self.live))
    }

    /// `index.contents`
    pub fn contents(&mut self) -> Result<Contents> {
        match &self.introducer {
            Some(introducer) => contents::of(&*self.host, &self.live, introducer),
            None => Err(Error::invalid("this instance did not open the index")),
        }
    }

    /// `index.branch`
    pub fn branch(&mut self, place: &str) -> Result<BranchContents> {
        match &self.introducer {
            Some(introducer) => contents::of_branch(&*self.host, &self.live, introducer, place),
            None => Err(Error::invalid("this instance did not open the index")),
        }
    }

    /// `index.describe`
    pub fn describe(&mut self, subject: Subject) -> Result<String> {
        match subject {
            Subject::Parts => describe::parts(&self.live),
            Subject::Stats => describe::stats(&*self.host, &self.live, self.introducer.as_ref()),
            Subject::Leftovers => leftovers::of(&*self.host, &self.live),
        }
    }
}
