//! The exports of the component, one call each.

use std::sync::Arc;

use sidx_engine::{
    Batch, BranchContents, Choice, Contents, Counted, Damage, Execution, Job, Mode, Offered,
    Opened, Outcome, PartFile, QuerySpec, Retention, RetentionStep, Salvaged, Share, Subject, View,
    Written,
};

use super::{ComponentInstance, Open, most_rows, unknown};
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::exports::sidx::engine::index as wit;
use crate::instance::statement::Statement;
use crate::instance::{Dumped, Instance, Returned, Started, records};
use crate::session::{Columns, Session};

impl Instance for ComponentInstance {
    fn session(&self) -> &Session {
        &self.store.data().session
    }

    fn is_usable(&self) -> bool {
        !self.trapped
    }

    fn give_up(&mut self) {
        self.trapped = true;
    }

    fn memory_bytes(&self) -> u64 {
        self.store.data().memory.bytes() as u64
    }

    fn open(&mut self, mode: Mode) -> Result<Opened> {
        let mode = records::mode(mode);
        let opened = self.call("open", |index, store| index.call_open(store, mode))?;
        self.whole(records::opened(opened))
    }

    fn refresh(&mut self, epochs: bool) -> Result<Opened> {
        let opened = self.call("refresh", |index, store| index.call_refresh(store, epochs))?;
        self.whole(records::opened(opened))
    }

    fn repair(&mut self, accept_loss: bool) -> Result<String> {
        let text = self.call("repair", |index, store| {
            index.call_repair(store, accept_loss)
        })?;
        self.whole(records::text(text))
    }

    fn drop_index(&mut self) -> Result<bool> {
        self.call("drop-index", |index, store| index.call_drop_index(store))
    }

    fn clear_dropped(&mut self) -> Result<bool> {
        self.call("clear-dropped", |index, store| {
            index.call_clear_dropped(store)
        })
    }

    fn close(&mut self) -> Result<()> {
        self.call("close", |index, store| index.call_close(store))
    }

    fn attach(&mut self, view: &View) -> Result<Vec<u64>> {
        let view = records::to_wit_view(view);
        self.statements.forget_names();
        self.call("attach", |index, store| index.call_attach(store, &view))
    }

    fn write(&mut self, batches: Vec<Batch<Columns>>) -> Result<Written> {
        let state = self.store.data_mut();
        let batches: Result<Vec<wit::Batch>> = batches
            .into_iter()
            .map(|batch| records::batch(batch, state))
            .collect();
        let batches = batches?;
        let written = self.call("write", |index, store| index.call_write(store, &batches))?;
        self.whole(records::written(written))
    }

    fn plan_flush(&mut self) -> Result<Option<Job>> {
        let job = self.call("plan-flush", |index, store| index.call_plan_flush(store))?;
        Ok(job.map(records::job))
    }

    fn plan_merge(&mut self, choice: Choice) -> Result<Option<Job>> {
        let choice = records::choice(choice);
        let job = self.call("plan-merge", |index, store| {
            index.call_plan_merge(store, choice)
        })?;
        Ok(job.map(records::job))
    }

    fn judge_retention(&mut self, rule: &Retention) -> Result<Vec<RetentionStep>> {
        let rule = records::retention(rule);
        let steps = self.call("judge-retention", |index, store| {
            index.call_judge_retention(store, &rule)
        })?;
        Ok(steps.into_iter().map(records::retention_step).collect())
    }

    fn plan_retention(&mut self, rule: &Retention, steps: &[RetentionStep]) -> Result<Option<Job>> {
        let rule = records::retention(rule);
        let steps: Vec<wit::RetentionStep> =
            steps.iter().map(records::to_wit_retention_step).collect();
        let job = self.call("plan-retention", |index, store| {
            index.call_plan_retention(store, &rule, &steps)
        })?;
        Ok(job.map(records::job))
    }

    fn merge(&mut self, job: &Job) -> Result<Outcome> {
        let job = records::to_wit_job(job);
        self.call("merge", |index, store| index.call_merge(store, &job))
            .map(records::outcome)
    }

    fn introduce(&mut self, outcome: Outcome) -> Result<View> {
        let outcome = records::to_wit_outcome(&outcome);
        let view = self.call("introduce", |index, store| {
            index.call_introduce(store, &outcome)
        })?;
        self.whole(records::view(view))
    }

    fn abandon(&mut self, job: &Job) -> Result<()> {
        let job = records::to_wit_job(job);
        self.call("abandon", |index, store| index.call_abandon(store, &job))
    }

    fn collect(&mut self) -> Result<()> {
        self.call("collect", |index, store| index.call_collect(store))
    }

