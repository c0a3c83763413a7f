//! The engine's records as those of the WIT side.

use std::ops::Bound;

use sidx_columns::ColumnType;
use sidx_engine as engine;
use sidx_engine::host;
use sidx_engine::{Error, ErrorKind};
use sidx_executor::{block, gather, select, top};
use sidx_kernels::{Order, Step, Test};
use sidx_log::Term;

use crate::bindings::exports::sidx::engine::index as wit;
use crate::bindings::sidx::engine::{files, log, scan, types};

/// An error for the caller.
pub(crate) fn error(error: Error) -> types::Error {
    use types::Error as E;
    let text = error.message().to_owned();
    match error.kind() {
        ErrorKind::InvalidArgument => E::InvalidArgument(text),
        ErrorKind::NotFound => E::NotFound(text),
        ErrorKind::Conflict => E::Conflict(text),
        ErrorKind::Corrupt => E::Corrupt(text),
        ErrorKind::ResourceExhausted => E::ResourceExhausted(text),
        ErrorKind::LimitExceeded => E::LimitExceeded(text),
        ErrorKind::DeadlineExceeded => E::DeadlineExceeded(text),
        ErrorKind::Cancelled => E::Cancelled(text),
        ErrorKind::Io => E::Io(text),
        ErrorKind::Unknown => E::Unknown(text),
        ErrorKind::UnsupportedVersion => E::UnsupportedVersion(text),
        _ => E::Other(text),
    }
}

/// One opening of an index for writing.
pub(crate) fn term(term: Term) -> types::Term {
    types::Term {
        number: term.number,
        nonce: ((term.nonce >> 64) as u64, term.nonce as u64),
    }
}

/// Where a file lives.
pub(crate) fn medium(medium: host::Medium) -> files::Medium {
    match medium {
        host::Medium::Memory => files::Medium::Memory,
        host::Medium::Durable => files::Medium::Durable,
    }
}

/// The number of a codec.
pub(crate) fn codec(codec: host::Codec) -> u32 {
    match codec {
        host::Codec::None => 0,
        host::Codec::Zstd => 1,
    }
}

/// Bytes of a section.
pub(crate) fn chunk(chunk: &host::Chunk) -> files::Chunk {
    files::Chunk {
        offset: chunk.offset,
        size_bytes: chunk.size_bytes,
    }
}

/// Where pages lie.
pub(crate) fn extents(extents: &[host::Extent]) -> Vec<files::Extent> {
    let convert = |extent: &host::Extent| files::Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    };
    extents.iter().map(convert).collect()
}

/// How far an append to the log must have come.
pub(crate) fn log_durability(durability: host::LogDurability) -> log::Durability {
    match durability {
        host::LogDurability::Os => log::Durability::Os,
        host::LogDurability::Sync => log::Durability::Sync,
    }
}

/// Wanted rows, without a copy of the lists.
pub(crate) fn selection<'a>(request: &select::Request<'a>) -> scan::Selection<'a> {
    scan::Selection {
        key_pages: request.key_pages,
        slots: request.slots,
        slot_pages: request.slot_pages,
        span_counts: request.span_counts,
        spans: request.spans,
        low: request.low,
        high: request.high,
        order: order(request.order),
        resume_keys: request.resume_keys,
        resume_rows: request.resume_rows,
        cap: request.cap,
    }
}

/// Wanted runs, without a copy of the lists.
pub(crate) fn request<'a>(request: &top::Request<'a>) -> scan::TopRequest<'a> {
    scan::TopRequest {
        pages: request.pages,
        slots: request.slots,
        tested: request.tested,
        runs: request.runs,
        ends: request.ends,
        whole: request.whole,
        low: request.low,
        high: request.high,
        order: order(request.order),
        limit: request.limit,
        horizon: request.horizon,
        kinds: request.kinds,
        piece_counts: request.piece_counts,
        pieces: request.pieces,
    }
}

