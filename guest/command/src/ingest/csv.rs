//! CSV: a header line, then one record per line or more.

mod field;
mod records;

use sidx_columns::{ColumnType, ValueType};

use self::records::Records;
use super::mapping::{Mapping, PayloadSource, SeriesSource, TagSource};
use super::problem::{Problem, Result, excerpt};
use super::reader::{Advance, Kept, RowReader};
use super::rows::Rows;
use super::source::Source;
use super::text;
use crate::moment::Moment;

/// Reads records into rows.
pub(super) struct CsvReader {
    records: Records,
    header: Vec<String>,
    series: Field,
    by_label: bool,
    key: Field,
    skip_missing_key: bool,
    nulls: Vec<String>,
    payload: Option<Payload>,
    tags: Vec<Tag>,
}

/// A field's name and position.
struct Field {
    name: String,
    at: usize,
}

struct Tag {
    name: String,
    kind: ColumnType,
    field: Field,
}

enum Payload {
    Field(Field),
    /// The record as JSON, made in this buffer.
    Row(Vec<u8>),
}

impl CsvReader {
    /// A reader of a source; reads the header and finds the mapped fields in it.
    pub(super) fn new(source: Source, mapping: &Mapping) -> Result<CsvReader> {
        let mut records = Records::new(source);
        let header = match records.advance(None) {
            Ok(Advance::Record(_)) => names(&records),
            Ok(_) => Ok(Vec::new()),
            Err(problem) => Err(problem),
        };
        let header = header.map_err(|problem| problem.in_line(records.first_line()))?;
        let find = |name: &str| field(&header, name);
        let tags = match &mapping.tags {
            TagSource::Object => &[],
            TagSource::Fields(tags) => tags.as_slice(),
        };
        let tags = tags.iter().map(|tag| {
            let kind = tag.kind.unwrap_or(ColumnType::scalar(ValueType::String));
            Ok(Tag {
                name: tag.name.clone(),
                kind,
                field: find(&tag.field)?,
            })
        });
        let tags = tags.collect::<Result<Vec<Tag>>>()?;
        let payload = match &mapping.payload {
            PayloadSource::None => None,
            PayloadSource::Field(name) => Some(Payload::Field(find(name)?)),
            PayloadSource::Row => {
                // In an object a name stands for one value.
                header.iter().try_for_each(|name| find(name).map(drop))?;
                Some(Payload::Row(Vec::new()))
            }
        };
        Ok(CsvReader {
            series: find(mapping.series_field())?,
            by_label: matches!(mapping.series, SeriesSource::Label(_)),
            key: find(&mapping.key)?,
            skip_missing_key: mapping.skip_missing_key,
            nulls: mapping.nulls.clone(),
            payload,
            tags,
            records,
            header,
        })
    }

    fn series(&self, rows: &mut Rows) -> Result<u64> {
        let text = value(&self.records, &self.series);
        if !self.by_label {
            return text::series_id(text);
        }
        if text.is_empty() {
            return Err(Problem::new(
                "the series is empty",
                "give every row a series",
            ));
        }
        rows.label(text::utf8(text)?)
    }

    /// Whether a field stands for no value.
    fn is_missing(&self, text: &[u8]) -> bool {
        text.is_empty() || self.nulls.iter().any(|null| null.as_bytes() == text)
    }

    fn append_tags(&self, rows: &mut Rows) -> Result<()> {
        for tag in &self.tags {
            let text = value(&self.records, &tag.field);
            if self.is_missing(text) {
                continue;
            }
            // An int of an array takes eight bytes and may be written in two.
            let bytes = text
                .len()
                .saturating_mul(if tag.kind.array { 4 } else { 1 });
            rows.tag(&tag.name, tag.kind, bytes)
                .and_then(|column| field::push(column, text))
                .map_err(|problem| problem.in_field(&tag.field.name))?;
        }
        Ok(())
    }

    fn append_payload(&mut self, rows: &mut Rows) -> Result<()> {
        match &mut self.payload {
            None => Ok(()),
            Some(Payload::Field(field)) => rows
                .payload(value(&self.records, field))
                .map_err(|problem| problem.in_field(&field.name)),
            Some(Payload::Row(buffer)) => {
                write_record(&self.header, &self.records, buffer)?;
                rows.payload(buffer)
            }
        }
    }
}

