//! NDJSON: one JSON object per line.

use serde_json::value::RawValue;
use sidx_columns::{ColumnType, ValueType};
use std::collections::{HashMap, HashSet};

use super::json::{self, Inferred, Token};
use super::mapping::{Mapping, PayloadSource, SeriesSource, TagSource};
use super::problem::{Problem, Result};
use super::reader::{Advance, Kept, RowReader};
use super::rows::Rows;
use super::source::{Filled, RECORD_BYTES_MAX, Source};
use super::text;
use crate::arguments::tag::TagMapping;
use crate::moment::Moment;

/// Fields that `sidx dump` adds to a row.
const DUMP_FIELDS: [&str; 2] = ["part", "row"];

/// Reads lines into rows.
pub(super) struct NdjsonReader {
    source: Source,
    mapping: Mapping,
    roles: HashMap<String, Vec<Role>>,
    line: Vec<u8>,
    /// Lines read, with the one that is being read.
    number: u64,
    /// Whether a line has begun and its end has not been seen.
    begun: bool,
}

/// What a field is for.
#[derive(Clone, Debug)]
enum Role {
    Series,
    Key,
    Payload,
    Tags,
    Tag(TagMapping),
}

/// What the fields of the current line gave so far.
#[derive(Default)]
struct Found {
    series: Option<u64>,
    key: Option<i64>,
    /// The roles that were given, be it as null.
    given: Given,
    /// Every name so far, where the whole row is the payload.
    names: HashSet<String>,
}

#[derive(Default)]
struct Given {
    series: bool,
    key: bool,
    payload: bool,
    tags: bool,
}

impl NdjsonReader {
    /// A reader of a source.
    pub(super) fn new(source: Source, mapping: Mapping) -> NdjsonReader {
        let roles = roles(&mapping);
        NdjsonReader {
            source,
            mapping,
            roles,
            line: Vec::new(),
            number: 0,
            begun: false,
        }
    }

    /// Reads to the end of the line.
    fn read_line(&mut self, until: Option<Moment>) -> Result<Filled> {
        if !self.begun {
            self.line.clear();
            self.number += 1;
            self.begun = true;
        }
        loop {
            match self
                .source
                .fill(until)
                .map_err(|e| Problem::unreadable(&e))?
            {
                Filled::Idle => return Ok(Filled::Idle),
                // What an interruption cut off is no line.
                Filled::End if self.line.is_empty() || self.source.is_cut() => {
                    self.number -= 1;
                    self.begun = false;
                    return Ok(Filled::End);
                }
                Filled::End => break,
                Filled::Ready => {}
            }
            let bytes = self.source.bytes();
            let end = memchr::memchr(b'\n', bytes);
            let count = end.map_or(bytes.len(), |end| end + 1);
            if self.line.len() + count > RECORD_BYTES_MAX {
                let what = "the line is longer than 128 MiB";
                return Err(Problem::new(
                    what,
                    "is it NDJSON, with one object per line?",
                ));
            }
            self.line
                .extend_from_slice(bytes.get(..count).unwrap_or_default());
            self.source.consume(count);
            if end.is_some() {
                break;
            }
        }
        self.begun = false;
        Ok(Filled::Ready)
    }

    fn take_line(&self, rows: &mut Rows) -> Result<Kept> {
        let line = text::utf8(self.line.trim_ascii())?;
        let mut found = Found::default();
        json::each_field(line, |name, raw| {
            self.take_field(rows, &mut found, &name, raw)
                .map_err(|p| p.in_field(&name))
        })?;
        if self.mapping.payload == PayloadSource::Row {
            rows.payload(line.as_bytes())
                .map_err(|problem| problem.in_field("payload"))?;
        }
        let Some(key) = found.key else {
            if self.mapping.skip_missing_key {
                rows.discard();
                return Ok(Kept::Skipped);
            }
            let remedy = "give it, or pass --skip-missing-key";
            return Err(Problem::new("missing", remedy).in_field(&self.mapping.key));
        };
        let series = found.series.ok_or_else(|| {
            let remedy = "give every row a series: text for a label, a number for an id";
            Problem::new("missing", remedy).in_field(self.mapping.series_field())
        })?;
        rows.end(series, key);
        Ok(Kept::Row)
    }

