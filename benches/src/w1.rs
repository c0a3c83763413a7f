//! Batches of workload W1.

use std::error::Error;

use sidx_host::{Batch, ColumnBuilder, ColumnType, ValueType};
pub use sidx_w1::{Generator, Row, peer};

/// Rows `first` to `first + count` as one batch.
///
/// # Errors
/// None that this workload can bring about; passed on from the library.
pub fn batch(generator: &Generator, first: u64, count: u64) -> Result<Batch, Box<dyn Error>> {
    let scalar = ColumnType::scalar;
    let rows = count as usize;
    let column = |kind| ColumnBuilder::with_capacity(scalar(kind), rows);
    let mut payloads = column(ValueType::Bytes);
    let (mut endpoints, mut methods) = (column(ValueType::String), column(ValueType::String));
    let (mut statuses, mut starts) = (column(ValueType::Int), column(ValueType::Int));
    let mut peers = column(ValueType::String);
    let (mut series, mut keys) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for i in first..first + count {
        let row = generator.row(i);
        series.push(row.series);
        keys.push(row.key);
        payloads.push_bytes(&row.payload)?;
        endpoints.push_string(&Generator::endpoint(row.endpoint))?;
        statuses.push_int(row.status)?;
        methods.push_string(row.method)?;
        starts.push_int(row.start)?;
        peers.push_string(&row.peer)?;
    }
    let tags = vec![
        ("endpoint".to_owned(), endpoints.finish()),
        ("status".to_owned(), statuses.finish()),
        ("method".to_owned(), methods.finish()),
        ("start".to_owned(), starts.finish()),
        ("peer".to_owned(), peers.finish()),
    ];
    Ok(Batch::from_columns(series, keys, payloads.finish(), tags)?)
}
