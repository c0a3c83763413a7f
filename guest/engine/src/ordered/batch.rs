//! A batch on its way in: what is accepted, its entry in the log, and the order of its rows.

pub(crate) mod part;

use super::labels::{Labels, label_conflict, series_id};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::part::column::PAYLOAD;
use crate::part::facet::NewBatch;
use crate::part::layout::{BLOCK_PAYLOAD_BYTES, block_rows_max};
use crate::types::{Batch, Durability};
use crate::wire::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};
use sidx_columns::{Bitmap, ColumnType};
use std::collections::BTreeMap;

/// Longest payload, bytes.
pub const PAYLOAD_BYTES_MAX: u32 = 16 << 20;
/// Longest value of a tag, bytes; of an array all its elements together.
pub const TAG_BYTES_MAX: u32 = 16 << 20;
/// Longest tag name, bytes.
pub const TAG_NAME_BYTES_MAX: usize = 255;
/// Most distinct tag names in a batch.
pub const TAGS_MAX: usize = 1_024;
/// Most raw bytes in a batch: series, keys, payloads, tags and labels.
pub const BATCH_BYTES_MAX: u64 = 64 << 20;
/// Most pages that the rows of a batch may make.
pub const BATCH_PAGES_MAX: u64 = 1 << 18;
/// Longest series label, bytes.
pub const LABEL_BYTES_MAX: usize = 64 << 10;

/// Versions of the header of log entries: of a batch, and of one by which rows died.
const HEADER_VERSION: u8 = 1;
const HEADER_WITH_DEATHS: u8 = 2;

/// A batch that passed all checks that need no knowledge of the index.
pub(crate) struct Checked<C> {
    pub(crate) labels: Labels,
    pub(crate) series: Vec<u64>,
    pub(crate) keys: Vec<i64>,
    pub(crate) columns: C,
    pub(crate) names: Vec<String>,
    /// Type of each tag column, parallel to `names`.
    pub(crate) kinds: Vec<ColumnType>,
    pub(crate) longest_payload_bytes: u32,
    /// The longest value of any tag.
    pub(crate) longest_tag_bytes: u32,
    /// Raw bytes of everything in the batch.
    pub(crate) size_bytes: u64,
    pub(crate) durability: Durability,
}

impl<C> Checked<C> {
    /// The batch as facets see it; its first row has an arrival number.
    pub(crate) fn of_facets<H: Host<Columns = C>>(&self, first_arrival: u64) -> NewBatch<'_, H> {
        NewBatch {
            columns: &self.columns,
            labels: &self.labels,
            first_arrival,
            rows: self.keys.len() as u32,
        }
    }
}

/// Checks a batch whole; nothing of it is used when anything is wrong.
pub(crate) fn check<H: Host>(host: &H, batch: Batch<H::Columns>) -> Result<Checked<H::Columns>> {
    let rows = batch.keys.len();
    if rows == 0 {
        return Err(Error::invalid("the batch is empty; write at least one row"));
    }
    let facts = host.column_facts(&batch.columns)?;
    if batch.series.len() != rows || facts.rows as usize != rows {
        return Err(Error::invalid(format!(
            "the batch has {} series, {rows} keys and columns of {} rows; all must be equal",
            batch.series.len(),
            facts.rows
        )));
    }
    check_names(&batch.names)?;
    let tag_kinds = check_kinds(&facts.kinds, &batch.names)?;
    let (longest, longest_tag_bytes) = check_lengths(&facts.longest_bytes, &batch.names)?;
    let labels = check_labels(&batch.labels)?;
    let label_bytes: u64 = labels.values().map(|label| label.len() as u64).sum();
    let size = facts.size_bytes + 16 * rows as u64 + label_bytes;
    if size > BATCH_BYTES_MAX {
        return Err(Error::invalid(format!(
            "the batch holds {size} bytes, the limit is {BATCH_BYTES_MAX} bytes (64 MiB); split it"
        )));
    }
    check_pages(rows, size, tag_kinds.len(), longest_tag_bytes)?;
    check_single_types(host, &batch, &tag_kinds)?;
    Ok(Checked {
        labels,
        series: batch.series,
        keys: batch.keys,
        columns: batch.columns,
        names: batch.names,
        kinds: tag_kinds,
        longest_payload_bytes: longest,
        longest_tag_bytes,
        size_bytes: size,
        durability: batch.durability,
    })
}

/// Checks the longest values of the columns; returns those of payloads and of tags.
fn check_lengths(longest_bytes: &[u32], names: &[String]) -> Result<(u32, u32)> {
    let payload = longest_bytes.first().copied().unwrap_or(0);
    if payload > PAYLOAD_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a payload of {payload} bytes exceeds the limit of {PAYLOAD_BYTES_MAX} bytes (16 MiB); \
             store it elsewhere and index a reference"
        )));
    }
    let tags = || names.iter().zip(longest_bytes.iter().skip(1));
    if let Some((name, bytes)) = tags().find(|(_, bytes)| **bytes > TAG_BYTES_MAX) {
        return Err(Error::invalid(format!(
            "tag {name:?} has a value of {bytes} bytes, the limit is {TAG_BYTES_MAX} bytes (16 MiB)"
        )));
    }
    Ok((payload, tags().map(|(_, bytes)| *bytes).max().unwrap_or(0)))
}

