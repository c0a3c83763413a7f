//! Batches of workload W1.

use sidx_host::Batch;
pub use sidx_w1::{Columns, Generator, Row, peer};

/// Rows `first` to `first + count` as one batch.
///
/// # Errors
/// None that this workload can bring about; passed on from the library.
pub fn batch(generator: &Generator, first: u64, count: u64) -> anyhow::Result<Batch> {
    let Columns {
        series,
        keys,
        payloads,
        tags,
    } = Columns::of(generator, first..first + count)?;
    Ok(Batch::from_columns(series, keys, payloads, tags)?)
}
