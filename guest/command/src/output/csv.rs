//! CSV: a header, then one record per row.

use std::io::{self, Write};

use ::csv::{Terminator, Writer, WriterBuilder};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sidx_columns::Value;

use super::{Page, RowWriter, Shape, TagColumns, write_float, write_timestamp};

/// Writes CSV.
pub(crate) struct CsvRows {
    shape: Shape,
    header_written: bool,
    cell: Vec<u8>,
}

impl CsvRows {
    /// A writer of rows of a shape; the header has its tags.
    pub(crate) fn new(shape: Shape) -> CsvRows {
        CsvRows {
            shape,
            header_written: false,
            cell: Vec::new(),
        }
    }

    fn write_header(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.header_written, true) {
            return Ok(());
        }
        let mut csv = csv_writer(out);
        for column in self.shape.columns() {
            csv.write_field(column.as_bytes())?;
        }
        csv.write_record(None::<&[u8]>)?;
        csv.flush()
    }
}

impl RowWriter for CsvRows {
    fn write(&mut self, page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.write_header(out)?;
        let tags = TagColumns::new(&self.shape, page);
        let mut csv = csv_writer(out);
        let cell = &mut self.cell;
        for row in 0..page.len() {
            cell.clear();
            match page.series(row) {
                Ok(label) => cell.extend_from_slice(label.as_bytes()),
                Err(id) => write!(cell, "{id}")?,
            }
            csv.write_field(&*cell)?;
            cell.clear();
            write!(cell, "{}", page.key(row))?;
            csv.write_field(&*cell)?;
            for value in tags.values(row) {
                cell.clear();
                if let Some(value) = value {
                    write_text(value, cell)?;
                }
                csv.write_field(&*cell)?;
            }
            if self.shape.with_payload {
                cell.clear();
                write_payload(page.payload(row), cell)?;
                csv.write_field(&*cell)?;
            }
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()
    }

    fn finish(&mut self, _whole: bool, out: &mut dyn Write) -> io::Result<()> {
        self.write_header(out)
    }
}

fn csv_writer(out: &mut dyn Write) -> Writer<&mut dyn Write> {
    WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .from_writer(out)
}

/// A value as `sidx ingest --format csv` reads it when it is told the type.
pub(super) fn write_text(value: Value<'_>, out: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::String(text) => out.write_all(text.as_bytes()),
        Value::Int(value) => write!(out, "{value}"),
        Value::Float(value) => write_float(value, out),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Bytes(bytes) => write!(out, "{}", Base64Display::new(bytes, &STANDARD)),
        Value::Timestamp(value) => write_timestamp(value, out),
        Value::Array(array) => super::ndjson::write_array(&array, out),
    }
}

/// A payload as it is. CSV readers expect text: bytes that are not are marked and in base64.
pub(super) fn write_payload(payload: &[u8], out: &mut dyn Write) -> io::Result<()> {
    match std::str::from_utf8(payload) {
        Ok(text) => out.write_all(text.as_bytes()),
        Err(_) => write!(out, "base64:{}", Base64Display::new(payload, &STANDARD)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::{ColumnBuilder, OwnedValue, ValueType};

    fn written(value: &OwnedValue) -> String {
        let mut column = ColumnBuilder::new(value.kind());
        column.push_value(value).unwrap();
        let column = column.finish();
        let mut out = Vec::new();
        write_text(column.value(0).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_what_ingest_reads() {
        assert_eq!(written(&"a,b".into()), "a,b");
        assert_eq!(written(&1.0.into()), "1.0");
        assert_eq!(written(&f64::NAN.into()), "NaN");
        assert_eq!(written(&vec![0u8].into()), "AA==");
        assert_eq!(written(&OwnedValue::Timestamp(0)), "1970-01-01T00:00:00Z");
        let words = vec![OwnedValue::from("a"), OwnedValue::from("b\"")];
        assert_eq!(
            written(&OwnedValue::Array(ValueType::String, words)),
            r#"["a","b\""]"#
        );
    }

    #[test]
    fn the_header_stands_alone_when_there_is_no_row() {
        let tags = vec![String::from("a"), String::from("b,c")];
        let shape = Shape {
            tags,
            with_tags: true,
            with_payload: true,
        };
        let mut out = Vec::new();
        CsvRows::new(shape).finish(true, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "series,key,a,\"b,c\",payload\n"
        );
    }
}
