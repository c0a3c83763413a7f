//! Records of the boundary as the session's own, and back.

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_engine::host::{
    self, Codec, ColumnFacts, Extent, LogDurability, Medium, Object, Piece, Selected, TopEnd,
    TopFacts,
};
use sidx_engine::{Error, ErrorKind};
use sidx_kernels::{Order, ValueRange};
use sidx_log::Term;

use super::bindings::sidx::engine::{files, limits, log, objects, scan, types};

/// Most bytes of a message that are taken from the component: more is nothing to read.
const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// An error for the component.
pub(crate) fn to_wit_error(error: Error) -> types::Error {
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

/// An error of the component.
pub(crate) fn from_wit_error(error: types::Error) -> Error {
    use types::Error as E;
    let (kind, mut text) = match error {
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
    text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
    Error::new(kind, text)
}

pub(super) fn to_wit_term(term: Term) -> types::Term {
    types::Term {
        number: term.number,
        nonce: nonce(term.nonce),
    }
}

pub(crate) fn from_wit_term(term: types::Term) -> Term {
    let (high, low) = term.nonce;
    Term {
        number: term.number,
        nonce: u128::from(high) << 64 | u128::from(low),
    }
}

/// The halves of 128 random bits.
pub(super) fn nonce(nonce: u128) -> (u64, u64) {
    ((nonce >> 64) as u64, nonce as u64)
}

pub(super) fn medium(medium: files::Medium) -> Medium {
    match medium {
        files::Medium::Memory => Medium::Memory,
        files::Medium::Durable => Medium::Durable,
    }
}

pub(super) fn codec(codec: u32) -> Result<Codec, Error> {
    match codec {
        0 => Ok(Codec::None),
        1 => Ok(Codec::Zstd),
        _ => Err(Error::invalid(format!(
            "codec {codec} is unknown; 0 is none, 1 is zstd"
        ))),
    }
}

pub(super) fn column_type(code: u8) -> Result<ColumnType, Error> {
    ColumnType::from_code(code)
        .ok_or_else(|| Error::invalid(format!("{code} is not the code of a column type")))
}

pub(super) fn order(order: scan::Order) -> Order {
    match order {
        scan::Order::Ascending => Order::Ascending,
        scan::Order::Descending => Order::Descending,
    }
}

pub(super) fn from_wit_extent(extent: &files::Extent) -> Extent {
    Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    }
}

pub(super) fn extent(extent: Extent) -> files::Extent {
    files::Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    }
}

pub(super) fn summary(summary: host::FileSummary) -> files::Summary {
    let chunk = |chunk: &host::Chunk| files::Chunk {
        offset: chunk.offset,
        size_bytes: chunk.size_bytes,
    };
    files::Summary {
        size_bytes: summary.size_bytes,
        checksum: summary.checksum,
        chunks: summary.chunks.iter().map(chunk).collect(),
    }
}

/// Bytes of a section.
pub(crate) fn from_wit_chunk(chunk: &files::Chunk) -> host::Chunk {
    host::Chunk {
        offset: chunk.offset,
        size_bytes: chunk.size_bytes,
    }
}

pub(super) fn tail(tail: host::Tail) -> files::Tail {
    files::Tail {
        size_bytes: tail.size_bytes,
        bytes: tail.bytes,
    }
}

pub(super) fn form(form: host::Form) -> files::Form {
    match form {
        host::Form::Folder => files::Form::Folder,
        host::Form::File => files::Form::File,
    }
}

pub(super) fn object(object: Object) -> objects::Object {
    objects::Object {
        bytes: object.bytes,
        version: object.version,
    }
}

pub(super) fn log_durability(durability: log::Durability) -> LogDurability {
    match durability {
        log::Durability::Sync => LogDurability::Sync,
        log::Durability::Os => LogDurability::Os,
    }
}

pub(super) fn budgets(usage: host::Usage) -> limits::Budgets {
    limits::Budgets {
        memory_used_bytes: usage.memory_used_bytes,
        memory_allowed_bytes: usage.memory_allowed_bytes,
        disk_used_bytes: usage.disk_used_bytes,
        disk_allowed_bytes: usage.disk_allowed_bytes,
        medium_allowed_bytes: usage.medium_allowed_bytes,
        medium_minimum_bytes: usage.medium_minimum_bytes,
        medium_free_files: usage.medium_free_files,
    }
}

pub(super) fn readers(readers: host::Readers) -> limits::Readers {
    limits::Readers {
        version: readers.version,
        settled: readers.settled,
        epochs: readers.epochs,
        branches: readers.branches,
    }
}

