//! The `index` interface over the engine.

use std::cell::RefCell;

use sidx_engine as engine;

use crate::bindings::exports::sidx::engine::index as wit;
use crate::imports::Imports;
use crate::{Component, from_engine, to_engine};

/// The index of this instance, and its prepared queries.
struct Instance {
    index: engine::Index<Imports>,
    /// By number.
    prepared: Vec<Option<engine::PreparedQuery<Imports>>>,
    /// What the last run came to, until it is asked for.
    outcome: Option<engine::Result<engine::Answer<Imports>>>,
}

thread_local! {
    /// A component has one thread and is never entered twice at once.
    static INSTANCE: RefCell<Instance> = RefCell::new(Instance {
        index: crate::index(),
        prepared: Vec::new(),
        outcome: None,
    });
}

impl Instance {
    /// The index, and the prepared query with a number.
    fn prepared(
        &mut self,
        number: u32,
    ) -> engine::Result<(
        &mut engine::Index<Imports>,
        &mut engine::PreparedQuery<Imports>,
    )> {
        let Self {
            index, prepared, ..
        } = self;
        match prepared.get_mut(number as usize) {
            Some(Some(query)) => Ok((index, query)),
            _ => {
                let text = format!("no query was prepared as number {number}");
                Err(engine::Error::new(engine::ErrorKind::InvalidArgument, text))
            }
        }
    }
}

fn with_index<T>(
    call: impl FnOnce(&mut engine::Index<Imports>) -> engine::Result<T>,
) -> Result<T, wit::Error> {
    INSTANCE
        .with_borrow_mut(|instance| call(&mut instance.index))
        .map_err(from_engine::error)
}

/// A call of the index about the prepared query with a number.
fn with_prepared<T>(
    number: u32,
    call: impl FnOnce(
        &mut engine::Index<Imports>,
        &mut engine::PreparedQuery<Imports>,
    ) -> engine::Result<T>,
) -> Result<T, wit::Error> {
    let called = INSTANCE.with_borrow_mut(|instance| {
        let (index, query) = instance.prepared(number)?;
        call(index, query)
    });
    called.map_err(from_engine::error)
}

/// A running query.
pub(crate) struct Cursor(RefCell<engine::Cursor<Imports>>);

/// A running dump.
pub(crate) struct DumpCursor(RefCell<engine::DumpCursor<Imports>>);

impl Cursor {
    /// The resource of a cursor that `export` wraps.
    fn resource<C: wit::GuestCursor>(
        export: impl FnOnce(Self) -> C,
    ) -> impl FnOnce(engine::Cursor<Imports>) -> wit::Cursor {
        |cursor| wit::Cursor::new(export(Self(RefCell::new(cursor))))
    }
}

/// `query`, with cursors that `export` wraps.
pub(crate) fn start_query<C: wit::GuestCursor>(
    query: wit::QuerySpec,
    max_rows: u32,
    export: impl FnOnce(Cursor) -> C,
) -> Result<wit::Answer, wit::Error> {
    let query = to_engine::query(query);
    let answer = with_index(|index| index.query(query, max_rows))?;
    Ok(from_engine::answer(answer, Cursor::resource(export)))
}

/// `offer-query`, with cursors that `export` wraps.
pub(crate) fn offer_query<C: wit::GuestCursor>(
    query: wit::QuerySpec,
    max_rows: u32,
    shares: u32,
    export: impl FnOnce(Cursor) -> C,
) -> Result<wit::OfferedQuery, wit::Error> {
    let query = to_engine::query(query);
    let offered = with_index(|index| index.offer_query(query, max_rows, shares))?;
    Ok(from_engine::offered_query(
        offered,
        Cursor::resource(export),
    ))
}

/// `query-share`, with cursors that `export` wraps.
pub(crate) fn start_share<C: wit::GuestCursor>(
    query: wit::QuerySpec,
    share: wit::Share,
    max_rows: u32,
    export: impl FnOnce(Cursor) -> C,
) -> Result<wit::Answer, wit::Error> {
    let (query, share) = (to_engine::query(query), to_engine::share(share));
    let answer = with_index(|index| index.query_share(query, share, max_rows))?;
    Ok(from_engine::answer(answer, Cursor::resource(export)))
}

