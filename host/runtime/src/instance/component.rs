//! The component in its sandbox.

use std::collections::HashMap;
use std::sync::Arc;

use sidx_engine::{
    Batch, Choice, Contents, Counted, Damage, Job, Mode, Offered, Opened, Outcome, PartFile,
    QuerySpec, Rest, Retention, RetentionStep, Salvaged, Share, Subject, View, Written,
};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::{Dumped, Instance, Returned, Started, records};
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::exports::sidx::engine::index as wit;
use crate::imports::bindings::{self, sidx::engine::types};
use crate::imports::{State, from_wit_error};
use crate::runtime::{MEMORY_RESERVATION_BYTES, Runtime, Sandbox, Stopped};
use crate::session::{Columns, Session};

/// An instance of the component with its memory.
pub(crate) struct ComponentInstance {
    store: Store<State>,
    instance: bindings::Engine,
    runtime: Arc<Runtime>,
    sandbox: Arc<Sandbox>,
    cursors: HashMap<u64, Open>,
    dumps: HashMap<u64, ResourceAny>,
    next_number: u64,
    /// It trapped or returned nonsense.
    trapped: bool,
}

/// A cursor of the component.
#[derive(Clone, Copy)]
struct Open {
    resource: ResourceAny,
    /// Rows that the query may still return.
    left: u64,
}

impl ComponentInstance {
    /// Starts an instance; the first of a process waits for the component to be compiled.
    pub(crate) fn start(session: Session, sandbox: Arc<Sandbox>) -> Result<Self> {
        let runtime = Runtime::shared(&sandbox)?;
        let (store, instance) = runtime.start(session, &sandbox).map_err(|cause| {
            if let Some(Stopped(error)) = cause.downcast_ref() {
                return error.clone().into();
            }
            let text = format!("an instance of the component cannot be started: {cause:#}");
            let advice = match is_out_of_memory(&cause) {
                // Nothing is used yet: only the address space can have been too small.
                true => format!(
                    "each needs {} GiB of address space, which costs no memory, and a command or query \
                     several of them; see `ulimit -v`",
                    MEMORY_RESERVATION_BYTES >> 30
                ),
                false => format!(
                    "it may have {} bytes of memory, see `instance_memory_bytes`",
                    sandbox.memory_bytes
                ),
            };
            Error::new(ErrorKind::ResourceExhausted, format!("{text}; {advice}"))
        })?;
        Ok(Self {
            store,
            instance,
            runtime,
            sandbox,
            cursors: HashMap::new(),
            dumps: HashMap::new(),
            next_number: 0,
            trapped: false,
        })
    }

    /// Calls an export. A trap means a bug or exhausted memory; the instance is of no use after it.
    fn call<T>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&wit::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        if self.trapped {
            let text =
                format!("`{name}` was called on an instance that had trapped or returned nonsense");
            return Err(Error::new(ErrorKind::Other, text));
        }
        let watched = self.runtime.begin(&mut self.store, name, &self.sandbox);
        let called = call(self.instance.sidx_engine_index(), &mut self.store);
        drop(watched);
        match called {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(from_wit_error(error).into()),
            Err(trap) => Err(self.trap(name, &trap)),
        }
    }

    /// Notes that the instance is of no use any more, and says why.
    fn trap(&mut self, name: &str, trap: &wasmtime::Error) -> Error {
        self.trapped = true;
        if let Some(Stopped(error)) = trap.downcast_ref() {
            tracing::warn!(export = name, %error, "a call into the component was ended");
            return error.clone().into();
        }
        tracing::error!(export = name, trap = %format_args!("{trap:#}"), "the component trapped");
        let memory = &self.store.data().memory;
        if memory.was_denied() {
            let text = format!(
                "the component ran out of memory in `{name}`: an instance may have {} bytes; raise \
                 `instance_memory_bytes`, or ask for less at once",
                memory.most_bytes()
            );
            return Error::new(ErrorKind::ResourceExhausted, text);
        }
        let text = format!(
            "the component trapped in `{name}`: {}; this is a bug of the component, the index is unharmed",
            trap.root_cause()
        );
        Error::new(ErrorKind::Other, text)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn rows(&mut self, rows: wit::Rows, most: u32) -> Result<Returned> {
        let rows = records::rows(rows, self.store.data_mut(), most);
        self.whole(rows)
    }

    /// An answer of at most `max_rows` rows, to a query that wants at most `limit`.
    fn started(&mut self, answer: wit::Answer, max_rows: u32, limit: u64) -> Result<Started> {
        let rows = self.rows(answer.rows, most_rows(max_rows, limit))?;
        let left = limit.saturating_sub(rows.len() as u64);
        let mut numbered = |resource| {
            let number = self.number();
            self.cursors.insert(number, Open { resource, left });
            number
        };
        let rest = match answer.rest {
            wit::Rest::Nothing => Rest::Nothing,
            wit::Rest::NoRows(cursor) => Rest::NoRows(numbered(cursor)),
            wit::Rest::More(cursor) => Rest::More(numbered(cursor)),
        };
        Ok(Started { rows, rest })
    }

    /// What the component returned, after a check. An instance that returned nonsense is dropped.
    fn whole<T>(&mut self, checked: Result<T>) -> Result<T> {
        self.trapped |= checked.is_err();
        checked
    }

    fn cursor(&self, cursor: u64) -> Result<Open> {
        self.cursors
            .get(&cursor)
            .copied()
            .ok_or_else(|| unknown(cursor))
    }

    /// Drops a resource of the component, which runs its destructor.
    fn drop_resource(&mut self, resource: ResourceAny) {
        if self.trapped {
            return;
        }
        let watched = self.runtime.begin(&mut self.store, "drop", &self.sandbox);
        let dropped = resource.resource_drop(&mut self.store);
        drop(watched);
        if let Err(trap) = dropped {
            self.trap("drop", &trap);
        }
    }
}

