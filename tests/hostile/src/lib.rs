//! The component with a will of its own: the real engine, which does on demand what no component should.
//! Tests of the host run it; it is never shipped.
//!
//! The demand is the object `misbehave` of the index: a line for each export that it is about, with its name,
//! a blank, and a deed. Deeds of every export are in [`harm`], calls that the host must refuse in
//! [`requests`], answers that cannot be in [`answers`].

// It is built for WebAssembly only, where a trap is an instruction.
#![cfg(target_arch = "wasm32")]
// Doing wrong is the purpose here.
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::unreachable,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this crate exists to break rules"
)]

mod answers;
#[path = "../../../guest/component/src/exports.rs"]
mod exports;
#[path = "../../../guest/component/src/from_engine.rs"]
mod from_engine;
mod harm;
#[path = "../../../guest/component/src/imports.rs"]
mod imports;
mod requests;
#[path = "../../../guest/component/src/to_engine.rs"]
mod to_engine;

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::exports::sidx::engine::index::Guest;
use crate::bindings::sidx::engine::objects;

/// What `wit-bindgen` makes of `wit/engine`, as in `guest/component`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/engine",
        world: "engine",
        generate_all,
        ownership: Borrowing { duplicate_if_necessary: true },
        pub_export_macro: false,
    });
}

bindings::export!(Misbehaving with_types_in bindings);

/// The component that does as it should: the glue of the shipped one, compiled once more.
struct Component;

/// The index that an instance has.
fn index() -> sidx_engine::Index<imports::Imports> {
    sidx_engine::Index::new(imports::Imports)
}

/// The type that the export macro hangs the index on.
pub(crate) struct Misbehaving;

/// A cursor that may misbehave.
pub(crate) struct Cursor(exports::Cursor);

/// A dump that may misbehave.
pub(crate) struct DumpCursor(exports::DumpCursor);

/// What this export is to do instead of its work; deeds that are the same for all are done at once.
fn deed(export: &str) -> Result<Option<String>, wit::Error> {
    let Ok(Some(object)) = objects::get("misbehave") else {
        return Ok(None);
    };
    let text = String::from_utf8(object.bytes).unwrap_or_default();
    let mut demands = text.lines().filter_map(|line| line.split_once(' '));
    let Some((_, deed)) = demands.find(|(name, _)| *name == export) else {
        return Ok(None);
    };
    harm::do_harm(deed);
    requests::make(deed)?;
    Ok(Some(deed.to_owned()))
}

impl Guest for Misbehaving {
    type Cursor = Cursor;
    type DumpCursor = DumpCursor;

    fn open(mode: wit::Mode) -> Result<wit::Opened, wit::Error> {
        let deed = deed("open")?;
        Component::open(mode).map(|opened| answers::opened(opened, deed))
    }

    fn refresh(epochs: bool) -> Result<wit::Opened, wit::Error> {
        let deed = deed("refresh")?;
        Component::refresh(epochs).map(|opened| answers::opened(opened, deed))
    }

    fn drop_index() -> Result<bool, wit::Error> {
        deed("drop-index")?;
        Component::drop_index()
    }

    fn clear_dropped() -> Result<bool, wit::Error> {
        deed("clear-dropped")?;
        Component::clear_dropped()
    }

    fn close() -> Result<(), wit::Error> {
        deed("close")?;
        Component::close()
    }

    fn attach(view: wit::View) -> Result<Vec<u64>, wit::Error> {
        let deed = deed("attach")?;
        Component::attach(view).map(|unreadable| answers::unreadable(unreadable, deed))
    }

    fn write(batches: Vec<wit::Batch>) -> Result<wit::Written, wit::Error> {
        let deed = deed("write")?;
        Component::write(batches).map(|written| answers::written(written, deed))
    }

    fn plan_flush() -> Result<Option<wit::Job>, wit::Error> {
        let deed = deed("plan-flush")?;
        Ok(Component::plan_flush()?.map(|job| answers::job(job, deed)))
    }

    fn plan_merge(choice: wit::Choice) -> Result<Option<wit::Job>, wit::Error> {
        let deed = deed("plan-merge")?;
        Ok(Component::plan_merge(choice)?.map(|job| answers::job(job, deed)))
    }

    fn judge_retention(rule: wit::Retention) -> Result<Vec<wit::RetentionStep>, wit::Error> {
        let deed = deed("judge-retention")?;
        Component::judge_retention(rule).map(|steps| answers::retention_steps(steps, deed))
    }

