//! Records of the `index` interface as the engine's own, and back.

use std::collections::{BTreeSet, HashSet};

use sidx_engine as engine;
use sidx_engine::expression::{Literal, MAX_PARAMETERS};

use super::Returned;
use crate::error::{Error, ErrorKind, Result};
use crate::imports::bindings::exports::sidx::engine::index as wit;
use crate::imports::{
    ImportError, State, from_wit_chunk, from_wit_error, from_wit_term, to_wit_error,
};
use crate::session::{Columns, Session, check_engine_path};
use crate::storage::{check_object_name, check_path};

/// Most bytes of a view, which takes some ten for each part.
const MAX_VIEW_BYTES: usize = 64 << 20;
/// Most bytes of a report. As JSON in memory it takes some forty times as much.
const MAX_TEXT_BYTES: usize = 16 << 20;

pub(super) fn mode(mode: engine::Mode) -> wit::Mode {
    match mode {
        engine::Mode::Read => wit::Mode::Read,
        engine::Mode::Write => wit::Mode::Write,
        engine::Mode::Create => wit::Mode::Create,
    }
}

pub(super) fn view(view: wit::View) -> Result<engine::View> {
    let size = view.bytes.len();
    if size > MAX_VIEW_BYTES {
        return Err(broken(format!(
            "a view of {size} bytes, the most is {MAX_VIEW_BYTES}"
        )));
    }
    Ok(engine::View {
        version: view.version,
        epoch: view.epoch,
        bytes: view.bytes,
        flush_need: engine::FlushNeed {
            bytes: view.flush_bytes,
            files: view.flush_files,
        },
    })
}

pub(super) fn to_wit_view(view: &engine::View) -> wit::View {
    wit::View {
        version: view.version,
        epoch: view.epoch,
        bytes: view.bytes.clone(),
        flush_bytes: view.flush_need.bytes,
        flush_files: view.flush_need.files,
    }
}

/// A batch, whose columns go into the table for the component to take.
pub(super) fn batch(batch: engine::Batch<Columns>, state: &mut State) -> Result<wit::Batch> {
    let columns = state.hand_in(batch.columns).map_err(|cause| {
        let text = format!("too many batches at once: {}", text_of(&cause));
        Error::new(ErrorKind::ResourceExhausted, text)
    })?;
    Ok(wit::Batch {
        labels: batch.labels,
        series: batch.series,
        keys: batch.keys,
        columns,
        names: batch.names,
        durability: match batch.durability {
            engine::Durability::Sync => wit::Durability::Sync,
            engine::Durability::Os => wit::Durability::Os,
            engine::Durability::None => wit::Durability::None,
        },
    })
}

pub(super) fn written(written: wit::Written) -> Result<engine::Written> {
    let receipt = |receipt: Result<wit::Receipt, wit::Error>| match receipt {
        Ok(receipt) => Ok(engine::Receipt {
            first_id: receipt.first_id,
            rows: receipt.rows,
        }),
        Err(error) => Err(from_wit_error(error)),
    };
    Ok(engine::Written {
        receipts: written.receipts.into_iter().map(receipt).collect(),
        view: view(written.view)?,
        memory_bytes: written.memory_bytes,
        pressure: match written.pressure {
            wit::Pressure::None => engine::Pressure::None,
            wit::Pressure::Moderate => engine::Pressure::Moderate,
            wit::Pressure::Severe => engine::Pressure::Severe,
            wit::Pressure::Critical => engine::Pressure::Critical,
        },
        delay_ms: written.delay_ms,
    })
}

pub(super) fn job(job: wit::Job) -> engine::Job {
    engine::Job {
        id: job.id,
        inputs: job.inputs,
        output: job.output,
        rule: engine::Retention {
            drop_where: job.rule.drop_where,
            drop_below: job.rule.drop_below,
        },
        dropped_rows: job.dropped_rows,
        rows: job.rows,
        space_bytes: job.space_bytes,
        flush: job.flush,
    }
}

pub(super) fn to_wit_job(job: &engine::Job) -> wit::Job {
    wit::Job {
        id: job.id,
        inputs: job.inputs.clone(),
        output: job.output,
        rule: retention(&job.rule),
        dropped_rows: job.dropped_rows,
        rows: job.rows,
        space_bytes: job.space_bytes,
        flush: job.flush,
    }
}

