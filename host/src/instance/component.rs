//! The component in its sandbox.

use std::collections::HashMap;

use sidx_engine::{
    Batch, Choice, Contents, Counted, Dumped, Job, Mode, Outcome, QuerySpec, Retention, Rows,
    Subject, View, Written,
};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::{Instance, Started, records};
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::exports::sidx::engine::index as wit;
use crate::imports::bindings::{self, sidx::engine::types};
use crate::imports::{State, from_wit_error};
use crate::runtime::Runtime;
use crate::session::{Columns, Session};

/// An instance of the component with its memory.
pub(crate) struct ComponentInstance {
    store: Store<State>,
    instance: bindings::Engine,
    cursors: HashMap<u64, ResourceAny>,
    dumps: HashMap<u64, ResourceAny>,
    next_number: u64,
    trapped: bool,
}

impl ComponentInstance {
    /// Starts an instance; the first of a process waits for the component to be compiled.
    pub(crate) fn start(session: Session) -> Result<Self> {
        let (store, instance) = Runtime::shared()?.start(session).map_err(|cause| {
            let text = format!("an instance of the component cannot be started: {cause:#}");
            Error::new(ErrorKind::ResourceExhausted, text)
        })?;
        Ok(Self {
            store,
            instance,
            cursors: HashMap::new(),
            dumps: HashMap::new(),
            next_number: 0,
            trapped: false,
        })
    }

