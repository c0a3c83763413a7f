//! The component in its sandbox: calling it, and checking what it returns.

mod exports;

use std::collections::HashMap;
use std::sync::Arc;

use sidx_engine::{Counted, Execution, Offered, Rest};
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::statement::{Statement, Statements};
use super::{Returned, Started, records};
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::exports::sidx::engine::index as wit;
use crate::imports::bindings::{self, sidx::engine::types};
use crate::imports::{State, from_wit_error};
use crate::runtime::{MEMORY_RESERVATION_BYTES, Runtime, Sandbox, Stopped};
use crate::session::Session;

/// An instance of the component with its memory.
pub(crate) struct ComponentInstance {
    store: Store<State>,
    instance: bindings::Engine,
    runtime: Arc<Runtime>,
    sandbox: Arc<Sandbox>,
    cursors: HashMap<u64, Open>,
    dumps: HashMap<u64, ResourceAny>,
    /// By the numbers that the component gave them.
    statements: Statements<u32>,
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
            statements: Statements::default(),
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

    /// What `started` makes of an answer, or as many shares as the instance was offered at most.
    fn offered_query(
        &mut self,
        offered: wit::OfferedQuery,
        shares: u32,
        started: impl FnOnce(&mut Self, wit::Answer) -> Result<Started>,
    ) -> Result<Offered<Started>> {
        match offered {
            wit::OfferedQuery::Answered(answer) => started(self, answer).map(Offered::Done),
            wit::OfferedQuery::Shares(found) => {
                let found = self.whole(records::shares(found, shares))?;
                Ok(Offered::Shares(found))
            }
        }
    }

    fn offered_count(
        &mut self,
        offered: wit::OfferedCount,
        shares: u32,
    ) -> Result<Offered<Counted>> {
        match offered {
            wit::OfferedCount::Counted(counted) => Ok(Offered::Done(records::counted(counted))),
            wit::OfferedCount::Shares(found) => {
                let found = self.whole(records::shares(found, shares))?;
                Ok(Offered::Shares(found))
            }
        }
    }

    /// The number that the component gave a statement, now or before.
    fn prepared(&mut self, statement: &Arc<Statement>) -> Result<u32> {
        if let Some(prepared) = self.statements.get(statement) {
            return Ok(prepared.made);
        }
        let query = records::query(statement.query().clone());
        let made = self.call("prepare", |index, store| index.call_prepare(store, &query))?;
        for old in self.statements.put(statement, made) {
            self.call("forget", |index, store| {
                index.call_forget(store, old).map(Ok)
            })?;
        }
        Ok(made)
    }

    /// Runs a statement in one of the ways in which that is possible.
    fn run<T>(
        &mut self,
        statement: &Arc<Statement>,
        name: &'static str,
        mut execution: Execution,
        call: impl FnOnce(
            &wit::Guest,
            &mut Store<State>,
            u32,
            &records::Execution,
        ) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        let (made, passed) = self.passed(statement, &mut execution)?;
        let answer = self.call(name, |index, store| call(index, store, made, &passed));
        self.note_values(statement, execution, answer.is_ok());
        answer
    }

    /// The number of a statement, and what a run of it passes to the component, without values that it knows.
    fn passed(
        &mut self,
        statement: &Arc<Statement>,
        execution: &mut Execution,
    ) -> Result<(u32, records::Execution)> {
        let made = self.prepared(statement)?;
        if let Some(prepared) = self.statements.get(statement) {
            prepared.leave_out_known(execution);
        }
        Ok((made, records::execution(execution)))
    }

    /// Notes with which values a statement ran, and whether the component came to know them.
    fn note_values(&mut self, statement: &Statement, execution: Execution, known: bool) {
        if let Some(prepared) = self.statements.get(statement) {
            prepared.note_values(execution.values, known);
        }
    }

    /// What came of a run of a statement for at most `max_rows` rows.
    fn ran(&mut self, ran: wit::Ran, max_rows: u32, limit: u64) -> Result<Started> {
        if ran == wit::Ran::Found {
            let session = &self.store.data().session;
            let rows = records::found(session, most_rows(max_rows, limit));
            return Ok(Started {
                rows: self.whole(rows)?,
                rest: Rest::Nothing,
            });
        }
        let answer = self.call("run-outcome", |index, store| index.call_run_outcome(store))?;
        self.started(answer, max_rows, limit)
    }

    /// The first rows of a statement, with the names of their columns.
    fn named(&mut self, statement: &Statement, mut started: Started) -> Result<Started> {
        let prepared = self.statements.get(statement);
        let lacking = prepared.filter(|prepared| prepared.lacks_names(&mut started.rows));
        let Some(made) = lacking.map(|prepared| prepared.made) else {
            return Ok(started);
        };
        let names = self.call("run-names", |index, store| {
            index.call_run_names(store, made)
        })?;
        if let Some(prepared) = self.statements.get(statement) {
            prepared.name_columns(names, &mut started.rows);
        }
        Ok(started)
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

#[cfg(test)]
mod tests {
    use wasmtime::component::Resource;

    use sidx_engine::Mode;
    use sidx_engine::host::Form;

    use super::super::Instance;
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
            form: Form::Folder,
            removal_grace: None,
        };
        let shared = Shared::new(Arc::new(MemoryStorage::new("x")), None, budgets, false);
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
