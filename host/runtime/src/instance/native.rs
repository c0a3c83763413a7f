//! The native build of the engine.

use std::collections::HashMap;
use std::sync::Arc;

use sidx_engine::{
    Answer, Batch, BranchContents, Choice, Contents, Counted, Cursor, Damage, DumpCursor,
    Execution, Index, Job, Mode, Offered, Opened, Outcome, PartFile, PreparedQuery, QuerySpec,
    Rest, Retention, RetentionStep, Salvaged, Share, Subject, View, Written,
};

use super::statement::{Prepared, Statement, Statements};
use super::{Dumped, Instance, Returned, Started};
use crate::error::{Error, Result};
use crate::session::{Columns, Session};

/// Makes the native engine.
pub(crate) type NativeEngine = fn(Session) -> Index<Session>;

/// An engine in this process, without a sandbox.
pub(crate) struct NativeInstance {
    index: Index<Session>,
    cursors: HashMap<u64, Cursor<Session>>,
    dumps: HashMap<u64, DumpCursor<Session>>,
    statements: Statements<PreparedQuery<Session>>,
    next_number: u64,
}

impl NativeInstance {
    pub(crate) fn new(session: Session, make: NativeEngine) -> Self {
        Self {
            index: make(session),
            cursors: HashMap::new(),
            dumps: HashMap::new(),
            statements: Statements::default(),
            next_number: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// A call about a statement, which is prepared first where it is not known.
    fn with<T>(
        &mut self,
        statement: &Arc<Statement>,
        call: impl FnOnce(
            &mut Index<Session>,
            &mut Prepared<PreparedQuery<Session>>,
        ) -> sidx_engine::Result<T>,
    ) -> Result<T> {
        if self.statements.get(statement).is_none() {
            let made = self.index.prepare(statement.query().clone())?;
            self.statements.put(statement, made);
        }
        let prepared = self.statements.get(statement);
        let prepared = prepared.ok_or_else(|| Error::invalid("a statement was not kept"))?;
        Ok(call(&mut self.index, prepared)?)
    }

    fn started(&mut self, answer: Answer<Session>) -> Result<Started> {
        let mut numbered = |cursor| {
            let number = self.number();
            self.cursors.insert(number, cursor);
            number
        };
        let rest = match answer.rest {
            Rest::Nothing => Rest::Nothing,
            Rest::NoRows(cursor) => Rest::NoRows(numbered(cursor)),
            Rest::More(cursor) => Rest::More(numbered(cursor)),
        };
        let rows = Returned::of(answer.rows, self.index.host())?;
        Ok(Started { rows, rest })
    }

    /// The first rows of a statement, with the names of their columns.
    fn named(&mut self, statement: &Statement, answer: Answer<Session>) -> Result<Started> {
        let mut started = self.started(answer)?;
        if let Some(prepared) = self.statements.get(statement)
            && prepared.lacks_names(&mut started.rows)
        {
            let names = self.index.names(&mut prepared.made);
            prepared.name_columns(names, &mut started.rows);
        }
        Ok(started)
    }
}

fn unknown(cursor: u64) -> Error {
    Error::invalid(format!("cursor {cursor} is not open"))
}

impl Instance for NativeInstance {
    fn session(&self) -> &Session {
        self.index.host()
    }

    fn is_usable(&self) -> bool {
        true
    }

    fn give_up(&mut self) {}

    fn memory_bytes(&self) -> u64 {
        // What it frees goes back to the process.
        0
    }

    fn open(&mut self, mode: Mode) -> Result<Opened> {
        Ok(self.index.open(mode)?)
    }

    fn refresh(&mut self, epochs: bool) -> Result<Opened> {
        Ok(self.index.refresh(epochs)?)
    }

    fn repair(&mut self, accept_loss: bool) -> Result<String> {
        Ok(self.index.repair(accept_loss)?)
    }

    fn drop_index(&mut self) -> Result<bool> {
        Ok(self.index.drop_index()?)
    }

    fn clear_dropped(&mut self) -> Result<bool> {
        Ok(self.index.clear_dropped()?)
    }

    fn close(&mut self) -> Result<()> {
        Ok(self.index.close()?)
    }

    fn attach(&mut self, view: &View) -> Result<Vec<u64>> {
        self.statements.forget_names();
        Ok(self.index.attach(view)?)
    }

    fn write(&mut self, batches: Vec<Batch<Columns>>) -> Result<Written> {
        Ok(self.index.write(batches)?)
    }

    fn plan_flush(&mut self) -> Result<Option<Job>> {
        Ok(self.index.plan_flush()?)
    }

    fn plan_merge(&mut self, choice: Choice) -> Result<Option<Job>> {
        Ok(self.index.plan_merge(choice)?)
    }

    fn judge_retention(&mut self, rule: &Retention) -> Result<Vec<RetentionStep>> {
        Ok(self.index.judge_retention(rule)?)
    }

    fn plan_retention(&mut self, rule: &Retention, steps: &[RetentionStep]) -> Result<Option<Job>> {
        Ok(self.index.plan_retention(rule, steps)?)
    }

    fn merge(&mut self, job: &Job) -> Result<Outcome> {
        Ok(self.index.merge(job)?)
    }

    fn introduce(&mut self, outcome: Outcome) -> Result<View> {
        Ok(self.index.introduce(outcome)?)
    }

    fn abandon(&mut self, job: &Job) -> Result<()> {
        Ok(self.index.abandon(job)?)
    }

    fn collect(&mut self) -> Result<()> {
        Ok(self.index.collect()?)
    }

    fn survey(&mut self, parts: &[u64], pages: bool) -> Result<Vec<Damage>> {
        Ok(self.index.survey(parts, pages)?)
    }

    fn avoid(&mut self, parts: &[u64]) -> Result<()> {
        Ok(self.index.avoid(parts)?)
    }

    fn plan_salvage(&mut self, part: u64) -> Result<Option<Job>> {
        Ok(self.index.plan_salvage(part)?)
    }

    fn salvage(&mut self, job: &Job) -> Result<Salvaged> {
        Ok(self.index.salvage(job)?)
    }

    fn introduce_salvaged(&mut self, salvaged: Salvaged) -> Result<View> {
        Ok(self.index.introduce_salvaged(salvaged)?)
    }

    fn part_files(&mut self) -> Result<Vec<PartFile>> {
        Ok(self.index.part_files())
    }

    fn query(&mut self, query: QuerySpec, max_rows: u32) -> Result<Started> {
        let answer = self.index.query(query, max_rows)?;
        self.started(answer)
    }

    fn offer_query(
        &mut self,
        query: QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>> {
        match self.index.offer_query(query, max_rows, shares)? {
            Offered::Done(answer) => self.started(answer).map(Offered::Done),
            Offered::Shares(shares) => Ok(Offered::Shares(shares)),
        }
    }

    fn query_share(&mut self, query: QuerySpec, share: Share, max_rows: u32) -> Result<Started> {
        let answer = self.index.query_share(query, share, max_rows)?;
        self.started(answer)
    }

    fn next(&mut self, cursor: u64, max_rows: u32) -> Result<Option<Returned>> {
        let open = self
            .cursors
            .get_mut(&cursor)
            .ok_or_else(|| unknown(cursor))?;
        let rows = self.index.explained(open.next(max_rows))?;
        rows.map(|rows| Returned::of(rows, self.index.host()))
            .transpose()
    }

    fn explain(&mut self, cursor: Option<u64>) -> Result<String> {
        let Some(cursor) = cursor else {
            return Ok(self.index.explain());
        };
        Ok(self
            .cursors
            .get(&cursor)
            .ok_or_else(|| unknown(cursor))?
            .explain())
    }

    fn close_cursor(&mut self, cursor: u64) {
        self.cursors.remove(&cursor);
    }

    fn missing(&mut self, cursor: u64) -> Result<Vec<String>> {
        let open = self.cursors.get(&cursor).ok_or_else(|| unknown(cursor))?;
        Ok(open.missing().to_vec())
    }

    fn count(&mut self, query: QuerySpec) -> Result<Counted> {
        Ok(self.index.count(query)?)
    }

    fn offer_count(&mut self, query: QuerySpec, shares: u32) -> Result<Offered<Counted>> {
        Ok(self.index.offer_count(query, shares)?)
    }

    fn count_share(&mut self, query: QuerySpec, share: Share) -> Result<Counted> {
        Ok(self.index.count_share(query, share)?)
    }

    fn parameters(&mut self, statement: &Arc<Statement>) -> Result<Vec<String>> {
        self.with(statement, |_, query| Ok(query.made.parameters().to_vec()))
    }

    fn execute(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        max_rows: u32,
    ) -> Result<Started> {
        let answer = self.with(statement, |index, query| {
            index.execute(&mut query.made, execution, max_rows)
        })?;
        self.named(statement, answer)
    }

    fn offer_execution(
        &mut self,
        statement: &Arc<Statement>,
        mut execution: Execution,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>> {
        execution.limit = None;
        let offered = self.with(statement, |index, query| {
            index.offer_execution(&mut query.made, execution, shares, max_rows)
        })?;
        match offered {
            Offered::Done(answer) => self.named(statement, answer).map(Offered::Done),
            Offered::Shares(shares) => Ok(Offered::Shares(shares)),
        }
    }

    fn count_execution(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
    ) -> Result<Counted> {
        self.with(statement, |index, query| {
            index.count_execution(&mut query.made, execution)
        })
    }

    fn offer_execution_count(
        &mut self,
        statement: &Arc<Statement>,
        mut execution: Execution,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        execution.limit = None;
        self.with(statement, |index, query| {
            index.offer_execution_count(&mut query.made, execution, shares)
        })
    }

    fn bound_filter(&mut self, statement: &Arc<Statement>) -> Result<Option<String>> {
        self.with(statement, |_, query| query.made.filter())
    }

    fn labels(&mut self, series: &[u64]) -> Result<Vec<Option<String>>> {
        Ok(self.index.labels(series)?)
    }

    fn dump(&mut self) -> Result<u64> {
        let dump = self.index.dump()?;
        let cursor = self.number();
        self.dumps.insert(cursor, dump);
        Ok(cursor)
    }

    fn next_dumped(&mut self, cursor: u64) -> Result<Option<Dumped>> {
        let open = self.dumps.get_mut(&cursor).ok_or_else(|| unknown(cursor))?;
        let Some(dumped) = self.index.explained(open.next())? else {
            return Ok(None);
        };
        Ok(Some(Dumped {
            part: dumped.part,
            block: dumped.block,
            first_row: dumped.first_row,
            rows: Returned::of(dumped.rows, self.index.host())?,
        }))
    }

    fn close_dump(&mut self, cursor: u64) {
        self.dumps.remove(&cursor);
    }

    fn verify(&mut self) -> Result<String> {
        Ok(self.index.verify()?)
    }

    fn contents(&mut self) -> Result<Contents> {
        Ok(self.index.contents()?)
    }

    fn branch(&mut self, place: &str) -> Result<BranchContents> {
        Ok(self.index.branch(place)?)
    }

    fn describe(&mut self, subject: Subject) -> Result<String> {
        Ok(self.index.describe(subject)?)
    }
}