/// `run-outcome`, with cursors that `export` wraps.
pub(crate) fn run_outcome<C: wit::GuestCursor>(
    export: impl FnOnce(Cursor) -> C,
) -> Result<wit::Answer, wit::Error> {
    let outcome = INSTANCE.with_borrow_mut(|instance| instance.outcome.take());
    let answer = outcome.unwrap_or_else(|| {
        let text = "no run came to anything that was not told";
        Err(engine::Error::new(engine::ErrorKind::Other, text))
    });
    let answer = answer.map_err(from_engine::error)?;
    Ok(from_engine::answer(answer, Cursor::resource(export)))
}

/// `offer-run`, with cursors that `export` wraps.
pub(crate) fn offer_run<C: wit::GuestCursor>(
    number: u32,
    execution: engine::Execution,
    (max_rows, shares): (u32, u32),
    export: impl FnOnce(Cursor) -> C,
) -> Result<wit::OfferedQuery, wit::Error> {
    let offered = with_prepared(number, |index, query| {
        index.offer_execution(query, execution, shares, max_rows)
    })?;
    Ok(from_engine::offered_query(
        offered,
        Cursor::resource(export),
    ))
}

/// The cursor of a dump.
pub(crate) fn start_dump() -> Result<DumpCursor, wit::Error> {
    let cursor = with_index(engine::Index::dump)?;
    Ok(DumpCursor(RefCell::new(cursor)))
}

impl wit::Guest for Component {
    type Cursor = Cursor;
    type DumpCursor = DumpCursor;

    fn open(mode: wit::Mode) -> Result<wit::Opened, wit::Error> {
        with_index(|index| index.open(to_engine::mode(mode))).map(from_engine::opened)
    }

    fn refresh(epochs: bool) -> Result<wit::Opened, wit::Error> {
        with_index(|index| index.refresh(epochs)).map(from_engine::opened)
    }

    fn repair(accept_loss: bool) -> Result<String, wit::Error> {
        with_index(|index| index.repair(accept_loss))
    }

    fn drop_index() -> Result<bool, wit::Error> {
        with_index(|index| index.drop_index())
    }

    fn clear_dropped() -> Result<bool, wit::Error> {
        with_index(|index| index.clear_dropped())
    }

    fn close() -> Result<(), wit::Error> {
        with_index(|index| index.close())
    }

    fn attach(view: wit::View) -> Result<Vec<u64>, wit::Error> {
        with_index(|index| index.attach(&to_engine::view(view)))
    }

    fn write(batches: Vec<wit::Batch>) -> Result<wit::Written, wit::Error> {
        let batches = batches.into_iter().map(to_engine::batch).collect();
        with_index(|index| index.write(batches)).map(from_engine::written)
    }

    fn plan_flush() -> Result<Option<wit::Job>, wit::Error> {
        Ok(with_index(engine::Index::plan_flush)?.map(from_engine::job))
    }

    fn plan_merge(choice: wit::Choice) -> Result<Option<wit::Job>, wit::Error> {
        let choice = to_engine::choice(choice);
        Ok(with_index(|index| index.plan_merge(choice))?.map(from_engine::job))
    }

    fn judge_retention(rule: wit::Retention) -> Result<Vec<wit::RetentionStep>, wit::Error> {
        let rule = to_engine::retention(rule);
        let steps = with_index(|index| index.judge_retention(&rule))?;
        Ok(steps.into_iter().map(from_engine::retention_step).collect())
    }

    fn plan_retention(
        rule: wit::Retention,
        steps: Vec<wit::RetentionStep>,
    ) -> Result<Option<wit::Job>, wit::Error> {
        let rule = to_engine::retention(rule);
        let steps = steps.into_iter().map(to_engine::retention_step);
        let steps: Vec<engine::RetentionStep> = steps.collect();
        Ok(with_index(|index| index.plan_retention(&rule, &steps))?.map(from_engine::job))
    }

