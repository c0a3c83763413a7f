//! Records of the session as those of the boundary, and back.

use sidx_columns::{Bitmap, ByteStrings, Column, ColumnType, ValueType, Values};
use sidx_engine::host::{
    self, Codec, ColumnFacts, Extent, Medium, Piece, Selected, TopEnd, TopFacts,
};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Order, ValueRange};
use sidx_log::Term;

use crate::bindings::exports::sidx::engine::{files, limits, scan, types};

/// An error for the component.
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

/// A term.
pub(crate) fn term(term: Term) -> types::Term {
    types::Term {
        number: term.number,
        nonce: halves(term.nonce),
    }
}

pub(crate) fn from_term(term: types::Term) -> Term {
    let (high, low) = term.nonce;
    Term {
        number: term.number,
        nonce: u128::from(high) << 64 | u128::from(low),
    }
}

/// The halves of 128 random bits.
pub(crate) fn halves(nonce: u128) -> (u64, u64) {
    ((nonce >> 64) as u64, nonce as u64)
}

pub(crate) fn medium(medium: files::Medium) -> Medium {
    match medium {
        files::Medium::Memory => Medium::Memory,
        files::Medium::Durable => Medium::Durable,
    }
}

pub(crate) fn codec(codec: u32) -> Result<Codec, Error> {
    match codec {
        0 => Ok(Codec::None),
        1 => Ok(Codec::Zstd),
        _ => Err(Error::invalid(format!(
            "codec {codec} is unknown; 0 is none, 1 is zstd"
        ))),
    }
}

pub(crate) fn column_type(code: u8) -> Result<ColumnType, Error> {
    ColumnType::from_code(code)
        .ok_or_else(|| Error::invalid(format!("{code} is not the code of a column type")))
}

pub(crate) fn order(order: scan::Order) -> Order {
    match order {
        scan::Order::Ascending => Order::Ascending,
        scan::Order::Descending => Order::Descending,
    }
}

pub(crate) fn from_extent(extent: &files::Extent) -> Extent {
    Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    }
}

pub(crate) fn extent(extent: Extent) -> files::Extent {
    files::Extent {
        offset: extent.offset,
        stored_bytes: extent.stored_bytes,
        raw_bytes: extent.raw_bytes,
        checksum: extent.checksum,
        codec: extent.codec,
    }
}

pub(crate) fn summary(summary: host::FileSummary) -> files::Summary {
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
pub(crate) fn from_chunk(chunk: &files::Chunk) -> host::Chunk {
    host::Chunk {
        offset: chunk.offset,
        size_bytes: chunk.size_bytes,
    }
}

pub(crate) fn budgets(usage: host::Usage) -> limits::Budgets {
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

pub(crate) fn selected(selected: Selected) -> scan::Selected {
    scan::Selected {
        counts: selected.counts,
        rows: selected.rows,
        keys: selected.keys,
        more: selected.more,
    }
}

pub(crate) fn top_end(end: TopEnd) -> scan::TopEnd {
    match end {
        TopEnd::Exhausted => scan::TopEnd::Exhausted,
        TopEnd::Full => scan::TopEnd::Full,
        TopEnd::FullOfFew => scan::TopEnd::FullOfFew,
        TopEnd::Short => scan::TopEnd::Short,
    }
}

pub(crate) fn top_facts(facts: TopFacts) -> scan::TopFacts {
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

pub(crate) fn column_facts(facts: ColumnFacts) -> scan::ColumnFacts {
    let kinds = facts.kinds.iter().map(|kind| kind.code());
    scan::ColumnFacts {
        rows: facts.rows,
        kinds: kinds.collect(),
        size_bytes: facts.size_bytes,
        longest_bytes: facts.longest_bytes,
    }
}

/// A column by value; one of no rows where there is none.
pub(crate) fn column(column: Option<&Column>) -> scan::Column {
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
pub(crate) fn finished_dictionary(finished: host::FinishedDictionary) -> scan::FinishedDictionary {
    scan::FinishedDictionary {
        entries: finished.entries,
        extent: extent(finished.extent),
        postings: finished.postings.into_iter().map(extent).collect(),
    }
}

pub(crate) fn piece(piece: Piece) -> scan::Piece {
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

/// Those of an instance that serves nothing: nothing is used, and nothing may be.
pub(crate) fn no_budgets() -> limits::Budgets {
    limits::Budgets {
        memory_used_bytes: 0,
        memory_allowed_bytes: 0,
        disk_used_bytes: 0,
        disk_allowed_bytes: 0,
        medium_allowed_bytes: 0,
        medium_minimum_bytes: 0,
        medium_free_files: 0,
    }
}

/// A column by value, of a program.
pub(crate) fn from_column(column: scan::Column) -> Result<Column> {
    let rows = column.rows as usize;
    let wrong = |what: &dyn std::fmt::Display| Error::invalid(format!("a column: {what}"));
    let values = match column.values {
        scan::Values::Ints(values) => Values::Int(values),
        scan::Values::Floats(values) => Values::Float(values),
        scan::Values::Bools(values) => {
            Values::Bool(values.into_iter().map(|value| value != 0).collect())
        }
        scan::Values::ByteStrings(strings) => {
            let strings = ByteStrings::new(strings.ends, strings.bytes);
            Values::Bytes(strings.map_err(|cause| wrong(&cause))?)
        }
    };
    let bits = |words| {
        let text = format!("presence is not {rows} bits long");
        Bitmap::from_words(words, rows).ok_or_else(|| wrong(&text))
    };
    let presence = column.presence.map(bits).transpose()?;
    let kind = column_type(column.kind)?;
    let column = Column::new(kind, rows, presence, column.ends, values);
    column.map_err(|cause| wrong(&cause))
}