    fn survey(&mut self, parts: &[u64], pages: bool) -> Result<Vec<Damage>> {
        let found = self.call("survey", |index, store| {
            index.call_survey(store, parts, pages)
        })?;
        self.whole(records::survey(found, parts))
    }

    fn avoid(&mut self, parts: &[u64]) -> Result<()> {
        self.call("avoid", |index, store| index.call_avoid(store, parts))
    }

    fn plan_salvage(&mut self, part: u64) -> Result<Option<Job>> {
        let job = self.call("plan-salvage", |index, store| {
            index.call_plan_salvage(store, part)
        })?;
        Ok(job.map(records::job))
    }

    fn salvage(&mut self, job: &Job) -> Result<Salvaged> {
        let inputs = job.inputs.clone();
        let job = records::to_wit_job(job);
        let salvaged = self.call("salvage", |index, store| index.call_salvage(store, &job))?;
        self.whole(records::salvaged(salvaged, &inputs))
    }

    fn introduce_salvaged(&mut self, salvaged: Salvaged) -> Result<View> {
        let salvaged = records::to_wit_salvaged(&salvaged);
        let view = self.call("introduce-salvaged", |index, store| {
            index.call_introduce_salvaged(store, &salvaged)
        })?;
        self.whole(records::view(view))
    }

    fn part_files(&mut self) -> Result<Vec<PartFile>> {
        let files = self.call("part-files", |index, store| index.call_part_files(store))?;
        self.whole(records::part_files(files))
    }

    fn query(&mut self, query: QuerySpec, max_rows: u32) -> Result<Started> {
        let limit = query.limit.unwrap_or(u64::MAX);
        let query = records::query(query);
        let answer = self.call("query", |index, store| {
            index.call_query(store, &query, max_rows)
        })?;
        self.started(answer, max_rows, limit)
    }

