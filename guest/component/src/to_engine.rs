//! Records of the WIT side as the engine's own.

use std::ops::Bound;

use sidx_columns::{Bitmap, ByteStrings, Column, ColumnError, ColumnType, Values};
use sidx_engine as engine;
use sidx_engine::expression::Literal;
use sidx_engine::host::{
    self, ColumnFacts, LogEntry, Object, Piece, Selected, TopEnd, TopFacts, Usage,
};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::ValueRange;
use sidx_log::Term;

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::sidx::engine::{files, limits, log, objects, scan, types};

/// An error of the host.
pub(crate) fn error(error: types::Error) -> Error {
    use types::Error as E;
    let (kind, message) = match error {
        E::InvalidArgument(text) => (ErrorKind::InvalidArgument, text),
        E::NotFound(text) => (ErrorKind::NotFound, text),
        E::Conflict(text) => (ErrorKind::Conflict, text),
        E::Corrupt(text) => (ErrorKind::Corrupt, text),
        E::ResourceExhausted(text) => (ErrorKind::ResourceExhausted, text),
        E::LimitExceeded(text) => (ErrorKind::LimitExceeded, text),
        E::DeadlineExceeded(text) => (ErrorKind::DeadlineExceeded, text),
        E::Cancelled(text) => (ErrorKind::Cancelled, text),
        E::Io(text) => (ErrorKind::Io, text),
        E::Unknown(text) => (ErrorKind::Unknown, text),
        E::UnsupportedVersion(text) => (ErrorKind::UnsupportedVersion, text),
        E::Other(text) => (ErrorKind::Other, text),
    };
    Error::new(kind, message)
}

/// Where a page lies.
pub(crate) fn extent(extent: files::Extent) -> host::Extent {
    host::Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    }
}

/// A finished file.
pub(crate) fn summary(summary: files::Summary) -> host::FileSummary {
    host::FileSummary {
        size_bytes: summary.size_bytes,
        checksum: summary.checksum,
        chunks: summary.chunks.iter().map(chunk).collect(),
    }
}

fn chunk(chunk: &files::Chunk) -> host::Chunk {
    host::Chunk {
        offset: chunk.offset,
        size_bytes: chunk.size_bytes,
    }
}

/// The end of a file.
pub(crate) fn tail(tail: files::Tail) -> host::Tail {
    host::Tail {
        size_bytes: tail.size_bytes,
        bytes: tail.bytes,
    }
}

/// How parts are stored.
pub(crate) fn form(form: files::Form) -> host::Form {
    match form {
        files::Form::Folder => host::Form::Folder,
        files::Form::File => host::Form::File,
    }
}

/// An object with its version.
pub(crate) fn object(object: objects::Object) -> Object {
    Object {
        bytes: object.bytes,
        version: object.version,
    }
}

/// An entry of the log.
pub(crate) fn log_entry(entry: log::Entry) -> LogEntry<scan::Columns> {
    LogEntry {
        next_position: entry.next_position,
        header: entry.header,
        columns: entry.columns,
    }
}

/// Budgets.
pub(crate) fn usage(budgets: limits::Budgets) -> Usage {
    Usage {
        memory_used_bytes: budgets.memory_used_bytes,
        memory_allowed_bytes: budgets.memory_allowed_bytes,
        disk_used_bytes: budgets.disk_used_bytes,
        disk_allowed_bytes: budgets.disk_allowed_bytes,
        medium_allowed_bytes: budgets.medium_allowed_bytes,
        medium_minimum_bytes: budgets.medium_minimum_bytes,
        medium_free_files: budgets.medium_free_files,
    }
}

/// Who reads what is no longer newest.
pub(crate) fn readers(readers: limits::Readers) -> host::Readers {
    host::Readers {
        version: readers.version,
        settled: readers.settled,
        epochs: readers.epochs,
        branches: readers.branches,
    }
}

/// One opening of an index for writing.
fn term(term: types::Term) -> Term {
    Term {
        number: term.number,
        nonce: nonce(term.nonce),
    }
}

/// 128 random bits from their halves.
pub(crate) fn nonce((high, low): (u64, u64)) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// What can be read of a damaged log.
pub(crate) fn salvaged_log(salvaged: log::Salvaged) -> host::SalvagedLog {
    let spans = salvaged.spans.iter();
    host::SalvagedLog {
        spans: spans.map(|span| (span.start, span.end)).collect(),
        damage: salvaged.damage,
        term: term(salvaged.term),
    }
}

/// Rows that passed a selection.
pub(crate) fn selected(selected: scan::Selected) -> Selected {
    Selected {
        counts: selected.counts,
        rows: selected.rows,
        keys: selected.keys,
        more: selected.more,
    }
}

/// A shared dictionary as it was written.
pub(crate) fn finished_dictionary(finished: scan::FinishedDictionary) -> host::FinishedDictionary {
    host::FinishedDictionary {
        entries: finished.entries,
        extent: extent(finished.extent),
        postings: finished.postings.into_iter().map(extent).collect(),
    }
}