    fn merge(job: wit::Job) -> Result<wit::Outcome, wit::Error> {
        with_index(|index| index.merge(&to_engine::job(job))).map(from_engine::outcome)
    }

    fn introduce(outcome: wit::Outcome) -> Result<wit::View, wit::Error> {
        with_index(|index| index.introduce(to_engine::outcome(outcome))).map(from_engine::view)
    }

    fn abandon(job: wit::Job) -> Result<(), wit::Error> {
        with_index(|index| index.abandon(&to_engine::job(job)))
    }

    fn collect() -> Result<(), wit::Error> {
        with_index(|index| index.collect())
    }

    fn survey(parts: Vec<u64>, pages: bool) -> Result<Vec<wit::Damage>, wit::Error> {
        let found = with_index(|index| index.survey(&parts, pages))?;
        Ok(found.into_iter().map(from_engine::damage).collect())
    }

    fn avoid(parts: Vec<u64>) -> Result<(), wit::Error> {
        with_index(|index| index.avoid(&parts))
    }

    fn plan_salvage(part: u64) -> Result<Option<wit::Job>, wit::Error> {
        Ok(with_index(|index| index.plan_salvage(part))?.map(from_engine::job))
    }

    fn salvage(job: wit::Job) -> Result<wit::Salvaged, wit::Error> {
        with_index(|index| index.salvage(&to_engine::job(job))).map(from_engine::salvaged)
    }

    fn introduce_salvaged(salvaged: wit::Salvaged) -> Result<wit::View, wit::Error> {
        let salvaged = to_engine::salvaged(salvaged);
        with_index(|index| index.introduce_salvaged(salvaged)).map(from_engine::view)
    }

    fn part_files() -> Result<Vec<wit::PartFile>, wit::Error> {
        let files = with_index(|index| Ok(index.part_files()))?;
        Ok(files.into_iter().map(from_engine::part_file).collect())
    }

    fn query(query: wit::QuerySpec, max_rows: u32) -> Result<wit::Answer, wit::Error> {
        start_query(query, max_rows, |cursor| cursor)
    }

    fn explain() -> String {
        INSTANCE.with_borrow(|instance| instance.index.explain())
    }

    fn count(query: wit::QuerySpec) -> Result<wit::Counted, wit::Error> {
        with_index(|index| index.count(to_engine::query(query))).map(from_engine::counted)
    }

    fn offer_query(
        query: wit::QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<wit::OfferedQuery, wit::Error> {
        offer_query(query, max_rows, shares, |cursor| cursor)
    }

    fn query_share(
        query: wit::QuerySpec,
        share: wit::Share,
        max_rows: u32,
    ) -> Result<wit::Answer, wit::Error> {
        start_share(query, share, max_rows, |cursor| cursor)
    }

    fn offer_count(query: wit::QuerySpec, shares: u32) -> Result<wit::OfferedCount, wit::Error> {
        let query = to_engine::query(query);
        with_index(|index| index.offer_count(query, shares)).map(from_engine::offered_count)
    }

    fn count_share(query: wit::QuerySpec, share: wit::Share) -> Result<wit::Counted, wit::Error> {
        let (query, share) = (to_engine::query(query), to_engine::share(share));
        with_index(|index| index.count_share(query, share)).map(from_engine::counted)
    }

    fn prepare(query: wit::QuerySpec) -> Result<u32, wit::Error> {
        let query = to_engine::query(query);
        let prepared = INSTANCE.with_borrow_mut(|instance| {
            let made = instance.index.prepare(query)?;
            let all = &mut instance.prepared;
            let free = all.iter().position(Option::is_none);
            let number = free.unwrap_or(all.len());
            match all.get_mut(number) {
                Some(place) => *place = Some(made),
                None => all.push(Some(made)),
            }
            Ok(number as u32)
        });
        prepared.map_err(from_engine::error)
    }

    fn forget(prepared: u32) {
        INSTANCE.with_borrow_mut(|instance| {
            if let Some(place) = instance.prepared.get_mut(prepared as usize) {
                *place = None;
            }
        });
    }

    fn parameters(prepared: u32) -> Result<Vec<String>, wit::Error> {
        with_prepared(prepared, |_, query| Ok(query.parameters().to_vec()))
    }

    fn run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        limit: Option<u64>,
        values: wit::ParameterValues,
        max_rows: u32,
    ) -> wit::Ran {
        let execution = to_engine::execution(series, (low, high), limit, values);
        INSTANCE.with_borrow_mut(|instance| {
            instance.outcome = None;
            let ran = instance
                .prepared(prepared)
                .and_then(|(index, query)| index.execute(query, execution, max_rows));
            match ran {
                Ok(answer) if answer.is_found() => wit::Ran::Found,
                outcome => {
                    instance.outcome = Some(outcome);
                    wit::Ran::Otherwise
                }
            }
        })
    }

