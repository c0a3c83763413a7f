//! Rows on their way out, in one of three formats.

mod csv;
mod ndjson;
pub(crate) mod number;
mod table;

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use sidx_columns::{Column, Value};
use sidx_engine::format_timestamp;

use crate::arguments::RowFormat;
use crate::database::{self, Rows};
pub(crate) use csv::CsvRows;
pub(crate) use ndjson::{NdjsonRows, write_row};
pub(crate) use table::{TableRows, tame, whole_cell};
pub use table::{cell, grid, numeric};

/// A format of output.
pub(crate) trait RowWriter {
    /// Writes more rows.
    fn write(&mut self, page: &Page<'_>, out: &mut dyn Write) -> io::Result<()>;
    /// Writes what is due after the last row. `whole` unless a failure cut the rows short.
    fn finish(&mut self, whole: bool, out: &mut dyn Write) -> io::Result<()>;
}

/// Some rows of a result with the labels of their series.
pub(crate) struct Page<'r> {
    keys: &'r [i64],
    series: &'r [u64],
    labels: Vec<Option<Arc<str>>>,
    payloads: Option<&'r Column>,
    tags: Vec<(&'r str, &'r Column)>,
}

impl<'r> Page<'r> {
    /// Looks up the labels of the rows.
    pub(crate) fn new(rows: &'r impl Rows) -> database::Result<Page<'r>> {
        let keys = rows.keys();
        let labels = (0..keys.len()).map(|row| rows.label(row));
        Ok(Page {
            keys,
            series: rows.series(),
            labels: labels.collect::<database::Result<_>>()?,
            payloads: rows.payloads(),
            tags: rows.tags().collect(),
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The label of a row's series, or its id where it has none, or one without a character, which no
    /// input has.
    fn series(&self, row: usize) -> Result<&str, u64> {
        let label = self.labels.get(row).and_then(Option::as_deref);
        let label = label.filter(|label| !label.is_empty());
        label.ok_or_else(|| self.series.get(row).copied().unwrap_or_default())
    }

    fn key(&self, row: usize) -> i64 {
        self.keys.get(row).copied().unwrap_or_default()
    }

    fn payload(&self, row: usize) -> &'r [u8] {
        match self.payloads.and_then(|payloads| payloads.value(row)) {
            Some(Value::Bytes(payload)) => payload,
            _ => &[],
        }
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

impl Shape {
    /// The names of the columns, each of which is there once. A tag whose name is that of another column, or
    /// begins as below, has `tag:` in front of it: `--tag key=tag:key` reads it back.
    pub(crate) fn columns(&self) -> Vec<Cow<'_, str>> {
        let mut columns = vec![Cow::Borrowed("series"), Cow::Borrowed("key")];
        columns.extend(self.tags.iter().map(|tag| column_of(tag)));
        if self.with_payload {
            columns.push(Cow::Borrowed("payload"));
        }
        columns
    }
}

/// The name of a tag's column, which no other tag has.
fn column_of(tag: &str) -> Cow<'_, str> {
    const TAG: &str = "tag:";
    if matches!(tag, "series" | "key" | "payload") || tag.starts_with(TAG) {
        return Cow::Owned(format!("{TAG}{tag}"));
    }
    Cow::Borrowed(tag)
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
            let tags = page.tags.iter();
            let named = tags.filter(|(found, _)| *found == name.as_str());
            named.map(|(_, column)| *column).collect()
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
    out.write_all(format_timestamp(nanoseconds).as_bytes())
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
    fn every_column_has_a_name_of_its_own() {
        let tags = [
            "a",
            "key",
            "payload",
            "series",
            "tag:",
            "tag:key",
            "tag:tag:key",
            "tags",
        ];
        let shape = Shape {
            tags: tags.map(String::from).to_vec(),
            with_tags: true,
            with_payload: true,
        };
        let columns = shape.columns();
        let expected = [
            "series",
            "key",
            "a",
            "tag:key",
            "tag:payload",
            "tag:series",
            "tag:tag:",
            "tag:tag:key",
            "tag:tag:tag:key",
            "tags",
            "payload",
        ];
        assert_eq!(columns, expected);
    }

    #[test]
    fn every_timestamp_reads_back() {
        for value in [0, 1, -1, 1_357_034_400_000_000_001, i64::MIN, i64::MAX] {
            let text = text(|out| write_timestamp(value, out));
            assert_eq!(sidx_engine::parse_timestamp(&text), Ok(value), "{text}");
        }
    }
}