fn order(order: Order) -> scan::Order {
    match order {
        Order::Ascending => scan::Order::Ascending,
        Order::Descending => scan::Order::Descending,
    }
}

/// Rows of pages, without a copy of the lists.
pub(crate) fn page_source<'a>(source: &gather::Source<'a>) -> scan::PageSource<'a> {
    scan::PageSource {
        kind: source.kind.code(),
        pages: source.pages,
        rows: source.rows,
    }
}

/// Ranges of pages, without a copy of the lists.
pub(crate) fn page_ranges<'a>(source: &gather::Ranges<'a>) -> scan::PageRanges<'a> {
    scan::PageRanges {
        kind: source.kind.code(),
        pages: source.pages,
        starts: source.starts,
        ends: source.ends,
    }
}

/// The series of rows, without a copy of the lists.
pub(crate) fn series_runs(runs: &host::SeriesRuns) -> scan::SeriesRuns<'_> {
    scan::SeriesRuns {
        series: &runs.series,
        ends: &runs.ends,
    }
}

/// Keys and series, without a copy of the lists.
pub(crate) fn row_keys(keys: &host::RowKeys) -> scan::RowKeysParam<'_> {
    scan::RowKeysParam {
        keys: &keys.keys,
        series: &keys.series,
    }
}

/// The codes of column types.
pub(crate) fn kinds(kinds: &[ColumnType]) -> Vec<u8> {
    kinds.iter().map(|kind| kind.code()).collect()
}

/// Rows of blocks in memory, without a copy of the lists; `kinds` come from [`kinds`].
pub(crate) fn block_source<'a>(
    source: &block::Source<'a>,
    kinds: &'a [u8],
) -> scan::BlockSource<'a> {
    scan::BlockSource {
        kinds,
        pages: source.pages,
        blocks: source.blocks,
        rows: source.rows,
    }
}

/// Byte values of the set tests of a program as slices; the steps borrow from them.
pub(crate) fn byte_sets(steps: &[Step]) -> Vec<Vec<&[u8]>> {
    steps.iter().map(byte_set).collect()
}

fn byte_set(step: &Step) -> Vec<&[u8]> {
    match step {
        Step::Leaf {
            test: Test::BytesSet(values),
            ..
        } => values.iter().map(Vec::as_slice).collect(),
        _ => Vec::new(),
    }
}

/// A filter program; `sets` come from [`byte_sets`] of the same steps.
pub(crate) fn steps<'a>(steps: &'a [Step], sets: &'a [Vec<&'a [u8]>]) -> Vec<scan::Step<'a>> {
    let convert = |(step, set): (&'a Step, &'a Vec<&'a [u8]>)| match step {
        Step::Leaf {
            slot,
            elements,
            test,
        } => scan::Step::Leaf(scan::Leaf {
            slot: *slot,
            elements: *elements,
            test: self::test(test, set),
        }),
        Step::And => scan::Step::And,
        Step::Or => scan::Step::Or,
        Step::Not => scan::Step::Not,
        Step::True => scan::Step::PassAll,
        Step::False => scan::Step::PassNone,
    };
    steps.iter().zip(sets).map(convert).collect()
}

fn test<'a>(test: &'a Test, set: &'a [&'a [u8]]) -> scan::Test<'a> {
    match test {
        Test::Exists => scan::Test::Exists,
        Test::IntRange { low, high } => scan::Test::IntRange((*low, *high)),
        Test::IntSet(values) => scan::Test::IntSet(values),
        Test::FloatRange { low, high } => {
            scan::Test::FloatRange((float_bound(*low), float_bound(*high)))
        }
        Test::FloatSet(values) => scan::Test::FloatSet(values),
        Test::Bool(value) => scan::Test::Boolean(*value),
        Test::BytesRange { low, high } => {
            scan::Test::BytesRange((bytes_bound(low), bytes_bound(high)))
        }
        Test::BytesSet(_) => scan::Test::BytesSet(set),
        Test::BytesPrefix(prefix) => scan::Test::BytesPrefix(prefix),
        Test::Regex(pattern) => scan::Test::Regex(pattern),
    }
}

