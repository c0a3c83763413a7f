//! Rows on their way out, in one of three formats.

mod csv;
mod ndjson;
pub(crate) mod number;
mod table;

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use sidx_host::Rows;
use sidx_kernels::{Column, Value};

use crate::arguments::RowFormat;
pub(crate) use csv::CsvRows;
pub(crate) use ndjson::{NdjsonRows, write_row};
pub(crate) use table::{TableRows, cell, grid, numeric, tame, whole_cell};

/// A format of output.
pub(crate) trait RowWriter {
    /// Writes more rows.
    fn write(&mut self, page: &Page<'_>, out: &mut dyn Write) -> io::Result<()>;
    /// Writes what is due after the last row. `whole` unless a failure cut the rows short.
    fn finish(&mut self, whole: bool, out: &mut dyn Write) -> io::Result<()>;
}

/// Some rows of a result with the labels of their series.
pub(crate) struct Page<'r> {
    rows: &'r Rows,
    labels: Vec<Option<Arc<str>>>,
}

impl<'r> Page<'r> {
    /// Looks up the labels of the rows.
    pub(crate) fn new(rows: &'r Rows) -> sidx_host::Result<Page<'r>> {
        let labels = (0..rows.len()).map(|row| rows.label(row));
        Ok(Page {
            labels: labels.collect::<sidx_host::Result<_>>()?,
            rows,
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The label of a row's series, or its id where it has none.
    fn series(&self, row: usize) -> Result<&str, u64> {
        let label = self.labels.get(row).and_then(Option::as_deref);
        label.ok_or_else(|| self.rows.series().get(row).copied().unwrap_or_default())
    }

    fn key(&self, row: usize) -> i64 {
        self.rows.keys().get(row).copied().unwrap_or_default()
    }

    fn payload(&self, row: usize) -> &'r [u8] {
        self.rows.payload(row).unwrap_or_default()
    }
}

/// What the rows of a query are made of, known before the first one comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The names of the tags in the order of their columns.
    pub(crate) tags: Vec<String>,
    /// Whether tags were asked for at all.
    pub(crate) with_tags: bool,
    /// Whether payloads were asked for.
    pub(crate) with_payload: bool,
}

/// The writer of a format.
pub(crate) fn writer(format: RowFormat, shape: Shape) -> Box<dyn RowWriter> {
    match format {
        RowFormat::Ndjson => Box::new(NdjsonRows::new(shape)),
        RowFormat::Csv => Box::new(CsvRows::new(shape)),
        RowFormat::Table => Box::new(TableRows::new(shape)),
    }
}

/// The columns of each tag of a shape: one for every type that came under the name.
struct TagColumns<'r>(Vec<Vec<&'r Column>>);

impl<'r> TagColumns<'r> {
    fn new(shape: &Shape, page: &Page<'r>) -> TagColumns<'r> {
        let of = |name: &String| {
            let named = page
                .rows
                .tags()
                .filter(|(found, _)| *found == name.as_str());
            named.map(|(_, column)| column).collect()
        };
        TagColumns(shape.tags.iter().map(of).collect())
    }

    /// The value of each tag in a row. A row has at most one of the types.
    fn values(&self, row: usize) -> impl Iterator<Item = Option<Value<'r>>> + '_ {
        self.0
            .iter()
            .map(move |columns| columns.iter().find_map(|column| column.value(row)))
    }
}

/// Writes a float so that it reads back as the same float and never as an int.
fn write_float(value: f64, out: &mut dyn Write) -> io::Result<()> {
    if value.is_finite() {
        return Ok(serde_json::to_writer(out, &value)?);
    }
    out.write_all(non_finite_name(value).as_bytes())
}

/// The name of a float that JSON has no number for.
fn non_finite_name(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// Writes a timestamp in RFC 3339, with as many digits of the second as it needs.
fn write_timestamp(nanoseconds: i64, out: &mut dyn Write) -> io::Result<()> {
    match Timestamp::from_nanosecond(i128::from(nanoseconds)) {
        Ok(timestamp) => write!(out, "{timestamp}"),
        // Can't be: the calendar reaches further than 64 bits of nanoseconds.
        Err(_) => write!(out, "{nanoseconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_stay_floats_and_read_back() {
        for value in [1.0, -0.0, 0.1, 1e300, 5e-324, f64::MAX, 123456789.125, 1e16] {
            let text = text(|out| write_float(value, out));
            assert!(text.contains(['.', 'e']), "{text}");
            assert_eq!(
                text.parse::<f64>().map(f64::to_bits),
                Ok(value.to_bits()),
                "{text}"
            );
        }
        assert_eq!(text(|out| write_float(f64::NAN, out)), "NaN");
        assert_eq!(text(|out| write_float(f64::NEG_INFINITY, out)), "-inf");
    }

    #[test]
    fn every_timestamp_reads_back() {
        for value in [0, 1, -1, 1_357_034_400_000_000_001, i64::MIN, i64::MAX] {
            let text = text(|out| write_timestamp(value, out));
            let parsed: Timestamp = text.parse().unwrap();
            assert_eq!(parsed.as_nanosecond(), i128::from(value), "{text}");
        }
    }
}