pub(super) fn salvaged_log(salvaged: host::SalvagedLog) -> log::Salvaged {
    let spans = salvaged.spans.into_iter();
    log::Salvaged {
        spans: spans.map(|(start, end)| log::Span { start, end }).collect(),
        damage: salvaged.damage,
        term: to_wit_term(salvaged.term),
    }
}

pub(super) fn selected(selected: Selected) -> scan::Selected {
    scan::Selected {
        counts: selected.counts,
        rows: selected.rows,
        keys: selected.keys,
        more: selected.more,
    }
}

pub(super) fn top_end(end: TopEnd) -> scan::TopEnd {
    match end {
        TopEnd::Exhausted => scan::TopEnd::Exhausted,
        TopEnd::Full => scan::TopEnd::Full,
        TopEnd::FullOfFew => scan::TopEnd::FullOfFew,
        TopEnd::Short => scan::TopEnd::Short,
    }
}

pub(super) fn top_facts(facts: TopFacts) -> scan::TopFacts {
    let (last_key, last_series, last_block, last_row) = facts.last;
    scan::TopFacts {
        rows: facts.rows,
        last_key,
        last_series,
        last_block,
        last_row,
        opened: facts.opened,
        without_match: facts.without_match,
        considered: facts.considered,
        selected: facts.selected,
    }
}

pub(super) fn column_facts(facts: ColumnFacts) -> scan::ColumnFacts {
    let kinds = facts.kinds.iter().map(|kind| kind.code());
    scan::ColumnFacts {
        rows: facts.rows,
        kinds: kinds.collect(),
        size_bytes: facts.size_bytes,
        longest_bytes: facts.longest_bytes,
    }
}

/// A column by value; one of no rows where there is none.
pub(super) fn column(column: Option<&Column>) -> scan::Column {
    let Some(column) = column else {
        return scan::Column {
            kind: ColumnType::scalar(ValueType::Int).code(),
            rows: 0,
            presence: None,
            ends: None,
            values: scan::Values::Ints(Vec::new()),
        };
    };
    scan::Column {
        kind: column.kind().code(),
        // Columns of the host have no more.
        rows: u32::try_from(column.rows()).unwrap_or(u32::MAX),
        presence: column.presence().map(|bits| bits.words().to_vec()),
        ends: column.ends().map(<[u32]>::to_vec),
        values: match column.values() {
            Values::Int(values) => scan::Values::Ints(values.clone()),
            Values::Float(values) => scan::Values::Floats(values.clone()),
            Values::Bool(values) => {
                scan::Values::Bools(values.iter().map(|value| u8::from(*value)).collect())
            }
            Values::Bytes(strings) => scan::Values::ByteStrings(scan::ByteStrings {
                ends: strings.ends().to_vec(),
                bytes: strings.bytes().to_vec(),
            }),
        },
    }
}

/// A shared dictionary as it was written.
pub(super) fn finished_dictionary(finished: host::FinishedDictionary) -> scan::FinishedDictionary {
    scan::FinishedDictionary {
        entries: finished.entries,
        extent: extent(finished.extent),
        postings: finished.postings.into_iter().map(extent).collect(),
    }
}

pub(super) fn piece(piece: Piece) -> scan::Piece {
    scan::Piece {
        rows: piece.rows,
        present: piece.present,
        extent: extent(piece.extent),
        membership: piece.membership.map(extent),
        limits: value_range(piece.limits),
    }
}

fn value_range(range: ValueRange) -> scan::ValueRange {
    match range {
        ValueRange::None => scan::ValueRange::None,
        ValueRange::Int { min, max } => scan::ValueRange::Ints((min, max)),
        ValueRange::Float { min, max, nan } => {
            scan::ValueRange::Floats(scan::FloatLimits { min, max, nan })
        }
        ValueRange::Bool { min, max } => scan::ValueRange::Bools((min, max)),
        ValueRange::Bytes { min, max } => {
            scan::ValueRange::ByteStrings(scan::BytesLimits { min, max })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_crosses_and_comes_back() {
        for kind in [
            ErrorKind::InvalidArgument,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::Corrupt,
            ErrorKind::ResourceExhausted,
            ErrorKind::LimitExceeded,
            ErrorKind::DeadlineExceeded,
            ErrorKind::Cancelled,
            ErrorKind::Io,
            ErrorKind::UnsupportedVersion,
            ErrorKind::Other,
        ] {
            let error = Error::new(kind, "text");
            assert_eq!(from_wit_error(to_wit_error(error.clone())), error);
        }
    }
}