/// Where the first rows of runs end; none where they could not be found.
pub(crate) fn top_end(end: scan::TopEnd) -> Option<TopEnd> {
    Some(match end {
        scan::TopEnd::Exhausted => TopEnd::Exhausted,
        scan::TopEnd::Full => TopEnd::Full,
        scan::TopEnd::FullOfFew => TopEnd::FullOfFew,
        scan::TopEnd::Short => TopEnd::Short,
        scan::TopEnd::Failed => return None,
    })
}

/// The first rows of runs, and what was done for them.
pub(crate) fn top_facts(facts: scan::TopFacts) -> TopFacts {
    TopFacts {
        rows: facts.rows,
        last: (
            facts.last_key,
            facts.last_series,
            facts.last_block,
            facts.last_row,
        ),
        opened: facts.opened,
        without_match: facts.without_match,
        considered: facts.considered,
        selected: facts.selected,
    }
}

/// A written page.
pub(crate) fn piece(piece: scan::Piece) -> Piece {
    Piece {
        rows: piece.rows,
        present: piece.present,
        extent: extent(piece.extent),
        membership: piece.membership.map(extent),
        limits: value_range(piece.limits),
    }
}

/// Written pages.
pub(crate) fn pieces(pieces: Vec<scan::Piece>) -> Vec<Piece> {
    pieces.into_iter().map(piece).collect()
}

/// Least and greatest value of a page.
fn value_range(range: scan::ValueRange) -> ValueRange {
    match range {
        scan::ValueRange::None => ValueRange::None,
        scan::ValueRange::Ints((min, max)) => ValueRange::Int { min, max },
        scan::ValueRange::Floats(limits) => ValueRange::Float {
            min: limits.min,
            max: limits.max,
            nan: limits.nan,
        },
        scan::ValueRange::Bools((min, max)) => ValueRange::Bool { min, max },
        scan::ValueRange::ByteStrings(limits) => ValueRange::Bytes {
            min: limits.min,
            max: limits.max,
        },
    }
}

fn kind(code: u8) -> Result<ColumnType> {
    ColumnType::from_code(code)
        .ok_or_else(|| broken(format_args!("the host named column type {code}")))
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Other, what.to_string())
}

/// What limits and budgets need to know of columns.
pub(crate) fn column_facts(facts: scan::ColumnFacts) -> Result<ColumnFacts> {
    let kinds = facts.kinds.into_iter().map(kind);
    Ok(ColumnFacts {
        rows: facts.rows,
        kinds: kinds.collect::<Result<_>>()?,
        size_bytes: facts.size_bytes,
        longest_bytes: facts.longest_bytes,
    })
}

/// Which of so many rows are present; none where all are.
pub(crate) fn presence(words: Option<Vec<u64>>, rows: usize) -> Result<Option<Bitmap>> {
    let bits = |words| {
        let wrong = || {
            broken(format_args!(
                "presence from the host is not {rows} bits long"
            ))
        };
        Bitmap::from_words(words, rows).ok_or_else(wrong)
    };
    words.map(bits).transpose()
}

/// A column by value.
pub(crate) fn column(column: scan::Column) -> Result<Column> {
    let wrong = |what: ColumnError| broken(format_args!("a column from the host: {what}"));
    let rows = column.rows as usize;
    let values = match column.values {
        scan::Values::Ints(values) => Values::Int(values),
        scan::Values::Floats(values) => Values::Float(values),
        scan::Values::Bools(values) => {
            Values::Bool(values.into_iter().map(|value| value != 0).collect())
        }
        scan::Values::ByteStrings(strings) => {
            Values::Bytes(ByteStrings::new(strings.ends, strings.bytes).map_err(wrong)?)
        }
    };
    let presence = presence(column.presence, rows)?;
    Column::new(kind(column.kind)?, rows, presence, column.ends, values).map_err(wrong)
}

/// How to open the index.
pub(crate) fn mode(mode: wit::Mode) -> engine::Mode {
    match mode {
        wit::Mode::Read => engine::Mode::Read,
        wit::Mode::Write => engine::Mode::Write,
        wit::Mode::Create => engine::Mode::Create,
    }
}

/// A part list.
pub(crate) fn view(view: wit::View) -> engine::View {
    engine::View {
        version: view.version,
        epoch: view.epoch,
        bytes: view.bytes,
        flush_need: engine::FlushNeed {
            bytes: view.flush_bytes,
            files: view.flush_files,
        },
    }
}

/// Rows to add.
pub(crate) fn batch(batch: wit::Batch) -> engine::Batch<scan::Columns> {
    engine::Batch {
        labels: batch.labels,
        series: batch.series,
        keys: batch.keys,
        columns: batch.columns,
        names: batch.names,
        durability: match batch.durability {
            wit::Durability::Sync => engine::Durability::Sync,
            wit::Durability::Os => engine::Durability::Os,
            wit::Durability::None => engine::Durability::None,
        },
    }
}

/// Planned work.
pub(crate) fn job(job: wit::Job) -> engine::Job {
    engine::Job {
        id: job.id,
        inputs: job.inputs,
        output: job.output,
        rule: retention(job.rule),
        dropped_rows: job.dropped_rows,
        rows: job.rows,
        space_bytes: job.space_bytes,
        flush: job.flush,
    }
}