/// Refuses a batch whose blocks would have more pages than a part in memory can tell of: a long value makes
/// blocks of few rows, each with a page for every column.
fn check_pages(rows: usize, size_bytes: u64, tags: usize, longest_tag_bytes: u32) -> Result<()> {
    let by_rows = rows.div_ceil(block_rows_max(longest_tag_bytes)) as u64;
    let blocks = by_rows.saturating_add(size_bytes / BLOCK_PAYLOAD_BYTES);
    let pages = blocks.saturating_mul(tags as u64 + 2);
    if pages <= BATCH_PAGES_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the batch would make {pages} pages, the limit is {BATCH_PAGES_MAX}: it has {rows} rows with {tags} \
         tags, and the longest value has {longest_tag_bytes} bytes; write rows with such values in a batch of \
         their own, or split it"
    )))
}

fn check_names(names: &[String]) -> Result<()> {
    for name in names {
        if name.is_empty() {
            return Err(Error::invalid(
                "a tag name is empty; names have 1 to 255 bytes",
            ));
        }
        if name.len() > TAG_NAME_BYTES_MAX {
            let start: String = name.chars().take(32).collect();
            return Err(Error::invalid(format!(
                "tag name \"{start}...\" has {} bytes, the limit is {TAG_NAME_BYTES_MAX}",
                name.len()
            )));
        }
    }
    let mut distinct: Vec<&str> = names.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() > TAGS_MAX {
        return Err(Error::invalid(format!(
            "the batch has {} tags, the limit is {TAGS_MAX}",
            distinct.len()
        )));
    }
    Ok(())
}

/// Checks the column types and returns those of the tags.
fn check_kinds(kinds: &[ColumnType], names: &[String]) -> Result<Vec<ColumnType>> {
    let Some((first, tags)) = kinds.split_first() else {
        return Err(Error::invalid("the batch lacks column 0, the payloads"));
    };
    if *first != PAYLOAD {
        return Err(Error::invalid(format!(
            "column 0 is {first}, payloads are bytes"
        )));
    }
    if tags.len() != names.len() {
        return Err(Error::invalid(format!(
            "the batch has {} tag names and {} tag columns",
            names.len(),
            tags.len()
        )));
    }
    let mut seen: Vec<(&str, ColumnType)> = names
        .iter()
        .map(String::as_str)
        .zip(tags.iter().copied())
        .collect();
    seen.sort_unstable();
    for pair in seen.windows(2) {
        if let [one, two] = pair
            && one == two
        {
            return Err(Error::invalid(format!(
                "tag {:?} is given twice as {}; a row has each tag once",
                one.0, one.1
            )));
        }
    }
    Ok(tags.to_vec())
}

/// Refuses rows that have one tag in two types, and rows without a payload.
fn check_single_types<H: Host>(
    host: &H,
    batch: &Batch<H::Columns>,
    kinds: &[ColumnType],
) -> Result<()> {
    let mut by_name: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (column, (name, _)) in (1u32..).zip(batch.names.iter().zip(kinds)) {
        by_name.entry(name).or_default().push(column);
    }
    for (name, columns) in by_name {
        if columns.len() < 2 {
            continue;
        }
        let read = columns
            .iter()
            .map(|column| host.column_presence(&batch.columns, *column, batch.keys.len()));
        let read = read.collect::<Result<Vec<_>>>()?;
        let is_present = |presence: &&Option<Bitmap>, row: usize| {
            presence.as_ref().is_none_or(|bits| bits.get(row))
        };
        for row in 0..batch.keys.len() {
            if read.iter().filter(|one| is_present(one, row)).count() > 1 {
                return Err(Error::invalid(format!(
                    "row {row} has tag {name:?} in two types; a row has each tag once"
                )));
            }
        }
    }
    Ok(())
}

fn check_labels(labels: &[String]) -> Result<BTreeMap<u64, String>> {
    let mut by_id = BTreeMap::new();
    for label in labels {
        if label.len() > LABEL_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a series label has {} bytes, the limit is {LABEL_BYTES_MAX}",
                label.len()
            )));
        }
        let id = series_id(label);
        if let Some(other) = by_id.insert(id, label.clone())
            && other != *label
        {
            return Err(label_conflict(id, &other, label));
        }
    }
    Ok(by_id)
}

/// The order of rows by (series, key), equal ones as they came.
pub(crate) fn sorted_rows(series: &[u64], keys: &[i64]) -> Vec<u32> {
    let mut rows: Vec<(u64, i64, u32)> = series
        .iter()
        .zip(keys)
        .zip(0u32..)
        .map(|((series, key), row)| (*series, *key, row))
        .collect();
    if !rows.is_sorted() {
        rows.sort_unstable();
    }
    rows.into_iter().map(|(_, _, row)| row).collect()
}