    fn take_field(
        &self,
        rows: &mut Rows,
        found: &mut Found,
        name: &str,
        raw: &RawValue,
    ) -> Result<()> {
        if self.mapping.payload == PayloadSource::Row {
            // In an object a name stands for one value.
            once(!found.names.insert(name.to_owned()))?;
        }
        let Some(roles) = self.roles.get(name) else {
            if self.mapping.strict && !DUMP_FIELDS.contains(&name) {
                let remedy = "a row has series, key, tags and payload; to load other objects, name \
                              their fields with --series, --key, --tag and --payload";
                return Err(Problem::new("unknown field", remedy));
            }
            return Ok(());
        };
        for role in roles {
            match role {
                Role::Series => {
                    once(std::mem::replace(&mut found.given.series, true))?;
                    found.series = self.series(rows, &Token::new(raw)?)?;
                }
                Role::Key => {
                    once(std::mem::replace(&mut found.given.key, true))?;
                    found.key = self.key(&Token::new(raw)?)?;
                }
                Role::Payload => {
                    once(std::mem::replace(&mut found.given.payload, true))?;
                    payload(rows, Token::new(raw)?)?;
                }
                Role::Tags => {
                    once(std::mem::replace(&mut found.given.tags, true))?;
                    tags(rows, raw)?;
                }
                Role::Tag(mapping) => tag(rows, &mapping.name, mapping.kind, raw)?,
            }
        }
        Ok(())
    }

    fn series(&self, rows: &mut Rows, token: &Token<'_>) -> Result<Option<u64>> {
        let by_label = matches!(self.mapping.series, SeriesSource::Label(_));
        match token {
            Token::Text(label) if by_label && label.is_empty() => Err(Problem::new(
                "the series is empty",
                "give every row a series",
            )),
            Token::Text(label) if by_label => rows.label(label).map(Some),
            Token::Text(digits) => text::series_id(digits.as_bytes()).map(Some),
            Token::Number(digits) => text::series_id(digits.as_bytes()).map(Some),
            Token::Null => Ok(None),
            other => {
                let what = format!("expected a series, found {}", other.described());
                Err(Problem::new(what, "a label is text, an id a number"))
            }
        }
    }

    fn key(&self, token: &Token<'_>) -> Result<Option<i64>> {
        match token {
            Token::Null => Ok(None),
            Token::Number(digits) => text::key(digits.as_bytes()).map(Some),
            Token::Text(text) if self.mapping.key_mapped => match text.trim_ascii() {
                "" => Ok(None),
                digits => text::key(digits.as_bytes()).map(Some),
            },
            other => {
                let what = format!("expected an int as key, found {}", other.described());
                Err(Problem::new(
                    what,
                    "write the key as a number without quotes",
                ))
            }
        }
    }
}

impl RowReader for NdjsonReader {
    fn advance(&mut self, until: Option<Moment>) -> Result<Advance> {
        loop {
            match self.read_line(until)? {
                Filled::Idle => return Ok(Advance::Idle),
                Filled::End => return Ok(Advance::End),
                Filled::Ready if self.line.trim_ascii().is_empty() => {}
                Filled::Ready => return Ok(Advance::Record(self.line.len())),
            }
        }
    }

    fn append(&mut self, rows: &mut Rows) -> Result<Kept> {
        self.take_line(rows)
    }

    fn line(&self) -> u64 {
        self.number
    }

    fn is_cut(&self) -> bool {
        self.source.is_cut()
    }
}

