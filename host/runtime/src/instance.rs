//! One running engine: the component in Wasmtime, or its native build.

mod component;
mod native;
mod records;
mod returned;
mod statement;

use std::sync::Arc;

use serde_json::Value;
use sidx_engine::{
    Batch, BranchContents, Choice, Contents, Counted, Damage, Execution, Job, Mode, Offered,
    Opened, Outcome, PartFile, QuerySpec, Rest, Retention, RetentionStep, Salvaged, Share, Subject,
    View, Written,
};

pub(crate) use self::component::ComponentInstance;
pub(crate) use self::native::{NativeEngine, NativeInstance};
pub(crate) use self::returned::Returned;
pub(crate) use self::statement::Statement;

use crate::error::{Error, ErrorKind, Result};
use crate::session::{Columns, Session};

/// Which build of the engine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The WebAssembly component, in its sandbox.
    #[default]
    Component,
    /// The same code compiled natively. It exists to test, and to measure the price of the sandbox.
    Native,
}

/// The first rows of a query, and the number of its cursor if it has one.
pub(crate) struct Started {
    pub(crate) rows: Returned,
    pub(crate) rest: Rest<u64>,
}

impl Started {
    /// The cursor, for more rows or to ask about those that there are.
    pub(crate) fn cursor(&self) -> Option<u64> {
        match self.rest {
            Rest::Nothing => None,
            Rest::NoRows(cursor) | Rest::More(cursor) => Some(cursor),
        }
    }

    /// Whether there are more rows.
    pub(crate) fn has_more(&self) -> bool {
        matches!(self.rest, Rest::More(_))
    }
}

/// Who does a query.
pub(crate) enum Course {
    /// The instance that was asked.
    Alone(Started),
    /// So many of them, which were not started yet.
    Shared(QuerySpec, u32),
}

/// Physical rows of one part.
pub(crate) struct Dumped {
    pub(crate) part: String,
    pub(crate) block: u32,
    /// Ordinal of the first row in the part.
    pub(crate) first_row: u64,
    pub(crate) rows: Returned,
}

/// The exports of the component. One instance serves one thread at a time.
///
/// Cursors are numbered, so that an instance owns all that belongs to it. An unknown number is
/// `invalid-argument`. After a trap, or an
/// answer that cannot be, every call fails, and [`is_usable`](Self::is_usable) is false.
pub(crate) trait Instance: Send {
    /// The session of this instance.
    fn session(&self) -> &Session;
    /// False after a trap or a nonsensical answer: the instance must be dropped.
    fn is_usable(&self) -> bool;
    /// Makes it unusable, after an answer that only the caller could see was nonsense.
    fn give_up(&mut self);
    /// Memory that the instance holds and will not give back, in bytes.
    fn memory_bytes(&self) -> u64;

    fn open(&mut self, mode: Mode) -> Result<Opened>;
    fn refresh(&mut self, epochs: bool) -> Result<Opened>;
    fn repair(&mut self, accept_loss: bool) -> Result<String>;
    /// False when it was dropped before.
    fn drop_index(&mut self) -> Result<bool>;
    /// False while somebody reads it.
    fn clear_dropped(&mut self) -> Result<bool>;
    fn close(&mut self) -> Result<()>;
    /// The parts that could not be opened.
    fn attach(&mut self, view: &View) -> Result<Vec<u64>>;
    fn write(&mut self, batches: Vec<Batch<Columns>>) -> Result<Written>;

    fn plan_flush(&mut self) -> Result<Option<Job>>;
    fn plan_merge(&mut self, choice: Choice) -> Result<Option<Job>>;
    fn judge_retention(&mut self, rule: &Retention) -> Result<Vec<RetentionStep>>;
    fn plan_retention(&mut self, rule: &Retention, steps: &[RetentionStep]) -> Result<Option<Job>>;
    fn merge(&mut self, job: &Job) -> Result<Outcome>;
    fn introduce(&mut self, outcome: Outcome) -> Result<View>;
    fn abandon(&mut self, job: &Job) -> Result<()>;
    fn collect(&mut self) -> Result<()>;

    /// Damaged ones among these parts, none of them twice.
    fn survey(&mut self, parts: &[u64], pages: bool) -> Result<Vec<Damage>>;
    fn avoid(&mut self, parts: &[u64]) -> Result<()>;
    fn plan_salvage(&mut self, part: u64) -> Result<Option<Job>>;
    fn salvage(&mut self, job: &Job) -> Result<Salvaged>;
    fn introduce_salvaged(&mut self, salvaged: Salvaged) -> Result<View>;
    fn part_files(&mut self) -> Result<Vec<PartFile>>;