impl RowReader for CsvReader {
    fn advance(&mut self, until: Option<Moment>) -> Result<Advance> {
        let advance = self.records.advance(until)?;
        let (found, expected) = (self.records.len(), self.header.len());
        if matches!(advance, Advance::Record(_)) && found != expected {
            let what = format!("{found} fields, but the header has {expected}");
            return Err(Problem::new(
                what,
                "correct the line; a field with a comma stands in double quotes",
            ));
        }
        Ok(advance)
    }

    fn append(&mut self, rows: &mut Rows) -> Result<Kept> {
        let key = value(&self.records, &self.key);
        if self.is_missing(key.trim_ascii()) {
            if self.skip_missing_key {
                return Ok(Kept::Skipped);
            }
            let remedy = "give it, or pass --skip-missing-key to count such rows";
            return Err(Problem::new("the key is empty", remedy).in_field(&self.key.name));
        }
        let key = text::key(key).map_err(|problem| problem.in_field(&self.key.name))?;
        let series = self
            .series(rows)
            .map_err(|problem| problem.in_field(&self.series.name))?;
        self.append_tags(rows)?;
        self.append_payload(rows)?;
        rows.end(series, key);
        Ok(Kept::Row)
    }

    fn line(&self) -> u64 {
        self.records.first_line()
    }

    fn is_cut(&self) -> bool {
        self.records.is_cut()
    }
}

/// The names of the fields, as the first record has them.
fn names(records: &Records) -> Result<Vec<String>> {
    let names = records
        .fields()
        .map(|name| Ok(text::utf8(name)?.to_owned()));
    names.collect()
}

/// The field of a record; records have as many fields as the header.
fn value<'r>(records: &'r Records, field: &Field) -> &'r [u8] {
    records.field(field.at)
}

fn field(header: &[String], name: &str) -> Result<Field> {
    let mut found = header
        .iter()
        .enumerate()
        .filter(|(_, field)| *field == name);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(Field {
            name: name.to_owned(),
            at,
        }),
        (Some(_), Some(_)) => {
            let what = "the header has this field twice";
            Err(Problem::new(what, "rename one of them").in_field(name))
        }
        (None, _) if header.is_empty() => {
            let what = "the input is empty";
            Err(Problem::new(what, "CSV starts with a line of field names").in_field(name))
        }
        (None, _) => {
            let what = format!("unknown field; the header has {}", excerpt_list(header));
            Err(Problem::new(what, "correct the name").in_field(name))
        }
    }
}

fn excerpt_list(names: &[String]) -> String {
    const NAMES_MAX: usize = 40;
    let mut list = names
        .iter()
        .take(NAMES_MAX)
        .map(|name| excerpt(name))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMES_MAX {
        list.push_str(", ...");
    }
    list
}