fn float_bound(bound: Bound<f64>) -> scan::FloatBound {
    match bound {
        Bound::Unbounded => scan::FloatBound::Unbounded,
        Bound::Included(value) => scan::FloatBound::Inclusive(value),
        Bound::Excluded(value) => scan::FloatBound::Exclusive(value),
    }
}

fn bytes_bound(bound: &Bound<Vec<u8>>) -> scan::BytesBound<'_> {
    match bound {
        Bound::Unbounded => scan::BytesBound::Unbounded,
        Bound::Included(value) => scan::BytesBound::Inclusive(value),
        Bound::Excluded(value) => scan::BytesBound::Exclusive(value),
    }
}

/// A part list.
pub(crate) fn view(view: engine::View) -> wit::View {
    wit::View {
        version: view.version,
        epoch: view.epoch,
        bytes: view.bytes,
        flush_bytes: view.flush_need.bytes,
        flush_files: view.flush_need.files,
    }
}

/// What an opening found.
pub(crate) fn opened(opened: engine::Opened) -> wit::Opened {
    let damaged = opened.damaged.into_iter();
    wit::Opened {
        view: view(opened.view),
        damaged: damaged
            .map(|file| wit::DamagedFile {
                path: file.path,
                reason: file.reason,
                left_out: file.left_out,
            })
            .collect(),
    }
}

/// What a write did.
pub(crate) fn written(written: engine::Written) -> wit::Written {
    let receipt = |receipt: Result<engine::Receipt, Error>| match receipt {
        Ok(receipt) => Ok(wit::Receipt {
            first_id: receipt.first_id,
            rows: receipt.rows,
        }),
        Err(cause) => Err(error(cause)),
    };
    wit::Written {
        receipts: written.receipts.into_iter().map(receipt).collect(),
        view: view(written.view),
        memory_bytes: written.memory_bytes,
        pressure: match written.pressure {
            engine::Pressure::None => wit::Pressure::None,
            engine::Pressure::Moderate => wit::Pressure::Moderate,
            engine::Pressure::Severe => wit::Pressure::Severe,
            engine::Pressure::Critical => wit::Pressure::Critical,
        },
        delay_ms: written.delay_ms,
    }
}

/// Planned work.
pub(crate) fn job(job: engine::Job) -> wit::Job {
    wit::Job {
        id: job.id,
        inputs: job.inputs,
        output: job.output,
        rule: wit::Retention {
            drop_where: job.rule.drop_where,
            drop_below: job.rule.drop_below,
        },
        dropped_rows: job.dropped_rows,
        rows: job.rows,
        space_bytes: job.space_bytes,
        flush: job.flush,
    }
}

/// What a retention rule means for parts.
pub(crate) fn retention_step(step: engine::RetentionStep) -> wit::RetentionStep {
    wit::RetentionStep {
        parts: step.parts,
        in_memory: step.in_memory,
        rows: step.rows,
        size_bytes: step.size_bytes,
        dropped_rows: step.dropped_rows.map_err(error),
    }
}

/// What came of a job.
pub(crate) fn outcome(outcome: engine::Outcome) -> wit::Outcome {
    wit::Outcome {
        job: job(outcome.job),
        rows: outcome.rows,
        dropped_rows: outcome.dropped_rows,
        bytes_written: outcome.bytes_written,
    }
}

/// A damaged part.
pub(crate) fn damage(damage: engine::Damage) -> wit::Damage {
    let lost = damage.lost.into_iter();
    wit::Damage {
        part: damage.part,
        files: damage.files,
        reasons: damage.reasons,
        lost: lost
            .map(|region| wit::Region {
                first_series: region.first_series,
                last_series: region.last_series,
                min_key: region.min_key,
                max_key: region.max_key,
                rows: region.rows,
            })
            .collect(),
    }
}

