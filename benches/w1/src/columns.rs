//! The rows as columns, the form in which a store of columns takes them.

use std::ops::Range;

use sidx_columns::{Column, ColumnBuilder, ColumnError, ColumnType, ValueType};

use crate::rows::{Generator, Row};

/// Rows as columns of equal length.
pub struct Columns {
    /// The series of each row.
    pub series: Vec<u64>,
    /// The key of each row.
    pub keys: Vec<i64>,
    /// The payload of each row.
    pub payloads: Column,
    /// The tags with their names: endpoint, status, method, start and peer.
    pub tags: Vec<(String, Column)>,
}

impl Columns {
    /// Rows with these numbers.
    ///
    /// # Errors
    /// None that this workload can bring about; passed on from the builder of columns.
    pub fn of(generator: &Generator, numbers: Range<u64>) -> Result<Self, ColumnError> {
        let rows: Vec<Row> = numbers.map(|number| generator.row(number)).collect();
        Self::of_rows(&rows)
    }

    /// Rows that were made before: what a program does that has its data in structs.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_rows(rows: &[Row]) -> Result<Self, ColumnError> {
        let column = |kind| ColumnBuilder::with_capacity(ColumnType::scalar(kind), rows.len());
        let mut payloads = column(ValueType::Bytes);
        let (mut endpoints, mut methods) = (column(ValueType::String), column(ValueType::String));
        let (mut statuses, mut starts) = (column(ValueType::Int), column(ValueType::Int));
        let mut peers = column(ValueType::String);
        let (mut series, mut keys) = (
            Vec::with_capacity(rows.len()),
            Vec::with_capacity(rows.len()),
        );
        let mut endpoint = String::new();
        for row in rows {
            series.push(row.series);
            keys.push(row.key);
            payloads.push_bytes(&row.payload)?;
            Generator::write_endpoint(row.endpoint, &mut endpoint);
            endpoints.push_string(&endpoint)?;
            statuses.push_int(row.status)?;
            methods.push_string(row.method)?;
            starts.push_int(row.start)?;
            peers.push_string(&row.peer)?;
        }
        let tags = [
            ("endpoint", endpoints),
            ("status", statuses),
            ("method", methods),
            ("start", starts),
            ("peer", peers),
        ];
        Ok(Self {
            series,
            keys,
            payloads: payloads.finish(),
            tags: tags
                .map(|(name, column)| (name.to_owned(), column.finish()))
                .into(),
        })
    }
}