/// Whether the operating system had no memory, or address space, to give. Its error comes in a type of
/// Wasmtime's own dependencies, so the text has to do: ENOMEM is 12 on every Unix.
fn is_out_of_memory(cause: &wasmtime::Error) -> bool {
    cause
        .chain()
        .any(|cause| cause.to_string().ends_with("(os error 12)"))
}

/// The most rows of an answer of which `left` may still come.
fn most_rows(max_rows: u32, left: u64) -> u32 {
    max_rows.min(u32::try_from(left).unwrap_or(u32::MAX))
}

fn unknown(cursor: u64) -> Error {
    Error::invalid(format!("cursor {cursor} is not open"))
}

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

    fn repair(&mut self, accept_loss: bool) -> Result<String> {
        let text = self.call("repair", |index, store| {
            index.call_repair(store, accept_loss)
        })?;
        self.whole(records::text(text))
    }

    fn attach(&mut self, view: &View) -> Result<Vec<u64>> {
        let view = records::to_wit_view(view);
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
        match offered {
            wit::OfferedQuery::Answered(answer) => {
                let started = self.started(answer, max_rows, limit)?;
                Ok(Offered::Done(started))
            }
            wit::OfferedQuery::Shares(found) => {
                let found = self.whole(records::shares(found, shares))?;
                Ok(Offered::Shares(found))
            }
        }
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
        match offered {
            wit::OfferedCount::Counted(counted) => Ok(Offered::Done(records::counted(counted))),
            wit::OfferedCount::Shares(found) => {
                let found = self.whole(records::shares(found, shares))?;
                Ok(Offered::Shares(found))
            }
        }
    }

    fn count_share(&mut self, query: QuerySpec, share: Share) -> Result<Counted> {
        let (query, share) = (records::query(query), records::share(share));
        self.call("count-share", |index, store| {
            index.call_count_share(store, &query, share)
        })
        .map(records::counted)
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

    fn describe(&mut self, subject: Subject) -> Result<String> {
        let subject = records::subject(subject);
        let text = self.call("describe", |index, store| {
            index.call_describe(store, subject)
        })?;
        self.whole(records::text(text))
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Resource;

    use super::*;
    use crate::session::{Budgets, Shared};
    use crate::storage::MemoryStorage;

    #[test]
    fn a_trap_ends_the_instance_and_names_the_export() {
        let budgets = Budgets {
            page_cache_bytes: 0,
            memory_bytes: 1 << 20,
            disk_bytes: u64::MAX,
            min_free_bytes: None,
            instances: 1,
        };
        let shared = Shared::new(Arc::new(MemoryStorage::new("x")), budgets, false);
        let mut instance =
            ComponentInstance::start(Session::new(shared, true), Arc::default()).unwrap();
        instance.open(Mode::Create).unwrap();
        // The component asks for the rows of columns that the host does not have.
        let batch = wit::Batch {
            labels: Vec::new(),
            series: vec![1],
            keys: vec![1],
            columns: Resource::new_own(99),
            names: Vec::new(),
            durability: wit::Durability::Os,
        };
        let trap = instance.call("write", |index, store| index.call_write(store, &[batch]));
        let error = trap.expect_err("the component traps");
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(error.message().contains("`write`"), "{error}");
        assert!(!instance.is_usable());
        let after = instance
            .verify()
            .expect_err("the instance is of no use any more");
        assert!(after.message().contains("had trapped"), "{after}");
    }
}
