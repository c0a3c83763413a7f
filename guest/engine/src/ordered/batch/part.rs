//! A batch as a part in memory: sorted, cut into blocks, and written column by column by the host.

use super::{Checked, sorted_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::part::arrival;
use crate::part::block::Ordinal;
use crate::part::cut;
use crate::part::facet::{FacetWriters, Facets, Origin};
use crate::part::layout::part_label;
use crate::part::{Longest, TagColumn};
use crate::part::{MemoryPartWriter, Part};
use std::sync::Arc;

/// Sorts a batch and writes it as a part in the memory of the host.
pub(crate) fn write<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
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
    let keeps_arrivals = facets.keep_arrivals();
    let columns = match keeps_arrivals {
        true => { [arrival::column()].into_iter() }.chain(columns).collect(),
        false => columns,
    };
    let origin = |_| Origin::Batch(batch.of_facets(first_id));
    let facets = FacetWriters::begin(&**host, facets, origin)?;
    let mut writer = MemoryPartWriter::new(host, number, columns, facets)?;
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
        let mut pieces = host.write_block(writer.file(), &keys, &batch.columns, &order, block)?;
        if keeps_arrivals {
            let arrival = |row: &u32| arrival::value(first_id + u64::from(*row));
            let arrivals: Vec<i64> = block.iter().map(arrival).collect();
            let piece = host.encode_ints(writer.file(), &arrivals)?;
            // Its name comes before those of all tags.
            pieces.insert(pieces.len().min(2), piece);
        }
        let source = |row: usize| Some((0, Ordinal::new(u64::from(*block.get(row)?))));
        writer.block(&series, &keys, pieces, &source)?;
        left = rest;
    }
    let last_id = first_id + (rows.len() as u64).saturating_sub(1);
    let longest = Longest {
        payload_bytes: batch.longest_payload_bytes,
        tag_bytes: batch.longest_tag_bytes,
    };
    writer
        .finish((first_id, last_id), longest)
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
