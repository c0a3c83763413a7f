//! A batch as a part in memory: sorted, cut into blocks, and written column by column by the host.

use super::{Checked, sorted_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::part::cut;
use crate::part::layout::part_label;
use crate::part::{Longest, TagColumn};
use crate::part::{MemoryPartWriter, Part};
use std::sync::Arc;

/// Sorts a batch and writes it as a part in the memory of the host.
pub(crate) fn write<H: Host>(
    host: &Arc<H>,
    number: u64,
    first_id: u64,
    batch: &Checked<H::Columns>,
) -> Result<Part<H>> {
    let mut columns: Vec<(TagColumn, u32)> = batch
        .names
        .iter()
        .zip(&batch.kinds)
        .zip(1u32..)
        .map(|((name, kind), column)| {
            (
                TagColumn {
                    name: name.clone(),
                    kind: *kind,
                },
                column,
            )
        })
        .collect();
    columns.sort_unstable();
    // Payloads come first.
    let (columns, mut order): (Vec<TagColumn>, Vec<u32>) = columns.into_iter().unzip();
    order.insert(0, 0);
    let mut writer = MemoryPartWriter::new(host, number, columns)?;
    let rows = sorted_rows(&batch.series, &batch.keys);
    let lengths = payload_lengths(&**host, batch)?;
    let mut left = rows.as_slice();
    while !left.is_empty() {
        let of_left = left.iter().take(lengths.len());
        let of_left = of_left.map(|row| lengths.get(*row as usize).copied().unwrap_or(0));
        let count = cut::rows_of_block(left.len(), batch.longest_tag_bytes, of_left);
        let (block, rest) = left.split_at(count);
        let pick = |row: &u32| batch.series.get(*row as usize).copied().unwrap_or(0);
        let series: Vec<u64> = block.iter().map(pick).collect();
        let pick = |row: &u32| batch.keys.get(*row as usize).copied().unwrap_or(0);
        let keys: Vec<i64> = block.iter().map(pick).collect();
        let pieces = host.write_block(writer.file(), &keys, &batch.columns, &order, block)?;
        writer.block(&series, &keys, pieces)?;
        left = rest;
    }
    let last_id = first_id + (rows.len() as u64).saturating_sub(1);
    let longest = Longest {
        payload_bytes: batch.longest_payload_bytes,
        tag_bytes: batch.longest_tag_bytes,
    };
    writer
        .finish((first_id, last_id), longest, &batch.labels)
        .map_err(|error| error.at(part_label(number)))
}

/// The lengths of all payloads, or nothing when every block of the batch fits anyway.
fn payload_lengths<H: Host>(host: &H, batch: &Checked<H::Columns>) -> Result<Vec<u32>> {
    let rows = batch.keys.len();
    if !cut::lengths_matter(batch.longest_payload_bytes, rows) {
        return Ok(Vec::new());
    }
    let lengths = host.column_lengths(&batch.columns, 0);
    if lengths.len() != rows {
        let told = lengths.len();
        return Err(Error::new(
            ErrorKind::Other,
            format!("the host tells the lengths of {told} payloads of {rows}"),
        ));
    }
    Ok(lengths)
}