    fn offer_query(
        &mut self,
        query: QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>> {
        let limit = query.limit.unwrap_or(u64::MAX);
        let query = records::query(query);
        let offered = self.call("offer-query", |index, store| {
            index.call_offer_query(store, &query, max_rows, shares)
        })?;
        self.offered_query(offered, shares, |this, answer| {
            this.started(answer, max_rows, limit)
        })
    }

    fn query_share(&mut self, query: QuerySpec, share: Share, max_rows: u32) -> Result<Started> {
        let limit = query.limit.unwrap_or(u64::MAX);
        let (query, share) = (records::query(query), records::share(share));
        let answer = self.call("query-share", |index, store| {
            index.call_query_share(store, &query, share, max_rows)
        })?;
        self.started(answer, max_rows, limit)
    }

    fn next(&mut self, cursor: u64, max_rows: u32) -> Result<Option<Returned>> {
        let Open { resource, left } = self.cursor(cursor)?;
        let rows = self.call("cursor.next", |index, store| {
            index.cursor().call_next(store, resource, max_rows)
        })?;
        let rows = rows
            .map(|rows| self.rows(rows, most_rows(max_rows, left)))
            .transpose()?;
        if let (Some(rows), Some(open)) = (&rows, self.cursors.get_mut(&cursor)) {
            open.left = left.saturating_sub(rows.len() as u64);
        }
        Ok(rows)
    }

    fn explain(&mut self, cursor: Option<u64>) -> Result<String> {
        let Some(cursor) = cursor else {
            let text = self.call("explain", |index, store| index.call_explain(store).map(Ok))?;
            return self.whole(records::text(text));
        };
        let Open { resource, .. } = self.cursor(cursor)?;
        let text = self.call("cursor.explain", |index, store| {
            index.cursor().call_explain(store, resource).map(Ok)
        })?;
        self.whole(records::text(text))
    }

    fn close_cursor(&mut self, cursor: u64) {
        if let Some(open) = self.cursors.remove(&cursor) {
            self.drop_resource(open.resource);
        }
    }

    fn missing(&mut self, cursor: u64) -> Result<Vec<String>> {
        let Open { resource, .. } = self.cursor(cursor)?;
        self.call("cursor.missing", |index, store| {
            index.cursor().call_missing(store, resource).map(Ok)
        })
    }

    fn count(&mut self, query: QuerySpec) -> Result<Counted> {
        let query = records::query(query);
        self.call("count", |index, store| index.call_count(store, &query))
            .map(records::counted)
    }

    fn offer_count(&mut self, query: QuerySpec, shares: u32) -> Result<Offered<Counted>> {
        let query = records::query(query);
        let offered = self.call("offer-count", |index, store| {
            index.call_offer_count(store, &query, shares)
        })?;
        self.offered_count(offered, shares)
    }

    fn count_share(&mut self, query: QuerySpec, share: Share) -> Result<Counted> {
        let (query, share) = (records::query(query), records::share(share));
        self.call("count-share", |index, store| {
            index.call_count_share(store, &query, share)
        })
        .map(records::counted)
    }

    fn parameters(&mut self, statement: &Arc<Statement>) -> Result<Vec<String>> {
        let made = self.prepared(statement)?;
        let names = self.call("parameters", |index, store| {
            index.call_parameters(store, made)
        })?;
        self.whole(records::parameters(names))
    }

    fn execute(
        &mut self,
        statement: &Arc<Statement>,
        mut execution: Execution,
        max_rows: u32,
    ) -> Result<Started> {
        let limit = execution.limit;
        let (made, run) = self.passed(statement, &mut execution)?;
        let (low, high) = (run.low, run.high);
        let ran = self.call("run", |index, store| {
            let (series, values) = (&run.series, &run.values);
            index
                .call_run(store, made, series, low, high, limit, values, max_rows)
                .map(Ok)
        });
        let started = ran.and_then(|ran| self.ran(ran, max_rows, limit.unwrap_or(u64::MAX)));
        self.note_values(statement, execution, started.is_ok());
        self.named(statement, started?)
    }

    fn offer_execution(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>> {
        let offered = self.run(
            statement,
            "offer-run",
            execution,
            |index, store, made, run| {
                let (low, high) = (run.low, run.high);
                let (series, values) = (&run.series, &run.values);
                index.call_offer_run(store, made, series, low, high, values, max_rows, shares)
            },
        )?;
        self.offered_query(offered, shares, |this, answer| {
            let started = this.started(answer, max_rows, u64::MAX)?;
            this.named(statement, started)
        })
    }

    fn count_execution(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
    ) -> Result<Counted> {
        let limit = execution.limit;
        let counted = self.run(
            statement,
            "count-run",
            execution,
            |index, store, made, run| {
                let (series, values) = (&run.series, &run.values);
                index.call_count_run(store, made, series, run.low, run.high, limit, values)
            },
        )?;
        Ok(records::counted(counted))
    }

    fn offer_execution_count(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        let name = "offer-count-run";
        let offered = self.run(statement, name, execution, |index, store, made, run| {
            let (series, values) = (&run.series, &run.values);
            index.call_offer_count_run(store, made, series, run.low, run.high, values, shares)
        })?;
        self.offered_count(offered, shares)
    }

    fn bound_filter(&mut self, statement: &Arc<Statement>) -> Result<Option<String>> {
        let made = self.prepared(statement)?;
        let filter = self.call("run-filter", |index, store| {
            index.call_run_filter(store, made)
        })?;
        self.whole(filter.map(records::text).transpose())
    }

    fn labels(&mut self, series: &[u64]) -> Result<Vec<Option<String>>> {
        let labels = self.call("labels", |index, store| index.call_labels(store, series))?;
        if labels.len() != series.len() {
            let (found, needed) = (labels.len(), series.len());
            let text = format!("the component returned {found} labels for {needed} series");
            return self.whole(Err(Error::new(ErrorKind::Other, text)));
        }
        Ok(labels)
    }

    fn dump(&mut self) -> Result<u64> {
        let dump = self.call("dump", |index, store| index.call_dump(store))?;
        let cursor = self.number();
        self.dumps.insert(cursor, dump);
        Ok(cursor)
    }

    fn next_dumped(&mut self, cursor: u64) -> Result<Option<Dumped>> {
        let open = *self.dumps.get(&cursor).ok_or_else(|| unknown(cursor))?;
        let dumped = self.call("dump-cursor.next", |index, store| {
            index.dump_cursor().call_next(store, open)
        })?;
        let Some(dumped) = dumped else {
            return Ok(None);
        };
        Ok(Some(Dumped {
            part: dumped.part,
            block: dumped.block,
            first_row: dumped.first_row,
            rows: self.rows(dumped.rows, u32::MAX)?,
        }))
    }

    fn close_dump(&mut self, cursor: u64) {
        if let Some(open) = self.dumps.remove(&cursor) {
            self.drop_resource(open);
        }
    }

    fn verify(&mut self) -> Result<String> {
        let text = self.call("verify", |index, store| index.call_verify(store))?;
        self.whole(records::text(text))
    }

    fn contents(&mut self) -> Result<Contents> {
        let contents = self.call("contents", |index, store| index.call_contents(store))?;
        self.whole(records::contents(contents))
    }

    fn branch(&mut self, place: &str) -> Result<BranchContents> {
        let branch = self.call("branch", |index, store| index.call_branch(store, place))?;
        self.whole(records::branch(branch))
    }

    fn describe(&mut self, subject: Subject) -> Result<String> {
        let subject = records::subject(subject);
        let text = self.call("describe", |index, store| {
            index.call_describe(store, subject)
        })?;
        self.whole(records::text(text))
    }
}