    fn run_outcome() -> Result<wit::Answer, wit::Error> {
        run_outcome(|cursor| cursor)
    }

    fn run_names(prepared: u32) -> Result<Vec<String>, wit::Error> {
        with_prepared(prepared, |index, query| Ok(index.names(query)))
    }

    fn count_run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        limit: Option<u64>,
        values: wit::ParameterValues,
    ) -> Result<wit::Counted, wit::Error> {
        let execution = to_engine::execution(series, (low, high), limit, values);
        with_prepared(prepared, |index, query| {
            index.count_execution(query, execution)
        })
        .map(from_engine::counted)
    }

    fn offer_run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        values: wit::ParameterValues,
        max_rows: u32,
        shares: u32,
    ) -> Result<wit::OfferedQuery, wit::Error> {
        let execution = to_engine::execution(series, (low, high), None, values);
        offer_run(prepared, execution, (max_rows, shares), |cursor| cursor)
    }

    fn offer_count_run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        values: wit::ParameterValues,
        shares: u32,
    ) -> Result<wit::OfferedCount, wit::Error> {
        let execution = to_engine::execution(series, (low, high), None, values);
        with_prepared(prepared, |index, query| {
            index.offer_execution_count(query, execution, shares)
        })
        .map(from_engine::offered_count)
    }

    fn run_filter(prepared: u32) -> Result<Option<String>, wit::Error> {
        with_prepared(prepared, |_, query| query.filter())
    }

    fn labels(series: Vec<u64>) -> Result<Vec<Option<String>>, wit::Error> {
        with_index(|index| index.labels(&series))
    }

    fn dump() -> Result<wit::DumpCursor, wit::Error> {
        start_dump().map(wit::DumpCursor::new)
    }

    fn verify() -> Result<String, wit::Error> {
        with_index(engine::Index::verify)
    }

    fn contents() -> Result<wit::StoredContents, wit::Error> {
        with_index(|index| index.contents()).map(from_engine::contents)
    }

    fn branch(place: String) -> Result<wit::StoredBranch, wit::Error> {
        with_index(|index| index.branch(&place)).map(from_engine::branch)
    }

    fn describe(subject: wit::Subject) -> Result<String, wit::Error> {
        with_index(|index| index.describe(to_engine::subject(subject)))
    }
}

impl wit::GuestCursor for Cursor {
    fn next(&self, max_rows: u32) -> Result<Option<wit::Rows>, wit::Error> {
        match self.0.borrow_mut().next(max_rows) {
            Ok(rows) => Ok(rows.map(from_engine::rows)),
            failed => with_index(|index| index.explained(failed)).map(|_| None),
        }
    }

    fn explain(&self) -> String {
        self.0.borrow().explain()
    }

    fn missing(&self) -> Vec<String> {
        self.0.borrow().missing().to_vec()
    }
}

impl wit::GuestDumpCursor for DumpCursor {
    fn next(&self) -> Result<Option<wit::Dumped>, wit::Error> {
        match self.0.borrow_mut().next() {
            Ok(dumped) => Ok(dumped.map(from_engine::dumped)),
            failed => with_index(|index| index.explained(failed)).map(|_| None),
        }
    }
}