    fn query(&mut self, query: QuerySpec, max_rows: u32) -> Result<Started>;
    /// As many shares as are asked for are at least 2, and no more than were offered.
    fn offer_query(
        &mut self,
        query: QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>>;
    fn query_share(&mut self, query: QuerySpec, share: Share, max_rows: u32) -> Result<Started>;
    fn next(&mut self, cursor: u64, max_rows: u32) -> Result<Option<Returned>>;
    /// Of a cursor, or of the last query that has none.
    fn explain(&mut self, cursor: Option<u64>) -> Result<String>;
    fn close_cursor(&mut self, cursor: u64);
    fn missing(&mut self, cursor: u64) -> Result<Vec<String>>;
    fn count(&mut self, query: QuerySpec) -> Result<Counted>;
    /// As [`offer_query`](Self::offer_query).
    fn offer_count(&mut self, query: QuerySpec, shares: u32) -> Result<Offered<Counted>>;
    fn count_share(&mut self, query: QuerySpec, share: Share) -> Result<Counted>;
    /// The names of the parameters of a statement. It is prepared first, by this and by what runs it, where
    /// the instance does not know it.
    fn parameters(&mut self, statement: &Arc<Statement>) -> Result<Vec<String>>;
    fn execute(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        max_rows: u32,
    ) -> Result<Started>;
    /// As [`offer_query`](Self::offer_query); the limit of the execution is passed over.
    fn offer_execution(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        max_rows: u32,
        shares: u32,
    ) -> Result<Offered<Started>>;
    fn count_execution(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
    ) -> Result<Counted>;
    /// As [`offer_execution`](Self::offer_execution).
    fn offer_execution_count(
        &mut self,
        statement: &Arc<Statement>,
        execution: Execution,
        shares: u32,
    ) -> Result<Offered<Counted>>;
    /// The filter with the values that its parameters had last, as text.
    fn bound_filter(&mut self, statement: &Arc<Statement>) -> Result<Option<String>>;
    fn labels(&mut self, series: &[u64]) -> Result<Vec<Option<String>>>;

    fn dump(&mut self) -> Result<u64>;
    fn next_dumped(&mut self, cursor: u64) -> Result<Option<Dumped>>;
    fn close_dump(&mut self, cursor: u64);
    fn verify(&mut self) -> Result<String>;
    fn contents(&mut self) -> Result<Contents>;
    fn branch(&mut self, place: &str) -> Result<BranchContents>;
    fn describe(&mut self, subject: Subject) -> Result<String>;
}

/// A report of the engine, which is JSON.
pub(crate) fn parse_report(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|cause| {
        let text = format!("the engine's report is not JSON: {cause}");
        Error::new(ErrorKind::Other, text)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sidx_engine::Durability;
    use sidx_engine::host::Form;

    use super::*;
    use crate::session::{Budgets, Shared};
    use crate::storage::MemoryStorage;

    fn instances() -> [Box<dyn Instance>; 2] {
        let session = || {
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
            Session::new(shared, true)
        };
        let component = ComponentInstance::start(session(), Arc::default()).unwrap();
        [
            Box::new(NativeInstance::new(session(), sidx_engine::Index::new)),
            Box::new(component),
        ]
    }

    fn write(instance: &mut dyn Instance, key: i64) {
        let mut batch = crate::Batch::new();
        batch.row("UA", key).add().unwrap();
        let batch = batch.into_engine(Durability::Os).unwrap();
        let written = instance.write(vec![batch]).unwrap();
        assert!(written.receipts.iter().all(Result::is_ok));
    }

    /// The log is given up in order, so rows that came later are not flushed beside older ones.
    #[test]
    fn a_younger_flush_waits_for_an_older_one() {
        for mut instance in instances() {
            let instance = instance.as_mut();
            instance.open(Mode::Create).unwrap();
            write(instance, 1);
            let older = instance.plan_flush().unwrap().expect("there are rows");
            write(instance, 2);
            assert_eq!(instance.plan_flush().unwrap(), None);
            let outcome = instance.merge(&older).unwrap();
            instance.introduce(outcome).unwrap();
            let younger = instance.plan_flush().unwrap().expect("there are more");
            assert_eq!(younger.rows, 1);
            instance.abandon(&younger).unwrap();
            let again = instance.plan_flush().unwrap().expect("they were given up");
            assert_eq!(again.inputs, younger.inputs);
        }
    }
}