fn roles(mapping: &Mapping) -> HashMap<String, Vec<Role>> {
    let mut roles: HashMap<String, Vec<Role>> = HashMap::new();
    let mut add = |field: &str, role| roles.entry(field.to_owned()).or_default().push(role);
    add(mapping.series_field(), Role::Series);
    add(&mapping.key, Role::Key);
    if let PayloadSource::Field(field) = &mapping.payload {
        add(field, Role::Payload);
    }
    match &mapping.tags {
        TagSource::Object => add("tags", Role::Tags),
        TagSource::Fields(tags) => {
            tags.iter()
                .for_each(|tag| add(&tag.field, Role::Tag(tag.clone())));
        }
    }
    roles
}

fn once(again: bool) -> Result<()> {
    if again {
        return Err(Problem::new(
            "given twice in this row",
            "leave one of them out",
        ));
    }
    Ok(())
}

fn payload(rows: &mut Rows, token: Token<'_>) -> Result<()> {
    const REMEDY: &str = "a payload is text, or bytes as {\"base64\": \"...\"}";
    match token {
        Token::Text(text) => rows.payload(text.as_bytes()),
        Token::Null => Ok(()),
        Token::Object(_) => match json::unwrap(token) {
            Ok((Some(ValueType::Bytes), Token::Text(text))) => {
                rows.payload(&text::bytes(text.as_bytes())?)
            }
            _ => Err(Problem::new("an object is not a payload", REMEDY)),
        },
        other => Err(Problem::new(
            format!("{} is not a payload", other.described()),
            REMEDY,
        )),
    }
}

fn tags(rows: &mut Rows, raw: &RawValue) -> Result<()> {
    match Token::new(raw)? {
        Token::Object(text) => json::each_field(text, |name, raw| {
            tag(rows, &name, None, raw).map_err(|problem| problem.in_field(&name))
        }),
        Token::Null => Ok(()),
        other => {
            let what = format!("expected an object, found {}", other.described());
            Err(Problem::new(what, "write {\"tags\": {\"name\": value}}"))
        }
    }
}