/// The record as a JSON object of strings.
fn write_record(header: &[String], records: &Records, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    out.push(b'{');
    for (at, (name, field)) in header.iter().zip(records.fields()).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let field = text::utf8(field).map_err(|problem| problem.in_field(name))?;
        serde_json::to_writer(&mut *out, name)
            .and_then(|()| {
                out.push(b':');
                serde_json::to_writer(&mut *out, field)
            })
            .map_err(|error| Problem::new(error.to_string(), "report this as a bug"))?;
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::tag::TagMapping;
    use crate::database::Pieces;
    use crate::exit::Failure;
    use crate::ingest::source::tests::source_of;
    use sidx_columns::Value;

    fn mapping(tags: &[&str], payload: PayloadSource) -> Mapping {
        let tags: Vec<TagMapping> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        Mapping {
            series: SeriesSource::Label("s".into()),
            key: "k".into(),
            key_mapped: true,
            tags: TagSource::Fields(tags),
            payload,
            strict: false,
            skip_missing_key: true,
            nulls: vec!["NA".into()],
        }
    }

    fn read(mapping: &Mapping, input: &[u8]) -> std::result::Result<(Pieces, u64), Failure> {
        let opened = CsvReader::new(source_of(input), mapping);
        let mut reader = opened.map_err(|problem| problem.at_line(1))?;
        let (mut rows, mut skipped) = (Rows::new(), 0);
        loop {
            let step = reader.advance(None).and_then(|advance| match advance {
                Advance::Record(_) => reader.append(&mut rows).map(Some),
                _ => Ok(None),
            });
            match step.map_err(|problem| problem.at_line(reader.line()))? {
                Some(Kept::Row) => {}
                Some(Kept::Skipped) => skipped += 1,
                None => return Ok((rows.take().unwrap(), skipped)),
            }
        }
    }

    fn message(mapping: &Mapping, input: &[u8]) -> String {
        match read(mapping, input) {
            Err(Failure::Told { message, .. }) => message,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn records_become_rows() {
        let mapping = mapping(&["a:int", "b"], PayloadSource::Row);
        let input = b"s,k,a,b\r\nUA,5.0,517.0,\"x, \"\"y\"\"\"\r\nUA,,1,z\r\n\r\nUA,NA,1,z\r\nB6,-7,NA,\r\n";
        let (pieces, skipped) = read(&mapping, input).unwrap();
        assert_eq!((pieces.keys.as_slice(), skipped), ([5, -7].as_slice(), 2));
        assert_eq!(pieces.labels, ["UA", "B6"]);
        assert_eq!(pieces.tags[0].1.value(0), Some(Value::Int(517)));
        assert_eq!(pieces.tags[1].1.value(0), Some(Value::String("x, \"y\"")));
        assert_eq!(pieces.tags[1].1.value(1), None);
        let expected = br#"{"s":"UA","k":"5.0","a":"517.0","b":"x, \"y\""}"#;
        assert_eq!(pieces.payloads.value(0), Some(Value::Bytes(expected)));
    }

    #[test]
    fn a_payload_of_whole_rows_needs_every_name_once() {
        let twice = b"s,k,a,a\nx,1,1,2\n";
        let whole = mapping(&[], PayloadSource::Row);
        let expected = "line 1: field \"a\": the header has this field twice";
        assert_eq!(message(&whole, twice), expected);
        assert!(read(&mapping(&[], PayloadSource::None), twice).is_ok());
    }

    #[test]
    fn faults_name_line_and_field() {
        let mapping = mapping(&["a:int"], PayloadSource::None);
        let cases: [(&[u8], &str); 15] = [
            (
                b"s,k,a\nx,1,1\nx,2,\"1\nx,3,1\nx,4,1\n",
                "line 3: a quote is opened and not closed",
            ),
            (
                b"s,\"k,a\nx,1,1\n",
                "line 1: a quote is opened and not closed",
            ),
            (
                b"\xef\xbb\xbfs,k,a\nx,\"1\n2\",1\n",
                "line 2: field \"k\": expected an int, found \"1\\n2\"",
            ),
            (
                b"s,k,a\nx,1,1\nx,y,1\rx,1,1\n",
                "line 3: field \"k\": expected an int, found \"y\"",
            ),
            (b"", "line 1: field \"a\": the input is empty"),
            (
                b"s,k,b\n",
                "line 1: field \"a\": unknown field; the header has s, k, b",
            ),
            (
                b"s,k,a,a\n",
                "line 1: field \"a\": the header has this field twice",
            ),
            (
                b"s,k,a\nx,1,1\nx,1\n",
                "line 3: 2 fields, but the header has 3",
            ),
            (
                b"s,k,a\r\nx,1,1\r\nx,1\r\n",
                "line 3: 2 fields, but the header has 3",
            ),
            (
                b"s,k,a\r\nx,1,1\r\nx,y,1\r\n",
                "line 3: field \"k\": expected an int, found \"y\"",
            ),
            (
                b"s,k,a\n\n\nx,y,1",
                "line 4: field \"k\": expected an int, found \"y\"",
            ),
            (
                b"s,k,a\r\n\r\nx,y,1",
                "line 3: field \"k\": expected an int, found \"y\"",
            ),
            (
                b"s,k,a\n\"x\ny\",1,1\n,1,1\n",
                "line 4: field \"s\": the series is empty",
            ),
            (
                b"s,k,a\nx,1,1.5\n",
                "line 2: field \"a\": expected an int, found \"1.5\"",
            ),
            (
                b"s,k,a\n\xff,1,1\n",
                "line 2: field \"s\": byte 1 is not valid UTF-8",
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(message(&mapping, input), expected);
        }
    }
}