pub(super) fn outcome(outcome: wit::Outcome) -> engine::Outcome {
    engine::Outcome {
        job: job(outcome.job),
        rows: outcome.rows,
        dropped_rows: outcome.dropped_rows,
        bytes_written: outcome.bytes_written,
    }
}

pub(super) fn to_wit_outcome(outcome: &engine::Outcome) -> wit::Outcome {
    wit::Outcome {
        job: to_wit_job(&outcome.job),
        rows: outcome.rows,
        dropped_rows: outcome.dropped_rows,
        bytes_written: outcome.bytes_written,
    }
}

/// Most reasons, files and regions that are taken of a damaged part, and most bytes of each text. What is
/// beyond them would only fill memory.
const MAX_TEXTS: usize = 64;
const MAX_DAMAGE_TEXT_BYTES: usize = 2_000;
/// Most regions of one part. An engine that works tells one for each page at most.
const MAX_REGIONS: usize = 1 << 16;

/// Most damaged files that are taken from an opening.
const MAX_DAMAGED_FILES: usize = 10_000;

/// What an opening found. Of the files only what is told to people depends on what the component says.
pub(super) fn opened(opened: wit::Opened) -> Result<engine::Opened> {
    let damaged = opened.damaged.into_iter().take(MAX_DAMAGED_FILES);
    Ok(engine::Opened {
        view: view(opened.view)?,
        damaged: damaged
            .map(|file| engine::DamagedFile {
                path: short_text(file.path),
                reason: short_text(file.reason),
                left_out: file.left_out,
            })
            .collect(),
    })
}

/// Damaged parts, each of which was asked for and has a reason.
pub(super) fn survey(found: Vec<wit::Damage>, asked: &[u64]) -> Result<Vec<engine::Damage>> {
    let mut seen = BTreeSet::new();
    let mut damages = Vec::with_capacity(found.len().min(asked.len()));
    for found in found {
        if !asked.contains(&found.part) || !seen.insert(found.part) {
            let part = found.part;
            let text = format!("part {part} as damaged, which was not asked for, or twice");
            return Err(broken(text));
        }
        damages.push(damage(found)?);
    }
    Ok(damages)
}

fn damage(damage: wit::Damage) -> Result<engine::Damage> {
    let part = damage.part;
    if damage.reasons.is_empty() || damage.lost.len() > MAX_REGIONS {
        let (reasons, regions) = (damage.reasons.len(), damage.lost.len());
        let text = format!("part {part} as damaged for {reasons} reasons in {regions} regions");
        return Err(broken(text));
    }
    let lost = damage.lost.into_iter();
    Ok(engine::Damage {
        part,
        files: short(damage.files),
        reasons: short(damage.reasons),
        lost: lost
            .map(|region| engine::Region {
                first_series: region.first_series,
                last_series: region.last_series,
                min_key: region.min_key,
                max_key: region.max_key,
                rows: region.rows,
            })
            .collect(),
    })
}

/// Texts for people, as many and as long as people read.
fn short(mut texts: Vec<String>) -> Vec<String> {
    texts.truncate(MAX_TEXTS);
    texts.into_iter().map(short_text).collect()
}

fn short_text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_DAMAGE_TEXT_BYTES));
    text
}

/// What came of a salvage of this one input.
pub(super) fn salvaged(salvaged: wit::Salvaged, inputs: &[u64]) -> Result<engine::Salvaged> {
    if inputs != [salvaged.damage.part] {
        let part = salvaged.damage.part;
        return Err(broken(format!(
            "a salvage of part {part}, not of {inputs:?}"
        )));
    }
    Ok(engine::Salvaged {
        outcome: outcome(salvaged.outcome),
        damage: damage(salvaged.damage)?,
        lost_labels: salvaged.lost_labels,
    })
}

pub(super) fn to_wit_salvaged(salvaged: &engine::Salvaged) -> wit::Salvaged {
    let damage = &salvaged.damage;
    let lost = damage.lost.iter();
    wit::Salvaged {
        outcome: to_wit_outcome(&salvaged.outcome),
        damage: wit::Damage {
            part: damage.part,
            files: damage.files.clone(),
            reasons: damage.reasons.clone(),
            lost: lost
                .map(|region| wit::Region {
                    first_series: region.first_series,
                    last_series: region.last_series,
                    min_key: region.min_key,
                    max_key: region.max_key,
                    rows: region.rows,
                })
                .collect(),
        },
        lost_labels: salvaged.lost_labels,
    }
}