/// What came of a salvage.
pub(crate) fn salvaged(salvaged: engine::Salvaged) -> wit::Salvaged {
    wit::Salvaged {
        outcome: outcome(salvaged.outcome),
        damage: damage(salvaged.damage),
        lost_labels: salvaged.lost_labels,
    }
}

/// A file of a part.
pub(crate) fn part_file(file: engine::PartFile) -> wit::PartFile {
    wit::PartFile {
        part: file.part,
        path: file.path,
        section: file.section.map(|section| wit::PartSection {
            name: section.name,
            chunks: section.chunks.iter().map(chunk).collect(),
        }),
        size_bytes: file.size_bytes,
        checksum: file.checksum,
    }
}

/// Result rows.
pub(crate) fn rows(rows: engine::Rows<scan::Columns>) -> wit::Rows {
    wit::Rows {
        content: match rows.content {
            engine::RowContent::Found => wit::RowContent::Found,
            engine::RowContent::Held(columns) => wit::RowContent::Held(columns),
            engine::RowContent::Listed(keys) => wit::RowContent::Listed(scan::RowKeysResult {
                keys: keys.keys,
                series: keys.series,
            }),
        },
        names: rows.names,
        stripe: rows.stripe,
    }
}

/// The first rows of a query, and what is left; `export` makes a resource of a cursor.
pub(crate) fn answer<H: engine::Host<Columns = scan::Columns>>(
    answer: engine::Answer<H>,
    export: impl FnOnce(engine::Cursor<H>) -> wit::Cursor,
) -> wit::Answer {
    wit::Answer {
        rows: rows(answer.rows),
        rest: match answer.rest {
            engine::Rest::Nothing => wit::Rest::Nothing,
            engine::Rest::NoRows(cursor) => wit::Rest::NoRows(export(cursor)),
            engine::Rest::More(cursor) => wit::Rest::More(export(cursor)),
        },
    }
}

/// The same, of a query that may be worth being shared.
pub(crate) fn offered_query<H: engine::Host<Columns = scan::Columns>>(
    offered: engine::Offered<engine::Answer<H>>,
    export: impl FnOnce(engine::Cursor<H>) -> wit::Cursor,
) -> wit::OfferedQuery {
    match offered {
        engine::Offered::Done(done) => wit::OfferedQuery::Answered(answer(done, export)),
        engine::Offered::Shares(shares) => wit::OfferedQuery::Shares(shares),
    }
}

/// What a count found, which may be worth being shared.
pub(crate) fn offered_count(offered: engine::Offered<engine::Counted>) -> wit::OfferedCount {
    match offered {
        engine::Offered::Done(done) => wit::OfferedCount::Counted(counted(done)),
        engine::Offered::Shares(shares) => wit::OfferedCount::Shares(shares),
    }
}

/// What a count found.
pub(crate) fn counted(counted: engine::Counted) -> wit::Counted {
    wit::Counted {
        rows: counted.rows,
        partial: counted.partial,
    }
}

/// Everything durable that makes up the index.
pub(crate) fn contents(contents: engine::Contents) -> wit::StoredContents {
    let object = |(name, bytes)| wit::StoredObject { name, bytes };
    wit::StoredContents {
        objects: contents.objects.into_iter().map(object).collect(),
        files: contents.files,
        log_position: contents.log_position,
        term: term(contents.term),
    }
}

/// An index as a branch of it begins.
pub(crate) fn branch(branch: engine::BranchContents) -> wit::StoredBranch {
    wit::StoredBranch {
        epoch: branch.epoch,
        contents: contents(branch.contents),
    }
}

/// Physical rows of one part.
pub(crate) fn dumped(dumped: engine::Dumped<scan::Columns>) -> wit::Dumped {
    wit::Dumped {
        part: dumped.part,
        block: dumped.block,
        first_row: dumped.first_row,
        rows: rows(dumped.rows),
    }
}