/// What came of a job.
pub(crate) fn outcome(outcome: wit::Outcome) -> engine::Outcome {
    engine::Outcome {
        job: job(outcome.job),
        rows: outcome.rows,
        dropped_rows: outcome.dropped_rows,
        bytes_written: outcome.bytes_written,
    }
}

/// A damaged part.
fn damage(damage: wit::Damage) -> engine::Damage {
    engine::Damage {
        part: damage.part,
        files: damage.files,
        reasons: damage.reasons,
        lost: damage.lost.into_iter().map(region).collect(),
    }
}

fn region(region: wit::Region) -> engine::Region {
    engine::Region {
        first_series: region.first_series,
        last_series: region.last_series,
        min_key: region.min_key,
        max_key: region.max_key,
        rows: region.rows,
    }
}

/// What came of a salvage.
pub(crate) fn salvaged(salvaged: wit::Salvaged) -> engine::Salvaged {
    engine::Salvaged {
        outcome: outcome(salvaged.outcome),
        damage: damage(salvaged.damage),
        lost_labels: salvaged.lost_labels,
    }
}

/// What to merge.
pub(crate) fn choice(choice: wit::Choice) -> engine::Choice {
    match choice {
        wit::Choice::SimilarSize => engine::Choice::SimilarSize,
        wit::Choice::All => engine::Choice::All,
    }
}

/// Rows to drop in a merge.
pub(crate) fn retention(retention: wit::Retention) -> engine::Retention {
    engine::Retention {
        drop_where: retention.drop_where,
        drop_below: retention.drop_below,
    }
}

/// What a retention rule means for parts.
pub(crate) fn retention_step(step: wit::RetentionStep) -> engine::RetentionStep {
    engine::RetentionStep {
        parts: step.parts,
        in_memory: step.in_memory,
        rows: step.rows,
        size_bytes: step.size_bytes,
        dropped_rows: step.dropped_rows.map_err(error),
    }
}

/// A query.
pub(crate) fn query(query: wit::QuerySpec) -> engine::QuerySpec {
    use wit::QueryOptions as Options;
    let has = |option: Options| query.options & option == option;
    engine::QuerySpec {
        low: Bound::Included(query.low),
        high: Bound::Included(query.high),
        descending: has(Options::DESCENDING),
        any_order: has(Options::ANY_ORDER),
        limit: query.limit,
        distinct_payload: has(Options::DISTINCT_PAYLOAD),
        projection: match query.projection {
            wit::Projection::All => engine::Projection::All,
            wit::Projection::None => engine::Projection::Only(Vec::new()),
            wit::Projection::Only(names) => engine::Projection::Only(names),
        },
        payload: has(Options::WITH_PAYLOAD),
        memory_bytes: query.memory_bytes,
        allow_partial: has(Options::ALLOW_PARTIAL),
        series: query.series,
        filter: query.filter,
    }
}

/// A run of a prepared query.
pub(crate) fn execution(
    series: wit::PreparedSeries,
    (low, high): (i64, i64),
    limit: Option<u64>,
    values: wit::ParameterValues,
) -> engine::Execution {
    use engine::ParameterValues::{Given, Kept};
    engine::Execution {
        series: match series {
            wit::PreparedSeries::Prepared => engine::ExecutionSeries::Prepared,
            wit::PreparedSeries::One(series) => engine::ExecutionSeries::One(series),
            wit::PreparedSeries::Several(series) => engine::ExecutionSeries::Several(series),
        },
        low,
        high,
        limit,
        values: match values {
            wit::ParameterValues::Kept => Kept,
            wit::ParameterValues::One(one) => Given(vec![literal(one)]),
            wit::ParameterValues::Two((one, two)) => Given(vec![literal(one), literal(two)]),
            wit::ParameterValues::Several(values) => {
                Given(values.into_iter().map(literal).collect())
            }
        },
    }
}

/// A value of a parameter.
fn literal(value: wit::ParameterValue) -> Literal {
    match value {
        wit::ParameterValue::Int(value) => Literal::Int(value),
        wit::ParameterValue::Float(value) => Literal::Float(value),
        wit::ParameterValue::Boolean(value) => Literal::Bool(value),
        wit::ParameterValue::Timestamp(nanoseconds) => Literal::Timestamp(nanoseconds),
        wit::ParameterValue::Text(text) => Literal::String(text),
        wit::ParameterValue::Bytes(bytes) => Literal::Bytes(bytes),
    }
}

/// One share of a query.
pub(crate) fn share(share: wit::Share) -> engine::Share {
    engine::Share {
        number: share.number,
        of: share.of,
    }
}

/// What to describe.
pub(crate) fn subject(subject: wit::Subject) -> engine::Subject {
    match subject {
        wit::Subject::Parts => engine::Subject::Parts,
        wit::Subject::Stats => engine::Subject::Stats,
        wit::Subject::Leftovers => engine::Subject::Leftovers,
    }
}