/// Files of parts. The host reads them by these names, so they are names of files of the engine.
pub(super) fn part_files(files: Vec<wit::PartFile>) -> Result<Vec<engine::PartFile>> {
    let file = |file: wit::PartFile| {
        check_engine_path(&file.path).map_err(|error| broken(error.to_string()))?;
        let section = |section: wit::PartSection| engine::PartSection {
            name: section.name,
            chunks: section.chunks.iter().map(from_wit_chunk).collect(),
        };
        Ok(engine::PartFile {
            part: file.part,
            path: file.path,
            section: file.section.map(section),
            size_bytes: file.size_bytes,
            checksum: file.checksum,
        })
    };
    files.into_iter().map(file).collect()
}

pub(super) fn choice(choice: engine::Choice) -> wit::Choice {
    match choice {
        engine::Choice::SimilarSize => wit::Choice::SimilarSize,
        engine::Choice::All => wit::Choice::All,
    }
}

pub(super) fn retention(retention: &engine::Retention) -> wit::Retention {
    wit::Retention {
        drop_where: retention.drop_where.clone(),
        drop_below: retention.drop_below,
    }
}

pub(super) fn retention_step(step: wit::RetentionStep) -> engine::RetentionStep {
    engine::RetentionStep {
        parts: step.parts,
        in_memory: step.in_memory,
        rows: step.rows,
        size_bytes: step.size_bytes,
        dropped_rows: step.dropped_rows.map_err(from_wit_error),
    }
}

pub(super) fn to_wit_retention_step(step: &engine::RetentionStep) -> wit::RetentionStep {
    wit::RetentionStep {
        parts: step.parts.clone(),
        in_memory: step.in_memory,
        rows: step.rows,
        size_bytes: step.size_bytes,
        dropped_rows: step.dropped_rows.clone().map_err(to_wit_error),
    }
}

pub(super) fn query(query: engine::QuerySpec) -> wit::QuerySpec {
    use wit::QueryOptions as Options;
    let (low, high) = query.inclusive_keys();
    let options = [
        (query.descending, Options::DESCENDING),
        (query.distinct_payload, Options::DISTINCT_PAYLOAD),
        (query.payload, Options::WITH_PAYLOAD),
        (query.allow_partial, Options::ALLOW_PARTIAL),
        (query.any_order, Options::ANY_ORDER),
    ];
    let chosen = options.into_iter().filter(|(is_chosen, _)| *is_chosen);
    wit::QuerySpec {
        series: query.series,
        low,
        high,
        filter: query.filter,
        options: chosen.fold(Options::empty(), |all, (_, option)| all | option),
        limit: query.limit,
        projection: match query.projection {
            engine::Projection::All => wit::Projection::All,
            engine::Projection::Only(names) if names.is_empty() => wit::Projection::None,
            engine::Projection::Only(names) => wit::Projection::Only(names),
        },
        memory_bytes: query.memory_bytes,
    }
}

/// A run of a prepared query as it is passed, but for its limit.
pub(super) struct Execution {
    pub(super) series: wit::PreparedSeries,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) values: wit::ParameterValues,
}

pub(super) fn execution(execution: &engine::Execution) -> Execution {
    use wit::{ParameterValues as Values, PreparedSeries as Series};
    Execution {
        series: match &execution.series {
            engine::ExecutionSeries::Prepared => Series::Prepared,
            engine::ExecutionSeries::One(series) => Series::One(*series),
            engine::ExecutionSeries::Several(series) => Series::Several(series.clone()),
        },
        low: execution.low,
        high: execution.high,
        values: match &execution.values {
            engine::ParameterValues::Kept => Values::Kept,
            engine::ParameterValues::Given(values) => match values.as_slice() {
                [one] => Values::One(parameter_value(one)),
                [one, two] => Values::Two((parameter_value(one), parameter_value(two))),
                values => Values::Several(values.iter().map(parameter_value).collect()),
            },
        },
    }
}

fn parameter_value(value: &Literal) -> wit::ParameterValue {
    match value {
        Literal::Int(value) => wit::ParameterValue::Int(*value),
        Literal::Float(value) => wit::ParameterValue::Float(*value),
        Literal::Bool(value) => wit::ParameterValue::Boolean(*value),
        Literal::Timestamp(nanoseconds) => wit::ParameterValue::Timestamp(*nanoseconds),
        Literal::String(text) => wit::ParameterValue::Text(text.clone()),
        Literal::Bytes(bytes) => wit::ParameterValue::Bytes(bytes.clone()),
    }
}