/// Adds a tag's value to the current row.
fn tag(rows: &mut Rows, name: &str, declared: Option<ColumnType>, raw: &RawValue) -> Result<()> {
    let (wrapped, token) = json::unwrap(Token::new(raw)?)?;
    let inferred = match declared {
        Some(_) if token == Token::Null => Inferred::Absent,
        Some(kind) => {
            if let Some(wrapped) = wrapped.filter(|wrapped| *wrapped != kind.value) {
                let what = format!("expected {}, found a {wrapped}", text::described(kind));
                return Err(Problem::new(what, "correct the line or the type in --tag"));
            }
            Inferred::Known(kind)
        }
        None => json::infer(wrapped, &token)?,
    };
    let is_empty_array = inferred == Inferred::EmptyArray;
    let kind = match inferred {
        Inferred::Absent => return rows.absent_tag(name),
        Inferred::Known(kind) => kind,
        Inferred::EmptyArray => {
            ColumnType::array(rows.array_type(name).unwrap_or(ValueType::String))
        }
    };
    // What the user declares needs no memory; an empty array that nobody declares tells nothing.
    if kind.array && declared.is_none() && !is_empty_array {
        rows.know_array(name, kind.value);
    }
    // An int of an array takes eight bytes and may be written in two.
    let bytes = raw
        .get()
        .len()
        .saturating_mul(if kind.array { 4 } else { 1 });
    json::push(rows.tag(name, kind, bytes)?, &token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Pieces;
    use crate::exit::Failure;
    use crate::ingest::source::tests::source_of;
    use sidx_columns::{OwnedValue, Value};

    fn standard() -> Mapping {
        Mapping {
            series: SeriesSource::Label("series".into()),
            key: "key".into(),
            key_mapped: false,
            tags: TagSource::Object,
            payload: PayloadSource::Field("payload".into()),
            strict: true,
            skip_missing_key: false,
            nulls: Vec::new(),
        }
    }

    fn read(mapping: Mapping, input: &str) -> std::result::Result<(Pieces, u64), Failure> {
        let mut reader = NdjsonReader::new(source_of(input.as_bytes()), mapping);
        let mut rows = Rows::new();
        let mut skipped = 0;
        while reader.advance(None).unwrap() != Advance::End {
            match reader
                .append(&mut rows)
                .map_err(|problem| problem.at_line(reader.line()))?
            {
                Kept::Row => {}
                Kept::Skipped => skipped += 1,
            }
        }
        Ok((rows.take().unwrap(), skipped))
    }

    fn message(mapping: Mapping, input: &str) -> String {
        match read(mapping, input) {
            Err(Failure::Told { message, .. }) => message,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("accepted {input}"),
        }
    }

    #[test]
    fn rows_of_the_standard_shape() {
        let input = concat!(
            "\u{feff}",
            r#"{"series": "UA", "key": -12, "tags": {"status": 500, "codes": [1, 2]}, "#,
            r#""payload": "te\u0078t"}"#,
            "\r\n\n",
            r#"{"key": 1.0, "series": 18446744073709551615, "payload": {"base64": "AAE="}}"#,
            "\n",
            r#"{"part": "00", "row": 1, "key": 3, "series": 0, "tags": {"codes": []}}"#,
        );
        let (pieces, _) = read(standard(), input).unwrap();
        assert_eq!(pieces.keys, [-12, 1, 3]);
        assert_eq!(pieces.series[1..], [u64::MAX, 0]);
        assert_eq!(pieces.payloads.value(0), Some(Value::Bytes(b"text")));
        assert_eq!(pieces.payloads.value(1), Some(Value::Bytes(&[0, 1])));
        let codes: Vec<_> = (0..3).map(|row| pieces.tags[1].1.value(row)).collect();
        let owned = |row: usize| codes[row].map(|value| value.to_owned_value());
        let int = sidx_columns::ValueType::Int;
        assert_eq!(
            owned(0),
            Some(OwnedValue::Array(int, vec![1.into(), 2.into()]))
        );
        assert_eq!(owned(1), None);
        assert_eq!(owned(2), Some(OwnedValue::Array(int, vec![])));
    }

    #[test]
    fn faults_name_line_and_field() {
        let good = "{\"series\": 1, \"key\": 1}\n";
        let cases = [
            (
                "{\"series\": 1, \"key\": 1, \"k\": 1}",
                "line 2: field \"k\": unknown field",
            ),
            ("{\"series\": 1}", "line 2: field \"key\": missing"),
            ("{\"key\": 1}", "line 2: field \"series\": missing"),
            (
                "{\"series\": 1, \"key\": \"1\"}",
                "line 2: field \"key\": expected an int as key",
            ),
            (
                "{\"series\": 1, \"key\": 1.5}",
                "line 2: field \"key\": expected an int",
            ),
            (
                "{\"series\": -1, \"key\": 1}",
                "line 2: field \"series\": expected an id",
            ),
            (
                "{\"series\": 1, \"key\": 1, \"key\": 2}",
                "line 2: field \"key\": given twice",
            ),
            (
                "{\"tags\": {\"a\": 1, \"a\": \"x\"}}",
                "line 2: field \"a\": given twice",
            ),
            (
                "{\"tags\": {\"a\": {\"b\": 1}}}",
                "line 2: field \"a\": an object is not a tag",
            ),
            (
                "{\"tags\": [1]}",
                "line 2: field \"tags\": expected an object, found an array",
            ),
            (
                "{\"payload\": 5}",
                "line 2: field \"payload\": the number 5 is not a payload",
            ),
            (
                "{\"series\": 1, \"key\": null, \"key\": 2}",
                "line 2: field \"key\": given twice",
            ),
            (
                "{\"tags\": {\"a\": null, \"a\": 1}}",
                "line 2: field \"a\": given twice",
            ),
            (
                "{\"tags\": {\"a\": 1, \"a\": null}}",
                "line 2: field \"a\": given twice",
            ),
            (
                "{\"series\": \"\", \"key\": 1}",
                "line 2: field \"series\": the series is empty",
            ),
            ("{\"key\": 1", "line 2: not valid JSON at column 9"),
            ("7", "line 2: not valid JSON at column 1"),
        ];
        for (line, expected) in cases {
            let message = message(standard(), &format!("{good}{line}"));
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn mapped_fields_and_skipped_rows() {
        let mut mapping = standard();
        mapping.series = SeriesSource::Id("id".into());
        mapping.key = "at".into();
        mapping.key_mapped = true;
        mapping.tags = TagSource::Fields(vec!["a:int".parse().unwrap(), "b=a".parse().unwrap()]);
        mapping.payload = PayloadSource::Row;
        mapping.strict = false;
        mapping.skip_missing_key = true;
        let input = "{\"id\": \"7\", \"at\": \"5\", \"a\": \"1\", \"x\": {}}\n\
                     {\"id\": 7, \"at\": null, \"a\": 1}\n{\"id\": 7, \"at\": \"\"}\n";
        let (pieces, skipped) = read(mapping.clone(), input).unwrap();
        assert_eq!((pieces.keys, pieces.series, skipped), (vec![5], vec![7], 2));
        assert_eq!(pieces.tags[0].1.value(0), Some(Value::Int(1)));
        assert_eq!(pieces.tags[1].1.value(0), Some(Value::String("1")));
        let line = input.lines().next().unwrap();
        assert_eq!(
            pieces.payloads.value(0),
            Some(Value::Bytes(line.as_bytes()))
        );
        let wrong = "{\"id\": 7, \"at\": 1, \"a\": \"x\"}";
        let expected = "line 1: field \"a\": expected an int, found \"x\"";
        assert_eq!(message(mapping, wrong), expected);
    }

    #[test]
    fn a_payload_of_whole_rows_needs_every_name_once() {
        let mut mapping = standard();
        mapping.payload = PayloadSource::Row;
        mapping.strict = false;
        let twice = "{\"series\": 1, \"key\": 1, \"x\": 1, \"x\": 2}";
        assert_eq!(
            message(mapping.clone(), twice),
            "line 1: field \"x\": given twice in this row"
        );
        mapping.payload = PayloadSource::None;
        assert!(read(mapping, twice).is_ok());
    }

    /// The types of the arrays of `x`, in batches of so many rows.
    fn array_types(lines: &[&str], batch_rows: usize) -> Vec<ValueType> {
        let mut types = Vec::new();
        let mut rows = Rows::new();
        for batch in lines.chunks(batch_rows) {
            let line =
                |x: &&str| format!("{{\"series\": 1, \"key\": 1, \"tags\": {{\"x\": {x}}}}}\n");
            let input: String = batch.iter().map(line).collect();
            let mut reader = NdjsonReader::new(source_of(input.as_bytes()), standard());
            while reader.advance(None).unwrap() != Advance::End {
                reader.append(&mut rows).unwrap();
            }
            let pieces = rows.take().unwrap();
            for row in 0..batch.len() {
                let mut columns = pieces.tags.iter().map(|(_, column)| column);
                let column = columns.find(|column| column.value(row).is_some()).unwrap();
                assert!(column.kind().array);
                types.push(column.kind().value);
            }
        }
        types
    }

    #[test]
    fn an_empty_array_has_the_type_of_the_array_before_it_whatever_the_batches() {
        use ValueType::{Float, Int, String};
        let lines = [
            "[]",
            "[1]",
            "[]",
            "[\"a\"]",
            "[]",
            "[0.5]",
            "[]",
            "{\"int\": []}",
            "[]",
        ];
        let types = [String, Int, Int, String, String, Float, Float, Int, Int];
        for batch_rows in 1..=lines.len() {
            assert_eq!(array_types(&lines, batch_rows), types, "{batch_rows}");
        }
    }

    #[test]
    fn invalid_utf8_is_a_bad_line() {
        let source = source_of(b"{\"key\": 1, \"series\": \"\xff\"}");
        let mut reader = NdjsonReader::new(source, standard());
        assert!(matches!(reader.advance(None), Ok(Advance::Record(_))));
        assert!(reader.append(&mut Rows::new()).is_err());
    }
}
