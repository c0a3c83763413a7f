//! Writing rows.

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_command::database::{Pieces, Result};
use sidx_engine::{BATCH_BYTES_MAX, Durability, ErrorKind, Pressure};

use crate::bindings::{index, scan, session};
use crate::error::{invalid, of_engine, other};
use crate::opened::Opened;

/// Rows that were looked at, and may be written.
pub(crate) struct Batch(Pieces);

impl Batch {
    /// Checks that pieces belong together, and are not too much.
    pub(crate) fn new(pieces: Pieces) -> Result<Self> {
        let rows = pieces.keys.len();
        let check = |what: &str, found: usize| match found == rows {
            true => Ok(()),
            false => Err(invalid(format!(
                "{what}: {found} rows, but there are {rows} keys"
            ))),
        };
        let payloads = &pieces.payloads;
        check("series", pieces.series.len())?;
        check("payloads", payloads.rows())?;
        for (name, column) in &pieces.tags {
            check(&format!("tag `{name}`"), column.rows())?;
        }
        let kind = payloads.kind();
        if kind != ColumnType::scalar(ValueType::Bytes) {
            return Err(invalid(format!(
                "payloads: the column is of type {kind}, not bytes"
            )));
        }
        if payloads.present_count() != rows {
            let text = "payloads: absent in some rows; an empty payload is no bytes, not absent";
            return Err(invalid(text));
        }
        Ok(Self(pieces))
    }

    /// Bytes that it takes with keys and series.
    fn size_bytes(&self) -> u64 {
        let tags = self.0.tags.iter().map(|(_, column)| column.size_bytes());
        let columns = tags.fold(self.0.payloads.size_bytes(), usize::saturating_add);
        (columns as u64).saturating_add(16 * self.0.keys.len() as u64)
    }
}

impl Opened {
    /// Adds the rows of a batch, all or none. On return they are as durable as was asked for.
    pub(crate) fn write(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.check_writable()?;
        let size_bytes = batch.size_bytes();
        if size_bytes > BATCH_BYTES_MAX {
            return Err(invalid(format!(
                "the batch holds {size_bytes} bytes, the limit is {BATCH_BYTES_MAX} bytes (64 MiB); split it"
            )));
        }
        let memory_bytes = match self.append(batch.0, durability) {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                // So that the next one may find room.
                self.flush_in_passing("a flush to make room failed");
                return Err(error);
            }
            written => written?,
        };
        self.flush_if_due(memory_bytes);
        Ok(())
    }

    /// Writes, and returns the bytes in memory.
    fn append(&self, pieces: Pieces, durability: Durability) -> Result<u64> {
        let (names, tags): (Vec<String>, Vec<Column>) = pieces.tags.into_iter().unzip();
        let columns = std::iter::once(pieces.payloads).chain(tags);
        let columns: Vec<scan::Column> = columns.map(column).collect();
        let batch = index::Batch {
            labels: pieces.labels,
            series: pieces.series,
            keys: pieces.keys,
            columns: session::make_columns(&columns).map_err(of_engine)?,
            names,
            durability: match durability {
                Durability::Sync => index::Durability::Sync,
                Durability::Os => index::Durability::Os,
                Durability::None => index::Durability::None,
            },
        };
        drop(columns);
        let written = index::write(vec![batch]).map_err(|error| self.fail(of_engine(error)))?;
        self.publish(&written.view);
        self.pressure.set(match written.pressure {
            index::Pressure::None => Pressure::None,
            index::Pressure::Moderate => Pressure::Moderate,
            index::Pressure::Severe => Pressure::Severe,
            index::Pressure::Critical => Pressure::Critical,
        });
        match written.receipts.into_iter().next() {
            Some(Ok(_)) => Ok(written.memory_bytes),
            Some(Err(error)) => Err(of_engine(error)),
            None => Err(self.fail(other("the engine returned no receipt for a batch"))),
        }
    }
}

/// A column as the adapter takes it.
fn column(column: Column) -> scan::Column {
    scan::Column {
        kind: column.kind().code(),
        // A batch has far fewer rows.
        rows: u32::try_from(column.rows()).unwrap_or(u32::MAX),
        presence: column.presence().map(|present| present.words().to_vec()),
        ends: column.ends().map(<[u32]>::to_vec),
        values: match column.into_values() {
            Values::Int(values) => scan::Values::Ints(values),
            Values::Float(values) => scan::Values::Floats(values),
            Values::Bool(values) => scan::Values::Bools(values.into_iter().map(u8::from).collect()),
            Values::Bytes(strings) => scan::Values::ByteStrings(scan::ByteStrings {
                ends: strings.ends().to_vec(),
                bytes: strings.bytes().to_vec(),
            }),
        },
    }
}