/// The names of parameters, each once.
pub(super) fn parameters(names: Vec<String>) -> Result<Vec<String>> {
    let distinct: HashSet<&String> = names.iter().collect();
    if distinct.len() < names.len() || names.len() > MAX_PARAMETERS {
        let count = names.len();
        return Err(broken(format!(
            "{count} names of parameters, not all distinct or too many"
        )));
    }
    Ok(names)
}

pub(super) fn share(share: engine::Share) -> wit::Share {
    wit::Share {
        number: share.number,
        of: share.of,
    }
}

/// How many shares something is worth, of those offered.
pub(super) fn shares(found: u32, offered: u32) -> Result<u32> {
    match (2..=offered).contains(&found) {
        true => Ok(found),
        false => Err(broken(format!("{found} shares of {offered}"))),
    }
}

/// Result rows, at most `most`, whose columns are taken out of the table. Counts that differ from each
/// other or from what was asked for mean a broken component.
pub(super) fn rows(rows: wit::Rows, state: &mut State, most: u32) -> Result<Returned> {
    let rows = engine::Rows {
        content: match rows.content {
            wit::RowContent::Found => engine::RowContent::Found,
            wit::RowContent::Held(columns) => {
                engine::RowContent::Held(state.take(&columns).map_err(|cause| {
                    let cause = text_of(&cause);
                    broken(format!("columns that do not exist: {cause}"))
                })?)
            }
            wit::RowContent::Listed(keys) => engine::RowContent::Listed(engine::host::RowKeys {
                keys: keys.keys,
                series: keys.series,
            }),
        },
        names: rows.names,
        stripe: rows.stripe,
    };
    returned(rows, &state.session, most)
}

/// The rows that the session found, as all of an answer.
pub(super) fn found(session: &Session, most: u32) -> Result<Returned> {
    let rows = engine::Rows {
        content: engine::RowContent::Found,
        ..engine::Rows::default()
    };
    returned(rows, session, most)
}

fn returned(rows: engine::Rows<Columns>, session: &Session, most: u32) -> Result<Returned> {
    let rows = Returned::of(rows, session)?;
    let count = rows.len();
    match count > most as usize {
        true => Err(broken(format!("{count} rows instead of at most {most}"))),
        false => Ok(rows),
    }
}

pub(super) fn counted(counted: wit::Counted) -> engine::Counted {
    engine::Counted {
        rows: counted.rows,
        partial: counted.partial,
    }
}

/// What a copy consists of. The names become paths elsewhere, so they are checked here.
pub(super) fn contents(contents: wit::StoredContents) -> Result<engine::Contents> {
    for object in &contents.objects {
        check_object_name(&object.name).map_err(|error| broken(error.to_string()))?;
    }
    for path in &contents.files {
        check_path(path).map_err(|error| broken(error.to_string()))?;
    }
    let objects = contents.objects.into_iter();
    Ok(engine::Contents {
        objects: objects.map(|object| (object.name, object.bytes)).collect(),
        files: contents.files,
        log_position: contents.log_position,
        term: from_wit_term(contents.term),
    })
}

/// What a branch begins with, likewise.
pub(super) fn branch(branch: wit::StoredBranch) -> Result<engine::BranchContents> {
    Ok(engine::BranchContents {
        epoch: branch.epoch,
        contents: contents(branch.contents)?,
    })
}

/// A text that the component made, such as a report.
pub(super) fn text(text: String) -> Result<String> {
    let size = text.len();
    if size > MAX_TEXT_BYTES {
        return Err(broken(format!(
            "a text of {size} bytes, the most is {MAX_TEXT_BYTES}"
        )));
    }
    Ok(text)
}

fn broken(what: String) -> Error {
    let text = format!("the component returned {what}; it does not work as it should");
    Error::new(ErrorKind::Other, text)
}

fn text_of(cause: &ImportError) -> String {
    match cause {
        ImportError::Refused(error) => error.to_string(),
        ImportError::Trap(trap) => format!("{trap:#}"),
    }
}

pub(super) fn subject(subject: engine::Subject) -> wit::Subject {
    match subject {
        engine::Subject::Parts => wit::Subject::Parts,
        engine::Subject::Stats => wit::Subject::Stats,
        engine::Subject::Leftovers => wit::Subject::Leftovers,
    }
}