/// What the header of a log entry has behind its version. The series follow as 8 bytes each, then the keys.
#[derive(Serialize, Deserialize)]
struct Front<L, N> {
    first_id: u64,
    labels: L,
    names: N,
    rows: usize,
}

/// The header of the log entry of a batch whose first element id is `first_id`, and by which the rows with
/// these arrival numbers, ascending, died.
pub(crate) fn write_header<C>(batch: &Checked<C>, first_id: u64, died: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.keys.len() * 12 + 64);
    let front = Front {
        first_id,
        labels: Sequence(batch.labels.values()),
        names: Sequence(batch.names.iter()),
        rows: batch.keys.len(),
    };
    match died.is_empty() {
        true => wire::append(&(HEADER_VERSION, front), &mut out),
        false => {
            let before = [0].iter().chain(died);
            let steps: Vec<u64> = died
                .iter()
                .zip(before)
                .map(|(it, before)| it - before)
                .collect();
            wire::append(&(HEADER_WITH_DEATHS, front, steps), &mut out);
        }
    }
    // By hand: as fields they would take the header of a large batch twice the time.
    for series in &batch.series {
        out.extend_from_slice(&series.to_le_bytes());
    }
    for key in &batch.keys {
        wire::append(key, &mut out);
    }
    out
}

/// A batch as the log has it.
pub(crate) struct Logged<C> {
    /// The element id of its first row.
    pub(crate) first_id: u64,
    /// To be checked again like any other.
    pub(crate) batch: Batch<C>,
    /// The arrival numbers of the rows that died by it, ascending.
    pub(crate) died: Vec<u64>,
}

/// Reads a log entry back.
pub(crate) fn read_header<C>(header: &[u8], columns: C) -> Result<Logged<C>> {
    let mut reader = Reader::new(header, "log entry");
    let version: u8 = reader.read()?;
    if !matches!(version, HEADER_VERSION | HEADER_WITH_DEATHS) {
        return Err(reader.fault(&format!("header version {version}")));
    }
    let front: Front<Vec<String>, Vec<String>> = reader.read()?;
    let steps: Vec<u64> = match version {
        HEADER_VERSION => Vec::new(),
        _ => reader.read()?,
    };
    let mut died = Vec::with_capacity(steps.len());
    for step in steps {
        let next = match died.last() {
            None => Some(step),
            Some(last) => step.checked_add(*last).filter(|_| step > 0),
        };
        died.push(next.ok_or_else(|| reader.fault("dead rows out of order"))?);
    }
    let (series, _) = reader.take(front.rows.saturating_mul(8))?.as_chunks::<8>();
    let series: Vec<u64> = series.iter().copied().map(u64::from_le_bytes).collect();
    let keys = (0..series.len())
        .map(|_| reader.read())
        .collect::<Result<Vec<i64>>>()?;
    reader.finish()?;
    let batch = Batch {
        labels: front.labels,
        series,
        keys,
        columns,
        names: front.names,
        durability: Durability::Os,
    };
    Ok(Logged {
        first_id: front.first_id,
        batch,
        died,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_returns() {
        let labels = ["UA", ""].map(|label| (series_id(label), label.to_owned()));
        let checked = Checked {
            labels: labels.into_iter().collect(),
            series: vec![3, u64::MAX],
            keys: vec![i64::MIN, i64::MAX],
            columns: (),
            names: vec!["a".into(), "../x".into()],
            kinds: Vec::new(),
            longest_payload_bytes: 0,
            longest_tag_bytes: 0,
            size_bytes: 0,
            durability: Durability::Sync,
        };
        let bytes = write_header(&checked, 77, &[]);
        let Logged {
            first_id, batch, ..
        } = read_header(&bytes, ()).unwrap();
        assert_eq!(first_id, 77);
        for died in [vec![], vec![0], vec![7, 8, u64::MAX]] {
            let bytes = write_header(&checked, 77, &died);
            assert_eq!(read_header(&bytes, ()).unwrap().died, died);
            for cut in 0..bytes.len() {
                assert!(read_header(&bytes[..cut], ()).is_err());
            }
        }
        assert!(read_header(&write_header(&checked, 77, &[7, 7]), ()).is_err());
        assert_eq!(batch.series, checked.series);
        assert_eq!(batch.keys, checked.keys);
        assert_eq!(batch.names, checked.names);
        let found: BTreeMap<u64, String> = batch
            .labels
            .into_iter()
            .map(|label| (series_id(&label), label))
            .collect();
        assert_eq!(found, checked.labels);
        for cut in 0..bytes.len() {
            assert!(read_header(&bytes[..cut], ()).is_err());
        }
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = read_header(&damaged, ());
        }
    }

    #[test]
    fn order_is_stable() {
        let rows = sorted_rows(&[2, 1, 2, 1, 1], &[5, 9, 5, -9, 9]);
        assert_eq!(rows, [3, 1, 4, 0, 2]);
    }
}