    /// Calls an export. A trap means a bug or exhausted memory; the instance is of no use after it.
    fn call<T>(
        &mut self,
        name: &str,
        call: impl FnOnce(&wit::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        if self.trapped {
            let text = format!("`{name}` was called on an instance that had trapped");
            return Err(Error::new(ErrorKind::Other, text));
        }
        match call(self.instance.sidx_engine_index(), &mut self.store) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(from_wit_error(error).into()),
            Err(trap) => {
                self.trapped = true;
                tracing::error!(export = name, trap = %format_args!("{trap:#}"), "the component trapped");
                let text = format!(
                    "the component trapped in `{name}`: {}; this is a bug in sidx or memory ran out, \
                     the index is unharmed",
                    trap.root_cause()
                );
                Err(Error::new(ErrorKind::Other, text))
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn rows(&mut self, rows: wit::Rows) -> Result<Rows<Columns>> {
        records::rows(rows, &mut self.store.data_mut().table)
    }

    /// Drops a resource of the component, which runs its destructor.
    fn drop_resource(&mut self, resource: ResourceAny) {
        if !self.trapped && resource.resource_drop(&mut self.store).is_err() {
            self.trapped = true;
        }
    }
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

    fn memory_bytes(&self) -> u64 {
        self.store.data().memory.bytes() as u64
    }

    fn open(&mut self, mode: Mode) -> Result<View> {
        let mode = records::mode(mode);
        self.call("open", |index, store| index.call_open(store, mode))
            .map(records::view)
    }

    fn repair(&mut self, accept_loss: bool) -> Result<String> {
        self.call("repair", |index, store| {
            index.call_repair(store, accept_loss)
        })
    }

    fn attach(&mut self, view: &View) -> Result<()> {
        let view = records::to_wit_view(view);
        self.call("attach", |index, store| index.call_attach(store, &view))
    }

    fn write(&mut self, batches: Vec<Batch<Columns>>) -> Result<Written> {
        let table = &mut self.store.data_mut().table;
        let batches: Result<Vec<wit::Batch>> = batches
            .into_iter()
            .map(|batch| records::batch(batch, table))
            .collect();
        let batches = batches?;
        let written = self.call("write", |index, store| index.call_write(store, &batches))?;
        Ok(records::written(written))
    }

    fn plan_flush(&mut self) -> Result<Option<Job>> {
        let job = self.call("plan-flush", |index, store| index.call_plan_flush(store))?;
        Ok(job.map(records::job))
    }

    fn plan_merge(&mut self, choice: Choice, retention: Option<Retention>) -> Result<Option<Job>> {
        let choice = records::choice(choice);
        let retention = retention.map(records::retention);
        let job = self.call("plan-merge", |index, store| {
            index.call_plan_merge(store, choice, retention.as_ref())
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
        Ok(records::view(view))
    }

    fn abandon(&mut self, job: &Job) -> Result<()> {
        let job = records::to_wit_job(job);
        self.call("abandon", |index, store| index.call_abandon(store, &job))
    }

    fn collect(&mut self) -> Result<()> {
        self.call("collect", |index, store| index.call_collect(store))
    }

    fn query(&mut self, query: QuerySpec, max_rows: u32) -> Result<Started> {
        let query = records::query(query);
        let answer = self.call("query", |index, store| {
            index.call_query(store, &query, max_rows)
        })?;
        let rows = self.rows(answer.rows)?;
        let cursor = self.number();
        self.cursors.insert(cursor, answer.cursor);
        Ok(Started {
            rows,
            complete: answer.complete,
            cursor,
        })
    }

    fn next(&mut self, cursor: u64, max_rows: u32) -> Result<Option<Rows<Columns>>> {
        let open = *self.cursors.get(&cursor).ok_or_else(|| unknown(cursor))?;
        let rows = self.call("cursor.next", |index, store| {
            index.cursor().call_next(store, open, max_rows)
        })?;
        rows.map(|rows| self.rows(rows)).transpose()
    }

    fn explain(&mut self, cursor: u64) -> Result<String> {
        let open = *self.cursors.get(&cursor).ok_or_else(|| unknown(cursor))?;
        self.call("cursor.explain", |index, store| {
            index.cursor().call_explain(store, open).map(Ok)
        })
    }

    fn close_cursor(&mut self, cursor: u64) {
        if let Some(open) = self.cursors.remove(&cursor) {
            self.drop_resource(open);
        }
    }

    fn missing(&mut self, cursor: u64) -> Result<Vec<String>> {
        let open = *self.cursors.get(&cursor).ok_or_else(|| unknown(cursor))?;
        self.call("cursor.missing", |index, store| {
            index.cursor().call_missing(store, open).map(Ok)
        })
    }

    fn count(&mut self, query: QuerySpec) -> Result<Counted> {
        let query = records::query(query);
        self.call("count", |index, store| index.call_count(store, &query))
            .map(records::counted)
    }

    fn labels(&mut self, series: &[u64]) -> Result<Vec<Option<String>>> {
        let labels = self.call("labels", |index, store| index.call_labels(store, series))?;
        if labels.len() != series.len() {
            let (found, needed) = (labels.len(), series.len());
            let text = format!("the component returned {found} labels for {needed} series");
            return Err(Error::new(ErrorKind::Other, text));
        }
        Ok(labels)
    }

    fn dump(&mut self) -> Result<u64> {
        let dump = self.call("dump", |index, store| index.call_dump(store))?;
        let cursor = self.number();
        self.dumps.insert(cursor, dump);
        Ok(cursor)
    }

    fn next_dumped(&mut self, cursor: u64) -> Result<Option<Dumped<Columns>>> {
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
            rows: self.rows(dumped.rows)?,
        }))
    }

    fn close_dump(&mut self, cursor: u64) {
        if let Some(open) = self.dumps.remove(&cursor) {
            self.drop_resource(open);
        }
    }

    fn verify(&mut self) -> Result<String> {
        self.call("verify", |index, store| index.call_verify(store))
    }

    fn contents(&mut self) -> Result<Contents> {
        self.call("contents", |index, store| index.call_contents(store))
            .map(records::contents)
    }

    fn describe(&mut self, subject: Subject) -> Result<String> {
        let subject = records::subject(subject);
        self.call("describe", |index, store| {
            index.call_describe(store, subject)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
            instances: 1,
        };
        let shared = Shared::new(Arc::new(MemoryStorage::new("x")), budgets, false);
        let mut instance = ComponentInstance::start(Session::new(shared, true)).unwrap();
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