    fn plan_retention(
        rule: wit::Retention,
        steps: Vec<wit::RetentionStep>,
    ) -> Result<Option<wit::Job>, wit::Error> {
        let deed = deed("plan-retention")?;
        Ok(Component::plan_retention(rule, steps)?.map(|job| answers::job(job, deed)))
    }

    fn merge(job: wit::Job) -> Result<wit::Outcome, wit::Error> {
        let deed = deed("merge")?;
        if deed.as_deref() == Some("says-corrupt") {
            return Err(answers::corrupt());
        }
        Component::merge(job).map(|outcome| answers::outcome(outcome, deed))
    }

    fn introduce(outcome: wit::Outcome) -> Result<wit::View, wit::Error> {
        let deed = deed("introduce")?;
        Component::introduce(outcome).map(|view| answers::view(view, deed))
    }

    fn abandon(job: wit::Job) -> Result<(), wit::Error> {
        deed("abandon")?;
        Component::abandon(job)
    }

    fn collect() -> Result<(), wit::Error> {
        deed("collect")?;
        Component::collect()
    }

    fn survey(parts: Vec<u64>, pages: bool) -> Result<Vec<wit::Damage>, wit::Error> {
        let deed = deed("survey")?;
        let found = Component::survey(parts.clone(), pages)?;
        Ok(answers::survey(found, &parts, deed))
    }

    fn avoid(parts: Vec<u64>) -> Result<(), wit::Error> {
        deed("avoid")?;
        Component::avoid(parts)
    }

    fn plan_salvage(part: u64) -> Result<Option<wit::Job>, wit::Error> {
        let deed = deed("plan-salvage")?;
        Ok(Component::plan_salvage(part)?.map(|job| answers::job(job, deed)))
    }

    fn salvage(job: wit::Job) -> Result<wit::Salvaged, wit::Error> {
        let deed = deed("salvage")?;
        Component::salvage(job).map(|salvaged| answers::salvaged(salvaged, deed))
    }

    fn introduce_salvaged(salvaged: wit::Salvaged) -> Result<wit::View, wit::Error> {
        let deed = deed("introduce-salvaged")?;
        Component::introduce_salvaged(salvaged).map(|view| answers::view(view, deed))
    }

    fn part_files() -> Result<Vec<wit::PartFile>, wit::Error> {
        let deed = deed("part-files")?;
        Component::part_files().map(|files| answers::part_files(files, deed))
    }

    fn query(query: wit::QuerySpec, max_rows: u32) -> Result<wit::Answer, wit::Error> {
        let deed = deed("query")?;
        let answer = exports::start_query(query, max_rows, Cursor)?;
        Ok(answers::answer(answer, deed))
    }

    fn explain() -> String {
        match deed("explain") {
            Ok(deed) => answers::report(Component::explain(), deed),
            Err(_) => String::new(),
        }
    }

    fn count(query: wit::QuerySpec) -> Result<wit::Counted, wit::Error> {
        let deed = deed("count")?;
        Component::count(query).map(|counted| answers::counted(counted, deed))
    }

    fn offer_query(
        query: wit::QuerySpec,
        max_rows: u32,
        shares: u32,
    ) -> Result<wit::OfferedQuery, wit::Error> {
        let deed = deed("offer-query")?;
        let offered = exports::offer_query(query, max_rows, shares, Cursor)?;
        Ok(answers::offered_query(offered, deed))
    }

    fn query_share(
        query: wit::QuerySpec,
        share: wit::Share,
        max_rows: u32,
    ) -> Result<wit::Answer, wit::Error> {
        let deed = deed("query-share")?;
        let answer = exports::start_share(query, share, max_rows, Cursor)?;
        Ok(answers::answer(answer, deed))
    }

    fn offer_count(query: wit::QuerySpec, shares: u32) -> Result<wit::OfferedCount, wit::Error> {
        let deed = deed("offer-count")?;
        let offered = Component::offer_count(query, shares)?;
        Ok(answers::offered_count(offered, deed))
    }

    fn count_share(query: wit::QuerySpec, share: wit::Share) -> Result<wit::Counted, wit::Error> {
        let deed = deed("count-share")?;
        Component::count_share(query, share).map(|counted| answers::counted(counted, deed))
    }

    fn repair(accept_loss: bool) -> Result<String, wit::Error> {
        let deed = deed("repair")?;
        Component::repair(accept_loss).map(|report| answers::report(report, deed))
    }

    fn contents() -> Result<wit::StoredContents, wit::Error> {
        let deed = deed("contents")?;
        Component::contents().map(|contents| answers::contents(contents, deed))
    }

    fn branch(place: String) -> Result<wit::StoredBranch, wit::Error> {
        let deed = deed("branch")?;
        Component::branch(place).map(|branch| wit::StoredBranch {
            contents: answers::contents(branch.contents, deed),
            ..branch
        })
    }

    fn prepare(query: wit::QuerySpec) -> Result<u32, wit::Error> {
        let deed = deed("prepare")?;
        Component::prepare(query).map(|number| answers::number(number, deed))
    }

    fn forget(prepared: u32) {
        let _ = deed("forget");
        Component::forget(prepared);
    }

    fn parameters(prepared: u32) -> Result<Vec<String>, wit::Error> {
        let deed = deed("parameters")?;
        Component::parameters(prepared).map(|names| answers::parameters(names, deed))
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
        // Its errors can only be told afterwards.
        let deed = deed("run").unwrap_or_else(|error| Some(format!("{error:?}")));
        let run = || Component::run(prepared, series, low, high, limit, values, max_rows);
        answers::ran(run, deed)
    }

    fn run_outcome() -> Result<wit::Answer, wit::Error> {
        let deed = deed("run-outcome")?;
        let answer = exports::run_outcome(Cursor)?;
        Ok(answers::answer(answer, deed))
    }

    fn run_names(prepared: u32) -> Result<Vec<String>, wit::Error> {
        let deed = deed("run-names")?;
        Component::run_names(prepared).map(|names| answers::names(names, deed))
    }

    fn count_run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        limit: Option<u64>,
        values: wit::ParameterValues,
    ) -> Result<wit::Counted, wit::Error> {
        let deed = deed("count-run")?;
        Component::count_run(prepared, series, low, high, limit, values)
            .map(|counted| answers::counted(counted, deed))
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
        let deed = deed("offer-run")?;
        let execution = to_engine::execution(series, (low, high), None, values);
        let offered = exports::offer_run(prepared, execution, (max_rows, shares), Cursor)?;
        Ok(answers::offered_query(offered, deed))
    }

    fn offer_count_run(
        prepared: u32,
        series: wit::PreparedSeries,
        low: i64,
        high: i64,
        values: wit::ParameterValues,
        shares: u32,
    ) -> Result<wit::OfferedCount, wit::Error> {
        let deed = deed("offer-count-run")?;
        Component::offer_count_run(prepared, series, low, high, values, shares)
            .map(|offered| answers::offered_count(offered, deed))
    }

    fn run_filter(prepared: u32) -> Result<Option<String>, wit::Error> {
        let deed = deed("run-filter")?;
        let filter = Component::run_filter(prepared)?;
        Ok(filter.map(|filter| answers::report(filter, deed)))
    }

    fn labels(series: Vec<u64>) -> Result<Vec<Option<String>>, wit::Error> {
        let deed = deed("labels")?;
        Component::labels(series).map(|labels| answers::labels(labels, deed))
    }

    fn dump() -> Result<wit::DumpCursor, wit::Error> {
        deed("dump")?;
        Ok(wit::DumpCursor::new(DumpCursor(exports::start_dump()?)))
    }

    fn verify() -> Result<String, wit::Error> {
        let deed = deed("verify")?;
        Component::verify().map(|report| answers::report(report, deed))
    }

    fn describe(subject: wit::Subject) -> Result<String, wit::Error> {
        let deed = deed("describe")?;
        Component::describe(subject).map(|report| answers::report(report, deed))
    }
}

impl wit::GuestCursor for Cursor {
    fn next(&self, max_rows: u32) -> Result<Option<wit::Rows>, wit::Error> {
        let deed = deed("next")?;
        if deed.as_deref() == Some("endless") {
            return Ok(Some(answers::no_rows()));
        }
        let rows = self.0.next(max_rows)?;
        Ok(rows.map(|rows| answers::rows(rows, deed)))
    }

    fn missing(&self) -> Vec<String> {
        self.0.missing()
    }

    fn explain(&self) -> String {
        match deed("explain") {
            Ok(deed) => answers::report(self.0.explain(), deed),
            Err(_) => String::new(),
        }
    }
}

impl wit::GuestDumpCursor for DumpCursor {
    fn next(&self) -> Result<Option<wit::Dumped>, wit::Error> {
        let deed = deed("dump-next")?;
        let dumped = self.0.next()?;
        Ok(dumped.map(|dumped| wit::Dumped {
            rows: answers::rows(dumped.rows, deed),
            ..dumped
        }))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let _ = deed("drop");
    }
}
